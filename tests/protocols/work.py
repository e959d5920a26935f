"""Counts work instead of time: what is called while something runs."""

import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType


def calls(run: Callable[[], object]) -> Counter[str]:
    """Return how often each function was called, Python's and C's, while something ran."""
    counts: Counter[str] = Counter()

    def count(frame: FrameType, event: str, called: object) -> None:
        if event == "call":
            counts[frame.f_code.co_name] += 1
        elif event == "c_call":
            counts[getattr(called, "__name__", "?")] += 1

    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(None)
    return counts


def steps(run: Callable[[], object]) -> int:
    """Return how many functions were called while something ran."""
    return calls(run).total()
