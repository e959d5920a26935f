"""Trouble of our own is inconclusive, and one probe's trouble is no other's."""

import os
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import (
    EACCES,
    EADDRNOTAVAIL,
    EAFNOSUPPORT,
    EAGAIN,
    EHOSTUNREACH,
    EINVAL,
    EMFILE,
    ENETDOWN,
    ENETUNREACH,
    ENFILE,
    ENOBUFS,
    ENOMEM,
    EPERM,
)
from typing import Any

import pytest

from prober.engine.resolver import Address
from prober.model.probe import RECEIVE, DeadlineReached, Send, Steps, Trouble
from prober.model.status import Outcome, Reason, Result, Verdict
from prober.probes.http import HttpProbe
from prober.probes.tcp import TcpProbe
from prober.probes.tls import TlsProbe
from prober.probes.udp import UdpProbe
from tests.engine.by_hand import ByHand, Scripted, accept
from tests.engine.conftest import Serve
from tests.engine.targets import find, hold


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Lower the limit to what is open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_without_descriptors_a_probe_is_inconclusive(by_hand: ByHand) -> None:
    with no_descriptor_left():
        by_hand.start(9)
    (found,) = by_hand.outcomes
    assert (found.result, found.reason) == (Result.UNKNOWN, Reason.NO_DESCRIPTORS)
    assert found.detail == "too many open files"


@pytest.mark.parametrize(
    ("probe", "host", "reason"),
    [
        (TcpProbe(), "fe80::1", Reason.NO_ROUTE),  # a link-local address without its link
        (UdpProbe(), "255.255.255.255", Reason.NOT_PERMITTED),
    ],
)
async def test_where_the_kernel_finds_no_way_a_probe_is_inconclusive(
    probe: TcpProbe | UdpProbe, host: str, reason: Reason
) -> None:
    found = await find(probe, 9, host=host)
    assert (found.result, found.reason) == (Result.UNKNOWN, reason)


def failing(step: str, number: int) -> type[socket.SocketType]:
    """Return a socket type whose instances fail at one step."""

    def fail(*_: object) -> int:
        if step == "connect_ex":
            return number
        raise OSError(number, os.strerror(number))

    return type("Failing", (socket.SocketType,), {step: fail})


@pytest.mark.parametrize(
    ("step", "number", "reason"),
    [
        ("__new__", EMFILE, Reason.NO_DESCRIPTORS),
        ("__new__", ENFILE, Reason.NO_DESCRIPTORS),
        ("__new__", ENOBUFS, Reason.NO_MEMORY),
        ("__new__", ENOMEM, Reason.NO_MEMORY),
        ("__new__", EAFNOSUPPORT, Reason.NO_ROUTE),
        ("connect_ex", EADDRNOTAVAIL, Reason.NO_PORTS),
        ("connect_ex", EAGAIN, Reason.NO_PORTS),
        ("connect_ex", ENETUNREACH, Reason.NO_ROUTE),
        ("connect_ex", EHOSTUNREACH, Reason.NO_ROUTE),
        ("connect_ex", EINVAL, Reason.NO_ROUTE),
        ("connect_ex", ENETDOWN, Reason.NO_ROUTE),
        ("connect_ex", EPERM, Reason.NOT_PERMITTED),
        ("connect_ex", EACCES, Reason.NOT_PERMITTED),
        ("setsockopt", ENOBUFS, Reason.NO_MEMORY),
    ],
)
def test_an_error_on_the_spot_is_our_own(
    by_hand: ByHand, monkeypatch: pytest.MonkeyPatch, step: str, number: int, reason: Reason
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(socket, "SocketType", failing(step, number))
        by_hand.start(9)
    (found,) = by_hand.outcomes
    assert (found.result, found.reason) == (Result.UNKNOWN, reason)


@pytest.mark.parametrize(
    ("number", "reason"), [(EPERM, Reason.NOT_PERMITTED), (ENOBUFS, Reason.NO_MEMORY)]
)
def test_a_datagram_that_is_not_let_out_is_our_own_trouble(
    by_hand: ByHand, monkeypatch: pytest.MonkeyPatch, number: int, reason: Reason
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(socket, "SocketType", failing("send", number))
        by_hand.start(9, UdpProbe())
    assert by_hand.outcomes[0].reason is reason


def raises_at_once() -> Steps:
    raise ZeroDivisionError
    yield RECEIVE


def raises_later() -> Steps:
    yield Send(b"x")
    raise KeyError("x")


def ends_without_a_verdict() -> Any:
    yield Send(b"x")


def wants_nonsense() -> Any:
    yield "nonsense"


def sends_nonsense() -> Any:
    yield Send("text")  # type: ignore[arg-type]  # the bug that is tested


def is_no_generator() -> Any:
    return None


def goes_on_after_the_reply_was_reset() -> Steps:
    yield Send(b"x")
    try:
        yield RECEIVE
    except Trouble:
        yield RECEIVE
    return Verdict(Reason.OK, "never")


BUGS = [
    raises_at_once,
    raises_later,
    ends_without_a_verdict,
    wants_nonsense,
    sends_nonsense,
    is_no_generator,
    goes_on_after_the_reply_was_reset,
]


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_in_a_probe_is_reported_once_and_stops_no_other(
    by_hand: ByHand, serve: Serve, bug: Callable[[], Any]
) -> None:
    port = serve(lambda connection: connection.setsockopt(*LINGER))
    wrong: list[Outcome] = []
    by_hand.start(port, Scripted(bug), done=wrong.append)
    by_hand.start(port)
    while not (wrong and by_hand.outcomes):
        by_hand.drain()
    assert by_hand.outcomes[0].reason is Reason.OK
    assert [(each.result, each.reason) for each in wrong] == [(Result.UNKNOWN, Reason.INTERNAL)]
    assert by_hand.engine.in_flight == 0
    by_hand.clock.advance(3)
    assert len(wrong) == len(by_hand.bugs) == 1
    assert by_hand.bugs.pop().startswith(f"127.0.0.1:{port}: ")


LINGER = (socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def test_a_bug_at_the_deadline_is_reported_once(by_hand: ByHand, listener: socket.socket) -> None:
    def stays() -> Steps:
        while True:
            try:
                yield RECEIVE
            except DeadlineReached:
                continue

    by_hand.start(listener.getsockname()[1], Scripted(stays), timeout=1.0)
    by_hand.drain()
    by_hand.clock.advance(3)
    assert [found.reason for found in by_hand.outcomes] == [Reason.INTERNAL]
    assert "RuntimeError" in by_hand.bugs.pop()


def test_a_bug_in_what_takes_the_outcome_is_reported_and_stops_no_other(
    by_hand: ByHand, serve: Serve
) -> None:
    port = serve(hold)
    calls: list[Outcome] = []

    def fails(found: Outcome) -> None:
        calls.append(found)
        raise ValueError("no room")

    by_hand.start(port, done=fails)
    by_hand.start(port)
    assert by_hand.outcome().reason is Reason.OK
    by_hand.clock.advance(3)
    assert len(calls) == 1
    assert by_hand.engine.in_flight == 0
    assert by_hand.bugs.pop().endswith("ValueError('no room')")


def test_an_engine_that_is_closed_ends_all_probes_and_calls_nobody(
    listener: socket.socket,
) -> None:
    port = listener.getsockname()[1]
    driven = ByHand(lambda _: (Address(socket.AF_INET, "127.0.0.1"),))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", port))
        driven.start(port, TcpProbe(expect=b"x"))
        driven.start(port, TlsProbe())
        driven.start(port, UdpProbe(expect=b"x"))
        driven.drain()
        driven.start(port, HttpProbe())
        driven.start(port, host="a.example")
        assert driven.engine.in_flight == 5
        driven.close()
        assert driven.engine.in_flight == 0
        driven.take_answer()
        driven.clock.advance(60)
    assert not driven.outcomes
    assert not driven.bugs


def test_nothing_wakes_up_while_nothing_is_in_flight(
    by_hand: ByHand, listener: socket.socket
) -> None:
    by_hand.start(listener.getsockname()[1])
    by_hand.outcome()
    by_hand.clock.advance(1)
    wakes = by_hand.clock.wakes
    by_hand.clock.advance(3600)
    assert by_hand.clock.wakes == wakes


def test_one_probe_in_many_hears_only_its_own_target(by_hand: ByHand) -> None:
    """A descriptor is used again at once; what is said of the old one must not reach the new."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        port = listener.getsockname()[1]
        for _ in range(30):
            by_hand.start(port, TcpProbe(expect=b"x"))
        by_hand.drain()
        connections = [accept(listener) for _ in range(30)]
        for number, connection in enumerate(connections):
            with connection:
                connection.sendall(b"x" if number % 2 else b"no")
        while len(by_hand.outcomes) < 30:
            by_hand.drain()
            by_hand.start(port)
    reasons = [found.reason for found in by_hand.outcomes if found.detail != "connected"]
    assert sorted(reasons) == [Reason.OK] * 15 + [Reason.PAYLOAD_MISMATCH] * 15
