"""Every address of a name probed as one: real sockets on 127.0.0.1 to 127.0.0.3 and ::1."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from prober.engine.address_group import job_of
from prober.engine.attempt import Job
from prober.engine.resolver import FRESH, Address, endpoints
from prober.model.address_rule import MOST_ADDRESSES, AddressRule
from prober.model.probe import Target
from prober.model.status import Reason
from prober.probes.tcp import TcpProbe
from prober.probes.udp import UdpProbe
from tests.engine.by_hand import ByHand
from tests.engine.test_names import Book, probing

ONE, TWO, THREE = (Address(socket.AF_INET, f"127.0.0.{n}") for n in (1, 2, 3))
SIX = Address(socket.AF_INET6, "::1")
ANY, ALL = AddressRule("any"), AddressRule("all")
HOST = "db.example"
Listen = Callable[..., int]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Listen at several addresses on one port, and return the port."""
    with ExitStack() as stack:

        def begin(*addresses: Address, kind: int = socket.SOCK_STREAM) -> int:
            port = 0
            for family, host, _ in addresses:
                sock = stack.enter_context(socket.socket(family, kind))
                sock.bind((host, port))
                if kind == socket.SOCK_STREAM:
                    sock.listen()
                port = sock.getsockname()[1]
            return port

        yield begin


@pytest.fixture
def book() -> Book:
    return Book(ONE, TWO, SIX)


@pytest.fixture
def engine(book: Book) -> Iterator[ByHand]:
    with probing(book) as by_hand:
        yield by_hand


def run(engine: ByHand, port: int, rule: AddressRule, **more: object) -> tuple[Reason, str]:
    """Probe the name, and return what was found."""
    engine.start(port, host=HOST, rule=rule, **more)  # type: ignore[arg-type]  # as there
    if not engine.outcomes:
        engine.take_answer()
    found = engine.outcome()
    engine.outcomes.clear()
    assert engine.engine.in_flight == 0
    return found.reason, found.detail


def test_all_addresses_are_probed_at_once(engine: ByHand, listen: Listen) -> None:
    port = listen(ONE, TWO, SIX)
    engine.start(port, host=HOST, rule=ALL)
    engine.take_answer()
    found = engine.outcome()
    assert (found.reason, found.detail) == (Reason.OK, "3 of 3 addresses good")
    assert found.phases[0] is not None
    assert found.phases[1] is not None
    assert found.source_ip in ("127.0.0.1", "127.0.0.2", "::1")


@pytest.mark.parametrize(
    ("rule", "reason", "words"),
    [
        (ANY, Reason.OK, "1 of 3 addresses good"),
        (ALL, Reason.REFUSED, "1 of 3 addresses good, 3 needed"),
        (AddressRule("quorum", 1), Reason.OK, "1 of 3 addresses good"),
        (AddressRule("quorum", 2), Reason.REFUSED, "1 of 3 addresses good, 2 needed"),
    ],
)
def test_the_rule_decides(
    engine: ByHand, listen: Listen, rule: AddressRule, reason: Reason, words: str
) -> None:
    found = run(engine, listen(TWO), rule)
    refused = "127.0.0.1: connection refused; ::1: connection refused"
    assert found == (reason, f"{words}; {refused}")


def test_a_name_whose_addresses_change_is_followed(
    engine: ByHand, book: Book, listen: Listen
) -> None:
    port = listen(ONE, THREE)
    assert run(engine, port, ALL)[0] is Reason.REFUSED
    book.says = (ONE, THREE)
    engine.clock.advance(FRESH)
    assert run(engine, port, ALL) == (Reason.OK, "2 of 2 addresses good")


def test_all_addresses_share_the_deadline_of_the_probe(engine: ByHand, listen: Listen) -> None:
    waits = TcpProbe(expect=b"hello")
    engine.start(listen(ONE, TWO, SIX), waits, host=HOST, rule=ANY, timeout=2.0)
    engine.clock.advance(0.5)
    engine.take_answer()
    assert engine.engine.in_flight == 4
    engine.clock.advance(1.6)
    found = engine.outcome()
    assert found.reason is Reason.TIMEOUT
    assert 2.0 <= found.seconds < 2.2
    assert engine.engine.in_flight == 0


def test_places_are_kept_for_addresses_that_are_not_known_yet(
    engine: ByHand, listen: Listen
) -> None:
    port = listen(ONE, TWO, SIX)
    attempt = engine.start(port, host=HOST, rule=ALL)
    assert engine.engine.in_flight == 1 + MOST_ADDRESSES
    engine.engine.cancel(attempt)
    assert engine.engine.in_flight == 0
    engine.take_answer()
    assert not engine.outcomes


def test_the_job_of_an_address_is_that_of_the_name_and_is_used_again() -> None:
    target = Target(HOST, 7)
    whole = Job(target, TcpProbe().bind(target), timeout=3.0, datagram=False, rule=ALL)
    (endpoint,) = endpoints((ONE,), 7)
    one = job_of(whole, endpoint)
    assert (one.target, one.endpoints, one.rule) == (target, (endpoint,), None)
    own = {"endpoints", "rule", "of_addresses"}
    names = {name for name in dir(Job) if name[0] != "_" and not callable(getattr(Job, name))}
    assert {"begin", "timeout", "probe", *own} <= names
    assert all(getattr(one, name) == getattr(whole, name) for name in names - own)
    whole.of_addresses = {endpoint: one}
    assert job_of(whole, endpoint) is one


def test_a_probe_that_is_cancelled_leaves_nothing(engine: ByHand, listen: Listen) -> None:
    attempt = engine.start(listen(ONE, TWO, SIX), TcpProbe(expect=b"x"), host=HOST, rule=ALL)
    engine.take_answer()
    engine.engine.cancel(attempt)
    assert engine.engine.in_flight == 0
    assert engine.engine.next_deadline() is None


def test_a_probe_in_flight_at_the_end_leaves_nothing(engine: ByHand, listen: Listen) -> None:
    """The engine is closed by the fixture, and looked after by `nothing_is_left`."""
    engine.start(listen(ONE, TWO, SIX), TcpProbe(expect=b"x"), host=HOST, rule=ALL)
    engine.take_answer()


def test_a_name_without_an_address_is_as_always(engine: ByHand, book: Book) -> None:
    book.says = ()
    assert run(engine, 1, ALL) == (Reason.DNS_NOT_FOUND, "db.example: no address")


def test_an_address_is_probed_as_without_a_rule(engine: ByHand, listen: Listen) -> None:
    engine.start(listen(ONE), rule=ALL)
    assert engine.outcome().detail == "connected"


def test_udp_is_judged_in_the_same_way(engine: ByHand, listen: Listen) -> None:
    port = listen(ONE, TWO, SIX, kind=socket.SOCK_DGRAM)
    engine.start(port, UdpProbe(), host=HOST, rule=ALL)
    engine.take_answer()
    engine.clock.advance(2.1)
    found = engine.outcome()
    assert (found.reason, found.detail) == (Reason.SILENT, "3 of 3 addresses good")


def test_udp_where_one_address_refuses(engine: ByHand, listen: Listen) -> None:
    """Its refusal makes the silence of the others weak."""
    engine.start(listen(ONE, TWO, kind=socket.SOCK_DGRAM), UdpProbe(), host=HOST, rule=ANY)
    engine.take_answer()
    engine.clock.advance(2.1)
    found = engine.outcome()
    assert found.reason is Reason.WEAK_SILENCE
    silent = "127.0.0.1: no reply and no refusal; 127.0.0.2: no reply and no refusal"
    failed = f"{silent}; ::1: connection refused"
    assert found.detail == f"0 of 3 addresses good, 1 needed; {failed}"


def test_an_address_that_is_not_allowed_is_not_connected_to(engine: ByHand, listen: Listen) -> None:
    def objection(address: str, _: int) -> str | None:
        return "not allowed" if address == "127.0.0.2" else None

    found = run(engine, listen(ONE, TWO, SIX), ALL, objection=objection)
    assert found == (
        Reason.NOT_PERMITTED,
        "2 of 3 addresses good, 3 needed; 127.0.0.2: not allowed",
    )
