"""UDP probes against real sockets."""

import socket
from collections.abc import Iterator
from select import EPOLLOUT
from typing import Any

import pytest

from prober.engine.datagram_wire import DatagramWire
from prober.engine.sockets import Sockets
from prober.model.probe import Send
from prober.model.status import Reason, Result
from prober.probes.udp import DEFAULT_PAYLOAD, UdpProbe
from tests.engine.by_hand import ByHand
from tests.engine.targets import PATIENCE, find, phases
from tests.ports import free_port


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    """Return a UDP socket that says what the test says."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(PATIENCE)
        yield sock


def test_any_reply_is_good(by_hand: ByHand, peer: socket.socket) -> None:
    by_hand.start(peer.getsockname()[1], UdpProbe())
    asked, prober = peer.recvfrom(100)
    peer.sendto(b"hello", prober)
    found = by_hand.outcome()
    assert (found.reason, found.detail) == (Reason.OK, "reply of 5 bytes")
    assert asked == DEFAULT_PAYLOAD
    assert found.source_ip == "127.0.0.1"
    assert phases(found) == {"send", "first_byte", "transfer"}


def test_an_empty_reply_is_a_reply(by_hand: ByHand, peer: socket.socket) -> None:
    by_hand.start(peer.getsockname()[1], UdpProbe(send=b"?"))
    peer.sendto(b"", peer.recvfrom(100)[1])
    assert by_hand.outcome().detail == "reply of 0 bytes"


async def test_silence_is_good_if_nothing_is_expected(peer: socket.socket) -> None:
    found = await find(UdpProbe(), peer.getsockname()[1], timeout=0.05)
    assert (found.result, found.reason) == (Result.OK, Reason.SILENT)
    assert phases(found) == {"send", "first_byte"}


async def test_silence_times_out_if_something_is_expected(peer: socket.socket) -> None:
    found = await find(UdpProbe(expect=b"x"), peer.getsockname()[1], timeout=0.05)
    assert (found.result, found.reason) == (Result.TIMED_OUT, Reason.TIMEOUT)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("probe", [UdpProbe(), UdpProbe(expect=b"x")])
async def test_a_closed_port_is_refused(host: str, probe: UdpProbe) -> None:
    port = free_port(socket.SOCK_DGRAM, host)
    found = await find(probe, port, host=host)
    assert (found.result, found.reason) == (Result.CONNECT_FAILED, Reason.REFUSED)
    assert found.detail == "connection refused"


def test_what_is_not_expected_is_passed_over(by_hand: ByHand, peer: socket.socket) -> None:
    by_hand.start(peer.getsockname()[1], UdpProbe(expect=b"yes"))
    _, prober = peer.recvfrom(100)
    for content in (b"no", b"", b"oh yes"):
        peer.sendto(content, prober)
    assert by_hand.outcome().detail == "reply of 6 bytes"


def test_a_datagram_of_somebody_else_is_not_heard(by_hand: ByHand, peer: socket.socket) -> None:
    by_hand.start(peer.getsockname()[1], UdpProbe(expect=b"yes"), timeout=1.0)
    _, prober = peer.recvfrom(100)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.sendto(b"yes", prober)
    by_hand.clock.advance(1.1)
    assert by_hand.outcomes[0].reason is Reason.TIMEOUT


def test_only_wrong_replies_are_a_mismatch(by_hand: ByHand, peer: socket.socket) -> None:
    by_hand.start(peer.getsockname()[1], UdpProbe(expect=b"yes"), timeout=1.0)
    _, prober = peer.recvfrom(100)
    peer.sendto(b"no", prober)
    by_hand.drain()
    by_hand.clock.advance(1.1)
    assert by_hand.outcomes[0].reason is Reason.PAYLOAD_MISMATCH


def test_the_largest_datagram_is_read_whole(by_hand: ByHand, peer: socket.socket) -> None:
    by_hand.start(peer.getsockname()[1], UdpProbe(expect=b"end"))
    _, prober = peer.recvfrom(100)
    peer.sendto(b"x" * 65504 + b"end", prober)
    assert by_hand.outcome().detail == "reply of 65507 bytes"


def test_a_datagram_too_large_to_send_is_our_trouble(by_hand: ByHand, peer: socket.socket) -> None:
    by_hand.start(peer.getsockname()[1], UdpProbe(send=b"x" * 65508))
    (found,) = by_hand.outcomes
    assert (found.result, found.reason) == (Result.UNKNOWN, Reason.NOT_PERMITTED)
    assert found.detail == "message too long"


def test_a_flood_of_datagrams_is_read_in_small_shares(by_hand: ByHand, peer: socket.socket) -> None:
    by_hand.start(peer.getsockname()[1], UdpProbe(expect=b"yes"))
    _, prober = peer.recvfrom(100)
    for number in range(50):
        peer.sendto(b"%d" % number if number % 2 else b"", prober)
    peer.sendto(b"yes", prober)
    passes = 0
    while not by_hand.outcomes:
        by_hand.drain()
        passes += 1
    assert passes > 20
    assert by_hand.outcomes[0].detail == "reply of 3 bytes"


@pytest.mark.parametrize("left", [None, b"late", b"", "error"])
def test_a_socket_is_used_again_unless_something_is_left_in_it(
    peer: socket.socket, left: bytes | str | None
) -> None:
    sockets = Sockets()
    first = sockets.datagram(socket.AF_INET)
    if isinstance(left, bytes):
        first.connect(peer.getsockname())
        first.send(b"?")
        peer.sendto(left, peer.recvfrom(100)[1])
    elif left:
        first.connect(("127.0.0.1", free_port(socket.SOCK_DGRAM)))
        first.send(b"?")
    sockets.give_back_datagram(first)
    sockets.dissolve()
    again = sockets.datagram(socket.AF_INET)
    assert (again is first) == (left is None)
    assert (first.fileno() == -1) == (left is not None)
    again.close()
    sockets.close()


class Crowded:
    """A socket without room for a datagram, until there is."""

    def __init__(self) -> None:
        self.has_room = False
        self.sent: list[bytes] = []

    def fileno(self) -> int:
        return 7

    def send(self, content: bytes) -> int:
        if not self.has_room:
            raise BlockingIOError
        self.sent.append(content)
        return len(content)


def test_a_datagram_for_which_there_is_no_room_is_sent_when_there_is() -> None:
    sock: Any = Crowded()
    asked: list[tuple[int, bool]] = []
    wire = DatagramWire(sock, lambda *again: asked.append(again))
    wire.send(Send(b"hello"))
    assert asked == [(7, False)]  # to be watched for room, which it was not before
    assert (wire.unsent, wire.is_sent) == (b"hello", False)
    sock.has_room = True
    wire.see(EPOLLOUT)
    assert sock.sent == [b"hello"]
    assert wire.is_sent
