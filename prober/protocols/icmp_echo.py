"""ICMP echo and ICMP errors: RFC 792 for IPv4, RFC 4443 for IPv6. Sans-IO."""

import struct
from typing import Final

LONGEST: Final = 65507
"""Maximum bytes that an echo request can carry: an IPv4 packet without its headers."""

_HEADER: Final = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence number
_HEADER_SIZE: Final = _HEADER.size
_REQUEST: Final = {4: 8, 6: 128}
_REPLY: Final = {4: 0, 6: 129}
_SHORTEST_IP_HEADER: Final = 20


EchoMessage = tuple[int, int, bytes]
"""An echo request or reply: its identifier and sequence number, which tell it from others, and its
payload."""


def write_request(echo: EchoMessage, version: int, *, sums: bool = True) -> bytes:
    """Return the message of an echo request for IP version 4 or 6.

    Its checksum is that of IPv4, or 0 without `sums`; the kernel computes the one of IPv6, which
    covers the addresses.
    """
    identifier, sequence, payload = echo
    kind = _REQUEST[version]
    blank = _HEADER.pack(kind, 0, 0, identifier, sequence) + payload
    if version == 6 or not sums:
        return blank
    return _HEADER.pack(kind, 0, checksum(blank), identifier, sequence) + payload


def read_reply(message: bytes, version: int) -> EchoMessage | None:
    """Return the echo reply in an ICMP message, or None if it is something else."""
    return _read(message, _REPLY[version])


def read_request(message: bytes, version: int) -> EchoMessage | None:
    """Return the echo request that an ICMP error quotes, or None if it quotes something else."""
    return _read(message, _REQUEST[version])


def _read(message: bytes, kind: int) -> EchoMessage | None:
    if len(message) < _HEADER_SIZE:
        return None
    found, code, _, identifier, sequence = _HEADER.unpack_from(message)
    if found != kind or code:
        return None
    return identifier, sequence, message[_HEADER_SIZE:]


def without_ip_header(packet: bytes) -> bytes:
    """Return the message in an IPv4 packet, as raw sockets receive it; empty if there is none."""
    if not packet or packet[0] >> 4 != 4:
        return b""
    length = (packet[0] & 0xF) * 4
    return packet[length:] if length >= _SHORTEST_IP_HEADER else b""


def checksum(message: bytes) -> int:
    """Return the Internet checksum of a message (RFC 1071)."""
    number = int.from_bytes(message) << 8 * (len(message) % 2)
    total = number % 0xFFFF  # the sum of the digits to base 65536, with what was carried added
    return 0 if number and not total else ~total & 0xFFFF


_UNREACHABLE_4: Final = {
    0: "network unreachable",
    1: "host unreachable",
    2: "protocol unreachable",
    3: "port unreachable",
    5: "source route failed",
    6: "network unknown",
    7: "host unknown",
    9: "network administratively prohibited",
    10: "host administratively prohibited",
    11: "network unreachable for this type of service",
    12: "host unreachable for this type of service",
    13: "administratively prohibited",
}
_UNREACHABLE_6: Final = {
    0: "no route to the network",
    1: "administratively prohibited",
    2: "beyond the scope of the source address",
    3: "address unreachable",
    4: "port unreachable",
    5: "source address refused by policy",
    6: "route rejected",
}


def error_words(version: int, kind: int, code: int, mtu: int) -> str:
    """Say what an ICMP error means; `mtu` is the one that it tells, if the packet was too big."""
    if (version, kind, code) == (4, 3, 4) or (version, kind) == (6, 2):
        return f"packet too big, the next link takes {mtu} bytes" if mtu else "packet too big"
    if (version, kind) in ((4, 3), (6, 1)):
        table = _UNREACHABLE_4 if version == 4 else _UNREACHABLE_6
        return table.get(code, f"destination unreachable, code {code}")
    if (version, kind) in ((4, 11), (6, 3)):
        return "reassembly took too long" if code else "time to live exceeded on the way"
    if (version, kind) in ((4, 12), (6, 4)):
        return "parameter problem"
    return f"ICMP error of type {kind}, code {code}"
