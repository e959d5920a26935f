"""An HTTP request and those that its redirects lead to, each on a connection of its own."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from prober.model.probe import Reconnect, Send, StartTls, Target
from prober.model.status import Reason
from prober.model.tls_settings import TlsSettings
from prober.probes.http_proxy import WayThrough, connect
from prober.probes.http_redirect import BadLocationError, Hop, next_hop, tls_elsewhere
from prober.probes.proxy_protocol import announce
from prober.probes.tls import handshake
from prober.protocols.http1 import Head
from prober.protocols.http2_call import Call
from prober.protocols.http2_call import Request as CallRequest

Request = Send | CallRequest
Write = Callable[[Hop, str, Mapping[str, str]], Request]
"""Writes the request of a hop, with this Host header and other headers."""
Ask = Callable[[StartTls | None, Any], Generator[Any, Any, tuple[Head, bytes | Call]]]
"""Sends a request; returns the head of the reply, and what is after it or gives it."""


class LastReply(NamedTuple):
    """The last reply of a chain: its head, what is after it, how many redirects led to it.

    If the chain could not go on, `reason` and `flaw` say why.
    """

    head: Head
    rest: bytes | Call
    followed: int
    reason: Reason = Reason.OK
    flaw: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What is known of a chain before it starts.

    `start` and `request` are those of the first request; `authority` is its Host header.
    `alpn` is the protocol inside TLS. `own_headers` go to its origin alone, `headers` everywhere.
    `tls` are the settings for all other hosts. With `has_secret_body`, the body may not go to them.
    `way` is that through a proxy, if there is one.
    """

    hop: Hop
    authority: str
    target: Target
    start: StartTls | None
    request: Request
    limit: int
    send_proxy: str | None
    tls: TlsSettings
    alpn: str
    own_headers: Mapping[str, str]
    headers: Mapping[str, str]
    has_secret_body: bool
    write: Write
    ask: Ask
    way: WayThrough | None = None

    def run(self) -> Generator[Any, Any, LastReply]:
        """Send the requests; return the last reply. Raise `Trouble`."""
        hop, start, request, followed = self.hop, self.start, self.request, 0
        while True:
            head, rest = yield from self.ask(start, request)
            try:
                onward = next_hop(hop, self.hop.origin, head) if self.limit else None
            except BadLocationError as error:
                flaw = f"a redirect: {error}"
                return LastReply(head, rest, followed, Reason.BAD_RESPONSE, flaw)
            if onward is None:
                return LastReply(head, rest, followed)
            if flaw := self._objection(hop, onward, followed):
                return LastReply(head, rest, followed, Reason.UNEXPECTED_STATUS, flaw)
            target = onward.target or self.target
            if self.way is None:
                goes_on = target == (hop.target or self.target)
                yield Reconnect(None if goes_on else target)
                yield from announce(self.send_proxy)
            else:
                yield Reconnect(beyond=target)
                if onward.origin.scheme == "https":
                    yield from connect(self.way, target)
            hop, followed = onward, followed + 1
            start, request = self._handshake(hop), self._write(hop)

    def _objection(self, hop: Hop, onward: Hop, followed: int) -> str:
        if followed == self.limit:
            return f"a redirect after {followed} others, the limit of follow_redirects"
        if (hop.origin.scheme, onward.origin.scheme) == ("https", "http"):
            return "a redirect from https to http, which is not followed"
        if onward.target is not None and self.has_secret_body and onward.method == self.hop.method:
            return "a redirect to another host, where a secret body is not sent"
        return ""

    def _handshake(self, hop: Hop) -> StartTls | None:
        if hop.target is None:
            return self.start
        if hop.origin.scheme == "http":
            return None
        return handshake(tls_elsewhere(self.tls), hop.origin.host, (self.alpn,))

    def _write(self, hop: Hop) -> Request:
        authority, headers = self.authority, self.own_headers
        if hop.target is not None:
            authority, headers = hop.origin.authority, self.headers
        return self.write(hop, authority, headers)
