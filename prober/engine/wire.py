"""The bytes of one connection in both directions, with or without TLS."""

import socket
from collections.abc import Callable
from contextlib import suppress
from select import EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP
from typing import Final

from prober.engine.handshake import TlsStream
from prober.engine.os_errors import OF_ICMPV6, from_network
from prober.engine.tcp_state import is_open
from prober.model.probe import Ends, Send, Trouble
from prober.model.status import Reason

REPLY_LIMIT: Final = 2 * 1024 * 1024
"""Maximum bytes of a reply, whatever the probe type."""

_ENDED: Final = EPOLLRDHUP | EPOLLHUP | EPOLLERR
_NEWS: Final = EPOLLIN | _ENDED
_ACK_NOW: Final = (socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
_READ_SIZE: Final = 16384
_READS_AT_ONCE: Final = 2
_FREE_TURNS: Final = 64  # in which a peer may send as little as it likes
_DROP: Final = 1024  # bytes per turn, on average, below which a peer drips


class Wire:
    """A connected socket.

    `again` requests another report of the socket's descriptor, after all others; with True, after a
    pause, because the peer sends a few bytes at a time. Problems are raised as `Trouble`. Unless
    `readable`, there is nothing to take but what TLS may still have.
    """

    __slots__ = (
        "_again",
        "_ended",
        "_failure",
        "_limit",
        "_reads_left",
        "_sock",
        "_turns",
        "_until_answered",
        "readable",
        "received",
        "tls",
        "unsent",
    )

    def __init__(
        self,
        sock: socket.SocketType,
        again: Callable[[int, bool], None],
        *,
        events: int = 0,
        limit: int = REPLY_LIMIT,
    ) -> None:
        self.received = 0
        self.unsent: bytes | memoryview = b""
        self.tls: TlsStream | None = None
        self._sock = sock
        self._again = again
        self._limit = limit
        self._reads_left = _READS_AT_ONCE
        self._turns = 0
        self._until_answered = False
        self._failure = 0  # the error of a send that was no trouble because the peer had answered
        self.readable = events & _NEWS != 0
        self._ended = events & _ENDED != 0  # the peer sends nothing beyond what has arrived

    def see(self, events: int) -> None:
        """Handle what epoll reports about the socket, and send what waits for room."""
        self._turns = turns = self._turns + 1
        slow = turns > _FREE_TURNS and self._drips()
        self._reads_left = 0 if slow else _READS_AT_ONCE
        if events & EPOLLERR:
            self._saw_error()
        if events & _NEWS:
            self.readable = True
            if events & _ENDED:
                self._ended = True
        if self.unsent and events & EPOLLOUT:
            self._flush()

    def give_turn(self) -> None:
        """Let it read although its peer sends in drops."""
        self._reads_left = _READS_AT_ONCE

    def take(self) -> object | None:
        """Return the next bytes for the probe, `b""` at the end, None if it must wait.

        Subclasses may return something other than bytes.
        """
        tls = self.tls
        if tls is None:
            return self._read()
        while not tls.pending or (content := tls.read()) is None:
            more = self._read()
            if more is None:
                self._write(tls.outgoing.read())  # a server may renegotiate
                return None
            tls.feed(more)
        return self._gathered(tls, content) if content and tls.has_more else content

    def _gathered(self, tls: TlsStream, content: bytes) -> bytes:
        """Return what is here already, not one record after the other; some are of one byte."""
        parts, size = [content], len(content)
        with suppress(Trouble):  # raised again by the next read
            while size < _READ_SIZE and (content := tls.read() or b""):
                parts.append(content)
                size += len(content)
        return b"".join(parts)

    @property
    def is_sent(self) -> bool:
        """Whether nothing is left to send, or nothing that matters: the peer has answered."""
        return not self.unsent or (self._until_answered and self.readable)

    def send(self, step: Send) -> None:
        """Send bytes; what the socket does not take now is `unsent`.

        With `until_answered` a failure to send them is none if the peer has sent something before.
        """
        content, self._until_answered = step
        if self.tls is not None:
            self.tls.write(content)
            content = self.tls.outgoing.read()
        if self.unsent:
            self._write(content)
        elif content:
            self.unsent = content
            self._flush()

    def shake(self, tls: TlsStream) -> bool | None:
        """Continue a TLS handshake; return whether it is complete.

        None means that `tls.shake` is to be called in a thread, and this again afterwards.
        """
        self.tls = tls
        try:
            while not (complete := tls.shake()):
                content = self._read()
                if content is None:
                    break
                tls.feed(content)
                if tls.takes_long:
                    return None
        except Trouble:
            self.say_goodbye(tls)
            raise
        self._write(tls.outgoing.read())
        return complete

    def say_goodbye(self, tls: TlsStream) -> None:
        """Send the alert that tells the server why the handshake failed, if that is possible."""
        with suppress(Trouble):
            self._write(tls.outgoing.read())

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

    def ends(self) -> Ends:
        """Return the two ends of the connection."""
        try:
            return Ends(self._sock.getsockname()[:2], self._sock.getpeername()[:2])
        except OSError as error:
            raise from_network(error.errno or 0) from None

    def acknowledge(self) -> None:
        """Acknowledge at once what has arrived: otherwise a peer may wait before sending more."""
        try:  # noqa: SIM105  (this costs nothing if all is well)
            self._sock.setsockopt(*_ACK_NOW)
        except OSError:
            pass  # a Unix socket acknowledges nothing

    def _read(self) -> bytes | None:
        """Read from the socket: `b""` at the end of a stream, None if there is nothing now."""
        if not self.readable:
            return None
        if not self._reads_left:
            self._again(self._sock.fileno(), self._drips())
            return None
        self._reads_left -= 1
        try:
            content = self._sock.recv(_READ_SIZE)
        except BlockingIOError:
            self.readable = False
            return None
        except OSError as error:
            if error.errno in OF_ICMPV6 and is_open(self._sock):
                return self._read()
            raise from_network(error.errno or 0) from None
        if not content and self._failure:
            raise from_network(self._failure)  # send() has taken it away from recv()
        self.received += len(content)
        if self.received > self._limit:
            raise Trouble(Reason.BAD_RESPONSE, f"reply longer than {self._limit} bytes")
        if len(content) < _READ_SIZE and not self._ended:
            self.readable = False  # epoll(7): a short read means that the buffer is empty
        return content

    def _drips(self) -> bool:
        """Whether the peer has sent so little at a time that it is to be heard less often."""
        return self._turns > _FREE_TURNS and self.received < self._turns * _DROP

    def _write(self, content: bytes) -> None:
        if content:
            self.unsent = b"".join((self.unsent, content)) if self.unsent else content
            self._flush()

    def _flush(self) -> None:
        """Send as much of the unsent bytes as the socket accepts."""
        unsent = self.unsent
        try:
            sent = self._sock.send(unsent)
        except BlockingIOError:
            self._has_no_room()
            return
        except OSError as error:
            self._not_sent(error.errno or 0)
            return
        self.unsent = memoryview(unsent)[sent:] if sent < len(unsent) else b""

    def _not_sent(self, number: int) -> None:
        """Raise what it means that sending failed, unless the peer has sent why."""
        if number in OF_ICMPV6 and is_open(self._sock):
            self._flush()  # the kernel has forgotten the error
            return
        if self._until_answered and self._has_more():
            self.unsent, self._failure = b"", number
            self.readable = True
            return
        if self.tls is not None and self.tls.is_secured:
            self.readable = True
            self.take()  # raises the alert that says why, if that is here already
        raise from_network(number)

    def _has_more(self) -> bool:
        """Return whether something of the peer's waits to be read."""
        try:
            return bool(self._sock.recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    def _has_no_room(self) -> None:
        """Wait: epoll reports when there is room."""

    def _saw_error(self) -> None:
        """Leave an error to the next read, which raises it."""


def error_of(sock: socket.SocketType) -> Trouble | None:
    """Return the network's report about a socket, if it is an error."""
    error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return from_network(error) if error else None
