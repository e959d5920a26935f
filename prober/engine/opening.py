"""Opens the sockets of probes that need more than a plain one over TCP or UDP."""

import socket
from collections.abc import Callable
from functools import partial
from typing import Final

from prober.engine.sockets import SocketOption, Sockets
from prober.model.probe import EchoOptions, Trouble
from prober.model.status import Reason

_PROBE: Final = 3  # IP_PMTUDISC_PROBE: never fragment, whatever is known of the path
_TTL: Final = {
    socket.AF_INET: (socket.IPPROTO_IP, socket.IP_TTL),
    socket.AF_INET6: (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS),
}
_WHOLE: Final[dict[int, tuple[SocketOption, ...]]] = {  # <linux/in.h>, <linux/in6.h>
    socket.AF_INET: ((socket.IPPROTO_IP, 10, _PROBE),),
    socket.AF_INET6: ((socket.IPPROTO_IPV6, 23, _PROBE), (socket.IPPROTO_IPV6, 62, 1)),
}

_REPEATABLE: Final = frozenset({Reason.NOT_PERMITTED})

Opened = Callable[[Sockets, int], socket.SocketType]
"""Opens a socket of an address family."""


def opener(echo: EchoOptions | None) -> Opened | None:
    """Return what opens the sockets of a job; None if they are plain."""
    if echo is None:
        return None
    if echo == EchoOptions():
        return Sockets.echo
    return partial(_open_echo, echo)


def why_not_permitted(opened: Opened | None) -> str | None:
    """Return why this process cannot open such sockets, or None if it can.

    This says nothing about what it lacks for a moment, such as file descriptors.
    """
    if opened is None:
        return None
    sockets = Sockets()
    try:
        opened(sockets, socket.AF_INET).close()
    except Trouble as trouble:
        return trouble.verdict.detail if trouble.verdict.reason in _REPEATABLE else None
    except OSError:
        return None
    finally:
        sockets.close()
    return None


def _open_echo(echo: EchoOptions, sockets: Sockets, family: int) -> socket.SocketType:
    sock = sockets.new_echo(family)
    if echo.ttl is not None:
        sock.setsockopt(*_TTL[socket.AddressFamily(family)], echo.ttl)
    for option in _WHOLE[family] if echo.dont_fragment else ():
        sock.setsockopt(*option)
    return sock
