"""Events: status changes and others, newest last, in a bounded log that can be followed."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple

from prober.model.status import Reason, Status

CAPACITY = 10_000


TRANSITION = "transition"
POOL_STATUS = "pool_status"
CERTIFICATE_CHANGED = "certificate_changed"
STOOD_STILL = "stood_still"
LOCAL_TROUBLE = "local_trouble"
LOCAL_TROUBLE_OVER = "local_trouble_over"
MEMBER_JOINED, MEMBER_LEFT = "member_joined", "member_left"
CLUSTER_DEGRADED, CLUSTER_RESTORED = "cluster_degraded", "cluster_restored"
QUARANTINED, QUARANTINE_OVER = "quarantined", "quarantine_over"
OVERLOADED = "overloaded"
OVERLOAD_OVER = "overload_over"
EVENT_KINDS = (
    TRANSITION,
    POOL_STATUS,
    CERTIFICATE_CHANGED,
    "started",
    "reload",
    "reload_rejected",
    "edit",
    "edit_idle",
    "edit_superseded",
    "output_held",
    "admin_state_set",
    "admin_state_ended",
    "notice_published",
    "notice_withdrawn",
    OVERLOADED,
    OVERLOAD_OVER,
    STOOD_STILL,
    LOCAL_TROUBLE,
    LOCAL_TROUBLE_OVER,
    MEMBER_JOINED,
    MEMBER_LEFT,
    CLUSTER_DEGRADED,
    CLUSTER_RESTORED,
    QUARANTINED,
    QUARANTINE_OVER,
)
"""All kinds of events."""


class Event(NamedTuple):
    """An event and its cause in words; `at` is in unix seconds.

    The kind TRANSITION is a status change of a check. CERTIFICATE_CHANGED is about a check as well,
    but no status changes. Events of other kinds, such as a reload, leave the fields about checks
    None. An edit is about a monitor or a pool.
    """

    id: int
    at: float
    kind: str
    monitor: str | None
    pool: str | None
    backend: str | None
    before: Status | None
    after: Status | None
    reason: Reason | None
    streak: int | None
    cause: str


class EventFilter(NamedTuple):
    """Which events are wanted: of these kinds, monitors, ...; an empty set allows all.

    Its fields correspond to those of `Event`.
    """

    kind: frozenset[str] = frozenset()
    monitor: frozenset[str] = frozenset()
    pool: frozenset[str] = frozenset()
    backend: frozenset[str] = frozenset()
    after: frozenset[str] = frozenset()

    def allows(self, event: Event) -> bool:
        """Return whether an event is wanted."""
        return all(
            not wanted or getattr(event, name) in wanted
            for name, wanted in zip(self._fields, self, strict=True)
        )


class EventLog:
    """The last CAPACITY events; ids increase by one."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=CAPACITY)
        self._followers: list[Callable[[Event], None]] = []
        self.last_id = 0

    @property
    def first_id(self) -> int:
        """The id of the oldest event in the log; of the next event if the log is empty."""
        return self._events[0].id if self._events else self.last_id + 1

    def add(self, event: Event) -> None:
        """Append an event, whose id is `last_id + 1`, and call the followers."""
        self._events.append(event)
        self.last_id = event.id
        for follower in tuple(self._followers):
            follower(event)

    def restore(self, events: list[Event], last_id: int = 0) -> None:
        """Start with the events of an earlier process, oldest first, or with this id."""
        self._events.extend(events)
        self.last_id = events[-1].id if events else last_id

    def note(
        self,
        kind: str,
        cause: str,
        *,
        at: float,
        monitor: str | None = None,
        pool: str | None = None,
    ) -> None:
        """Append an event that is not about a check, but possibly about a monitor or a pool."""
        nothing = (None,) * 5
        self.add(Event(self.last_id + 1, at, kind, monitor, pool, *nothing, cause))

    def newest_first(self, before_id: int | None = None) -> Iterator[Event]:
        """Yield the events, newest first, with ids below `before_id` if given."""
        newer = 0 if before_id is None else max(0, self.last_id - max(0, before_id) + 1)
        return islice(reversed(self._events), newer, None)

    def after(self, last_seen: int) -> list[Event]:
        """Return the events after an id, oldest first."""
        missed = max(0, self.last_id - last_seen)
        return list(islice(reversed(self._events), missed))[::-1]

    def reaches_back_to(self, last_seen: int) -> bool:
        """Return whether this is an id of this log, and all events after it are still there."""
        return self.last_id - len(self._events) <= last_seen <= self.last_id

    def follow(self, follower: Callable[[Event], None]) -> None:
        """Call `follower` with each new event from now on."""
        self._followers.append(follower)

    @contextmanager
    def followed_by(self, follower: Callable[[Event], None]) -> Iterator[None]:
        """Call `follower` with each new event while the context lasts."""
        self._followers.append(follower)
        try:
            yield
        finally:
            self._followers.remove(follower)
