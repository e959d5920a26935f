"""ICMP: good if enough echo requests are answered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from prober.model.fact import INTEGER, NUMBER, Fact, Gauge
from prober.model.kinds import BOOLEAN, duration, integer
from prober.model.option import Complaint, Rejected, option
from prober.model.probe import (
    RECEIVE,
    DeadlineReached,
    EchoOptions,
    PhaseGauge,
    Ping,
    Pong,
    Probe,
    ReceiveUntil,
    Right,
    Steps,
    Target,
    Trouble,
)
from prober.model.status import FactValue, Reason, Verdict
from prober.protocols.icmp_echo import LONGEST

ECHO_SIZE = integer(0, LONGEST)
"""Bytes of payload of an echo request."""
LOSS_RATIO = Fact(
    name="icmp_loss_ratio",
    kind=NUMBER,
    doc="share of the echo requests that were not answered, 0 to 1",
    gauge=Gauge("probe_icmp_loss_ratio", "Share of the echo requests that were not answered"),
)
RTT = Fact(
    name="icmp_rtt_seconds",
    kind=NUMBER,
    doc="average seconds from an echo request to its reply",
    gauge=Gauge("probe_icmp_rtt_seconds", "Average time from an echo request to its reply"),
)
REPLY_TTL = Fact(
    name="icmp_reply_ttl",
    kind=INTEGER,
    doc="TTL (IPv4) or hop limit (IPv6) of the last reply",
    gauge=Gauge(
        "probe_icmp_reply_hop_limit",
        "Replied packet hop limit (TTL for ipv4)",
    ),
)
_LOSS, _RTT, _TTL = LOSS_RATIO.name, RTT.name, REPLY_TTL.name
_OK: Final = Reason.OK
ICMP_PHASES = PhaseGauge(
    "probe_icmp_duration_seconds",
    "Duration of icmp request by phase",
    (
        ("resolve", ("resolve",)),
        ("setup", ("connect", "send")),
        ("rtt", ("first_byte",)),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IcmpProbe(Probe):
    """Send ICMP echo requests, as ping does, and wait for the replies."""

    good_when: ClassVar[str] = (
        "no more than `max_loss` of the echo requests are unanswered when the timeout expires"
    )
    facts: ClassVar[tuple[Fact, ...]] = (LOSS_RATIO, RTT, REPLY_TTL)
    phase_gauge: ClassVar[PhaseGauge | None] = ICMP_PHASES
    slow_by: ClassVar[str] = RTT.name
    example: ClassVar[Mapping[str, object]] = {
        "count": 3,
        "gap": "20ms",
        "max_loss": 1,
    }
    portless: ClassVar[bool] = True
    right: ClassVar[Right | None] = Right(
        "ping",
        "send ICMP echo requests",
        'sysctl net.ipv4.ping_group_range="0 2147483647"',
        EchoOptions(),
    )
    aliases: ClassVar[tuple[str, ...]] = ("PING",)
    not_in_demo: ClassVar[str] = "it has one only for users who may send ICMP echo requests"

    count: int = option(integer(1, 100), default=1, doc="echo requests of one probe")
    gap: float = option(duration(0.01, 60), default=0.2, doc="time from one request to the next")
    size: int = option(ECHO_SIZE, default=56, doc="bytes of payload of a request")
    ttl: int | None = option(
        integer(1, 255),
        default=None,
        doc="TTL or hop limit of the requests; default: that of this host",
    )
    dont_fragment: bool = option(
        BOOLEAN, default=False, doc="send the requests whole, or not at all: finds a small MTU"
    )
    max_loss: int = option(integer(0, 99), default=0, doc="requests that may be unanswered")

    def __post_init__(self) -> None:
        """Reject what can never be bad."""
        if self.max_loss >= self.count:
            message = f"expected less than count ({self.count}), got {self.max_loss}"
            raise Rejected(Complaint(("max_loss",), message))

    @property
    def echo(self) -> EchoOptions:
        """How the requests are sent."""
        return EchoOptions(self.ttl, self.dont_fragment)

    @property
    def least_seconds(self) -> float:
        """The last request is sent so long after the first."""
        return (self.count - 1) * self.gap

    def bind(self, _: Target) -> Callable[[], Steps]:
        """Return a function that starts one probe."""
        ping = Ping(self.size)
        return lambda: self._ping(ping)

    def _ping(self, ping: Ping) -> Steps:
        replies: list[Pong] = []
        refusals: list[Trouble] = []
        heard: Pong | Trouble | None
        silence = ""
        try:
            sent_at = yield ping
            for _ in range(1, self.count):
                while (heard := (yield ReceiveUntil(sent_at + self.gap))) is not None:
                    _note(heard, replies, refusals)
                sent_at = yield ping
            for _ in range(self.count - len(replies) - len(refusals)):
                heard = yield RECEIVE
                if isinstance(heard, Trouble):
                    refusals.append(heard)
                else:
                    replies.append(heard)
        except DeadlineReached as deadline:
            silence = deadline.verdict.detail
        return self._judge(replies, refusals, silence)

    def _judge(self, replies: list[Pong], refusals: list[Trouble], silence: str) -> Verdict:
        lost = self.count - len(replies)
        facts: dict[str, FactValue] = {_LOSS: lost / self.count}
        average = ""
        if replies:
            seconds, hop_limit = replies[-1]
            if len(replies) > 1:
                seconds = sum([reply[0] for reply in replies]) / len(replies)
            average = f" in {1000 * seconds:.3g} ms"
            facts[_RTT] = seconds
            if hop_limit is not None:
                facts[_TTL] = hop_limit
        said = f"reply{average}"
        if self.count > 1:
            said = f"{len(replies)} of {self.count} answered, on average{average}"
        if lost <= self.max_loss:
            return Verdict(_OK, said, facts)
        reason, why = Reason.TIMEOUT, silence
        if len(refusals) == lost:
            reason, why = refusals[-1].verdict[:2]
        if self.count > 1:
            why = f"{lost} of {self.count} not answered, {self.max_loss} allowed: {why}"
        return Verdict(reason, why, facts)


def _note(heard: Pong | Trouble, replies: list[Pong], refusals: list[Trouble]) -> None:
    if isinstance(heard, Trouble):
        refusals.append(heard)
    else:
        replies.append(heard)
