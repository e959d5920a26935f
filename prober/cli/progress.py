"""A sign of life on stderr for work that takes longer than a second, on a terminal only."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

_SECOND = 1.0


@contextmanager
def working(what: str, stream: TextIO | None = None) -> Iterator[None]:
    """Say what is being done, and for how many seconds, until the context ends."""
    stream = sys.stderr if stream is None else stream
    if not stream.isatty():
        yield
        return
    over = threading.Event()
    telling = threading.Thread(target=tell, args=(what, stream, over.wait), daemon=True)
    telling.start()
    try:
        yield
    finally:
        over.set()
        telling.join()


def tell(what: str, stream: TextIO, is_over: Callable[[float], bool]) -> None:
    """Rewrite a line every second, and remove it at the end; `is_over` waits for up to that."""
    seconds, line = 0, ""
    while not is_over(_SECOND):
        seconds += 1
        line = f"{what}, {seconds} s"
        stream.write(f"\r{line}")
        stream.flush()
    if line:
        stream.write(f"\r{' ' * len(line)}\r")
        stream.flush()
