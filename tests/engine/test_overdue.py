"""Whether the schedule advances: what a watchdog and a health check of the daemon go by."""

import pytest

from prober.engine.wheel import TICK
from tests.simulation import Simulation, model_of


def test_a_schedule_without_checks_owes_nothing() -> None:
    sim = Simulation()
    sim.clock.advance(3600)
    assert sim.scheduler.overdue() == 0.0
    assert sim.clock.wakes == 0


def test_a_schedule_that_advances_is_at_most_a_tick_behind() -> None:
    sim = Simulation()
    sim.watch(model_of("192.0.2.1", "192.0.2.2", interval=1.0))
    for _ in range(500):
        sim.clock.advance(0.037)
        assert sim.scheduler.overdue() <= TICK


def test_probes_that_wait_for_a_place_are_not_overdue() -> None:
    sim = Simulation(limit=1)
    sim.watch(model_of("192.0.2.1", "192.0.2.2", "192.0.2.3", interval=1.0, timeout=60.0))
    sim.engine.takes = 50.0
    sim.clock.advance(40)
    assert sim.engine.in_flight == 1
    assert sim.scheduler.overdue() <= TICK


def test_after_a_standstill_the_next_tick_makes_up_for_it() -> None:
    sim = Simulation()
    sim.watch(model_of("192.0.2.1", interval=1.0))
    sim.clock.advance(10)
    sim.clock.stand_still(60)
    assert sim.scheduler.overdue() > 58
    sim.clock.advance(0)
    assert sim.scheduler.overdue() <= TICK


@pytest.mark.parametrize("broken", ["drain", "expire"])
def test_ticks_that_fail_are_no_advance(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sim = Simulation()
    sim.watch(model_of("192.0.2.1", interval=1.0))
    sim.clock.advance(10)

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(sim.engine, broken, fail)
        for _ in range(100):
            with pytest.raises(ZeroDivisionError):
                sim.clock.advance(1)
    assert sim.scheduler.overdue() > 5
    sim.clock.advance(1)
    assert sim.scheduler.overdue() <= TICK


def test_a_probe_that_cannot_be_started_is_overdue(monkeypatch: pytest.MonkeyPatch) -> None:
    sim = Simulation()
    addresses = [f"192.0.2.{i}" for i in range(200)]
    sim.watch(model_of(*addresses, interval=60.0))

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(sim.engine, "start", fail)
    for _ in range(100):
        with pytest.raises(ZeroDivisionError):
            sim.clock.advance(1)
    assert sim.scheduler.overdue() > 5
