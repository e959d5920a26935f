"""Drives a probe through a script instead of sockets."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from prober.model.probe import (
    ENDS,
    DeadlineReached,
    Ends,
    InThread,
    Receive,
    Reconnect,
    Send,
    StartTls,
    Steps,
    TlsSession,
    Trouble,
)
from prober.model.status import Reason, Verdict

Start = Callable[[], Steps] | Verdict
Event = bytes | Trouble | TlsSession

END = b""
DEADLINE = DeadlineReached(Reason.TIMEOUT, "no verdict before the deadline")
RESET = Trouble(Reason.RESET, "the connection was reset")
PLACES = Ends(("192.0.2.1", 40000), ("192.0.2.80", 80))
SESSION = TlsSession("TLSv1.3", "h2", 2_000_000_000.0)


class Run(NamedTuple):
    """How a probe went: its verdict, all it sent, the handshakes it asked for, the events left.

    `reconnects` are the other connections that it asked for. `in_threads` is how often it had
    something done in another thread.
    """

    verdict: Verdict
    sent: bytes
    handshakes: list[StartTls]
    left: list[Event]
    in_threads: int = 0
    reconnects: Sequence[Reconnect] = ()


def in_thread(step: InThread) -> Any:
    """Do what a probe wants done in a thread, in this one."""
    try:
        return step.work(step.seconds)
    except TimeoutError as error:
        return error


def drive(start: Start, *events: Event, datagrams: bool = False) -> Run:
    """Run a probe; each event answers one wish for bytes or for TLS, troubles are thrown in.

    A probe that wants more than is scripted, or bytes after the end of the stream, has a bug.
    """
    if isinstance(start, Verdict):
        return Run(start, b"", [], list(events))
    steps, left = start(), list(events)
    sent, handshakes, in_threads, reconnects = b"", [], 0, []
    answer: Any = None
    try:
        while True:
            is_late = isinstance(answer, DeadlineReached)
            wish = steps.throw(answer) if isinstance(answer, Trouble) else steps.send(answer)
            assert not is_late, f"wants {wish!r} after its deadline"
            if isinstance(wish, Send):
                sent += wish.content
                answer = None
                continue
            if wish is ENDS:
                answer = PLACES
                continue
            if isinstance(wish, Reconnect):
                reconnects.append(wish)
                answer = None
                continue
            if isinstance(wish, InThread):
                answer = in_thread(wish)
                in_threads += 1
                continue
            assert datagrams or answer != END, "wants bytes after the end of the stream"
            assert left, f"wants {wish!r}, which is not in the script"
            answer = left.pop(0)
            if isinstance(wish, StartTls):
                handshakes.append(wish)
                assert not isinstance(answer, bytes)
            else:
                assert isinstance(wish, Receive)
                assert not isinstance(answer, TlsSession)
    except StopIteration as stop:
        verdict: Verdict = stop.value
    except Trouble as trouble:
        verdict = trouble.verdict
    return Run(verdict, sent, handshakes, left, in_threads, reconnects)


def judge(start: Start, reply: bytes, end: Event = END) -> Verdict:
    """Return the verdict on a reply, after making sure that its packets do not matter.

    `end` comes after the reply, if the probe still wants something then.
    """
    whole = drive(start, *([reply] if reply else []), end).verdict
    bytewise = drive(start, *pieces(reply, range(1, len(reply))), end).verdict
    assert bytewise.reason is whole.reason, (bytewise, whole)
    assert bytewise.facts == whole.facts, (bytewise, whole)
    return whole


def pieces(reply: bytes, cuts: Iterable[int]) -> list[bytes]:
    """Return the reply, cut at these places."""
    places = [0, *sorted(cuts), len(reply)]
    parts = (reply[a:b] for a, b in pairwise(places))
    return [part for part in parts if part]


def cut_off(start: Start, reply: bytes, end: Event) -> list[Reason]:
    """Return the reasons when the reply is cut off after 0, 1, 2, ... bytes by `end`.

    It stops at the first length that the probe can judge without any `end`.
    """
    reasons = []
    for length in range(len(reply)):
        run = drive(start, *pieces(reply[:length], ()), end)
        if run.left:
            break
        reasons.append(run.verdict.reason)
    return reasons
