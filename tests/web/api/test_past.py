"""The history routes, uptime and events of long ago: what each answers."""

import json
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import pytest

from prober.model.status import Reason
from prober.state.archive import DAY
from prober.state.events import Event
from tests.web.conftest import Client
from tests.web.world import World, monitor

ONE = "10.0.0.1:80"
PATH = f"/api/v1/checks/web/{ONE}"
BORDER = 299.75
"""Seconds from the world's beginning to the end of its first slot of five minutes."""


@pytest.fixture
def world(kept_world: World) -> World:
    kept_world.configure(monitor("web", ONE))
    return kept_world


async def get(client: Client, path: str, status: int = 200) -> Any:
    response = await client.get(path)
    text = await response.text()
    assert response.status == status, text
    return json.loads(text, parse_constant=pytest.fail)


async def test_the_running_slot_is_shown_as_it_is_now(world: World, client: Client) -> None:
    world.record("web", ONE, times=2)
    world.wait(BORDER)
    world.record("web", ONE, Reason.REFUSED)
    world.wait(10)
    world.record("web", ONE, Reason.NO_ROUTE)
    world.wait(2.25)
    answer = await get(client, f"{PATH}/history?from=2027-01-15T07:50:00Z")
    assert {key: answer[key] for key in ("from", "to", "step")} == {
        "from": "2027-01-15T07:50:00.000Z",
        "to": "2027-01-15T08:05:12.250Z",
        "step": 300,
    }
    none = {"OK": 0.0, "WARNING": 0.0, "CRITICAL": 0.0, "UNKNOWN": 0.0}
    nothing = {"probes": 0, "good": 0, "bad": 0, "inconclusive": 0, "latency": None}
    latency = dict.fromkeys(("min", "mean", "max", "p50", "p95", "p99"), 0.125)
    assert answer["slots"] == [
        {
            "start": "2027-01-15T07:50:00.000Z",
            "seconds": 300,
            **nothing,
            "status_seconds": none,
            "maintenance_seconds": 0,
            "not_running_seconds": 300,
        },
        {
            "start": "2027-01-15T07:55:00.000Z",
            "seconds": 300,
            **nothing,
            "status_seconds": none,
            "maintenance_seconds": 0,
            "not_running_seconds": 300,
        },
        {
            "start": "2027-01-15T08:00:00.000Z",
            "seconds": 300,
            **nothing,
            "probes": 2,
            "good": 2,
            "latency": latency,
            "status_seconds": {**none, "OK": 299.75},
            "maintenance_seconds": 0,
            "not_running_seconds": 0.25,
        },
        {
            "start": "2027-01-15T08:05:00.000Z",
            "seconds": 12.25,
            **nothing,
            "probes": 2,
            "bad": 1,
            "inconclusive": 1,
            "status_seconds": {**none, "WARNING": 12.25},
            "maintenance_seconds": 0,
            "not_running_seconds": 0,
        },
    ]


@pytest.mark.parametrize(
    ("query", "step", "count"),
    [
        ("", 300, 289),  # from within a slot to within a slot
        ("from=2027-01-15T07:00:00Z", 300, 13),
        ("from=2027-01-13T08:00:00Z&to=2027-01-15T08:00:00Z", 600, 288),
        ("from=2027-01-10T08:00:00Z&to=2027-01-15T08:00:00Z", 3600, 120),
        ("from=2026-10-17T08:00:00Z&to=2027-01-15T08:00:00Z", 28800, 270),
        ("from=2026-10-17T08:00:00Z", 28800, 271),
        ("from=2017-10-17T00:00:00Z&to=2027-01-15T00:00:00Z", 12 * 86400, None),
        ("step=1h", 3600, 25),
        ("step=3600", 3600, 25),
        ("to=2027-01-14T08:00:00%2b00:00", 300, 288),
        ("to=2100-01-01T00:00:00Z", 300, 289),
    ],
)
async def test_a_step_is_chosen_that_leads_to_few_slots(
    world: World, client: Client, query: str, step: int, count: int | None
) -> None:
    answer = await get(client, f"{PATH}/history?{query}")
    assert answer["step"] == step
    assert len(answer["slots"]) == count or (count is None and len(answer["slots"]) <= 301)
    assert answer["slots"][0]["start"] == answer["from"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("from=x", "parameter 'from': expected a time such as 2026-01-31T12:00:00Z, got 'x'"),
        (
            "to=1960-01-01T00:00:00Z",
            (
                "parameter 'to': expected a time such as 2026-01-31T12:00:00Z, "
                "got '1960-01-01T00:00:00Z'"
            ),
        ),
        (
            "from=2028-01-01T00:00:00Z",
            "parameter 'from': expected a time before now, got 2028-01-01T00:00:00.000Z",
        ),
        (
            "from=2027-01-02T00:00:00Z&to=2027-01-01T00:00:00Z",
            (
                "parameter 'from': expected a time before `to` (2027-01-01T00:00:00.000Z), "
                "got 2027-01-02T00:00:00.000Z"
            ),
        ),
        (
            "step=1",
            "parameter 'step': expected a duration from 5m to 3650d, got 1",
        ),
        ("step=301s", "parameter 'step': expected a multiple of 5m, got '301s'"),
        (
            "step=week",
            (
                "parameter 'step': expected a duration such as 5, 0.5, 500ms, 5s, 2m, 1h or 7d, "
                "got 'week'"
            ),
        ),
        (
            "from=2027-01-10T00:00:00Z&step=10m",
            (
                "parameter 'step': expected a multiple of 1h, because slots before "
                "2027-01-13T08:00:00.000Z are hourly, got 10m"
            ),
        ),
        (
            "from=2020-01-10T00:00:00Z&step=1h",
            "parameter 'step': 1h gives more than 3000 slots",
        ),
        ("form=x", "unknown parameter 'form'; did you mean 'from'?"),
    ],
)
async def test_a_wrong_parameter_is_named(
    world: World, client: Client, query: str, message: str
) -> None:
    answer = await get(client, f"{PATH}/history?{query}", 400)
    assert answer == {"code": "bad_request", "message": message}


async def test_a_check_that_never_was_has_no_history(world: World, client: Client) -> None:
    answer = await get(client, "/api/v1/checks/web/10.0.0.9:80/history", 404)
    assert answer["code"] == "not_found"


async def test_a_check_that_was_removed_still_has_its_history(world: World, client: Client) -> None:
    world.record("web", ONE, times=3)
    world.wait(60)
    world.configure()
    answer = await get(client, f"{PATH}/history")
    assert sum(slot["probes"] for slot in answer["slots"]) == 3
    await get(client, PATH, 404)


async def test_uptime_is_the_part_of_the_known_time_in_service(
    world: World, client: Client
) -> None:
    world.wait(100)
    world.record("web", ONE, times=2)
    world.wait(300)
    world.record("web", ONE, Reason.REFUSED, times=3)
    world.wait(100)
    uptime = (await get(client, PATH))["uptime"]
    expected = {"uptime": 0.75, "known_seconds": 400.0}
    assert uptime == dict.fromkeys(("24h", "7d", "30d", "90d"), expected)
    assert world.history is not None
    for _ in range(int(DAY) // 3600 + 1):  # nothing is recorded, so that it stays as it is
        world.wait(3600)
        world.history.beat()
    uptime = (await get(client, PATH))["uptime"]
    assert uptime["24h"] == {"uptime": 0.0, "known_seconds": pytest.approx(DAY, abs=300)}
    assert uptime["7d"]["uptime"] == pytest.approx(300 / (500 + 25 * 3600 - 100), abs=1e-6)


async def test_uptime_is_null_as_long_as_nothing_is_known(world: World, client: Client) -> None:
    world.wait(100)
    uptime = (await get(client, PATH))["uptime"]
    assert uptime["24h"] == {"uptime": None, "known_seconds": 0}


async def test_without_a_state_directory_there_is_no_history(
    connect: Callable[..., Awaitable[Client]], world: World
) -> None:
    world.history = None
    client = await connect()
    answer = await get(client, f"{PATH}/history", 409)
    assert answer == {"code": "no_history", "message": "needs server.state_dir"}
    assert (await get(client, PATH))["uptime"] is None


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (sqlite3.OperationalError("disk I/O error"), "disk I/O error"),
        (TimeoutError(), "the disk does not answer"),
    ],
)
async def test_a_disk_that_cannot_be_read_is_said(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch, error: Exception, why: str
) -> None:
    def connect() -> None:
        raise error

    assert world.history is not None
    monkeypatch.setattr(world.history._database, "_reader", connect)
    answer = await get(client, f"{PATH}/history", 503)
    assert answer["message"] == f"the history cannot be read: {why}"
    assert (await get(client, PATH))["uptime"] is None
    assert (await get(client, "/api/v1/events"))["events"] == []


def remember_few(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let 40 events happen, of which the last 10 are in memory and all are written."""
    log = world.store.events
    monkeypatch.setattr(log, "_events", deque[Event](maxlen=10))
    for number in range(1, 41):
        world.wait(1)
        world.store.note("reload", f"number {number}")
    assert world.history is not None
    database = world.history._database
    assert database._write(database._pending)


@pytest.mark.parametrize("limit", [1, 7, 10, 11, 40, 100])
async def test_events_go_on_where_memory_ends(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    remember_few(world, monkeypatch)
    seen: list[int] = []
    marker = ""
    while True:
        answer = await get(client, f"/api/v1/events?limit={limit}{marker}")
        seen += [event["id"] for event in answer["events"]]
        if not answer["next_marker"]:
            break
        assert len(answer["events"]) == limit
        marker = f"&marker={answer['next_marker']}"
    assert seen == list(range(40, 0, -1))


@pytest.mark.parametrize(
    ("since", "oldest"),
    [
        ("35", 36),
        ("20", 21),
        ("2027-01-15T08:00:20.250Z", 20),
        ("2027-01-15T08:00:36Z", 36),
        ("2026-01-15T08:00:36Z", 1),
        (str(10**18 - 1), None),
    ],
)
async def test_since_reaches_beyond_memory(
    world: World,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    since: str,
    oldest: int | None,
) -> None:
    remember_few(world, monkeypatch)
    found = (await get(client, f"/api/v1/events?since={quote(since)}"))["events"]
    assert [event["id"] for event in found] == (list(range(40, oldest - 1, -1)) if oldest else [])


@pytest.mark.parametrize("marker", ["Wy0xMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMF0", "WzBd"])
async def test_a_marker_before_everything_leads_to_nothing(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch, marker: str
) -> None:
    remember_few(world, monkeypatch)
    assert (await get(client, f"/api/v1/events?marker={marker}"))["events"] == []
