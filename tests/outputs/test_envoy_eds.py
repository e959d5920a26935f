"""Envoy's EDS over REST: what is asked, what is answered, when it waits."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from prober.outputs.envoy_eds import (
    TYPE_URL,
    DiscoveryRefused,
    EndpointDiscovery,
    EnvoyEdsOutput,
    assignment,
    discovery_response,
    health_status,
    read_request,
)
from prober.outputs.output import Feed
from tests.outputs.serving import World, backend, pool

SETTINGS = EnvoyEdsOutput(keep=0.0)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("ok", "HEALTHY"),
        ("warning", "HEALTHY"),
        ("slow", "DEGRADED"),
        ("critical", "UNHEALTHY"),
        ("ok+drain", "DRAINING"),
        ("ok+maintenance", "UNHEALTHY"),
        ("ok+forced_down", "UNHEALTHY"),
        ("critical+forced_up", "HEALTHY"),
    ],
)
def test_envoy_is_told_in_its_own_words(word: str, said: str) -> None:
    assert health_status(backend(1, word)) == said


async def test_a_pool_is_sent_once_all_its_backends_are_known() -> None:
    world = World(SETTINGS, pool("ok", "critical"), pool("ok", "unknown", name="new"))
    discovery = EndpointDiscovery(world.desk(), 0.0)
    answer = await discovery.answer({"resource_names": ["web", "new", "absent"]})
    assert answer is not None
    assert [each["cluster_name"] for each in answer["resources"]] == ["web"]
    endpoints = answer["resources"][0]["endpoints"][0]["lb_endpoints"]
    assert [each["health_status"] for each in endpoints] == ["HEALTHY", "UNHEALTHY"]
    assert endpoints[0]["endpoint"]["address"]["socket_address"] == {
        "address": "10.0.0.0",
        "port_value": 80,
    }
    assert answer["type_url"] == TYPE_URL
    assert answer["nonce"] == answer["version_info"]


@pytest.mark.parametrize(
    ("backups", "expected"),
    [
        ((False, False), [{"lb_endpoints": [1, 2]}]),
        ((False, True), [{"lb_endpoints": [1]}, {"lb_endpoints": [2], "priority": 1}]),
        ((True, True), [{"lb_endpoints": [1, 2], "priority": 0}]),
        ((), [{"lb_endpoints": []}]),
    ],
)
def test_backups_have_the_next_priority(
    backups: tuple[bool, ...], expected: list[dict[str, object]]
) -> None:
    served = [
        each._replace(backend=replace(each.backend, backup=backup, weight=place + 1))
        for place, backup in enumerate(backups)
        for each in pool("ok").backends
    ]
    shown = assignment("web", served)["endpoints"]
    for locality in shown:
        locality["lb_endpoints"] = [
            each.get("load_balancing_weight", 1) for each in locality["lb_endpoints"]
        ]
    assert shown == expected


async def test_a_request_for_what_has_not_changed_waits_for_a_change() -> None:
    world = World(SETTINGS, pool("ok"))
    desk = world.desk()
    discovery, feed = EndpointDiscovery(desk, 0.0), Feed()
    desk.follow(feed)
    following = asyncio.create_task(discovery.follow(feed))
    first = await discovery.answer({"versionInfo": "", "resourceNames": ["web"]})
    assert first is not None
    asked = {"version_info": first["version_info"], "resource_names": ["web"]}
    assert await discovery.answer(asked, wait=0.0) is None
    waiting = asyncio.create_task(discovery.answer(asked))
    await asyncio.sleep(0)
    assert not waiting.done()
    world.source.put(pool("critical"))
    second = await waiting
    assert second is not None
    assert second["version_info"] != first["version_info"]
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following


async def test_what_envoy_refuses_is_counted() -> None:
    world = World(SETTINGS, pool("ok"))
    discovery = EndpointDiscovery(world.desk(), 0.0)
    await discovery.answer({"error_detail": {"message": "malformed IP address"}})
    assert world.counters.errors == {"rejected": 1}


@pytest.mark.parametrize(
    "given",
    [
        [],
        "x",
        {"resource_names": "web"},
        {"resource_names": [1]},
        {"version_info": 7},
        {"type_url": "type.googleapis.com/envoy.config.cluster.v3.Cluster"},
    ],
)
def test_a_request_that_makes_no_sense_is_refused(given: object) -> None:
    with pytest.raises(DiscoveryRefused):
        read_request(given)


def test_the_answer_is_what_envoys_protos_describe() -> None:
    json_format = pytest.importorskip("google.protobuf.json_format")
    discovery = pytest.importorskip("envoy.service.discovery.v3.discovery_pb2")
    pytest.importorskip("envoy.config.endpoint.v3.endpoint_pb2")
    served = [
        each._replace(backend=replace(each.backend, weight=1 + place, backup=place > 1))
        for place, each in enumerate(pool("ok", "slow", "critical").backends)
    ]
    shown = discovery_response([assignment("web", served)])
    parsed = json_format.ParseDict(shown, discovery.DiscoveryResponse())
    assert parsed.resources[0].type_url == TYPE_URL
