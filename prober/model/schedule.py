"""When a check is probed: a fixed grid per interval, with a phase that its key decides.

All times are seconds on one monotonic clock. A grid is the set `phase + k * interval`; the phase
depends on the check's key and the interval only, so restarts and reloads make no herd.
"""

from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from math import floor
from typing import Self

from prober.model.health import Health

SLOT = 0.05
"""Seconds. Phases are multiples of it where the interval is one, so that checks are probed together
and the prober sleeps in between: a wake-up finds cold caches, and costs as much as 20 probes."""

_MICROSECONDS = 1_000_000
_SLOT = round(SLOT * _MICROSECONDS)
_CLOSE = 1e-6
"""Seconds before a point of the grid that count as the point: one that is reached on two grids
(every 1 s, every 5 s) is not to be taken for two because of rounding."""


class Delay(StrEnum):
    """Why a probe starts late; `sentence` says it to a person."""

    sentence: str

    def __new__(cls, value: str, sentence: str) -> Self:
        """Make one row of the table."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member

    CPU = "cpu", "the process gets too little CPU time"
    PLACES = "places", "as many probes are in flight as the limit of descriptors allows"
    UDP_PACE = "udp_pace", "too many UDP checks share a host, whose probes are kept apart"


def is_late(delay: float, interval: float) -> bool:
    """Tell whether a probe starts too late to still speak for its own slot of the schedule."""
    return delay > interval / 2


def spread(*key: str) -> int:
    """Return the number from which a check's phases come: a hash of its key, under 2**64."""
    return int.from_bytes(blake2b("\0".join(key).encode(), digest_size=8).digest())


def phase(number: int, interval: float) -> float:
    """Return the offset of a check's grid, 0 to below `interval`, from its `spread` number."""
    whole = round(interval * _MICROSECONDS)
    offset = number % whole
    if whole % _SLOT == 0:
        offset -= offset % _SLOT
    return _in_seconds(offset)


@lru_cache(maxsize=1024)
def _in_seconds(microseconds: int) -> float:
    """Return the same float for the same phase: many checks share few."""
    return microseconds / _MICROSECONDS


def next_due(after: float, interval: float, offset: float) -> float:
    """Return the first point of the grid that lies after `after`."""
    return (floor((after - offset + _CLOSE) / interval) + 1) * interval + offset


def slots_between(start: float, end: float, interval: float, offset: float) -> int:
    """Count the points of the grid that lie after `start` and not after `end`."""
    if end <= start:
        return 0
    first, last = start - offset + _CLOSE, end - offset + _CLOSE
    return floor(last / interval) - floor(first / interval)


def first_due(now: float, number: int, checks: int) -> float:
    """Return when a new check is probed first: at once, spread over 1 s per 1,000 checks."""
    return now + number / 2**64 * checks / 1000


def interval_for(
    health: Health, *, interval: float, fast_interval: float, down_interval: float
) -> float:
    """Return the interval that a check in this state is probed with."""
    online, streak = health
    if online is not (streak > 0):  # is_changing
        return fast_interval
    return interval if online else down_interval
