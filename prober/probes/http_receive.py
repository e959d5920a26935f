"""Receives a reply of HTTP/1, step by step."""

from collections.abc import Generator
from typing import Any

from prober.model.probe import RECEIVE, Receive, Send, StartTls, Trouble
from prober.model.status import Reason
from prober.protocols.http1 import (
    ChunkedBody,
    CutOffError,
    Head,
    HeadReader,
    Http1Error,
    PlainBody,
)


def ask(start: StartTls | None, request: Send) -> Generator[Any, Any, tuple[Head, bytes]]:
    """Send a request over HTTP/1; return the head of the reply and the bytes after it."""
    if start is not None:
        yield start
    yield request
    content: bytes = yield RECEIVE
    if not content:
        raise Trouble(Reason.CLOSED, "closed without a reply")
    return (yield from receive_head(content))


def receive_head(content: bytes) -> Generator[Receive, bytes, tuple[Head, bytes]]:
    """Read up to the end of a final head; return it and the bytes after it."""
    reader = HeadReader()
    try:
        while (head := reader.feed(content)) is None:
            content = yield RECEIVE
            if not content:
                raise reader.end()
    except (Http1Error, CutOffError) as error:
        raise _trouble(error) from None
    return head, reader.rest


def receive_body(body: PlainBody | ChunkedBody, content: bytes) -> Generator[Receive, bytes, None]:
    """Read until a body is complete; `content` is what has arrived of it."""
    try:
        body.feed(content)
        while not body.complete:
            content = yield RECEIVE
            if not content:
                body.end()
                break
            body.feed(content)
    except (Http1Error, CutOffError) as error:
        raise _trouble(error) from None


def _trouble(error: Http1Error | CutOffError) -> Trouble:
    if isinstance(error, CutOffError):
        return Trouble(Reason.CLOSED, str(error))
    return Trouble(Reason.BAD_RESPONSE, f"not a valid HTTP reply: {error}")
