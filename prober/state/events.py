"""What happened: every change of a status, newest last, in a bounded log that can be followed."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple

from prober.model.status import Reason, Status

CAPACITY = 10_000


class Event(NamedTuple):
    """One change of a check's status, and its cause in words; `at` in unix seconds."""

    id: int
    at: float
    monitor: str
    pool: str
    backend: str
    before: Status
    after: Status
    reason: Reason
    streak: int
    cause: str


class EventLog:
    """The last CAPACITY events; their ids grow by one."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=CAPACITY)
        self._followers: list[Callable[[Event], None]] = []
        self.last_id = 0

    def add(self, event: Event) -> None:
        """Append an event, whose id is `last_id + 1`, and tell the followers."""
        self._events.append(event)
        self.last_id = event.id
        for follower in tuple(self._followers):
            follower(event)

    def newest_first(self, before_id: int | None = None) -> Iterator[Event]:
        """Yield the events, newest first, from below `before_id` if that is given."""
        newer = 0 if before_id is None else max(0, self.last_id - max(0, before_id) + 1)
        return islice(reversed(self._events), newer, None)

    def after(self, last_seen: int) -> list[Event]:
        """Return what came after an id, oldest first."""
        missed = max(0, self.last_id - last_seen)
        return list(islice(reversed(self._events), missed))[::-1]

    def reaches_back_to(self, last_seen: int) -> bool:
        """Tell whether this is an id of this log after which nothing is forgotten."""
        return self.last_id - len(self._events) <= last_seen <= self.last_id

    @contextmanager
    def followed_by(self, follower: Callable[[Event], None]) -> Iterator[None]:
        """Call `follower` with each new event as long as the context lasts."""
        self._followers.append(follower)
        try:
            yield
        finally:
            self._followers.remove(follower)
