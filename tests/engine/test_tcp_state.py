"""What the kernel knows of a TCP probe that came to nothing, in its detail."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from prober.model.status import Reason
from prober.probes.tcp import TcpProbe
from tests.engine.by_hand import ByHand, accept

ASKING = TcpProbe(send=b"hello", expect=b"world")


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


def test_syns_that_nobody_answers_are_counted(by_hand: ByHand, full: int) -> None:
    by_hand.start(full, timeout=2.0)
    by_hand.clock.advance(2.1)
    (outcome,) = by_hand.outcomes
    assert outcome.reason is Reason.TIMEOUT
    assert outcome.detail.startswith("no connection within 2 s: no answer to ")
    assert outcome.detail.rstrip("s").endswith(" SYN")


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


def test_a_reply_that_is_not_complete_says_nothing_of_the_kernel(by_hand: ByHand) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        by_hand.start(listener.getsockname()[1], ASKING, timeout=2.0)
        by_hand.drain()
        with accept(listener) as connection:
            connection.send(b"wor")
            by_hand.drain()
            by_hand.clock.advance(2.1)
    (outcome,) = by_hand.outcomes
    assert "acknowledged" not in outcome.detail
