"""HTTP/2: the few frames that one call needs, written and read; header compression is hpack's.

Source: RFC 9113.
"""

import struct
from typing import NamedTuple

from prober.model.probe import Trouble
from prober.model.status import Reason

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE = 0, 1, 3, 4, 5
PING, GOAWAY, CONTINUATION = 6, 7, 9
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
FRAME_LIMIT = 16384  # the largest frame that may be sent to a client that asked for nothing else


def _broken(what: str) -> Trouble:
    return Trouble(Reason.BAD_RESPONSE, f"not a valid gRPC reply: {what}")


def write_frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Write a frame (section 4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


class Frame(NamedTuple):
    """A frame: its type, its flags, the stream that it belongs to, and what it carries."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def unpadded(frame: Frame) -> bytes:
    """Return the payload of DATA or HEADERS without padding and priority (RFC 9113, 6.1, 6.2)."""
    start, end = 0, len(frame.payload)
    if frame.flags & PADDED:
        start, end = 1, end - frame.payload[0] if frame.payload else -1
    if frame.kind == HEADERS and frame.flags & PRIORITY:
        start += 5
    if start > end:
        raise _broken("its padding is longer than the frame")
    return frame.payload[start:end]
