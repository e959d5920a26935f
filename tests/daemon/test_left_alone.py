"""What a reload leaves alone: everything that has not changed."""

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from prober.config.changes import Changes, changes
from prober.config.configuration import Config
from prober.daemon.loading import Source
from prober.daemon.probing import Prober
from prober.engine.check_watch import CheckWatch
from prober.model.status import Outcome, Reason, Status
from prober.state.check_state import CheckState
from tests.simulation import Simulation, model_of

FIRST = """\
pools:
- {name: web, backends: ["192.0.2.1:80", "192.0.2.2:80"]}
- {name: api, backends: ["192.0.2.3:80"]}
monitors:
- {name: a, type: TCP, pool: web, interval: 1h, fast_interval: 1h}
- {name: b, type: HTTP, pool: api, interval: 1h, fast_interval: 1h}
- {name: c, type: TCP, targets: ["192.0.2.4:80"], interval: 1h, fast_interval: 1h}
"""
LINES = FIRST.splitlines()
MOVED = FIRST.replace('.2:80"]', '.2:80", "192.0.2.9:80"]')


class World:
    """The probing half of a daemon, whose probes never start and whose files exist only here."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "prober.yaml"
        loop = asyncio.get_running_loop()
        self.prober = Prober(self.read(FIRST), loop=loop, limit=0)

    def read(self, text: str) -> Config:
        """Read a configuration."""
        self._path.write_text(text)
        return Source(path=str(self._path), environment={}).load()

    async def reload(self, text: str) -> Changes:
        """Apply another configuration."""
        config = self.read(text)
        difference = changes(self.prober.config.model, config.model)
        await self.prober.apply(config, difference)
        return difference

    def state(self, monitor: str, host: int) -> CheckState:
        """Return the state of a check."""
        state = self.prober.store.get((monitor, f"192.0.2.{host}:80"))
        assert state
        return state

    def remembered(self, state: CheckState) -> tuple[object, ...]:
        """Return what must not change of a check that is left alone."""
        watch = self.prober._scheduler._watches[state.check.key]
        return (
            *(state, state.health, state.status, state.since, state.last, state.conclusive_at),
            *(state.next_due, state.counters, state.counters.probes, list(state.recent._rows)),
            *(watch, watch.due, watch.job, watch.interval),
        )


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A world in which every check has had a good result and a bad one."""
    made = World(tmp_path)
    with made.prober.probing(made.prober.config), capture_logs():
        made.prober._ticker.stop()  # a slow machine would find checks due and waiting for a slot
        for state in made.prober.store:
            for reason in (Reason.OK, Reason.OK, Reason.REFUSED):
                outcome = Outcome(reason, "as told", None, 1.0, 0.1)
                made.prober.store.record(state, outcome)
        yield made


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("# only a comment\n" + FIRST, "a1 a2 b3 c4"),
        (FIRST.replace("- {name: a,", "- {name: z, type: TCP, pool: api}\n- {name: a,"), "a1 b3"),
        ("monitors:" + FIRST.partition("monitors:")[2] + FIRST.partition("monitors:")[0], "a1 b3"),
        ("\n".join([*LINES[:4], *reversed(LINES[4:])]), "a1 a2 b3 c4"),
        (MOVED, "a1 a2 b3 c4"),
        (FIRST.replace('"192.0.2.1:80", ', ""), "a2 b3 c4"),
        (FIRST.replace('["192.0.2.3:80"]', '["192.0.2.5:80"]'), "a1 a2 c4"),
        (FIRST.replace("name: b", "name: renamed"), "a1 a2 c4"),
        (FIRST.replace("type: HTTP", "type: HTTP, url_path: /x"), "a1 a2 c4"),
        (FIRST.replace("name: api", "name: api, load_balancer: lb"), "a1 a2 c4"),
    ],
)
async def test_what_a_reload_does_not_change_does_not_notice_it(
    world: World, text: str, alone: str
) -> None:
    states = [world.state(name[0], int(name[1])) for name in alone.split()]
    before = [world.remembered(state) for state in states]
    await world.reload(text)
    assert [world.remembered(world.state(name[0], int(name[1]))) for name in alone.split()] == (
        before
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("type: HTTP, pool: api", "type: HTTP, pool: api, labels: {x: y}"),
        ("type: HTTP, pool: api, interval: 1h", "type: HTTP, pool: api, interval: 2h"),
        ("type: HTTP", "type: TCP"),
        ("name: api", "name: api, load_balancer: lb"),
    ],
)
async def test_a_check_that_changes_keeps_its_health_and_is_scheduled_anew(
    world: World, old: str, new: str
) -> None:
    state = world.state("b", 3)
    health, counters = state.health, state.counters
    watch = world.prober._scheduler._watches[state.check.key]
    difference = await world.reload(FIRST.replace(old, new, 1))
    assert [check.key for _, check in difference.changed] == [("b", "192.0.2.3:80")]
    assert world.state("b", 3) is state
    assert (state.health, state.counters, state.status) == (health, counters, Status.WARNING)
    assert state.check is difference.changed[0][1]
    assert watch.removed
    assert world.prober._scheduler._watches[state.check.key] is not watch


async def test_a_check_that_moves_to_another_pool_keeps_its_streak(world: World) -> None:
    state = world.state("c", 4)
    moved = FIRST.replace('targets: ["192.0.2.4:80"]', "pool: api").replace(
        '["192.0.2.3:80"]', '["192.0.2.3:80", "192.0.2.4:80"]'
    )
    await world.reload(moved)
    assert world.state("c", 4) is state
    assert state.check.pool.name == "api"
    assert state.health.streak == -1
    assert world.prober.store.statuses().pools.keys() == {"web", "api"}


async def test_a_rename_is_a_new_check_and_leaves_nothing_of_the_old(world: World) -> None:
    await world.reload(FIRST.replace("name: b", "name: renamed"))
    store = world.prober.store
    assert store.get(("b", "192.0.2.3:80")) is None
    assert "b" not in store.counters
    assert world.state("renamed", 3).status is Status.UNKNOWN
    assert store.counters["renamed"].probes == 0


async def test_a_monitor_whose_only_check_is_replaced_keeps_its_counters(world: World) -> None:
    await world.reload(FIRST.replace("192.0.2.4:80", "192.0.2.8:80"))
    assert world.prober.store.counters["c"].probes == 3
    assert world.prober.store.counters["c"].checks == 1


async def test_aggregates_are_right_at_once(world: World) -> None:
    await world.reload(FIRST.replace('"192.0.2.1:80", ', "").replace("192.0.2.3", "192.0.2.5"))
    statuses = world.prober.store.statuses()
    assert statuses.pools == {
        "web": Status.WARNING,
        "api": Status.UNKNOWN,
        "c": Status.WARNING,
    }
    assert set(statuses.backends) == {
        ("web", "192.0.2.2:80"),
        ("api", "192.0.2.5:80"),
        ("c", "192.0.2.4:80"),
    }


async def test_no_check_keeps_a_pool_of_an_older_configuration(world: World) -> None:
    await world.reload(MOVED)
    pools = {id(pool) for pool in world.prober.store.model.pools}
    for state in world.prober.store:
        assert id(state.check.pool) in pools
        assert id(world.prober._scheduler._watches[state.check.key].check.pool) in pools


def check_watches() -> list[CheckWatch]:
    return [each for each in gc.get_objects() if type(each) is CheckWatch]


async def test_what_left_the_schedule_is_freed_without_the_collector(world: World) -> None:
    watches = world.prober._scheduler._watches
    old = len(watches)
    gc.collect()
    gc.disable()
    try:
        others = [each for each in check_watches() if each not in watches.values()]
        await world.reload(FIRST.replace("interval: 1h,", "interval: 2h,").replace(".4:", ".5:"))
        left = [each for each in check_watches() if each not in others]
        assert len(left) == len(watches) == old
        assert all(each in watches.values() for each in left)
    finally:
        gc.enable()


def test_checks_that_are_added_one_by_one_are_spread_as_if_they_came_together() -> None:
    spans = []
    for one_by_one in (False, True):
        simulation = Simulation()
        model = model_of(*(f"192.0.2.{i}" for i in range(250)))
        simulation.store.adopt(model)
        states = [simulation.store.add(check) for check in model.checks()]
        batch = [(state.check, state, state.health) for state in states]
        if one_by_one:
            for each in batch:
                simulation.scheduler.add([each], among=len(batch))
        else:
            simulation.scheduler.add(batch)
        spans.append([state.next_due for state in states])
    assert spans[0] == spans[1]


async def test_a_check_switched_off_and_on_goes_off_and_on_the_schedule(world: World) -> None:
    watches = world.prober._scheduler._watches
    await world.reload(FIRST.replace("name: b", "name: b, enabled: false"))
    assert ("b", "192.0.2.3:80") not in watches
    assert world.state("b", 3).status is Status.UNKNOWN
    await world.reload(FIRST)
    assert ("b", "192.0.2.3:80") in watches
