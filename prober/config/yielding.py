"""Lets the event loop run while a thread does long work."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TURN = 0.0002  # seconds for which a thread may keep the interpreter from the event loop


@contextmanager
def yielding() -> Iterator[None]:
    """Make threads yield to the event loop quickly, and pause the collector until they finish."""
    interval, collects = sys.getswitchinterval(), gc.isenabled()
    sys.setswitchinterval(_TURN)
    gc.disable()
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        if collects:
            gc.enable()
