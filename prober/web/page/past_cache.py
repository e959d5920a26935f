"""The past of the pools that a page shows, read beforehand and in a thread, as it is much.

What was read is shown for a while; a page does not wait for what is not read yet, but shows it when
it comes again.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import NamedTuple

from aiohttp import web

from prober.model.status import Status
from prober.state.archive import DAY, StatusSeconds, Uptime, hour_of
from prober.state.pool_past import PoolPast
from prober.state.slots import HOUR, STATUSES, WIDTH, Slot

CELL = 6 * WIDTH
"""Seconds of a cell of the strip of a day."""
FRESH = 60.0
"""Seconds after which what is shown is read again."""
STALE = 300.0
"""Seconds after which what was read is not shown any more."""
PATIENCE = 0.1
"""Seconds that a page waits at most for what is not read yet."""
BATCH = 20
"""Pools that are read at once."""
_IN_SERVICE = [status.in_service for status in STATUSES]
_IS_KNOWN = [status is not Status.UNKNOWN for status in STATUSES]


class RecentPast(NamedTuple):
    """The past of a pool: its last day by cells of CELL, by hours, and its uptime.

    `read_at` is monotonic.
    """

    read_at: float
    times: range
    statuses: dict[int, StatusSeconds]
    hours: list[Slot]
    day: Uptime
    month: Uptime


def uptime_of_seconds(found: Iterable[StatusSeconds]) -> Uptime:
    """Return the uptime over slots."""
    in_service = known = 0.0
    for seconds in found:
        for spent, serves, is_known in zip(seconds, _IN_SERVICE, _IS_KNOWN, strict=True):
            in_service += spent * serves
            known += spent * is_known
    return Uptime(in_service / known if known else None, known)


class PastCache:
    """Reads the past of pools.

    Args:
        past: Where it is read from.
        wall: Unix time.
        clock: A monotonic clock.
    """

    def __init__(
        self, past: PoolPast, *, wall: Callable[[], float], clock: Callable[[], float]
    ) -> None:
        self._past = past
        self._wall = wall
        self._clock = clock
        self._read: dict[str, RecentPast] = {}
        self._wanted: dict[str, None] = {}
        self._reading: asyncio.Task[None] | None = None

    async def of(self, names: Iterable[str]) -> dict[str, RecentPast]:
        """Return the past of these pools, as far as it is known yet."""
        listed = list(names)
        self._forget(self._clock() - STALE)
        for name in listed:
            known = self._read.get(name)
            if known is None or self._clock() - known.read_at > FRESH:
                self._wanted[name] = None
        if self._wanted and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self._read_all())
        if self._reading is not None and any(name not in self._read for name in listed):
            await asyncio.wait({self._reading}, timeout=PATIENCE)
        return {name: self._read[name] for name in listed if name in self._read}

    async def _read_all(self) -> None:
        while self._wanted:
            names = list(self._wanted)[:BATCH]
            found = await self._read_some(names)
            for name, past in zip(names, found, strict=True):
                self._read[name] = past
                self._wanted.pop(name, None)

    def _forget(self, before: float) -> None:
        for name in [name for name, past in self._read.items() if past.read_at < before]:
            del self._read[name]

    async def _read_some(self, names: list[str]) -> list[RecentPast]:
        wall, now = self._wall(), self._clock()
        end = int(wall // CELL + 1) * CELL
        times = range(end - int(DAY), end, CELL)
        month = range(hour_of(wall - 30 * DAY), hour_of(wall) + HOUR, HOUR)
        days = await self._past.statuses(names, times)
        months = await self._past.statuses(names, month)
        hours = [await self._past.slots(name, month[-24:]) for name in names]
        return [
            RecentPast(
                now,
                times,
                each,
                slots,
                uptime_of_seconds(each.values()),
                uptime_of_seconds(whole.values()),
            )
            for each, whole, slots in zip(days, months, hours, strict=True)
        ]


PAST_CACHE = web.AppKey("PAST_CACHE", PastCache)
