"""The history of checks in simulated time: counts, seconds and slots, over restarts and jumps."""

import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prober.model.admin import AdminEntry, AdminState
from prober.model.status import Outcome, Reason, Result, Status
from prober.state.archive import DAY, Retention, read_slots, read_uptime, upkeep
from prober.state.check_state import CheckState
from prober.state.credible_clock import CredibleClock
from prober.state.database import Database
from prober.state.database_table import Table
from prober.state.history import ROUND, History, _Opening
from prober.state.journal import Journal, read_saved
from prober.state.slots import (
    FINE,
    HOUR,
    MAINTENANCE,
    SPENT_IN,
    WIDTH,
    Slot,
    add_slots,
    empty_slot,
    unpack_counts,
)
from prober.state.store import Store
from tests.simulation import START, WALL, Simulation, model_of

KEY = ("m", "192.0.2.1:80")
ONE = "192.0.2.1"


class Life:
    """One process after the other on one state directory; time goes on between them.

    Time passes by `wait`, a second at a time, as for the daemon. `shift` is how far the wall clock
    was set, `doubts` whether leaps of it are doubted.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.now = 0.0
        self.shift = 0.0
        self.doubts = False
        self.database: Database | None = None

    def wall(self) -> float:
        return WALL + self.sim.clock.now - START + self.shift

    def begin(self) -> Simulation:
        """Start a process that continues what is stored."""
        self.database = database = Database(str(self._folder), report=self._report)
        self.sim = sim = Simulation()
        sim.clock.now += self.now
        saved = read_saved(database)
        clock = CredibleClock(saved.credible_at, wall=self.wall, awake=sim.ticker.awake)
        credible = clock.for_ages if self.doubts else self.wall
        self.journal = Journal(database, wall=self.wall, credible=clock.credible)
        self.history = History(database, wall=self.wall, awake=sim.ticker.awake, credible=credible)
        sim.store = Store(
            wall=self.wall,
            awake=sim.ticker.awake,
            journal=self.journal,
            saved=saved,
            history=self.history,
        )
        sim.scheduler._record = sim.store.record
        return sim

    def wait(self, seconds: float) -> None:
        """Let time pass, with a beat every second."""
        end = self.sim.clock.now + seconds
        while self.sim.clock.now < end:
            self.sim.clock.advance(min(1.0, end - self.sim.clock.now))
            self.history.beat()
            self.journal.flush()

    def end(self, *, cleanly: bool = True) -> None:
        """Stop the process; a crash comes right after its last flush."""
        assert self.database is not None
        if cleanly:
            self.sim.store.save_all()
        self.journal.flush()
        self.database.close()
        self.now = self.sim.clock.now - START
        self.database = None

    def slots(self, start: float, end: float, step: int = WIDTH) -> list[Slot]:
        """Return the slots between two times, counted from the first start on."""
        assert self.database is not None
        number = self.history._current(KEY)
        at, until = int(WALL + start) // step * step, -int(-(WALL + end) // step) * step
        return read_slots(self.database, number, range(at, until, step))

    def sum(self, start: float, end: float, step: int = WIDTH) -> Slot:
        """Return everything between two times."""
        whole = empty_slot(0)
        for slot in self.slots(start, end, step):
            whole = add_slots(whole, slot)
        return whole

    def uptime(self) -> dict[str, tuple[float | None, float]]:
        assert self.database is not None
        number = self.history._current(KEY)
        return {
            k: (v.share, v.known)
            for k, v in read_uptime(self.database, number, self.wall()).items()
        }

    def tend(self) -> None:
        """Do all of the upkeep at once, on what was written by then."""
        due = self.history.due()._replace(touched=int(self.wall()))
        self.end()
        with sqlite3.connect(self._folder / "prober.db") as connection:
            for _ in upkeep(connection, Retention(), due):
                pass
        connection.close()
        self.begin()

    def rows(self, question: str) -> list[tuple[Any, ...]]:
        assert self.database is not None
        return self.database.read(lambda connection: connection.execute(question).fetchall())

    def _report(self, what: str, detail: str) -> None:
        raise AssertionError(f"{what}: {detail}")


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    life = Life(tmp_path / "state")
    yield life
    if life.database is not None:
        life.end()


def seconds(slot: Slot) -> dict[str, float]:
    named = zip(SPENT_IN, slot.seconds, strict=True)
    return {str(name): round(each, 2) for name, each in named if each}


@pytest.mark.parametrize("packed", [None, "", b"\0", b"\xff" * 5])
def test_counts_that_cannot_be_are_refused(packed: object) -> None:
    with pytest.raises(ValueError, match="not packed counts"):
        unpack_counts(packed)


def test_the_simulation_begins_on_the_border_of_an_hour() -> None:
    assert WALL % HOUR == 0


def test_a_day_of_probing_is_counted_exactly(life: Life) -> None:
    sim = life.begin()
    results: list[Result] = []

    def answer(_: object) -> Reason:
        passed = sim.clock.now - START
        if 10 * HOUR <= passed < 12 * HOUR:
            reason = Reason.REFUSED
        else:
            reason = Reason.NO_ROUTE if len(results) % 100 == 7 else Reason.OK
        results.append(reason.result)
        return reason

    sim.engine.answer = answer
    sim.watch(model_of(ONE, interval=10, fall=3, rise=2))
    life.wait(DAY)
    whole = life.sum(0, DAY)
    assert whole.probes == len(results)
    assert whole.good == results.count(Result.OK) == sum(whole.counts)
    assert whole.probes - whole.good - whole.bad == results.count(Result.UNKNOWN)
    assert sum(whole.seconds) == pytest.approx(DAY, abs=0.1)
    for slot in life.slots(0, DAY):
        assert sum(slot.seconds) == pytest.approx(WIDTH, abs=0.01)
        assert 30 <= slot.probes <= 32  # it begins with fast_interval
    events = list(sim.store.events.newest_first())[::-1]
    spent = dict.fromkeys(map(str, Status), 0.0)
    since, before = WALL, Status.UNKNOWN
    for event in events:
        spent[before] += event.at - since
        assert event.after is not None
        since, before = event.at, event.after
    spent[before] += WALL + DAY - since
    assert seconds(whole) == pytest.approx({k: v for k, v in spent.items() if v}, abs=0.1)
    known = DAY - spent["UNKNOWN"]
    share, told = life.uptime()["24h"]
    assert told == pytest.approx(known, abs=0.1)
    assert share == pytest.approx((spent["OK"] + spent["WARNING"]) / known, abs=1e-6)


def test_a_status_that_lasts_is_split_at_the_borders_of_slots(life: Life) -> None:
    sim = life.begin()
    (state,) = sim.watch(model_of(ONE, interval=3000, timeout=2, rise=1))
    sim.clock.advance(WIDTH - 100)
    sim.store.record(state, Outcome(Reason.OK, "", None, life.wall(), 0.02))
    sim.clock.advance(2 * WIDTH)
    for slot in life.slots(WIDTH, 2 * WIDTH):
        assert seconds(slot) == {"OK": WIDTH}
    last = life.slots(2 * WIDTH, 3 * WIDTH)[0]
    assert seconds(last) == {"OK": WIDTH - 100}


@pytest.mark.parametrize("cleanly", [True, False])
def test_a_restart_within_a_slot_adds_to_it(life: Life, cleanly: bool) -> None:
    sim = life.begin()
    sim.watch(model_of(ONE, interval=1))
    life.wait(100)
    before = life.sum(0, WIDTH)
    life.end(cleanly=cleanly)
    life.now += 20
    sim = life.begin()
    sim.watch(model_of(ONE, interval=1))
    life.wait(100)
    (slot,) = life.slots(0, WIDTH)
    assert slot.probes == before.probes + len(sim.engine.started)
    assert sum(slot.seconds) == pytest.approx(200, abs=0.01)
    assert len(life.rows("SELECT start, part FROM slots")) <= 2


def test_a_process_that_could_not_read_the_history_adds_to_it(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    sim = life.begin()
    sim.watch(model_of(ONE, interval=1))
    life.wait(100)
    before = life.sum(0, WIDTH)
    life.end()
    with monkeypatch.context() as unread:
        unread.setattr("tests.state.test_history.History", partial(History, base=10**9))
        unread.setattr("prober.state.history._opening", lambda _: _Opening({}, 0))
        sim = life.begin()
    sim.watch(model_of(ONE, interval=1))
    life.wait(100)
    assert life.history._numbers[KEY] > 10**9
    life.end()
    life.begin()
    assert life.rows("SELECT id < 1000 FROM names WHERE monitor = 'm'") == [(1,)]
    assert life.sum(0, WIDTH).probes == before.probes + len(sim.engine.started)


def test_a_crash_loses_at_most_a_minute(life: Life) -> None:
    sim = life.begin()
    states = sim.watch(model_of(*(f"192.0.2.{i}" for i in range(1, 121)), interval=1))
    life.wait(150)
    life.end(cleanly=False)
    probes = {state.check.backend.key: state.counters.probes for state in states}
    assert len(probes) == 120
    life.begin()
    written = life.rows("SELECT check_id, sum(probes), sum(ok + unknown) FROM slots GROUP BY 1")
    assert len(written) == 120
    assert min(row[1] for row in written) >= 150 - 60 - 3
    assert min(row[2] for row in written) >= 150 - 60


def test_writing_is_spread_over_the_beats(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    sim = life.begin()
    sim.watch(model_of(*(f"192.0.2.{i}" for i in range(1, 201)), interval=60))
    life.wait(5)
    put: list[object] = []
    database = life.history._database
    original = database.put

    def counted(table: Table, *row: Any) -> None:
        if table is FINE:
            put.append(row)
        original(table, *row)

    monkeypatch.setattr(database, "put", counted)
    for _ in range(100):
        before = len(put)
        life.wait(1)
        assert len(put) - before <= 2 * -(-200 // ROUND)
    assert len(put) >= 200 * 100 // ROUND


def test_the_time_without_a_daemon_is_in_no_status(life: Life) -> None:
    sim = life.begin()
    sim.watch(model_of(ONE, interval=1, rise=1))
    life.wait(WIDTH)
    life.end()
    life.now += 3 * WIDTH
    sim = life.begin()
    sim.watch(model_of(ONE, interval=1, rise=1))
    life.wait(WIDTH)
    slots = life.slots(0, 5 * WIDTH)
    assert [round(sum(slot.seconds)) for slot in slots] == [WIDTH, 0, 0, 0, WIDTH]


@pytest.mark.parametrize("jump", [-DAY, -1000.0, -50.0, 50.0, 1000.0, DAY])
def test_a_wall_clock_that_is_set_makes_time_neither_negative_nor_long(
    life: Life, jump: float
) -> None:
    sim = life.begin()
    sim.watch(model_of(ONE, interval=1, rise=1))
    life.wait(700.5)
    life.shift = jump
    life.wait(700)
    slots = life.slots(min(0, jump), max(0, jump) + 1500)
    probes, lived = sim.store.counters["m"].probes, 1400.5
    twice = max(0.0, min(700.5, -jump)) if jump > -DAY else 0.0
    found = sum(sum(slot.seconds) for slot in slots)
    assert lived - twice - WIDTH <= found <= lived + 0.1
    assert twice or found == pytest.approx(lived, abs=0.1)
    assert twice or sum(slot.probes for slot in slots) == probes
    assert all(each >= 0 for slot in slots for each in slot.seconds)
    assert max(sum(slot.seconds) for slot in slots) <= WIDTH + 2
    assert max(slot.probes for slot in slots) <= WIDTH + 2


def test_a_boot_with_the_clock_ahead_by_years_deletes_nothing(life: Life) -> None:
    life.doubts = True
    sim = life.begin()
    sim.watch(model_of(ONE, interval=10, rise=1))
    life.wait(2 * HOUR)
    before = life.sum(0, 2 * HOUR, HOUR)
    life.end()
    for _ in range(3):
        life.shift = 20 * 365 * DAY
        life.begin()
        life.wait(2 * HOUR)
        life.tend()
        assert life.sum(0, 2 * HOUR, HOUR).probes == before.probes
        life.end()
    life.shift = 0.0
    life.begin()
    life.tend()
    assert life.sum(0, 2 * HOUR, HOUR).probes == before.probes


def test_a_standstill_counts_as_not_known(life: Life) -> None:
    sim = life.begin()
    sim.watch(model_of(ONE, interval=1, rise=1))
    life.wait(400)
    sim.clock.stand_still(1000)
    life.wait(400)
    slots = life.slots(0, 1800)
    assert sum(sum(slot.seconds) for slot in slots) == pytest.approx(800, abs=2)
    assert [round(sum(slot.seconds)) for slot in slots[2:4]] == [0, 0]


def test_a_disabled_check_is_unknown_all_the_time(life: Life) -> None:
    sim = life.begin()
    sim.watch(model_of(ONE, enabled=False))
    life.wait(3 * WIDTH)
    assert [seconds(slot) for slot in life.slots(0, 3 * WIDTH)] == [{"UNKNOWN": WIDTH}] * 3
    assert life.uptime()["24h"] == (None, 0.0)


def admin(state: AdminState) -> AdminEntry:
    return AdminEntry(state, None, "", "a test", WALL)


@pytest.mark.parametrize(
    ("state", "spent_in"),
    [
        (AdminState.MAINTENANCE, "MAINTENANCE"),
        (AdminState.DRAIN, "MAINTENANCE"),
        (AdminState.FORCED_UP, "CRITICAL"),
        (AdminState.FORCED_DOWN, "CRITICAL"),
    ],
)
def test_time_in_maintenance_is_neither_up_nor_down(
    life: Life, state: AdminState, spent_in: str
) -> None:
    sim = life.begin()
    (check,) = sim.watch(model_of(ONE, interval=3000, timeout=2, rise=1, fall=1))
    sim.store.record(check, Outcome(Reason.OK, "", None, life.wall(), 0.02))
    life.wait(100)
    sim.store.admin.put(("pools", "m"), admin(state))
    sim.store.excuse(check)
    sim.store.record(check, Outcome(Reason.REFUSED, "", None, life.wall(), 0.02))
    life.wait(60)
    sim.store.admin.clear(("pools", "m"), by="a test")
    sim.store.excuse(check)
    life.wait(40)
    expected = {"OK": 100.0, "CRITICAL": 40.0}
    expected[spent_in] = expected.get(spent_in, 0.0) + 60
    slot = life.sum(0, WIDTH)
    assert seconds(slot) == expected
    assert slot.bad == 1  # what is measured goes on
    known = 200.0 - slot.seconds[SPENT_IN.index(MAINTENANCE)]
    share, counted = life.uptime()["24h"]
    assert share == pytest.approx(100 / known)
    assert counted == pytest.approx(known)


def test_maintenance_goes_on_after_a_restart_and_is_merged_by_hours(life: Life) -> None:
    sim = life.begin()
    sim.watch(model_of(ONE, interval=5))
    sim.store.admin.put(("backends", "m/192.0.2.1:80"), admin(AdminState.MAINTENANCE))
    for check in sim.store:
        sim.store.excuse(check)
    life.wait(HOUR / 2)
    life.end()
    sim = life.begin()
    sim.watch(model_of(ONE, interval=5))
    life.wait(HOUR / 2 + 300)
    before = life.sum(0, HOUR, HOUR)
    life.tend()
    assert seconds(before) == {"MAINTENANCE": HOUR}
    assert life.sum(0, HOUR, HOUR) == before
    assert life.rows("SELECT maintenance FROM hours ORDER BY start")[0] == (HOUR,)


def test_a_check_that_went_and_came_back_goes_on_in_its_slot(life: Life) -> None:
    sim = life.begin()
    model = model_of(ONE, interval=1)
    sim.watch(model)
    life.wait(50)
    sim.scheduler.remove(KEY)
    sim.store.remove(KEY)
    life.wait(100)
    sim.watch(model)
    life.wait(50)
    (slot,) = life.slots(0, WIDTH)
    assert sum(slot.seconds) == pytest.approx(100, abs=0.01)
    assert slot.probes == len(sim.engine.started)


def test_a_check_that_was_removed_takes_no_memory_but_keeps_its_history(life: Life) -> None:
    sim = life.begin()
    sim.watch(model_of(ONE, interval=1))
    life.wait(50)
    sim.scheduler.remove(KEY)
    sim.store.remove(KEY)
    life.wait(WIDTH + 2 * ROUND)
    assert not life.history._running
    assert life.slots(0, WIDTH)[0].probes >= 49


def test_hours_are_the_sum_of_their_slots_and_old_slots_go(life: Life) -> None:
    sim = life.begin()
    sim.watch(model_of(ONE, interval=10))
    life.wait(3 * HOUR)
    before = life.slots(0, 3 * HOUR, HOUR)
    life.tend()
    assert life.rows("SELECT count(*) FROM hours WHERE check_id = 1") == [
        (2,)
    ]  # the third is not settled yet
    assert life.slots(0, 3 * HOUR, HOUR) == before
    life.end()
    life.now += 2 * DAY - HOUR
    life.begin()
    life.tend()
    assert life.rows("SELECT min(start) FROM slots") == [(int(WALL) + 2 * HOUR,)]
    assert life.rows("SELECT count(*) FROM hours WHERE check_id = 1") == [(3,)]
    assert life.slots(0, 3 * HOUR, HOUR) == before
    assert life.slots(0, 2 * HOUR) == [empty_slot(int(WALL) + i * WIDTH) for i in range(24)]


def test_what_is_too_old_goes_and_nothing_else(life: Life) -> None:
    sim = life.begin()
    sim.watch(model_of(ONE, interval=10))
    life.wait(3 * HOUR)
    sim.store.note("reload", "one")
    life.end()
    life.now += 30 * DAY
    sim = life.begin()
    sim.store.note("reload", "two")
    sim.watch(model_of(ONE, interval=10))
    life.wait(HOUR)
    life.tend()
    assert life.rows("SELECT count(*) FROM hours WHERE check_id = 1") == [(3,)]
    life.now += 60 * DAY - 2 * HOUR
    life.sim.clock.now += 60 * DAY - 2 * HOUR
    life.tend()
    starts = [
        start - int(WALL)
        for (start,) in life.rows("SELECT start FROM hours WHERE check_id = 1 ORDER BY 1")
    ]
    assert starts == [2 * HOUR, 30 * DAY + 3 * HOUR]
    assert life.rows("SELECT count(*) FROM slots") == [(0,)]
    causes = [row[0] for row in life.rows("SELECT cause FROM events ORDER BY id")]
    assert causes[0] == "one"
    assert "two" in causes
    life.sim.clock.now += 60 * DAY
    life.tend()
    assert life.rows("SELECT count(*) FROM hours WHERE check_id = 1") == [(0,)]
    assert len(life.rows("SELECT cause FROM events")) == 1  # ids go on from the newest


def test_an_hour_that_was_merged_is_not_replaced_by_less(life: Life) -> None:
    sim = life.begin()
    sim.watch(model_of(ONE, interval=10))
    life.wait(2 * HOUR)
    life.tend()
    before = life.slots(0, HOUR, HOUR)
    life.end()
    with sqlite3.connect(life._folder / "prober.db") as connection:
        connection.execute("DELETE FROM slots WHERE start < ?", (int(WALL) + HOUR,))
        connection.execute("UPDATE slots SET start = start - ?", (HOUR,))
        connection.execute("DELETE FROM slots WHERE start > ?", (int(WALL),))
    connection.close()
    life.begin()
    life.tend()
    row = life.rows("SELECT probes FROM hours ORDER BY start")[0]
    assert row == (before[0].probes,)


def test_quantiles_of_slots_that_were_added_up_are_near_the_truth(life: Life) -> None:
    sim = life.begin()
    sim.store.adopt(model_of(ONE))
    state = sim.store.add(sim.store.model.checks()[0])
    times = [0.003 + 0.0001 * i for i in range(2000)]
    for i, each in enumerate(times):
        sim.store.record(state, Outcome(Reason.OK, "", None, life.wall(), each))
        if i % 200 == 0:
            sim.clock.advance(WIDTH)
    whole = life.sum(0, 11 * WIDTH)
    assert (whole.least, whole.most) == pytest.approx((times[0], times[-1]), abs=1e-6)
    assert whole.total == pytest.approx(sum(times), rel=1e-6)
    for share in (0.5, 0.95, 0.99):
        assert whole.quantile(share) == pytest.approx(times[int(share * 2000)], rel=0.2)
    assert whole.quantile(1.0) == whole.most


def test_a_name_goes_with_the_last_of_its_history(life: Life) -> None:
    sim = life.begin()
    sim.watch(model_of(ONE, "192.0.2.2", "192.0.2.3"))
    life.wait(3 * HOUR)
    life.end()
    assert life.database is None
    life.now += 10 * DAY
    sim = life.begin()
    sim.watch(model_of(ONE))
    unused: list[int] = life.history._unused

    def do_upkeep() -> None:
        assert life.database is not None
        due = life.history.due()
        with sqlite3.connect(life._folder / "prober.db") as connection:
            for _ in upkeep(connection, Retention(), due):
                pass
        connection.close()

    life.wait(1)
    do_upkeep()
    assert unused == []  # there are hours of them yet
    sim.clock.now += 100 * DAY
    do_upkeep()
    assert sorted(unused) == [3, 4]  # 2 is their pool
    sim.watch(model_of(ONE, "192.0.2.2"))  # one of them comes back before it is forgotten
    life.wait(1)
    life.end()
    life.begin()
    names = [row[0] for row in life.rows("SELECT backend FROM names ORDER BY id")]
    assert names == [KEY[1], "m", "192.0.2.2:80"]


def test_a_database_that_was_lost_gets_all_that_is_in_memory(life: Life) -> None:
    sim = life.begin()
    sim.watch(model_of(ONE, interval=1))
    life.wait(10)
    life.end()
    (life._folder / "prober.db").unlink()
    life.begin()
    life.sim.watch(model_of(ONE, interval=1))
    assert life.database is not None
    life.database._write(life.database._pending)
    life.database._pending = {}
    life.sim.store.save_all()
    assert {where.name for where in life.database._pending} >= {"names", "parts"}


REASONS = st.sampled_from([Reason.OK, Reason.SLOW, Reason.REFUSED, Reason.NO_ROUTE])


@given(
    steps=st.lists(st.tuples(st.floats(0, 400), REASONS, st.floats(0, 20)), max_size=25),
    beats=st.booleans(),
)
@settings(max_examples=60)
def test_seconds_and_counts_add_up_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[float, Reason, float]],
    beats: bool,
) -> None:
    life = Life(tmp_path_factory.mktemp("history") / "state")
    sim = life.begin()
    sim.store.adopt(model_of(ONE, rise=2, fall=2))
    state: CheckState = sim.store.add(sim.store.model.checks()[0])
    for wait, reason, took in steps:
        sim.clock.advance(wait)
        if beats:
            life.history.beat()
        sim.store.record(state, Outcome(reason, "", None, life.wall(), took))
    passed = sim.clock.now - START
    whole = life.sum(0, passed + 1)
    life.end()
    assert sum(whole.seconds) == pytest.approx(passed, abs=0.001 * (len(steps) + 40))
    assert whole.probes == len(steps)
    results = [reason.result for _, reason, _ in steps]
    assert whole.good == sum(whole.counts) == results.count(Result.OK)
    assert whole.bad == results.count(Result.CONNECT_FAILED)
    assert whole.total == pytest.approx(
        sum(took for _, reason, took in steps if reason.result is Result.OK), abs=1e-4
    )
