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

from prober.model.kinds import list_of
from prober.model.option import Kind, ReadContext, expected, option

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

DENIED = {
    ip_network(network): what
    for network, what in (
        ("0.0.0.0/8", "unspecified"),
        ("100.100.100.200/32", "a cloud's metadata service"),
        ("169.254.0.0/16", "link-local, where clouds have their metadata service"),
        ("224.0.0.0/4", "multicast"),
        ("255.255.255.255/32", "broadcast"),
        ("::/128", "unspecified"),
        ("fd00:ec2::254/128", "a cloud's metadata service"),
        ("fe80::/10", "link-local"),
        ("ff00::/8", "multicast"),
    )
}
"""What is denied unless `allow` includes it, with a description."""

_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")
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
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        yield IPv4Address(int(address) & 0xFFFFFFFF)


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
