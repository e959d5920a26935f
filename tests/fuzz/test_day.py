"""A day of 75 checks in simulated time, with failures, reloads and slow targets: nothing grows."""

import gc
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any, NamedTuple

import pytest
from structlog.testing import capture_logs

from prober.engine.attempt import Attempt, Done, Job
from prober.engine.ticker import BEAT, Ticker
from prober.model.status import Outcome, Reason
from prober.state import events
from tests.engine.conftest import open_descriptors
from tests.fuzz.life import Life
from tests.simulation import ended_by_test

CHECKS = 75
"""Of 26 parts, each of which stays away for an hour."""
INTERVAL = 240.0
HOURS = 24
WARM = 10
"""Hours after which the results that are remembered, and the events, are as many as ever."""
GROWTH = 6000
"""Blocks of memory, a fraction of the probes, by which these hours may differ."""
FLAP = 1200.0
SLOW = 1.4
"""Seconds that a slow target takes."""


class _Targets:
    """Stands in for the engine: what a target answers depends on its address and the hour."""

    def __init__(self, *, ticker: Ticker, wall: Callable[[], float], **_: Any) -> None:
        self.under_way: dict[Attempt, Any] = {}
        self.probes = 0
        self._clock = ticker.clock
        self._call_later: Any = ticker._call_later
        self._wall = wall

    def start(self, job: Job, done: Done) -> Attempt:
        attempt = Attempt(job, ended_by_test, now=self._clock(), wall=self._wall(), lost=0.0)
        self.probes += 1
        reason, takes = answer_of(int(job.target.host.rpartition(".")[2]), self._clock())

        def end() -> None:
            if not attempt.finished:
                self._leave(attempt)
                done(Outcome(reason, reason.sentence, None, attempt.wall, takes))

        self.under_way[attempt] = self._call_later(takes, end)
        return attempt

    def cancel(self, attempt: Attempt) -> None:
        if not attempt.finished:
            self._leave(attempt)

    def close(self) -> None:
        for attempt in list(self.under_way):
            self._leave(attempt)

    @property
    def in_flight(self) -> int:
        return len(self.under_way)

    def _leave(self, attempt: Attempt) -> None:
        attempt.finished = True
        self.under_way.pop(attempt).cancel()

    def next_deadline(self) -> float | None:
        return self._clock() + BEAT if self.in_flight else None

    def fileno(self) -> int:
        return -1

    def _nothing(self, *_: object) -> None:
        pass

    drain = expire = reread = _nothing


def answer_of(number: int, now: float) -> tuple[Reason, float]:
    """Return what the targets whose address ends in this number do, and how long that takes."""
    kind = number % 10
    if kind < 4:
        return Reason.OK, 0.01
    if kind < 8:
        return (Reason.OK if (now // FLAP + number) % 2 else Reason.REFUSED), 0.005
    if kind == 8:
        return (Reason.OK if now // 3600 % 3 else Reason.TIMEOUT), SLOW if number < 50 else 0.01
    return (Reason.NO_PORTS if now // 3600 % 4 == 0 else Reason.OK), 0.01


class _Held(NamedTuple):
    """What the process holds at a moment."""

    blocks: int
    descriptors: list[str]
    threads: int
    timers: int


def _held(life: Life) -> _Held:
    gc.collect()
    timers = len(life.clock.timers())
    return _Held(sys.getallocatedblocks(), open_descriptors(), threading.active_count(), timers)


def _definitions(hour: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the configuration of an hour: each hour other backends stay away."""
    backends = [f"10.0.0.{i + 1}:80" for i in range(CHECKS * 26 // 25) if i % 26 != hour % 26]
    monitor = {"name": "day", "type": "TCP", "pool": "day", "interval": INTERVAL, "timeout": 2.0}
    return [{"name": "day", "backends": backends}], [{**monitor, "fall": 2 + hour % 2}]


@pytest.mark.timeout(900)  # it computes, and other processes may compute beside it
def test_a_day_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "CAPACITY", 1500)  # so many that they are all there in time
    life = Life(engine=_Targets)
    held = []
    with closing(life), capture_logs() as logs:
        life.begin(*_definitions(0))
        for hour in range(HOURS):
            if hour:
                life.reload(*_definitions(hour))
            life.clock.advance(3600.0)
            logs.clear()
            held.append(_held(life))
        store = life.prober.store
        recorded = sum(each.probes for each in store.counters.values())
    assert recorded > CHECKS * HOURS * 3600 / INTERVAL
    assert len(store) == CHECKS
    warm, last = held[WARM], held[-1]
    assert last.blocks < warm.blocks + GROWTH
    assert (last.descriptors, last.threads) == (warm.descriptors, warm.threads)
    assert all(each.timers < CHECKS / 10 for each in held), held
    assert not life.clock.timers()
