"""The sockets of the probes: opened, watched by one epoll, and used again.

A TCP connection that is no longer needed is dissolved: connect() to AF_UNSPEC sends the RST and
frees the port, as close() does with a linger time of zero, but leaves the socket to the next
probe, watched as it is. That spares the kernel a third of its work on a probe. Python's socket
module cannot express such an address, so libc is called.
"""

import ctypes
import select
import socket
import struct
from select import EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP
from typing import Final

KEPT: Final = 256
"""Sockets that are kept for later probes; no more than were once in use at the same time."""

_EVENTS: Final = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET
_STREAM: Final = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_DATAGRAM: Final = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
Option = tuple[int, int, int | bytes]

_RESET_ON_CLOSE: Final[Option] = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
_ACK_LATER: Final[Option] = (socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
_RECVERR: Final[dict[int, Option]] = {  # <linux/in.h>, <linux/in6.h>: report ICMP errors
    socket.AF_INET: (socket.IPPROTO_IP, 11, 1),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 25, 1),
}
_NOWHERE: Final = ctypes.create_string_buffer(struct.pack("=H14x", socket.AF_UNSPEC), 16)
_connect = ctypes.PyDLL(None).connect  # it never blocks, so it keeps the interpreter's lock
_connect.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint)
_TO_NOWHERE: Final = (ctypes.c_void_p(ctypes.addressof(_NOWHERE)), ctypes.c_uint(len(_NOWHERE)))


class Sockets:
    """Opens sockets, all of them non-blocking, and has one epoll watch them, edge-triggered."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self._idle: dict[int, list[socket.SocketType]] = {socket.AF_INET: [], socket.AF_INET6: []}
        self._ended: list[socket.SocketType] = []
        self._dissolved: dict[int, socket.SocketType] = {}

    def stream(self, family: int) -> socket.SocketType:
        """Return a socket to connect over TCP; when it is closed it resets its connection.

        Its connection is not acknowledged before there is something to send (the kernel looks at
        TCP_DEFER_ACCEPT on this side as well: tcp_rcv_synsent_state_process).
        """
        idle = self._idle[family]
        if idle:
            return idle.pop()
        return self._opened(socket.SocketType(family, _STREAM), _RESET_ON_CLOSE, _ACK_LATER)

    def datagram(self, family: int) -> socket.SocketType:
        """Return a socket for UDP that is told of ICMP errors."""
        return self._opened(socket.SocketType(family, _DATAGRAM), _RECVERR[family])

    def _opened(self, sock: socket.SocketType, *options: Option) -> socket.SocketType:
        try:
            for option in options:
                sock.setsockopt(*option)
            self.epoll.register(sock, _EVENTS)
        except OSError:
            sock.close()
            raise
        return sock

    def watch_again(self, descriptor: int) -> None:
        """Have reported again what is still there to be read."""
        self.epoll.modify(descriptor, _EVENTS)

    def give_back(self, sock: socket.SocketType) -> None:
        """Take back a TCP socket whose connection went well, to be dissolved with others."""
        self._ended.append(sock)

    def dissolve(self) -> bool:
        """Reset the connections of the sockets that were given back; return if there were any.

        One after the other, as what the kernel does for it is in the processor's caches then.
        """
        ended, dissolved = self._ended, self._dissolved
        if not ended:
            return False
        for sock in ended:
            descriptor = sock.fileno()
            if len(dissolved) < KEPT and not _connect(descriptor, *_TO_NOWHERE):
                dissolved[descriptor] = sock
            else:
                sock.close()
        ended.clear()
        return True

    def saw_end(self, descriptor: int) -> None:
        """Take in that the epoll has reported the end of a dissolved connection.

        Not before that can its socket be used again: the report would be taken for the next one's.
        """
        sock = self._dissolved.pop(descriptor, None)
        if sock is not None:
            idle = self._idle[sock.family]
            if len(idle) < KEPT:
                idle.append(sock)
            else:
                sock.close()

    def close(self) -> None:
        """Give back everything."""
        for kept in (*self._idle.values(), self._ended, [*self._dissolved.values()]):
            while kept:
                kept.pop().close()
        self._dissolved.clear()
        self.epoll.close()
