"""Reports when the schedule cannot be kept, and when it is kept again."""

import asyncio
from collections.abc import Callable

import structlog

from prober.state.events import OVERLOAD_OVER, OVERLOADED
from prober.state.load import Overload
from prober.state.store import Store
from prober.state.vitals import Vitals

log = structlog.get_logger()

_AGAIN = 1.0  # seconds until an overload is reviewed again if nothing is due any more


class OverloadAlarm:
    """Logs the start and the end of an overload, and adds an event for each.

    Args:
        store: Where the events go.
        vitals: What judges the load; `changed` is to be called when its judgement changes.
        loop: The event loop.
        clock: The monotonic clock of the load.
    """

    def __init__(
        self,
        store: Store,
        vitals: Vitals,
        *,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._vitals = vitals
        self._loop = loop
        self._clock = clock
        self._looking: asyncio.TimerHandle | None = None

    def changed(self) -> None:
        """Report that an overload started or ended."""
        overload = self._vitals.load.overload
        if overload is None:
            log.info("overload_over")
            self._store.note(OVERLOAD_OVER, "probes start on time again")
        else:
            self._say(overload)
            self._look_for_relief()

    def stop(self) -> None:
        """Stop reporting."""
        if self._looking is not None:
            self._looking.cancel()

    def _say(self, overload: Overload) -> None:
        log.warning(
            "overloaded",
            late_share=round(overload.share, 3),
            cause=overload.cause,
            meaning=overload.cause.sentence,
            probes_in_flight=self._vitals.probes_in_flight,
        )
        self._store.note(OVERLOADED, overload.sentence)

    def _look_for_relief(self) -> None:
        """Check every second whether the overload is over, even if nothing is due any more."""
        self.stop()  # the timer of an earlier overload
        self._vitals.load.review(self._clock())
        if self._vitals.load.overload is not None:
            self._looking = self._loop.call_later(_AGAIN, self._look_for_relief)
