"""The store: statuses, counters, events, what survives a change and what goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.model.fact import VALUES
from prober.model.status import FactValue, Outcome, Phases, Reason, Status
from prober.probes.grpc import GrpcProbe
from prober.probes.http import HttpProbe
from prober.state.check_state import CheckState
from prober.state.recent import Recent
from prober.state.store import Store
from tests.simulation import WALL, Simulation, model_of


def outcome(reason: Reason = Reason.OK, **facts: FactValue) -> Outcome:
    return Outcome(reason, "as scripted", facts or None, WALL + 1, 0.01)


@pytest.fixture
def sim() -> Simulation:
    return Simulation()


def test_events_name_both_statuses_and_the_cause(sim: Simulation) -> None:
    (state,) = sim.watch(model_of("192.0.2.1", rise=1, fall=2))
    for reason in (Reason.OK, Reason.TIMEOUT, Reason.REFUSED):
        sim.store.record(state, outcome(reason))
    told = [(e.before, e.after, e.reason, e.streak) for e in sim.store.events.newest_first()]
    assert told == [
        (Status.WARNING, Status.CRITICAL, Reason.REFUSED, -2),
        (Status.OK, Status.WARNING, Reason.TIMEOUT, -1),
        (Status.UNKNOWN, Status.OK, Reason.OK, 1),
    ]
    newest = next(sim.store.events.newest_first())
    assert newest.cause == "2 bad in a row, last CONNECT_FAILED (refused): as scripted"
    assert state.counters.transitions == {Status.OK: 1, Status.WARNING: 1, Status.CRITICAL: 1}


def test_two_monitors_of_one_backend_do_not_share_a_state(sim: Simulation) -> None:
    first = model_of("192.0.2.1", name="a")
    second = model_of("192.0.2.1", name="b")
    model = type(first)((*first.monitors, *second.monitors), (*first.pools, *second.pools))
    a, b = sim.watch(model)
    for _ in range(3):
        sim.store.record(a, outcome())
        sim.store.record(b, outcome(Reason.REFUSED))
    assert (a.status, b.status) == (Status.OK, Status.CRITICAL)


def test_counters_go_with_the_last_check_of_their_monitor(sim: Simulation) -> None:
    one, two = sim.watch(model_of("192.0.2.1", "192.0.2.2"))
    sim.store.record(one, outcome(Reason.REFUSED))
    assert sim.store.counters["m"].failures == {Reason.REFUSED: 1}
    sim.store.remove(one.check.key)
    assert sim.store.counters["m"].probes == 1
    sim.store.remove(two.check.key)
    assert sim.store.counters == {}
    assert sim.store.get(one.check.key) is None


def test_a_reservation_makes_an_online_check_a_warning(sim: Simulation) -> None:
    (state,) = sim.watch(model_of("192.0.2.1", rise=1))
    sim.store.record(state, outcome(Reason.SLOW))
    sim.store.record(state, outcome())
    told = [event.after for event in sim.store.events.newest_first()]
    assert told == [Status.OK, Status.WARNING]


def test_inconclusive_results_are_counted_as_local_errors(sim: Simulation) -> None:
    (state,) = sim.watch(model_of("192.0.2.1"))
    sim.store.record(state, outcome(Reason.NO_DESCRIPTORS))
    assert sim.store.local_errors == {Reason.NO_DESCRIPTORS: 1}
    assert state.health.streak == 0


def test_recent_results_keep_the_last_hundred_and_what_matters_of_them(sim: Simulation) -> None:
    (state,) = sim.watch(model_of("192.0.2.1", probe=HttpProbe()))
    for i in range(250):
        found = outcome(Reason.UNEXPECTED_STATUS, http_status_code=400 + i % 100)
        phases = (None, 0.002, None, 0.0001, 0.5, None)
        sim.store.record(state, found._replace(at=WALL + i, seconds=0.5 + i / 1000, phases=phases))
    kept = list(state.recent.newest_first())
    assert len(kept) == 100
    assert [round(past.at - WALL) for past in kept] == list(range(249, 149, -1))
    newest = kept[0]
    assert (newest.reason, newest.fact) == (Reason.UNEXPECTED_STATUS, ("http_status_code", 449))
    assert newest.seconds == pytest.approx(0.749, rel=0.001)
    assert newest.phases[0] is None
    assert newest.phases[1] == pytest.approx(0.002, rel=0.001)


def test_recent_results_of_all_shapes_stand_side_by_side(sim: Simulation) -> None:
    """The first is a bare refusal; what comes later has phases and codes that it has not."""
    (state,) = sim.watch(model_of("192.0.2.1", probe=GrpcProbe()))
    phases: list[Phases] = [
        (None, 0.25, None, None, None, None),
        (0.5, None, None, None, None, None),
        (None, 0.25, None, 0.5, 1.0, 2.0),
        (None, 0.25, None, None, None, None),
    ]
    codes = [{}, {}, {"http_status_code": 503}, {"grpc_status_code": 0}]
    for number, (each, facts) in enumerate(zip(phases, codes, strict=True)):
        found = outcome(Reason.REFUSED, **facts)._replace(at=WALL + number, phases=each)
        sim.store.record(state, found._replace(seconds=sum(filter(None, each))))
    kept = list(state.recent.newest_first())[::-1]
    assert [past.at - WALL for past in kept] == [0, 1, 2, 3]
    assert [past.phases for past in kept] == phases
    code, status = ("grpc_status_code", 0), ("http_status_code", 503)
    assert [past.fact for past in kept] == [None, None, status, code]
    assert [past.seconds for past in kept] == [0.25, 0.5, 3.75, 0.25]


def test_a_check_whose_type_changes_keeps_the_facts_that_it_remembers(sim: Simulation) -> None:
    (state,) = sim.watch(model_of("192.0.2.1", probe=HttpProbe()))
    sim.store.record(state, outcome(http_status_code=204))
    (state,) = sim.watch(model_of("192.0.2.1", probe=GrpcProbe()))
    sim.store.record(state, outcome(grpc_status_code=5, grpc_serving_status="SERVING"))
    kept = [past.fact for past in state.recent.newest_first()]
    assert kept == [("grpc_status_code", 5), ("http_status_code", 204)]


def test_facts_of_many_values_do_not_fill_the_memory() -> None:
    recent = Recent(("made_up",))
    for value in range(VALUES + 1):
        recent.add(outcome(made_up=value))
    newest, before, *_ = recent.newest_first()
    assert (newest.fact, before.fact) == (None, ("made_up", VALUES - 1))


def test_a_log_follower_hears_every_event_until_it_leaves(sim: Simulation) -> None:
    (state,) = sim.watch(model_of("192.0.2.1", rise=1, fall=1))
    heard: list[int] = []
    with sim.store.events.followed_by(lambda event: heard.append(event.id)):
        sim.store.record(state, outcome())
        sim.store.record(state, outcome(Reason.REFUSED))
    sim.store.record(state, outcome())
    assert heard == [1, 2]
    assert [event.id for event in sim.store.events.after(1)] == [2, 3]
    assert [event.id for event in sim.store.events.newest_first(before_id=3)] == [2, 1]


def test_aggregates_leave_disabled_checks_out() -> None:
    sim = Simulation()
    on, off = model_of("192.0.2.1", name="on"), model_of("192.0.2.1", name="off", enabled=False)
    monitors = tuple(
        type(m)(name=m.name, type=m.type, pool="on", enabled=m.enabled, rise=1, probe=m.probe)
        for m in (*on.monitors, *off.monitors)
    )
    states: list[CheckState] = sim.watch(type(on)(monitors, on.pools))
    sim.store.record(states[0], outcome())
    statuses = sim.store.statuses()
    assert statuses.backends["on", "192.0.2.1:80"] is Status.OK
    assert statuses.pools["on"] is Status.OK
    assert statuses.load_balancers["default"] is Status.OK
    assert len(sim.store) == 2


def test_an_empty_store_knows_nothing() -> None:
    store = Store(wall=lambda: WALL, awake=lambda: 0.0)
    assert store.statuses().load_balancers == {}
    assert list(store) == []


def test_a_reload_does_not_make_a_stale_check_known_again(sim: Simulation) -> None:
    (state,) = sim.watch(model_of("192.0.2.1", interval=1))
    sim.clock.advance(10)
    sim.engine.answer = lambda _: Reason.NO_PORTS
    sim.clock.advance(10)
    assert status(state) is Status.UNKNOWN
    sim.watch(model_of("192.0.2.1", interval=1, rise=1))
    assert status(state) is Status.UNKNOWN
    sim.engine.answer = lambda _: Reason.OK
    sim.clock.advance(1)
    assert status(state) is Status.OK


def test_a_check_that_is_enabled_again_begins_anew(sim: Simulation) -> None:
    (state,) = sim.watch(model_of("192.0.2.1"))
    sim.clock.advance(10)
    sim.watch(model_of("192.0.2.1", enabled=False))
    event = next(sim.store.events.newest_first())
    assert (event.after, event.reason) == (Status.UNKNOWN, Reason.DISABLED)
    assert event.cause == "the configuration changed"
    sim.watch(model_of("192.0.2.1"))
    assert status(state) is Status.UNKNOWN
    assert state.health.online is None


def test_recent_results_hold_what_took_days_and_what_a_wrong_clock_said(sim: Simulation) -> None:
    (state,) = sim.watch(model_of("192.0.2.1"))
    for at in (0.25, WALL, WALL + 200 * 86400):
        phases = (None, 90_000.0, None, None, None, None)
        sim.store.record(state, outcome()._replace(at=at, seconds=90_000.0, phases=phases))
    newest, oldest = state.recent.newest_first()  # but not what was said to be in 1970
    assert (newest.at, oldest.at) == (WALL + 200 * 86400, WALL)
    assert newest.seconds == newest.phases[1] == 65504.0


@given(st.lists(st.tuples(st.floats(0, 400 * 86400), st.booleans()), min_size=1, max_size=9))
def test_recent_results_keep_their_times_and_durations(steps: list[tuple[float, bool]]) -> None:
    """Whether they are nothing but a connection or not, and over the turn of an era."""
    recent, began = Recent(), (1 << 32) / 100 * 4 - 100 * 86400
    ats = sorted(round(began + step / 2, 2) for step, _ in steps)
    for at, (_, plain) in zip(ats, steps, strict=True):
        phases = (None, 0.25, None, None, None if plain else 0.5, None)
        recent.add(outcome()._replace(at=at, seconds=0.25 if plain else 0.75, phases=phases))
    took = [0.25 if plain else 0.75 for _, plain in steps]
    found = [*recent.newest_first()][::-1]
    assert [past.at for past in found] == pytest.approx(ats, abs=0.011)
    assert [past.seconds for past in found] == took
    assert sorted(recent.good_seconds()) == sorted(took)


def status(state: CheckState) -> Status:
    return state.status  # a call, so that a type checker does not take it for settled
