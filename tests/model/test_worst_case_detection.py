"""How long a failure may go undetected: computed, and found by simulation."""

import pytest

from prober.engine.wheel import TICK
from prober.model.monitor import UDP_PACE
from prober.model.schedule import worst_case_detection
from prober.model.status import Reason, Status
from prober.probes.tcp import TcpProbe
from prober.probes.udp import UdpProbe
from tests.simulation import Simulation, model_of

CASES = [
    (5.0, 1.0, 2.0, 3, 13.0),  # the defaults
    (5.0, 1.0, 0.5, 3, 7.5),
    (5.0, 5.0, 2.0, 1, 7.0),
    (5.0, 5.0, 2.0, 3, 17.0),
    (10.0, 3.0, 1.0, 2, 15.0),  # grids that do not agree
    (10.0, 3.0, 4.0, 4, 33.0),
    (1.0, 1.0, 5.0, 3, 18.0),  # a timeout beyond the interval
    (30.0, 2.0, 10.0, 5, 88.0),
]


@pytest.mark.parametrize(("interval", "fast", "timeout", "fall", "seconds"), CASES)
def test_the_computed_bound(
    interval: float, fast: float, timeout: float, fall: int, seconds: float
) -> None:
    found = worst_case_detection(interval=interval, fast_interval=fast, timeout=timeout, fall=fall)
    assert found == pytest.approx(seconds)


def detection(address: str, interval: float, fast: float, timeout: float, fall: int) -> float:
    """Return how long the failure of a target goes undetected that ends right after a probe."""
    sim = Simulation()
    model = model_of(address, interval=interval, fast_interval=fast, timeout=timeout, fall=fall)
    (state,) = sim.watch(model)
    sim.clock.advance(5 * interval)
    seen = len(sim.engine.started)
    while len(sim.engine.started) == seen:
        sim.clock.advance(0.01)
    sim.clock.advance(0.01)
    assert state.status is Status.OK
    failed_at = sim.clock.now
    sim.engine.takes = timeout
    sim.engine.answer = lambda _: Reason.TIMEOUT
    while state.health.online:
        sim.clock.advance(0.01)
    return sim.clock.now - failed_at


@pytest.mark.parametrize(("interval", "fast", "timeout", "fall", "bound"), CASES)
def test_no_simulated_failure_takes_longer_and_some_take_almost_as_long(
    interval: float, fast: float, timeout: float, fall: int, bound: float
) -> None:
    found = [
        detection(f"192.0.2.{number}", interval, fast, timeout, fall) for number in range(1, 13)
    ]
    assert max(found) <= bound + (fall + 1) * TICK
    assert max(found) >= 0.85 * bound


def test_a_monitor_with_a_pace_takes_it_into_account() -> None:
    tcp, udp = (
        model_of("192.0.2.1", interval=1.0, timeout=0.5, fall=3, probe=probe).monitors[0]
        for probe in (TcpProbe(), UdpProbe())
    )
    assert tcp.worst_case_detection_seconds == pytest.approx(1.0 + 2 * 1.0 + 0.5)
    assert udp.worst_case_detection_seconds == pytest.approx(UDP_PACE + 2 * UDP_PACE + 0.5)
