"""Which addresses a target that is named over the API may have."""

from ipaddress import ip_address, ip_network

import pytest

from prober.model.option import ReadContext, Rejected, section
from prober.model.reach import DENIED, TargetRules, is_loopback, objection_to

NOTHING = ReadContext("", str, {})


def rules(*, allow: tuple[str, ...] = (), deny: tuple[str, ...] = ()) -> TargetRules:
    return TargetRules(allow=tuple(map(ip_network, allow)), deny=tuple(map(ip_network, deny)))


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "10.0.0.1", "192.168.1.1", "198.51.100.1", "100.100.100.201"),
        *("::1", "2001:db8::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"),
        *("64:ff9b:1::a00:1", "64:ff9b:1:a00:0:100::", "::ffff:0:10.0.0.1", "fd00:ec1::254"),
        *("2001:db8::5efe:10.0.0.1", "2001:db8::5eff:169.254.169.254", "168.63.129.17"),
        *("fd00:42::43", "fd20:ce::253", "192.0.1.192", "172.16.0.1", "fd00:a9fe:a9fe::2"),
        *("localhost", "169.254.169.254.example", ""),
    ],
)
def test_ordinary_addresses_and_names_are_welcome(host: str) -> None:
    assert objection_to(host, TargetRules()) is None


@pytest.mark.parametrize(
    ("host", "what"),
    [
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("169.254.169.254", "link-local"),
        ("100.100.100.200", "metadata"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.255", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("::", "unspecified"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("febf::1", "link-local"),
        ("ff02::1", "multicast"),
        ("fd00:ec2::254", "metadata"),
        ("::ffff:169.254.169.254", "is 169.254.169.254, which is link-local"),
        ("::ffff:a9fe:a9fe", "link-local"),
        ("::169.254.169.254", "link-local"),
        ("64:ff9b::169.254.169.254", "link-local"),
        ("2002:a9fe:a9fe::1", "link-local"),
        ("2001:0:4136:e378:8000:63bf:5601:5601", "link-local"),  # Teredo: its client
        ("2001:0:a9fe:a9fe::", "link-local"),  # Teredo: its server
        ("192.0.0.192", "metadata"),
        ("168.63.129.16", "metadata"),
        ("fd00:ec2::23", "metadata"),
        ("fd00:ec2:0:0:1::", "metadata"),
        ("fd00:c1::a9fe:a9fe", "metadata"),
        ("fd20:ce::254", "metadata"),
        ("fd00:42::42", "metadata"),
        ("fd00:a9fe:a9fe::1", "metadata"),
        ("fd00:100::100:200", "metadata"),
        ("::ffff:168.63.129.16", "metadata"),
        ("fec0::1", "site-local"),
        ("5f00::1", "SRv6"),
        ("::ffff:0:169.254.169.254", "link-local"),  # IPv4-translated
        ("::ffff:0:100.100.100.200", "metadata"),
        ("64:ff9b:1::169.254.169.254", "link-local"),  # NAT64 of local use, 96 bits
        ("64:ff9b:1:ffff:0:ffff:a9fe:a9fe", "link-local"),
        ("64:ff9b:1:a9fe:a9:fe00::", "link-local"),  # 48 bits
        ("64:ff9b:1:a9fe:a9:fe00:1234:5678", "link-local"),  # whatever follows
        ("64:ff9b:1:12a9:fe:a9fe::", "link-local"),  # 56 bits
        ("64:ff9b:1:1234:a9:fea9:fe00:0", "link-local"),  # 64 bits
        ("2001:db8::5efe:169.254.169.254", "link-local"),  # ISATAP
        ("2001:db8::200:5efe:a9fe:a9fe", "link-local"),
        ("fd00::5efe:100.100.100.200", "metadata"),
    ],
)
def test_what_only_this_machine_reaches_is_denied_however_it_is_written(
    host: str, what: str
) -> None:
    assert what in (objection_to(host, TargetRules()) or "")


@pytest.mark.parametrize(
    ("allow", "deny", "welcome"),
    [
        (("169.254.0.0/16",), (), True),
        (("169.254.169.254",), (), True),
        (("169.254.169.253",), (), False),
        (("169.254.0.0/16",), ("169.254.169.254",), False),
        (("169.254.169.254",), ("169.254.0.0/16",), True),
        (("169.254.0.0/16",), ("169.254.0.0/16",), False),
        (("0.0.0.0/0",), ("fe80::/10",), True),
    ],
)
def test_the_narrower_network_decides(
    allow: tuple[str, ...], deny: tuple[str, ...], welcome: bool
) -> None:
    objection = objection_to("169.254.169.254", rules(allow=allow, deny=deny))
    assert (objection is None) is welcome


def test_private_networks_can_be_denied_in_every_form() -> None:
    closed = rules(deny=("10.0.0.0/8",))
    assert objection_to("10.1.2.3", closed) == (
        "10.1.2.3 is in server.api_targets.deny (10.0.0.0/8)"
    )
    assert objection_to("::ffff:10.1.2.3", closed)
    assert objection_to("192.168.0.1", closed) is None


@pytest.mark.parametrize("network", ["10.0.0.1/8", "10.0.0.0/33", "a", 10, "localhost", None])
def test_what_is_no_network_is_refused(network: object) -> None:
    with pytest.raises(Rejected, match=r"expected a network such as 10\.0\.0\.0/8") as caught:
        section(TargetRules).read({"deny": [network]}, NOTHING)
    assert caught.value.complaints[0].path == ("deny", 0)


def test_every_rule_is_met_by_its_own_network() -> None:
    assert all(objection_to(str(network[0]), TargetRules()) for network in DENIED)


REGISTERED = {
    # IANA IPv4 Special-Purpose Address Registry, without what it lists inside 192.0.0.0/24
    **dict.fromkeys(("0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "255.255.255.255/32"), True),
    **dict.fromkeys(("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"), False),
    **dict.fromkeys(("127.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"), False),
    **dict.fromkeys(("192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"), False),
    **dict.fromkeys(("192.175.48.0/24", "198.18.0.0/15", "240.0.0.0/4"), False),
    # IANA IPv6 Special-Purpose Address Registry; what embeds an IPv4 address goes by that
    **dict.fromkeys(("::/128", "5f00::/16", "fe80::/10"), True),
    **dict.fromkeys(("::1/128", "100::/64", "100:0:0:1::/64", "2001:1::1/128", "fc00::/7"), False),
    **dict.fromkeys(("2001:2::/48", "2001:3::/32", "2001:4:112::/48", "2001:20::/28"), False),
    **dict.fromkeys(("2001:30::/28", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20"), False),
    # IANA's registries of multicast addresses, and RFC 3879
    **dict.fromkeys(("224.0.0.0/4", "ff00::/8", "fec0::/10"), True),
}


@pytest.mark.parametrize(("network", "denied"), REGISTERED.items())
def test_each_row_of_the_registries_is_decided(network: str, denied: bool) -> None:
    """Of a network that leads somewhere in particular, a first, a middle and a last address."""
    addresses = ip_network(network)
    picked = {addresses[0], addresses[addresses.num_addresses // 2], addresses[-1]}
    for address in picked - {ip_address("255.255.255.255")} or picked:
        assert bool(objection_to(str(address), TargetRules())) is denied, address


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "::ffff:0:127.0.0.1"],
)
def test_loopback_is_allowed_but_known_for_what_it_is(host: str) -> None:
    assert objection_to(host, TargetRules()) is None
    assert is_loopback(host)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("a.LOCALHOST.", True),
        ("localhost.example", False),
        ("10.0.0.1", False),
    ],
)
def test_names_of_loopback_are_known(host: str, local: bool) -> None:
    assert is_loopback(host) is local
