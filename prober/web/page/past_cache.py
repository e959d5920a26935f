"""A cache of the history of pools, which is read in a thread because it is large.

An entry is used for a while. A page waits only briefly for missing entries; those that are late are
shown the next time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from aiohttp import web

from prober.state.archive import DAY, StatusSeconds, Uptime, hour_of
from prober.state.pool_past import PoolPast
from prober.state.slots import HOUR, WIDTH, Slot, known_seconds, seconds_in_service

T = TypeVar("T")

CELL = 6 * WIDTH
"""Seconds of one cell in the strip of a day."""
FRESH = 60.0
"""Seconds after which an entry in use is read again."""
STALE = 300.0
"""Seconds after which an entry is no longer shown."""
PATIENCE = 0.05
"""Maximum seconds that a page waits for missing entries."""
BATCH = 20
"""Number of pools read at once."""
DAYS = 90
"""Number of days shown of each service on the public page."""


class RecentPast(NamedTuple):
    """The recent history of a pool: its last day in cells of CELL and in hours, and its uptime."""

    times: range
    statuses: dict[int, StatusSeconds]
    hours: list[Slot]
    day: Uptime
    month: Uptime


def uptime_of_seconds(found: Iterable[StatusSeconds]) -> Uptime:
    """Return the uptime over slots."""
    in_service = known = 0.0
    for seconds in found:
        in_service += seconds_in_service(seconds)
        known += known_seconds(seconds)
    return Uptime(in_service / known if known else None, known)


async def read_recent_past(past: PoolPast, names: Sequence[str], wall: float) -> list[RecentPast]:
    """Return the last day of some pools."""
    end = int(wall // CELL + 1) * CELL
    times = range(end - int(DAY), end, CELL)
    month = range(hour_of(wall - 30 * DAY), hour_of(wall) + HOUR, HOUR)
    days = await past.statuses(names, times)
    months = await past.statuses(names, month)
    hours = [await past.slots(name, month[-24:]) for name in names]
    return [
        RecentPast(
            times,
            each,
            slots,
            uptime_of_seconds(each.values()),
            uptime_of_seconds(whole.values()),
        )
        for each, whole, slots in zip(days, months, hours, strict=True)
    ]


class LongPast(NamedTuple):
    """The last days of a service, and its uptime over them."""

    times: range
    statuses: Mapping[int, StatusSeconds]
    uptime: Uptime


async def read_long_past(past: PoolPast, names: Sequence[str], wall: float) -> list[LongPast]:
    """Return the last days of some pools."""
    end = int(wall // DAY + 1) * int(DAY)
    times = range(end - DAYS * int(DAY), end, int(DAY))
    found = await past.statuses(names, times)
    return [LongPast(times, each, uptime_of_seconds(each.values())) for each in found]


Read = Callable[[PoolPast, Sequence[str], float], Awaitable[list[T]]]
"""Reads the past of some pools at a unix time."""


class PastCache(Generic[T]):
    """Reads the history of pools, and keeps it for a while.

    Args:
        past: The history.
        read: Reads it.
        wall: Unix time.
        clock: A monotonic clock.
    """

    def __init__(
        self,
        past: PoolPast,
        read: Read[T],
        *,
        wall: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self._past = past
        self._reads = read
        self._wall = wall
        self._clock = clock
        self._read: dict[str, tuple[float, T]] = {}
        self._wanted: dict[str, None] = {}
        self._reading: asyncio.Task[None] | None = None

    async def of(self, names: Iterable[str]) -> dict[str, T]:
        """Return the history of these pools, as far as it has been read."""
        listed, now = list(names), self._clock()
        self._forget(now - STALE)
        for name in listed:
            known = self._read.get(name)
            if known is None or now - known[0] > FRESH:
                self._wanted[name] = None
        if self._wanted and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self._read_all())
        if self._reading is not None and any(name not in self._read for name in listed):
            await asyncio.wait({self._reading}, timeout=PATIENCE)
        return {name: self._read[name][1] for name in listed if name in self._read}

    async def _read_all(self) -> None:
        while self._wanted:
            names = list(self._wanted)[:BATCH]
            found = await self._reads(self._past, names, self._wall())
            for name, each in zip(names, found, strict=True):
                self._read[name] = self._clock(), each
                self._wanted.pop(name, None)

    def _forget(self, before: float) -> None:
        for name in [name for name, (at, _) in self._read.items() if at < before]:
            del self._read[name]


PAST_CACHE = web.AppKey("PAST_CACHE", PastCache[RecentPast])
LONG_PAST = web.AppKey("LONG_PAST", PastCache[LongPast])
