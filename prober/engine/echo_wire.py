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
from prober.engine.resolver import SocketAddress
from prober.engine.sockets import IS_RAW
from prober.engine.wire import Wire, error_of
from prober.model.probe import Pong, Trouble
from prober.model.status import Reason
from prober.protocols.icmp_echo import (
    read_reply,
    read_request,
    without_ip_header,
    write_request,
)

_ANCILLARY: Final = 256
_SCM_TIMESTAMPNS: Final = 35
_TIME: Final = struct.Struct("@qq")
_HOP_LIMITS: Final = (2, 52)  # IP_TTL, IPV6_HOPLIMIT
_AF_INET: Final = int(socket.AF_INET)
_IP_HEADER: Final = 60  # bytes at most; raw sockets receive it
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
    """A monotonic clock, and one of unix time, which the kernel uses to stamp replies."""

    steady: Callable[[], float]
    wall: Callable[[], float]


_Sent = tuple[bytes, float, float]  # its payload, when by the steady clock, and by the wall


class EchoWire(Wire):
    """The socket of an ICMP probe; what it takes is a `Pong`, or a `Trouble` of one request.

    A reply counts if it has the sequence number and the whole payload of a request that waits for
    one. The payload begins with a number that is never used again, so that a reply to another
    request is not taken for it, and cannot be guessed. A ping socket sends `to` an address, without
    being connected; a raw one is connected.
    """

    __slots__ = (
        "_clocks",
        "_heard",
        "_identifier",
        "_is_raw",
        "_longest",
        "_outstanding",
        "_to",
        "_tokens",
        "_version",
    )

    def __init__(
        self,
        sock: socket.SocketType,
        again: Callable[[int, bool], None],
        tokens: Tokens,
        clocks: Clocks,
        to: SocketAddress | None = None,
    ) -> None:
        super().__init__(sock, again)
        self._tokens = tokens
        self._clocks = clocks
        self._version = 4 if sock.family == _AF_INET else 6
        self._is_raw = is_raw = sock.type == IS_RAW
        self._to = None if is_raw else to
        # The kernel fills in that of a ping socket.
        self._identifier = tokens.take() >> 16 & 0xFFFF if self._is_raw else 0
        self._longest = _IP_HEADER
        self._outstanding: dict[int, _Sent] = {}
        self._heard: deque[Pong | Trouble] = deque()

    def ping(self, size: int) -> float:
        """Send a request with this many bytes of payload; return when, on the steady clock."""
        number = self._tokens.take()
        sequence = number & 0xFFFF
        payload = _TOKEN.pack(number)
        payload = payload[:size] if size <= _TOKEN.size else payload + _padding(size - _TOKEN.size)
        echo = self._identifier, sequence, payload
        request = write_request(echo, self._version, sums=self._is_raw)  # or the kernel does it
        self._longest = len(request) + _IP_HEADER
        steady, wall = self._clocks
        self._outstanding[sequence] = _, sent_at, _ = payload, steady(), wall()
        try:
            self._send(request)
        except OSError as error:
            self._send_again(request, error.errno or 0)
        return sent_at

    def _send(self, request: bytes) -> None:
        if self._to is None:
            self._sock.send(request)
        else:
            self._sock.sendto(request, self._to)

    def _send_again(self, request: bytes, number: int) -> None:
        """Send a request that failed, if the error was that of an earlier one."""
        if self._take_errors():
            try:
                self._send(request)
            except OSError as error:
                number = error.errno or 0
            else:
                return
        raise at_once(number, lacks_address=True)

    def take(self) -> Pong | Trouble | None:
        """Return what came for one of the requests, or None if it must wait."""
        while not self._heard:
            if not self.readable:
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
            if quoted is None or (self._is_raw and quoted[0] != self._identifier):
                continue
            if self._outstanding.pop(quoted[1], None) is not None:
                self._heard.append(_refusal(error))
                self.readable = True
        return found

    def _hear(self) -> None:
        """Read one message."""
        try:
            message, extra, _, _ = self._sock.recvmsg(self._longest, _ANCILLARY)
        except BlockingIOError:
            self.readable = False
            return
        except OSError as error:
            if not self._take_errors():
                raise from_network(error.errno or 0) from None
            return
        self.received += len(message)
        if self._is_raw and self._version == 4:
            message = without_ip_header(message)
        reply = read_reply(message, self._version)
        if reply is None:
            return
        _, sequence, payload = reply
        sent = self._outstanding.get(sequence)
        if sent is None or payload != sent[0]:
            return
        del self._outstanding[sequence]
        self._heard.append(self._pong(sent, extra))

    def _pong(self, sent: _Sent, extra: list[tuple[int, int, bytes]]) -> Pong:
        """Return what the kernel tells of a reply; its time, unless somebody has set the clock."""
        _, at, wall = sent
        hop_limit, took = None, self._clocks.steady() - at
        for _, kind, content in extra:
            if kind == _SCM_TIMESTAMPNS:
                seconds, nanoseconds = _TIME.unpack(content)
                by_kernel = seconds + nanoseconds / 1e9 - wall
                if 0.0 < by_kernel <= took:
                    took = by_kernel
            elif kind in _HOP_LIMITS:  # nothing else is asked for
                hop_limit = int.from_bytes(content, byteorder)
        return took, hop_limit


def _refusal(error: QueuedError) -> Trouble:
    """Return what an ICMP error means for a request: whatever it is, the target was not reached."""
    return Trouble(Reason.UNREACHABLE, error.trouble().verdict.detail)


@lru_cache(64)
def _padding(size: int) -> bytes:
    return bytes(size)
