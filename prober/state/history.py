"""The history of all checks: counts and seconds in 5-minute slots, aligned to unix time.

Each check has one running slot in memory, which is written every minute. A row belongs to a slot
and to a part of the history: a process, or the time in it until its clock was set back. So nothing
ever has to be read before it is written, and a slot is the sum of its parts.

Durations are measured by the monotonic clock without pauses of the process; the wall clock decides
to which slot they belong.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from prober.model.status import Reason, Status
from prober.state.archive import (
    Due,
    Retention,
    StatusSeconds,
    Uptime,
    read_events,
    read_slots,
    read_statuses,
    read_uptime,
    upkeep,
)
from prober.state.events import Event, EventFilter
from prober.state.histogram import LATENCY
from prober.state.rows import readable, text, whole
from prober.state.running_slot import Key, PoolSlots, Running, Span
from prober.state.slots import FINE, HOUR, NAMES, PARTS, STATUSES, WIDTH, Slot
from prober.state.state_errors import StateUnreadableError

if TYPE_CHECKING:
    from prober.state.database import Database

T = TypeVar("T")

READERS: Final = 4
"""Threads of their own for reading, so that a dead disk delays nothing else."""
ANSWER_SECONDS: Final = 30.0
"""Seconds for the disk to answer a question."""
ROUND: Final = 50
"""The number of beats in which every running slot is written once: a little less than a minute."""
SETTLED: Final = 2 * 60.0
"""Seconds after which all rows of a finished slot are written."""
REMOVED_LOOKED_FOR: Final = 1000
"""The number of checks that are no longer configured whose history one upkeep looks for."""
CLOCK_SET: Final = 0.5
"""Seconds by which the clocks must differ between two beats to count as a jump."""

_INDEX: Final = {status: index for index, status in enumerate(STATUSES)}


def pool_key(name: str) -> Key:
    """Return the key for the history of a pool; no monitor has an empty name."""
    return "", name


class History:
    """Counts the results of checks and stores them.

    Args:
        database: The database.
        wall: Unix time.
        awake: Monotonic time that excludes pauses of prober itself.
        retention: How long to keep the history.
        credible: The unix time by which data is too old; default: `wall`.
        base: A number above all that may be in use, if the database cannot be read.
    """

    def __init__(
        self,
        database: "Database",
        *,
        wall: Callable[[], float],
        awake: Callable[[], float],
        retention: Retention | None = None,
        base: int = 0,
        credible: Callable[[], float] | None = None,
    ) -> None:
        self._database = database
        self.retention = retention or Retention()
        self._wall = wall
        self._awake = awake
        self._credible = credible or wall
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="history")
        self._numbers, self._part = _Opening({}, base) if base else _opening(database)
        self._last_number = max(self._numbers.values(), default=base)
        self._running: dict[Key, Running] = {}
        self._sums = PoolSlots()
        self._queue: list[Running] = []
        self._unused: list[int] = []
        at, now = wall(), awake()
        self._new_part()
        self._span = Span(_slot_of(at), self._part, now)
        self._seen, self._offset = now, at - now
        self._ends = now + self._span.start + WIDTH - at
        self._upkeep_at = now + SETTLED
        self._touched = self._span.start

    def follow(self, key: Key, status: Status, pool: str = "") -> Running:
        """Start or resume the history of a check of a pool, or of a pool itself."""
        now = self._now()
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = Running(key, self._number_of(key), self._span)
            self._queue.append(running)
        self._catch_up(running)
        running.since, running.status = now, _INDEX[status]
        self._database.put(NAMES, (running.number,), key)
        self.move(running, pool)
        return running

    def move(self, running: Running, pool: str) -> None:
        """Count the slots of a check for another pool from now on, or for none if it is empty."""
        running.pool = self._number_of(pool_key(pool)) if pool else 0

    def _number_of(self, key: Key) -> int:
        if key not in self._numbers:
            self._last_number += 1
            self._numbers[key] = self._last_number
            self._database.put(NAMES, (self._last_number,), key)
        return self._numbers[key]

    def leave(self, running: Running) -> None:
        """Stop the history of a check; the existing history stays until it is too old."""
        self.save(running)
        running.status = None

    def count(self, running: Running, reason: Reason, seconds: float, now: float) -> None:
        """Count one completed probe."""
        if now >= self._ends:
            self._turn(now)
        if running.span is not self._span:
            self._catch_up(running)
        running.probes += 1
        if reason.is_good:
            if seconds < running.least or not running.good:
                running.least = seconds
            if seconds > running.most:  # noqa: PLR1730  (max() takes three times as long)
                running.most = seconds
            running.good += 1
            running.total += seconds
            running.counts[bisect_left(LATENCY, seconds)] += 1
        elif reason.is_conclusive:
            running.bad += 1

    def turn_status(self, running: Running, status: Status) -> None:
        """Note that the status of a check changes now."""
        self.spend(running)
        running.status = _INDEX[status]

    def excuse(self, running: Running, *, excused: bool) -> None:
        """Count the time of a check from now on as maintenance, or again in its status."""
        if running.excused is not excused:
            self.spend(running)
            running.excused = excused

    def spend(self, running: Running) -> None:
        """Count the seconds that a check has spent in its status until now."""
        now = self._now()
        self._catch_up(running)
        running.spend(now)

    def save(self, running: Running) -> None:
        """Write the running slot of a check as it is now."""
        self.spend(running)
        self._put(running)

    def knows(self, key: Key) -> bool:
        """Return whether a check has, or recently had, a history."""
        return key in self._numbers

    async def slots(self, key: Key, times: range, *, merged: bool = False) -> list[Slot]:
        """Return the slots of a check, including the running one; see `read_slots`."""
        number = self._current(key)
        return await self._ask(read_slots, self._database, number, times, merged=merged)

    async def statuses(self, keys: Sequence[Key], times: range) -> list[dict[int, StatusSeconds]]:
        """Return the seconds in each status of some checks or pools; see `read_statuses`."""
        numbers = [self._current(key) for key in keys]
        return await self._ask(read_statuses, self._database, numbers, times)

    async def uptime(self, key: Key) -> dict[str, Uptime]:
        """Return the uptime of a check over several windows back from now."""
        return await self._ask(read_uptime, self._database, self._current(key), self._wall())

    async def events(
        self, *, before: int, after: int, since: float | None, wanted: EventFilter, limit: int
    ) -> list[Event]:
        """Return stored events with ids between `after` and `before`, newest first."""
        return await self._ask(
            read_events,
            self._database,
            before=before,
            after=after,
            since=since,
            wanted=wanted,
            limit=limit,
        )

    async def _ask(self, read: Callable[..., T], *args: object, **options: object) -> T:
        """Read in a thread; raise `StateUnreadableError` if the disk does not answer."""
        work = partial(read, *args, **options)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._readers, work)
        except TimeoutError:
            raise StateUnreadableError("the disk does not answer") from None

    def close(self) -> None:
        """End the threads that read, without waiting for one that a dead disk blocks."""
        self._readers.shutdown(wait=False, cancel_futures=True)

    def _current(self, key: Key) -> int:
        """Write a check's running slot; return its number, or 0 if there is none."""
        running = self._running.get(key)
        if running is not None:
            self.save(running)
        return self._numbers.get(key, 0)

    def save_all(self) -> None:
        """Write everything that a new database or the next process needs."""
        self._database.put(PARTS, (1,), (self._part,))
        for running in self._running.values():
            self._database.put(NAMES, (running.number,), running.key)
            self.save(running)

    def beat(self) -> None:
        """Write the running slots whose turn it is; call this every second."""
        now = self._awake()
        self._turn(now)
        if not self._queue:
            for key, row in self._sums.complete():
                self._database.put(FINE, key, row)
            self._queue = list(self._running.values())
        for _ in range(min(len(self._queue), ceil(len(self._running) / ROUND))):
            running = self._queue.pop()
            self.save(running)
            is_current = self._running.get(running.key) is running
            if running.status is None and running.is_empty() and is_current:
                del self._running[running.key]
        while self._unused:
            self._forget(self._unused.pop())
        if now >= self._upkeep_at:
            self._upkeep_at = now + HOUR
            self._tend()

    def due(self) -> Due:
        """Return the current work for an upkeep."""
        at, touched = self._wall(), self._touched
        self._touched = self._span.start
        pools = {running.pool for running in self._running.values()}
        removed = (
            number
            for key, number in self._numbers.items()
            if key not in self._running and number not in pools
        )
        return Due(
            self._credible(),
            at - SETTLED,
            touched,
            list(islice(removed, REMOVED_LOOKED_FOR)),
            self._unused.append,
        )

    def _forget(self, number: int) -> None:
        """Delete the name of a check without history, unless it was configured again."""
        for key, each in self._numbers.items():
            if each == number and key not in self._running:
                del self._numbers[key]
                self._database.put(NAMES, (number,), None)
                return

    def _tend(self) -> None:
        due = self.due()
        self._database.tend(lambda connection: upkeep(connection, self.retention, due))

    def _now(self) -> float:
        now = self._awake()
        if now >= self._ends:
            self._turn(now)
        return now

    def _turn(self, now: float) -> None:
        """Read the wall clock, and switch to its slot."""
        at = self._wall()
        passed = max(0.0, now - self._seen)
        first = _slot_of(at - passed)
        if abs(at - now - self._offset) > CLOCK_SET and first != self._span.start:
            self._begin(first, min(self._seen, now))
        while (border := self._span.start + WIDTH) <= at:
            self._begin(border, max(self._span.began, now - (at - border)))
        self._seen, self._offset = now, at - now
        self._ends = now + self._span.start + WIDTH - at

    def _begin(self, start: int, now: float) -> None:
        if start <= self._span.start:
            self._new_part()
        before = self._span
        before.ended = now
        self._span = before.next = Span(start, self._part, now)
        self._touched = min(self._touched, start)

    def _new_part(self) -> None:
        self._part += 1
        self._database.put(PARTS, (1,), (self._part,))

    def _catch_up(self, running: Running) -> None:
        """Close the finished slots of a check."""
        while (span := running.span.next) is not None:
            running.spend(running.span.ended)
            self._put(running)
            if running.pool and running.probes:
                self._sums.add(running)
            running.begin(span)

    def _put(self, running: Running) -> None:
        if not running.is_empty():
            key = (running.span.start, running.number, running.span.part)
            self._database.put(FINE, key, running.row())


def _slot_of(at: float) -> int:
    return int(at // WIDTH) * WIDTH


class _Opening(NamedTuple):
    numbers: dict[Key, int]
    part: int


def _opening(database: "Database") -> _Opening:
    """Return what an earlier process has written, as far as it is readable."""

    def question(connection: Any) -> _Opening:
        names = connection.execute("SELECT monitor, backend, id FROM names ORDER BY id")
        parts = connection.execute("SELECT last FROM parts")
        numbers = dict(readable(names, lambda row: ((text(row[0]), text(row[1])), whole(row[2]))))
        return _Opening(numbers, next(readable(parts, lambda row: whole(row[0])), 0))

    try:
        return database.read(question)
    except StateUnreadableError as error:
        database.complain("unreadable", f"{error}; starting a new history")
        return _Opening({}, 0)
