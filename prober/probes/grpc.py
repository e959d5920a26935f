"""GRPC: good when grpc.health.v1.Health/Check answers with an expected code, and SERVING.

The few HTTP/2 frames that one call needs are read and written here; header compression is the
`hpack` library's. A full HTTP/2 stack costs several times as much per probe.

Sources: RFC 9113 (HTTP/2); grpc/doc/PROTOCOL-HTTP2.md; grpc/doc/health-checking.md.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import unquote_to_bytes

from prober import __version__
from prober.model.kinds import Codes, codes, matching, text
from prober.model.option import option
from prober.model.probe import RECEIVE, Send, StartTls, Steps, Target, Trouble
from prober.model.status import Reason, Verdict
from prober.model.tls_settings import TlsSettings
from prober.probes.tls import TLS, handshake
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
    Frame,
    unpadded,
    write_frame,
)

_OF_A_CALL = (DATA, HEADERS, RST_STREAM, CONTINUATION)
_REPLY_LIMIT = 65536
_FRAMES_LIMIT = 1024
_SERVING_STATUS = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
_SERVING = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcProbe:
    """Call grpc.health.v1.Health/Check, in the clear or, if `tls` is given, over TLS.

    Code 0 is good only if the answer is SERVING; other codes are compared with expected_codes
    alone.
    """

    datagram: ClassVar[bool] = False

    service: str = option(
        text(longest=255), default="", doc="service to ask about; empty: the whole server"
    )
    authority: str | None = option(
        matching(r"[A-Za-z0-9._\[\]:-]+", "a host, or host:port", longest=255),
        default=None,
        doc="the :authority header; default: the target",
    )
    expected_codes: Codes = option(
        codes(0, 99), default=Codes("0", frozenset({0})), doc="gRPC status codes that are good"
    )
    tls: TlsSettings | None = option(TLS, default=None, doc="TLS settings; without them, no TLS")

    def bind(self, target: Target) -> Callable[[], Steps]:
        """Return what starts one probe of this target."""
        request = Send(self._request(target))
        start = handshake(self.tls, target.host, ("h2",)) if self.tls is not None else None
        return lambda: self._converse(start, request)

    def _request(self, target: Target) -> bytes:
        from hpack import Encoder  # noqa: PLC0415  (only a configuration with GRPC pays for it)

        headers = Encoder().encode(
            [
                (":method", "POST"),
                (":scheme", "https" if self.tls else "http"),
                (":path", "/grpc.health.v1.Health/Check"),
                (":authority", self.authority or str(target)),
                ("te", "trailers"),
                ("content-type", "application/grpc"),
                ("user-agent", f"prober/{__version__}"),
            ]
        )
        service = self.service.encode()
        message = b"\x0a" + _varint(len(service)) + service if service else b""
        body = struct.pack(">BI", 0, len(message)) + message
        return b"".join(
            (
                PREFACE,
                write_frame(SETTINGS, 0, 0, b"\x00\x02\x00\x00\x00\x00"),  # ENABLE_PUSH 0
                write_frame(HEADERS, END_HEADERS, 1, headers),
                write_frame(DATA, END_STREAM, 1, body),
            )
        )

    def _converse(self, start: StartTls | None, request: Send) -> Steps:
        if start is not None:
            yield start
        yield request
        reply = _Reply()
        while not reply.ended:
            content: bytes = yield RECEIVE
            if not content:
                return Verdict(Reason.CLOSED, "closed before the call was answered")
            answers = reply.feed(content)
            if answers and not reply.ended:
                yield Send(answers)
        return self._judge(reply)

    def _judge(self, reply: "_Reply") -> Verdict:
        if not reply.http_status:
            raise _broken("it has no :status")
        if reply.grpc_status is None:
            if reply.http_status != 200:
                facts = {"http_status_code": reply.http_status}
                detail = f"HTTP {reply.http_status} instead of a gRPC answer"
                return Verdict(Reason.UNEXPECTED_STATUS, detail, facts)
            raise _broken("the call ended without a grpc-status")
        code = reply.grpc_status
        facts = {"grpc_status_code": code}
        words = f": {reply.grpc_message}" if reply.grpc_message else ""
        if code not in self.expected_codes.members:
            detail = f"gRPC code {code}{words}, expected {self.expected_codes.written}"
            return Verdict(Reason.UNEXPECTED_STATUS, detail, facts)
        if code != 0:
            return Verdict(Reason.OK, f"gRPC code {code}{words}", facts)
        status = _serving_status(bytes(reply.message))
        name = _SERVING_STATUS[status] if status < len(_SERVING_STATUS) else str(status)
        reason = Reason.OK if status == _SERVING else Reason.NOT_SERVING
        return Verdict(reason, f"gRPC {name}", {**facts, "grpc_serving_status": name})


def _broken(what: str) -> Trouble:
    return Trouble(Reason.BAD_RESPONSE, f"not a valid gRPC reply: {what}")


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*digits, number))


@dataclass(slots=True)
class _Reply:
    """What has come of the answer to the one call."""

    ended: bool = False
    http_status: int = 0
    grpc_status: int | None = None
    grpc_message: str = ""
    message: bytearray = field(default_factory=bytearray)
    _buffer: bytes = b""
    _greeted: bool = False
    _frames_left: int = _FRAMES_LIMIT
    _block: bytes | None = None  # a header block that CONTINUATION frames go on with
    _block_ends: bool = False
    _decoder: Any = None

    def feed(self, content: bytes) -> bytes:
        """Take bytes from the server; return what must be sent in answer to its frames."""
        return b"".join(self._take(frame) for frame in self._frames(content))

    def _frames(self, content: bytes) -> Iterator[Frame]:
        content = self._buffer + content
        position = 0
        if not self._greeted and content[0]:  # the frame would be longer than the limit
            raise _broken(f"it starts with {content[:16]!r}")
        while len(content) - position >= 9 and not self.ended:
            length = int.from_bytes(content[position : position + 3])
            kind, flags, stream = struct.unpack_from(">BBI", content, position + 3)
            if length > FRAME_LIMIT:
                raise _broken(f"a frame of {length} bytes")
            if not self._greeted and kind != SETTINGS:
                raise _broken("its first frame is not SETTINGS")
            if len(content) - position < 9 + length:
                break
            self._greeted = True
            self._frames_left -= 1
            if self._frames_left < 0:
                raise _broken(f"more than {_FRAMES_LIMIT} frames")
            payload = content[position + 9 : position + 9 + length]
            position += 9 + length
            yield Frame(kind, flags, stream & 0x7FFFFFFF, payload)
        self._buffer = content[position:]

    def _take(self, frame: Frame) -> bytes:
        self._check(frame)
        kind = frame.kind
        if kind == SETTINGS and not frame.flags & ACK:
            return write_frame(SETTINGS, ACK, 0, b"")
        if kind == PING and not frame.flags & ACK:
            return write_frame(PING, ACK, 0, frame.payload)
        if kind in (HEADERS, CONTINUATION):
            self._take_headers(frame)
        elif kind == DATA:
            self._take_message(frame)
        elif kind == RST_STREAM:
            code = int.from_bytes(frame.payload[:4])
            raise Trouble(Reason.RESET, f"the server reset the call, HTTP/2 error {code}")
        elif kind == GOAWAY:
            last, code = struct.unpack(">II", frame.payload[:8].ljust(8, b"\xff"))
            if code or not last & 0x7FFFFFFF:
                raise Trouble(Reason.CLOSED, f"the server sent GOAWAY, HTTP/2 error {code}")
        return b""

    def _check(self, frame: Frame) -> None:
        """Raise `Trouble` if the frame cannot come here."""
        if self._block is not None and frame.kind != CONTINUATION:
            raise _broken("a header block is not finished")
        if self._block is None and frame.kind == CONTINUATION:
            raise _broken("a CONTINUATION frame without HEADERS")
        if frame.kind in _OF_A_CALL and frame.stream != 1:
            raise _broken(f"a frame for call {frame.stream}, which was not made")
        if frame.kind == PUSH_PROMISE:
            raise _broken("it pushes although that was declined")

    def _take_message(self, frame: Frame) -> None:
        self.message += unpadded(frame)
        if len(self.message) > _REPLY_LIMIT:
            raise _broken(f"its message is longer than {_REPLY_LIMIT} bytes")
        self.ended = bool(frame.flags & END_STREAM)

    def _take_headers(self, frame: Frame) -> None:
        if frame.kind == HEADERS:
            block, self._block_ends = unpadded(frame), bool(frame.flags & END_STREAM)
        else:
            block = (self._block or b"") + frame.payload
        if len(block) > _REPLY_LIMIT:
            raise _broken(f"its headers are longer than {_REPLY_LIMIT} bytes")
        self._block = None if frame.flags & END_HEADERS else block
        if self._block is not None:
            return
        for name, value in self._decode(block):
            if name == b":status":
                self.http_status = _read_code(name, value, 3)
            elif name == b"grpc-status":
                self.grpc_status = _read_code(name, value, 2)
            elif name == b"grpc-message":
                words = unquote_to_bytes(value)[:200].decode(errors="replace")
                self.grpc_message = "".join(c if c.isprintable() else "\ufffd" for c in words)
        self.ended = self._block_ends

    def _decode(self, block: bytes) -> list[tuple[bytes, bytes]]:
        from hpack import Decoder, HPACKError  # noqa: PLC0415  (see bind)

        self._decoder = self._decoder or Decoder()
        try:
            headers: list[tuple[bytes, bytes]] = self._decoder.decode(block, raw=True)
        except HPACKError:
            raise _broken("its headers cannot be read") from None
        return headers


def _read_code(name: bytes, value: bytes, digits: int) -> int:
    if not value.isdigit() or len(value) > digits:
        raise _broken(f"its {name.decode()} is {value[:16]!r}")
    return int(value)


def _serving_status(message: bytes) -> int:
    """Return field 1 of the one HealthCheckResponse in a gRPC message stream."""
    if len(message) < 5:
        raise _broken("code 0 without a message")
    compressed, length = struct.unpack_from(">BI", message)
    if compressed or length != len(message) - 5:
        raise _broken("not exactly one message without compression")
    status, position = 0, 5
    while position < len(message):
        key, position = _read_varint(message, position)
        wire = key & 7
        if wire == 0:
            value, position = _read_varint(message, position)
            status = value if key >> 3 == 1 else status
        elif wire == 2:
            size, position = _read_varint(message, position)
            position += size
        elif wire in (1, 5):
            position += 8 if wire == 1 else 4
        else:
            raise _broken("its message cannot be read")
    if position != len(message):
        raise _broken("its message is cut off")
    return status


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            break
        byte = message[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
    raise _broken("its message is cut off")
