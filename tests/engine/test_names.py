"""Targets by name: the resolver by itself, and under the engine."""

import errno
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from queue import SimpleQueue
from typing import Any

import pytest

from prober.engine.resolver import (
    FEW,
    FRESH,
    THREADS,
    USABLE,
    Address,
    Addresses,
    Answer,
    Lookup,
    Resolver,
    endpoints,
    literal,
    look_up,
)
from prober.engine.resolver import PATIENCE as SHARE
from prober.model.address_rule import MOST_ADDRESSES
from prober.model.probe import Trouble
from prober.model.status import Reason, Result
from prober.probes.tcp import TcpProbe
from prober.probes.udp import UdpProbe
from tests.engine.by_hand import ByHand, accept
from tests.engine.conftest import Serve
from tests.engine.targets import PATIENCE, close, find, hold, phases
from tests.ports import free_port
from tests.simulation import Clock

PATIENT = 0.5  # seconds
HERE = Address(socket.AF_INET, "127.0.0.1")
ELSEWHERE = Address(socket.AF_INET, "127.0.0.2")
AWAY = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
NO_DATA = socket.gaierror(socket.EAI_NODATA, "No address associated with hostname")
NO_NAME = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


class Book:
    """A name server: it says what the test has written, and remembers what it was asked."""

    def __init__(self, *addresses: Address) -> None:
        self.says: Addresses | Exception = addresses
        self.asked: list[str] = []

    def __call__(self, name: str) -> Addresses:
        self.asked.append(name)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


class Office:
    """A resolver, what was answered, and its clock."""

    def __init__(self, look_up: Lookup) -> None:
        self.clock = Clock()
        self.answers: list[Answer] = []
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.resolver = Resolver(clock=self.clock, soon=self._calls.put, look_up=look_up)

    def ask(self, name: str = "a.example") -> Answer | None:
        return self.resolver.resolve(name, self.answers.append, patience=PATIENT)

    def take(self) -> None:
        """Wait for the end of one lookup."""
        self._calls.get(timeout=PATIENCE)()


@contextmanager
def asking(look_up: Lookup) -> Iterator[Office]:
    office = Office(look_up)
    try:
        yield office
    finally:
        office.resolver.close()


AtAddresses = Callable[..., ByHand]


@pytest.fixture
def by_hand_at() -> Iterator[AtAddresses]:
    """Return an engine that the test drives, where every name has these addresses."""
    with ExitStack() as stack:
        yield lambda *addresses: stack.enter_context(probing(Book(*addresses)))


@pytest.fixture
def full() -> Iterator[int]:
    """Return a port of HERE at which the kernel drops whoever wants to connect."""
    with ExitStack() as stack:
        sock = stack.enter_context(socket.socket())
        sock.bind((HERE.host, 0))
        sock.listen(0)
        port = sock.getsockname()[1]
        for _ in range(4):
            knocker = stack.enter_context(socket.socket())
            knocker.setblocking(False)
            knocker.connect_ex((HERE.host, port))
        yield port


@contextmanager
def probing(look_up: Lookup) -> Iterator[ByHand]:
    by_hand = ByHand(look_up)
    try:
        yield by_hand
    finally:
        by_hand.close()
    assert not by_hand.bugs


def reason_of(answer: Answer | None) -> Reason:
    assert isinstance(answer, Trouble)
    return answer.verdict.reason


@pytest.mark.parametrize(
    ("host", "family"), [("192.0.2.1", socket.AF_INET), ("2001:db8::1", socket.AF_INET6)]
)
def test_an_address_needs_no_lookup(host: str, family: int) -> None:
    (address,) = literal(host)
    assert address == Address(family, host)
    (endpoint,) = endpoints((address,), 80)
    assert endpoint.family == family
    assert endpoint.address[:2] == (host, 80)


@pytest.mark.parametrize("host", ["a.example", "localhost", "192.0.2", "1", "::g", ""])
def test_everything_else_does(host: str) -> None:
    assert literal(host) == ()


def test_the_system_is_asked_for_localhost() -> None:
    assert HERE in look_up("localhost")


def test_what_a_name_has_does_not_depend_on_the_addresses_of_this_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flags: list[int] = []
    ask = socket.getaddrinfo

    def asked(*arguments: Any, **options: Any) -> Any:
        flags.append(options.get("flags", 0))
        return ask(*arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    assert look_up("localhost")
    assert flags == [0]


@pytest.mark.parametrize(
    ("of_ipv6", "number"),
    [(AWAY, socket.EAI_AGAIN), (NO_DATA, socket.EAI_NODATA), (NO_NAME, socket.EAI_NONAME)],
)
def test_a_name_without_ipv4_whose_ipv6_lookup_fails_is_not_missing(
    monkeypatch: pytest.MonkeyPatch, of_ipv6: socket.gaierror, number: int
) -> None:
    """Of the two answers, glibc tells only the one for IPv4."""

    def answer(_: str, __: None, family: int = 0, *___: object, **____: object) -> Any:
        raise of_ipv6 if family == socket.AF_INET6 else NO_DATA

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    with pytest.raises(socket.gaierror) as raised:
        look_up("a.example")
    assert raised.value.errno == number


def test_an_answer_is_kept_for_a_moment_and_then_asked_for_again() -> None:
    book = Book(HERE)
    with asking(book) as office:
        assert office.ask() is None
        office.take()
        assert office.answers == [(HERE,)]
        office.clock.advance(FRESH - 0.1)
        assert office.ask() == (HERE,)
        assert book.asked == ["a.example"]
        book.says = (ELSEWHERE,)
        office.clock.advance(0.1)
        assert office.ask() is None
        assert office.resolver.kept("a.example") == (HERE,)
        office.take()
        assert office.answers[-1] == (ELSEWHERE,)
        assert office.ask() == (ELSEWHERE,)
        assert book.asked == ["a.example"] * 2


def test_an_old_answer_serves_while_a_lookup_takes_too_long() -> None:
    book = Book(HERE)
    with asking(book) as office:
        office.ask()
        office.take()
        office.clock.advance(60)
        assert office.ask() is None
        office.clock.advance(PATIENT)
        assert office.ask() == (HERE,)
        office.take()
        assert book.asked == ["a.example"] * 2
        assert office.answers == [(HERE,)] * 2
        assert office.resolver.kept("b.example") == ()


def test_names_that_nobody_asks_for_any_more_are_forgotten() -> None:
    with asking(Book(HERE)) as office:
        for i in range(10 * FEW):
            office.ask(f"{i}.example")
            office.take()
            if office.ask("always.example") is None:
                office.take()
            office.clock.advance(USABLE / FEW)
        assert len(office.resolver) <= 2 * FEW + 1
        assert office.resolver.kept("always.example") == (HERE,)
        assert office.resolver.kept("0.example") == ()


def test_one_lookup_serves_all_who_wait_for_a_name() -> None:
    book = Book(HERE)
    with asking(book) as office:
        for _ in range(50):
            assert office.ask() is None
        office.take()
        assert office.answers == [(HERE,)] * 50
        assert book.asked == ["a.example"]


def test_an_old_answer_is_used_while_the_resolver_fails() -> None:
    book = Book(HERE)
    with asking(book) as office:
        office.ask()
        office.take()
        book.says = AWAY
        for _ in range(10):
            office.clock.advance(USABLE / 10 - 1)
            assert office.ask() is None
            office.take()
            assert office.answers[-1] == (HERE,)
            assert office.ask() == (HERE,)  # it need not fail for each probe anew
        office.clock.advance(10)
        assert office.resolver.kept("a.example") == ()
        assert office.ask() is None
        office.take()
        assert reason_of(office.answers[-1]) is Reason.DNS_UNAVAILABLE
        book.says = (ELSEWHERE,)
        office.clock.advance(FRESH)
        assert office.ask() is None
        office.take()
        assert office.answers[-1] == (ELSEWHERE,)


def test_a_name_that_was_taken_away_is_used_no_longer() -> None:
    book = Book(HERE)
    with asking(book) as office:
        office.ask()
        office.take()
        book.says = NO_NAME
        office.clock.advance(FRESH + 1)
        assert office.ask() is None
        office.take()
        assert reason_of(office.answers[-1]) is Reason.DNS_NOT_FOUND
        assert reason_of(office.ask()) is Reason.DNS_NOT_FOUND
        assert office.resolver.kept("a.example") == ()


def test_a_failure_is_remembered_for_a_moment_only() -> None:
    book = Book()
    book.says = NO_NAME
    with asking(book) as office:
        office.ask()
        office.take()
        office.clock.advance(FRESH - 0.1)
        assert reason_of(office.ask()) is Reason.DNS_NOT_FOUND
        assert len(book.asked) == 1
        book.says = (HERE,)
        office.clock.advance(0.1)
        assert office.ask() is None
        office.take()
        assert office.answers[-1] == (HERE,)


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (NO_NAME, Reason.DNS_NOT_FOUND),
        (socket.gaierror(socket.EAI_NODATA, "No address"), Reason.DNS_NOT_FOUND),
        ((), Reason.DNS_NOT_FOUND),
        (UnicodeError("label too long"), Reason.DNS_NOT_FOUND),
        (AWAY, Reason.DNS_UNAVAILABLE),
        (socket.gaierror(socket.EAI_FAIL, "Non-recoverable failure"), Reason.DNS_UNAVAILABLE),
        (socket.gaierror(socket.EAI_SYSTEM, "System error"), Reason.DNS_UNAVAILABLE),
        (OSError(24, "Too many open files"), Reason.DNS_UNAVAILABLE),
    ],
)
async def test_a_name_without_an_address_is_the_targets_fault_and_a_failing_resolver_is_not(
    trouble: Addresses | Exception, reason: Reason
) -> None:
    book = Book()
    book.says = trouble
    found = await find(TcpProbe(), 80, host="a.example", look_up=book)
    assert found.reason is reason
    assert found.detail.startswith("a.example: ")
    assert (found.result is Result.UNKNOWN) == (reason is Reason.DNS_UNAVAILABLE)
    assert phases(found) == {"resolve"}


@pytest.mark.parametrize("name", ["a..b", "a" * 64 + ".example"])
async def test_what_cannot_be_a_name_has_no_address(name: str) -> None:
    assert (await find(TcpProbe(), 80, host=name)).reason is Reason.DNS_NOT_FOUND


async def test_localhost_is_probed_by_its_name(serve: Serve) -> None:
    found = await find(TcpProbe(), serve(hold), host="localhost")
    assert found.reason is Reason.OK
    assert phases(found) == {"resolve", "connect"}


async def test_after_an_address_that_refuses_the_next_is_tried(serve: Serve) -> None:
    book = Book(ELSEWHERE, HERE)
    found = await find(TcpProbe(), serve(hold), host="a.example", look_up=book)
    assert found.reason is Reason.OK


async def test_after_an_address_that_is_silent_the_next_still_gets_its_time() -> None:
    with socket.socket() as full, socket.socket() as well, ExitStack() as queued:
        full.bind((ELSEWHERE.host, 0))
        full.listen(0)
        port = full.getsockname()[1]
        well.bind((HERE.host, port))
        well.listen()
        for _ in range(4):  # with its queue full, the kernel drops what else wants to connect
            knocker = queued.enter_context(socket.socket())
            knocker.setblocking(False)
            knocker.connect_ex((ELSEWHERE.host, port))
        book = Book(ELSEWHERE, HERE)
        found = await find(TcpProbe(), port, host="a.example", look_up=book, timeout=2.0)
        assert found.reason is Reason.OK
        assert found.source_ip == HERE.host
        book = Book(ELSEWHERE)
        found = await find(TcpProbe(), port, host="a.example", look_up=book, timeout=0.1)
        assert found.reason is Reason.TIMEOUT


async def test_a_probe_that_fails_after_it_is_connected_does_not_try_the_next_address(
    serve: Serve,
) -> None:
    port = serve(close)
    found = await find(TcpProbe(expect=b"x"), port, host="a.example", look_up=Book(HERE, ELSEWHERE))
    assert found.reason is Reason.CLOSED


async def test_a_failure_of_the_target_counts_more_than_one_on_the_way() -> None:
    unreachable = Address(socket.AF_INET6, "fe80::1")  # without a scope: there is no way there
    for addresses in ((unreachable, HERE), (HERE, unreachable)):
        found = await find(TcpProbe(), free_port(), host="a.example", look_up=Book(*addresses))
        assert found.reason is Reason.REFUSED


async def test_a_name_with_very_many_addresses_ends_like_any_other() -> None:
    many = tuple(Address(socket.AF_INET6, f"fe80::{number:x}") for number in range(1, 2000))
    found = await find(TcpProbe(), 80, host="a.example", look_up=Book(*many))
    assert found.reason is Reason.NO_ROUTE
    with asking(Book(*many)) as office:
        office.ask()
        office.take()
        assert office.answers == [many[:MOST_ADDRESSES]]


async def test_a_name_serves_udp_probes_as_well() -> None:
    port = free_port(socket.SOCK_DGRAM)
    found = await find(UdpProbe(), port, host="a.example", look_up=Book(HERE))
    assert found.reason is Reason.REFUSED
    assert phases(found) == {"resolve", "send", "first_byte"}


def test_a_resolver_that_does_not_answer_is_our_trouble_at_the_deadline() -> None:
    answer = threading.Event()

    def hang(_: str) -> Addresses:
        assert answer.wait(PATIENCE)
        return (HERE,)

    with probing(hang) as by_hand:
        by_hand.start(free_port(), host="a.example", timeout=0.5)
        by_hand.clock.advance(0.6)
        (found,) = by_hand.outcomes
        answer.set()
        by_hand.take_answer()
    assert (found.result, found.reason) == (Result.UNKNOWN, Reason.DNS_UNAVAILABLE)
    assert found.detail == "no answer from the resolver within 0.5 s"
    assert phases(found) == {"resolve"}
    assert len(by_hand.outcomes) == 1


def test_names_that_hang_delay_neither_addresses_nor_names_that_are_known(serve: Serve) -> None:
    answer = threading.Event()

    def look_up(name: str) -> Addresses:
        if name != "known.example":
            assert answer.wait(PATIENCE)
        return (HERE,)

    port = serve(hold)
    with probing(look_up) as by_hand:
        by_hand.start(port, host="known.example")
        by_hand.take_answer()
        by_hand.outcome()
        hung = [by_hand.start(port, host=f"{n}.example", timeout=5) for n in range(THREADS + 10)]
        by_hand.clock.advance(FRESH - 1)
        by_hand.outcomes.clear()
        by_hand.start(port, host="known.example")
        by_hand.start(port)
        while len(by_hand.outcomes) < 2:
            by_hand.drain()
        assert {found.reason for found in by_hand.outcomes} == {Reason.OK}
        answer.set()
        for _ in hung:
            by_hand.take_answer()
        while len(by_hand.outcomes) < 2 + len(hung):
            by_hand.drain()
    assert {found.reason for found in by_hand.outcomes} == {Reason.OK}


def test_a_name_is_asked_for_again_if_no_thread_was_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with asking(Book(HERE)) as office:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", no_thread)
            assert office.ask() is None
        assert office.ask() is None
        office.take()
        assert office.answers == [(HERE,)] * 2


def no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_the_threads_end_with_the_resolver() -> None:
    before = threading.active_count()
    with asking(Book(HERE)) as office:
        for number in range(5):
            office.ask(f"{number}.example")
        for _ in range(5):
            office.take()
        threads = [thread for thread in threading.enumerate() if thread.name == "resolver"]
        assert threads
    for thread in threads:
        thread.join(PATIENCE)
    assert threading.active_count() <= before


def test_a_new_address_is_used_by_the_very_next_probe(serve: Serve) -> None:
    port = serve(hold)
    book = Book(ELSEWHERE)
    with probing(book) as by_hand:
        by_hand.start(port, host="a.example")
        by_hand.take_answer()
        assert by_hand.outcome().reason is Reason.REFUSED
        book.says = (HERE,)
        by_hand.clock.advance(60)
        by_hand.start(port, host="a.example")
        by_hand.take_answer()
        while len(by_hand.outcomes) < 2:
            by_hand.drain()
    assert by_hand.outcomes[1].reason is Reason.OK


@pytest.mark.parametrize("ends", ["answer", "failure", "silence"])
def test_a_lookup_that_takes_long_leaves_most_of_the_time_to_the_old_address(
    serve: Serve, ends: str
) -> None:
    book, over = Book(HERE), threading.Event()

    def look_up(name: str) -> Addresses:
        if book.asked:
            assert over.wait(PATIENCE)
        return book(name)

    port = serve(hold)
    with probing(look_up) as by_hand:
        by_hand.start(port, host="a.example")
        by_hand.take_answer()
        by_hand.outcome()
        by_hand.clock.advance(60)
        book.says = AWAY if ends == "failure" else (HERE,)
        by_hand.start(port, host="a.example", timeout=2.0)
        if ends == "silence":
            by_hand.clock.advance(SHARE * 2.0 + 0.1)
        over.set()
        by_hand.take_answer()
        while len(by_hand.outcomes) < 2:
            by_hand.drain()
    found = by_hand.outcomes[1]
    assert found.reason is Reason.OK
    assert found.seconds < SHARE * 2.0 + 0.2
    assert phases(found) == {"resolve", "connect"}


# Several addresses


def test_what_an_address_that_took_the_connection_then_says_has_all_the_time_that_is_left(
    by_hand_at: AtAddresses, listener: socket.socket
) -> None:
    by_hand = by_hand_at(HERE, ELSEWHERE)
    by_hand.start(listener.getsockname()[1], TcpProbe(expect=b"x"), host="a.example", timeout=2.0)
    by_hand.take_answer()
    by_hand.drain()
    with accept(listener) as connection:
        by_hand.clock.advance(1.5)
        assert not by_hand.outcomes
        connection.send(b"x")
        assert by_hand.outcome().reason is Reason.OK


def test_an_address_without_a_route_takes_no_time_from_the_others(
    by_hand_at: AtAddresses, full: int
) -> None:
    nowhere = Address(socket.AF_INET6, "fe80::1")  # without a scope: there is no way there
    by_hand = by_hand_at(HERE, nowhere, nowhere, nowhere)
    by_hand.start(full, host="a.example", timeout=2.0)
    by_hand.take_answer()
    by_hand.clock.advance(1.9)
    assert not by_hand.outcomes
    by_hand.clock.advance(0.2)
    (found,) = by_hand.outcomes
    assert found.reason is Reason.TIMEOUT
    assert found.detail.startswith("no connection within 2 s: no answer to ")


def test_an_address_whose_time_the_prober_lost_has_not_failed(
    by_hand_at: AtAddresses, full: int
) -> None:
    by_hand = by_hand_at(HERE, ELSEWHERE)  # nobody listens at the second
    by_hand.start(full, host="a.example", timeout=2.0)
    by_hand.take_answer()
    by_hand.clock.now += 1.5  # a standstill
    by_hand.clock.advance(1.0)
    (found,) = by_hand.outcomes
    assert found.reason is Reason.STALLED


class Peers:
    """UDP sockets on one port of several addresses."""

    def __init__(self, *hosts: str) -> None:
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in hosts]
        self.port = 0
        for host, sock in zip(hosts, self.sockets, strict=True):
            sock.settimeout(PATIENCE)
            sock.bind((host, self.port))
            self.port = sock.getsockname()[1]

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()


@pytest.fixture
def peers() -> Iterator[Callable[..., Peers]]:
    with ExitStack() as stack:
        yield lambda *addresses: stack.enter_context(
            closing(Peers(*(address.host for address in addresses)))
        )


@pytest.mark.parametrize("probe", [UdpProbe(), UdpProbe(expect=b"yes")])
def test_over_udp_the_next_address_is_tried_after_one_that_refuses(
    by_hand_at: AtAddresses, peers: Callable[..., Peers], probe: UdpProbe
) -> None:
    at = peers(HERE)
    by_hand = by_hand_at(ELSEWHERE, ELSEWHERE, HERE)
    by_hand.start(at.port, probe, host="a.example")
    by_hand.take_answer()
    by_hand.drain()
    by_hand.drain()
    at.sockets[0].sendto(b"yes", at.sockets[0].recvfrom(100)[1])
    found = by_hand.outcome()
    assert (found.reason, found.detail) == (Reason.OK, "reply of 3 bytes")
    assert phases(found) == {"resolve", "send", "first_byte", "transfer"}


def test_over_udp_the_next_address_is_tried_after_one_that_is_silent(
    by_hand_at: AtAddresses, peers: Callable[..., Peers]
) -> None:
    at = peers(ELSEWHERE, HERE)
    by_hand = by_hand_at(ELSEWHERE, HERE)
    by_hand.start(at.port, UdpProbe(expect=b"yes"), host="a.example", timeout=2.0)
    by_hand.take_answer()
    assert at.sockets[0].recv(100)
    by_hand.clock.advance(1.1)
    at.sockets[1].sendto(b"yes", at.sockets[1].recvfrom(100)[1])
    assert by_hand.outcome().reason is Reason.OK


def test_over_udp_an_address_that_answered_wrongly_is_the_one_that_is_judged(
    by_hand_at: AtAddresses, peers: Callable[..., Peers]
) -> None:
    at = peers(ELSEWHERE, HERE)
    by_hand = by_hand_at(ELSEWHERE, HERE)
    by_hand.start(at.port, UdpProbe(expect=b"yes"), host="a.example", timeout=2.0)
    by_hand.take_answer()
    at.sockets[0].sendto(b"no", at.sockets[0].recvfrom(100)[1])
    by_hand.drain()
    by_hand.clock.advance(2.1)
    assert by_hand.outcomes[0].reason is Reason.PAYLOAD_MISMATCH


def test_over_udp_silence_that_is_good_needs_the_whole_timeout(
    by_hand_at: AtAddresses, peers: Callable[..., Peers]
) -> None:
    """A refusal that comes late is still heard."""
    at = peers(ELSEWHERE, HERE)
    by_hand = by_hand_at(ELSEWHERE, HERE)
    by_hand.start(at.port, UdpProbe(), host="a.example", timeout=2.0)
    by_hand.take_answer()
    by_hand.clock.advance(1.9)
    assert not by_hand.outcomes
    by_hand.clock.advance(0.2)
    (found,) = by_hand.outcomes
    assert found.reason is Reason.SILENT
    assert found.seconds == pytest.approx(2.0, abs=0.05)


def test_over_udp_silence_after_the_refusal_of_another_address_proves_nothing(
    by_hand_at: AtAddresses, peers: Callable[..., Peers]
) -> None:
    """Both may be the same host, which tells of a closed port but about once a second."""
    at = peers(HERE)
    by_hand = by_hand_at(ELSEWHERE, HERE)
    by_hand.start(at.port, UdpProbe(), host="a.example", timeout=2.0)
    by_hand.take_answer()
    by_hand.drain()
    assert at.sockets[0].recv(100)
    by_hand.clock.advance(2.1)
    (found,) = by_hand.outcomes
    assert (found.result, found.reason) == (Result.UNKNOWN, Reason.WEAK_SILENCE)


def test_over_udp_the_refusal_of_all_addresses_is_a_refusal(by_hand_at: AtAddresses) -> None:
    by_hand = by_hand_at(ELSEWHERE, HERE)
    by_hand.start(free_port(socket.SOCK_DGRAM), UdpProbe(), host="a.example")
    by_hand.take_answer()
    found = by_hand.outcome()
    assert (found.reason, found.detail) == (Reason.REFUSED, "connection refused")
    assert phases(found) == {"resolve", "send", "first_byte"}


@pytest.mark.parametrize("addresses", [(HERE, ELSEWHERE), (ELSEWHERE, HERE)])
def test_over_udp_trouble_of_ours_with_one_address_does_not_hide_the_refusal_of_another(
    by_hand_at: AtAddresses, monkeypatch: pytest.MonkeyPatch, addresses: Addresses
) -> None:
    class HeldBack(socket.SocketType):
        def send(self, *content: Any) -> int:
            if self.getpeername()[0] == ELSEWHERE.host:
                raise PermissionError(errno.EPERM, "not let out")
            return super().send(*content)

    monkeypatch.setattr(socket, "SocketType", HeldBack)
    by_hand = by_hand_at(*addresses)
    by_hand.start(free_port(socket.SOCK_DGRAM), UdpProbe(), host="a.example")
    by_hand.take_answer()
    assert by_hand.outcome().reason is Reason.REFUSED
