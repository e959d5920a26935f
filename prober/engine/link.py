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
from prober.model.egress import Egress

GRACE: Final = 3.0
"""Seconds after a link was last seen down in which earlier failures may still be reported."""

_GET_ROUTE, _NEW_ROUTE = 26, 24
_REQUEST = 1
_MATCHED_ENTRY = 0x2000  # RTM_F_FIB_MATCH: the entry of the table, with the flags of its link
_DESTINATION, _SOURCE, _INTERFACE, _MARK = 1, 2, 4, 16  # RTA_DST, RTA_SRC, RTA_OIF, RTA_MARK
_NUMBER = struct.Struct("=I")
_LINK_DOWN = 1 | 16  # RTNH_F_DEAD, RTNH_F_LINKDOWN
_HEADER = struct.Struct("=IHHII")
_ROUTE = struct.Struct("=8BI")
_ATTRIBUTE = struct.Struct("=HH")


class Links:
    """Asks the kernel for routes; if that is not permitted or fails, every link counts as up.

    `is_down` is asked instead of the kernel.
    """

    def __init__(self, is_down: Callable[[Address, Egress | None], bool] | None = None) -> None:
        self._ask = is_down
        self._socket: socket.socket | None = None
        self._numbers = count(1)
        self._seen_down: dict[tuple[Address, Egress | None], float] = {}

    def was_down(self, address: Address, now: float, egress: Egress | None = None) -> bool:
        """Return whether the link to an address has no carrier, or had none just before."""
        way, ask = (address, egress), self._ask or self._is_down
        if ask(address, egress):
            self._seen_down[way] = now
            return True
        if now - self._seen_down.get(way, -GRACE) < GRACE:
            return True
        self._seen_down.pop(way, None)
        return False

    def _is_down(self, address: Address, egress: Egress | None) -> bool:
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
                self._socket.setblocking(False)
            number = next(self._numbers) & 0xFFFFFFFF
            self._socket.send(_question(address, number, egress or Egress()))
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


def _question(address: Address, number: int, egress: Egress) -> bytes:
    """Return the message that asks for the route to an address; raise OSError."""
    packed = _packed(address.family, address.host)
    source = _packed(address.family, egress.source) if egress.source else b""
    attributes = [(_DESTINATION, packed)]
    if source:
        attributes.append((_SOURCE, source))
    if egress.interface is not None:
        attributes.append((_INTERFACE, _NUMBER.pack(socket.if_nametoindex(egress.interface))))
    if egress.fwmark is not None:
        attributes.append((_MARK, _NUMBER.pack(egress.fwmark)))
    lengths = 8 * len(packed), 8 * len(source)
    route = _ROUTE.pack(address.family, *lengths, 0, 0, 0, 0, 0, _MATCHED_ENTRY)
    body = route + b"".join(
        _ATTRIBUTE.pack(_ATTRIBUTE.size + len(content), kind) + content
        for kind, content in attributes
    )
    return _HEADER.pack(_HEADER.size + len(body), _GET_ROUTE, _REQUEST, number, 0) + body


def _packed(family: int, host: str) -> bytes:
    return socket.inet_pton(family, host.partition("%")[0])
