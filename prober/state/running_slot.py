"""Running slots of the history: of each check, and their sums by pool."""

from array import array
from collections.abc import Iterator
from typing import Final

from prober.state.slots import BUCKETS, MAINTENANCE, SPENT_IN, pack_counts

Key = tuple[str, str]

_MAINTENANCE: Final = SPENT_IN.index(MAINTENANCE)


class Span:
    """One slot on the clock; `began` and `ended` are monotonic. `next` is None while it runs."""

    __slots__ = ("began", "ended", "next", "part", "start")

    def __init__(self, start: int, part: int, began: float) -> None:
        self.start = start
        self.part = part
        self.began = began
        self.ended = began
        self.next: Span | None = None


class Running:
    """The running slot of one check or of a pool.

    `status` is the index of its status, or None once the check is gone; `excused` is whether its
    time is spent in maintenance instead; `pool` is the number of the pool that its slots are added
    to, or 0.
    """

    __slots__ = (
        "bad",
        "counts",
        "excused",
        "good",
        "key",
        "least",
        "most",
        "number",
        "pool",
        "probes",
        "seconds",
        "since",
        "span",
        "status",
        "total",
    )

    def __init__(self, key: Key, number: int, span: Span) -> None:
        self.key = key
        self.number = number
        self.pool = 0
        self.since = span.began
        self.status: int | None = None
        self.excused = False
        self.counts = array("H", bytes(2 * BUCKETS))  # a slot has room for 3,000 probes
        self.seconds = array("d", bytes(8 * len(SPENT_IN)))
        self.begin(span)

    def begin(self, span: Span) -> None:
        """Start over in another slot."""
        self.span = span
        self.probes = self.good = self.bad = 0
        self.total = self.least = self.most = 0.0
        for index in range(BUCKETS):
            self.counts[index] = 0
        for index in range(len(SPENT_IN)):
            self.seconds[index] = 0.0

    def spend(self, until: float) -> None:
        """Add the time until now to the status; time that turns out to be lost is subtracted."""
        if self.status is not None:
            place = _MAINTENANCE if self.excused else self.status
            self.seconds[place] = max(0.0, self.seconds[place] + until - self.since)
        self.since = until

    def is_empty(self) -> bool:
        """Return whether there is nothing to write."""
        return not self.probes and not any(self.seconds)

    def row(self) -> tuple[object, ...]:
        """Return the COLUMNS: seconds to the millisecond, latencies in whole microseconds."""
        return (
            self.probes,
            self.good,
            self.bad,
            *(round(each, 3) for each in self.seconds),
            round(self.total * 1e6),
            round(self.least * 1e6) if self.good else None,
            round(self.most * 1e6) if self.good else None,
            pack_counts(self.counts),
        )


class PoolSlots:
    """The probes of pools by slots: the sums of their checks' slots, once those have ended.

    A pool's own slots contain the seconds in each status; the sums are separate parts of them.
    """

    def __init__(self) -> None:
        self._sums: dict[tuple[int, int, int], Running] = {}
        self._begun: tuple[tuple[int, int, int], ...] = ()

    def add(self, running: Running) -> None:
        """Add a finished slot of a check to that of its pool."""
        key = (running.span.start, running.pool, -running.span.part)
        total = self._sums.get(key)
        if total is None:
            total = self._sums[key] = Running(("", ""), running.pool, running.span)
            total.counts = array("L", bytes(array("L").itemsize * BUCKETS))
        if running.good:
            total.least = min(total.least, running.least) if total.good else running.least
            total.most = max(total.most, running.most)
        total.probes += running.probes
        total.good += running.good
        total.bad += running.bad
        total.total += running.total
        for index, count in enumerate(running.counts):
            if count:
                total.counts[index] += count

    def complete(self) -> Iterator[tuple[tuple[int, int, int], tuple[object, ...]]]:
        """Yield and forget the rows that nothing will be added to any more.

        Call this once per round in which all finished running slots are closed: rows that existed
        at the last call are complete.
        """
        for key in self._begun:
            yield key, self._sums.pop(key).row()
        self._begun = tuple(self._sums)
