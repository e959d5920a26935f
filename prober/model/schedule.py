"""When a check is probed: a fixed grid per interval, with a phase that its key decides.

All times are seconds on one monotonic clock. A grid is the set `phase + k * interval`; the phase
depends on the check's key and the interval only, so restarts and reloads make no herd.
"""

import math
from hashlib import blake2b

from prober.model.health import Health, is_changing

_MICROSECONDS = 1_000_000


def spread(*key: str) -> int:
    """Return the number from which a check's phases come: a hash of its key, under 2**64."""
    return int.from_bytes(blake2b("\0".join(key).encode(), digest_size=8).digest())


def phase(number: int, interval: float) -> float:
    """Return the offset of a check's grid, 0 to below `interval`, from its `spread` number."""
    return number % round(interval * _MICROSECONDS) / _MICROSECONDS


def next_due(after: float, interval: float, offset: float) -> float:
    """Return the first point of the grid that lies after `after`."""
    return (_slot(after, interval, offset) + 1) * interval + offset


def slots_between(start: float, end: float, interval: float, offset: float) -> int:
    """Count the points of the grid that lie after `start` and not after `end`."""
    return max(0, _slot(end, interval, offset) - _slot(start, interval, offset))


def _slot(now: float, interval: float, offset: float) -> int:
    """Number the last point of the grid not after `now`.

    A microsecond is added so that one point reached on two grids (every 1 s, every 5 s) is not
    taken for two because of rounding.
    """
    return math.floor((now - offset + 1e-6) / interval)


def first_due(now: float, number: int, checks: int) -> float:
    """Return when a new check is probed first: at once, spread over 1 s per 1,000 checks."""
    return now + number / 2**64 * checks / 1000


def interval_for(
    health: Health, *, interval: float, fast_interval: float, down_interval: float
) -> float:
    """Return the interval that a check in this state is probed with."""
    if is_changing(health):
        return fast_interval
    return interval if health.online else down_interval
