"""One HTTP request over HTTP/2, and its reply in the form of one over HTTP/1."""

from collections.abc import Generator, Mapping
from typing import Any

from prober.model.probe import Send, StartTls, Trouble
from prober.model.status import Reason
from prober.model.wording import counted
from prober.probes.http2_talk import receive, secure, trouble_of
from prober.protocols.http1 import METHODS_WITH_BODY, Head
from prober.protocols.http2 import GoAwayError, Http2Error, StreamResetError
from prober.protocols.http2_call import OF_A_CONNECTION, Call, Request, head_of, write_call

_HTTP = "HTTP/2"
_CREDENTIALS = frozenset({"authorization", "cookie"})
"""No proxy may keep these in its table of headers (RFC 7541, section 7.1.3)."""


def wrong_header(name: str, value: str) -> str:
    """Return why a request over HTTP/2 cannot have this header; empty if it can."""
    name = name.lower()
    if name in OF_A_CONNECTION:
        return "HTTP/2 has no such header (RFC 9113, section 8.2.2)"
    if name == "te" and value.strip().lower() != "trailers":
        return "HTTP/2 allows only TE: trailers (RFC 9113, section 8.2.2)"
    return ""


def write_request_2(
    method: str,
    url: tuple[str, str, str],
    defaults: Mapping[str, str],
    headers: Mapping[str, str],
    body: bytes,
) -> Request:
    """Return a request; `url` is a scheme, an authority and a request target.

    `headers` replace those of `defaults` with the same name in any case. Surrogates stand for the
    bytes that they were made from.
    """
    scheme, authority, path = url
    lines = {":method": method, ":scheme": scheme, ":authority": authority, ":path": path}
    lines |= {name.lower(): value for name, value in defaults.items()}
    if body or method in METHODS_WITH_BODY:
        lines["content-length"] = str(len(body))
    lines |= {name.lower(): value.strip() for name, value in headers.items()}
    lines.pop("host", None)  # it is the authority
    fields = [
        (name.encode(), value.encode(errors="surrogateescape"), name in _CREDENTIALS)
        for name, value in lines.items()
    ]
    return write_call(fields, body or None)


def ask_2(
    start: StartTls | None, request: Request, longest: int
) -> Generator[Any, Any, tuple[Head, Call]]:
    """Send a request; return the head of its reply, and the call, which can be read on.

    At most `longest` bytes of the body will be read. Raise `Trouble`.
    """
    if start is not None:
        yield from secure(start)
    yield Send(request.content, until_answered=True)
    call = Call(request.unsent, wanted=0, longest=longest)
    try:
        yield from receive(call)
        if call.is_enough:
            return head_of(call), call
    except (Http2Error, StreamResetError, GoAwayError) as error:
        raise trouble_of(error, _HTTP) from None
    raise Trouble(Reason.CLOSED, "closed before the head of the reply")


def receive_body_2(head: Head, call: Call, limit: int) -> Generator[Any, Any, bytearray]:
    """Read the first `limit` bytes of the body; return them. Raise `Trouble`.

    They are in `call.body` as far as they arrive in time.
    """
    call.wanted = limit
    try:
        yield from receive(call)
    except (Http2Error, StreamResetError, GoAwayError) as error:
        raise trouble_of(error, _HTTP) from None
    size = len(call.body)
    if not call.is_enough:
        raise Trouble(Reason.CLOSED, f"closed after {counted(size, 'byte')} of the body")
    if call.ended and head.may_have_body and head.length not in (None, size):
        what = f"its body has {counted(size, 'byte')}, its content-length is {head.length}"
        raise trouble_of(Http2Error(what), _HTTP)
    return call.body
