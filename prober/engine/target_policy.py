"""Judges the address of a probe that the API had a say in, right before it is connected to."""

import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import ip_address

from prober.model.probe import Target
from prober.model.reach import Address, TargetRules, forms, objection_to

Objection = Callable[[str, int], str | None]
"""Takes an address and a port; returns why they may not be probed, or None."""


class TargetPolicy:
    """Knows the operator's rules, and where prober itself listens; both may change."""

    def __init__(self, rules: TargetRules) -> None:
        self._rules = rules
        self.listeners: tuple[Target, ...] = ()

    def adopt(self, rules: TargetRules) -> None:
        """Go by other rules from the next probe on."""
        self._rules = rules

    def spare(self, listeners: Iterable[Target]) -> None:
        """Let nothing be probed that comes to these addresses: prober's own."""
        self.listeners = tuple(listeners)

    def objection(self, address: str, port: int) -> str | None:
        """Return why an address and port may not be probed, or None; a name is not judged here."""
        found = objection_to(address, self._rules)
        if found:
            return f"not to be probed for the API: {found}"
        if any(port == each.port and _reaches(address, each.host) for each in self.listeners):
            return f"not to be probed for the API: prober's own port {port}"
        return None


def _reaches(address: str, listener: str) -> bool:
    """Tell whether a connection to an address comes to who listens on another."""
    try:
        addresses = set(forms(ip_address(address.partition("%")[0])))
    except ValueError:
        return False
    own = ip_address(listener)
    return own in addresses or (own.is_unspecified and any(map(_is_here, addresses)))


def _is_here(address: Address) -> bool:
    """Tell whether an address is one of this host: the kernel would send from there to there."""
    if address.is_loopback:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect((str(address), 9))  # over UDP: nothing is sent
        return ip_address(sock.getsockname()[0]) == address
    return False
