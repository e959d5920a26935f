"""A histogram with fixed buckets, as in Prometheus."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

LATENCY: Final[tuple[float, ...]] = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)
"""Upper bounds in seconds for the duration of probes."""

LAG: Final[tuple[float, ...]] = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
"""Upper bounds in seconds for the lateness of prober itself."""


class Histogram:
    """Counts of observed seconds by bucket; the last of `counts` is for values above all bounds."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    def observe_all(self, seconds: Sequence[float]) -> None:
        """Count several observations."""
        bounds, counts = self.bounds, self.counts
        for each in seconds:
            counts[bisect_left(bounds, each)] += 1
        self.total += sum(seconds)

    def quantile(self, share: float) -> float | None:
        """Return the upper bound of the bucket with this quantile; None if empty."""
        wanted = sum(self.counts) * share
        seen = 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            seen += count
            if count and seen >= wanted:
                return bound
        return None
