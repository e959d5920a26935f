"""The sockets of the probes: opened, watched by one epoll, and reused.

A TCP connection that is no longer needed is dissolved: connect() to AF_UNSPEC sends the RST and
frees the port, as close() does with a linger time of zero, but the socket stays usable for the next
probe, still registered. This saves the kernel a third of its work per probe. Python's socket module
cannot express such an address, so libc is called.
"""

import ctypes
import select
import socket
import struct
from select import EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP
from typing import Final

KEPT: Final = 256
"""Maximum number of sockets to keep for later probes; never more than were in use at once."""

_EVENTS: Final = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET
_STREAM: Final = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_DATAGRAM: Final = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
SocketOption = tuple[int, int, int | bytes]

_RESET_ON_CLOSE: Final[SocketOption] = (
    socket.SOL_SOCKET,
    socket.SO_LINGER,
    struct.pack("ii", 1, 0),
)
_ACK_LATER: Final[SocketOption] = (socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
_SEND_NOW: Final[SocketOption] = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
_RECVERR: Final[dict[int, SocketOption]] = {  # <linux/in.h>, <linux/in6.h>: report ICMP errors
    socket.AF_INET: (socket.IPPROTO_IP, 11, 1),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 25, 1),
}
_NOWHERE: Final = ctypes.create_string_buffer(struct.pack("=H14x", socket.AF_UNSPEC), 16)
_connect = ctypes.PyDLL(None).connect  # it never blocks, so it need not release the GIL
_connect.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint)
_TO_NOWHERE: Final = (ctypes.c_void_p(ctypes.addressof(_NOWHERE)), ctypes.c_uint(len(_NOWHERE)))


class Sockets:
    """Opens non-blocking sockets, and watches them with one edge-triggered epoll."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self._spare: dict[int, list[socket.SocketType]] = {socket.AF_INET: [], socket.AF_INET6: []}
        self._ended: list[socket.SocketType] = []
        self._is_reporting = False

    def poll(self, most: int) -> list[tuple[int, int]]:
        """Return up to `most` descriptors with events, as reported by epoll.

        An event may be the end of a dissolved connection. A socket whose end is still to be
        reported can be reused, because the report reflects its state at that time; a socket whose
        end has just been reported cannot.
        """
        self._is_reporting = True
        return self.epoll.poll(0, most)

    def stream(self, family: int) -> socket.SocketType:
        """Return a socket to connect over TCP; closing it resets the connection.

        Its connection is not acknowledged before there is something to send (the kernel checks
        TCP_DEFER_ACCEPT on this side as well: tcp_rcv_synsent_state_process). What a probe sends in
        several parts does not wait until the target has acknowledged the first (RFC 1122, 4.2.3.4).
        """
        spare = self._spare[family]
        if spare and not self._is_reporting:
            return spare.pop()
        return self._opened(
            socket.SocketType(family, _STREAM), _RESET_ON_CLOSE, _ACK_LATER, _SEND_NOW
        )

    def datagram(self, family: int) -> socket.SocketType:
        """Return a UDP socket that reports ICMP errors."""
        return self._opened(socket.SocketType(family, _DATAGRAM), _RECVERR[family])

    def _opened(self, sock: socket.SocketType, *options: SocketOption) -> socket.SocketType:
        try:
            for option in options:
                sock.setsockopt(*option)
            self.epoll.register(sock, _EVENTS)
        except OSError:
            sock.close()
            raise
        return sock

    def watch_again(self, descriptor: int) -> None:
        """Report a socket again if there is more to read."""
        self.epoll.modify(descriptor, _EVENTS)

    def give_back(self, sock: socket.SocketType) -> None:
        """Take back a TCP socket in a good state, to be dissolved together with others."""
        self._ended.append(sock)

    def dissolve(self) -> bool:
        """Reset the connections of the sockets given back; return whether there were any.

        One after another, because the kernel's code and data are in the CPU caches then. Call this
        when everything reported last has been handled.
        """
        ended, self._is_reporting = self._ended, False
        if not ended:
            return False
        for sock in ended:
            spare = self._spare[sock.family]
            if len(spare) < KEPT and not _connect(sock.fileno(), *_TO_NOWHERE):
                spare.append(sock)
            else:
                sock.close()
        ended.clear()
        return True

    def close(self) -> None:
        """Close everything."""
        for kept in (*self._spare.values(), self._ended):
            while kept:
                kept.pop().close()
        self.epoll.close()
