"""HTTP/1: the reply to one request, read with bounds.

Strict where leniency would hide a broken target, lenient where every client is (bare line feeds).

Source: RFC 9112.
"""

import re
from collections.abc import Generator
from typing import NamedTuple

from prober.model.probe import RECEIVE, DeadlineReached, Receive, Trouble
from prober.model.status import Reason

HEAD_LIMIT = 32768
"""Bytes that the head of a reply, status line and headers, may have."""
HEADERS_LIMIT = 256
"""Header lines that a reply may have."""
NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
"""What a header may be called: RFC 9110, section 5.6.2."""

_HEAD_END = re.compile(rb"\n\r?\n")
_HEAD = re.compile(
    rb"HTTP/1\.[01] ([1-9]\d\d)(?: [^\r\n\x00]*+)?\r?\n"
    rb"((?:" + NAME.encode() + rb"+:[^\r\n\x00]*+\r?\n)*+)\r?\n"
)
_FRAMING = re.compile(
    rb"^(content-length|transfer-encoding):([^\r\n]*)", re.IGNORECASE | re.MULTILINE
)
_LENGTH = re.compile(rb"[ \t]*\d{1,18}[ \t]*")


class Head(NamedTuple):
    """The head of a final reply; `length` is None where the body's length is not announced.

    `content` is all of it, from the status line to the empty line.
    """

    status: int
    length: int | None
    chunked: bool
    content: bytes

    @property
    def is_final(self) -> bool:
        """Whether no other head follows (RFC 9110, section 15.2)."""
        return self.status >= 200 or self.status == 101


def _broken(what: str) -> Trouble:
    return Trouble(Reason.BAD_RESPONSE, f"not a valid HTTP reply: {what}")


def read_head(content: bytes) -> Generator[Receive, bytes, tuple[Head, bytes]]:
    """Read on up to the end of a final head; return it and the bytes that came after it."""
    searched = 0
    while True:
        found = None if searched else _HEAD.match(content)  # nearly always all of it is there
        if not found:
            if not content.startswith(b"HTTP/1."[: len(content)]):
                raise _broken(f"it starts with {content[:16]!r}")
            if not _HEAD_END.search(content, searched):
                if len(content) > HEAD_LIMIT:
                    raise _broken(f"its head is longer than {HEAD_LIMIT} bytes")
                more = yield RECEIVE
                if not more:
                    raise Trouble(Reason.CLOSED, f"closed after {len(content)} bytes of the head")
                searched = max(0, len(content) - 2)
                content += more
                continue
            found = _HEAD.match(content)
            if not found:
                first = content.split(b"\n", 1)[0].rstrip(b"\r")[:64]
                raise _broken(f"malformed head, {first!r}")
        head, content, searched = _head_of(found), content[found.end() :], 0
        if head.is_final:
            return head, content


def _head_of(found: re.Match[bytes]) -> Head:
    content, status, headers = found[0], int(found[1]), found[2]
    if len(content) > HEAD_LIMIT:
        raise _broken(f"its head is longer than {HEAD_LIMIT} bytes")
    if headers.count(b"\n") > HEADERS_LIMIT:
        raise _broken(f"more than {HEADERS_LIMIT} headers")
    length, coding = None, None
    for name, value in _FRAMING.findall(headers):
        if name.lower() == b"transfer-encoding":
            coding = value.lower().rpartition(b",")[2].strip()
        elif length is not None or not _LENGTH.fullmatch(value):
            raise _broken("its content-length is ambiguous")
        else:
            length = int(value)
    return Head(status, None if coding else length, coding == b"chunked", content)


def read_body(head: Head, rest: bytes, limit: int) -> Generator[Receive, bytes, bytes]:
    """Read the first `limit` bytes of the body, or what there is of it when the time is up."""
    body = ChunkedBody(limit) if head.chunked else PlainBody(limit, head.length)
    if head.status in (101, 204, 304):
        return b""
    body.feed(rest)
    try:
        while not body.complete:
            content = yield RECEIVE
            if not content:
                body.end()
                break
            body.feed(content)
    except DeadlineReached:
        pass
    return bytes(body.content[:limit])


class PlainBody:
    """A body that ends after its announced length, or with the connection."""

    def __init__(self, limit: int, length: int | None) -> None:
        self.content = bytearray()
        self._wanted = limit if length is None else min(limit, length)
        self._announced = length is not None

    @property
    def complete(self) -> bool:
        """Whether all that is wanted is there."""
        return len(self.content) >= self._wanted

    def feed(self, content: bytes) -> None:
        """Take the next bytes from the connection."""
        self.content += content[: self._wanted - len(self.content)]

    def end(self) -> None:
        """The connection has ended."""
        if self._announced:
            raise Trouble(Reason.CLOSED, f"closed after {len(self.content)} bytes of the body")


class ChunkedBody:
    """A body in chunks (RFC 9112, section 7.1); trailers are not read."""

    _SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?\r?\n")
    _SIZE_LINE_LIMIT = 1024

    def __init__(self, limit: int) -> None:
        self.content = bytearray()
        self.complete = False
        self._limit = limit
        self._pending = bytearray()
        self._left = 0  # bytes of the chunk that are still to come, with its line end

    def feed(self, content: bytes) -> None:
        """Take the next bytes from the connection."""
        self._pending += content
        while not self.complete and self._step():
            self.complete |= len(self.content) >= self._limit

    def _step(self) -> bool:
        if self._left > 2:
            taken = self._pending[: self._left - 2]
            del self._pending[: len(taken)]
            self.content += taken
            self._left -= len(taken)
            return bool(taken)
        if self._left:
            return self._line_end()
        end = self._pending.find(b"\n", 0, self._SIZE_LINE_LIMIT) + 1
        if not end and len(self._pending) < self._SIZE_LINE_LIMIT:
            return False
        found = self._SIZE.fullmatch(self._pending, 0, end)
        if not found:
            raise _broken("malformed chunk")
        size = int(found[1], 16)
        del self._pending[:end]
        self._left = size + 2
        self.complete = size == 0
        return True

    def _line_end(self) -> bool:
        for end in (b"\r\n", b"\n"):
            if self._pending.startswith(end):
                del self._pending[: len(end)]
                self._left = 0
                return True
        if bytes(self._pending) not in (b"", b"\r"):
            raise _broken("malformed chunk")
        return False

    def end(self) -> None:
        """The connection has ended."""
        raise Trouble(Reason.CLOSED, f"closed after {len(self.content)} bytes of the body")
