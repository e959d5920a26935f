"""Where probes leave this host: the source address, the interface, marks, and the IP version."""

from collections.abc import Mapping
from ipaddress import ip_address
from types import MappingProxyType
from typing import Final, NamedTuple

from prober.model.kinds import choice
from prober.model.option import Kind, ReadContext, expected

ANY: Final = "any"
IP_ORDERS: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType(
    {"4": (4,), "6": (6,), "4-then-6": (4, 6), "6-then-4": (6, 4)}
)
"""The IP versions of each `ip_family`; the addresses of the first that a name has are used."""


class Egress(NamedTuple):
    """How the sockets of probes are bound and marked, beside the plain way."""

    source: str | None = None
    interface: str | None = None
    fwmark: int | None = None
    tos: int | None = None


def version_of(host: str) -> int | None:
    """Return the IP version of an address, or None for a name."""
    try:
        return ip_address(host).version
    except ValueError:
        return None


_FAMILY = choice(ANY, *IP_ORDERS)


def _read_family(value: object, outside: ReadContext) -> str:
    """Read a family; YAML reads a bare `4` as a number."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return _FAMILY.read(str(value) if is_number else value, outside)


def _read_source(value: object, _: ReadContext) -> str:
    if not isinstance(value, str) or version_of(value) is None or "%" in value:
        raise expected("an IP address", value)
    return str(ip_address(value))


IP_FAMILY = Kind(_read_family, {"enum": [ANY, *IP_ORDERS, 4, 6]})
SOURCE = Kind(_read_source, {"type": "string"})
