"""The sockets of the probes: opened, watched by one epoll, and reused.

A TCP connection that is no longer needed is dissolved: connect() to AF_UNSPEC sends the RST and
frees the port, as close() does with a linger time of zero, but the socket stays usable for the next
probe, still registered. This saves the kernel a third of its work per probe. Python's socket module
cannot express such an address, so libc is called.

A UDP socket is dissolved in the same way. It loses its port and gets another one with the next
probe, so that what comes late does not find it. What was queued before is of another probe: such a
socket is closed instead of being used again. A second epoll, which is level-triggered, tells which
of those that were dissolved these are.

A ping socket (icmp(7)) is never connected, and keeps its identifier: no two requests are alike, so
that what comes late is not taken for the reply to another one.
"""

import ctypes
import select
import socket
import struct
from errno import EACCES, EPERM
from select import EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP
from typing import Final

from prober.model.probe import Trouble
from prober.model.status import Reason

IS_RAW: Final = int(socket.SOCK_RAW)
"""The type of a raw socket, which is slow to compare as a member of an Enum."""

KEPT: Final = 256
"""Maximum number of sockets to keep for later probes; never more than were in use at once."""

_EVENTS: Final = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET
_DATAGRAM_EVENTS: Final = EPOLLIN | EPOLLET  # EPOLLOUT would report each datagram that has left
_MOST_REPORTED: Final = 1024  # if there are more, some may be missing
_STREAM: Final = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_DATAGRAM: Final = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_PING: Final[dict[int, int]] = {
    socket.AF_INET: socket.IPPROTO_ICMP,
    socket.AF_INET6: socket.IPPROTO_ICMPV6,
}
_RAW: Final = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_Spare = dict[int, list[socket.SocketType]]  # by address family
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
_STREAM_OPTIONS: Final = (_RESET_ON_CLOSE, _ACK_LATER, _SEND_NOW)
# Over IPv4, the error that ends an attempt to connect is reported without it (tcp_v4_err).
_STREAM_OPTIONS_6: Final = (*_STREAM_OPTIONS, _RECVERR[socket.AF_INET6])
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
_TO_NOWHERE: Final = (ctypes.c_void_p(ctypes.addressof(_NOWHERE)), ctypes.c_uint(len(_NOWHERE)))


class Sockets:
    """Opens non-blocking sockets, and watches them with one edge-triggered epoll."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self._spare: _Spare = {socket.AF_INET: [], socket.AF_INET6: []}
        self._spare_datagrams: _Spare = {socket.AF_INET: [], socket.AF_INET6: []}
        self._spare_echo: _Spare = {socket.AF_INET: [], socket.AF_INET6: []}
        self._ended: list[socket.SocketType] = []
        self._ended_datagrams: list[socket.SocketType] = []
        self._resting: list[socket.SocketType] = []  # dissolved, perhaps with something unread
        self._unread = select.epoll()
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
        return self.new_stream(family)

    def new_stream(self, family: int) -> socket.SocketType:
        """Return a new socket to connect over TCP, as `stream` does."""
        options = _STREAM_OPTIONS if family == socket.AF_INET else _STREAM_OPTIONS_6
        return self.opened(socket.SocketType(family, _STREAM), *options)

    def local(self, family: int) -> socket.SocketType:
        """Return a Unix socket to connect."""
        return self.opened(socket.SocketType(family, _STREAM))

    def datagram(self, family: int) -> socket.SocketType:
        """Return a UDP socket that reports ICMP errors."""
        spare = self._spare_datagrams[family]
        if not spare and self._resting:
            self._look_into_resting()
        if spare and not self._is_reporting:
            return spare.pop()
        sock = self.new_datagram(family)
        self._unread.register(sock, EPOLLIN)
        return sock

    def new_datagram(self, family: int) -> socket.SocketType:
        """Return a new UDP socket, as `datagram` does."""
        sock = socket.SocketType(family, _DATAGRAM)
        return self.opened(sock, _RECVERR[family], events=_DATAGRAM_EVENTS)

    def echo(self, family: int) -> socket.SocketType:
        """Return a socket for ICMP echo requests, raw only if ping sockets are not permitted.

        Raise Trouble if neither is.
        """
        spare = self._spare_echo[family]
        return spare.pop() if spare else self.new_echo(family)

    def new_echo(self, family: int) -> socket.SocketType:
        """Return a new socket for ICMP echo requests, as `echo` does."""
        protocol, options = _PING[family], _ECHO[family]
        try:
            sock = socket.SocketType(family, _DATAGRAM, protocol)
            return self.opened(sock, *options, events=_DATAGRAM_EVENTS)
        except OSError as error:
            if error.errno not in (EACCES, EPERM):
                raise
        try:
            sock = socket.SocketType(family, _RAW, protocol)
        except PermissionError:
            raise Trouble(Reason.NOT_PERMITTED, _MAY_NOT_PING) from None
        return self.opened(sock, _ONLY_REPLIES[family], *options, events=_DATAGRAM_EVENTS)

    def opened(
        self, sock: socket.SocketType, *options: SocketOption, events: int = _EVENTS
    ) -> socket.SocketType:
        """Return a new socket with these options, watched for these events."""
        try:
            for option in options:
                sock.setsockopt(*option)
            self.epoll.register(sock, events)
        except OSError:
            sock.close()
            raise
        return sock

    def watch_again(self, descriptor: int) -> None:
        """Report a socket again: if there is more to read, and when there is room to send."""
        self.epoll.modify(descriptor, _EVENTS)

    def give_back(self, sock: socket.SocketType) -> None:
        """Take back a TCP socket in a good state, to be dissolved together with others."""
        self._ended.append(sock)

    def give_back_datagram(self, sock: socket.SocketType) -> None:
        """Take back a socket of `datagram`, to be dissolved together with others."""
        self._ended_datagrams.append(sock)

    def give_back_echo(self, sock: socket.SocketType) -> None:
        """Take back a socket of `echo`; a raw one would receive every reply on this host."""
        spare = self._spare_echo[sock.family]
        if sock.type != IS_RAW and len(spare) < KEPT:
            spare.append(sock)
        else:
            sock.close()

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
        resting = self._resting
        for sock in self._ended_datagrams:
            if len(resting) < KEPT and not _connect(sock.fileno(), *_TO_NOWHERE):
                resting.append(sock)
            else:
                sock.close()
        self._ended_datagrams.clear()

    def _look_into_resting(self) -> None:
        """Keep the dissolved sockets that have nothing in their queues; nothing reaches them."""
        found = self._unread.poll(0, _MOST_REPORTED)
        unread = {descriptor for descriptor, _ in found}
        is_complete = len(found) < _MOST_REPORTED
        for sock in self._resting:
            spare = self._spare_datagrams[sock.family]
            if is_complete and len(spare) < KEPT and sock.fileno() not in unread:
                spare.append(sock)
            else:
                sock.close()
        self._resting.clear()

    def close(self) -> None:
        """Close everything."""
        spare = (self._spare, self._spare_datagrams, self._spare_echo)
        lists = (kept for each in spare for kept in each.values())
        for kept in (*lists, self._ended, self._ended_datagrams, self._resting):
            while kept:
                kept.pop().close()
        self.epoll.close()
        self._unread.close()
