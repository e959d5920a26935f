"""`GET /sd`: what is probed, for Prometheus."""

from typing import Any

import pytest

from prober.model.kinds import Frozen
from prober.model.pool import Backend, Pool
from tests.web.conftest import Client
from tests.web.world import World, backends, monitor

ONE, TWO, SIX = "10.0.0.1:80", "10.0.0.2:80", "[2001:db8::7]:80"


def configure(world: World) -> None:
    rack = Frozen(rack="r1")
    web = Pool(
        name="web",
        load_balancer="lb-1",
        backends=(
            *backends(ONE, SIX),
            Backend(address="10.0.0.2", port=80, labels=rack, name="b"),
            Backend(address="unix:/run/app.sock", port=0),  # which Prometheus cannot scrape
        ),
    )
    world.configure(
        monitor("http", pool="web", labels=Frozen(team="a")),
        monitor("off", ONE, type="TCP", enabled=False),
        pools=(web,),
    )


def meta(**labels: str) -> dict[str, str]:
    return {f"__meta_prober_{name}": value for name, value in labels.items()}


async def groups(client: Client, query: str = "") -> Any:
    answer = await client.get(f"/sd{query}")
    assert (answer.status, answer.content_type) == (200, "application/json")
    return await answer.json()


async def test_targets_come_in_groups_with_what_is_known_of_them(
    world: World, client: Client
) -> None:
    configure(world)
    http = {
        "monitor": "http",
        "pool": "web",
        "load_balancer": "lb-1",
        "kind": "HTTP",
        "enabled": "true",
        "label_team": "a",
    }
    off = {"monitor": "off", "pool": "off", "load_balancer": "default", "kind": "TCP"}
    assert await groups(client) == [
        {"targets": [ONE, SIX], "labels": meta(**http, backend_name="")},
        {"targets": [TWO], "labels": meta(**http, backend_name="b", label_rack="r1")},
        {"targets": [ONE], "labels": meta(**off, enabled="false", backend_name="")},
    ]


@pytest.mark.parametrize(
    ("query", "monitors"),
    [
        ("?monitor=http", {"http"}),
        ("?monitor=http&monitor=off", {"http", "off"}),
        ("?pool=off", {"off"}),
        ("?pool=off&monitor=http", set()),
    ],
)
async def test_a_list_can_be_narrowed(
    world: World, client: Client, query: str, monitors: set[str]
) -> None:
    configure(world)
    found = await groups(client, query)
    assert {group["labels"]["__meta_prober_monitor"] for group in found} == monitors


async def test_without_checks_the_list_is_empty_and_not_an_error(client: Client) -> None:
    assert await groups(client) == []


async def test_an_unknown_parameter_is_refused(client: Client) -> None:
    assert (await client.get("/sd?poool=web")).status == 400
