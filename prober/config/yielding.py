"""Long work in a thread that lets the event loop in."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TURN = 0.0002  # seconds that a thread may keep the interpreter from the event loop


@contextmanager
def yielding() -> Iterator[None]:
    """Make threads let the event loop in quickly, and the collector wait until they are done."""
    interval, collects = sys.getswitchinterval(), gc.isenabled()
    sys.setswitchinterval(_TURN)
    gc.disable()
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        if collects:
            gc.enable()
