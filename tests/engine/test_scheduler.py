"""The schedule in simulated time: grid, intervals, overruns, pacing, the cap, standstills."""

from itertools import pairwise
from typing import ClassVar

import pytest

from prober.engine.scheduler import ASKED_GAP, GAP, REFUSAL_HOLD
from prober.engine.wheel import TICK
from prober.model.health import Health
from prober.model.monitor import UDP_PACE, Model
from prober.model.pool import Backend, Pool
from prober.model.schedule import phase
from prober.model.status import Outcome, Reason, Status
from prober.probes.udp import UdpProbe
from prober.state.check_state import CheckState
from tests.simulation import START, Simulation, model_of


def status(state: CheckState) -> Status:
    return state.status  # a call, so that a type checker does not take it for settled


def on_grid(when: float, number: int, interval: float) -> bool:
    """Return whether a time is a point of a grid, give or take the tick that it starts with."""
    late = (when - phase(number, interval)) % interval
    return late <= 2 * TICK


def test_a_check_is_probed_on_its_grid_from_start_to_start() -> None:
    sim = Simulation()
    (state,) = sim.watch(model_of("192.0.2.1"))
    sim.engine.takes = 0.7
    sim.clock.advance(60)
    settled = [when for when in sim.times(state) if when > START + 10]
    assert len(settled) == 10
    assert all(on_grid(when, state.check.spread, 5.0) for when in settled)
    assert all(4.9 < b - a < 5.1 for a, b in pairwise(settled))


def test_a_new_check_is_decided_with_the_fast_interval() -> None:
    sim = Simulation()
    (state,) = sim.watch(model_of("192.0.2.1", interval=60))
    sim.clock.advance(2.5)
    assert len(sim.times(state)) >= 2
    assert status(state) is Status.OK


@pytest.mark.parametrize("checks", [1, 100, 3000])
def test_first_probes_are_spread_over_a_second_per_thousand(checks: int) -> None:
    sim = Simulation(limit=5000)
    addresses = [f"10.0.{i // 250}.{i % 250}" for i in range(checks)]
    states = sim.watch(model_of(*addresses, interval=60, fast_interval=60))
    sim.clock.advance(checks / 1000 + 2 * TICK)
    firsts = [sim.times(state)[0] - START for state in states[:50]]
    assert len(sim.engine.started) >= checks
    assert max(firsts) <= checks / 1000 + 2 * TICK
    assert checks == 1 or len(set(firsts)) > 1


def test_the_phase_survives_a_restart_and_differs_between_checks() -> None:
    runs = []
    for _ in range(2):
        sim = Simulation()
        states = sim.watch(model_of("192.0.2.1", "192.0.2.2", "192.0.2.3"))
        sim.clock.advance(30)
        runs.append([round(sim.times(state)[-1] % 5, 1) for state in states])
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 3


def test_a_failing_check_is_probed_with_the_fast_interval_until_it_is_down() -> None:
    sim = Simulation()
    (state,) = sim.watch(model_of("192.0.2.1", interval=30, fast_interval=1, down_interval=10))
    sim.clock.advance(100)
    assert status(state) is Status.OK
    sim.engine.answer = lambda _: Reason.REFUSED
    sim.engine.started.clear()
    while status(state) is not Status.CRITICAL:
        sim.clock.advance(0.1)
    first, second, third = sim.times(state)
    assert second - first <= 1 + 2 * TICK
    assert third - second <= 1 + 2 * TICK
    sim.clock.advance(100)
    later = sim.times(state)[4:]
    assert all(9.9 < b - a < 10.1 for a, b in pairwise(later))


def test_probes_of_one_check_never_overlap_and_missed_slots_are_counted() -> None:
    sim = Simulation()
    (state,) = sim.watch(model_of("192.0.2.1", interval=1, timeout=10))
    sim.engine.takes = 3.4
    sim.clock.advance(60)
    times = sim.times(state)
    assert sim.engine.most_in_flight == 1
    assert all(3.9 < b - a < 4.1 for a, b in pairwise(times[2:]))
    assert all(on_grid(when, state.check.spread, 1.0) for when in times[1:])
    assert sim.skips["overrun"] >= 3 * (len(times) - 2)
    assert state.last is not None
    assert state.last.skipped == 3
    sim.engine.takes = 0.1
    sim.clock.advance(10)
    assert state.last.skipped == 0


def test_every_start_of_a_tick_is_counted_and_answers_wait_for_few_of_them() -> None:
    sim = Simulation()
    sim.watch(model_of(*(f"10.0.{n // 250}.{n % 250}" for n in range(2000)), interval=1))
    sim.clock.advance(10)
    starts = len(sim.engine.started)
    assert starts > 10_000
    assert sum(sim.lags.counts) == sim.due == starts
    assert 16 < sim.engine.most_unseen <= 32
    assert not sim.load.late


def test_exactly_fall_and_rise_probes_pass_before_the_status_moves() -> None:
    sim = Simulation()
    (state,) = sim.watch(model_of("192.0.2.1", interval=1, rise=3, fall=4))
    sim.clock.advance(10)
    for reason, needed, wanted in ((Reason.REFUSED, 4, Status.CRITICAL), (Reason.OK, 3, Status.OK)):
        sim.engine.answer = lambda _, reason=reason: reason  # type: ignore[misc]  # default binds
        sim.engine.started.clear()
        while status(state) is not wanted:
            sim.clock.advance(0.01)
        assert len(sim.times(state)) == needed


def test_inconclusive_results_leave_the_status_until_it_is_stale() -> None:
    sim = Simulation()
    (state,) = sim.watch(model_of("192.0.2.1", interval=1, timeout=2))
    sim.clock.advance(10)
    sim.engine.answer = lambda _: Reason.NO_PORTS
    sim.clock.advance(4)
    assert status(state) is Status.OK
    assert state.last is not None
    assert state.last.reason is Reason.NO_PORTS
    sim.clock.advance(3)
    assert status(state) is Status.UNKNOWN
    assert state.health.online is True
    sim.engine.answer = lambda _: Reason.OK
    sim.clock.advance(1.1)
    assert status(state) is Status.OK


def test_a_long_down_interval_does_not_make_a_check_stale() -> None:
    sim = Simulation()
    sim.engine.answer = lambda _: Reason.REFUSED
    (state,) = sim.watch(model_of("192.0.2.1", interval=1, down_interval=60))
    sim.clock.advance(600)
    assert status(state) is Status.CRITICAL
    assert [event.after for event in sim.store.events.newest_first()] == [Status.CRITICAL]


def test_a_stopped_process_changes_no_status_and_makes_no_burst() -> None:
    sim = Simulation()
    addresses = [f"10.0.0.{i}" for i in range(200)]
    states = sim.watch(model_of(*addresses, interval=10))
    sim.clock.advance(60)
    before = sim.store.events.last_id
    sim.engine.started.clear()
    sim.clock.stand_still(120)
    sim.clock.advance(0.05)
    assert len(sim.engine.started) < 20
    sim.clock.advance(10)
    assert {target for _, target in sim.engine.started} == {s.check.backend.key for s in states}
    assert len(sim.engine.started) <= 210
    assert sim.store.events.last_id == before
    assert sim.skips["gap"] >= 200


def test_a_stop_shorter_than_the_gap_starts_what_is_overdue() -> None:
    sim = Simulation()
    (state,) = sim.watch(model_of("192.0.2.1", interval=5))
    sim.clock.advance(20)
    due = state.next_due
    assert due is not None
    sim.engine.started.clear()
    sim.clock.advance(due - sim.clock.now - 0.1)
    sim.clock.stand_still(GAP / 2)
    sim.clock.advance(0.01)
    assert len(sim.times(state)) == 1


def test_no_more_probes_are_in_flight_than_allowed_and_all_get_their_turn() -> None:
    sim = Simulation(limit=7)
    states = sim.watch(model_of(*(f"10.0.0.{i}" for i in range(50)), interval=5))
    sim.engine.takes = 0.2
    sim.clock.advance(30)
    assert sim.engine.most_in_flight == 7
    assert all(status(state) is Status.OK for state in states)


def test_a_check_that_waits_too_long_for_its_turn_becomes_stale_and_comes_back() -> None:
    sim = Simulation(limit=2)
    states = sim.watch(model_of("192.0.2.1", "192.0.2.2", "192.0.2.3", interval=1, timeout=1))
    sim.clock.advance(10)
    assert {status(state) for state in states} == {Status.OK}
    sim.engine.takes = 30
    sim.clock.advance(8)
    waiting = [state for state in states if sim.times(state)[-1] < sim.clock.now - 8]
    assert [status(state) for state in waiting] == [Status.UNKNOWN]
    sim.engine.takes = 0.01
    sim.clock.advance(35)
    assert {status(state) for state in states} == {Status.OK}


def test_probes_that_end_at_once_do_not_pile_up_on_the_stack() -> None:
    sim = Simulation(limit=1)
    sim.engine.takes = 0
    addresses = [f"10.{i // 62500}.{i // 250 % 250}.{i % 250}" for i in range(3000)]
    sim.watch(model_of(*addresses, interval=60))
    sim.clock.stand_still(0.9)
    sim.clock.advance(10)
    assert len({target for _, target in sim.engine.started}) == 3000


def test_a_removed_check_is_probed_no_more_and_its_late_result_is_dropped() -> None:
    sim = Simulation()
    (state,) = sim.watch(model_of("192.0.2.1"))
    sim.clock.advance(0.0)
    sim.engine.takes = 1.0
    while not sim.engine.in_flight:
        sim.clock.advance(0.01)
    probes = state.counters.probes
    sim.scheduler.remove(state.check.key)
    sim.clock.advance(60)
    assert state.counters.probes == probes
    assert state.next_due is None
    assert len(sim.times(state)) == 1


def test_a_changed_check_has_one_probe_in_flight_not_two() -> None:
    sim = Simulation()
    sim.engine.takes = 50
    sim.watch(model_of("192.0.2.1", timeout=60))
    sim.clock.advance(1)
    for rise in range(3, 8):
        sim.watch(model_of("192.0.2.1", timeout=60, rise=rise))
        sim.clock.advance(1)
    assert sim.engine.most_in_flight == 1
    assert sim.engine.in_flight == 1


def test_a_bug_in_recording_does_not_end_the_probing_of_a_check() -> None:
    sim = Simulation()
    (state,) = sim.watch(model_of("192.0.2.1", interval=1))
    sim.clock.advance(10)
    record = sim.scheduler._record

    def fail_once(state: CheckState, outcome: Outcome) -> Health:
        sim.scheduler._record = record
        raise RuntimeError("a bug")

    sim.scheduler._record = fail_once
    with pytest.raises(RuntimeError, match="a bug"):
        sim.clock.advance(2)
    probes = state.counters.probes
    sim.clock.advance(10)
    assert state.counters.probes >= probes + 9


def test_a_bug_in_a_tick_does_not_stop_the_ticks() -> None:
    sim = Simulation()
    (state,) = sim.watch(model_of("192.0.2.1", interval=1))
    sim.clock.advance(10)
    on_tick = sim.ticker._on_tick

    def fail_once(now: float, late: float) -> float | None:
        sim.ticker.start(on_tick)
        raise RuntimeError("a bug")

    sim.ticker.start(fail_once)
    with pytest.raises(RuntimeError, match="a bug"):
        sim.clock.advance(2)
    probes = state.counters.probes
    sim.clock.advance(10)
    assert state.counters.probes >= probes + 9


def test_a_disabled_check_is_not_probed() -> None:
    sim = Simulation()
    (state,) = sim.watch(model_of("192.0.2.1", enabled=False))
    sim.clock.advance(60)
    assert sim.engine.started == []
    assert status(state) is Status.UNKNOWN
    assert state.next_due is None


def test_a_changed_check_is_probed_at_once_and_keeps_its_health() -> None:
    sim = Simulation()
    (state,) = sim.watch(model_of("192.0.2.1", interval=60))
    sim.clock.advance(120)
    sim.engine.started.clear()
    sim.watch(model_of("192.0.2.1", interval=30))
    sim.clock.advance(0.1)
    assert len(sim.times(state)) == 1
    assert status(state) is Status.OK


def test_nothing_wakes_up_between_the_probes_of_a_quiet_daemon() -> None:
    sim = Simulation()
    sim.watch(model_of("192.0.2.1", "192.0.2.2", interval=5))
    sim.clock.advance(20)
    wakes, probes = sim.clock.wakes, len(sim.engine.started)
    sim.clock.advance(100)
    probes = len(sim.engine.started) - probes
    assert probes >= 38
    assert sim.clock.wakes - wakes <= 3 * probes + 3  # its start, its end, and one last beat


# UDP


def udp_model(*addresses: str, interval: float) -> Model:
    return model_of(*addresses, interval=interval, probe=UdpProbe())


def test_udp_probes_of_one_host_keep_their_distance() -> None:
    sim = Simulation()
    model = udp_model("192.0.2.1", interval=1)
    pool = model.pools[0]
    others = tuple(type(pool.backends[0])(address="192.0.2.1", port=port) for port in (81, 82))
    model = Model(model.monitors, (type(pool)(name="m", backends=(*pool.backends, *others)),))
    sim.watch(model)
    sim.clock.advance(60)
    times = [when for when, _ in sim.engine.started]
    assert all(b - a >= UDP_PACE - 1e-6 for a, b in pairwise(times))
    assert len({target for _, target in sim.engine.started[-3:]}) == 3
    assert len(times) > 50


def test_udp_probes_of_different_hosts_do_not_wait_for_each_other() -> None:
    sim = Simulation()
    sim.watch(udp_model("192.0.2.1", "192.0.2.2", interval=2))
    sim.clock.advance(60)
    assert len(sim.engine.started) >= 58


def test_silence_right_after_a_refusal_is_inconclusive() -> None:
    sim = Simulation()
    sim.engine.answer = lambda _: Reason.REFUSED
    (state,) = sim.watch(udp_model("192.0.2.1", interval=1.2))
    while not sim.engine.started:
        sim.clock.advance(0.01)
    sim.clock.advance(0.01)
    sim.engine.answer = lambda _: Reason.SILENT
    reasons = []
    while state.health.streak < 1:
        probes = state.counters.probes
        while state.counters.probes == probes:
            sim.clock.advance(0.01)
        assert state.last is not None
        reasons.append(state.last.reason)
    assert reasons[0] is Reason.WEAK_SILENCE
    assert reasons[-1] is Reason.SILENT
    assert sim.times(state)[-1] - sim.times(state)[0] >= REFUSAL_HOLD - 0.1


class Unpaced(UdpProbe):
    """A probe over UDP that waits for a reply, so that a refusal tells it no more than silence."""

    paced: ClassVar[bool] = False


def test_udp_probes_whose_silence_is_bad_keep_to_their_grid() -> None:
    sim = Simulation()
    model = model_of("192.0.2.1", interval=0.2, fast_interval=0.2, probe=Unpaced())
    (state,) = sim.watch(model)
    sim.clock.advance(20)
    assert len(sim.times(state)) >= 98
    assert sim.load.overload is None
    assert not sim.load.late
    assert state.check.monitor.stale_after == pytest.approx(3 * 0.2 + 2)


def test_silence_is_weak_while_another_port_of_the_host_refuses_without_a_pace() -> None:
    """Linux holds back the refusals of all ports of a host together."""
    sim = Simulation()
    sim.engine.answer = lambda job: Reason.REFUSED if job.target.port == 81 else Reason.SILENT
    refused = model_of("192.0.2.1", name="refused", interval=0.2, probe=Unpaced())
    pool = Pool(name="refused", backends=(Backend(address="192.0.2.1", port=81),))
    silent = udp_model("192.0.2.1", "192.0.2.2", interval=5)
    sim.watch(Model((*refused.monitors, *silent.monitors), (pool, *silent.pools)))
    sim.clock.advance(60)
    reasons = {key: state.last.reason for key, state in sim.store._states.items() if state.last}
    assert reasons["m", "192.0.2.1:80"] is Reason.WEAK_SILENCE
    assert reasons["m", "192.0.2.2:80"] is Reason.SILENT


# Probes that are asked for


def asked(sim: Simulation, state: CheckState) -> list[float]:
    """Ask for a probe; return the list that gets the time at which its result is there."""
    told: list[float] = []
    due = sim.scheduler.probe_now(state.check.key, lambda: told.append(sim.clock.now))
    assert due is not None
    return told


def test_a_probe_that_is_asked_for_comes_at_once_and_the_grid_stays() -> None:
    sim = Simulation()
    (state,) = sim.watch(model_of("192.0.2.1", interval=60))
    sim.clock.advance(70)
    planned, before = state.next_due, len(sim.times(state))
    told = asked(sim, state)
    now = sim.clock.now
    sim.clock.advance(1)
    assert [now <= when <= now + 2 * TICK for when in sim.times(state)[before:]] == [True]
    assert [now <= when <= now + 3 * TICK for when in told] == [True]
    assert state.next_due == planned
    assert sim.skips == {}


def test_a_probe_in_flight_serves_all_who_ask() -> None:
    sim = Simulation()
    (state,) = sim.watch(model_of("192.0.2.1", interval=60))
    sim.engine.takes = 1.5
    sim.clock.advance(1)
    assert sim.engine.in_flight == 1
    told = [asked(sim, state), asked(sim, state)]
    sim.clock.advance(1)
    assert len(sim.times(state)) == 1
    assert [len(each) for each in told] == [1, 1]
    assert sim.engine.most_in_flight == 1


def test_asking_again_and_again_leads_to_one_probe_a_second() -> None:
    sim = Simulation()
    (state,) = sim.watch(model_of("192.0.2.1", interval=60))
    sim.clock.advance(70)
    before = len(sim.times(state))
    for _ in range(100):
        asked(sim, state)
        sim.clock.advance(0.05)
    assert len(sim.times(state)) - before <= 5 / ASKED_GAP + 1
    assert state.recent


def test_a_udp_probe_that_is_asked_for_keeps_the_pace_of_its_host() -> None:
    sim = Simulation()
    states = sim.watch(model_of("192.0.2.1", probe=UdpProbe(), interval=60, fast_interval=60))
    sim.clock.advance(70)
    before = len(sim.times(states[0]))
    for _ in range(50):
        asked(sim, states[0])
        sim.clock.advance(0.2)
    times = sim.times(states[0])
    assert all(b - a >= UDP_PACE for a, b in pairwise(times))
    assert len(times) - before >= 5  # and yet those who ask do not push it back


def test_a_caller_is_told_when_the_check_goes_away() -> None:
    sim = Simulation()
    (state,) = sim.watch(model_of("192.0.2.1"))
    told = asked(sim, state)
    sim.scheduler.remove(state.check.key)
    assert len(told) == 1
    assert sim.scheduler.probe_now(state.check.key, told.clear) is None
