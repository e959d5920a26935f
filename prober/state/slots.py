"""The data of a check in one time slot, as it is stored and added up."""

import struct
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from prober.model.status import Status
from prober.state.database_table import table
from prober.state.histogram import LATENCY
from prober.state.rows import number, whole

WIDTH: Final = 300
"""Seconds of a fine slot."""
HOUR: Final = 3600
"""Seconds of a coarse slot."""

STATUSES: Final = tuple(Status)
MAINTENANCE: Final = "MAINTENANCE"
"""Time in which an admin state left something out of aggregates: in maintenance or drained."""
SPENT_IN: Final = (*STATUSES, MAINTENANCE)
"""What the time of a slot is spent in, each second in one of them."""
COLUMNS: Final = (
    "probes",
    "good",
    "bad",
    *(each.lower() for each in SPENT_IN),
    "total",
    "least",
    "most",
    "counts",
)
NAMES: Final = table("names", ("id",), ("monitor", "backend"))
PARTS: Final = table("parts", ("one",), ("last",))
FINE: Final = table("slots", ("start", "check_id", "part"), COLUMNS)

_KNOWN: Final = [STATUSES.index(each) for each in STATUSES if each is not Status.UNKNOWN]
_IN_SERVICE: Final = [STATUSES.index(each) for each in STATUSES if each.in_service]

_SLACK: Final = 2.0  # seconds of one slot that may be counted in the next
BUCKETS: Final = len(LATENCY) + 1
_COUNT: Final = struct.Struct("<BI")  # the index and the count of a bucket that is not empty


class Slot(NamedTuple):
    """A slot from the unix time `start` on, or the sum of several.

    `seconds` are those spent in each of SPENT_IN; the difference to the length of the slot is time
    without a record. `total`, `least` and `most` are seconds of the `good` probes, which `counts`
    has by the buckets of LATENCY.
    """

    start: int
    probes: int
    good: int
    bad: int
    seconds: tuple[float, ...]
    total: float
    least: float
    most: float
    counts: tuple[int, ...]

    @property
    def known(self) -> float:
        """Seconds that count as up or down: without UNKNOWN and without maintenance."""
        return known_seconds(self.seconds)

    @property
    def in_service(self) -> float:
        """Seconds in OK or WARNING."""
        return seconds_in_service(self.seconds)

    def quantile(self, share: float) -> float:
        """Return the approximate quantile of the durations of good probes.

        Within a bucket, durations are assumed to be evenly distributed.
        """
        wanted, seen, low = self.good * share, 0, 0.0
        for high, count in zip((*LATENCY, self.most), self.counts, strict=True):
            if count and seen + count >= wanted:
                inside = low + (high - low) * (wanted - seen) / count
                return min(max(inside, self.least), self.most)
            seen, low = seen + count, high
        return self.most


def known_seconds(seconds: Sequence[float]) -> float:
    """Return how many of the seconds in each of SPENT_IN count as up or down."""
    return sum(seconds[place] for place in _KNOWN)


def seconds_in_service(seconds: Sequence[float]) -> float:
    """Return how many of the seconds in each of SPENT_IN were OK or WARNING."""
    return sum(seconds[place] for place in _IN_SERVICE)


def empty_slot(start: int) -> Slot:
    """Return a slot without data."""
    return Slot(start, 0, 0, 0, (0.0,) * len(SPENT_IN), 0.0, 0.0, 0.0, (0,) * BUCKETS)


def add_slots(one: Slot, other: Slot) -> Slot:
    """Return the sum of both, from the start of the first on."""
    return Slot(
        one.start,
        one.probes + other.probes,
        one.good + other.good,
        one.bad + other.bad,
        tuple(round(a + b, 3) for a, b in zip(one.seconds, other.seconds, strict=True)),
        round(one.total + other.total, 6),
        min((each.least for each in (one, other) if each.good), default=0.0),
        max(one.most, other.most),
        tuple(a + b for a, b in zip(one.counts, other.counts, strict=True)),
    )


def capped_seconds(seconds: tuple[float, ...], length: float) -> tuple[float, ...]:
    """Return the seconds of a slot of this length, scaled if it was lived more than once.

    That is so if the wall clock was set back into it.
    """
    spent = sum(seconds)
    if spent <= length + _SLACK:
        return seconds
    return tuple(round(each * length / spent, 3) for each in seconds)


def capped(slot: Slot, length: float) -> Slot:
    """Return a slot of this length, with as much of everything as fits in it once."""
    spent = sum(slot.seconds)
    if spent <= length + _SLACK:
        return slot
    share = length / spent
    counts = tuple(round(count * share) for count in slot.counts)
    good, bad = sum(counts), round(slot.bad * share)
    probes = max(good + bad, round(slot.probes * share))
    return slot._replace(
        probes=probes,
        good=good,
        bad=bad,
        seconds=capped_seconds(slot.seconds, length),
        total=slot.total * good / slot.good if slot.good else 0.0,
        counts=counts,
    )


def slot_of_row(start: int, row: tuple[Any, ...]) -> Slot:
    """Return the slot in the COLUMNS of a row; raise ValueError if they are not valid."""
    probes, good, bad, *seconds, total, least, most, counts = row
    return Slot(
        start,
        whole(probes),
        whole(good),
        whole(bad),
        tuple(number(each) for each in seconds),
        number(total) / 1e6,
        number(least or 0) / 1e6,
        number(most or 0) / 1e6,
        unpack_counts(counts),
    )


def pack_counts(counts: Iterable[int]) -> bytes:
    """Return the buckets that are not empty, five bytes each."""
    return b"".join(_COUNT.pack(i, count) for i, count in enumerate(counts) if count)


def unpack_counts(packed: object) -> tuple[int, ...]:
    """Return the counts of all buckets; raise ValueError if the packed text is not valid."""
    if not isinstance(packed, bytes) or len(packed) % _COUNT.size:
        raise ValueError("not packed counts")
    counts = [0] * BUCKETS
    for i, count in _COUNT.iter_unpack(packed):
        if i >= BUCKETS:
            raise ValueError("not packed counts")
        counts[i] = count
    return tuple(counts)
