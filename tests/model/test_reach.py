"""Which addresses a target that is named over the API may have."""

from ipaddress import ip_network

import pytest

from prober.model.option import ReadContext, Rejected, section
from prober.model.reach import DENIED, TargetRules, objection_to

NOTHING = ReadContext("", str, {})


def rules(*, allow: tuple[str, ...] = (), deny: tuple[str, ...] = ()) -> TargetRules:
    return TargetRules(allow=tuple(map(ip_network, allow)), deny=tuple(map(ip_network, deny)))


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "10.0.0.1", "192.168.1.1", "198.51.100.1", "100.100.100.201"),
        *("::1", "2001:db8::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"),
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
        ("2001:0:4136:e378:8000:63bf:5601:5601", "link-local"),
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
