"""Opens the sockets of probes that need more than a plain one over TCP or UDP."""

import socket
import struct
from collections.abc import Callable, Iterator
from errno import EADDRNOTAVAIL, ENODEV
from functools import partial
from typing import Final

from prober.engine.sockets import SocketOption, Sockets
from prober.model.egress import Egress
from prober.model.probe import EchoOptions, Trouble
from prober.model.status import Reason, Verdict

_PROBE: Final = 3  # IP_PMTUDISC_PROBE: never fragment, whatever is known of the path
_TTL: Final = {
    socket.AF_INET: (socket.IPPROTO_IP, socket.IP_TTL),
    socket.AF_INET6: (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS),
}
_WHOLE: Final[dict[int, tuple[SocketOption, ...]]] = {  # <linux/in.h>, <linux/in6.h>
    socket.AF_INET: ((socket.IPPROTO_IP, 10, _PROBE),),
    socket.AF_INET6: ((socket.IPPROTO_IPV6, 23, _PROBE), (socket.IPPROTO_IPV6, 62, 1)),
}

_TOS: Final = {
    socket.AF_INET: (socket.IPPROTO_IP, socket.IP_TOS),
    socket.AF_INET6: (socket.IPPROTO_IPV6, socket.IPV6_TCLASS),
}
_BIND_ADDRESS_NO_PORT: Final = 24  # <linux/in.h>; for IPv6 as well

Opened = Callable[[Sockets, int], socket.SocketType]
"""Opens a socket of an address family."""


def opener(
    echo: EchoOptions | None, egress: Egress | None = None, *, datagram: bool = False
) -> Opened | None:
    """Return what opens the sockets of a job; None if they are plain."""
    if egress is None and echo is None:
        return None
    if egress is None and echo == EchoOptions():
        return Sockets.echo
    plain = Sockets.new_datagram if datagram else Sockets.new_stream
    new = plain if echo is None else Sockets.new_echo
    return partial(_open, new, echo or EchoOptions(), egress or Egress())


def why_not_opened(opened: Opened | None, version: int = 4) -> Verdict | None:
    """Return why this process cannot open such sockets for IPv4 or IPv6, or None if it can.

    A temporary shortage, such as of file descriptors, does not count.
    """
    if opened is None:
        return None
    sockets = Sockets()
    try:
        opened(sockets, socket.AF_INET if version == 4 else socket.AF_INET6).close()
    except Trouble as trouble:
        return trouble.verdict
    except OSError:
        return None
    finally:
        sockets.close()
    return None


def _open(
    new: Opened, echo: EchoOptions, egress: Egress, sockets: Sockets, family: int
) -> socket.SocketType:
    sock = new(sockets, family)
    try:
        for option, what in _options(echo, egress, family):
            _set(sock, option, what)
        if egress.source is not None:
            _bind(sock, egress.source)
    except BaseException:
        sock.close()
        raise
    return sock


def _options(echo: EchoOptions, egress: Egress, family: int) -> Iterator[tuple[SocketOption, str]]:
    """Yield the options of a socket, each with the key that asks for it."""
    if echo.ttl is not None:
        yield (*_TTL[socket.AddressFamily(family)], echo.ttl), "ttl"
    for option in _WHOLE[family] if echo.dont_fragment else ():
        yield option, "dont_fragment"
    if egress.interface is not None:
        device = egress.interface.encode()
        yield (socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device), f"interface {egress.interface}"
    if egress.fwmark is not None:
        mark = struct.pack("=I", egress.fwmark)
        yield (socket.SOL_SOCKET, socket.SO_MARK, mark), "fwmark"
    if egress.tos is not None:
        yield (*_TOS[socket.AddressFamily(family)], egress.tos), "tos"


def _set(sock: socket.SocketType, option: SocketOption, what: str) -> None:
    try:
        sock.setsockopt(*option)
    except PermissionError:
        right = "CAP_NET_RAW" if what.startswith("interface") else "CAP_NET_ADMIN"
        raise Trouble(Reason.NOT_PERMITTED, f"this user may not set {what}: {right}") from None
    except OSError as error:
        if error.errno != ENODEV:
            raise
        raise Trouble(Reason.NO_ROUTE, f"this host has no {what}") from None


def _bind(sock: socket.SocketType, source: str) -> None:
    """Bind the address; the port is chosen when it connects, so that there are enough of them."""
    try:
        if sock.type == socket.SOCK_STREAM:
            sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
        sock.bind((source, 0))
    except OSError as error:
        absent = error.errno == EADDRNOTAVAIL
        why = "is no address of this host" if absent else f"cannot be bound: {error.strerror}"
        raise Trouble(Reason.NO_ROUTE, f"source {source} {why}") from None
