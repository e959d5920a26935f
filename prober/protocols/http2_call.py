"""The client's side of one call over HTTP/2; the `hpack` library compresses headers.

A full HTTP/2 stack costs several times as much per call.

Source: RFC 9113; section numbers below refer to it.
"""

import re
import struct
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any, Final, NamedTuple, final

from prober.protocols.http1 import Head
from prober.protocols.http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_LIMIT,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Frame,
    FrameReader,
    GoAwayError,
    Http2Error,
    StreamResetError,
    unpadded,
    write_frame,
)

FRAMES_LIMIT: Final = 1024
"""Maximum number of frames in the answer to one call, unless a long body is wanted."""
REPLY_LIMIT: Final = 65536
"""Maximum bytes of the body of an answer that is wanted as a whole."""
HEADERS_LIMIT: Final = 16384
"""Bytes of all header blocks of the answer to one call, compressed."""
FIELDS_LIMIT: Final = 512
"""Headers of the answer to one call."""
OF_A_CONNECTION: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}
)
"""Headers of HTTP/1 that HTTP/2 does not have: section 8.2.2."""

_LIST_LIMIT: Final = (
    24576  # bytes of the headers of one block, as RFC 7541, section 4.1, counts them
)
_RESIZED: Final = re.compile(
    rb"(?:[\x20-\x3e]|\x3f[\x80-\xff]*+[\x00-\x7f]){3}"
)  # RFC 7541, section 4.2
_CALL: Final = 1  # the stream of a client's first call
_OF_A_CALL: Final = (DATA, HEADERS, RST_STREAM, CONTINUATION)
_PUSH_OFF: Final = b"\x00\x02\x00\x00\x00\x00"  # ENABLE_PUSH 0: section 6.5.2
_INITIAL_WINDOW_SIZE: Final = 4  # a setting: section 6.5.2
_WINDOW: Final = (
    65535  # bytes that may be sent before the receiver has given more room: section 6.9.2
)
_WIDEST: Final = 0x7FFFFFFF
_EIGHT: Final = b"prober/1"  # the payload of a PING
_FRAMES_OF_A_PING: Final = 64  # beside the answer, a server sends settings
_FRAME_SIZE: Final = 1024  # bytes, the least on average in a long body
_FIELD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_NOT_IN_A_VALUE: Final = re.compile(rb"[\r\n\x00]")

Field = tuple[str | bytes, str | bytes] | tuple[str | bytes, str | bytes, bool]
"""A header to send: its name in lower case, its value, and whether no table may keep it."""


class Request(NamedTuple):
    """A request: what is sent at once, and the body that has to wait for room at the server."""

    content: bytes
    unsent: bytes = b""


def write_call(headers: Sequence[Field], body: bytes | None) -> Request:
    """Return everything that a client sends on a new connection to make one call."""
    block = _hpack().Encoder().encode(headers)
    parts = [PREFACE, write_frame(SETTINGS, payload=_PUSH_OFF)]
    pieces = _pieces(block) or [b""]
    for number, piece in enumerate(pieces):
        flags = END_HEADERS if number == len(pieces) - 1 else 0
        if number == 0 and body is None:
            flags |= END_STREAM
        parts.append(write_frame(CONTINUATION if number else HEADERS, flags, _CALL, piece))
    if body is None:
        return Request(b"".join(parts))
    now, later = body[:_WINDOW], body[_WINDOW:]
    parts += _data(now, ends=not later)
    return Request(b"".join(parts), later)


def _pieces(content: bytes) -> list[bytes]:
    return [content[at : at + FRAME_LIMIT] for at in range(0, len(content), FRAME_LIMIT)]


def _data(content: bytes, *, ends: bool) -> Iterator[bytes]:
    """Yield the frames of a part of a body, which may be its end."""
    pieces = _pieces(content) or [b""]
    for number, piece in enumerate(pieces, 1):
        flags = END_STREAM if ends and number == len(pieces) else 0
        yield write_frame(DATA, flags, _CALL, piece)


@final
class Call:
    """The answer to the one call of a connection, as far as it has arrived.

    `status` is 0 until it is known; `headers` are those of the heads and of the trailers; `head`
    are those of the final head, None until it is there; `ended` means that the answer is complete.

    `wanted` is how many bytes of the body are to be read after the final head: `feed` stops when
    they are there. None means the whole answer. `unsent` is the rest of the request's body.
    """

    __slots__ = (
        "_block",
        "_block_ends",
        "_decoder",
        "_header_bytes",
        "_later",
        "_reader",
        "_room",
        "_room_of_all",
        "_taken",
        "_unsent",
        "_window",
        "body",
        "ended",
        "head",
        "headers",
        "status",
        "wanted",
    )

    def __init__(
        self, unsent: bytes = b"", wanted: int | None = None, longest: int = REPLY_LIMIT
    ) -> None:
        self.status = 0
        self.head: list[tuple[bytes, bytes]] | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = bytearray()
        self.ended = False
        self.wanted = wanted
        self._reader = FrameReader(max(FRAMES_LIMIT, 2 * longest // _FRAME_SIZE))
        self._later: Iterator[Frame] | None = None  # what came after all that was wanted
        self._header_bytes = 0
        self._block: bytearray | None = None  # a header block that CONTINUATION frames continue
        self._block_ends = False
        self._decoder: Any = None
        self._taken = 0  # bytes of DATA for which the server has not been given new room
        self._unsent = unsent
        self._window = _WINDOW  # that the server begins each call with
        self._room = self._room_of_all = 0  # for more of the body: of the call, of the connection

    @property
    def is_enough(self) -> bool:
        """Whether everything that is wanted has arrived."""
        if self.wanted is None or self.ended:
            return self.ended
        return self.head is not None and len(self.body) >= self.wanted

    def feed(self, content: bytes) -> bytes:
        """Take bytes from the server; return what must be sent in answer to its frames.

        Without bytes, go on with what has arrived already, after more of it is wanted.

        Raises:
            Http2Error: The bytes are not the answer to a call.
            StreamResetError: The server reset the call.
            GoAwayError: The server ends the connection without an answer.
        """
        answers: list[bytes] = []
        frames = self._reader.feed(content) if content else iter(())
        if self._later is not None:
            frames, self._later = chain(self._later, frames), None
        for frame in frames:
            answer = self._take(frame)
            if answer:
                answers.append(answer)
            if self.ended:
                break
            if self.wanted is not None and self.is_enough:
                self._later = frames
                break
        return b"".join(answers)

    def _take(self, frame: Frame) -> bytes:
        self._check(frame)
        kind = frame.kind
        if kind == SETTINGS and not frame.flags & ACK:
            answer = write_frame(SETTINGS, ACK)
            return answer + self._resized(frame.payload) if self._unsent else answer
        if kind == PING and not frame.flags & ACK:
            return write_frame(PING, ACK, payload=frame.payload)
        if kind in (HEADERS, CONTINUATION):
            self._take_headers(frame)
        elif kind == DATA:
            return self._take_body(frame)
        elif kind == WINDOW_UPDATE and self._unsent:
            return self._widened(frame)
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

    def _take_body(self, frame: Frame) -> bytes:
        """Take a part of the body; return what gives the server room for more, if it is time."""
        self.body += unpadded(frame)
        if self.wanted is not None and self.head is None:
            raise Http2Error("its body comes before its head")
        if self.wanted is None and len(self.body) > REPLY_LIMIT:
            raise Http2Error(f"its message is longer than {REPLY_LIMIT} bytes")
        self.ended = bool(frame.flags & END_STREAM)
        self._taken += len(frame.payload)
        if self._taken <= _WINDOW // 2 or self.ended:
            return b""
        room, self._taken = struct.pack(">I", self._taken), 0
        return write_frame(WINDOW_UPDATE, 0, 0, room) + write_frame(WINDOW_UPDATE, 0, _CALL, room)

    def _resized(self, settings: bytes) -> bytes:
        """Use the server's settings; return the part of the request's body that it has room for."""
        for number, value in struct.iter_unpack(">HI", settings[: len(settings) // 6 * 6]):
            if number == _INITIAL_WINDOW_SIZE:
                self._room += value - self._window
                self._window = value
        return self._more()

    def _widened(self, frame: Frame) -> bytes:
        """Use new room at the server; return the part of the request's body that fits there."""
        room = int.from_bytes(frame.payload[:4]) & _WIDEST
        if frame.stream:
            self._room += room
        else:
            self._room_of_all += room
        return self._more()

    def _more(self) -> bytes:
        room = min(self._room, self._room_of_all, len(self._unsent))
        if room <= 0:
            return b""
        now, self._unsent = self._unsent[:room], self._unsent[room:]
        self._room -= room
        self._room_of_all -= room
        return b"".join(_data(now, ends=not self._unsent))

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
        if self.head is None and self.status >= 200:
            self.head = headers
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


class PingCall:
    """A PING on a connection without calls, and its answer; `ended` means that it is there.

    Source: section 6.7.
    """

    __slots__ = ("_reader", "ended", "request")

    def __init__(self) -> None:
        self.ended = False
        self.request = b"".join(
            (PREFACE, write_frame(SETTINGS, payload=_PUSH_OFF), write_frame(PING, payload=_EIGHT))
        )
        self._reader = FrameReader(_FRAMES_OF_A_PING)

    def feed(self, content: bytes) -> bytes:
        """Take bytes from the server; return what must be sent in answer to its frames.

        Raises:
            Http2Error: The bytes are not the answer to a PING.
            GoAwayError: The server ends the connection because of an error.
        """
        answers = b""
        for kind, flags, stream, payload in self._reader.feed(content):
            if stream and kind in _OF_A_CALL:
                raise Http2Error(f"a frame for call {stream}, which was not made")
            if kind == SETTINGS and not flags & ACK:
                answers += write_frame(SETTINGS, ACK)
            elif kind == PING and not flags & ACK:
                answers += write_frame(PING, ACK, payload=payload)
            elif kind == PING:
                if payload != _EIGHT:
                    raise Http2Error(f"it answers the PING with {payload[:16]!r}")
                self.ended = True
                break
            elif kind == GOAWAY and (code := int.from_bytes(payload[4:8].ljust(4, b"\xff"))):
                raise GoAwayError(code)
        return answers


@cache
def _hpack() -> Any:
    import hpack  # noqa: PLC0415  (only a configuration that speaks HTTP/2 pays for it)

    return hpack


def read_code(name: bytes, value: bytes, digits: int) -> int:
    """Return the number in a header, with at most `digits` digits. Raise `Http2Error`."""
    if not value.isdigit() or len(value) > digits:
        raise Http2Error(f"its {name.decode()} is {value[:16]!r}")
    return int(value)


def head_of(call: Call) -> Head:
    """Return a final head as HTTP/1 would write it, with the version 2.0. Raise `Http2Error`."""
    if call.head is None:
        raise Http2Error("it ends without a final status")
    lines, length = [b"HTTP/2.0 %d" % call.status], None
    for name, value in call.head:
        if name.startswith(b":"):
            continue
        if not _FIELD.fullmatch(name) or name.decode() in OF_A_CONNECTION:
            raise Http2Error(f"it has the header {name[:64]!r}")
        if _NOT_IN_A_VALUE.search(value):
            raise Http2Error(f"its header {name[:64].decode()} has a line break")
        if name == b"content-length":
            length = read_code(name, value, 18)
        lines.append(name + b": " + value)
    return Head(call.status, length, chunked=False, content=b"\r\n".join((*lines, b"", b"")))
