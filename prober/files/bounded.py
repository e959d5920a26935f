"""Calls that a dead disk can block forever, such as `open` on a network drive, with deadlines.

A blocked system call cannot be cancelled. So each call runs in a thread of its own, which is
abandoned when the deadline has passed. Such threads are daemonic, so the exit of the process does
not wait for them.
"""

import asyncio
import errno
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

READ_SECONDS = 5.0
"""Seconds for one file or directory to answer."""
ASIDE_SECONDS = 60.0
"""Seconds for work on several files."""


def no_answer(seconds: float) -> TimeoutError:
    """Return the error of a call that took too long; TimeoutError is an OSError."""
    return TimeoutError(errno.ETIMEDOUT, f"the disk did not answer within {seconds:g} s")


class _Call:
    """A call, and later its result."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self._error: BaseException | None = None
        self._value: Any = None
        self.ended = threading.Event()

    def run(self) -> None:
        try:
            self._value = self._work()
        except BaseException as error:  # noqa: BLE001  (raised where the result is waited for)
            self._error = error
        self.ended.set()

    def result(self) -> Any:
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
        finally:
            del error  # an error that its own traceback refers to would keep all callers alive
        return self._value


class _Worker:
    """A thread that runs one call after another until it is told to end."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        threading.Thread(target=self._work, name="files", daemon=True).start()

    def take(self, call: _Call | None) -> None:
        self._calls.put(call)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call.run()


class BoundedCalls:
    """Runs calls with a deadline, for callers that can wait that long.

    A place that did not answer is not tried again while its call is still blocked: that would block
    one thread after another.
    """

    def __init__(self, seconds: float = READ_SECONDS) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._blocked: dict[str, _Call] = {}

    def call(self, place: str, work: Callable[[], T]) -> T:
        """Return the result of `work`, which accesses `place`; raise TimeoutError if it blocks."""
        with self._lock:
            blocked = self._blocked.get(place)
            if blocked is not None and not blocked.ended.is_set():
                raise no_answer(self._seconds)
            self._blocked.pop(place, None)
            worker = self._idle.pop() if self._idle else None
        call = _Call(work)
        try:
            worker = worker or _Worker()
        except RuntimeError:
            raise OSError(errno.EAGAIN, "no thread is available to read it") from None
        worker.take(call)
        if not call.ended.wait(self._seconds):
            worker.take(None)
            with self._lock:
                self._blocked[place] = call
            raise no_answer(self._seconds)
        with self._lock:
            if self._idle:
                worker.take(None)
            else:
                self._idle.append(worker)
        result: T = call.result()
        return result


BOUNDED = BoundedCalls()
"""What all reads of this process share, so that they know of each other's blocked places."""
ON_LOOP = BoundedCalls(1.0)
"""For the few reads in the event loop's own thread, which a dead disk delays once by this long."""


async def aside(work: Callable[..., T], *args: object, seconds: float = ASIDE_SECONDS) -> T:
    """Run `work` in a thread without blocking the event loop; raise TimeoutError if it blocks.

    Unlike those of `asyncio.to_thread`, which are few, the thread is abandoned then.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()
    call = _Call(lambda: work(*args))

    def tell() -> None:
        if not answer.done():
            try:
                answer.set_result(call.result())
            except BaseException as error:  # noqa: BLE001  (raised where it is awaited)
                answer.set_exception(error)

    def run() -> None:
        call.run()
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(tell)

    threading.Thread(target=run, name="aside", daemon=True).start()
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError:
        if answer.done() and not answer.cancelled():
            raise
        raise no_answer(seconds) from None
