"""The bodies of requests: read only once it is known who sends them, and never unpacked.

A client may ask with `Expect: 100-continue` before it sends a body. It is told to go on when the
body is about to be read, so that one without credentials need not send any.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import hdrs, web
from aiohttp.http import HttpProcessingError, HttpVersion11
from multidict import CIMultiDict, CIMultiDictProxy

from prober.web.server.errors import Refused

BODY_LIMIT = 1 << 20
"""Bytes of a request's body."""
OPEN_BODY_LIMIT = 1 << 16
"""Bytes of the body of a request that needs no credentials."""

_NO_BODY = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # theirs has no meaning and stays unread
_EXPECTATION = web.RequestKey("EXPECTATION", str)
_CONTINUE = "100-continue"


def asks_later(make: Callable[..., web.BaseRequest]) -> Callable[..., web.BaseRequest]:
    """Return a maker of requests that keeps `Expect` to itself; aiohttp would answer it at once."""

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
    """Raise `Refused` for an expectation that is not known."""
    expectation = request.get(_EXPECTATION)
    if expectation is not None and expectation.lower() != _CONTINUE:
        raise Refused(417, f"expected Expect: {_CONTINUE} or none")


def has_body(request: web.BaseRequest) -> bool:
    """Return whether a request brings a body that is read."""
    return request.method not in _NO_BODY and request.can_read_body


async def read_body(request: web.Request, *, seconds: float, limit: int = BODY_LIMIT) -> bytes:
    """Return the body of a request, which handlers then find read; raise `Refused`."""
    if not has_body(request):
        return b""
    coding = request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower()
    if coding != "identity":
        raise Refused(415, "the body is compressed; send it as it is, without Content-Encoding")
    if (request.content_length or 0) > limit:
        raise Refused(413, f"the body of the request is too large: the limit is {limit} bytes")
    try:
        async with asyncio.timeout(seconds):
            if request.get(_EXPECTATION) is not None and request.version >= HttpVersion11:
                await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                request.writer.output_size = 0  # it is no part of the answer
            body = await request.read()
    except TimeoutError:
        raise Refused(408, f"the body did not come within {seconds:g} s") from None
    except (web.RequestPayloadError, HttpProcessingError):
        raise Refused(400, "the body of the request is not valid") from None
    except ConnectionError:  # nobody will read this
        raise Refused(400, "the client has left before its body came") from None
    if len(body) > limit:
        raise Refused(413, f"the body of the request is too large: the limit is {limit} bytes")
    return body
