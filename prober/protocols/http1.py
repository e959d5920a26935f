"""HTTP/1: writes one request, and reads the reply within limits.

It accepts what curl, HAProxy, nginx and Envoy all accept (docs/http-replies.md has the table), and
is strict otherwise, because leniency would hide a broken target. Each piece is scanned once.

Sources: RFC 9110, RFC 9112.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import quote

HEAD_LIMIT: Final = 32768
"""Maximum bytes of the heads of a reply together, including interim ones."""
HEADERS_LIMIT: Final = 256
"""Maximum number of header lines in a head."""
INTERIM_LIMIT: Final = 100
"""Maximum number of interim heads (100 to 199) before the final one."""
CHUNKS_LIMIT: Final = 2048
"""Chunks of a body to read, whatever their size; consecutive one-byte chunks count as one."""
CHUNK_SIZE: Final = 256
"""Minimum average bytes per chunk, if there are more chunks than that."""
METHODS_WITH_BODY: Final = ("POST", "PUT", "PATCH")
"""Methods whose requests announce a body even if it is empty: RFC 9110, section 8.6."""
NAME: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
"""A header name: RFC 9110, section 5.6.2."""

_START: Final = b"HTTP/"
_HEAD_END: Final = re.compile(rb"\n\r?\n")
_STATUS_LINE: Final = rb"HTTP/(?:1\.[01]|2\.0) ++([1-9]\d\d)(?: [^\r\n\x00]*+)?\r?\n"
_FIELD: Final = NAME.encode() + rb"+:[^\r\n\x00]*+\r?\n"
_FOLD: Final = rb"[ \t][^\r\n\x00]*+\r?\n"  # continues the previous line: RFC 9112, section 5.2
_HEAD: Final = re.compile(_STATUS_LINE + rb"((?:" + _FIELD + rb")*+)\r?\n")
_FOLDED_HEAD: Final = re.compile(
    _STATUS_LINE + rb"((?:" + _FIELD + rb"(?:" + _FOLD + rb")*+)*+)\r?\n"
)
_FOLDING: Final = re.compile(rb"\r?\n[ \t]+")
_FRAMING: Final = re.compile(  # the look-ahead saves a case-insensitive comparison for most lines
    rb"\n(?=[CcTt])((?i:content-length|transfer-encoding)):([^\r\n]*)"
)
_LENGTH: Final = re.compile(rb"[ \t]*\d{1,18}[ \t]*")
_LENGTHS_LIMIT: Final = 16  # ways to write the same one
_LINE_END: Final = re.compile(rb"\r?\n")
_CHUNK_SIZE: Final = rb"([0-9A-Fa-f]{1,16})[ \t]*+(?:;[^\r\n]{,999}+)?\r?\n"
_FIRST_CHUNK: Final = re.compile(_CHUNK_SIZE)
_NEXT_CHUNK: Final = re.compile(rb"\r?\n" + _CHUNK_SIZE)
_BYTES: Final = re.compile(rb"(?:1\r\n[\s\S]\r\n){2,}+")  # chunks of one byte
_SIZE_LINE_LIMIT: Final = 1024


_NOT_IN_A_TARGET: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9._~!$&'()*+,;=:@/?%-]")


class Http1Error(Exception):
    """The reply is not valid HTTP/1; the message says why."""


class CutOffError(Exception):
    """The connection ended before the reply did; the message says where."""


def request_target(path: str) -> str:
    """Return a path, or a path and query, as a request target (RFC 3986, section 3.3).

    Characters that are not allowed are percent-encoded as UTF-8; existing encodings stay.
    Surrogates stand for the bytes that they were made from.
    """
    return _NOT_IN_A_TARGET.sub(lambda found: quote(found[0], "", errors="surrogateescape"), path)


def write_request(
    method: str,
    path: str,
    defaults: Mapping[str, str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    version: str = "1.1",
) -> bytes:
    """Return a request that asks the server to close the connection after the reply.

    `path` is a request target. `headers` replace those of `defaults` with the same name in any
    case, and the `Connection` header. Surrogates stand for the bytes that they were made from.
    """
    lines = {name.lower(): f"{name}: {value}" for name, value in defaults.items()}
    lines["connection"] = "Connection: close"
    if body or method in METHODS_WITH_BODY:
        lines["content-length"] = f"Content-Length: {len(body)}"
    lines |= {name.lower(): f"{name}: {value}" for name, value in headers.items()}
    head = "\r\n".join([f"{method} {path} HTTP/{version}", *lines.values(), "", ""])
    return head.encode(errors="surrogateescape") + body


class Head(NamedTuple):
    """The head of a final reply; `length` is None if the body's length is not announced.

    `content` is the whole head, from the status line to the empty line.
    """

    status: int
    length: int | None
    chunked: bool
    content: bytes

    @property
    def version(self) -> bytes:
        """The version of HTTP in the status line, such as 1.1."""
        return self.content[5:8]

    @property
    def is_final(self) -> bool:
        """Whether this is not an interim head (RFC 9110, section 15.2)."""
        return self.status >= 200 or self.status == 101

    @property
    def may_have_body(self) -> bool:
        """Whether a body may follow, unless the request was HEAD (RFC 9112, section 6.3)."""
        return self.status not in (101, 204, 304)


class HeadReader:
    """Reads up to the end of a final head; `rest` are the bytes after it."""

    __slots__ = ("_buffer", "_interim", "_passed", "_searched", "rest")

    def __init__(self) -> None:
        self.rest = b""
        self._buffer: bytearray | None = None  # an incomplete head
        self._searched = 0  # bytes of it without an end
        self._interim = 0  # skipped heads
        self._passed = 0  # bytes of them

    def feed(self, content: bytes) -> Head | None:
        """Take the next bytes, at least one; return the final head once it is complete.

        Raises:
            Http1Error: The bytes are not a head.
        """
        if self._buffer is None:
            found = _HEAD.match(content)  # usually, the whole head has arrived
            if found and (head := _head_of(found)).is_final:
                self.rest = content[found.end() :]
                return head
            self._buffer = bytearray()
        self._buffer += content
        return self._read(self._buffer)

    def _read(self, content: bytearray) -> Head | None:
        """Read the complete heads, up to a final one."""
        position = 0
        while True:
            if not content.startswith(_START[: len(content) - position], position):
                raise Http1Error(f"it starts with {bytes(content[position : position + 16])!r}")
            if not _HEAD_END.search(content, position + self._searched):
                break
            found = _FOLDED_HEAD.match(content, position)
            if not found:
                raise Http1Error(f"malformed head, {_fault(bytes(content[position:]))!r}")
            head = _head_of(found)
            position = found.end()
            self._passed += len(head.content)
            if self._passed > HEAD_LIMIT:
                raise Http1Error(f"its heads are longer than {HEAD_LIMIT} bytes")
            if head.is_final:
                self.rest = bytes(content[position:])
                return head
            self._interim += 1
            if self._interim > INTERIM_LIMIT:
                raise Http1Error(f"more than {INTERIM_LIMIT} interim heads")
            self._searched = 0
        del content[:position]
        if self._passed + len(content) > HEAD_LIMIT:
            raise Http1Error(f"its head is longer than {HEAD_LIMIT} bytes")
        self._searched = max(0, len(content) - 2)
        return None

    def end(self) -> CutOffError:
        """Return the error for a connection that has ended."""
        return CutOffError(f"closed after {_bytes(self._buffer or b'')} of the head")


def _head_of(found: re.Match[bytes]) -> Head:
    content, status = found[0], int(found[1])
    if len(content) > HEAD_LIMIT:
        raise Http1Error(f"its head is longer than {HEAD_LIMIT} bytes")
    if found[2].count(b"\n") > HEADERS_LIMIT:
        raise Http1Error(f"more than {HEADERS_LIMIT} headers")
    if found.re is _FOLDED_HEAD:
        content = _FOLDING.sub(b" ", content)
    length, coding = None, None
    for name, value in _FRAMING.findall(content):
        if name[:1] in b"Tt":
            members = value.lower().replace(b",", b" ").split()
            coding = members[-1] if members else coding  # empty members: RFC 9110, section 5.6.1
        else:
            announced = int(value) if _LENGTH.fullmatch(value) else _length_of(value)
            if length not in (None, announced):
                raise Http1Error("its content-length is ambiguous")
            length = announced
    return Head(status, None if coding else length, coding == b"chunked", content)


def _length_of(value: bytes) -> int:
    """Return the length in a list of equal lengths (RFC 9110, section 8.6)."""
    parts = set(value.split(b","))
    if len(parts) > _LENGTHS_LIMIT or not all(map(_LENGTH.fullmatch, parts)):
        raise Http1Error("its content-length is ambiguous")
    first, *others = set(map(int, parts))
    if others:
        raise Http1Error("its content-length is ambiguous")
    return first


def _fault(content: bytes) -> bytes:
    """Return the beginning of the first invalid line of a head."""
    first, *others = _FOLDING.sub(b" ", content).splitlines(keepends=True)
    if re.fullmatch(_STATUS_LINE, first):
        first = next((line for line in others if not re.fullmatch(_FIELD, line)), first)
    return first[:64].rstrip(b"\r\n")


def read_fields(content: bytes) -> list[tuple[str, str]]:
    """Return the headers of a head; bytes that are not UTF-8 become surrogates."""
    lines = content.decode(errors="surrogateescape").split("\n")[1:]
    fields = (line.partition(":") for line in lines)
    return [(name, value.strip(" \t\r")) for name, colon, value in fields if colon]


def body_of(head: Head, limit: int) -> "PlainBody | ChunkedBody":
    """Return a reader for the first `limit` bytes of the body after a head."""
    return ChunkedBody(limit) if head.chunked else PlainBody(limit, head.length)


def _check_chunk(content: bytes, *, after_another: bool) -> None:
    """Raise `Http1Error` unless this may become the first line of a chunk."""
    if after_another:
        if content in (b"", b"\r"):
            return
        found = _LINE_END.match(content)
        if not found:
            raise Http1Error("malformed chunk")
        content = content[found.end() :]
    if b"\n" in content or len(content) >= _SIZE_LINE_LIMIT:
        raise Http1Error("malformed chunk")


class PlainBody:
    """A body that ends after its announced length, or with the connection."""

    def __init__(self, limit: int, length: int | None) -> None:
        self.content = bytearray()
        self._wanted = limit if length is None else min(limit, length)
        self._announced = length is not None

    @property
    def complete(self) -> bool:
        """Whether all wanted bytes have arrived."""
        return len(self.content) >= self._wanted

    def feed(self, content: bytes) -> None:
        """Take the next bytes from the connection."""
        self.content += content[: self._wanted - len(self.content)]

    def end(self) -> None:
        """Note that the connection has ended. Raise `CutOffError` if more was announced."""
        if self._announced:
            raise CutOffError(f"closed after {_bytes(self.content)} of the body")


class ChunkedBody:
    """A body in chunks (RFC 9112, section 7.1); trailers are not read.

    `was_cut` means that it has more chunks than the limit.
    """

    def __init__(self, limit: int) -> None:
        self.content = bytearray()
        self.complete = False
        self.was_cut = False
        self._limit = limit
        self._pending = b""  # an incomplete line
        self._left = 0  # remaining bytes of the chunk, including its line end
        self._chunks_left = max(CHUNKS_LIMIT, limit // CHUNK_SIZE)

    def feed(self, content: bytes) -> None:
        """Take the next bytes from the connection. Raise `Http1Error`."""
        content = self._pending + content if self._pending else content
        body, left, position, size = self.content, self._left, 0, -1
        wanted = self._limit - len(body)
        while wanted > 0 and size:
            if left > 2:
                taken = content[position : position + left - 2]
                body += taken
                wanted -= len(taken)
                left -= len(taken)
                position += len(taken)
                if left > 2 or wanted <= 0:
                    break
            found = (_NEXT_CHUNK if left else _FIRST_CHUNK).match(content, position)
            if not found:
                _check_chunk(content[position:], after_another=left > 0)
                break
            if not self._chunks_left:
                self.was_cut = True
                break
            self._chunks_left -= 1
            size, position = int(found[1], 16), found.end()
            left = size + 2
            if size == 1 and (run := _BYTES.match(content, found.start(1))):
                body += run[0][3::6]
                wanted, left, position = self._limit - len(body), 0, run.end()
        self.complete = wanted <= 0 or not size or self.was_cut
        self._pending, self._left = content[position:], left

    def end(self) -> None:
        """Note that the connection has ended. Raise `CutOffError`."""
        raise CutOffError(f"closed after {_bytes(self.content)} of the body")


def _bytes(content: bytes | bytearray) -> str:
    return f"{len(content)} byte{'s' * (len(content) != 1)}"
