"""When a check is probed: a fixed grid for each interval, with a phase derived from its key.

All times are seconds on one monotonic clock. A grid is the set `phase + k * interval`. The phase
depends only on the check's key and the interval, so restarts and reloads cause no bursts.
"""

from functools import lru_cache
from hashlib import blake2b
from math import floor
from typing import Final

from prober.model.health import Health

SLOT: Final = 0.05
"""Seconds. Phases are multiples of this if the interval is, so that checks are probed in batches
and prober sleeps in between: a wake-up finds cold caches and costs as much as 20 probes."""

_MICROSECONDS: Final = 1_000_000
_SLOT: Final = round(SLOT * _MICROSECONDS)
_CLOSE: Final = 1e-6
"""Seconds before a point of the grid that still count as the point: rounding must not split a
point that two grids share (every 1 s, every 5 s)."""


def is_late(delay: float, interval: float) -> bool:
    """Return whether a probe starts too late to count for its own slot of the schedule."""
    return delay > interval / 2


def spread(*key: str) -> int:
    """Return the number from which a check's phases follow: a hash of its key, below 2**64."""
    return int.from_bytes(blake2b("\0".join(key).encode(), digest_size=8).digest())


def phase(number: int, interval: float) -> float:
    """Return the offset of a grid, from 0 to below `interval`, for a check's `spread` number."""
    whole = round(interval * _MICROSECONDS)
    offset = number % whole
    if whole % _SLOT == 0:
        offset -= offset % _SLOT
    return _in_seconds(offset)


@lru_cache(maxsize=1024)
def _in_seconds(microseconds: int) -> float:
    """Return the same float object for the same phase, because many checks share a few phases."""
    return microseconds / _MICROSECONDS


def next_due(after: float, interval: float, offset: float) -> float:
    """Return the first point of the grid after `after`."""
    return (floor((after - offset + _CLOSE) / interval) + 1) * interval + offset


def slots_between(start: float, end: float, interval: float, offset: float) -> int:
    """Count the points of the grid after `start` and up to `end`."""
    if end <= start:
        return 0
    first, last = start - offset + _CLOSE, end - offset + _CLOSE
    return floor(last / interval) - floor(first / interval)


def first_due(now: float, number: int, checks: int) -> float:
    """Return when to probe a new check first: at once, spread over 1 s per 1,000 checks."""
    return now + number / 2**64 * checks / 1000


def worst_case_detection(
    *, interval: float, fast_interval: float, timeout: float, fall: int
) -> float:
    """Return the longest time from a target's failure to the bad result that makes it offline.

    The target fails right after a good probe, and every probe from then on takes its whole timeout.
    The first starts an `interval` later, the others at points of the fast grid, of which those
    that pass during a probe are missed. All in seconds; a start may come a `SLOT` later each time.
    """
    longest = interval + timeout
    if fall == 1:
        return longest
    step = (floor((timeout + _CLOSE) / fast_interval) + 1) * fast_interval
    ratio = interval / fast_interval
    grids_agree = abs(ratio - round(ratio)) < _CLOSE
    first_step = step if grids_agree else timeout + fast_interval
    return longest + first_step + (fall - 2) * step


def interval_for(
    health: Health, *, interval: float, fast_interval: float, down_interval: float
) -> float:
    """Return the interval for a check in this state.

    `fast_interval` is for a check that is undecided, or whose last result contradicts its state, as
    HAProxy's `fastinter` is.
    """
    online, streak = health
    if online is not (streak > 0):  # None, undecided, is neither
        return fast_interval
    return interval if online else down_interval
