"""Monitors and the checks that they become."""

from typing import Any

import pytest

from prober.model.kinds import Frozen
from prober.model.monitor import UDP_PACE, Check, Model, Monitor, TargetList, probe_rate
from prober.model.option import Complaint, ReadContext, Rejected, section
from prober.model.pool import Backend, Pool, derived_id
from prober.model.probe import Probe, Target
from prober.model.tls_settings import TlsSettings
from prober.probes.http import HttpProbe, HttpsProbe
from prober.probes.tcp import TcpProbe
from prober.probes.udp import UdpProbe

A = Backend(address="10.0.0.3", port=80, labels=Frozen(rack="r1", site="a"))
B = Backend(address="10.0.0.4", port=80)


def monitor(name: str = "m", **options: Any) -> Monitor:
    given = {"type": "TCP", "pool": "web", "probe": TcpProbe(), **options}
    return Monitor(name=name, **given)


def test_the_defaults_are_those_of_the_contract() -> None:
    m = monitor()
    assert (m.interval, m.timeout, m.rise, m.fall, m.enabled) == (5.0, 2.0, 2, 3, True)
    assert m.id == derived_id("monitor", "m")


@pytest.mark.parametrize(
    ("options", "fast", "down"),
    [
        ({}, 1.0, 5.0),
        ({"interval": 0.5}, 0.5, 0.5),
        ({"interval": 60.0}, 1.0, 60.0),
        ({"fast_interval": 2.0, "down_interval": 30.0}, 2.0, 30.0),
    ],
)
def test_the_other_intervals_follow_from_the_first(
    options: dict[str, Any], fast: float, down: float
) -> None:
    m = monitor(**options)
    assert (m.fast_interval, m.down_interval) == (fast, down)


@pytest.mark.parametrize(
    ("options", "probe", "seconds"),
    [
        ({}, TcpProbe(), 17.0),
        ({"down_interval": 30.0}, TcpProbe(), 92.0),
        ({"interval": 1.0, "fast_interval": 2.0}, TcpProbe(), 8.0),
        ({"interval": 0.1, "timeout": 1.0}, TcpProbe(), 1.3),
        ({"interval": 0.1, "timeout": 1.0}, UdpProbe(), 3 * UDP_PACE + 1),
    ],
)
def test_a_check_is_stale_after_three_intervals_and_a_timeout(
    options: dict[str, Any], probe: Probe, seconds: float
) -> None:
    assert monitor(probe=probe, **options).stale_after == pytest.approx(seconds)


LISTED = TargetList(file="/a.json")


@pytest.mark.parametrize(
    "options",
    [
        {"pool": ""},
        {"pool": "web", "targets": (A,)},
        {"pool": "web", "targets_from": LISTED},
        {"pool": "", "targets": (A,), "targets_from": LISTED},
    ],
)
def test_what_is_probed_is_said_once(options: dict[str, Any]) -> None:
    with pytest.raises(Rejected, match="expected exactly one of pool, targets, targets_from"):
        monitor(**options)


def test_targets_are_a_pool_of_the_monitors_name() -> None:
    assert monitor("m", pool="", targets=(A,)).pool_name == "m"
    assert monitor("m", pool="", targets_from=LISTED).pool_name == "m"
    assert monitor("m", pool="web").pool_name == "web"


def test_a_duplicate_target_is_rejected() -> None:
    with pytest.raises(Rejected) as rejected:
        monitor(pool="", targets=(A, B, A))
    assert rejected.value.complaints[0].path == ("targets", 2)


def test_tls_settings_are_found_where_the_type_has_some() -> None:
    assert monitor(probe=HttpsProbe()).tls == TlsSettings()
    assert monitor(probe=HttpProbe()).tls is None


WEB = Pool(name="web", backends=(A, B))


def test_a_check_has_its_own_key_target_and_labels() -> None:
    check = Check(monitor("m"), WEB, A)
    assert check.key == ("m", "10.0.0.3:80")
    assert check.target == Target("10.0.0.3", 80)
    assert check.labels == {"rack": "r1", "site": "a"}


def test_the_port_of_the_monitor_is_probed_and_the_backend_keeps_its_name() -> None:
    check = Check(monitor("m", port=9000), WEB, A)
    assert check.key == ("m", "10.0.0.3:80")
    assert check.target == Target("10.0.0.3", 9000)


def test_labels_of_the_backend_win() -> None:
    m = monitor(labels=Frozen(site="b", team="x"))
    assert Check(m, WEB, A).labels == {"rack": "r1", "site": "a", "team": "x"}


def test_checks_stand_in_the_order_of_the_configuration() -> None:
    model = Model((monitor("b"), monitor("a")), (Pool(name="empty"), WEB))
    assert [check.key for check in model.checks()] == [
        ("b", "10.0.0.3:80"),
        ("b", "10.0.0.4:80"),
        ("a", "10.0.0.3:80"),
        ("a", "10.0.0.4:80"),
    ]
    assert len({check.spread for check in model.checks()}) == 4


def test_the_probe_rate_counts_what_is_enabled() -> None:
    monitors = (monitor("a", interval=0.5), monitor("b", interval=5.0, enabled=False))
    assert probe_rate(Model(monitors, (WEB,)).checks()) == 4.0


@pytest.mark.parametrize(
    ("given", "complaints"),
    [
        ({"ca_file": "a"}, [(("ca_file",), "has no effect without verify: true")]),
        ({"key_file": "a"}, [(("key_file",), "has no effect without cert_file")]),
        (
            {"min_version": "SSL"},
            [(("min_version",), "expected one of 1.0, 1.1, 1.2, 1.3, got 'SSL'")],
        ),
        ({"max_version": 1.1}, [(("max_version",), "is less than min_version")]),
        ({"ciphers": "A\n"}, [(("ciphers",), "expected ciphers in OpenSSL's format, got 'A\\n'")]),
        ({"alpn": []}, [(("alpn",), "expected at least 1 in the list, got 0")]),
        ({"alpn": ["é"]}, [(("alpn", 0), "expected the name of a protocol, got 'é'")]),
        ({"alpn": [""]}, [(("alpn", 0), "expected the name of a protocol, got ''")]),
        ({"server_name": "::1"}, [(("server_name",), "expected a host name, got '::1'")]),
        ({"server_name": "a..b"}, [(("server_name",), "expected a host name, got 'a..b'")]),
        (
            {"expires_within": "0s"},
            [(("expires_within",), "expected a duration from 1s to 3650d, got '0s'")],
        ),
        ({"verfy": True}, [(("verfy",), "unknown key; did you mean 'verify'?")]),
    ],
)
def test_tls_settings_that_are_rejected(
    given: dict[str, object], complaints: list[Complaint]
) -> None:
    outside = ReadContext("/", lambda _: "-----BEGIN X-----", {})
    with pytest.raises(Rejected) as rejected:
        section(TlsSettings).read(given, outside)
    assert list(rejected.value.complaints) == complaints


def test_tls_settings_that_are_accepted() -> None:
    outside = ReadContext("/etc", lambda _: "-----BEGIN X-----", {})
    given = {
        "verify": True,
        "ca_file": "ca.pem",
        "cert_file": "c.pem",
        "key_file": "/k.pem",
        "ciphers": "DEFAULT:@SECLEVEL=1",
        "min_version": 1.1,
        "max_version": "1.2",
        "alpn": ["h2"],
        "expires_within": "14d",
    }
    assert section(TlsSettings).read(given, outside) == TlsSettings(
        verify=True,
        ca_file="/etc/ca.pem",
        cert_file="/etc/c.pem",
        key_file="/k.pem",
        ciphers="DEFAULT:@SECLEVEL=1",
        min_version="1.1",
        max_version="1.2",
        alpn=("h2",),
        expires_within=14 * 86400.0,
    )


@pytest.mark.parametrize(
    ("more", "port", "target"),
    [
        ({}, None, "10.0.0.1:80"),
        ({}, 81, "10.0.0.1:81"),
        ({"probe_address": "192.0.2.1"}, 81, "192.0.2.1:81"),
        ({"probe_port": 82}, 81, "10.0.0.1:82"),
    ],
)
def test_a_backend_can_be_probed_elsewhere_under_its_own_name(
    more: dict[str, Any], port: int | None, target: str
) -> None:
    backend = Backend(address="10.0.0.1", port=80, **more)
    one = monitor("m", pool="p", port=port)
    check = Check(one, Pool(name="p", backends=(backend,)), backend)
    assert (str(check.target), check.key) == (target, ("m", "10.0.0.1:80"))
