"""The PROXY protocol: what a proxy says first about the connection that it passes on.

Source: haproxy/doc/proxy-protocol.txt, sections 2.1 and 2.2.
"""

import struct
from ipaddress import ip_address
from typing import Final

FORMS: Final = ("v1", "v2", "v2_proxy")
"""The forms of the header; `v2` says LOCAL: the connection is the proxy's own."""

_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
_LOCAL, _PROXY = 0x20, 0x21  # version 2, and the command
_UNSPECIFIED, _OVER_IPV4, _OVER_IPV6 = 0x00, 0x11, 0x21  # family, and a stream

Place = tuple[str, int]
"""An IP address and a port."""


def write_header(form: str, source: Place, target: Place) -> bytes:
    """Return the header, in one of FORMS, for a connection between two places."""
    if form == "v2":
        return _SIGNATURE + struct.pack(">BBH", _LOCAL, _UNSPECIFIED, 0)
    (own, own_port), (host, port) = source, target
    ends = [ip_address(each.partition("%")[0]) for each in (own, host)]
    is_ipv4 = ends[0].version == 4
    if form == "v1":
        name = "TCP4" if is_ipv4 else "TCP6"
        return f"PROXY {name} {ends[0]} {ends[1]} {own_port} {port}\r\n".encode()
    content = ends[0].packed + ends[1].packed + struct.pack(">HH", own_port, port)
    family = _OVER_IPV4 if is_ipv4 else _OVER_IPV6
    return _SIGNATURE + struct.pack(">BBH", _PROXY, family, len(content)) + content
