"""How pools are doing, when it is worked out, and what is kept of it."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from prober.model.admin import AdminEntry, AdminState
from prober.model.pool import Pool
from prober.model.status import Reason, Status
from prober.state.archive import Retention, upkeep
from prober.state.database import Database
from prober.state.events import POOL_STATUS, Event
from prober.state.history import ROUND, pool_key
from prober.state.pool_past import PoolPast, spent
from prober.state.pool_watch import PoolWatch, Turn
from prober.state.slots import HOUR, SPENT_IN, WIDTH
from tests.web.world import WALL, World, backends, monitor

KEYS = [f"10.0.0.{number}:80" for number in range(1, 6)]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    def report(what: str, detail: str) -> None:
        raise AssertionError(f"{what}: {detail}")

    database = Database(str(tmp_path), report=report)
    yield database
    database.close()


@pytest.fixture
def world() -> World:
    return World()


def watch_of(world: World) -> PoolWatch:
    return PoolWatch(world.store, wall=lambda: world.wall, history=world.history)


def configured(world: World, *, keys: list[str] = KEYS) -> PoolWatch:
    """Let five backends be watched by one monitor."""
    world.configure(monitor("web", pool="p"), pools=(Pool(name="p", backends=backends(*keys)),))
    return watch_of(world)


def pool_events(world: World) -> list[Event]:
    """Return the events about pools, oldest first."""
    return [event for event in world.store.events.after(0) if event.kind == POOL_STATUS]


async def test_a_summary_counts_backends_and_names_the_problems(world: World) -> None:
    watch = configured(world)
    for key in KEYS:
        world.record("web", key, times=2)
    world.wait(10)
    for key in KEYS[:2]:
        world.record("web", key, Reason.REFUSED, times=3)
    await watch.refresh()
    summary = watch.get("p")
    assert summary is not None
    assert summary.status is Status.WARNING
    assert (summary.in_service, summary.backends) == (3, 5)
    assert summary.counts[Status.CRITICAL] == 2
    assert summary.problems == (("web", KEYS[0]), ("web", KEYS[1]))
    assert summary.since == WALL + 10


async def test_disabled_checks_are_counted_apart(world: World) -> None:
    pool = Pool(name="p", backends=backends(*KEYS))
    world.configure(monitor("on", pool="p"), monitor("off", pool="p", enabled=False), pools=(pool,))
    watch = watch_of(world)
    await watch.refresh()
    summary = watch.get("p")
    assert summary is not None
    assert (summary.disabled, sum(summary.counts.values())) == (5, 5)
    assert all(monitor == "on" for monitor, _ in summary.problems)


async def test_only_what_was_touched_is_looked_at_again(world: World) -> None:
    world.configure(monitor("a", *KEYS), monitor("b", *KEYS))
    watch = watch_of(world)
    await watch.refresh()
    before = {summary.pool.name: summary for summary in watch}
    world.record("a", KEYS[0], times=2)
    await watch.refresh()
    assert watch.get("b") is before["b"]
    assert watch.get("a") is not before["a"]


async def test_each_change_of_a_pools_status_is_one_event(world: World) -> None:
    watch = configured(world)
    await watch.refresh()
    assert pool_events(world) == []  # nothing has changed yet
    for key in KEYS:
        world.record("web", key, times=2)
    await watch.refresh()
    world.wait(60)
    for key in KEYS[:3]:
        world.record("web", key, Reason.REFUSED, times=3)
        await watch.refresh()
    changes = [(event.before, event.after, event.cause) for event in pool_events(world)]
    assert changes == [
        (Status.UNKNOWN, Status.OK, "5 of 5 backends in service"),
        (Status.OK, Status.WARNING, "4 of 5 backends in service"),
        (Status.WARNING, Status.CRITICAL, "2 of 5 backends in service"),
    ]
    summary = watch.get("p")
    assert summary is not None
    assert summary.since == pool_events(world)[-1].at == WALL + 60


async def test_a_pool_that_changed_while_nobody_ran_is_told_after_the_start(world: World) -> None:
    watch = configured(world)
    await watch.refresh()
    for key in KEYS:
        world.record("web", key, times=2)
    await watch.refresh()
    for key in KEYS:
        world.record("web", key, Reason.REFUSED, times=3)
    world.wait(5)
    await watch_of(world).refresh()  # another process, which knows the events of the first
    assert [event.after for event in pool_events(world)] == [Status.OK, Status.CRITICAL]
    again = watch_of(world)
    world.store.adopt(world.store.model)
    await again.refresh()
    assert len(pool_events(world)) == 2
    summary = again.get("p")
    assert summary is not None
    assert summary.since == WALL + 5


async def test_a_pool_that_is_not_configured_any_more_is_forgotten(world: World) -> None:
    watch = configured(world)
    await watch.refresh()
    world.configure(monitor("other", KEYS[0]))
    await watch.refresh()
    assert [summary.pool.name for summary in watch] == ["other"]
    assert watch.turns("p") == ()


def test_a_store_says_once_that_something_was_touched(world: World) -> None:
    told: list[int] = []
    world.configure(monitor("web", *KEYS))
    world.store.touched_pools.clear()
    world.store.when_pools_touched(lambda: told.append(1))
    for key in KEYS:
        world.record("web", key, times=2)
    assert told == [1]


# The past


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ([], {}),
        ([(0, Status.OK)], {0: (10, 0, 0, 0, 0), 10: (10, 0, 0, 0, 0), 20: (5, 0, 0, 0, 0)}),
        ([(12, Status.OK), (17, Status.CRITICAL)], {10: (5, 0, 3, 0, 0), 20: (0, 0, 5, 0, 0)}),
        ([(20, Status.OK), (21, Status.UNKNOWN, True)], {20: (1, 0, 0, 0, 4)}),
        ([(-50, Status.UNKNOWN), (4, Status.WARNING), (4, Status.OK)], None),
    ],
)
def test_turns_become_seconds_of_each_status(
    turns: list[tuple[float, Status, bool]], expected: dict[int, tuple[float, ...]] | None
) -> None:
    found = spent([Turn(*each) for each in turns], 25.0, range(0, 30, 10))
    if expected is None:
        expected = {0: (6, 0, 0, 4, 0), 10: (10, 0, 0, 0, 0), 20: (5, 0, 0, 0, 0)}
    assert found == expected


async def test_without_a_history_the_past_of_a_pool_is_that_of_this_process(world: World) -> None:
    watch = configured(world)
    await watch.refresh()
    for key in KEYS:
        world.record("web", key, times=2)
    await watch.refresh()
    world.wait(2 * WIDTH)
    start = int(WALL) // WIDTH * WIDTH
    [found] = await PoolPast(watch, None).statuses(["p"], range(start, start + 3 * WIDTH, WIDTH))
    assert sum(seconds[0] for seconds in found.values()) == 2 * WIDTH


async def test_a_history_keeps_the_statuses_of_pools(database: Database) -> None:
    world = World(database)
    watch = configured(world)
    assert world.history is not None
    await watch.refresh()
    for key in KEYS:
        world.record("web", key, times=2)
    await watch.refresh()
    world.wait(WIDTH)
    for key in KEYS:
        world.record("web", key, Reason.REFUSED, times=3)
    await watch.refresh()
    world.wait(100)
    start = int(WALL) // WIDTH * WIDTH
    past = PoolPast(watch, world.history)
    found, nothing = await past.statuses(["p", "other"], range(start, start + 3 * WIDTH, WIDTH))
    assert nothing == {}
    ok, critical = (sum(seconds[place] for seconds in found.values()) for place in (0, 2))
    assert (round(ok), round(critical)) == (WIDTH, 100)


@pytest.mark.parametrize("kept", [True, False], ids=["history", "memory"])
async def test_a_pool_is_in_maintenance_when_all_of_it_is(
    database: Database, *, kept: bool
) -> None:
    world = World(database if kept else None)
    watch = configured(world, keys=KEYS[:2])
    await watch.refresh()
    for key in KEYS[:2]:
        world.record("web", key, times=2)
    await watch.refresh()
    world.wait(10)
    for key in KEYS[:2]:
        entry = AdminEntry(AdminState.DRAIN, None, "", "a test", world.wall)
        world.store.admin.put(("backends", key), entry)
        await watch.refresh()
        world.wait(20)
    world.store.admin.clear(("backends", KEYS[0]), by="a test")
    await watch.refresh()
    world.wait(5)
    start = int(WALL) // WIDTH * WIDTH
    past = PoolPast(watch, world.history)
    [found] = await past.statuses(["p"], range(start, start + 3 * WIDTH, WIDTH))
    whole = [round(sum(places)) for places in zip(*found.values(), strict=True)]
    assert dict(zip(SPENT_IN, whole, strict=True)) == {
        **dict.fromkeys(SPENT_IN, 0),
        "OK": 10 + 20 + 5,
        "MAINTENANCE": 20,
    }


async def test_a_pools_slots_add_up_the_probes_of_its_checks(database: Database) -> None:
    world = World(database)
    watch = configured(world)
    history = world.history
    assert history is not None
    await watch.refresh()
    start = int(WALL) // WIDTH * WIDTH
    world.wait(start + WIDTH - world.wall)
    for _ in range(10):  # in the slot that begins now
        for key in KEYS:
            world.record("web", key)
        world.record("web", KEYS[0], Reason.REFUSED)
        world.wait(10)
    world.wait(WIDTH)
    for _ in range(3 * ROUND):
        history.beat()
    [slot] = await history.slots(pool_key("p"), range(start + WIDTH, start + 2 * WIDTH, WIDTH))
    assert (slot.probes, slot.good, slot.bad) == (60, 50, 10)
    assert sum(slot.counts) == 50
    assert slot.least == slot.most == 0.125
    assert sum(slot.seconds) == WIDTH  # the seconds are the pool's own, not those of its checks


async def test_a_pools_history_is_merged_by_hours_as_any_other(database: Database) -> None:
    world = World(database)
    watch = configured(world)
    history = world.history
    assert history is not None
    await watch.refresh()
    for _ in range(2 * 3600 // 60):
        for key in KEYS:
            world.record("web", key)
        world.wait(60)
        await watch.refresh()
        for _ in range(ROUND):
            history.beat()
    first = int(WALL) // HOUR * HOUR
    before = await history.slots(pool_key("p"), range(first, first + HOUR, HOUR))
    with sqlite3.connect(database._path) as connection:
        world.wait(200)
        database._write(database._pending)
        for _ in upkeep(connection, Retention(), history.due()):
            pass
    connection.close()
    after = await history.slots(pool_key("p"), range(first, first + HOUR, HOUR))
    assert after == before
    assert (
        await history.slots(pool_key("p"), range(first, first + HOUR, HOUR), merged=True) == before
    )
    assert before[0].probes == 60 * len(KEYS)


async def test_many_new_pools_take_one_look_at_the_events(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for each would take the square of their number at the start."""
    events, looks = world.store.events, list[None]()
    newest_first = events.newest_first

    def counted(before_id: int | None = None) -> Iterator[Event]:
        looks.append(None)
        return newest_first(before_id)

    monkeypatch.setattr(events, "newest_first", counted)
    pools = tuple(Pool(name=f"p{number}", backends=backends(KEYS[0])) for number in range(50))
    world.configure(*(monitor(f"m{pool.name}", pool=pool.name) for pool in pools), pools=pools)
    watch = watch_of(world)
    await watch.refresh()
    assert len(looks) == 1
    world.record("mp7", KEYS[0], times=2)
    await watch.refresh()
    few = pools[:7]
    world.configure(*(monitor(f"m{pool.name}", pool=pool.name) for pool in few), pools=few)
    await watch.refresh()
    world.configure(*(monitor(f"m{pool.name}", pool=pool.name) for pool in pools), pools=pools)
    await watch.refresh()
    told = [event for event in newest_first() if event.kind == POOL_STATUS and event.pool == "p7"]
    assert [(event.before, event.after) for event in told] == [
        (Status.OK, Status.UNKNOWN),
        (Status.UNKNOWN, Status.OK),
    ]
