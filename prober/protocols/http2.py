"""HTTP/2: frames, and the client's side of one call; the `hpack` library compresses headers.

A full HTTP/2 stack costs several times as much per call.

Source: RFC 9113; section numbers below refer to it.
"""

import re
import struct
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""The bytes that a client sends before its first frame: section 3.4."""
DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE = 0, 1, 3, 4, 5
PING, GOAWAY, CONTINUATION = 6, 7, 9
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
FRAME_LIMIT = 16384
"""Maximum bytes of a frame, unless a peer was allowed longer ones."""
FRAMES_LIMIT = 1024
"""Maximum number of frames in the answer to one call."""
REPLY_LIMIT = 65536
"""Maximum bytes of a header block, or of the body, of the answer to one call."""

HEADERS_LIMIT = 16384
"""Bytes of all header blocks of the answer to one call, compressed."""
FIELDS_LIMIT = 512
"""Headers of the answer to one call."""

_LIST_LIMIT = 24576  # bytes of the headers of one block, as RFC 7541, section 4.1, counts them
_RESIZED = re.compile(rb"(?:[\x20-\x3e]|\x3f[\x80-\xff]*+[\x00-\x7f]){3}")  # RFC 7541, section 4.2
_CALL = 1  # the stream of a client's first call
_OF_A_CALL = (DATA, HEADERS, RST_STREAM, CONTINUATION)
_PUSH_OFF = b"\x00\x02\x00\x00\x00\x00"  # ENABLE_PUSH 0: section 6.5.2


class Http2Error(Exception):
    """The answer is not valid HTTP/2; the message says why."""


class StreamResetError(Exception):
    """The peer reset the call; `code` is the error code (section 7)."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class GoAwayError(Exception):
    """The peer ended the connection without processing the call; `code` as above."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Frame(NamedTuple):
    """A frame: its type, its flags, its stream and its payload."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def write_frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """Return a frame as bytes (section 4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def write_call(headers: list[tuple[str, str]], body: bytes) -> bytes:
    """Return everything that a client sends on a new connection to make one call."""
    return b"".join(
        (
            PREFACE,
            write_frame(SETTINGS, payload=_PUSH_OFF),
            write_frame(HEADERS, END_HEADERS, _CALL, _hpack().Encoder().encode(headers)),
            write_frame(DATA, END_STREAM, _CALL, body),
        )
    )


class FrameReader:
    """Splits what a peer sends into frames.

    `limit` is the maximum number of frames, or None. `preface` comes before them: a client sends
    `PREFACE`, a server nothing.
    """

    __slots__ = ("_awaited", "_buffer", "_greeted", "_left", "_limit")

    def __init__(self, limit: int | None = None, preface: bytes = b"") -> None:
        self._buffer = b""
        self._awaited = preface
        self._greeted = False
        self._limit = limit
        self._left = limit

    def feed(self, content: bytes) -> Iterator[Frame]:
        """Take the next bytes, at least one; yield the frames that they complete.

        Raises:
            Http2Error: The first frame is not SETTINGS, a frame is too long, or there are too many.
        """
        if self._awaited:
            content = self._greet(content)
            if not content:
                return
        content = self._buffer + content
        position = 0
        if not self._greeted and content[0]:  # the frame would be longer than the limit
            raise Http2Error(f"it starts with {content[:16]!r}")
        while len(content) - position >= 9:
            length = int.from_bytes(content[position : position + 3])
            kind, flags, stream = struct.unpack_from(">BBI", content, position + 3)
            if length > FRAME_LIMIT:
                raise Http2Error(f"a frame of {length} bytes")
            if not self._greeted and kind != SETTINGS:
                raise Http2Error("its first frame is not SETTINGS")
            if len(content) - position < 9 + length:
                break
            self._greeted = True
            if self._left is not None:
                self._left -= 1
                if self._left < 0:
                    raise Http2Error(f"more than {self._limit} frames")
            payload = content[position + 9 : position + 9 + length]
            position += 9 + length
            yield Frame(kind, flags, stream & 0x7FFFFFFF, payload)
        self._buffer = content[position:]

    def _greet(self, content: bytes) -> bytes:
        """Consume the preface; return what comes after it."""
        size = min(len(self._awaited), len(content))
        if content[:size] != self._awaited[:size]:
            raise Http2Error(f"it starts with {content[:16]!r}")
        self._awaited = self._awaited[size:]
        return content[size:]


def unpadded(frame: Frame) -> bytes:
    """Return the payload of DATA or HEADERS without padding and priority (sections 6.1, 6.2).

    Raises:
        Http2Error: The padding is longer than the frame.
    """
    start, end = 0, len(frame.payload)
    if frame.flags & PADDED:
        start, end = 1, end - frame.payload[0] if frame.payload else -1
    if frame.kind == HEADERS and frame.flags & PRIORITY:
        start += 5
    if start > end:
        raise Http2Error("its padding is longer than the frame")
    return frame.payload[start:end]


class Call:
    """The answer to the one call of a connection, as far as it has arrived.

    `status` is 0 until it is known; `headers` are those of the head and of the trailers; `ended`
    means that the answer is complete.
    """

    __slots__ = (
        "_block",
        "_block_ends",
        "_decoder",
        "_header_bytes",
        "_reader",
        "body",
        "ended",
        "headers",
        "status",
    )

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = bytearray()
        self.ended = False
        self._reader = FrameReader(FRAMES_LIMIT)
        self._header_bytes = 0
        self._block: bytearray | None = None  # a header block that CONTINUATION frames continue
        self._block_ends = False
        self._decoder: Any = None

    def feed(self, content: bytes) -> bytes:
        """Take bytes from the server; return what must be sent in answer to its frames.

        Raises:
            Http2Error: The bytes are not the answer to a call.
            StreamResetError: The server reset the call.
            GoAwayError: The server ends the connection without an answer.
        """
        answers = []
        for frame in self._reader.feed(content):
            answer = self._take(frame)
            if answer:
                answers.append(answer)
            if self.ended:
                break
        return b"".join(answers)

    def _take(self, frame: Frame) -> bytes:
        self._check(frame)
        kind = frame.kind
        if kind == SETTINGS and not frame.flags & ACK:
            return write_frame(SETTINGS, ACK)
        if kind == PING and not frame.flags & ACK:
            return write_frame(PING, ACK, payload=frame.payload)
        if kind in (HEADERS, CONTINUATION):
            self._take_headers(frame)
        elif kind == DATA:
            self._take_body(frame)
        elif kind == RST_STREAM:
            raise StreamResetError(int.from_bytes(frame.payload[:4]))
        elif kind == GOAWAY:
            last, code = struct.unpack(">II", frame.payload[:8].ljust(8, b"\xff"))
            if code or not last & 0x7FFFFFFF:
                raise GoAwayError(code)
        return b""

    def _check(self, frame: Frame) -> None:
        """Raise `Http2Error` if the frame is not allowed at this point."""
        if self._block is not None and frame.kind != CONTINUATION:
            raise Http2Error("a header block is not finished")
        if self._block is None and frame.kind == CONTINUATION:
            raise Http2Error("a CONTINUATION frame without HEADERS")
        if frame.kind in _OF_A_CALL and frame.stream != _CALL:
            raise Http2Error(f"a frame for call {frame.stream}, which was not made")
        if frame.kind == PUSH_PROMISE:
            raise Http2Error("it pushes although push is disabled")

    def _take_body(self, frame: Frame) -> None:
        self.body += unpadded(frame)
        if len(self.body) > REPLY_LIMIT:
            raise Http2Error(f"its message is longer than {REPLY_LIMIT} bytes")
        self.ended = bool(frame.flags & END_STREAM)

    def _take_headers(self, frame: Frame) -> None:
        begins = frame.kind == HEADERS
        part = unpadded(frame) if begins else frame.payload
        if begins:
            self._block_ends = bool(frame.flags & END_STREAM)
        self._header_bytes += len(part)
        if self._header_bytes > HEADERS_LIMIT:
            raise Http2Error(f"its headers are longer than {HEADERS_LIMIT} bytes")
        if not (begins and frame.flags & END_HEADERS):  # nearly always a block is one frame
            self._block = bytearray() if self._block is None else self._block
            self._block += part
            if not frame.flags & END_HEADERS:
                return
            part, self._block = bytes(self._block), None
        headers = self._decode(part)
        self.headers += headers
        if len(self.headers) > FIELDS_LIMIT:
            raise Http2Error(f"more than {FIELDS_LIMIT} headers")
        for name, value in headers:
            if name == b":status":
                self.status = read_code(name, value, 3)
        self.ended = self._block_ends

    def _decode(self, block: bytes) -> list[tuple[bytes, bytes]]:
        hpack = _hpack()
        if self._decoder is None:
            self._decoder = hpack.Decoder(max_header_list_size=_LIST_LIMIT)
        try:
            if _RESIZED.match(block):
                raise hpack.HPACKDecodingError
            headers: list[tuple[bytes, bytes]] = self._decoder.decode(block, raw=True)
        except hpack.HPACKError:
            raise Http2Error("its headers are malformed") from None
        return headers


@cache
def _hpack() -> Any:
    import hpack  # noqa: PLC0415  (only a configuration that speaks HTTP/2 pays for it)

    return hpack


def read_code(name: bytes, value: bytes, digits: int) -> int:
    """Return the number in a header, with at most `digits` digits. Raise `Http2Error`."""
    if not value.isdigit() or len(value) > digits:
        raise Http2Error(f"its {name.decode()} is {value[:16]!r}")
    return int(value)
