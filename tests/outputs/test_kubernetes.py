"""Kubernetes: the slices of a pool, valid by the published schemas, written when they change."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate
import pytest

from prober.model.file_kinds import Secret
from prober.model.pool import Backend
from prober.outputs.kubernetes import ApiServer, KubernetesOutput, slices_of
from tests.outputs.serving import Receiver, World, backend, pool, receiving, until


def settings_for(api: Receiver) -> KubernetesOutput:
    server = ApiServer(url=api.url, token=Secret("t0ken", masked=True))
    return KubernetesOutput(namespace="shop", api=server, keep=0.0)


def is_a_valid_slice(request: BaseHTTPRequestHandler, body: Any) -> None:
    parts = urlsplit(request.path)
    assert request.command == "PATCH"
    assert request.headers["Content-Type"] == "application/apply-patch+yaml"
    assert request.headers["Authorization"] == "Bearer t0ken"
    assert parse_qs(parts.query) == {"fieldManager": ["prober"], "force": ["true"]}
    place = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
    assert parts.path == f"{place}/{body['metadata']['name']}"
    kubernetes_validate.validate(body, "1.33", strict=True)


@pytest.fixture
def api() -> Iterator[Receiver]:
    """Yield an API server that takes valid slices."""
    with receiving(is_a_valid_slice) as server:
        yield server


def ready(applied: dict[str, Any]) -> list[bool]:
    return [each["conditions"]["ready"] for each in applied["endpoints"]]


@pytest.mark.parametrize(
    ("word", "conditions"),
    [
        ("ok", (True, True, False)),
        ("warning", (True, True, False)),
        ("critical", (False, False, False)),
        ("ok+drain", (False, True, True)),
        ("critical+drain", (False, False, True)),
        ("ok+maintenance", (False, False, False)),
        ("critical+forced_up", (True, True, False)),
    ],
)
def test_conditions_say_what_was_judged_and_decided(
    word: str, conditions: tuple[bool, bool, bool]
) -> None:
    (shown,) = slices_of("web", "shop", [backend(1, word)]).values()
    found = shown["endpoints"][0]["conditions"]
    assert (found["ready"], found["serving"], found["terminating"]) == conditions


def test_a_slice_holds_one_family_and_one_port() -> None:
    places = [("10.0.0.1", 80), ("2001:db8::1", 80), ("10.0.0.2", 81), ("a.example", 80)]
    known = backend(1, "ok")
    backends = [known._replace(backend=Backend(address=a, port=p)) for a, p in places]
    found = slices_of("web", "shop", backends)
    assert sorted(found) == ["web-prober-ipv4-80", "web-prober-ipv4-81", "web-prober-ipv6-80"]
    for each in found.values():
        kubernetes_validate.validate(each, "1.33", strict=True)


async def test_slices_are_written_when_they_change_and_only_then(api: Receiver) -> None:
    settings = settings_for(api)
    world = World(settings, pool("ok", "ok"), pool("ok", name="not a service"))
    async with settings.run(world.desk()):
        await until(lambda: len(api.taken) == 1)
        world.source.put(pool("ok", "unknown"))
        world.source.put(pool("ok", "critical"))
        await until(lambda: len(api.taken) == 2)
        await until(lambda: world.counters.queue() == 0)
    assert [ready(each) for each in api.taken] == [[True, True], [True, False]]
    assert world.counters.errors["name"] == 1


async def test_backends_that_leave_take_their_slice_out_of_service(api: Receiver) -> None:
    settings, known = settings_for(api), pool("ok", "ok")
    six = known.backends[0]._replace(backend=Backend(address="2001:db8::1", port=80))
    world = World(settings, known._replace(backends=(*known.backends, six)))
    async with settings.run(world.desk()):
        await until(lambda: len(api.taken) == 2)
        world.source.put(known)
        await until(lambda: len(api.taken) == 3)
        world.source.put(pool("ok", "critical"))
        await until(lambda: len(api.taken) == 4)
    gone = api.taken[2]
    assert (gone["metadata"]["name"], ready(gone)) == ("web-prober-ipv6-80", [False])
    assert ready(api.taken[3]) == [True, False]  # and it is not written again


async def test_a_slice_that_is_not_needed_after_a_restart_is_taken_out_of_service(
    api: Receiver,
) -> None:
    settings, known = settings_for(api), pool("ok")
    six = known.backends[0]._replace(backend=Backend(address="2001:db8::1", port=80))
    world = World(settings, known._replace(backends=(*known.backends, six)))
    async with settings.run(world.desk()):
        await until(lambda: world.counters.sent == 2)
    world.memory.content["broken"] = {"metadata": 7}
    world.source.pools["web"] = known
    async with settings.run(world.desk()):
        await until(lambda: world.counters.sent == 4)
    found = {each["metadata"]["name"]: ready(each) for each in api.taken[2:]}
    assert found == {"web-prober-ipv4-80": [True], "web-prober-ipv6-80": [False]}


async def test_a_pool_that_is_refused_holds_up_no_other(
    api: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prober.outputs.kubernetes.RETRY", (3600.0, 3600.0))
    api.look = lambda _, body: 422 if body["metadata"]["name"].startswith("bad") else None
    settings = settings_for(api)
    world = World(settings, pool("ok", name="bad"), pool("ok"))
    async with settings.run(world.desk()):
        await until(lambda: len(api.taken) == 1)
        world.source.put(pool("critical"))
        await until(lambda: len(api.taken) == 2 and world.counters.queue() == 1)
    assert [ready(each) for each in api.taken] == [[True], [False]]
    assert world.counters.errors["refused"] == 1


async def test_what_the_api_server_refuses_is_tried_again(
    api: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prober.outputs.kubernetes.RETRY", (0.001, 0.001))
    api.status = 503
    settings = settings_for(api)
    world = World(settings, pool("ok"))
    async with settings.run(world.desk()):
        await until(lambda: world.counters.errors["status"] >= 2)
        api.status = 200
        await until(lambda: world.counters.sent == 1)
    assert [event for _, event, _ in world.said] == ["output_failed", "output_restored"]
