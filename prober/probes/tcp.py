"""TCP: good if the connection opens and, with `expect`, the reply contains the expected bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from prober.model.kinds import PAYLOAD
from prober.model.option import option
from prober.model.probe import RECEIVE, Begin, DeadlineReached, Probe, Send, Steps, Target
from prober.model.status import Reason, Verdict
from prober.probes.proxy_protocol import announcing, send_proxy_option

REPLY_LIMIT = 65536
"""Maximum bytes of a reply that are searched for `expect`."""

_CONNECTED = Verdict(Reason.OK, "connected")


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpProbe(Probe):
    """Open a connection, then send `send` and wait for `expect`, if given."""

    good_when: ClassVar[str] = (
        "the connection opens and, with `expect`, the reply contains the expected bytes"
    )
    example: ClassVar[Mapping[str, object]] = {
        "send": {"text": "PING\r\n"},
        "expect": {"text": "+PONG"},
    }

    send: bytes | None = option(PAYLOAD, default=None, doc="bytes to send after connecting")
    expect: bytes | None = option(PAYLOAD, default=None, doc="bytes that the reply must contain")

    send_proxy: str | None = send_proxy_option()

    def bind(self, _: Target) -> Begin:
        """Return a function that starts one probe, or the verdict if a connection is enough."""
        if self.send or self.expect or self.send_proxy:
            return announcing(self.send_proxy, self._converse)
        return _CONNECTED

    def _converse(self) -> Steps:
        if self.send:
            yield Send(self.send, until_answered=self.expect is not None)
        if not self.expect:
            return _CONNECTED
        received, tail = 0, b""
        try:
            while received < REPLY_LIMIT:
                content: bytes = yield RECEIVE
                if not content and not received:
                    return Verdict(Reason.CLOSED, "closed without a reply")
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
    """Return the verdict on a reply of this many bytes without the expected bytes."""
    return Verdict(Reason.PAYLOAD_MISMATCH, f"expected bytes not found in {received} bytes")
