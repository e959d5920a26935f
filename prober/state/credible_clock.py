"""The time by which stored data is judged to be old, although the wall clock may be wrong.

A host may boot with a clock that is years ahead, until it is set. By such a clock, everything that
is stored would be too old to keep.
"""

from collections.abc import Callable

DAY = 86400.0
LEAP = DAY
"""Seconds by which the wall clock may be away from the last credible time at once."""
PROOF = 7 * DAY
"""Seconds for which a clock that is further away must have gone on steadily to be believed."""
STEADY = 3600.0
"""Seconds by which a steady clock may be adjusted."""


class CredibleClock:
    """Follows the wall clock, except where that leaps without evidence.

    After a leap, only the time that this process has lived counts, until the clock has been steady
    for long. Hosts without a battery start in the past, until they are set: that proves as little.

    Args:
        saved: The last credible time of an earlier process, in unix seconds; None: there was none.
        wall: Unix time.
        awake: Monotonic time without pauses of the process.
    """

    def __init__(
        self, saved: float | None, *, wall: Callable[[], float], awake: Callable[[], float]
    ) -> None:
        self._wall = wall
        self._awake = awake
        self._seen = awake()
        self._credible = wall() if saved is None else saved
        self._doubt: tuple[float, float] | None = None
        self.credible()

    @property
    def leap(self) -> float:
        """Seconds by which the wall clock is ahead of the credible time; 0: it is believed."""
        return self._wall() - self._credible if self._doubt else 0.0

    def credible(self) -> float:
        """Return the credible time, in unix seconds; call this often."""
        at, lived = self._wall(), self._awake()
        expected = self._credible + lived - self._seen
        self._seen = lived
        if abs(at - expected) <= LEAP or self._is_proven(at, lived):
            self._credible, self._doubt = at, None
        else:
            self._credible = expected
        return self._credible

    def for_ages(self) -> float:
        """Return the earlier of the credible and the wall time: by both, what is old is old."""
        return min(self.credible(), self._wall())

    def _is_proven(self, at: float, lived: float) -> bool:
        offset = at - lived
        if self._doubt is None or abs(offset - self._doubt[0]) > STEADY:
            self._doubt = offset, lived
        return lived - self._doubt[1] >= PROOF
