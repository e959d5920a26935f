"""What the pages say of the past: outages, strips, charts, ranges."""

import pytest
from aiohttp.test_utils import TestClient, TestServer

from prober.model.status import Reason, Status
from prober.state.events import TRANSITION, Event
from prober.state.slots import WIDTH
from prober.web.page.outages import Failure, Outage, failures_of, outages_of
from prober.web.page.strip import PastCell, cells_of, strip
from prober.web.page.time_range import RANGES
from tests.web.reading import Reading
from tests.web.world import WALL, World, monitor

ONE = "10.0.0.1:80"
LETTERS = {status[0]: status for status in Status}


def change(at: float, before: str, after: str, reason: Reason | None = None) -> Event:
    """Return the change from one status to another, by their first letters."""
    statuses = LETTERS[before], LETTERS[after]
    return Event(int(at), at, TRANSITION, "m", "p", ONE, *statuses, reason, 1, f"cause {at:g}")


def changes(text: str) -> list[Event]:
    """Return changes, newest first, of `time before after` separated by commas."""
    parts = [each.split() for each in text.split(",") if each.strip()]
    return [change(float(at), before, after) for at, before, after in parts][::-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("1 O W, 2 W O", []),
        ("1 O C, 4 C O", [(1, 4, True)]),
        ("1 O W, 2 W C, 5 C W, 6 W O", [(2, 5, True)]),
        ("1 O C, 4 C U", [(1, 4, False)]),
        ("1 O C, 4 C O, 7 O C", [(7, None, True), (1, 4, True)]),
        ("3 C O, 5 O C, 6 C O", [(5, 6, True)]),
    ],
)
def test_an_outage_is_the_time_in_critical(
    text: str, expected: list[tuple[float, float | None, bool]]
) -> None:
    found = outages_of(changes(text))
    assert [(each.start, each.end, each.is_end_known) for each in found] == expected


def test_an_outage_has_the_reason_it_began_with() -> None:
    bad = [change(9, "C", "O", Reason.OK), change(5, "W", "C", Reason.TIMEOUT)]
    assert outages_of(bad) == [Outage(5, 9, Reason.TIMEOUT, "cause 5")]
    assert outages_of(bad)[0].seconds(100.0) == 4
    assert outages_of(bad[1:])[0].seconds(100.0) == 95


def test_failures_are_changes_for_the_worse() -> None:
    events = [
        change(9, "C", "O", Reason.OK),
        change(7, "O", "W", Reason.EXPIRES_SOON),
        change(6, "O", "U", Reason.NO_ROUTE),
        change(5, "W", "C", Reason.TIMEOUT),
        change(4, "O", "W", Reason.REFUSED),
    ]
    assert failures_of(events) == [Failure(5, Reason.TIMEOUT), Failure(4, Reason.REFUSED)]


@pytest.mark.parametrize(
    ("seconds", "look"),
    [
        ((100, 0, 0, 0, 0), "good"),
        ((99, 1, 0, 0, 0), "fair"),
        ((90, 5, 5, 0, 0), "part"),
        ((40, 0, 60, 0, 0), "bad"),
        ((10, 0, 0, 90, 0), "moot"),
        ((0, 0, 0, 5, 0), "moot"),
        ((0, 0, 0, 0, 90), "kept"),
        ((10, 0, 0, 20, 70), "kept"),
        ((10, 0, 5, 0, 85), "part"),
        ((60, 0, 0, 0, 40), "good"),
        ((0, 0, 0, 0, 0), "none"),
    ],
)
def test_a_cell_looks_like_what_was_worst_in_it(seconds: tuple[float, ...], look: str) -> None:
    assert PastCell(0, 100, seconds).look == look


def test_a_strip_says_what_each_run_of_cells_was() -> None:
    found = {
        0: (60.0, 0, 0, 0, 0),
        60: (60.0, 0, 0, 0, 0),
        120: (20.0, 0, 40, 0, 0),
        240: (0, 0, 0, 50.0, 10.0),
    }
    cells = cells_of(range(0, 360, 60), found, 300.0)
    assert [cell.look for cell in cells] == ["good", "good", "bad", "none", "moot"]
    page = Reading(strip(cells, what="it"))
    assert [each.text for each in page.all("title")] == [
        "00:00 – 00:02 UTC: OK",
        "00:02 – 00:03 UTC: CRITICAL 40s",
        "00:03 – 00:04 UTC: not recorded",
        "00:04 – 00:05 UTC: UNKNOWN 50s, MAINTENANCE 10s",
    ]
    assert page.all("svg")[0].attributes["aria-label"] == (
        "it: CRITICAL 40s, UNKNOWN 50s, MAINTENANCE 10s, not recorded 1m00s"
    )


@pytest.mark.parametrize("name", RANGES)
def test_a_range_has_few_enough_slots_and_reaches_to_now(name: str) -> None:
    times = RANGES[name].times(WALL)
    assert times.start % times.step == 0
    assert times.start <= WALL - RANGES[name].seconds + times.step
    assert times.stop - times.step <= WALL < times.stop
    assert 12 <= len(times) <= 181


@pytest.mark.parametrize("name", RANGES)
async def test_the_page_of_a_check_shows_a_range(kept_world: World, name: str) -> None:
    kept_world.configure(monitor("web", ONE))
    for reason in (Reason.OK, Reason.REFUSED, Reason.OK):
        kept_world.record("web", ONE, reason, times=3)
        kept_world.wait(2 * WIDTH)
    async with TestClient(TestServer(kept_world.app())) as client:
        path = f"/checks/web/{ONE}"
        response = await client.get(f"{path}?range={name}")
        page = Reading(await response.text(), path)
    [chosen] = [e for e in page.all("a", **{"aria-current": "true"}) if "range" in str(e)]
    assert chosen.text == name
    [row] = page.all("table", "outages")
    assert "10m00s" in row.text
    assert "the target refused" in row.text
    [drawing] = page.all("svg", "history")
    assert drawing.attributes["aria-label"] == (f"history of web at {ONE}, last {name}: 1 outage")
    assert page.all("path", "hue-0")


async def test_a_range_that_is_none_is_left_out(world: World) -> None:
    world.configure(monitor("web", ONE))
    async with TestClient(TestServer(world.app())) as client:
        assert (await client.get(f"/checks/web/{ONE}?range=9y")).status == 200


async def test_without_a_history_outages_are_those_in_memory(world: World) -> None:
    world.configure(monitor("web", ONE))
    world.record("web", ONE, times=2)
    world.record("web", ONE, Reason.TIMEOUT, times=3)
    world.wait(60)
    async with TestClient(TestServer(world.app())) as client:
        page = Reading(await (await client.get(f"/checks/web/{ONE}")).text())
    assert "1m00s so far" in page.all("table", "outages")[0].text
    assert not page.all("svg", "history")
    assert any("server.state_dir" in each.text for each in page.all("p"))
