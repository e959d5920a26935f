"""HTTP/2: frames and the names of errors; `http2_call` is a client's side of one call.

Source: RFC 9113; section numbers below refer to it.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""The bytes that a client sends before its first frame: section 3.4."""
DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE = 0, 1, 3, 4, 5
PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
FRAME_LIMIT: Final = 16384
"""Maximum bytes of a frame, unless a peer was allowed longer ones."""

_CODES: Final = (  # section 7, from 0 on
    *("NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT"),
    *("STREAM_CLOSED", "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR"),
    *("CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"),
)


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


def error_name(code: int) -> str:
    """Return an error code for people: its number, and its name if it has one."""
    return f"{code} ({_CODES[code]})" if code < len(_CODES) else str(code)


class Frame(NamedTuple):
    """A frame: its type, its flags, its stream and its payload."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def write_frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """Return a frame as bytes (section 4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


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
            raise Http2Error(_beginning(content))
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


def _beginning(content: bytes) -> str:
    """Say what a peer sent instead of HTTP/2."""
    instead = "the server speaks HTTP/1, " if content.startswith(b"HTTP/1.") else ""
    return f"{instead}it starts with {content[:16]!r}"
