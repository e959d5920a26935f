"""The daemon as a systemd service: ready, reloading, stopping, its status line and watchdog."""

import asyncio
import faulthandler
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

import structlog

from prober.model.aggregate import WORST_FIRST
from prober.model.status import Status
from prober.state.events import Event
from prober.state.heartbeat import examine
from prober.state.pace import Pace
from prober.state.store import Store
from prober.state.vitals import Vitals
from prober.systemd import notify
from prober.systemd.notify import Notifier

log = structlog.get_logger()

STATUS_EVERY = 1.0
"""Minimum seconds between two status lines."""
EXAMINE_AGAIN = 1.0
"""Seconds after which an unhealthy daemon is examined again."""


def status_line(counts: Mapping[Status, int], *, config_ok: bool = True) -> str:
    """Return one line with the number of probed checks by status."""
    total = sum(counts.values())
    found = ", ".join(f"{counts[each]} {each}" for each in WORST_FIRST if counts.get(each))
    probing = f"probing {total} check{'s' * (total != 1)}" if total else "nothing to probe"
    line = f"{found}, {probing}" if found else probing
    return line if config_ok else f"{line}; the last reload was rejected"


class SystemdService:
    """Reports the state of the daemon to systemd. Without systemd it sends nothing and never runs.

    Args:
        notifier: Sends the messages.
        store: The checks that the status line counts.
        vitals: The state of the daemon itself.
        watchdog: The watchdog interval in seconds, or None.
        clock: The monotonic clock.
        status_every: Minimum seconds between two status lines.
    """

    def __init__(
        self,
        notifier: Notifier,
        store: Store,
        vitals: Vitals,
        *,
        watchdog: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        status_every: float = STATUS_EVERY,
    ) -> None:
        self._notifier = notifier
        self._store = store
        self._vitals = vitals
        self._watchdog = watchdog
        self._clock = clock
        self._status_every = status_every
        self._changed = asyncio.Event()
        self._status = ""

    @classmethod
    def of(cls, environment: Mapping[str, str], store: Store, vitals: Vitals) -> "SystemdService":
        """Return the service for systemd's environment variables."""
        return cls(
            Notifier(environment.get("NOTIFY_SOCKET")),
            store,
            vitals,
            watchdog=notify.watchdog_seconds(environment, os.getpid()),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Report ready while the context lasts, and stopping at its end."""
        if not self._notifier.is_heard:
            yield
            return
        if self._watchdog is not None:
            faulthandler.enable()  # leaves a traceback if the process is killed for hanging
        self._status = await self._describe()
        self._notifier.say(notify.ready(self._status), wait=notify.PATIENCE)
        with self._store.events.followed_by(self._saw):
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._tell_status())]
                if self._watchdog is not None:
                    tasks.append(group.create_task(self._feed(self._watchdog / 2)))
                try:
                    yield
                finally:
                    for task in tasks:
                        task.cancel()
                    self._notifier.say(notify.STOPPING, wait=notify.PATIENCE)
                    self._notifier.close()

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Report reloading while the context lasts, and ready again at its end."""
        if not self._status:  # never reported ready, so not ready again either
            yield
            return
        self._notifier.say(notify.reloading(self._clock()), wait=notify.PATIENCE)
        try:
            yield
        finally:
            self._notifier.say(notify.ready(self._status), wait=notify.PATIENCE)

    def _saw(self, _: Event) -> None:
        self._changed.set()

    async def _tell_status(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            status = await self._describe()
            if status == self._status or self._notifier.say(notify.status_is(status)):
                self._status = status
            else:
                self._changed.set()  # systemd was not listening: send it later
            await asyncio.sleep(self._status_every)

    async def _describe(self) -> str:
        counts, pace = Counter[Status](), Pace()
        for state in list(self._store):
            if state.check.enabled:
                counts[state.status] += 1
            await pace.pause()
        return status_line(counts, config_ok=self._vitals.config_ok)

    async def _feed(self, seconds: float) -> None:
        """Feed the watchdog, unless the daemon is unhealthy."""
        while True:
            wrong = await examine(self._vitals, self._clock)
            if wrong is None:
                self._notifier.say(notify.ALIVE)
            else:
                log.error("not_alive", reason=wrong)
            await asyncio.sleep(seconds if wrong is None else min(seconds, EXAMINE_AGAIN))
