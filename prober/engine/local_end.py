"""This host's end of a connection: its ports, its routes, and whether it is both ends.

A socket that is not bound gets a port from the local range when it connects. If that is the very
port that it connects to on its own host, it is connected to itself (RFC 9293, section 3.5:
simultaneous open), although nothing listens there. A datagram socket then receives what it sends.
"""

import socket
from errno import EAGAIN
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from prober.engine.resolver import ResolvedTarget

_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")  # for both families
_EVERY_PORT: Final = range(1, 65536)
_LOOPBACK: Final = {4: ip_address("127.0.0.1"), 6: ip_address("::1")}


def local_ports(path: Path = _RANGE) -> range:
    """Return the ports that the kernel assigns to connecting sockets; all if it does not say."""
    try:
        low, high = map(int, path.read_text().split())
    except (OSError, ValueError):
        return _EVERY_PORT
    return range(low, high + 1)


def is_own(own: str, host: str) -> bool:
    """Return whether a socket's own address, from `getsockname`, is the one it connects to."""
    if own == host:
        return True
    address = ip_address(host.partition("%")[0])
    if address.is_unspecified:  # the kernel takes it as its own host
        address = _LOOPBACK[address.version]
    return ip_address(own.partition("%")[0]) == address


def source_of(endpoint: ResolvedTarget) -> str | None:
    """Return the address of this host that datagrams to an address come from; None: no route."""
    family, address = endpoint
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect(address)
            own: str = sock.getsockname()[0]
    except OSError:
        return None
    return own


def has_route(endpoint: ResolvedTarget) -> bool:
    """Return whether this host has a route to an address, and an address of its own to start from.

    Connecting a datagram socket sends nothing, but chooses the route and source address the same
    way.
    """
    family, address = endpoint
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            return sock.connect_ex(address) in (0, EAGAIN)  # EAGAIN: a route, but no port left
    except OSError:
        return False
