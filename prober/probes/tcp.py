"""TCP: good if the connection opens and, if asked for, a dialogue goes as expected."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from prober.model.fact import Fact
from prober.model.kinds import PAYLOAD
from prober.model.option import Complaint, Rejected, option, section
from prober.model.probe import (
    RECEIVE,
    TLS_FACTS,
    Begin,
    DeadlineReached,
    Probe,
    Send,
    Steps,
    Target,
)
from prober.model.status import Reason, Verdict
from prober.model.tls_settings import TlsSettings
from prober.model.wording import counted
from prober.probes.dialogue import Dialogue
from prober.probes.dialogue_steps import DialogueStep, starts_tls
from prober.probes.presets import chosen, preset_option, steps_option
from prober.probes.proxy_protocol import announcing, send_proxy_option
from prober.probes.tls import handshake

REPLY_LIMIT = 65536
"""Maximum bytes of a reply that are searched for `expect`."""

STARTTLS_SETTINGS = section(TlsSettings)
"""Not the kind of `tls` in other types, where TLS is spoken from the beginning."""

_CONNECTED = Verdict(Reason.OK, "connected")


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpProbe(Probe):
    """Open a connection; then send `send` and wait for `expect`, or speak a dialogue, if given."""

    good_when: ClassVar[str] = (
        "the connection opens and, if given, the reply contains `expect`, or the dialogue of "
        "`steps` or `preset` goes as expected"
    )
    facts: ClassVar[tuple[Fact, ...]] = TLS_FACTS
    over_unix: ClassVar[bool] = True
    example: ClassVar[Mapping[str, object]] = {
        "send": {"text": "PING\r\n"},
        "expect": {"text": "+PONG"},
    }

    send: bytes | None = option(PAYLOAD, default=None, doc="bytes to send after connecting")
    expect: bytes | None = option(PAYLOAD, default=None, doc="bytes that the reply must contain")
    steps: tuple[DialogueStep, ...] = steps_option()
    preset: str | None = preset_option()
    tls: TlsSettings | None = option(
        STARTTLS_SETTINGS, default=None, doc="TLS settings of `starttls` among the steps"
    )
    send_proxy: str | None = send_proxy_option()

    def __post_init__(self) -> None:
        """Reject what has no meaning together."""
        complaints = []
        sends = self.send is not None or self.expect is not None
        if [sends, bool(self.steps), self.preset is not None].count(True) > 1:
            ways = "send and expect, or steps, or preset"
            complaints.append(Complaint((), f"expected only one of these: {ways}"))
        elif self.tls is not None and not starts_tls(chosen(self.steps, self.preset)):
            what = "has no effect without a step {starttls: {}}; type TLS begins with TLS"
            complaints.append(Complaint(("tls",), what))
        if complaints:
            raise Rejected(*complaints)

    def bind(self, target: Target) -> Begin:
        """Return a function that starts one probe, or the verdict if a connection is enough."""
        if steps := chosen(self.steps, self.preset):
            start = handshake(self.tls or TlsSettings(), target.name)
            return announcing(self.send_proxy, Dialogue(steps, start, self.preset).run)
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
                    return Verdict(
                        Reason.OK, f"expected bytes found within {counted(received, 'byte')}"
                    )
                tail = tail[1 - len(self.expect) :] if len(self.expect) > 1 else b""
        except DeadlineReached:
            if not received:
                raise
        return mismatch(received)


def mismatch(received: int) -> Verdict:
    """Return the verdict on a reply of this many bytes without the expected bytes."""
    return Verdict(
        Reason.PAYLOAD_MISMATCH, f"expected bytes not found in {counted(received, 'byte')}"
    )
