"""Where probes start: the keys, and what does not fit together."""

from collections.abc import Callable

import pytest

from prober.model.egress import Egress
from tests.config.conftest import Read

Said = Callable[..., list[str]]

MONITOR = "monitors:\n- {name: m, type: TCP, targets: [TARGET], KEYS}\n"


def text(keys: str, target: str = "'192.0.2.1:80'") -> str:
    return MONITOR.replace("KEYS", keys).replace("TARGET", target)


@pytest.mark.parametrize(
    ("keys", "egress", "order"),
    [
        ("source: 192.0.2.9", Egress(source="192.0.2.9"), (4,)),
        ("source: 192.0.2.9, ip_family: 6-then-4", Egress(source="192.0.2.9"), (4,)),
        ("interface: eth0, fwmark: 7, tos: 0", Egress(None, "eth0", 7, 0), None),
        ("ip_family: 4", None, (4,)),
        ("ip_family: '4'", None, (4,)),
        ("ip_family: 6-then-4", None, (6, 4)),
        ("ip_family: any", None, None),
    ],
)
def test_the_keys_say_where_a_monitor_starts(
    read: Read, keys: str, egress: Egress | None, order: tuple[int, ...] | None
) -> None:
    [monitor] = read(text(keys)).model.monitors
    assert monitor.egress == egress
    assert monitor.ip_order == order


ADDRESS = "'192.0.2.1:80'"
MISTAKES = {
    ("ip_family: 6", ADDRESS): "targets[0]: '192.0.2.1:80' is an IPv4 address, but ip_family is 6",
    ("source: '2001:db8::1'", ADDRESS): (
        "targets[0]: '192.0.2.1:80' is an IPv4 address, but source is 2001:db8::1"
    ),
    ("source: '2001:db8::1', ip_family: 4", "'h:80'"): (
        "source: is an IPv6 address, ip_family says otherwise"
    ),
    ("ip_family: 5", "'h:80'"): (
        "ip_family: expected one of any, 4, 6, 4-then-6, 6-then-4, got '5'"
    ),
    ("source: h", "'h:80'"): "source: expected an IP address, got 'h'",
    ("interface: eth0/1", "'h:80'"): "interface: expected the name of an interface, got 'eth0/1'",
    ("fwmark: 0", "'h:80'"): "fwmark: expected a whole number from 1 to 4294967295, got 0",
    ("tos: 256", "'h:80'"): "tos: expected a whole number from 0 to 255, got 256",
}


@pytest.mark.parametrize(("keys", "target"), MISTAKES)
def test_what_does_not_fit_is_a_mistake(problems: Said, keys: str, target: str) -> None:
    found = problems(text(keys, target))
    assert len(found) == 1
    assert found[0].startswith(f"2: monitors[0].{MISTAKES[keys, target]}")


def test_a_pool_with_an_address_of_another_version_is_a_mistake(problems: Said) -> None:
    pool = "pools: [{name: p, backends: ['h:80', '[2001:db8::1]:80']}]\n"
    monitor = "monitors: [{name: m, type: TCP, pool: p, ip_family: 4}]\n"
    assert problems(pool + monitor) == [
        "2: monitors[0].pool: backend '[2001:db8::1]:80' is an IPv6 address, but ip_family is 4"
    ]
