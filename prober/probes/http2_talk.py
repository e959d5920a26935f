"""What all probes over HTTP/2 share: its handshake, and verdicts on connections that go wrong."""

from collections.abc import Generator
from typing import Any

from prober.model.probe import RECEIVE, Send, StartTls, TlsSession, Trouble
from prober.model.status import Reason
from prober.protocols.http2 import GoAwayError, Http2Error, StreamResetError, error_name
from prober.protocols.http2_call import Call

H2 = "h2"
"""HTTP/2 over TLS, in ALPN."""

_REFUSED = "no application protocol"  # an alert: RFC 7301, section 3.2
_NOT_SPOKEN = "the server does not speak HTTP/2 over TLS"


def secure(start: StartTls) -> Generator[StartTls, Any, None]:
    """Shake hands; raise `Trouble` unless the server agrees to speak HTTP/2."""
    try:
        session: TlsSession = yield start
    except Trouble as trouble:
        reason, detail, _ = trouble.verdict
        if detail.endswith(_REFUSED):
            raise Trouble(reason, f"{detail}: {_NOT_SPOKEN}") from None
        raise
    if session.alpn != H2 and H2 in start.alpn:
        chosen = f"chose {session.alpn}" if session.alpn else "chose no protocol"
        raise Trouble(Reason.BAD_RESPONSE, f"{_NOT_SPOKEN}: it {chosen} (ALPN)")


def receive(call: Call) -> Generator[Any, Any, None]:
    """Receive the answer to a call until it is enough, or the stream ends.

    Raise what `Call.feed` raises.
    """
    content = b""
    while True:
        answers = call.feed(content)
        if answers and not call.ended:
            yield Send(answers, until_answered=True)
        if call.is_enough:
            return
        content = yield RECEIVE
        if not content:
            return


def trouble_of(error: Http2Error | StreamResetError | GoAwayError, what: str) -> Trouble:
    """Return what it means for the target that HTTP/2 went wrong in a reply of `what`."""
    if isinstance(error, StreamResetError):
        detail = f"the server reset the call, HTTP/2 error {error_name(error.code)}"
        return Trouble(Reason.RESET, detail)
    if isinstance(error, GoAwayError):
        detail = f"the server sent GOAWAY, HTTP/2 error {error_name(error.code)}"
        return Trouble(Reason.CLOSED, detail)
    return Trouble(Reason.BAD_RESPONSE, f"not a valid {what} reply: {error}")
