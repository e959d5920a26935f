"""The error queue of a socket: what ICMP errors say of what it has sent (ip(7), IP_RECVERR)."""

import socket
import struct
from typing import Final, NamedTuple

from prober.engine.os_errors import at_once, from_network
from prober.model.probe import Trouble
from prober.protocols.icmp_echo import error_words

_VERSIONS: Final = {2: 4, 3: 6}  # <linux/errqueue.h>: SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6
_RECVERR: Final = ((socket.IPPROTO_IP, 11), (socket.IPPROTO_IPV6, 25))
_ERROR: Final = struct.Struct("=IBBBxI4x")  # struct sock_extended_err
_QUOTED: Final = 576  # bytes of what an error quotes that are read; routers send no more
_FAMILIES: Final[dict[int, tuple[int, int]]] = {
    socket.AF_INET: (4, 4),
    socket.AF_INET6: (8, 16),
}  # sockaddr: offset, length
_PORT_UNREACHABLE: Final = ((4, 3, 3), (6, 1, 4))


class QueuedError(NamedTuple):
    """An error of the queue.

    `number` is the errno, `version` that of IP, or 0 if the error is this host's own. `kind`,
    `code` and `mtu` are those of the ICMP message, `reporter` is who sent it, `quoted` the start of
    the datagram that it is about.
    """

    number: int
    version: int
    kind: int
    code: int
    mtu: int
    reporter: str | None
    quoted: bytes

    def trouble(self, target: str | None = None) -> Trouble:
        """Return what it means for a probe of an address; a reporter other than that is named."""
        if not self.version:
            return at_once(self.number)
        found = from_network(self.number)
        if (self.version, self.kind, self.code) in _PORT_UNREACHABLE:
            words = found.verdict.detail
        else:
            words = error_words(self.version, self.kind, self.code, self.mtu)
        by = f", reported by {self.reporter}" if self.reporter not in (None, target) else ""
        return Trouble(found.verdict.reason, f"{words}{by}")


def take_error(sock: socket.SocketType) -> QueuedError | None:
    """Take the next error out of the queue, or return None if it is empty."""
    try:
        quoted, messages, _, _ = sock.recvmsg(_QUOTED, 512, socket.MSG_ERRQUEUE)
    except OSError:
        return None
    for level, kind, content in messages:
        if (level, kind) in _RECVERR:
            number, origin, sort, code, mtu = _ERROR.unpack_from(content)
            version = _VERSIONS.get(origin, 0)
            reporter = _address(content[_ERROR.size :]) if version else None
            return QueuedError(number, version, sort, code, mtu, reporter, quoted)
    return None


def _address(name: bytes) -> str | None:
    """Return the IP address in a struct sockaddr."""
    family = struct.unpack_from("=H", name)[0] if len(name) > 1 else socket.AF_UNSPEC
    offset, length = _FAMILIES.get(family, (0, 0))
    packed = name[offset : offset + length]
    return socket.inet_ntop(family, packed) if packed and len(packed) == length else None
