"""What the kernel knows of a TCP probe that came to nothing or was slow, with real sockets."""

import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from prober.engine.attempt import Job
from prober.engine.tcp_state import tcp_state
from prober.model.kernel_view import KernelView
from prober.model.probe import Target
from prober.model.status import Outcome, Reason
from prober.probes.tcp import TcpProbe
from tests.engine.by_hand import ByHand, accept
from tests.engine.targets import PATIENCE
from tests.faults import namespaces
from tests.faults.namespaces import Host, linked

ASKING = TcpProbe(send=b"hello", expect=b"world")
FAR, GONE, PROHIBITED = "10.9.0.2", "10.8.2.1", "10.8.2.2"
FAR_6, GONE_6, PROHIBITED_6 = "fd00:9::2", "fd00:8:2::1", "fd00:8:2::2"
needs_namespaces = pytest.mark.skipif(
    bool(namespaces.missing("nft")), reason=namespaces.missing("nft") or "-"
)
pytestmark = pytest.mark.xdist_group("icmp")


@pytest.fixture
def full() -> Iterator[int]:
    """Yield the port of a listener whose queue is full: it drops every further SYN."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = stack.enter_context(socket.socket())
        waiting.connect(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Host, Host]]:
    """Yield a host and its router, which knows that two addresses behind it cannot be reached."""
    with linked() as (near, router):
        near.run("ip", "route", "add", "10.8.0.0/16", "via", FAR)
        router.set(ip_forward="1", icmp_ratelimit="0")
        for kind, address in (("unreachable", GONE), ("prohibit", PROHIBITED)):
            router.run("ip", "route", "add", kind, f"{address}/32")
        for end, own in ((near, "fd00:9::1/64"), (router, f"{FAR_6}/64")):
            end.run("ip", "address", "add", own, "dev", "cable", "nodad")
        near.run("ip", "-6", "route", "add", "fd00:8::/32", "via", FAR_6)
        router.run("sysctl", "net.ipv6.conf.all.forwarding=1", "net.ipv6.icmp.ratelimit=0")
        for kind, address in (("unreachable", GONE_6), ("prohibit", PROHIBITED_6)):
            router.run("ip", "-6", "route", "add", kind, f"{address}/128")
        for family in ("ip", "ip6"):
            router.run("nft", f"add table {family} test")
            router.run(
                "nft", f"add chain {family} test input {{ type filter hook input priority 0; }}"
            )
        yield near, router


def known(outcome: Outcome) -> KernelView:
    assert outcome.kernel is not None
    return outcome.kernel


def wait_for_retransmits(sock: socket.SocketType | None, number: int) -> None:
    """Wait until the kernel has sent something again, by its own clock."""
    assert sock is not None
    for _ in range(1000):
        if (state := tcp_state(sock)) and state.retransmits >= number:
            return
        select.select([], [], [], PATIENCE / 1000)
    raise AssertionError("nothing was sent again")


# A connection that is not made


def test_syns_that_nobody_answers_are_counted(by_hand: ByHand, full: int) -> None:
    attempt = by_hand.start(full, timeout=2.0)
    wait_for_retransmits(attempt.sock, 1)
    by_hand.clock.advance(2.1)
    (outcome,) = by_hand.outcomes
    assert outcome.reason is Reason.TIMEOUT
    kernel = known(outcome)
    assert kernel.syn_sent is not None
    assert kernel.syn_sent >= 2
    assert kernel == KernelView(kernel.syn_sent, kernel.syn_sent - 1)
    assert outcome.detail == f"no connection within 2 s: no answer to {kernel.syn_sent} SYNs"


def test_a_refusal_answers_the_first_syn(by_hand: ByHand) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        by_hand.start(bound.getsockname()[1])
        outcome = by_hand.outcome()
    assert (outcome.reason, outcome.detail) == (Reason.REFUSED, "connection refused")
    assert outcome.kernel == KernelView(1, 0)


def test_the_kernel_knows_nothing_of_what_was_never_sent(by_hand: ByHand) -> None:
    by_hand.start(80, host="fe80::1")  # without a scope: there is no way there
    outcome = by_hand.outcome()
    assert (outcome.reason, outcome.kernel) == (Reason.NO_ROUTE, None)


@needs_namespaces
@pytest.mark.parametrize(
    ("address", "words", "router"),
    [
        (GONE, "host unreachable", FAR),
        (PROHIBITED, "administratively prohibited", FAR),
        (GONE_6, "no route to the network", FAR_6),
        (PROHIBITED_6, "administratively prohibited", FAR_6),
    ],
)
def test_the_router_that_ended_a_connection_is_named(
    by_hand: ByHand, pair: tuple[Host, Host], address: str, words: str, router: str
) -> None:
    """The router reports about once a second (ip_error): if not the first SYN, a later one."""
    near, _ = pair
    with near.entered():
        by_hand.start(80, host=address, timeout=30.0)
    outcome = by_hand.outcome()
    assert (outcome.reason, outcome.detail) == (
        Reason.UNREACHABLE,
        f"{words}, reported by {router}",
    )
    kernel = known(outcome)
    assert kernel.reported_by == router
    assert kernel.syn_sent == (kernel.retransmits or 0) + 1


@needs_namespaces
def test_a_router_does_not_end_an_open_connection(by_hand: ByHand, pair: tuple[Host, Host]) -> None:
    near, far = pair
    with far.entered():
        listener = socket.create_server((FAR_6, 0), family=socket.AF_INET6)
    with listener:
        port = listener.getsockname()[1]
        with near.entered():
            by_hand.start(port, ASKING, host=FAR_6, timeout=30.0)
        assert select.select([by_hand.engine], [], [], PATIENCE)[0]  # it is open
        reject = "reject with icmpv6 type admin-prohibited"
        far.run("nft", f"add rule ip6 test input tcp dport {port} {reject}")
        by_hand.drain()  # the request is sent
        by_hand.drain()  # the error is there
        assert not by_hand.outcomes
        far.run("nft", "flush chain ip6 test input")
        with accept(listener) as connection:
            assert connection.recv(100) == b"hello"  # sent again
            connection.send(b"world")
            outcome = by_hand.outcome()
    assert outcome.reason is Reason.OK


@needs_namespaces
def test_syns_that_a_firewall_drops_are_counted(by_hand: ByHand, pair: tuple[Host, Host]) -> None:
    near, far = pair
    far.run("nft", "add rule ip test input tcp dport 81 drop")
    with near.entered():
        attempt = by_hand.start(81, host=FAR, timeout=2.0)
    wait_for_retransmits(attempt.sock, 1)
    by_hand.clock.advance(2.1)
    (outcome,) = by_hand.outcomes
    assert (known(outcome).syn_sent or 0) >= 2
    assert known(outcome).unacked is None


# A connection on which nothing comes


def test_an_application_that_stays_silent_is_told_from_a_dead_host(by_hand: ByHand) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        by_hand.start(listener.getsockname()[1], ASKING, timeout=2.0)
        by_hand.drain()
        with accept(listener) as connection:
            assert connection.recv(100) == b"hello"
            by_hand.clock.advance(2.1)
    (outcome,) = by_hand.outcomes
    assert outcome.reason is Reason.TIMEOUT
    assert outcome.detail == (
        "no reply within 2 s: the target has acknowledged the request, its application is silent"
    )
    kernel = known(outcome)
    assert kernel == KernelView(1, 0, kernel.rtt_seconds, unacked=0)
    assert kernel.rtt_seconds is not None
    assert 0 < kernel.rtt_seconds < PATIENCE


@needs_namespaces
def test_a_target_that_no_longer_acknowledges_is_told_from_a_silent_application(
    by_hand: ByHand, pair: tuple[Host, Host]
) -> None:
    near, far = pair
    with ExitStack() as stack:
        with far.entered():
            listener = stack.enter_context(socket.create_server((FAR, 0)))
        port = listener.getsockname()[1]
        far.run("nft", f"add rule ip test input tcp dport {port} tcp flags psh drop")
        with near.entered():
            attempt = by_hand.start(port, ASKING, host=FAR, timeout=2.0)
            by_hand.drain()
        wait_for_retransmits(attempt.sock, 1)
        by_hand.clock.advance(2.1)
    (outcome,) = by_hand.outcomes
    assert outcome.detail == ("no reply within 2 s: the target has not acknowledged the request")
    kernel = known(outcome)
    assert kernel.unacked == len(b"hello")
    assert (kernel.retransmits or 0) >= 1
    assert kernel.syn_sent is None  # what was sent again was not a SYN


def test_a_reply_that_is_not_complete_says_nothing_of_the_request(by_hand: ByHand) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        by_hand.start(listener.getsockname()[1], ASKING, timeout=2.0)
        by_hand.drain()
        with accept(listener) as connection:
            connection.send(b"wor")
            by_hand.drain()
            by_hand.clock.advance(2.1)
    (outcome,) = by_hand.outcomes
    assert "acknowledged" not in outcome.detail
    assert known(outcome).unacked == 0


def test_a_wrong_reply_is_a_failure_with_a_round_trip(by_hand: ByHand) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        by_hand.start(listener.getsockname()[1], ASKING)
        by_hand.drain()
        with accept(listener) as connection:
            assert connection.recv(100) == b"hello"
            connection.send(b"nothing")
            connection.shutdown(socket.SHUT_WR)
            outcome = by_hand.outcome()
    assert outcome.reason is Reason.PAYLOAD_MISMATCH
    assert known(outcome).rtt_seconds
    assert known(outcome).retransmits == 0


# Probes that are good


def test_the_kernel_is_not_asked_about_a_good_probe(by_hand: ByHand) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        by_hand.start(listener.getsockname()[1])
        outcome = by_hand.outcome()
    assert (outcome.reason, outcome.kernel) == (Reason.OK, None)


@pytest.mark.parametrize("slow", [0.5, 1.5])
def test_the_kernel_is_asked_about_a_good_but_slow_probe(by_hand: ByHand, slow: float) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        target = Target("127.0.0.1", listener.getsockname()[1])
        job = Job(target, ASKING.bind(target), timeout=30.0, datagram=False, slow=slow)
        by_hand.engine.start(job, by_hand.outcomes.append)
        by_hand.drain()
        with accept(listener) as connection:
            by_hand.clock.advance(1.0)
            connection.send(b"world")
            outcome = by_hand.outcome()
    assert outcome.reason is Reason.OK
    assert (outcome.kernel is not None) == (slow < 1.0)


def test_a_socket_that_is_used_again_has_forgotten_the_connection_before(by_hand: ByHand) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        used = by_hand.start(port).sock
        by_hand.outcome()
    by_hand.outcomes.clear()
    attempt = by_hand.start(port)
    assert attempt.sock is used
    assert by_hand.outcome().kernel == KernelView(1, 0)
