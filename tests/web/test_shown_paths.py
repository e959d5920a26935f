"""Where a Unix socket is shown: the page, the API, the metrics and the APIs of clouds."""

from collections.abc import Awaitable, Callable
from urllib.parse import quote

import pytest

from prober.model.status import Reason
from tests.web.conftest import Client
from tests.web.dialects.editing import FakeEditor
from tests.web.world import World

PATH = "unix:/run/app: a.sock"
BACKEND = quote(PATH, safe="")
DOCUMENT = {
    "monitors": [{"name": "m", "type": "TCP", "pool": "web"}],
    "pools": [
        {"name": "web", "load_balancer": "lb", "project_id": "p1", "backends": [{"address": PATH}]}
    ],
}


@pytest.fixture
async def client(world: World, connect: Callable[..., Awaitable[Client]]) -> Client:
    editor = FakeEditor(world, DOCUMENT)
    world.record("m", PATH, Reason.REFUSED, times=3)
    return await connect(editor=editor)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/pools/web",
        f"/checks/m/{BACKEND}",
        "/events",
        "/metrics",
        "/api/v1/checks",
        f"/api/v1/checks/m/{BACKEND}",
        "/api/v1/pools/web",
        "/api/v1/events",
    ],
)
async def test_a_path_is_shown(client: Client, path: str) -> None:
    response = await client.get(path)
    assert response.status == 200
    assert PATH in (await response.text()).replace("&#x27;", "'")


async def test_a_gate_answers_for_a_path(client: Client) -> None:
    assert (await client.get(f"/health/backends/web/{BACKEND}")).status == 503


async def test_octavia_shows_the_path_as_the_address_without_a_port(
    client: Client, world: World
) -> None:
    pool = world.store.pools["web"]
    response = await client.get(f"/v2/lbaas/pools/{pool.id}/members")
    assert response.status == 200, await response.text()
    (member,) = (await response.json())["members"]
    assert (member["address"], member["protocol_port"]) == (PATH, 0)
    assert member["operating_status"] == "ERROR"


async def test_huawei_shows_the_path_as_the_address_without_a_port(
    client: Client, world: World
) -> None:
    pool = world.store.pools["web"]
    response = await client.get(f"/v3/p1/elb/pools/{pool.id}/members")
    assert response.status == 200, await response.text()
    (member,) = (await response.json())["members"]
    assert (member["address"], member["protocol_port"]) == (PATH, 0)


async def test_oracle_names_a_backend_by_its_path(client: Client) -> None:
    sets = "/20170115/loadBalancers/lb/backendSets/web/backends"
    (shown,) = await (await client.get(sets)).json()
    assert (shown["name"], shown["ipAddress"], shown["port"]) == (PATH, PATH, 0)
    response = await client.get(f"{sets}/{BACKEND}/health")
    assert response.status == 200, await response.text()
    assert (await response.json())["status"] == "CRITICAL"
