"""The echo requests of one ICMP probe, and what comes back for them."""

import socket
import struct
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from sys import byteorder
from typing import Final, NamedTuple

from prober.engine.error_queue import QueuedError, take_error
from prober.engine.os_errors import at_once, from_network
from prober.engine.wire import Wire, error_of
from prober.model.probe import Pong, Trouble
from prober.model.status import Reason
from prober.protocols.icmp_echo import (
    EchoMessage,
    read_reply,
    read_request,
    without_ip_header,
    write_request,
)

_ANCILLARY: Final = 256
_SCM_TIMESTAMPNS: Final = 35
_TIME: Final = struct.Struct("@qq")
_HOP_LIMITS: Final = ((socket.IPPROTO_IP, 2), (socket.IPPROTO_IPV6, 52))  # IP_TTL, IPV6_HOPLIMIT
_LONGEST: Final = 65536
_TOKEN: Final = struct.Struct("=Q")
_NUMBERS: Final = 1 << 64


class Tokens:
    """Makes every echo request of an engine different: `start` is a random number of 64 bits."""

    __slots__ = ("_next",)

    def __init__(self, start: int) -> None:
        self._next = start % _NUMBERS

    def take(self) -> int:
        """Return a number that no other request has for a long time."""
        self._next = number = (self._next + 1) % _NUMBERS
        return number


class Clocks(NamedTuple):
    """A monotonic clock, and one that tells unix time, by which the kernel stamps replies."""

    steady: Callable[[], float]
    wall: Callable[[], float]


class _Sent(NamedTuple):
    payload: bytes
    at: float
    wall: float


class EchoWire(Wire):
    """The socket of an ICMP probe; what it takes is a `Pong`, or a `Trouble` of one request.

    A reply counts if it has the sequence number and the whole payload of a request that waits for
    one. The payload begins with a number that is never used again, so that a reply to another
    request is not taken for it, and cannot be guessed.
    """

    __slots__ = (
        "_clocks",
        "_heard",
        "_identifier",
        "_is_raw",
        "_outstanding",
        "_tokens",
        "_version",
    )

    def __init__(
        self,
        sock: socket.SocketType,
        again: Callable[[int, bool], None],
        *,
        tokens: Tokens,
        clocks: Clocks,
    ) -> None:
        super().__init__(sock, again, datagram=True, events=0)
        self._tokens = tokens
        self._clocks = clocks
        self._version = 4 if sock.family == socket.AF_INET else 6
        self._is_raw = sock.type == socket.SOCK_RAW
        # The kernel fills in that of a ping socket.
        self._identifier = tokens.take() >> 16 & 0xFFFF if self._is_raw else 0
        self._outstanding: dict[int, _Sent] = {}
        self._heard: deque[Pong | Trouble] = deque()

    def ping(self, size: int) -> float:
        """Send a request with this many bytes of payload; return when, on the steady clock."""
        number = self._tokens.take()
        sequence = number & 0xFFFF
        payload = _TOKEN.pack(number)[:size] + _padding(max(0, size - _TOKEN.size))
        request = write_request(EchoMessage(self._identifier, sequence, payload), self._version)
        sent = _Sent(payload, self._clocks.steady(), self._clocks.wall())
        self._outstanding[sequence] = sent
        if (error := self._send(request)) and self._take_errors():
            error = self._send(request)  # that was the error of an earlier request
        if error:
            raise at_once(error, lacks_address=True)
        return sent.at

    def _send(self, request: bytes) -> int:
        """Send a request, and return the number of the error, 0 if there is none."""
        try:
            self._sock.send(request)
        except OSError as error:
            return error.errno or 0
        return 0

    def take(self) -> Pong | Trouble | None:
        """Return what came for one of the requests, or None if it must wait."""
        while not self._heard:
            if not self._readable:
                return None
            if not self._reads_left:
                self._again(self._sock.fileno(), self._drips())
                return None
            self._reads_left -= 1
            self._hear()
        return self._heard.popleft()

    def _saw_error(self) -> None:
        if not self._take_errors() and (error := error_of(self._sock)):
            raise error

    def _take_errors(self) -> bool:
        """Take what the error queue says of the requests; return whether it said anything."""
        found = False
        while (error := take_error(self._sock)) is not None:
            found = True
            if not error.version:
                raise error.trouble()
            quoted = read_request(error.quoted, self._version)
            if quoted is None or (self._is_raw and quoted.identifier != self._identifier):
                continue
            if self._outstanding.pop(quoted.sequence, None) is not None:
                self._heard.append(_refusal(error))
        return found

    def _hear(self) -> None:
        """Read one message."""
        try:
            message, extra, _, _ = self._sock.recvmsg(_LONGEST, _ANCILLARY)
        except BlockingIOError:
            self._readable = False
            return
        except OSError as error:
            if not self._take_errors():
                raise from_network(error.errno or 0) from None
            return
        self.received += len(message)
        if self._is_raw and self._version == 4:
            message = without_ip_header(message)
        reply = read_reply(message, self._version)
        sent = self._outstanding.get(reply.sequence) if reply else None
        if reply is None or sent is None or reply.payload != sent.payload:
            return
        del self._outstanding[reply.sequence]
        hop_limit, stamp = None, None
        for level, kind, content in extra:
            if kind == _SCM_TIMESTAMPNS and level == socket.SOL_SOCKET:
                seconds, nanoseconds = _TIME.unpack(content)
                stamp = seconds + nanoseconds / 1e9
            elif (level, kind) in _HOP_LIMITS:
                hop_limit = int.from_bytes(content, byteorder)
        self._heard.append(Pong(self._took(sent, stamp), hop_limit))

    def _took(self, sent: _Sent, stamp: float | None) -> float:
        """Return the seconds until a reply: by the kernel, unless somebody has set the clock."""
        most = self._clocks.steady() - sent.at
        by_kernel = -1.0 if stamp is None else stamp - sent.wall
        return by_kernel if 0.0 < by_kernel <= most else most


def _refusal(error: QueuedError) -> Trouble:
    """Return what an ICMP error means for a request: whatever it is, the target was not reached."""
    return Trouble(Reason.UNREACHABLE, error.trouble().verdict.detail)


@lru_cache(64)
def _padding(size: int) -> bytes:
    return bytes(size)
