"""Addresses to listen on."""

import re

from prober.model.option import Kind, Rejected, expected
from prober.model.pool import normal_host, reject_interface
from prober.model.probe import Target

_ADDRESS = re.compile(r"(?:\[([^\[\]]+)\]|([^:\[\]]+)):(\d{1,5})")


def read_address(value: object) -> Target:
    """Read an address to listen on, `HOST:PORT`; port 0 means any free port."""
    if isinstance(value, str):
        reject_interface(value)
    found = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise expected("HOST:PORT, with an IPv6 address in brackets", value)
    host = normal_host(found[1] or found[2])
    if host is None or bool(found[1]) != (":" in host):
        raise Rejected(f"{found[1] or found[2]!r} is neither an IP address nor a host name")
    if int(found[3]) > 65535:
        raise Rejected(f"expected a port from 0 to 65535, got {found[3]}")
    return Target(host, int(found[3]))


ADDRESS = Kind(lambda value, _: read_address(value), {"type": "string"}, str)
