"""When Python's garbage collector runs.

Most of the memory is the model and the state of the checks, which stay as long as the process, so
that a collection walks them for nothing. They are frozen; the collector is off while a
configuration is read; full collections are rare.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TIDY_AFTER = 5_000
"""Probes after which the garbage that they left is collected. Python would wait until more objects
were made than freed, which a result that replaces another does not change: with 100,000 checks so
much piles up by then that one collection takes 0.2 s."""
_RARE = 1000  # collections of the middle generation for one of everything; Python's default is 10


@contextmanager
def paused() -> Iterator[None]:
    """Do not collect while a heap grows that would be scanned repeatedly."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def never() -> None:
    """Do not collect any more: the process ends soon."""
    gc.disable()


def make_rare() -> None:
    """Make full collections rare, before modules are imported, which stay."""
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _RARE)


def settle() -> None:
    """Freeze what was made at the start."""
    gc.collect()
    gc.freeze()


def keep() -> None:
    """Freeze what there is now, such as a new model."""
    gc.freeze()


class Tidier:
    """Collects what probes leave behind, once in TIDY_AFTER of them."""

    def __init__(self, count_started: Callable[[], int]) -> None:
        self._count_started = count_started
        self._tidied = 0

    def tidy(self) -> None:
        """Collect if enough probes have started since the last time."""
        started = self._count_started()
        if started - self._tidied >= TIDY_AFTER:
            self._tidied = started
            gc.collect(1)
