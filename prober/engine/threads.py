"""Work that may take longer than the event loop can wait, in a few threads of its own.

Unlike asyncio's own pool it says whether a task has begun, skips tasks for which nobody waits any
more, and limits the processor time of each, whatever else the process does.
"""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, Final

from prober.model.probe import InThread

MOST_THREADS: Final = 4
"""Threads; fewer where there are fewer processors."""
TRIES: Final = 4
"""Maximum number of times that a task is repeated because other threads have used up its time."""

Done = Callable[[Any], None]


class Task:
    """A piece of work that is waited for; `has_begun` is true once a thread has taken it up."""

    __slots__ = ("_done", "_step", "has_begun")

    def __init__(self, step: InThread, done: Done) -> None:
        self.has_begun = False
        self._step: InThread | None = step
        self._done: Done | None = done

    def cancel(self) -> None:
        """Do not start the task if it has not started, and do not report its end."""
        self._step = self._done = None

    def run(self) -> object:
        """Do the work; return its result, or the exception that it raised."""
        step = self._step
        if step is None:
            return None
        self.has_begun = True
        try:
            return limited(step)
        except Exception as error:  # noqa: BLE001  (raised where it is waited for)
            return error

    def end(self, result: object) -> None:
        """Report the result in the loop's thread."""
        done, self._step, self._done = self._done, None, None
        if done is not None:
            done(result)


class Threads:
    """Runs tasks; their ends are reported in the loop's thread.

    `soon` schedules a call in the loop's thread from any thread.
    """

    def __init__(
        self,
        *,
        soon: Callable[[Callable[[], None]], object],
        most: int = min(MOST_THREADS, len(os.sched_getaffinity(0))),
    ) -> None:
        self._soon = soon
        self._most = most
        self._queue: SimpleQueue[Task | None] = SimpleQueue()
        self._threads = 0
        self._waiting = 0  # tasks whose end was not reported yet

    def run(self, step: InThread, done: Done) -> Task:
        """Do this in a thread; `done` is called with the result, unless the task is cancelled."""
        task = Task(step, done)
        self._queue.put(task)
        self._waiting += 1
        if self._threads < min(self._waiting, self._most):
            with suppress(RuntimeError):  # no thread available: the next task tries again
                threading.Thread(target=self._work, name="aside", daemon=True).start()
                self._threads += 1
        return task

    def close(self) -> None:
        """End each thread when its task has ended."""
        for _ in range(self._threads):
            self._queue.put(None)

    def _work(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: so are we
            while self._do_next():
                pass

    def _do_next(self) -> bool:
        """Do one task, and keep nothing of it while waiting for the next."""
        task = self._queue.get()
        if task is not None:
            self._soon(partial(self._end, task, task.run()))
        return task is not None

    def _end(self, task: Task, result: object) -> None:
        self._waiting -= 1
        task.end(result)


class AtOnce:
    """Does tasks at once, in the thread that asks for them: where nobody else has to wait."""

    def run(self, step: InThread, done: Done) -> Task | None:
        """Do the task and report its result."""
        task = Task(step, done)
        task.end(task.run())
        return None

    def close(self) -> None:
        """Do nothing: there are no threads."""


def limited(step: InThread) -> object:
    """Do work within its processor time; raise TimeoutError if that is not enough.

    `regex` measures the time of the whole process. If other threads have used it up, the work is
    repeated with more.
    """
    seconds = step.seconds
    for left in reversed(range(TRIES)):
        begun = time.thread_time()
        try:
            return step.work(seconds)
        except TimeoutError:
            used = time.thread_time() - begun
            if used > 0.9 * step.seconds or not left:
                raise
            seconds *= max(2.0, min(10.0, step.seconds / max(used, 0.001)))
    raise AssertionError("not reached")
