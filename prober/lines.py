"""Writes lines to a stream without ever waiting for whoever reads it.

A pipe whose reader hangs, a stopped terminal or a stuck log collector would else stand the whole
daemon still with the first line that does not fit.
"""

import os
import select
import threading
from typing import Final, TextIO

KEPT: Final = 256 * 1024
"""Bytes that wait for a reader; lines beyond are lost, and counted."""

_AT_ONCE: Final = select.PIPE_BUF  # what a pipe takes at least, once it is writable


class Lines:
    """A stream that takes lines. One that cannot be written is lost, and the program goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting = b""
        self._lost = 0
        self._lock = threading.Lock()
        try:
            self._descriptor = stream.fileno()
        except (AttributeError, OSError, ValueError):  # not a file of the system, or closed
            self._descriptor = -1

    def write(self, line: str) -> None:
        """Write a line, or as much of it as the reader takes now, and the rest with the next."""
        try:
            if self._descriptor < 0:
                self._stream.write(f"{line}\n")
                self._stream.flush()
                return
            encoded = f"{line}\n".encode(self._stream.encoding or "utf-8", "backslashreplace")
            with self._lock:
                self._flush()
                self._add(encoded)
                self._flush()
        except (OSError, ValueError):  # a full disk, a reader that left, a closed stream
            self._waiting = b""

    def take_lost(self) -> int:
        """Return how many lines were lost since it was asked, once lines are taken again."""
        with self._lock:
            if self._waiting:
                return 0
            lost, self._lost = self._lost, 0
            return lost

    def _add(self, line: bytes) -> None:
        if len(self._waiting) + len(line) > KEPT:
            self._lost += 1
            return
        self._waiting += line

    def _flush(self) -> None:
        if not self._waiting:
            return
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        while self._waiting and poll.poll(0):
            written = os.write(self._descriptor, self._waiting[:_AT_ONCE])
            self._waiting = self._waiting[written:]
