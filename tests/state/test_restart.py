"""A restart in simulated time: what comes back, what is too old, what is told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from prober.edits.edit import Edit
from prober.model.kernel_view import KernelView
from prober.model.status import Reason, Status
from prober.state.check_state import CheckState
from prober.state.database import Database
from prober.state.journal import Journal, read_saved
from prober.state.store import Store
from tests.simulation import START, WALL, Simulation, model_of


class Life:
    """One process after the other on one state directory; time goes on between them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.now = 0.0
        self._database: Database | None = None

    def begin(self) -> Simulation:
        """Start a process that continues what is stored."""
        self._database = Database(str(self._folder), report=self._report)
        sim = Simulation()
        sim.clock.now += self.now
        self.journal = Journal(self._database, wall=lambda: WALL + sim.clock.now - START)
        sim.store = Store(
            wall=lambda: WALL + sim.clock.now - START,
            awake=sim.ticker.awake,
            journal=self.journal,
            saved=read_saved(self._database),
        )
        sim.scheduler._record = sim.store.record
        self._sim = sim
        return sim

    def end(self, *, cleanly: bool = True) -> None:
        """Stop the process; a crash comes right after its last flush."""
        assert self._database is not None
        if cleanly:
            self._sim.store.save_all()
        self.journal.flush()
        self._database.close()
        self.now = self._sim.clock.now - START
        self._database = None

    def _report(self, what: str, detail: str) -> None:
        raise AssertionError(f"{what}: {detail}")


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    life = Life(tmp_path / "state")
    yield life
    if life._database is not None:
        life.end()


def status(state: CheckState) -> Status:
    return state.status


@pytest.mark.parametrize("cleanly", [True, False])
def test_a_short_absence_changes_nothing(life: Life, cleanly: bool) -> None:
    sim = life.begin()
    (state,) = sim.watch(model_of("192.0.2.1", interval=5))
    sim.clock.advance(60)
    sim.engine.answer = lambda _: Reason.REFUSED
    sim.clock.advance(5.5)
    assert status(state) is Status.WARNING
    before = (state.health, state.since, state.last)
    life.end(cleanly=cleanly)
    life.now += 3
    sim = life.begin()
    (again,) = sim.watch(model_of("192.0.2.1", interval=5))
    assert status(again) is Status.WARNING
    assert (again.health, again.since, again.last) == before
    assert again.conclusive_at < sim.ticker.awake()


@pytest.mark.parametrize(
    "kernel", [KernelView(3, 2), KernelView(None, 1, 0.01, 5), KernelView(1, 0, None, None, "::1")]
)
def test_what_the_kernel_knew_of_a_failure_comes_back(life: Life, kernel: KernelView) -> None:
    sim = life.begin()
    (state,) = sim.watch(model_of("192.0.2.1", interval=5))
    sim.clock.advance(60)
    assert state.last is not None
    outcome = state.last._replace(reason=Reason.TIMEOUT, kernel=kernel)
    sim.store.record(state, outcome)
    life.end()
    sim = life.begin()
    (again,) = sim.watch(model_of("192.0.2.1", interval=5))
    assert again.last == outcome


def test_a_streak_goes_on_over_a_restart(life: Life) -> None:
    sim = life.begin()
    sim.engine.answer = lambda _: Reason.REFUSED
    (state,) = sim.watch(model_of("192.0.2.1", interval=1, fall=4))
    while state.health.streak > -2:
        sim.clock.advance(0.1)
    life.end(cleanly=False)
    sim = life.begin()
    sim.engine.answer = lambda _: Reason.REFUSED
    (state,) = sim.watch(model_of("192.0.2.1", interval=1, fall=4))
    while status(state) is not Status.CRITICAL:
        sim.clock.advance(0.1)
    assert len(sim.times(state)) == 2


def test_what_was_stored_in_the_future_is_of_unknown_age(life: Life) -> None:
    sim = life.begin()
    sim.watch(model_of("192.0.2.1", interval=5))
    sim.clock.advance(60)
    life.end()
    life.now -= 3600  # the clock was ahead by an hour
    sim = life.begin()
    (again,) = sim.watch(model_of("192.0.2.1", interval=5))
    assert status(again) is Status.UNKNOWN
    assert again.last is None
    told = [event.cause for event in sim.store.events.newest_first() if event.after == "UNKNOWN"]
    assert "still to come" in told[0]
    sim.clock.advance(60)
    assert status(again) is Status.OK


def test_a_long_absence_makes_a_check_unknown_and_says_so(life: Life) -> None:
    sim = life.begin()
    sim.watch(model_of("192.0.2.1", interval=5))
    sim.clock.advance(60)
    life.end()
    life.now += 3600
    sim = life.begin()
    (state,) = sim.watch(model_of("192.0.2.1", interval=5))
    assert status(state) is Status.UNKNOWN
    assert state.health.streak == 0
    event = next(sim.store.events.newest_first())
    assert (event.before, event.after) == (Status.OK, Status.UNKNOWN)
    assert event.cause == "not probed for 3600 s, prober was not running"
    sim.clock.advance(3)
    assert status(state) is Status.OK


def test_events_and_their_ids_go_on(life: Life) -> None:
    sim = life.begin()
    sim.watch(model_of("192.0.2.1"))
    sim.clock.advance(10)
    sim.store.note("reload", "added 1")
    kept = list(sim.store.events.newest_first())
    life.end()
    sim = life.begin()
    assert list(sim.store.events.newest_first()) == kept
    sim.store.note("reload", "added 2")
    assert next(sim.store.events.newest_first()).id == kept[0].id + 1


def test_a_check_that_is_not_configured_any_more_is_forgotten(life: Life) -> None:
    sim = life.begin()
    sim.watch(model_of("192.0.2.1", "192.0.2.2"))
    sim.clock.advance(10)
    life.end()
    sim = life.begin()
    sim.watch(model_of("192.0.2.1"))
    sim.store.forget_the_absent()
    life.end()
    sim = life.begin()
    assert set(sim.store._saved.checks) == {("m", "192.0.2.1:80")}


def test_a_check_that_was_disabled_meanwhile_is_unknown_at_once(life: Life) -> None:
    sim = life.begin()
    sim.watch(model_of("192.0.2.1"))
    sim.clock.advance(10)
    life.end()
    sim = life.begin()
    (state,) = sim.watch(model_of("192.0.2.1", enabled=False))
    assert status(state) is Status.UNKNOWN


def test_a_check_far_beyond_its_rise_is_not_written_at_every_probe(life: Life) -> None:
    sim = life.begin()
    (state,) = sim.watch(model_of("192.0.2.1", interval=1))
    sim.clock.advance(10)
    life.journal.flush()
    written = 0
    for _ in range(300):
        sim.clock.advance(1)
        written += bool(life.journal._changed)
        life.journal.flush()
    assert 4 <= written <= 6
    assert state.counters.probes > 300


def test_a_check_that_was_stale_stays_so_until_it_is_probed(life: Life) -> None:
    sim = life.begin()
    (state,) = sim.watch(model_of("192.0.2.1", interval=1))
    sim.clock.advance(10)
    sim.engine.answer = lambda _: Reason.NO_PORTS
    sim.clock.advance(10)
    assert status(state) is Status.UNKNOWN
    life.end()
    sim = life.begin()
    (state,) = sim.watch(model_of("192.0.2.1", interval=1))
    assert status(state) is Status.UNKNOWN
    sim.clock.advance(1.5)
    assert status(state) is Status.OK


def test_edits_come_back_as_they_were_made(life: Life) -> None:
    life.begin()
    made = Edit("monitor", "1", {"name": "wéb", "rise": 2}, None, 1.0)
    changed = Edit("monitor", "2", {"name": "api"}, "digest", 2.0)
    deleted = Edit("pool", "1", None, "digest", 3.0)
    for edit in (changed._replace(content={"name": "older"}), made, deleted, changed):
        life.journal.keep_edit(edit)
    life.journal.keep_edit(Edit("monitor", "3", {}, None, 4.0))
    life.journal.drop_edit("monitor", "3")
    life.end()
    sim = life.begin()
    assert sim.store._saved.edits == (made, changed, deleted)


def test_what_was_known_before_a_check_was_disabled_is_forgotten(life: Life) -> None:
    sim = life.begin()
    sim.watch(model_of("192.0.2.1", interval=5))
    sim.clock.advance(60)
    for state in sim.watch(model_of("192.0.2.1", interval=5, enabled=False)):
        assert state.health.online is None
    sim.clock.advance(3600)
    life.end()
    sim = life.begin()
    (state,) = sim.watch(model_of("192.0.2.1", interval=5, rise=3))
    sim.clock.advance(0.1)
    assert len(sim.times(state)) == 1
    assert status(state) is Status.UNKNOWN
    sim.clock.advance(10)
    assert status(state) is Status.OK


def test_a_check_that_is_disabled_while_no_process_runs_is_forgotten(life: Life) -> None:
    sim = life.begin()
    sim.watch(model_of("192.0.2.1", interval=5))
    sim.clock.advance(60)
    for enabled in (False, True):
        life.end()
        sim = life.begin()
        (state,) = sim.watch(model_of("192.0.2.1", interval=5, enabled=enabled))
        assert (state.health.online, status(state)) == (None, Status.UNKNOWN)
