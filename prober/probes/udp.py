"""UDP_CONNECT: good if the target replies or, without `expect`, does not refuse."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from prober.model.kinds import PAYLOAD
from prober.model.option import option
from prober.model.probe import RECEIVE, DeadlineReached, Probe, Send, Steps, Target
from prober.model.status import Reason, Verdict
from prober.model.wording import counted
from prober.probes.tcp import mismatch

DEFAULT_PAYLOAD = b"prober health check\n"
"""Sent without `send`: some services and network stacks drop an empty datagram."""

_OK: Final = Reason.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class UdpProbe(Probe):
    """Send a datagram from a connected socket, then wait for a reply or an ICMP refusal.

    Without `expect`, silence until the deadline is good, because a service that does not answer
    shows nothing else. With `expect`, a datagram that contains it must arrive; others are ignored.
    """

    good_when: ClassVar[str] = (
        "a reply arrives; without `expect`, also when nothing refuses the datagram before the "
        "timeout"
    )
    example: ClassVar[Mapping[str, object]] = {"send": {"text": "ping"}}
    datagram: ClassVar[bool] = True
    paced: ClassVar[bool] = True
    nearest: ClassVar[str] = "UDP"
    aliases: ClassVar[tuple[str, ...]] = ("UDP-CONNECT",)

    send: bytes | None = option(PAYLOAD, default=None, doc="payload of the datagram")
    expect: bytes | None = option(PAYLOAD, default=None, doc="bytes that a reply must contain")

    def bind(self, _: Target) -> Callable[[], Steps]:
        """Return a function that starts one probe."""
        sent = Send(self.send or DEFAULT_PAYLOAD)
        return lambda: self._converse(sent)

    def _converse(self, sent: Send) -> Steps:
        yield sent
        received, datagrams, expect = 0, 0, self.expect
        try:
            while True:
                content: bytes = yield RECEIVE
                if expect is None or content.find(expect) >= 0:  # `in` takes 0.3 us longer
                    return Verdict(_OK, f"reply of {counted(len(content), 'byte')}")
                received += len(content)
                datagrams += 1
        except DeadlineReached:
            if expect is None:
                return Verdict(Reason.SILENT, "no reply and no refusal")
            if not datagrams:
                raise
        return mismatch(received)
