"""Detects that the host's own link is down: an unplugged cable, a switch that is off.

Packets to a link without a carrier vanish without an error, so a target behind it looks as silent
as a dead one. The kernel knows, and reports it with the route (<linux/rtnetlink.h>).
"""

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Final

from prober.engine.resolver import Address

GRACE: Final = 3.0
"""Seconds after a link was last seen down in which earlier failures may still be reported."""

_GET_ROUTE, _NEW_ROUTE = 26, 24
_REQUEST = 1
_MATCHED_ENTRY = 0x2000  # RTM_F_FIB_MATCH: the entry of the table, with the flags of its link
_DESTINATION = 1
_LINK_DOWN = 1 | 16  # RTNH_F_DEAD, RTNH_F_LINKDOWN
_HEADER = struct.Struct("=IHHII")
_ROUTE = struct.Struct("=8BI")
_ATTRIBUTE = struct.Struct("=HH")


class Links:
    """Asks the kernel for routes; if that is not permitted or fails, every link counts as up.

    `is_down` is asked instead of the kernel.
    """

    def __init__(self, is_down: Callable[[Address], bool] | None = None) -> None:
        self._ask = is_down
        self._socket: socket.socket | None = None
        self._numbers = count(1)
        self._seen_down: dict[Address, float] = {}

    def was_down(self, address: Address, now: float) -> bool:
        """Return whether the link to an address has no carrier, or had none just before."""
        if self._ask(address) if self._ask else self._is_down(address):
            self._seen_down[address] = now
            return True
        if now - self._seen_down.get(address, -GRACE) < GRACE:
            return True
        self._seen_down.pop(address, None)
        return False

    def _is_down(self, address: Address) -> bool:
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
                self._socket.setblocking(False)
            number = next(self._numbers) & 0xFFFFFFFF
            self._socket.send(_question(address, number))
            while True:
                answer = self._socket.recv(4096)  # available as soon as send() returns
                _, kind, _, answered, _ = _HEADER.unpack_from(answer)
                if answered == number:
                    break
        except (OSError, struct.error):
            self.close()
            return False
        if kind != _NEW_ROUTE:
            return False
        *_, flags = _ROUTE.unpack_from(answer, _HEADER.size)
        return bool(flags & _LINK_DOWN)

    def close(self) -> None:
        """Close the socket; it is opened again when needed."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
            self._socket = None


def _question(address: Address, number: int) -> bytes:
    """Return the message that asks for the route to an address."""
    packed = socket.inet_pton(address.family, address.host.partition("%")[0])
    route = _ROUTE.pack(address.family, 8 * len(packed), 0, 0, 0, 0, 0, 0, _MATCHED_ENTRY)
    attribute = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(packed), _DESTINATION) + packed
    body = route + attribute
    return _HEADER.pack(_HEADER.size + len(body), _GET_ROUTE, _REQUEST, number, 0) + body
