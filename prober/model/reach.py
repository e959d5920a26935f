"""Which addresses are allowed for targets that are set over the API: `server.api_targets`.

An edit could otherwise make prober connect to services that only its own host can reach: the
metadata service of its cloud, a neighbour on its link. Targets in the configuration file come from
the operator and are not checked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from prober.model.kinds import list_of, matching, text
from prober.model.option import Kind, ReadContext, expected, option

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_METADATA = "a cloud's metadata service"

DENIED = {
    ip_network(network): what
    for network, what in (
        # IANA's registries of special-purpose addresses (RFC 6890), and of multicast (RFC 5771)
        ("0.0.0.0/8", "unspecified"),
        ("169.254.0.0/16", "link-local, where clouds have their metadata service"),
        ("192.0.0.0/24", "assigned to protocols, and Oracle Cloud Classic's metadata service"),
        ("224.0.0.0/4", "multicast"),
        ("255.255.255.255/32", "broadcast"),
        ("::/128", "unspecified"),
        ("5f00::/16", "an instruction to routers (SRv6, RFC 9602)"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local (deprecated by RFC 3879)"),
        ("ff00::/8", "multicast"),
        # what clouds have outside these, by their own documentation, their SDKs and cloud-init
        ("100.100.100.200/32", _METADATA),  # Alibaba Cloud
        ("168.63.129.16/32", _METADATA),  # Azure's WireServer
        ("fd00:42::42/128", _METADATA),  # Scaleway
        ("fd00:100::100:200/128", _METADATA),  # Alibaba Cloud
        ("fd00:a9fe:a9fe::1/128", _METADATA),  # Akamai (Linode)
        ("fd00:c1::a9fe:a9fe/128", _METADATA),  # Oracle Cloud
        ("fd00:ec2::/32", _METADATA),  # AWS: ::254, and ::23 for the identity of pods
        ("fd20:ce::254/128", _METADATA),  # Google Cloud
    )
}
"""What is denied unless `allow` includes it, with a description.

Not among them: private and shared networks and loopback, which a prober is there for, and networks
that lead nowhere in particular, such as those for documentation.
"""

_EMBEDDING = tuple(
    IPv6Network(network)
    for network in (
        "64:ff9b::/96",  # NAT64 (RFC 6052)
        "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765)
        "::/96",  # IPv4-compatible (RFC 4291, section 2.5.5.1)
    )
)
"""Networks whose last 32 bits are an IPv4 address."""
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")  # RFC 8215; the length of its prefixes is not fixed
_ISATAP = (0x00005EFE, 0x02005EFE)  # RFC 5214, section 6.1: before an IPv4 address, in any network
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
_REMEMBERED = 8192


def _read_network(value: object, _: ReadContext) -> Network:
    if not isinstance(value, str):
        raise expected("a network such as 10.0.0.0/8", value)
    try:
        return ip_network(value)
    except ValueError:
        raise expected("a network such as 10.0.0.0/8, with all host bits 0", value) from (None)


NETWORKS = list_of(Kind(_read_network, {"type": "string"}, str))


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRules:
    """The operator's rules for addresses; if both lists match, the narrower network wins."""

    allow: tuple[Network, ...] = option(
        NETWORKS,
        default=(),
        doc="networks that may be probed although they are denied by default",
    )
    deny: tuple[Network, ...] = option(
        NETWORKS, default=(), doc="additional networks that may not be probed"
    )
    unix_sockets: tuple[str, ...] = option(
        list_of(matching(r"/[^\x00-\x1f\x7f]*", "a whole path")),
        default=(),
        doc="Unix sockets that may be probed, or directories of them, which end with `/`",
    )
    move_secrets: tuple[str, ...] = option(
        list_of(text(1, 255)),
        default=(),
        doc="names of monitors whose secrets in this file edits may send to other targets",
    )


@lru_cache(_REMEMBERED)
def objection_to(host: str, rules: TargetRules) -> str | None:
    """Return why an address must not be probed; None if it may, or if it is not an address."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    for form in forms(address):
        if found := _objection(form, rules):
            return (
                f"{address} {found}" if form == address else f"{address} is {form}, which {found}"
            )
    return None


def forms(address: Address) -> Iterator[Address]:
    """Yield an address and the IPv4 addresses that it may lead to."""
    yield address
    if isinstance(address, IPv4Address):
        return
    for inner in (address.ipv4_mapped, address.sixtofour, *(address.teredo or ())):
        if inner is not None:
            yield inner
    number = int(address)
    last = IPv4Address(number & 0xFFFFFFFF)
    if any(address in network for network in _EMBEDDING) and number > 1:
        yield last
    if number >> 32 & 0xFFFFFFFF in _ISATAP:
        yield last
    if address in _LOCAL_NAT64:
        yield from _by_local_nat64(number)


def _by_local_nat64(number: int) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses of an address, for each length of the prefix (RFC 6052, 2.2).

    Bits 64 to 71 are left out. What looks like no address at all is due to another length.
    """
    for high, low in ((16, 16), (8, 24), (0, 32)):  # lengths of 48, 56, 64 bits
        before = number >> 64 & ((1 << high) - 1)
        after = number >> (56 - low) & ((1 << low) - 1)
        yield from _unless_of_this_network(before << low | after)
    yield from _unless_of_this_network(number & 0xFFFFFFFF)  # 96 bits


def _unless_of_this_network(number: int) -> Iterator[IPv4Address]:
    address = IPv4Address(number)
    if address not in _THIS_NETWORK:
        yield address


def is_loopback(host: str) -> bool:
    """Return whether an address, in any notation, is this host's loopback, or a name for it."""
    try:
        return any(form.is_loopback for form in forms(ip_address(host.partition("%")[0])))
    except ValueError:
        return host.lower().removesuffix(".").rpartition(".")[2] == "localhost"


def _objection(address: Address, rules: TargetRules) -> str | None:
    matches = [
        (network.prefixlen, denied, network)
        for denied, networks in ((False, rules.allow), (True, rules.deny))
        for network in networks
        if address in network
    ]
    if matches:
        _, denied, network = max(matches, key=lambda match: match[:2])
        return f"is in server.api_targets.deny ({network})" if denied else None
    for network, what in DENIED.items():
        if address in network:
            return f"is {what} ({network})"
    return None
