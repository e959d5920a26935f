"""What a probe leaves to another thread: it holds nobody up, and its time is its own."""

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import pytest

from prober.engine.threads import TRIES, Threads, limited
from prober.model.probe import DeadlineReached, InThread
from prober.model.status import Reason, Verdict
from prober.model.tls_settings import TlsSettings
from prober.probes.tls import TlsProbe
from tests.engine.by_hand import ByHand, Scripted
from tests.engine.conftest import Certificates, Serve
from tests.engine.targets import PATIENCE, hold, over_tls


def doing(work: Callable[[float], Any], seconds: float = 1.0) -> Scripted:
    """Return a probe that has this done in a thread and says what came of it."""

    def steps() -> Any:
        try:
            result = yield InThread(work, seconds)
        except DeadlineReached:
            return Verdict(Reason.REGEX_TIMEOUT, "late")
        return Verdict(Reason.OK, f"{result!r}")

    return Scripted(steps)


@pytest.fixture
def driven() -> Iterator[ByHand]:
    """An engine that has one thread beside that of the test."""
    by_hand = ByHand(threads=1)
    yield by_hand
    by_hand.close()


def test_work_is_done_in_another_thread_and_its_result_comes_back(
    driven: ByHand, serve: Serve
) -> None:
    driven.start(serve(hold), doing(lambda _: threading.current_thread().name))
    driven.drain()
    assert not driven.outcomes
    driven.take_answer()
    assert [found.detail for found in driven.outcomes] == ["'aside'"]


def test_a_timeout_of_the_work_comes_back_as_well(driven: ByHand, serve: Serve) -> None:
    def work(_: float) -> None:
        raise TimeoutError("too long")

    driven.start(serve(hold), doing(work, 0.0))
    driven.drain()
    driven.take_answer()
    assert [found.detail for found in driven.outcomes] == ["TimeoutError('too long')"]


def test_a_bug_in_the_work_is_ours(driven: ByHand, serve: Serve) -> None:
    driven.start(serve(hold), doing(lambda _: 1 // 0))
    driven.drain()
    driven.take_answer()
    assert [found.reason for found in driven.outcomes] == [Reason.INTERNAL]
    assert "ZeroDivisionError" in driven.bugs.pop()


def test_a_probe_whose_thread_is_late_says_so_and_no_other_waits(
    driven: ByHand, serve: Serve
) -> None:
    begun, free = threading.Event(), threading.Event()

    def work(_: float) -> None:
        begun.set()
        free.wait(PATIENCE)

    port = serve(hold)
    driven.start(port, doing(work))
    driven.drain()
    assert begun.wait(PATIENCE)
    driven.start(port, timeout=1.0)
    driven.drain()
    assert [found.reason for found in driven.outcomes] == [Reason.OK]
    driven.clock.advance(2.1)
    assert [found.detail for found in driven.outcomes] == ["connected", "late"]
    free.set()
    driven.take_answer()
    assert len(driven.outcomes) == 2


def test_a_probe_that_got_no_thread_is_stalled(driven: ByHand, serve: Serve) -> None:
    free, done = threading.Event(), SimpleQueue[str]()
    port = serve(hold)
    driven.start(port, doing(lambda _: free.wait(PATIENCE)), timeout=10.0)
    driven.drain()
    driven.start(port, doing(lambda _: done.put("begun")))
    driven.drain()
    driven.clock.advance(2.1)
    assert [found.reason for found in driven.outcomes] == [Reason.STALLED]
    free.set()
    driven.take_answer()
    assert len(driven.outcomes) == 2
    driven.take_answer()
    assert done.empty()


def test_there_are_no_more_threads_than_allowed() -> None:
    ends, free = SimpleQueue[Callable[[], None]](), threading.Event()
    threads, results = Threads(soon=ends.put, most=2), list[object]()
    for _ in range(5):
        threads.run(InThread(lambda _: free.wait(PATIENCE), 1.0), results.append)
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("aside") == 2
    free.set()
    for _ in range(5):
        ends.get(timeout=PATIENCE)()
    threads.close()
    assert results == [True] * 5


def test_work_is_repeated_if_other_threads_used_up_its_time() -> None:
    given = []

    def work(seconds: float) -> str:
        given.append(seconds)
        if len(given) < 3:
            raise TimeoutError
        return "found"

    assert limited(InThread(work, 1.0)) == "found"
    assert given == sorted(set(given))


def test_work_is_not_repeated_for_ever() -> None:
    given = []

    def work(seconds: float) -> str:
        given.append(seconds)
        raise TimeoutError

    with pytest.raises(TimeoutError):
        limited(InThread(work, 1.0))
    assert len(given) == TRIES


@pytest.mark.parametrize(("curve", "in_thread"), [("X25519", False), ("secp521r1", True)])
def test_a_handshake_that_takes_long_is_continued_in_a_thread(
    driven: ByHand, serve: Serve, certificates: Certificates, curve: str, in_thread: bool
) -> None:
    context = certificates.server()
    context.set_ecdh_curve(curve)
    driven.start(serve(over_tls(context)), TlsProbe())
    for _ in range(50):
        if driven.outcomes:
            break
        driven.drain_or_take()
    assert [found.reason for found in driven.outcomes] == [Reason.OK]
    assert (driven.taken > 0) is in_thread


def test_a_handshake_that_fails_in_a_thread_is_the_targets_fault(
    driven: ByHand, serve: Serve, certificates: Certificates
) -> None:
    context = certificates.server()
    context.set_ecdh_curve("secp521r1")
    settings = TlsSettings(verify=True, ca_file=certificates.ca_file)
    driven.start(serve(over_tls(context)), TlsProbe(tls=settings, domain_name="wrong.example"))
    while not driven.outcomes:
        driven.drain_or_take()
    assert [found.reason for found in driven.outcomes] == [Reason.TLS_HOSTNAME]
    assert driven.taken
