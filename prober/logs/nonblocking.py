"""Writes lines to a stream without ever waiting for its reader.

Otherwise a pipe with a hanging reader, a stopped terminal or a stuck log collector would block the
whole daemon.
"""

import atexit
import os
import select
import threading
from contextlib import suppress
from typing import Final, TextIO

KEPT: Final = 256 * 1024
"""Bytes that can wait for a reader; further lines are dropped and counted."""
LAST_WAIT: Final = 1.0
"""Seconds to wait at the end of the program for a reader to take the rest."""

_AT_ONCE: Final = select.PIPE_BUF  # the minimum that a writable pipe accepts


class NonBlockingStream:
    """A stream for lines; a line that cannot be written is dropped, and the program goes on.

    A thread passes on what the reader does not accept at once, and ends when nothing is left.
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
        except (AttributeError, OSError, ValueError):  # not a system file, or closed
            self._descriptor = -1

    def write(self, line: str) -> None:
        """Write a line, or as much of it as the reader accepts now; the rest follows later."""
        if self._descriptor < 0:
            with suppress(OSError, ValueError):  # the reader is gone, or the stream is closed
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
        """Return the number of dropped lines since the last call, once lines are accepted again."""
        with self._lock:
            if self._waiting:
                return 0
            lost, self._lost = self._lost, 0
            return lost

    def _hand_on(self) -> None:
        """Write as much as a writable stream accepts without blocking."""
        try:
            written = os.write(self._descriptor, self._waiting[:_AT_ONCE])
        except BlockingIOError:
            return
        except OSError:  # a full disk, or the reader is gone
            written = len(self._waiting)
        self._waiting = self._waiting[written:]

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._hand_on_all, name="log", daemon=True)
        with suppress(RuntimeError):  # no thread available: the next line tries again
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
