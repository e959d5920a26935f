"""Where probes start: source, interface, marks and IP version, with real sockets."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from prober.engine.opening import opener, why_not_opened
from prober.engine.resolver import Address
from prober.model.egress import Egress
from prober.model.probe import Probe
from prober.model.status import Outcome, Reason, Result
from prober.probes.icmp import IcmpProbe
from prober.probes.tcp import TcpProbe
from prober.probes.udp import UdpProbe
from tests.engine.by_hand import ByHand
from tests.engine.targets import PATIENCE, listening
from tests.faults import namespaces
from tests.faults.namespaces import Host, linked

pytestmark = pytest.mark.xdist_group("icmp")
needs_namespaces = pytest.mark.skipif(
    bool(namespaces.missing()), reason=namespaces.missing() or "-"
)
FAR = "10.9.0.2"
V4, V6 = Address(socket.AF_INET, "127.0.0.1"), Address(socket.AF_INET6, "::1")


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Host, Host]]:
    with linked() as (near, far):
        near.run("ip", "address", "add", "10.9.0.7/24", "dev", "cable")
        near.run("ip", "route", "add", "10.7.0.0/16", "via", FAR, "table", "77")
        near.run("ip", "rule", "add", "fwmark", "7", "table", "77")
        far.run("ip", "address", "add", "10.7.0.1/32", "dev", "lo")
        yield near, far


@contextmanager
def without_privileges() -> Iterator[None]:
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def bound(address: str = "127.0.0.1") -> socket.socket:
    """Return a UDP socket that tells the TOS of what it receives."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, 0))
    sock.settimeout(PATIENCE)
    sock.setsockopt(socket.IPPROTO_IP, 13, 1)  # IP_RECVTOS
    return sock


def found(by_hand: ByHand, port: int, probe: Probe, egress: Egress, **more: str) -> Outcome:
    by_hand.outcomes.clear()
    by_hand.start(port, probe, timeout=30.0, egress=egress, host=more.get("host", "127.0.0.1"))
    return by_hand.outcome()


# The source


def test_a_connection_starts_at_the_source(by_hand: ByHand) -> None:
    peers: list[str] = []
    with listening(lambda sock: peers.append(sock.getpeername()[0])) as port:
        outcome = found(by_hand, port, TcpProbe(), Egress(source="127.0.0.9"))
    assert outcome.reason is Reason.OK
    assert outcome.source_ip == "127.0.0.9"


def test_a_datagram_starts_at_the_source(by_hand: ByHand) -> None:
    with bound() as target:
        egress = Egress(source="127.0.0.8", tos=184)
        by_hand.start(target.getsockname()[1], UdpProbe(), egress=egress)
        _, extra, _, (host, _) = target.recvmsg(100, 100)
    assert host == "127.0.0.8"
    assert [content[0] for _, kind, content in extra if kind == socket.IP_TOS] == [184]


def test_sockets_of_others_are_not_those_with_a_source(by_hand: ByHand) -> None:
    """A socket that is bound is never used again, by anybody."""
    with listening(lambda _: None) as port:
        for source in ("127.0.0.9", None, "127.0.0.8", None):
            egress = Egress(source=source) if source else None
            by_hand.outcomes.clear()
            by_hand.start(port, TcpProbe(), timeout=30.0, egress=egress)
            assert by_hand.outcome().source_ip == (source or "127.0.0.1")


def test_a_source_that_is_not_here_is_our_trouble(by_hand: ByHand) -> None:
    by_hand.start(1, TcpProbe(), egress=Egress(source="203.0.113.9"))
    (outcome,) = by_hand.outcomes
    assert (outcome.result, outcome.reason) == (Result.UNKNOWN, Reason.NO_ROUTE)
    assert outcome.detail == "source 203.0.113.9 is no address of this host"


# The interface and the mark


def test_an_interface_that_is_not_here_is_our_trouble(by_hand: ByHand) -> None:
    by_hand.start(1, TcpProbe(), egress=Egress(interface="nix0"))
    (outcome,) = by_hand.outcomes
    assert (outcome.reason, outcome.detail) == (Reason.NO_ROUTE, "this host has no interface nix0")


@needs_namespaces
@pytest.mark.parametrize("kind", ["TCP", "ICMP"])
def test_probes_go_through_the_interface_and_by_the_mark(
    by_hand: ByHand, pair: tuple[Host, Host], kind: str
) -> None:
    near, far = pair
    probe = TcpProbe() if kind == "TCP" else IcmpProbe()
    with ExitStack() as stack:
        with far.entered():
            port = stack.enter_context(listening(lambda _: None, "0.0.0.0"))
        stack.enter_context(near.entered())
        port = port if kind == "TCP" else 0
        good = found(by_hand, port, probe, Egress("10.9.0.7", "cable"), host=FAR)
        assert (good.reason, good.source_ip) == (Reason.OK, "10.9.0.7")
        marked = found(by_hand, port, probe, Egress(fwmark=7), host="10.7.0.1")
        assert marked.reason is Reason.OK
        by_hand.outcomes.clear()
        for egress in (Egress(fwmark=8), Egress(interface="lo")):
            by_hand.start(port, probe, host="10.7.0.1", egress=egress)
        assert {each.reason for each in by_hand.outcomes} == {Reason.NO_ROUTE}


@needs_namespaces
def test_a_mark_needs_a_privilege_and_a_user_without_it_learns_which(by_hand: ByHand) -> None:
    egress = Egress(fwmark=7)
    with without_privileges():
        by_hand.start(1, TcpProbe(), egress=egress)
        beforehand = why_not_opened(opener(None, egress))
    (outcome,) = by_hand.outcomes
    assert (outcome.result, outcome.reason) == (Result.UNKNOWN, Reason.NOT_PERMITTED)
    assert outcome.detail == "this user may not set fwmark: CAP_NET_ADMIN"
    assert beforehand is not None
    assert beforehand.detail == outcome.detail
    assert why_not_opened(opener(None, egress)) is None


# The IP version


@pytest.mark.parametrize(
    ("order", "names", "address"),
    [
        ((4,), (V6, V4), "127.0.0.1"),
        ((6,), (V4, V6), "::1"),
        ((4, 6), (V6, V4), "127.0.0.1"),
        ((6, 4), (V4, V6), "::1"),
        ((6, 4), (V4,), "127.0.0.1"),
        (None, (V6, V4), "::1"),
    ],
)
def test_the_version_goes_by_what_a_name_has(
    order: tuple[int, ...] | None, names: tuple[Address, ...], address: str
) -> None:
    by_hand = ByHand(lambda _: names)
    try:
        with listening(lambda _: None, address) as port:
            by_hand.start(port, TcpProbe(), host="name.example", timeout=30.0, ip_order=order)
            by_hand.take_answer()
            outcome = by_hand.outcome()
    finally:
        by_hand.close()
    assert (outcome.reason, outcome.source_ip) == (Reason.OK, address)


def test_a_name_without_such_an_address_is_not_found() -> None:
    by_hand = ByHand(lambda _: (V6,))
    try:
        by_hand.start(1, TcpProbe(), host="name.example", ip_order=(4,))
        by_hand.take_answer()
    finally:
        by_hand.close()
    (outcome,) = by_hand.outcomes
    assert outcome.reason is Reason.DNS_NOT_FOUND
    assert outcome.detail == "name.example: no IPv4 address"
