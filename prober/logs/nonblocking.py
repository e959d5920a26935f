"""Writes lines to a stream without ever waiting for whoever reads it.

A pipe whose reader hangs, a stopped terminal or a stuck log collector would else stand the whole
daemon still with the first line that does not fit.
"""

import atexit
import os
import select
import threading
from contextlib import suppress
from typing import Final, TextIO

KEPT: Final = 256 * 1024
"""Bytes that wait for a reader; lines beyond are lost, and counted."""
LAST_WAIT: Final = 1.0
"""Seconds that the end of the program waits for a reader to take what is left."""

_AT_ONCE: Final = select.PIPE_BUF  # what a pipe takes at least, once it is writable


class NonBlockingStream:
    """A stream that takes lines. One that cannot be written is lost, and the program goes on.

    What a reader does not take at once is handed on by a thread, which lives as long as there is
    something left.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting = b""
        self._lost = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._poll = select.poll()
        try:
            self._descriptor = stream.fileno()
            self._poll.register(self._descriptor, select.POLLOUT)
        except (AttributeError, OSError, ValueError):  # not a file of the system, or closed
            self._descriptor = -1

    def write(self, line: str) -> None:
        """Write a line, or as much of it as the reader takes now, and the rest by and by."""
        if self._descriptor < 0:
            with suppress(OSError, ValueError):  # a reader that left, a closed stream
                self._stream.write(f"{line}\n")
                self._stream.flush()
            return
        encoded = f"{line}\n".encode(self._stream.encoding or "utf-8", "backslashreplace")
        with self._lock:
            if len(self._waiting) + len(encoded) > KEPT:
                self._lost += 1
                return
            self._waiting += encoded
            if self._thread is None:
                while self._waiting and self._poll.poll(0):
                    self._hand_on()
                if self._waiting:
                    self._start_thread()

    def take_lost(self) -> int:
        """Return how many lines were lost since it was asked, once lines are taken again."""
        with self._lock:
            if self._waiting:
                return 0
            lost, self._lost = self._lost, 0
            return lost

    def _hand_on(self) -> None:
        """Write as much as a writable stream takes without making us wait."""
        try:
            written = os.write(self._descriptor, self._waiting[:_AT_ONCE])
        except BlockingIOError:
            return
        except OSError:  # a full disk, a reader that left
            written = len(self._waiting)
        self._waiting = self._waiting[written:]

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._hand_on_all, name="log", daemon=True)
        with suppress(RuntimeError):  # no thread to be had now: the next line tries again
            thread.start()
            self._thread = thread
            atexit.register(thread.join, LAST_WAIT)

    def _hand_on_all(self) -> None:
        while True:
            self._poll.poll()
            with self._lock:
                self._hand_on()
                if not self._waiting:
                    atexit.unregister(threading.current_thread().join)
                    self._thread = None
                    return
