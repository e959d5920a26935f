"""The sockets of the probes: opened, watched by one epoll, and reused.

A TCP connection that is no longer needed is dissolved: connect() to AF_UNSPEC sends the RST and
frees the port, as close() does with a linger time of zero, but the socket stays usable for the next
probe, still registered. This saves the kernel a third of its work per probe. Python's socket module
cannot express such an address, so libc is called.

A UDP socket or a ping socket (icmp(7)) is dissolved in the same way. It loses its port or
identifier and gets another one with the next probe, so that what comes late does not find it. What
was queued before is of another probe: such a socket is closed instead of being used again.
"""

import ctypes
import select
import socket
import struct
from collections import defaultdict
from errno import EACCES, EPERM
from select import EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP
from typing import Final

from prober.model.probe import Trouble
from prober.model.status import Reason

KEPT: Final = 256
"""Maximum number of sockets to keep for later probes; never more than were in use at once."""

_EVENTS: Final = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET
_STREAM: Final = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_DATAGRAM: Final = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_PING: Final = {socket.AF_INET: socket.IPPROTO_ICMP, socket.AF_INET6: socket.IPPROTO_ICMPV6}
_RAW: Final = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_IS_RAW: Final = int(socket.SOCK_RAW)
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
_STAMPED: Final[SocketOption] = (socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
_ECHO: Final[dict[int, tuple[SocketOption, ...]]] = {  # with the hop limit and time of each reply
    socket.AF_INET: (_RECVERR[socket.AF_INET], _STAMPED, (socket.IPPROTO_IP, 12, 1)),
    socket.AF_INET6: (_RECVERR[socket.AF_INET6], _STAMPED, (socket.IPPROTO_IPV6, 51, 1)),
}
_ONLY_REPLIES: Final[dict[int, SocketOption]] = {  # ICMP_FILTER, ICMP6_FILTER: a bit set is dropped
    socket.AF_INET: (255, 1, struct.pack("=I", 0xFFFFFFFF ^ 1)),
    socket.AF_INET6: (
        socket.IPPROTO_ICMPV6,
        1,
        struct.pack("=8I", *(0xFFFFFFFF ^ (2 if word == 4 else 0) for word in range(8))),
    ),
}
_MAY_NOT_PING: Final = (
    "this user may send no ICMP echo requests: its group is not in net.ipv4.ping_group_range, and "
    "it has no CAP_NET_RAW"
)
_NOWHERE: Final = ctypes.create_string_buffer(struct.pack("=H14x", socket.AF_UNSPEC), 16)
_connect = ctypes.PyDLL(None).connect  # it never blocks, so it need not release the GIL
_connect.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint)
_poll = ctypes.PyDLL(None).poll
_poll.argtypes = (ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int)
(_WHAT,) = struct.unpack("=i", struct.pack("=hh", select.POLLIN, 0))  # what to look for, and found
_TO_NOWHERE: Final = (ctypes.c_void_p(ctypes.addressof(_NOWHERE)), ctypes.c_uint(len(_NOWHERE)))


class Sockets:
    """Opens non-blocking sockets, and watches them with one edge-triggered epoll."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self._spare: dict[int, list[socket.SocketType]] = {socket.AF_INET: [], socket.AF_INET6: []}
        self._ended: list[socket.SocketType] = []
        self._spare_datagrams: dict[tuple[int, int], list[socket.SocketType]] = defaultdict(list)
        self._ended_datagrams: list[socket.SocketType] = []
        self._is_reporting = False
        self._polled = (ctypes.c_int * 2)(-1, _WHAT)  # a struct pollfd
        where = ctypes.c_void_p(ctypes.addressof(self._polled))
        self._at_once = (where, ctypes.c_ulong(1), ctypes.c_int(0))

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
        return self.new_stream(family)

    def new_stream(self, family: int) -> socket.SocketType:
        """Return a new socket to connect over TCP, as `stream` does."""
        return self.opened(
            socket.SocketType(family, _STREAM), _RESET_ON_CLOSE, _ACK_LATER, _SEND_NOW
        )

    def local(self, family: int) -> socket.SocketType:
        """Return a Unix socket to connect."""
        return self.opened(socket.SocketType(family, _STREAM))

    def datagram(self, family: int) -> socket.SocketType:
        """Return a UDP socket that reports ICMP errors."""
        return self._used_again(family, 0) or self.new_datagram(family)

    def new_datagram(self, family: int) -> socket.SocketType:
        """Return a new UDP socket, as `datagram` does."""
        return self.opened(socket.SocketType(family, _DATAGRAM), _RECVERR[family])

    def echo(self, family: int) -> socket.SocketType:
        """Return a socket for ICMP echo requests, raw only if ping sockets are not permitted.

        Raise Trouble if neither is.
        """
        protocol = _PING[socket.AddressFamily(family)]
        return self._used_again(family, protocol) or self.new_echo(family)

    def new_echo(self, family: int) -> socket.SocketType:
        """Return a new socket for ICMP echo requests, as `echo` does."""
        protocol, options = _PING[socket.AddressFamily(family)], _ECHO[family]
        try:
            return self.opened(socket.SocketType(family, _DATAGRAM, protocol), *options)
        except OSError as error:
            if error.errno not in (EACCES, EPERM):
                raise
        try:
            sock = socket.SocketType(family, _RAW, protocol)
        except PermissionError:
            raise Trouble(Reason.NOT_PERMITTED, _MAY_NOT_PING) from None
        return self.opened(sock, _ONLY_REPLIES[family], *options)

    def _used_again(self, family: int, protocol: int) -> socket.SocketType | None:
        """Return a datagram socket of an earlier probe that nothing has reached since."""
        spare = self._spare_datagrams.get((family, protocol))
        while spare and not self._is_reporting:
            sock = spare.pop()
            self._polled[0] = sock.fileno()
            if not _poll(*self._at_once):  # neither an error nor anything else is in its queues
                return sock
            sock.close()
        return None

    def opened(self, sock: socket.SocketType, *options: SocketOption) -> socket.SocketType:
        """Return a new socket with these options, watched."""
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

    def give_back_datagram(self, sock: socket.SocketType) -> None:
        """Take back a socket of `datagram` or `echo`, to be dissolved together with others."""
        self._ended_datagrams.append(sock)

    def dissolve(self) -> bool:
        """Reset the connections of the sockets given back; return whether there were streams.

        One after another, because the kernel's code and data are in the CPU caches then. Call this
        when everything reported last has been handled.
        """
        ended, self._is_reporting = self._ended, False
        if self._ended_datagrams:
            self._dissolve_datagrams()
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

    def _dissolve_datagrams(self) -> None:
        for sock in self._ended_datagrams:
            spare = self._spare_datagrams[sock.family, sock.proto]
            is_raw = sock.type == _IS_RAW  # the kernel would deliver nothing to it again
            if len(spare) < KEPT and not is_raw and not _connect(sock.fileno(), *_TO_NOWHERE):
                spare.append(sock)
            else:
                sock.close()
        self._ended_datagrams.clear()

    def close(self) -> None:
        """Close everything."""
        spare = (*self._spare.values(), *self._spare_datagrams.values())
        for kept in (*spare, self._ended, self._ended_datagrams):
            while kept:
                kept.pop().close()
        self.epoll.close()
