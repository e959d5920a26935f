"""Outages, computed from status changes: when something was CRITICAL, how long, and why."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from prober.model.status import Reason, Status
from prober.state.events import Event


class Outage(NamedTuple):
    """A period of CRITICAL; times are unix seconds.

    `end` is None while it lasts. `is_end_known` is False if the status was UNKNOWN afterwards, so
    that the outage may have lasted longer. `reason` is None for a pool.
    """

    start: float
    end: float | None
    reason: Reason | None
    cause: str
    is_end_known: bool = True

    def seconds(self, now: float) -> float:
        """Return how long it lasted, or has lasted by now."""
        return max(0.0, (now if self.end is None else self.end) - self.start)


class Failure(NamedTuple):
    """The start of a failure, and its reason."""

    at: float
    reason: Reason


def outages_of(changes: Iterable[Event]) -> list[Outage]:
    """Return the outages, newest first.

    Args:
        changes: The changes of the status of one check or pool, newest first.
    """
    found: list[Outage] = []
    began: Event | None = None
    for event in reversed(list(changes)):
        if began is not None and event.after is not Status.CRITICAL:
            found.append(_outage(began, event))
            began = None
        elif began is None and event.after is Status.CRITICAL:
            began = event
    if began is not None:
        found.append(_outage(began, None))
    return found[::-1]


def _outage(began: Event, ended: Event | None) -> Outage:
    is_known = ended is None or ended.after is not Status.UNKNOWN
    end = None if ended is None else ended.at
    return Outage(began.at, end, began.reason, began.cause, is_known)


def failures_of(changes: Sequence[Event]) -> list[Failure]:
    """Return the starts of failures, newest first: changes to a worse status."""
    return [
        Failure(event.at, event.reason)
        for event in changes
        if event.reason is not None
        and not event.reason.is_good
        and event.reason.is_conclusive
        and event.after in (Status.WARNING, Status.CRITICAL)
    ]
