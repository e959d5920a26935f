"""Quarantine: when nearly everything fails at one vantage only, it is the vantage that fails."""

from collections.abc import Collection
from typing import NamedTuple

SHARE = 0.8
"""The share of its checks that must have turned bad."""
POOLS = 3
"""The number of pools that they must belong to at least."""


class SeenHere(NamedTuple):
    """A check at this vantage.

    `bad_since` is when it turned bad here, in seconds, or None. `refuted` is whether another
    vantage has found it good after that. `interval` is in seconds.
    """

    pool: str
    interval: float
    bad_since: float | None = None
    refuted: bool = False


def is_in_trouble(checks: Collection[SeenHere]) -> bool:
    """Return whether this vantage is to cast no votes.

    At least SHARE of its checks, in at least POOLS pools, have turned bad within two intervals,
    and other vantages have found that many of them good afterwards.
    """
    bad = [each for each in checks if each.bad_since is not None and each.refuted]
    if not bad or len(bad) < SHARE * len(checks) or len({each.pool for each in bad}) < POOLS:
        return False
    window = 2 * max(each.interval for each in bad)
    times = sorted(each.bad_since for each in bad if each.bad_since is not None)
    needed = -(-len(checks) * 8 // 10)
    return any(times[i + needed - 1] - times[i] <= window for i in range(len(times) - needed + 1))


def is_still_in_trouble(checks: Collection[SeenHere]) -> bool:
    """Return whether a quarantine continues: enough checks are bad here and good elsewhere."""
    bad = [each for each in checks if each.bad_since is not None and each.refuted]
    return bool(checks) and len(bad) >= SHARE * len(checks)
