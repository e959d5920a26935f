"""Deadlines, and what a standstill of ours makes of them: real sockets, simulated time."""

import socket
from itertools import count

import pytest

from prober.engine.approach import STALLED_SHARE
from prober.engine.ticker import BEAT, STALL
from prober.engine.wheel import TICK
from prober.model.probe import Probe
from prober.model.status import PHASES, Reason, Result
from prober.probes.http import HttpProbe
from prober.probes.tcp import TcpProbe
from prober.probes.udp import UdpProbe
from tests.engine.by_hand import ByHand, accept

GREETED = TcpProbe(expect=b"220")


@pytest.mark.parametrize("timeout", [0.05, 0.1, 0.25, 2.0, 10.0])
def test_a_probe_ends_at_its_deadline(
    by_hand: ByHand, listener: socket.socket, timeout: float
) -> None:
    by_hand.start(listener.getsockname()[1], GREETED, timeout=timeout)
    by_hand.drain()
    by_hand.clock.advance(0.999 * timeout)
    assert not by_hand.outcomes
    by_hand.clock.advance(2 * TICK)
    (found,) = by_hand.outcomes
    assert found.reason is Reason.TIMEOUT
    assert timeout - 1e-5 <= found.seconds <= timeout + 2 * TICK


def test_what_came_during_a_standstill_counts(by_hand: ByHand, listener: socket.socket) -> None:
    by_hand.start(listener.getsockname()[1], GREETED, timeout=2.0)
    by_hand.drain()
    with accept(listener) as connection:
        connection.send(b"220 ready")
        by_hand.clock.stand_still(60)
        by_hand.clock.advance(0)
    (found,) = by_hand.outcomes
    assert found.reason is Reason.OK


@pytest.mark.parametrize("probe", [GREETED, HttpProbe(), UdpProbe(), UdpProbe(expect=b"x")])
def test_what_is_unanswered_after_a_standstill_is_inconclusive(
    by_hand: ByHand, listener: socket.socket, probe: Probe
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        port = listener.getsockname()[1]
        silent.bind(("127.0.0.1", port))
        by_hand.start(port, probe, timeout=2.0)
        if not probe.datagram:
            by_hand.drain()
        by_hand.clock.stand_still(5)
        by_hand.clock.advance(0)
    (found,) = by_hand.outcomes
    assert (found.result, found.reason) == (Result.UNKNOWN, Reason.STALLED)
    assert found.detail == "prober was paused for 4.90 s during the probe"


@pytest.mark.parametrize(
    ("timeout", "stood_still", "reason"),
    [
        (0.4, STALL - 0.01, Reason.TIMEOUT),
        (0.4, STALL + 0.01, Reason.STALLED),
        (2.0, 2 * STALLED_SHARE - 0.01, Reason.TIMEOUT),
        (2.0, 2 * STALLED_SHARE + 0.01, Reason.STALLED),
        (60.0, 5.0, Reason.TIMEOUT),
    ],
)
def test_a_deadline_stands_if_little_of_the_time_was_lost(
    by_hand: ByHand, listener: socket.socket, timeout: float, stood_still: float, reason: Reason
) -> None:
    by_hand.start(listener.getsockname()[1], GREETED, timeout=timeout)
    by_hand.drain()
    by_hand.clock.stand_still(BEAT + stood_still)
    by_hand.clock.advance(timeout)
    assert [found.reason for found in by_hand.outcomes] == [reason]


def test_many_short_standstills_add_up(by_hand: ByHand, listener: socket.socket) -> None:
    by_hand.start(listener.getsockname()[1], GREETED, timeout=2.0)
    by_hand.drain()
    for _ in range(4):
        by_hand.clock.stand_still(BEAT + 0.08)
        by_hand.clock.advance(0)
    by_hand.clock.advance(2)
    assert [found.reason for found in by_hand.outcomes] == [Reason.STALLED]


def test_a_standstill_before_a_probe_is_not_its_own(
    by_hand: ByHand, listener: socket.socket
) -> None:
    port = listener.getsockname()[1]
    by_hand.start(port, GREETED, timeout=1.0)
    by_hand.clock.stand_still(30)
    by_hand.clock.advance(0)
    assert [found.reason for found in by_hand.outcomes] == [Reason.STALLED]
    by_hand.start(port, GREETED, timeout=1.0)
    by_hand.drain()
    by_hand.clock.advance(2)
    assert by_hand.outcomes[1].reason is Reason.TIMEOUT


def test_no_phase_ends_before_it_began(
    by_hand: ByHand, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One tick sees the connection open, some time after it began, and then that time is up."""
    by_hand.start(listener.getsockname()[1], GREETED, timeout=2.0)
    by_hand.clock.stand_still(5)
    looks = count(1)
    clock = by_hand.clock
    monkeypatch.setattr(by_hand.engine, "_clock", lambda: clock.now + next(looks) / 1000)
    by_hand.clock.advance(0)
    (found,) = by_hand.outcomes
    assert found.phases[PHASES.index("connect")] is not None
    assert all(seconds is None or seconds >= 0 for seconds in found.phases), found
    assert found.seconds == pytest.approx(sum(filter(None, found.phases)))
