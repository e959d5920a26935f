"""DNS probes against the name servers that they will meet: BIND and Unbound, on loopback."""

import shutil
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from prober.model.option import ReadContext, section
from prober.model.status import Outcome, Reason
from prober.probes.dns import DnsProbe
from tests.engine.by_hand import ByHand
from tests.engine.conftest import Certificates
from tests.engine.targets import PATIENCE, find, phases
from tests.engine.test_real_servers import SEARCHED
from tests.ports import free_port
from tests.running import program

LONG = "\n".join(f'long TXT "{"x" * 200}{number}"' for number in range(10))
ZONE = f"""
$TTL 60
@ SOA ns root 2026120101 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
www A 192.0.2.80
www AAAA 2001:db8::80
alias CNAME www
@ MX 10 mail1
@ MX 20 mail2
{LONG}
"""
BIND = """
options {{
    directory "{folder}"; pid-file none; session-keyfile none; recursion no;
    dnssec-validation no; minimal-responses yes;
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on port {tls} tls own {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
}};
tls own {{ key-file "{pem}"; cert-file "{pem}"; }};
controls {{ }};
zone "example.test" {{ type primary; file "zone"; }};
"""
UNBOUND = """
server:
    directory: "{folder}"
    username: ""
    chroot: ""
    pidfile: ""
    use-syslog: no
    interface: 127.0.0.1@{port}
    interface: 127.0.0.1@{tls}
    tls-port: {tls}
    tls-service-key: "{pem}"
    tls-service-pem: "{pem}"
    access-control: 127.0.0.0/8 allow
    do-not-query-localhost: yes
    local-zone: "." always_nxdomain
    local-zone: "example.test." static
    local-data: "www.example.test. 60 IN A 192.0.2.80"
    local-data: "www.example.test. 60 IN A 192.0.2.81"
remote-control:
    control-enable: no
"""


class Ports(NamedTuple):
    """Where a name server listens, in clear and over TLS."""

    clear: int
    tls: int


def server(name: str) -> str:
    path = shutil.which(name, path=SEARCHED)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


@pytest.fixture
def bind(tmp_path: Path, certificates: Certificates) -> Iterator[Ports]:
    """Run BIND as the authority of a zone."""
    path, ports = server("named"), Ports(free_port(), free_port())
    (tmp_path / "zone").write_text(ZONE)
    config = tmp_path / "named.conf"
    pem = certificates.file("localhost")
    config.write_text(BIND.format(folder=tmp_path, port=ports.clear, tls=ports.tls, pem=pem))
    with program(path, "-f", "-c", str(config), "-n", "1", port=ports.tls):
        yield ports


@pytest.fixture
def unbound(tmp_path: Path, certificates: Certificates) -> Iterator[Ports]:
    """Run Unbound with data of its own; it asks nobody."""
    path, ports = server("unbound"), Ports(free_port(), free_port())
    config = tmp_path / "unbound.conf"
    pem = certificates.file("localhost")
    config.write_text(UNBOUND.format(folder=tmp_path, port=ports.clear, tls=ports.tls, pem=pem))
    with program(path, "-d", "-c", str(config), port=ports.tls):
        yield ports


async def ask(port: int, **options: object) -> Outcome:
    """Probe a name server once."""
    outside = ReadContext("/", lambda path: Path(path).read_text(), {})
    given = {"query_name": "www.example.test", **options}
    return await find(section(DnsProbe).read(given, outside), port)


@pytest.mark.parametrize(
    ("options", "reason", "detail"),
    [
        ({}, Reason.OK, "NOERROR, 1 answer"),
        ({"transport": "tcp"}, Reason.OK, "NOERROR, 1 answer"),
        ({"authoritative": True, "recursion_desired": False}, Reason.OK, "NOERROR, 1 answer"),
        ({"expect_answers": {"any": [r"^192\.0\.2\.80$"]}}, Reason.OK, "NOERROR, 1 answer"),
        (
            {"expect_answers": {"any": ["^127"]}},
            Reason.PAYLOAD_MISMATCH,
            "NOERROR, 1 answer, no answer matches any of expect_answers.any",
        ),
        (
            {"query_type": "AAAA", "expect_answers": {"all": ["^2001:db8::80$"]}},
            Reason.OK,
            "NOERROR, 1 answer",
        ),
        (
            {
                "query_name": "alias.example.test",
                "expect_answers": {"all": [r"^www\.example\.test\.$", "80$"]},
            },
            Reason.OK,
            "NOERROR, 2 answers",
        ),
        (
            {
                "query_name": "example.test",
                "query_type": "MX",
                "expect_answers": {"all": ["^10 mail1", "^20 mail2"]},
            },
            Reason.OK,
            "NOERROR, 2 answers",
        ),
        (
            {"query_name": "nix.example.test"},
            Reason.UNEXPECTED_RCODE,
            "NXDOMAIN, 0 answers, expected NOERROR",
        ),
        (
            {"query_name": "nix.example.test", "expected_rcodes": ["NXDOMAIN"]},
            Reason.OK,
            "NXDOMAIN, 0 answers",
        ),
        (
            {"query_name": "example.org"},
            Reason.UNEXPECTED_RCODE,
            "REFUSED, 0 answers, expected NOERROR",
        ),
        ({"query_type": "TXT", "min_answers": 1}, Reason.PAYLOAD_MISMATCH, None),
        ({"dnssec_ok": True, "authenticated": True}, Reason.PAYLOAD_MISMATCH, None),
    ],
)
async def test_bind(
    bind: Ports, options: dict[str, object], reason: Reason, detail: str | None
) -> None:
    found = await ask(bind.clear, **options)
    assert (found.reason, found.detail) == (reason, detail or found.detail)


async def test_bind_gives_the_serial_of_its_zone(bind: Ports) -> None:
    found = await ask(bind.clear, query_name="example.test", query_type="SOA")
    assert found.facts == {"dns_rcode": "NOERROR", "dns_answers": 1, "dns_serial": 2026120101}


async def test_bind_truncates_over_udp_and_is_asked_again_over_tcp(bind: Ports) -> None:
    asked = {"query_name": "long.example.test", "query_type": "TXT", "min_answers": 10}
    found = await ask(bind.clear, **asked, expect_answers={"all": ["x9.$"]})
    assert (found.reason, found.detail) == (Reason.OK, "NOERROR, 10 answers")
    assert phases(found) == {"connect", "send", "first_byte", "transfer"}


async def test_bind_over_tls(bind: Ports, certificates: Certificates) -> None:
    tls = {"verify": True, "ca_file": certificates.ca_file, "server_name": "localhost"}
    found = await ask(bind.tls, transport="tls", tls=tls)
    assert (found.reason, found.detail) == (Reason.OK, "NOERROR, 1 answer")
    assert found.facts
    assert found.facts["tls_version"] == "TLSv1.3"
    asking = await ask(bind.tls, transport="tls", tls={**tls, "ocsp": "ask"})
    assert asking.facts is not None
    assert asking.facts["ocsp_status"] == "absent"
    wrong = await ask(bind.tls, transport="tls", tls={**tls, "server_name": "other.example"})
    assert wrong.reason is Reason.TLS_HOSTNAME


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_unbound(unbound: Ports, transport: str) -> None:
    port = unbound.tls if transport == "tls" else unbound.clear
    found = await ask(port, transport=transport, expect_answers={"all": ["80$", "81$"]})
    assert (found.reason, found.detail) == (Reason.OK, "NOERROR, 2 answers")
    found = await ask(port, transport=transport, query_name="nix.example")
    assert found.reason is Reason.UNEXPECTED_RCODE


# One step at a time: what happens between the truncated reply and the other connection


@pytest.fixture
def both() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Return a UDP and a listening TCP socket on one port."""
    for _ in range(100):  # another process may have the same port of the other protocol
        listener = socket.create_server(("127.0.0.1", 0))
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with listener, datagrams, suppress(OSError):
            datagrams.bind(listener.getsockname())
            datagrams.settimeout(PATIENCE)
            listener.settimeout(PATIENCE)
            yield datagrams, listener
            return


def truncate(datagrams: socket.socket) -> bytes:
    """Answer a query with a truncated reply; return the query."""
    query, prober = datagrams.recvfrom(1000)
    datagrams.sendto(query[:2] + b"\x83\x80" + query[4:], prober)
    return query


def test_the_second_connection_has_what_is_left_of_the_time(
    by_hand: ByHand, both: tuple[socket.socket, socket.socket]
) -> None:
    datagrams, listener = both
    by_hand.start(datagrams.getsockname()[1], DnsProbe(query_name="a.test"), timeout=2.0)
    truncate(datagrams)
    by_hand.drain()
    by_hand.clock.advance(1.5)
    connection, _ = listener.accept()
    with connection:
        by_hand.clock.advance(0.4)
        assert not by_hand.outcomes
        by_hand.clock.advance(0.2)
    (found,) = by_hand.outcomes
    assert found.reason is Reason.TIMEOUT
    assert 2.0 <= found.seconds < 2.2
    assert sum(each or 0.0 for each in found.phases) <= found.seconds + 1e-6


def test_if_nothing_listens_for_the_second_connection_it_is_refused(by_hand: ByHand) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(("127.0.0.1", 0))
        datagrams.settimeout(PATIENCE)
        by_hand.start(datagrams.getsockname()[1], DnsProbe(query_name="a.test"))
        truncate(datagrams)
        assert by_hand.outcome().reason is Reason.REFUSED


def test_a_probe_that_is_cancelled_between_its_connections_leaves_nothing(
    by_hand: ByHand, both: tuple[socket.socket, socket.socket]
) -> None:
    datagrams, _ = both
    attempt = by_hand.start(datagrams.getsockname()[1], DnsProbe(query_name="a.test"))
    truncate(datagrams)
    by_hand.drain()
    by_hand.engine.cancel(attempt)
    assert by_hand.engine.in_flight == 0
    assert not by_hand.outcomes
