"""More work than the prober can do: it is spread evenly, said, and nobody is blamed for it."""

from collections import Counter

import pytest

from prober.engine.attempt import Job
from prober.engine.scheduler import GAP
from prober.model.delay import Delay
from prober.model.monitor import UDP_PACE, Model
from prober.model.pool import Backend, Pool
from prober.model.status import Reason, Status
from prober.probes.udp import UdpProbe
from tests.simulation import Simulation, model_of


def cause_of(sim: Simulation) -> Delay | None:
    """Return what the simulated prober is overloaded by."""
    sim.load.review(sim.clock.now)
    return sim.load.overload.cause if sim.load.overload else None


def udp_ports_of_one_host(count: int, *, interval: float) -> Model:
    (monitor,) = model_of("192.0.2.1", interval=interval, probe=UdpProbe()).monitors
    backends = tuple(Backend(address="192.0.2.1", port=80 + number) for number in range(count))
    return Model((monitor,), (Pool(name="m", backends=backends),))


def test_few_places_are_shared_evenly_and_said() -> None:
    sim = Simulation(limit=2)
    states = sim.watch(model_of(*(f"192.0.2.{i}" for i in range(1, 41)), interval=1, timeout=60))
    sim.engine.takes = 0.2
    sim.clock.advance(60)
    probes = [len(sim.times(state)) for state in states]
    assert max(probes) - min(probes) <= 2
    assert cause_of(sim) is Delay.PLACES
    sim.engine.takes = 0.01
    sim.clock.advance(30)
    assert cause_of(sim) is None


def test_a_process_that_always_wakes_up_late_says_so_and_goes_on_probing() -> None:
    sim = Simulation()
    states = sim.watch(model_of("192.0.2.1", "192.0.2.2", interval=1))
    sim.clock.advance(10)
    before = len(sim.engine.started)
    for _ in range(20):
        sim.clock.stand_still(2 * GAP)
        sim.clock.advance(0.3)
    assert len(sim.engine.started) > before + 10
    assert cause_of(sim) is Delay.CPU
    assert {state.status for state in states} == {Status.OK}


def test_one_standstill_is_no_overload() -> None:
    sim = Simulation()
    sim.watch(model_of("192.0.2.1", "192.0.2.2", interval=1))
    sim.clock.advance(30)
    for seconds in (0.9, 3600):
        sim.clock.stand_still(seconds)
        for _ in range(40):
            sim.clock.advance(0.5)
            assert cause_of(sim) is None


def test_too_many_udp_ports_of_one_host_are_an_overload() -> None:
    sim = Simulation()
    states = sim.watch(udp_ports_of_one_host(20, interval=5))
    sim.clock.advance(200)
    assert cause_of(sim) is Delay.UDP_PACE
    assert sim.skips["pace"] > 0
    assert {state.status for state in states} == {Status.OK}
    probes = [len(sim.times(state)) for state in states]
    assert max(probes) - min(probes) <= 2


@pytest.mark.parametrize(("count", "interval"), [(1, 0.2), (3, 5.0), (4, 5.0), (40, 60.0)])
def test_as_many_udp_ports_of_one_host_as_the_pace_allows_are_none(
    count: int, interval: float
) -> None:
    sim = Simulation()
    sim.watch(udp_ports_of_one_host(count, interval=interval))
    for _ in range(200):
        sim.clock.advance(1)
        assert cause_of(sim) is None


def test_the_pace_makes_no_check_stale() -> None:
    """Once its probes come apart by what the pace makes of the interval, staleness counts that."""
    sim = Simulation()
    states = sim.watch(udp_ports_of_one_host(40, interval=1))
    sim.clock.advance(300)

    probes = Counter[int]()

    def every_other(job: Job) -> Reason:
        probes[job.target.port] += 1
        return Reason.NO_PORTS if probes[job.target.port] % 2 else Reason.SILENT

    sim.engine.answer = every_other
    seen = set()
    for _ in range(400):
        sim.clock.advance(1)
        seen |= {state.status for state in states}
    assert seen == {Status.OK}
    assert states[0].check.monitor.stale_after < 40 * UDP_PACE
