"""ICMP: enough replies, too few, and what the network says."""

from typing import Any

import pytest

from prober.model.option import Rejected
from prober.model.probe import EchoOptions, Ping, Pong, ReceiveUntil, Target, Trouble
from prober.model.status import Reason, Verdict
from prober.probes.icmp import IcmpProbe
from tests.probes.drive import DEADLINE

TARGET = Target("192.0.2.1", 0)
GONE = Trouble(Reason.UNREACHABLE, "host unreachable, reported by 192.0.2.254")
SILENCE = DEADLINE.verdict.detail


def ping(probe: IcmpProbe, *events: Pong | Trouble | None) -> tuple[Verdict, list[Any]]:
    """Run a probe; None is a moment that comes. Return its verdict and its other wishes."""
    steps, left, wishes = probe.bind(TARGET)(), list(events), list[Any]()
    answer: Any = None
    now = 100.0
    try:
        while True:
            wish = steps.throw(answer) if answer is DEADLINE else steps.send(answer)
            if isinstance(wish, Ping):
                wishes.append(wish)
                answer = now
                continue
            answer = left.pop(0)
            if isinstance(wish, ReceiveUntil):
                wishes.append(wish)
                now = wish.moment if answer is None else now
    except StopIteration as stop:
        assert not left
        verdict: Verdict = stop.value
        return verdict, wishes


def test_one_reply_is_good_and_says_how_long_it_took() -> None:
    verdict, wishes = ping(IcmpProbe(), (0.0123, 57))
    assert verdict == Verdict(
        Reason.OK,
        "reply in 12.3 ms",
        {"icmp_loss_ratio": 0.0, "icmp_rtt_seconds": 0.0123, "icmp_reply_ttl": 57},
    )
    assert wishes == [Ping(56)]


def test_silence_times_out_with_everything_lost() -> None:
    verdict, _ = ping(IcmpProbe(), DEADLINE)
    assert verdict == Verdict(Reason.TIMEOUT, SILENCE, {"icmp_loss_ratio": 1.0})


def test_what_the_network_reports_is_the_verdict() -> None:
    verdict, _ = ping(IcmpProbe(), GONE)
    assert verdict == Verdict(*GONE.verdict[:2], {"icmp_loss_ratio": 1.0})


def test_several_requests_are_sent_a_gap_apart() -> None:
    probe = IcmpProbe(count=3, gap=0.5, size=8)
    verdict, wishes = ping(probe, (0.1, 9), None, None, (0.2, 9), (0.6, None))
    assert wishes == [
        Ping(8),
        *(ReceiveUntil(100.5), ReceiveUntil(100.5), Ping(8)),
        *(ReceiveUntil(101.0), Ping(8)),
    ]
    assert verdict.reason is Reason.OK
    assert verdict.detail == "3 of 3 answered, on average in 300 ms"
    assert verdict.facts == {"icmp_loss_ratio": 0.0, "icmp_rtt_seconds": pytest.approx(0.3)}


@pytest.mark.parametrize(
    ("max_loss", "events", "reason", "detail"),
    [
        (1, [None, (0.1, 1), DEADLINE], Reason.OK, "1 of 2 answered, on average in 100 ms"),
        (
            *(0, [None, (0.1, 1), DEADLINE], Reason.TIMEOUT),
            f"1 of 2 not answered, 0 allowed: {SILENCE}",
        ),
        (1, [None, DEADLINE], Reason.TIMEOUT, f"2 of 2 not answered, 1 allowed: {SILENCE}"),
        (
            *(1, [GONE, None, GONE], Reason.UNREACHABLE),
            f"2 of 2 not answered, 1 allowed: {GONE.verdict.detail}",
        ),
        (1, [GONE, None, DEADLINE], Reason.TIMEOUT, f"2 of 2 not answered, 1 allowed: {SILENCE}"),
        (1, [GONE, None, (0.1, 1)], Reason.OK, "1 of 2 answered, on average in 100 ms"),
    ],
)
def test_as_many_may_be_lost_as_allowed(
    max_loss: int, events: list[Any], reason: Reason, detail: str
) -> None:
    verdict, _ = ping(IcmpProbe(count=2, max_loss=max_loss), *events)
    assert (verdict.reason, verdict.detail) == (reason, detail)
    assert verdict.facts
    replies = sum(isinstance(event, tuple) for event in events)
    assert verdict.facts["icmp_loss_ratio"] == (2 - replies) / 2


def test_a_loss_of_everything_is_never_good() -> None:
    with pytest.raises(Rejected, match=r"expected less than count \(2\), got 2"):
        IcmpProbe(count=2, max_loss=2)


def test_it_says_how_it_sends_and_how_long_that_takes() -> None:
    assert IcmpProbe(ttl=3, dont_fragment=True).echo == EchoOptions(3, dont_fragment=True)
    assert IcmpProbe().least_seconds == 0
    assert IcmpProbe(count=6, gap=0.2).least_seconds == pytest.approx(1.0)
