"""ICMP probes against the kernel, on hosts of their own."""

import os
import select
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import pytest

from prober.engine.echo_wire import Tokens
from prober.engine.resolver import Address
from prober.engine.sockets import Sockets
from prober.model.probe import Probe
from prober.model.status import Outcome, Reason, Result
from prober.probes.icmp import IcmpProbe
from prober.probes.udp import UdpProbe
from prober.protocols.icmp_echo import checksum, read_request, without_ip_header
from tests.engine.by_hand import ByHand
from tests.engine.targets import PATIENCE, phases
from tests.faults import namespaces
from tests.faults.namespaces import Host, host, linked

pytestmark = [
    pytest.mark.xdist_group("icmp"),
    pytest.mark.skipif(bool(namespaces.missing()), reason=namespaces.missing() or "-"),
]
EVERYONE, NO_ONE = "0 2147483647", "1 0"
FAR = "10.9.0.2"


@pytest.fixture(scope="module")
def alone() -> Iterator[Host]:
    """Yield a host on which everybody may open ping sockets."""
    with host() as made:
        made.set(ping_group_range=EVERYONE)
        yield made


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Host, Host]]:
    with linked() as (near, far):
        near.set(ping_group_range=EVERYONE)
        yield near, far


@contextmanager
def without_privileges() -> Iterator[None]:
    """Let this process be of another user."""
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def found(by_hand: ByHand, probe: Probe, target: str, *, timeout: float = 30.0) -> Outcome:
    """Probe once."""
    by_hand.outcomes.clear()
    by_hand.start(0, probe, host=target, timeout=timeout)
    return by_hand.outcome()


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("target", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("size", [0, 3, 8, 56, 1001])
def test_a_reply_is_good(by_hand: ByHand, alone: Host, target: str, size: int, raw: bool) -> None:
    alone.set(ping_group_range=NO_ONE if raw else EVERYONE)
    with alone.entered():
        outcome = found(by_hand, IcmpProbe(size=size), target)
    assert outcome.reason is Reason.OK
    facts = outcome.facts or {}
    assert facts["icmp_loss_ratio"] == 0
    assert facts["icmp_reply_ttl"] == 64
    assert outcome.detail.startswith("reply in ")
    assert outcome.source_ip == target
    assert phases(outcome) == {"send", "first_byte", "transfer"}


def test_the_round_trip_is_that_of_the_kernel(by_hand: ByHand, alone: Host) -> None:
    """The clocks of the test stand still: what is left is the time that they agree on."""
    with alone.entered():
        outcome = found(by_hand, IcmpProbe(), "127.0.0.1")
    assert (outcome.facts or {})["icmp_rtt_seconds"] == 0


def test_several_requests_are_sent_a_gap_apart(by_hand: ByHand, alone: Host) -> None:
    with alone.entered():
        by_hand.start(0, IcmpProbe(count=3, gap=0.2), timeout=2.0)
        for _ in range(2):
            by_hand.drain()
            assert not by_hand.outcomes
            by_hand.clock.advance(0.25)
        outcome = by_hand.outcome()
    assert outcome.detail.startswith("3 of 3 answered")
    assert 0.4 <= outcome.seconds <= 0.6


def test_a_user_without_the_right_to_ping_learns_what_is_missing(
    by_hand: ByHand, alone: Host
) -> None:
    alone.set(ping_group_range=NO_ONE)
    with alone.entered(), without_privileges():
        by_hand.start(0, IcmpProbe())
    (outcome,) = by_hand.outcomes
    assert (outcome.result, outcome.reason) == (Result.UNKNOWN, Reason.NOT_PERMITTED)
    assert "net.ipv4.ping_group_range" in outcome.detail
    assert "CAP_NET_RAW" in outcome.detail


def test_a_user_whose_group_may_ping_needs_no_capability(by_hand: ByHand, alone: Host) -> None:
    alone.set(ping_group_range=EVERYONE)
    with alone.entered(), without_privileges():
        by_hand.start(0, IcmpProbe())
    assert by_hand.outcome().reason is Reason.OK


def test_a_ping_socket_is_used_for_one_target_after_another(by_hand: ByHand, alone: Host) -> None:
    alone.set(ping_group_range=EVERYONE)
    with alone.entered():
        for target in ("127.0.0.1", "127.0.0.2", "127.0.0.1", "::1"):
            outcome = found(by_hand, IcmpProbe(), target)
            assert outcome.reason is Reason.OK
            assert outcome.source_ip == ("::1" if ":" in target else "127.0.0.1")


@pytest.mark.parametrize("raw", [False, True])
def test_a_socket_is_used_again_unless_it_is_raw(alone: Host, raw: bool) -> None:
    alone.set(ping_group_range=NO_ONE if raw else EVERYONE)
    with alone.entered():
        sockets = Sockets()
        first = sockets.echo(socket.AF_INET)
        sockets.give_back_echo(first)
        again = sockets.echo(socket.AF_INET)
    assert (again is first) == (not raw)
    again.close()
    sockets.close()


# Replies that are not to be taken


@contextmanager
def answering(where: Host) -> Iterator[socket.socket]:
    """Yield a raw socket on a host that does not answer echo requests itself."""
    where.set(icmp_echo_ignore_all="1")
    with where.entered():
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    try:
        sock.settimeout(PATIENCE)
        yield sock
    finally:
        sock.close()
        where.set(icmp_echo_ignore_all="0")


class EchoMessage(NamedTuple):
    """An echo request."""

    identifier: int
    sequence: int
    payload: bytes


def asked(by: socket.socket) -> EchoMessage:
    """Return the next echo request."""
    while True:
        request = read_request(without_ip_header(by.recv(2000)), 4)
        if request is not None:
            return EchoMessage(*request)


def reply(by: socket.socket, echo: EchoMessage, *, to: str = "10.9.0.1") -> None:
    blank = struct.pack("!BBHHH", 0, 0, 0, echo.identifier, echo.sequence) + echo.payload
    total = checksum(blank).to_bytes(2)
    by.sendto(blank[:2] + total + blank[4:], (to, 0))


@pytest.mark.parametrize("raw", [False, True])
def test_only_the_very_reply_to_this_request_counts(
    by_hand: ByHand, pair: tuple[Host, Host], raw: bool
) -> None:
    near, far = pair
    near.set(ping_group_range=NO_ONE if raw else EVERYONE)
    with answering(far) as target:
        with near.entered():
            by_hand.start(0, IcmpProbe(size=16), host=FAR, timeout=5.0)
        right = asked(target)
        for wrong in (
            right._replace(sequence=right.sequence ^ 1),
            right._replace(payload=bytes(16)),
            right._replace(payload=right.payload[:-1]),
            right._replace(payload=right.payload + b"\0"),
        ):
            reply(target, wrong)
            by_hand.drain()
            assert not by_hand.outcomes
        reply(target, right)
        assert by_hand.outcome().reason is Reason.OK


def test_a_reply_that_comes_late_is_never_that_of_the_next_probe(
    by_hand: ByHand, pair: tuple[Host, Host]
) -> None:
    near, far = pair
    near.set(ping_group_range=EVERYONE)
    with answering(far) as target:
        with near.entered():
            by_hand.start(0, IcmpProbe(), host=FAR, timeout=1.0)
            late = asked(target)
            by_hand.clock.advance(1.1)
            assert by_hand.outcomes[0].reason is Reason.TIMEOUT
            by_hand.outcomes.clear()
            by_hand.start(0, IcmpProbe(), host=FAR, timeout=1.0)
        new = asked(target)
        reply(target, late)
        reply(target, late._replace(identifier=new.identifier))
        reply(target, late._replace(identifier=new.identifier, sequence=new.sequence))
        by_hand.drain()
        assert not by_hand.outcomes
        by_hand.clock.advance(1.1)
    assert by_hand.outcomes[0].reason is Reason.TIMEOUT


def test_a_second_reply_to_one_request_does_not_answer_the_other(
    by_hand: ByHand, pair: tuple[Host, Host]
) -> None:
    near, far = pair
    near.set(ping_group_range=EVERYONE)
    with answering(far) as target:
        with near.entered():
            by_hand.start(0, IcmpProbe(count=2, gap=0.1), host=FAR, timeout=1.0)
        first = asked(target)
        for _ in range(2):
            reply(target, first)
            with suppress(AssertionError):
                by_hand.drain()
        by_hand.clock.advance(0.15)
        asked(target)
        by_hand.clock.advance(1.0)
    (outcome,) = by_hand.outcomes
    assert outcome.reason is Reason.TIMEOUT
    assert (outcome.facts or {})["icmp_loss_ratio"] == 0.5


def test_no_two_requests_have_the_same_number() -> None:
    tokens = Tokens(2**64 - 2)
    assert [tokens.take() for _ in range(3)] == [2**64 - 1, 0, 1]


# What the network says


@pytest.fixture(scope="module")
def routed() -> Iterator[tuple[Host, Host]]:
    """Yield a host and its router, behind which 10.8.0.0/16 has a small MTU or is not there."""
    with linked() as (near, router):
        near.set(ping_group_range=EVERYONE)
        near.run("ip", "route", "add", "10.8.0.0/16", "via", FAR)
        router.set(ip_forward="1", icmp_ratelimit="0")
        router.run("ip", "link", "add", "narrow", "mtu", "1300", "type", "veth")
        router.run("ip", "link", "set", "narrow", "up")
        router.run("ip", "route", "add", "10.8.1.0/24", "dev", "narrow")
        for kind, address in (("unreachable", "10.8.2.1"), ("prohibit", "10.8.2.2")):
            router.run("ip", "route", "add", kind, f"{address}/32")
        yield near, router


def reported(by_hand: ByHand, near: Host, probe: Probe, target: str, port: int = 0) -> Outcome:
    """Probe until the router has reported something: it does so about once a second (ip_error)."""
    by_hand.outcomes.clear()
    for _ in range(60):
        with near.entered():
            attempt = by_hand.start(port, probe, host=target, timeout=30.0)
        while not by_hand.outcomes and select.select([by_hand.engine], [], [], PATIENCE / 60)[0]:
            by_hand.engine.drain()
        if by_hand.outcomes:
            return by_hand.outcomes[0]
        by_hand.engine.cancel(attempt)
    raise AssertionError("the router never reported anything")


SAID = {
    "10.8.2.1": (IcmpProbe(), "host unreachable, reported by 10.9.0.2"),
    "10.8.2.2": (IcmpProbe(), "administratively prohibited, reported by 10.9.0.2"),
    "10.8.1.1": (IcmpProbe(ttl=1), "time to live exceeded on the way, reported by 10.9.0.2"),
    "10.8.1.2": (
        IcmpProbe(size=1400, dont_fragment=True),
        "packet too big, the next link takes 1300 bytes, reported by 10.9.0.2",
    ),
}


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("target", SAID)
def test_what_a_router_reports_is_the_verdict(
    by_hand: ByHand, routed: tuple[Host, Host], target: str, raw: bool
) -> None:
    near, _ = routed
    near.set(ping_group_range=NO_ONE if raw else EVERYONE)
    probe, words = SAID[target]
    for _ in range(2):  # the second time, the kernel knows the MTU of the path
        outcome = reported(by_hand, near, probe, target)
        assert (outcome.result, outcome.reason) == (Result.CONNECT_FAILED, Reason.UNREACHABLE)
        assert outcome.detail == words


def test_a_router_is_named_for_udp_as_well(by_hand: ByHand, routed: tuple[Host, Host]) -> None:
    near, _ = routed
    outcome = reported(by_hand, near, UdpProbe(), "10.8.2.1", 9)
    assert outcome.reason is Reason.UNREACHABLE
    assert outcome.detail == "host unreachable, reported by 10.9.0.2"


def test_a_request_longer_than_the_link_takes_is_our_trouble(
    by_hand: ByHand, routed: tuple[Host, Host]
) -> None:
    near, _ = routed
    with near.entered():
        by_hand.start(0, IcmpProbe(size=2000, dont_fragment=True), host=FAR)
    (outcome,) = by_hand.outcomes
    assert (outcome.reason, outcome.detail) == (Reason.NOT_PERMITTED, "message too long")


def test_a_name_is_tried_at_its_next_address(routed: tuple[Host, Host]) -> None:
    near, _ = routed
    by_hand = ByHand(lambda _: (Address(socket.AF_INET, "10.8.2.1"), Address(socket.AF_INET, FAR)))
    try:
        with near.entered():
            by_hand.start(0, IcmpProbe(), host="both.example", timeout=2.0)
            by_hand.take_answer()
            while not by_hand.outcomes:
                if not select.select([by_hand.engine], [], [], PATIENCE / 60)[0]:
                    by_hand.clock.advance(1.1)  # the router reported nothing
                by_hand.engine.drain()
            (outcome,) = by_hand.outcomes
    finally:
        by_hand.close()
    assert outcome.reason is Reason.OK
