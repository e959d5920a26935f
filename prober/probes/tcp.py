"""TCP: good when the connection opens and, on demand, when the reply holds what is expected."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from prober.model.kinds import PAYLOAD
from prober.model.option import option
from prober.model.probe import RECEIVE, Begin, DeadlineReached, Probe, Send, Steps, Target
from prober.model.status import Reason, Verdict

REPLY_LIMIT = 65536
"""Bytes of a reply that are searched for `expect`."""

_CONNECTED = Verdict(Reason.OK, "connected")


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpProbe(Probe):
    """Open a connection; then send `send` and wait for `expect`, if they are given."""

    good_when: ClassVar[str] = (
        "the connection opens and, with `expect`, the reply contains the expected bytes"
    )
    example: ClassVar[Mapping[str, object]] = {
        "send": {"text": "PING\r\n"},
        "expect": {"text": "+PONG"},
    }

    send: bytes | None = option(PAYLOAD, default=None, doc="bytes to send after connecting")
    expect: bytes | None = option(PAYLOAD, default=None, doc="bytes that the reply must contain")

    def bind(self, _: Target) -> Begin:
        """Return what starts one probe, or what a connection alone says."""
        return self._converse if self.send or self.expect else _CONNECTED

    def _converse(self) -> Steps:
        if self.send:
            yield Send(self.send)
        if not self.expect:
            return _CONNECTED
        received, tail = 0, b""
        try:
            while received < REPLY_LIMIT:
                content: bytes = yield RECEIVE
                if not content and not received:
                    return Verdict(Reason.CLOSED, "closed before a byte of the reply came")
                if not content:
                    break
                tail += content[: REPLY_LIMIT - received]
                received += min(len(content), REPLY_LIMIT - received)
                if self.expect in tail:
                    return Verdict(Reason.OK, f"expected bytes found within {received} bytes")
                tail = tail[1 - len(self.expect) :] if len(self.expect) > 1 else b""
        except DeadlineReached:
            if not received:
                raise
        return mismatch(received)


def mismatch(received: int) -> Verdict:
    """Return the verdict on a reply of this many bytes that does not hold what is expected."""
    return Verdict(Reason.PAYLOAD_MISMATCH, f"expected bytes not found in {received} bytes")
