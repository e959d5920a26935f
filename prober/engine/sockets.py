"""The sockets of the probes: opened, watched by one epoll, and used again.

A TCP connection that is no longer needed is dissolved: connect() to AF_UNSPEC sends the RST and
frees the port, as close() does with a linger time of zero, but leaves the socket to the next
probe. That spares the kernel a third of its work on a probe. Python's socket module cannot
express such an address, so libc is called.
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
_ACK_LATER: Final[Option] = (socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
_RECVERR: Final[dict[int, Option]] = {  # <linux/in.h>, <linux/in6.h>: report ICMP errors
    socket.AF_INET: (socket.IPPROTO_IP, 11, 1),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 25, 1),
}
_NOWHERE: Final = struct.pack("=H14x", socket.AF_UNSPEC)  # a struct sockaddr
_connect = ctypes.CDLL(None).connect
_connect.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)


class Sockets:
    """Opens sockets, all of them non-blocking, and has one epoll watch them, edge-triggered."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self._idle: dict[int, list[socket.SocketType]] = {socket.AF_INET: [], socket.AF_INET6: []}

    def stream(self, family: int) -> socket.SocketType:
        """Return a socket to connect over TCP; when it is closed it resets its connection.

        Its connection is not acknowledged before there is something to send.
        """
        idle = self._idle[family]
        if idle:
            return _with(idle.pop(), _ACK_LATER)
        return _with(socket.SocketType(family, _STREAM), _RESET_ON_CLOSE, _ACK_LATER)

    def datagram(self, family: int) -> socket.SocketType:
        """Return a socket for UDP that is told of ICMP errors."""
        return _with(socket.SocketType(family, _DATAGRAM), _RECVERR[family])

    def watch(self, descriptor: int) -> None:
        """Have a socket's events reported, each once."""
        self.epoll.register(descriptor, _EVENTS)

    def watch_again(self, descriptor: int) -> None:
        """Have reported again what is still there to be read, after all other sockets."""
        self.epoll.modify(descriptor, _EVENTS)

    def dissolve(self, sock: socket.SocketType, descriptor: int) -> None:
        """Reset the connection of a watched socket that went well, and keep the socket."""
        idle = self._idle[sock.family]
        self.epoll.unregister(descriptor)  # first: the end of the connection is no news
        if len(idle) < KEPT and not _connect(descriptor, _NOWHERE, len(_NOWHERE)):
            idle.append(sock)
        else:
            sock.close()

    def close(self) -> None:
        """Give back everything."""
        for idle in self._idle.values():
            while idle:
                idle.pop().close()
        self.epoll.close()


def _with(sock: socket.SocketType, *options: Option) -> socket.SocketType:
    try:
        for option in options:
            sock.setsockopt(*option)
    except OSError:
        sock.close()
        raise
    return sock
