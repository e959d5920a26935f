"""A timing wheel: items that are due, in buckets of one tick."""

from heapq import heappop, heappush
from typing import Any, Final

from prober.model.schedule import SLOT

TICK: Final = SLOT / 2
"""Seconds between two looks at the schedule, if something is due in each."""
_CLOSE: Final = 1e-6
"""Seconds by which an item may come out early: rounding of floats must not make an item miss the
tick at which it is due."""


class Wheel:
    """Items by the tick at which they are due: constant time to add, remove and take out.

    A tick lasts `width` seconds. A tick whose items were all removed is skipped, so that nothing
    wakes up for them. The class is not generic, because a weak reference to a compiled generic
    class crashes.
    """

    __slots__ = ("_buckets", "_ticks", "_width")

    def __init__(self, width: float = TICK) -> None:
        self._width = width
        self._buckets: dict[int, dict[Any, None]] = {}
        self._ticks: list[int] = []

    def add(self, when: float, item: object) -> None:
        """Put an item into the first tick not before `when`."""
        tick = int((when - _CLOSE) / self._width) + 1  # as in `remove`
        try:
            self._buckets[tick][item] = None
        except KeyError:
            self._buckets[tick] = {item: None}
            heappush(self._ticks, tick)

    def remove(self, when: float, item: object) -> None:
        """Remove an item that was added with this `when`, if it is still there."""
        bucket = self._buckets.get(int((when - _CLOSE) / self._width) + 1)
        if bucket is not None:
            bucket.pop(item, None)

    def next(self) -> float | None:
        """Return when the next item is due, or None."""
        while self._ticks:
            tick = self._ticks[0]
            if self._buckets[tick]:
                return tick * self._width
            heappop(self._ticks)
            del self._buckets[tick]
        return None

    def pop(self, now: float) -> list[Any]:
        """Take out everything whose tick is not after `now`, earliest first."""
        items: list[Any] = []
        while self._ticks and self._ticks[0] * self._width <= now:
            items += self._buckets.pop(heappop(self._ticks))
        return items
