"""The bytes of one connected probe in both directions, with or without TLS."""

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from select import EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP
from typing import Final

from prober.engine.handshake import TlsStream
from prober.engine.os_errors import at_once, from_network
from prober.model.probe import Trouble
from prober.model.status import Reason

REPLY_LIMIT: Final = 2 * 1024 * 1024
"""Maximum bytes of a reply, whatever the probe type."""

_ENDED: Final = EPOLLRDHUP | EPOLLHUP | EPOLLERR
_NEWS: Final = EPOLLIN | _ENDED
_ACK_NOW: Final = (socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
_READ_SIZE: Final = 16384
_DATAGRAM_SIZE: Final = 65536
_READS_AT_ONCE: Final = 2  # a probe can take 15 ms to process one hostile read
_ICMP_ORIGINS: Final = (2, 3)  # <linux/errqueue.h>: SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6


class Wire:
    """A connected socket.

    `again` requests another report of the socket's descriptor, after all others. Problems are
    raised as `Trouble`.
    """

    __slots__ = (
        "_again",
        "_datagram",
        "_ended",
        "_limit",
        "_readable",
        "_reads_left",
        "_sock",
        "received",
        "tls",
        "unsent",
    )

    def __init__(
        self,
        sock: socket.SocketType,
        again: Callable[[int], None],
        *,
        datagram: bool,
        events: int,
        limit: int = REPLY_LIMIT,
    ) -> None:
        self.received = 0
        self.unsent = b""
        self.tls: TlsStream | None = None
        self._sock = sock
        self._again = again
        self._datagram = datagram
        self._limit = limit
        self._reads_left = _READS_AT_ONCE
        self._readable = events & _NEWS != 0
        self._ended = events & _ENDED != 0  # the peer sends nothing beyond what has arrived

    def see(self, events: int) -> None:
        """Handle what epoll reports about the socket, and send what waits for room."""
        self._reads_left = _READS_AT_ONCE
        if events & EPOLLERR and self._datagram:
            error = self._icmp_error()
            if error is not None:
                raise error
        if events & _NEWS:
            self._readable = True
            if events & _ENDED:
                self._ended = True
        if self.unsent and events & EPOLLOUT:
            self._flush()

    def take(self) -> bytes | None:
        """Return the next bytes for the probe, `b""` at the end, None if it must wait."""
        tls = self.tls
        if tls is None:
            return self._read()
        while not tls.pending or (content := tls.read()) is None:
            more = self._read()
            if more is None:
                self._write(tls.outgoing.read())  # a server may renegotiate
                return None
            tls.feed(more)
        return content

    def send(self, content: bytes) -> None:
        """Send bytes; what the socket does not accept now stays in `unsent`."""
        if self.tls is not None:
            self.tls.write(content)
            content = self.tls.outgoing.read()
        self._write(content)

    def shake(self, tls: TlsStream) -> bool:
        """Continue a TLS handshake; return whether it is complete."""
        self.tls = tls
        try:
            while not (complete := tls.shake()):
                content = self._read()
                if content is None:
                    break
                tls.feed(content)
        except Trouble:
            with suppress(Trouble):
                self._write(tls.outgoing.read())  # the alert that tells the server the reason
            raise
        self._write(tls.outgoing.read())
        return complete

    def is_confirmed(self, tls: TlsStream) -> bool:
        """Return whether the server has answered our last flight: session tickets, or an alert."""
        content = None
        try:
            while not tls.is_welcome:
                if tls.pending and (content := tls.read()) is not None:
                    break
                more = self._read()
                if more is None:
                    return tls.has_answer
                tls.feed(more)
        except Trouble:
            if not tls.has_ticket:
                raise
        if content or tls.is_welcome or tls.has_ticket:
            return True
        raise Trouble(Reason.CLOSED, "closed right after the TLS handshake")

    def acknowledge(self) -> None:
        """Acknowledge at once what has arrived: otherwise a peer may wait before sending more."""
        if not self._datagram:
            self._sock.setsockopt(*_ACK_NOW)

    def _read(self) -> bytes | None:
        """Read from the socket: `b""` at the end of a stream, None if there is nothing now."""
        if not self._readable:
            return None
        if not self._reads_left:
            self._again(self._sock.fileno())
            return None
        self._reads_left -= 1
        try:
            content = self._sock.recv(_DATAGRAM_SIZE if self._datagram else _READ_SIZE)
        except BlockingIOError:
            self._readable = False
            return None
        except OSError as error:
            raise from_network(error.errno or 0) from None
        self.received += len(content)
        if self.received > self._limit:
            raise Trouble(Reason.BAD_RESPONSE, f"reply longer than {self._limit} bytes")
        if len(content) < _READ_SIZE and not self._ended and not self._datagram:
            self._readable = False  # epoll(7): a short read means that the buffer is empty
        return content

    def _write(self, content: bytes) -> None:
        if content:
            self.unsent += content
            self._flush()

    def _flush(self) -> None:
        """Send as much of the unsent bytes as the socket accepts."""
        try:
            sent = self._sock.send(self.unsent)
        except BlockingIOError:
            return
        except OSError as error:
            if self.tls is not None and self.tls.is_secured:
                self._readable = True
                self.take()  # raises the alert with the reason, if it has arrived already
            number = error.errno or 0
            if self._datagram:  # it has a port already
                raise at_once(number, lacks_address=True) from None
            raise from_network(number) from None
        self.unsent = self.unsent[sent:]

    def _icmp_error(self) -> Trouble | None:
        """Return the content of the socket's error queue: an ICMP error, or a local one."""
        try:
            _, messages, _, _ = self._sock.recvmsg(1, 512, socket.MSG_ERRQUEUE)
        except OSError:
            return error_of(self._sock)
        for _, _, content in messages:
            error, origin = struct.unpack_from("=IB", content)
            return from_network(error) if origin in _ICMP_ORIGINS else at_once(error)
        return error_of(self._sock)


def error_of(sock: socket.SocketType) -> Trouble | None:
    """Return the network's report about a socket, if it is an error."""
    error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return from_network(error) if error else None
