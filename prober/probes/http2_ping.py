"""HTTP2_PING: good when the server answers a PING of HTTP/2, whatever it would say to a request."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from prober.model.fact import Fact
from prober.model.option import option
from prober.model.probe import RECEIVE, TLS_FACTS, Probe, Send, StartTls, Steps, Target
from prober.model.status import Reason, Verdict
from prober.model.tls_settings import TlsSettings
from prober.probes.http2_talk import H2, secure, trouble_of
from prober.probes.proxy_protocol import announcing, send_proxy_option
from prober.probes.tls import DOMAIN_NAME, TLS, handshake
from prober.protocols.http2 import GoAwayError, Http2Error
from prober.protocols.http2_call import PingCall

_GOOD = Verdict(Reason.OK, "PING answered")


@dataclass(frozen=True, slots=True, kw_only=True)
class Http2PingProbe(Probe):
    """Open a connection of HTTP/2 and send a PING, over TLS if `tls` is given."""

    good_when: ClassVar[str] = "the server answers a PING of HTTP/2 with the same eight bytes"
    facts: ClassVar[tuple[Fact, ...]] = TLS_FACTS
    over_unix: ClassVar[bool] = True

    domain_name: str | None = option(
        DOMAIN_NAME, default=None, doc="SNI; default: the target's host, if it is a name"
    )
    tls: TlsSettings | None = option(TLS, default=None, doc="TLS settings; without them, no TLS")
    send_proxy: str | None = send_proxy_option()

    def bind(self, target: Target) -> Callable[[], Steps]:
        """Return a function that starts one probe of this target."""
        start = None
        if self.tls is not None:
            start = handshake(self.tls, self.domain_name or target.name, (H2,))
        return announcing(self.send_proxy, lambda: _converse(start))


def _converse(start: StartTls | None) -> Steps:
    if start is not None:
        yield from secure(start)
    ping = PingCall()
    yield Send(ping.request, until_answered=True)
    try:
        while not ping.ended:
            content: bytes = yield RECEIVE
            if not content:
                return Verdict(Reason.CLOSED, "closed before the answer to the PING")
            answers = ping.feed(content)
            if answers and not ping.ended:
                yield Send(answers, until_answered=True)
    except (Http2Error, GoAwayError) as error:
        raise trouble_of(error, "HTTP/2") from None
    return _GOOD
