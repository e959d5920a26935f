"""What the kernel knows of a TCP connection that has come to nothing (tcp(7), TCP_INFO)."""

import socket
import struct
from typing import Final, NamedTuple

_INFO: Final = struct.Struct("=BxB21xI")  # struct tcp_info, as far as it is used
_SYN_SENT: Final = 2  # enum in <net/tcp_states.h>


class TcpState(NamedTuple):
    """The state of a connection.

    `syns` is the number of SYNs that nobody has answered, 0 once it is established; `unacked` the
    number of segments that the peer has not acknowledged.
    """

    syns: int
    unacked: int


def tcp_state(sock: socket.SocketType) -> TcpState | None:
    """Return the state of a connection, or None if the kernel does not tell."""
    try:
        content = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size)
        state, retransmits, unacked = _INFO.unpack(content)
    except (OSError, struct.error):
        return None
    return TcpState(retransmits + 1 if state == _SYN_SENT else 0, unacked)


def in_words(state: TcpState, *, waits_for_reply: bool) -> str:
    """Say what the kernel knows of a connection on which nothing came in time; empty: nothing."""
    if state.syns:
        return f"no answer to {state.syns} SYN{'s' * (state.syns > 1)}"
    if not waits_for_reply:
        return ""
    if state.unacked:
        return "the target has not acknowledged the request"
    return "the target has acknowledged the request, its application is silent"
