"""HTTP/1: one request, written, and the reply to it, read with bounds.

Strict where leniency would hide a broken target, lenient where every client is (bare line feeds).

Source: RFC 9112.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

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
_FRAMING = re.compile(  # the look-ahead spares most lines the comparison without case
    rb"\n(?=[CcTt])((?i:content-length|transfer-encoding)):([^\r\n]*)"
)
_LENGTH = re.compile(rb"[ \t]*\d{1,18}[ \t]*")


class Http1Error(Exception):
    """What came is not a valid HTTP/1 reply; the message says why."""


class CutOffError(Exception):
    """The connection ended before the reply did; the message says where."""


def write_request(
    method: str,
    path: str,
    defaults: Mapping[str, str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    version: str = "1.1",
) -> bytes:
    """Write a request that asks for the connection to be closed after the reply.

    `headers` replace `defaults` of the same name, in whatever case it is written.
    """
    lines = {name.lower(): f"{name}: {value}" for name, value in defaults.items()}
    lines["connection"] = "Connection: close"
    if body or method in ("POST", "PUT", "PATCH"):
        lines["content-length"] = f"Content-Length: {len(body)}"
    lines |= {name.lower(): f"{name}: {value}" for name, value in headers.items()}
    return "\r\n".join([f"{method} {path} HTTP/{version}", *lines.values(), "", ""]).encode() + body


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

    @property
    def may_have_body(self) -> bool:
        """Whether a body may follow, unless the request was HEAD (RFC 9112, section 6.3)."""
        return self.status not in (101, 204, 304)


class HeadReader:
    """Reads up to the end of a final head; `rest` is what came after it."""

    __slots__ = ("_searched", "rest")

    def __init__(self) -> None:
        self.rest = b""
        self._searched = 0

    def feed(self, content: bytes) -> Head | None:
        """Take the next bytes, at least one; return the final head once it is complete.

        Raises:
            Http1Error: They are no head.
        """
        content = self.rest + content if self.rest else content
        searched = self._searched
        while True:
            found = None if searched else _HEAD.match(content)  # nearly always all of it is there
            if not found:
                if not content.startswith(b"HTTP/1."[: len(content)]):
                    raise Http1Error(f"it starts with {content[:16]!r}")
                if not _HEAD_END.search(content, searched):
                    break
                found = _HEAD.match(content)
                if not found:
                    first = content.split(b"\n", 1)[0].rstrip(b"\r")[:64]
                    raise Http1Error(f"malformed head, {first!r}")
            head, content, searched = _head_of(found), content[found.end() :], 0
            if head.is_final:
                self.rest = content
                return head
        if len(content) > HEAD_LIMIT:
            raise Http1Error(f"its head is longer than {HEAD_LIMIT} bytes")
        self.rest, self._searched = content, max(0, len(content) - 2)
        return None

    def end(self) -> CutOffError:
        """Return what it means that the connection has ended."""
        return CutOffError(f"closed after {len(self.rest)} bytes of the head")


def _head_of(found: re.Match[bytes]) -> Head:
    content, status = found[0], int(found[1])
    if len(content) > HEAD_LIMIT:
        raise Http1Error(f"its head is longer than {HEAD_LIMIT} bytes")
    if found[2].count(b"\n") > HEADERS_LIMIT:
        raise Http1Error(f"more than {HEADERS_LIMIT} headers")
    length, coding = None, None
    for name, value in _FRAMING.findall(content):
        if name.lower() == b"transfer-encoding":
            coding = value.lower().rpartition(b",")[2].strip()
        elif length is not None or not _LENGTH.fullmatch(value):
            raise Http1Error("its content-length is ambiguous")
        else:
            length = int(value)
    return Head(status, None if coding else length, coding == b"chunked", content)


def body_of(head: Head, limit: int) -> "PlainBody | ChunkedBody":
    """Return what reads the first `limit` bytes of the body that follows a head."""
    return ChunkedBody(limit) if head.chunked else PlainBody(limit, head.length)


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
        """Take in that the connection has ended. Raise `CutOffError` if more was announced."""
        if self._announced:
            raise CutOffError(f"closed after {len(self.content)} bytes of the body")


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
        """Take the next bytes from the connection. Raise `Http1Error`."""
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
            raise Http1Error("malformed chunk")
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
            raise Http1Error("malformed chunk")
        return False

    def end(self) -> None:
        """Take in that the connection has ended. Raise `CutOffError`."""
        raise CutOffError(f"closed after {len(self.content)} bytes of the body")
