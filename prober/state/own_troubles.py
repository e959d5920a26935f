"""Troubles of the prober's own, as events: when probes begin to end without a verdict, and stop."""

from collections.abc import Callable
from typing import Protocol

from prober.model.status import Reason
from prober.state.events import LOCAL_TROUBLE, LOCAL_TROUBLE_OVER

QUIET = 30.0
"""Seconds without such a probe after which a trouble is over."""
_NO_TROUBLE = frozenset({Reason.WEAK_SILENCE, Reason.STALLED})
"""Reasons that say nothing about this host; a standstill has an event of its own."""


class AddEvent(Protocol):
    """Adds an event that is not about a check (`Store.note`)."""

    def __call__(self, kind: str, cause: str, /) -> None:
        """Add it."""


class OwnTroubles:
    """Takes in results that prove nothing.

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
        call_later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self._note = note
        self._clock = clock
        self._call_later = call_later
        self._last: dict[Reason, float] = {}
        self._counts: dict[Reason, int] = {}

    def saw(self, reason: Reason) -> None:
        """Take in the reason of a probe that ended without a verdict."""
        if reason in _NO_TROUBLE:
            return
        if not self._last:
            self._call_later(QUIET, self._review)
        if reason not in self._last:
            self._counts[reason] = 0
            self._note(LOCAL_TROUBLE, f"{reason.sentence} ({reason})")
        self._last[reason] = self._clock()
        self._counts[reason] += 1

    def _review(self) -> None:
        """See which troubles are over."""
        now = self._clock()
        for reason in [each for each, last in self._last.items() if now - last >= QUIET]:
            del self._last[reason]
            count = self._counts.pop(reason)
            probes = "1 probe" if count == 1 else f"{count:,} probes"
            self._note(LOCAL_TROUBLE_OVER, f"over: {reason} ({probes} without a verdict)")
        if self._last:
            self._call_later(min(self._last.values()) + QUIET - now, self._review)
