"""Checks the address of a probe in which the API chose something, right before connecting."""

import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import ip_address

from prober.model.probe import UNIX, Target
from prober.model.reach import Address, TargetRules, forms, objection_to

Objection = Callable[[str, int], str | None]
"""Takes an address and a port; returns why they must not be probed, or None."""


class TargetPolicy:
    """The operator's rules and prober's own listeners; both may change."""

    def __init__(self, rules: TargetRules) -> None:
        self._rules = rules
        self.listeners: tuple[Target, ...] = ()

    def adopt(self, rules: TargetRules) -> None:
        """Go by other rules from the next probe on."""
        self._rules = rules

    def spare(self, listeners: Iterable[Target]) -> None:
        """Refuse targets at these addresses, which are prober's own."""
        self.listeners = tuple(listeners)

    def objection(self, address: str, port: int) -> str | None:
        """Return why an address and port may not be probed, or None; a name is not judged here."""
        if address.startswith(UNIX):
            return self._objection_to_path(address.removeprefix(UNIX))
        found = objection_to(address, self._rules)
        if found:
            return f"not allowed over the API: {found}"
        if any(port == each.port and _reaches(address, each.host) for each in self.listeners):
            return f"not allowed over the API: prober's own port {port}"
        return None

    def _objection_to_path(self, path: str) -> str | None:
        """Return why a Unix socket may not be probed: its path is neither listed nor below one."""
        for allowed in self._rules.unix_sockets:
            if path == allowed or (allowed.endswith("/") and path.startswith(allowed)):
                return None
        return f"not allowed over the API: {path} is not in server.api_targets.unix_sockets"


def _reaches(address: str, listener: str) -> bool:
    """Return whether a connection to an address reaches a listener on another."""
    try:
        addresses = set(forms(ip_address(address.partition("%")[0])))
    except ValueError:
        return False
    own = ip_address(listener)
    return own in addresses or (own.is_unspecified and any(map(_is_here, addresses)))


def _is_here(address: Address) -> bool:
    """Return whether an address belongs to this host: the kernel would use it as the source."""
    if address.is_loopback:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect((str(address), 9))  # over UDP: nothing is sent
        return ip_address(sock.getsockname()[0]) == address
    return False
