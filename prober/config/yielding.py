"""Lets the event loop run while a thread does long work."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from prober.config import garbage

_TURN = 0.0002  # seconds for which a thread may keep the interpreter from the event loop


@contextmanager
def yielding() -> Iterator[None]:
    """Make threads yield to the event loop quickly, and pause the collector until they finish."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(_TURN)
    try:
        with garbage.paused():
            yield
    finally:
        sys.setswitchinterval(interval)
