"""Request bodies: read only once the sender is known, and never decompressed.

A client can send `Expect: 100-continue` before a body. It is told to continue when the body is
about to be read, so a client without credentials need not send its body.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import hdrs, web
from aiohttp.http import HttpProcessingError, HttpVersion11
from multidict import CIMultiDict, CIMultiDictProxy

from prober.web.server.errors import Refused

BODY_LIMIT = 1 << 20
"""Maximum bytes of a request body."""
OPEN_BODY_LIMIT = 1 << 16
"""Maximum bytes of the body of a request that needs no credentials."""

_NO_BODY = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # their bodies are meaningless, unread
_EXPECTATION = web.RequestKey("EXPECTATION", str)
_CONTINUE = "100-continue"


def asks_later(make: Callable[..., web.BaseRequest]) -> Callable[..., web.BaseRequest]:
    """Return a factory of requests that hides `Expect` from aiohttp, which would answer at once."""

    def make_request(message: Any, *rest: Any) -> web.BaseRequest:
        expectation = message.headers.get(hdrs.EXPECT)
        if expectation is None:
            return make(message, *rest)
        headers = CIMultiDict(message.headers)
        del headers[hdrs.EXPECT]
        request = make(message._replace(headers=CIMultiDictProxy(headers)), *rest)
        request[_EXPECTATION] = expectation
        return request

    return make_request


def check_expectation(request: web.BaseRequest) -> None:
    """Raise `Refused` for an unknown expectation."""
    expectation = request.get(_EXPECTATION)
    if expectation is not None and expectation.lower() != _CONTINUE:
        raise Refused(417, f"expected Expect: {_CONTINUE} or none")


def has_body(request: web.BaseRequest) -> bool:
    """Return whether a request has a body to be read."""
    return request.method not in _NO_BODY and request.can_read_body


async def read_body(request: web.Request, *, seconds: float, limit: int = BODY_LIMIT) -> bytes:
    """Read the body of a request, for the handlers as well; raise `Refused`."""
    if not has_body(request):
        return b""
    coding = request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower()
    if coding != "identity":
        raise Refused(415, "the body is compressed; send it without Content-Encoding")
    if (request.content_length or 0) > limit:
        raise Refused(413, f"the request body is too large: the limit is {limit} bytes")
    try:
        async with asyncio.timeout(seconds):
            if request.get(_EXPECTATION) is not None and request.version >= HttpVersion11:
                await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                request.writer.output_size = 0  # it is not part of the answer
            body = await request.read()
    except TimeoutError:
        raise Refused(408, f"the body did not arrive within {seconds:g} s") from None
    except (web.RequestPayloadError, HttpProcessingError):
        raise Refused(400, "the request body is not valid") from None
    except ConnectionError:  # nobody is left to read this
        raise Refused(400, "the client disconnected before its body arrived") from None
    if len(body) > limit:
        raise Refused(413, f"the request body is too large: the limit is {limit} bytes")
    return body
