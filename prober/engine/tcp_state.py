"""What the kernel knows of a TCP connection that failed or was slow (tcp(7), TCP_INFO)."""

import fcntl
import socket
import struct
import termios
from typing import Final, NamedTuple

from prober.engine.error_queue import take_error
from prober.engine.os_errors import from_network
from prober.model.kernel_view import KernelView
from prober.model.probe import Trouble

_INFO: Final = struct.Struct("=B67xI28xI32xI68xQ")  # struct tcp_info, as far as it is used
_SYN_SENT: Final = 2  # enum in <net/tcp_states.h>
_CLOSED: Final = 7
_BYTES: Final = struct.Struct("=i")


class TcpState(NamedTuple):
    """The state of a connection.

    `is_connecting` is whether no SYN is answered yet. `syns` is the number of SYNs sent, None where
    they cannot be told from data that was sent again. `retransmits` counts segments, `rtt` is in
    seconds. `unacked` is the number of bytes that the peer has not acknowledged, None unless the
    connection is open.
    """

    is_connecting: bool
    syns: int | None
    retransmits: int
    rtt: float | None
    unacked: int | None


def tcp_state(sock: socket.SocketType) -> TcpState | None:
    """Return the state of a connection, or None if nothing was sent or the kernel does not tell."""
    try:
        content = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size)
        known = content.ljust(_INFO.size, b"\0")  # Linux before 4.19 does not count bytes
        state, rtt, retransmits, segments, resent = _INFO.unpack(known)
        unacked = None if state in (_SYN_SENT, _CLOSED) else _unacked(sock)
    except OSError:
        return None
    if not segments:
        return None
    syns = None if resent else retransmits + 1  # a SYN has no bytes
    took = rtt / 1e6 if rtt else None
    return TcpState(state == _SYN_SENT, syns, retransmits, took, unacked)


def is_open(sock: socket.SocketType) -> bool:
    """Return whether a connection goes on after an error.

    An ICMP error does not end a connection (RFC 5461): TCP sends again, until its own timeout. But
    over IPv6, the kernel passes it on to those who want to know who has sent it (IPV6_RECVERR).
    """
    try:
        state: bytes = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    except OSError:
        return False  # a Unix socket
    return state[0] != _CLOSED


def _unacked(sock: socket.SocketType) -> int:
    answer: bytes = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(_BYTES.size))  # SIOCOUTQ
    return int(_BYTES.unpack(answer)[0])


def kernel_view(sock: socket.SocketType, reported_by: str | None = None) -> KernelView | None:
    """Return what is told of a connection; None if that is nothing, as of a Unix socket."""
    state = tcp_state(sock)
    if state is None:
        return None
    return KernelView(state.syns, state.retransmits, state.rtt, state.unacked, reported_by)


def connection_error(sock: socket.SocketType, target: str) -> Trouble | None:
    """Return why a connection to an address has failed, or None if it has not.

    An ICMP error that ends an attempt to connect is in the error queue; what else is there is of an
    earlier connection of this socket.
    """
    number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if not number:
        return None
    trouble, reporter = from_network(number), None
    while (queued := take_error(sock)) is not None:
        if queued.version and queued.number == number:
            trouble, reporter = queued.trouble(target), queued.reporter
    trouble.kernel = kernel_view(sock, reporter)
    return trouble


def in_words(state: TcpState, *, waits_for_reply: bool) -> str:
    """Say what the kernel knows of a connection on which nothing came in time; empty: nothing."""
    if state.is_connecting:
        return f"no answer to {state.syns} SYN{'s' * (state.syns != 1)}"
    if not waits_for_reply or state.unacked is None:
        return ""
    if state.unacked:
        return "the target has not acknowledged the request"
    return "the target has acknowledged the request, its application is silent"
