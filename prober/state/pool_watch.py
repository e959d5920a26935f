"""The summary of each pool: computed again when something in the pool changes, and stored.

The history of a pool has its own key (`pool_key`), next to the checks: the seconds that it spent in
each status or in maintenance. Every status change is an event.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from prober.model.aggregate import pool_status
from prober.model.pool import Pool
from prober.model.status import Status
from prober.model.wording import counted
from prober.state.check_state import BackendState
from prober.state.events import POOL_STATUS, Event
from prober.state.history import History, pool_key
from prober.state.pace import Pace
from prober.state.running_slot import Key, Running
from prober.state.store import Store

DELAY = 1.0
"""Seconds between a change and the next look at a pool, so that many changes lead to one look."""
TURNS = 500
"""The number of status changes of a pool that are remembered without a history."""


class Turn(NamedTuple):
    """From the unix time `at` on, a pool had this status, or was in maintenance."""

    at: float
    status: Status
    excused: bool = False


class PoolSummary(NamedTuple):
    """The summary of a pool.

    `since` is the unix time of its last status change, `latest` that of the last status change of
    one of its checks, and `looked_at` when the summary was made. `in_service` counts those of its
    `backends` that are OK or WARNING. `counts` are the numbers of its checks by status, without
    those of disabled monitors, which are in `disabled`. `problems` are the keys of checks that are
    not OK. `excused` is whether all of it is in maintenance or drained, so that nothing counts.
    """

    pool: Pool
    status: Status
    since: float
    latest: float
    looked_at: float
    backends: int
    in_service: int
    counts: dict[Status, int]
    disabled: int
    problems: tuple[Key, ...]
    excused: bool = False


class PoolWatch:
    """Watches the pools of a store.

    Args:
        store: The state of all checks.
        wall: Unix time.
        history: Stores the statuses of pools; None without a state directory.
    """

    def __init__(
        self, store: Store, *, wall: Callable[[], float], history: History | None = None
    ) -> None:
        self._store = store
        self._wall = wall
        self._history = history
        self._lock = asyncio.Lock()
        self._found: dict[str, PoolSummary] = {}
        self._turns: dict[str, deque[Turn]] = {}
        self._running: dict[str, Running] = {}
        self._told: dict[str, Event] | None = None

    def __iter__(self) -> Iterator[PoolSummary]:
        return iter(tuple(self._found.values()))

    def now(self) -> float:
        """Return the unix time."""
        return self._wall()

    def get(self, name: str) -> PoolSummary | None:
        """Return the summary of a pool at the last call of `refresh`, or None."""
        return self._found.get(name)

    def turns(self, name: str) -> tuple[Turn, ...]:
        """Return the statuses that a pool has had since the process started, oldest first."""
        return tuple(self._turns.get(name, ()))

    @contextmanager
    def kept_fresh(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Look again a second after something has changed, while the context lasts."""
        waiting: asyncio.TimerHandle | None = None
        looking: asyncio.Task[None] | None = None

        def look() -> None:
            nonlocal looking
            looking = loop.create_task(self.refresh())

        def wait() -> None:
            nonlocal waiting
            if waiting is not None:
                waiting.cancel()  # what changed while a look was under way is seen by the next
            waiting = loop.call_later(DELAY, look)

        self._store.when_pools_touched(wait)
        wait()
        try:
            yield
        finally:
            self._store.when_pools_touched(lambda: None)
            for each in (waiting, looking):
                if each is not None:
                    each.cancel()

    async def refresh(self) -> None:
        """Look again at the pools in which something has changed."""
        pace, touched = Pace(), self._store.touched_pools
        async with self._lock:
            while touched:
                name = touched.pop()
                pool = self._store.pools.get(name)
                if pool is None:
                    self._forget(name)
                    continue
                summary = await self._look(pool, pace)
                if self._store.pools.get(name) is pool:
                    self._settle(summary)
                else:  # a reload happened in between
                    touched.add(name)

    async def _look(self, pool: Pool, pace: Pace) -> PoolSummary:
        statuses, problems = list[Status](), list[BackendState]()
        counts, disabled, in_service = dict.fromkeys(Status, 0), 0, 0
        latest, excused = 0.0, False
        for backend in self._store.backend_states(pool):
            in_service += backend.in_service
            if backend.counts:
                statuses.append(backend.status)
            elif backend.backend.enabled:
                excused = True
            for state in backend.checks:
                self._store.excuse(state)
                if state.check.enabled:
                    counts[state.status] += 1
                    latest = max(latest, state.since)
                else:
                    disabled += 1
            if backend.status is not Status.OK and backend.counts:
                problems.append(backend)
            await pace.pause()
        bad = [
            state
            for backend in problems
            for state in backend.checks
            if state.status is not Status.OK and state.check.enabled
        ]
        since = min((state.since for state in bad), default=latest) or self._wall()
        return PoolSummary(
            pool,
            pool_status(statuses),
            since,
            latest,
            self._wall(),
            len(pool.backends),
            in_service,
            counts,
            disabled,
            tuple(state.check.key for state in bad),
            excused and not statuses,
        )

    def _settle(self, summary: PoolSummary) -> None:
        """Record the summary of a pool whose status has changed, or is known for the first time."""
        name, status = summary.pool.name, summary.status
        before = self._found.get(name)
        if before is None:
            told = self._last_told(name)
            if told is not None and told.after is not status:
                summary = self._changed(summary, told.after, self._wall())
            elif told is not None:
                summary = summary._replace(since=told.at)
            self._turns[name] = deque([Turn(self._wall(), status, summary.excused)], TURNS)
            if self._history is not None:
                self._running[name] = self._history.follow(pool_key(name), status)
        elif before.status is not status:
            is_by_a_check = summary.latest >= before.looked_at
            at = summary.latest if is_by_a_check else summary.looked_at
            summary = self._changed(summary, before.status, at)
            self._turns[name].append(Turn(summary.since, status, summary.excused))
            if self._history is not None:
                self._history.turn_status(self._running[name], status)
        else:
            summary = summary._replace(since=before.since)
            if before.excused is not summary.excused:
                self._turns[name].append(Turn(summary.looked_at, status, summary.excused))
        if self._history is not None:
            self._history.excuse(self._running[name], excused=summary.excused)
        self._found[name] = summary

    def _last_told(self, name: str) -> Event | None:
        """Return the event of a pool's last status change, possibly from an earlier process."""
        if self._told is None:
            self._told = {}
            for event in self._store.events.newest_first():
                if event.kind == POOL_STATUS and event.pool is not None:
                    self._told.setdefault(event.pool, event)
        return self._told.get(name)

    def _changed(self, summary: PoolSummary, before: Status | None, at: float) -> PoolSummary:
        """Add the event that the status of a pool changed; return the summary since then."""
        events = self._store.events
        cause = f"{summary.in_service} of {counted(summary.backends, 'backend')} in service"
        nothing = None, None
        event = Event(
            *(events.last_id + 1, at, POOL_STATUS, None, summary.pool.name, None),
            *(before, summary.status, *nothing, cause),
        )
        events.add(event)
        if self._told is not None:
            self._told[summary.pool.name] = event
        return summary._replace(since=at)

    def _forget(self, name: str) -> None:
        self._found.pop(name, None)
        self._told = None  # read again if a pool of this name comes back
        self._turns.pop(name, None)
        running = self._running.pop(name, None)
        if self._history is not None and running is not None:
            self._history.leave(running)
