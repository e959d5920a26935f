"""TLS: which handshake is asked for, and what is made of it."""

import pytest

from prober.model.probe import Probe, Target, Trouble
from prober.model.status import Reason
from prober.model.tls_settings import TlsSettings
from prober.probes.grpc import GrpcProbe
from prober.probes.http import HttpsProbe
from prober.probes.tls import TlsProbe
from tests.probes.drive import DEADLINE, SESSION, drive

NAMED = TlsSettings(server_name="sni.example")


def test_a_handshake_is_good_and_nothing_is_sent() -> None:
    run = drive(TlsProbe().bind(Target("example.org", 443)), SESSION)
    assert run.verdict.reason is Reason.OK
    assert run.verdict.detail == "TLSv1.3 handshake, h2"
    assert run.sent == b""


def test_no_protocol_is_named_when_none_was_agreed() -> None:
    run = drive(TlsProbe().bind(Target("example.org", 443)), SESSION._replace(alpn=None))
    assert run.verdict.detail == "TLSv1.3 handshake"


@pytest.mark.parametrize("reason", [Reason.TLS_EXPIRED, Reason.TLS_ALERT, Reason.RESET])
def test_a_failed_handshake_is_the_verdict(reason: Reason) -> None:
    start = TlsProbe().bind(Target("example.org", 443))
    assert drive(start, Trouble(reason, "no")).verdict == (reason, "no", None)


def test_a_handshake_without_end_times_out() -> None:
    start = TlsProbe().bind(Target("example.org", 443))
    assert drive(start, DEADLINE).verdict.reason is Reason.TIMEOUT


@pytest.mark.parametrize(
    ("probe", "host", "name"),
    [
        (TlsProbe(), "example.org", "example.org"),
        (TlsProbe(), "example.org.", "example.org"),
        (TlsProbe(), "2001:db8::7", "2001:db8::7"),
        (TlsProbe(domain_name="www.example"), "10.0.0.3", "www.example"),
        (TlsProbe(domain_name="www.example", tls=NAMED), "10.0.0.3", "sni.example"),
        (HttpsProbe(), "example.org.", "example.org"),
        (HttpsProbe(domain_name="www.example"), "10.0.0.3", "www.example"),
        (HttpsProbe(domain_name="www.example", tls=NAMED), "10.0.0.3", "sni.example"),
        (GrpcProbe(tls=TlsSettings(), authority="a.example"), "b.example", "b.example"),
        (GrpcProbe(tls=NAMED), "b.example", "sni.example"),
    ],
)
def test_the_name_is_the_settings_then_domain_name_then_the_target(
    probe: Probe, host: str, name: str
) -> None:
    run = drive(probe.bind(Target(host, 443)), DEADLINE)
    assert [each.server_name for each in run.handshakes] == [name]


@pytest.mark.parametrize(
    ("probe", "alpn"),
    [
        (TlsProbe(), ()),
        (HttpsProbe(), ("http/1.1",)),
        (GrpcProbe(tls=TlsSettings()), ("h2",)),
        (TlsProbe(tls=TlsSettings(alpn=("h3",))), ("h3",)),
        (HttpsProbe(tls=TlsSettings(alpn=("h3",))), ("h3",)),
        (GrpcProbe(tls=TlsSettings(alpn=("grpc-exp", "h2"))), ("grpc-exp", "h2")),
    ],
)
def test_each_type_offers_its_protocol_unless_told_otherwise(
    probe: Probe, alpn: tuple[str, ...]
) -> None:
    run = drive(probe.bind(Target("example.org", 443)), DEADLINE)
    assert [each.alpn for each in run.handshakes] == [alpn]


def test_only_the_tls_probe_waits_for_the_servers_consent() -> None:
    runs = [
        drive(probe.bind(Target("example.org", 443)), DEADLINE)
        for probe in (TlsProbe(), HttpsProbe(), GrpcProbe(tls=TlsSettings()))
    ]
    assert [run.handshakes[0].confirm for run in runs] == [True, False, False]


def test_a_session_says_what_it_knows() -> None:
    assert SESSION.facts() == {"tls_version": "TLSv1.3", "tls_not_after": 2_000_000_000.0}
    assert SESSION._replace(not_after=None).facts() == {"tls_version": "TLSv1.3"}
    assert SESSION._replace(chain_not_after=1_900_000_000.0).facts() == {
        "tls_version": "TLSv1.3",
        "tls_not_after": 2_000_000_000.0,
        "tls_chain_not_after": 1_900_000_000.0,
    }
    assert SESSION._replace(not_after=None, issuer="Example, R1").facts() == {
        "tls_version": "TLSv1.3",
        "tls_issuer": "Example, R1",
    }
