"""A probe that meets itself: its own port is the one that it probes, and nobody listens there."""

import errno
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from prober.engine.attempt import Attempt
from prober.engine.local_end import has_route, is_own, local_ports
from prober.engine.resolver import Address, ResolvedTarget
from prober.model.probe import Probe
from prober.model.status import Reason, Result
from prober.probes.grpc import GrpcProbe
from prober.probes.http import HttpProbe, HttpsProbe
from prober.probes.tcp import TcpProbe
from prober.probes.tls import TlsProbe
from prober.probes.udp import UdpProbe
from tests.engine.by_hand import ByHand
from tests.engine.conftest import Serve
from tests.engine.targets import hold

PROBES = [
    TcpProbe(),
    TcpProbe(send=b"x", expect=b"x"),
    UdpProbe(),
    UdpProbe(send=b"x", expect=b"x"),
    HttpProbe(),
    HttpsProbe(),
    TlsProbe(),
    GrpcProbe(),
]


class Given(socket.SocketType):
    """A socket to which the kernel gives the port that it connects to, once there is one."""

    source: tuple[str, int] | None = None
    sent = 0

    def connect_ex(self, address: Any) -> int:
        if Given.source is not None:
            self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.bind(Given.source)
        return super().connect_ex(address)

    def send(self, *content: Any) -> int:
        Given.sent += 1
        return super().send(*content)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """Have the kernel give sockets this source from now on."""
    monkeypatch.setattr(socket, "SocketType", Given)
    monkeypatch.setattr(Given, "source", None)
    monkeypatch.setattr(Given, "sent", 0)
    return lambda host, port: monkeypatch.setattr(Given, "source", (host, port))


def local_port(kind: socket.SocketKind = socket.SOCK_STREAM, host: str = "127.0.0.1") -> int:
    """Return a free port that the kernel could give to a connection as its own."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as sock:
        sock.bind((host, 0))
        port: int = sock.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("target", "own"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("::1", "::1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("::", "::1"),
    ],
)
@pytest.mark.parametrize("probe", PROBES, ids=repr)
def test_a_probe_connected_to_itself_is_refused_and_sends_nothing(
    by_hand: ByHand, given: Callable[[str, int], None], probe: Probe, target: str, own: str
) -> None:
    kind = socket.SOCK_DGRAM if probe.datagram else socket.SOCK_STREAM
    port = local_port(kind, own)
    given(own, port)
    by_hand.start(port, probe, host=target)
    (found,) = by_hand.outcomes
    assert (found.result, found.reason) == (Result.CONNECT_FAILED, Reason.REFUSED)
    assert found.detail == "nothing listens on the port: the kernel connected the probe to itself"
    assert Given.sent == 0


def test_a_socket_that_is_used_again_can_meet_itself_as_well(
    by_hand: ByHand, serve: Serve, given: Callable[[str, int], None]
) -> None:
    by_hand.start(serve(hold))
    assert by_hand.outcome().reason is Reason.OK
    port = local_port()
    given("127.0.0.1", port)
    by_hand.start(port)
    assert by_hand.outcomes[1].reason is Reason.REFUSED


def test_the_next_address_of_a_name_is_tried_after_it(
    serve: Serve, given: Callable[[str, int], None]
) -> None:
    port = serve(hold, "127.0.0.2")
    addresses = tuple(Address(socket.AF_INET, f"127.0.0.{number}") for number in (1, 2))
    driven = ByHand(lambda _: addresses)
    try:
        given("127.0.0.1", port)
        driven.start(port, host="a.example")
        driven.take_answer()
        assert driven.outcome().reason is Reason.OK
    finally:
        driven.close()


class Looks:
    """An engine whose looks at its own ends are counted."""

    def __init__(self, patch: pytest.MonkeyPatch, **more: Any) -> None:
        self.count = 0

        look = socket.SocketType.getsockname

        def counted(sock: socket.SocketType) -> Any:
            self.count += 1
            return look(sock)

        kind = type("Counted", (socket.SocketType,), {"getsockname": counted})
        patch.setattr(socket, "SocketType", kind)
        self.driven = ByHand(**more)

    def at(self, attempt: Attempt) -> int:
        """Probe the same nine times more; return how often it was looked."""
        before, ended = self.count, len(self.driven.outcomes)
        for _ in range(9):
            self.driven.engine.start(attempt.job, self.driven.outcomes.append)
        while len(self.driven.outcomes) < ended + 9:
            self.driven.drain()
        assert {found.reason for found in self.driven.outcomes} == {Reason.OK}
        return self.count - before


def test_a_port_that_is_never_given_is_not_looked_at(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is its own end, but once a minute: the range is read again with the configuration."""
    port = listener.getsockname()[1]
    ranges = [range(port + 1, port + 9)]
    looks = Looks(monkeypatch, local_ports=lambda: ranges[-1])
    with closing(looks.driven) as driven:
        attempt = driven.start(port)
        assert (looks.at(attempt), looks.count) == (0, 1)
        driven.clock.advance(61)
        assert looks.at(attempt) == 1
        ranges.append(range(port, port + 1))
        driven.engine.reread()
        driven.clock.advance(61)
        assert looks.at(attempt) == 9


def test_an_address_that_is_not_our_own_is_not_looked_at_either(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sockets that connect to it start from another, here 127.0.0.1."""
    looks = Looks(monkeypatch)
    with closing(looks.driven) as driven:
        attempt = driven.start(serve(hold, "127.0.0.2"), host="127.0.0.2")
        assert (looks.at(attempt), looks.count) == (0, 1)


def test_the_range_is_the_kernels(tmp_path: Path) -> None:
    assert local_port() in local_ports()
    path = tmp_path / "range"
    path.write_text("32768\t60999\n")
    assert local_ports(path) == range(32768, 61000)
    path.write_text("nonsense")
    assert local_ports(path) == local_ports(tmp_path / "nowhere") == range(1, 65536)


@pytest.mark.parametrize(
    ("own", "host", "same"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", "0.0.0.0", True),
        ("fe80::1%lo", "fe80::1%1", True),
        ("fe80::1", "fe80::2", False),
        ("::ffff:127.0.0.1", "::ffff:7f00:1", True),
    ],
)
def test_addresses_are_compared_by_what_they_mean(own: str, host: str, *, same: bool) -> None:
    assert is_own(own, host) is same


# One errno, two meanings


def test_an_address_to_which_there_is_no_way_has_no_route() -> None:
    assert has_route(ResolvedTarget(socket.AF_INET, ("127.0.0.1", 80)))
    assert not has_route(ResolvedTarget(socket.AF_INET6, ("fe80::1", 80)))  # of which link?
    assert not has_route(ResolvedTarget(socket.AF_INET, ("255.255.255.255", 80)))


@pytest.mark.parametrize("probe", [TcpProbe(), UdpProbe()])
def test_without_an_address_of_the_family_there_is_no_route_rather_than_no_port(
    by_hand: ByHand, monkeypatch: pytest.MonkeyPatch, probe: Probe
) -> None:
    def nowhere(*_: object) -> int:
        return errno.EADDRNOTAVAIL

    monkeypatch.setattr(
        socket, "SocketType", type("A", (socket.SocketType,), {"connect_ex": nowhere})
    )
    by_hand.start(9, probe)
    assert by_hand.outcomes[0].reason is Reason.NO_PORTS
    monkeypatch.setattr(socket.socket, "connect_ex", nowhere)
    by_hand.start(9, probe)
    found = by_hand.outcomes[1]
    assert (found.result, found.reason) == (Result.UNKNOWN, Reason.NO_ROUTE)


def test_a_datagram_that_has_lost_its_own_address_has_no_route(
    by_hand: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")

    monkeypatch.setattr(socket, "SocketType", type("A", (socket.SocketType,), {"send": fail}))
    by_hand.start(9, UdpProbe())
    assert by_hand.outcomes[0].reason is Reason.NO_ROUTE
