"""Events about prober's own problems: when probes start to be inconclusive, and when they stop."""

from collections.abc import Callable
from typing import Protocol

from prober.model.status import Reason
from prober.model.wording import counted
from prober.state.events import LOCAL_TROUBLE, LOCAL_TROUBLE_OVER

QUIET = 30.0
"""Seconds without such a probe after which a problem is over."""
_NO_TROUBLE = frozenset({Reason.WEAK_SILENCE, Reason.STALLED})
"""Reasons that say nothing about this host; a pause of the process has its own event."""


class AddEvent(Protocol):
    """Adds an event that is not about a check (`Store.note`)."""

    def __call__(self, kind: str, cause: str, /) -> None:
        """Add it."""


class Timer(Protocol):
    """A timer."""

    def cancel(self) -> None:
        """Do not call back."""


class OwnTroubles:
    """Records inconclusive results.

    Args:
        note: Adds an event.
        clock: A monotonic clock.
        call_later: Calls a function after some seconds.
    """

    def __init__(
        self,
        note: AddEvent,
        *,
        clock: Callable[[], float],
        call_later: Callable[[float, Callable[[], None]], Timer],
    ) -> None:
        self._note = note
        self._clock = clock
        self._call_later = call_later
        self._last: dict[Reason, float] = {}
        self._counts: dict[Reason, int] = {}
        self._timer: Timer | None = None

    def stop(self) -> None:
        """Add no more events."""
        if self._timer is not None:
            self._timer.cancel()

    def saw(self, reason: Reason) -> None:
        """Record the reason of an inconclusive probe."""
        if reason in _NO_TROUBLE:
            return
        if not self._last:
            self._timer = self._call_later(QUIET, self._review)
        if reason not in self._last:
            self._counts[reason] = 0
            self._note(LOCAL_TROUBLE, f"{reason.sentence} ({reason})")
        self._last[reason] = self._clock()
        self._counts[reason] += 1

    def _review(self) -> None:
        """Find the problems that are over."""
        now = self._clock()
        for reason in [each for each, last in self._last.items() if now - last >= QUIET]:
            del self._last[reason]
            count = self._counts.pop(reason)
            probes = counted(f"{count:,}", "probe")
            self._note(LOCAL_TROUBLE_OVER, f"over: {reason} ({probes} inconclusive)")
        if self._last:
            self._timer = self._call_later(min(self._last.values()) + QUIET - now, self._review)
