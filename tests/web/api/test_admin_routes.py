"""Admin states over the native API: set, shown, ended, and what they change."""

from typing import Any

import pytest

from prober.model.pool import Pool
from prober.model.status import Reason
from tests.web.conftest import Client
from tests.web.world import WALL, World, backends, monitor

ONE, TWO = "10.0.0.1:80", "10.0.0.2:80"


class Open:
    """An editor that takes edits."""

    locked: str | None = None
    lasting = True

    async def stored(self) -> bool:
        return True


@pytest.fixture
def world(world: World) -> World:
    world.configure(
        monitor("m", pool="web"), pools=(Pool(name="web", backends=backends(ONE, TWO)),)
    )
    world.record("m", ONE, times=3)
    world.record("m", TWO, Reason.REFUSED, times=3)
    return world


@pytest.fixture
async def client(connect: Any) -> Client:
    found: Client = await connect(editor=Open())
    return found


async def put(client: Client, path: str, **body: object) -> tuple[int, Any]:
    response = await client.put(f"/api/v1/admin/{path}", json=body)
    return response.status, await response.json()


async def gate(client: Client, path: str) -> int:
    return (await client.get(f"/health/{path}")).status


async def test_a_state_is_set_shown_and_ended(client: Client) -> None:
    status, shown = await put(
        client, f"backends/web%2F{TWO}", state="maintenance", until="2h", reason="kernel"
    )
    assert status == 200
    assert shown == {
        "kind": "backends",
        "name": f"web/{TWO}",
        "state": "maintenance",
        "until": "2027-01-15T10:00:00.250Z",
        "reason": "kernel",
        "by": "api",
        "at": "2027-01-15T08:00:00.250Z",
    }
    listed = await (await client.get("/api/v1/admin")).json()
    assert listed == {"admin": [shown]}
    check = await (await client.get(f"/api/v1/checks/m/{TWO}")).json()
    assert (check["status"], check["admin"]["state"]) == ("CRITICAL", "maintenance")
    pool = await (await client.get("/api/v1/pools/web")).json()
    assert pool["status"] == "OK", "what is in maintenance does not count"
    assert [each["admin"] and each["admin"]["state"] for each in pool["backends"]] == [
        None,
        "maintenance",
    ]
    assert (await client.delete(f"/api/v1/admin/backends/web%2F{TWO}")).status == 204
    assert (await client.delete(f"/api/v1/admin/backends/web%2F{TWO}")).status == 404
    assert (await (await client.get("/api/v1/admin")).json()) == {"admin": []}


@pytest.mark.parametrize(
    ("state", "good", "bad", "pool"),
    [
        ("maintenance", 503, 503, 503),
        ("drain", 503, 503, 503),
        ("forced_up", 200, 200, 200),
        ("forced_down", 503, 503, 503),
    ],
)
async def test_gates_go_by_what_was_decided(
    client: Client, state: str, good: int, bad: int, pool: int
) -> None:
    assert await gate(client, f"backends/web/{ONE}") == 200
    assert await gate(client, f"backends/web/{TWO}") == 503
    await put(client, "pools/web", state=state, until=60)
    assert await gate(client, f"backends/web/{ONE}") == good
    assert await gate(client, f"backends/web/{TWO}") == bad
    assert await gate(client, f"checks/m/{ONE}") == good
    assert await gate(client, "pools/web") == pool


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"until": "2h"}, "state"),
        ({"state": "drain"}, "until"),
        ({"state": "drain", "until": None}, "until"),
        ({"state": "off", "until": "2h"}, "state"),
        ({"state": "drain", "until": "31d"}, "until"),
        ({"state": "drain", "until": "2027-01-15T07:00:00Z"}, "until"),
        ({"state": "drain", "until": "2027-01-15T09:00:00"}, "until"),
        ({"state": "drain", "until": "soon"}, "until"),
        ({"state": "drain", "until": "2h", "reason": 5}, "reason"),
        ({"state": "drain", "until": "2h", "why": "x"}, "why"),
    ],
)
async def test_what_is_wrong_is_named(client: Client, body: dict[str, object], path: str) -> None:
    status, answer = await put(client, "pools/web", **body)
    assert status == 400
    assert [each["path"] for each in answer["problems"]] == [path]


@pytest.mark.parametrize("path", ["pools/no", "backends/web%2F1.1.1.1:1", "checks/m", "monitors/x"])
async def test_a_state_of_nothing_is_refused(client: Client, path: str) -> None:
    assert (await put(client, path, state="drain", until="1h"))[0] == 404


async def test_states_are_edits(client: Client, world: World) -> None:
    Open.locked = "server.writable is off"
    try:
        status, answer = await put(client, "pools/web", state="drain", until="1h")
        assert (status, answer["message"]) == (403, "server.writable is off")
    finally:
        Open.locked = None
    assert not world.store.admin.entries


async def test_events_tell_of_states(client: Client, world: World) -> None:
    await put(client, "monitors/m", state="drain", until="1m", by="anna")
    world.wait(61)
    world.store.admin.tick()
    events = await (
        await client.get("/api/v1/events?kind=admin_state_set&kind=admin_state_ended")
    ).json()
    assert [(each["kind"], each["monitor"]) for each in events["events"]] == [
        ("admin_state_ended", "m"),
        ("admin_state_set", "m"),
    ]
    assert world.wall == WALL + 61
