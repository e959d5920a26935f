"""What the clouds' APIs know of an object beyond its definition: its times, and other fields.

The clouds have fields that mean nothing to prober (a description, an algorithm), and more than one
spelling for some that do. They are kept here as they were written, and shown again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from prober.model.definition import MONITOR, POOL
from prober.model.monitor import Model, Monitor
from prober.model.pool import Backend, Pool

MEMBER, LOAD_BALANCER = "member", "load_balancer"
"""The kinds of objects that are not defined by themselves in the configuration."""
KINDS = (MONITOR, POOL, MEMBER, LOAD_BALANCER)

_NONE: Mapping[str, Any] = MappingProxyType({})


class CloudObject(NamedTuple):
    """What is known of one object; times are unix seconds.

    `created_at` is when it was created, or first seen in the configuration; `updated_at` is None
    until the first change of what is in the configuration. `fields` have no counterpart there.
    `spellings` have one: each is a pair of what was written, and the meaning that this has.
    """

    created_at: float
    updated_at: float | None = None
    fields: Mapping[str, Any] = _NONE
    spellings: Mapping[str, Any] = _NONE

    def spelled(self, name: str, meaning: object) -> Any:
        """Return how a field was written, if that still means this; otherwise the meaning."""
        written, meant = self.spellings.get(name, (meaning, meaning))
        return written if meant == meaning else meaning


class CloudObjectJournal(Protocol):
    """Stores what is known of objects."""

    def keep_cloud_object(self, kind: str, identifier: str, known: CloudObject | None) -> None:
        """Store what is known of an object; None deletes it."""


Known = Mapping[tuple[str, str], CloudObject]


class CloudObjects:
    """What is known of all objects, by kind and id.

    Monitors and pools are known by their ids, members by `member_key`, load balancers by name.
    Monitors and pools are all known; members and load balancers only if an API wrote to them.

    Args:
        wall: Unix time.
        saved: What an earlier process knew.
        journal: Stores it; None: it ends with the process.
    """

    def __init__(
        self,
        *,
        wall: Callable[[], float],
        saved: Known | None = None,
        journal: CloudObjectJournal | None = None,
    ) -> None:
        self._wall = wall
        self._journal = journal
        self._tell_others: Callable[[str, CloudObject | None], None] = lambda *_: None
        self._known: dict[str, dict[str, CloudObject]] = {kind: {} for kind in KINDS}
        for (kind, identifier), known in (saved or {}).items():
            self._known[kind][identifier] = known

    def share(self, tell_others: Callable[[str, CloudObject | None], None]) -> None:
        """Call `tell_others` with the load balancers that are written here; None: one is forgotten.

        Nothing else tells other members of a cluster that they exist.
        """
        self._tell_others = tell_others

    def learn(self, name: str, known: CloudObject | None) -> None:
        """Apply a load balancer that was written through another member; None: forgotten."""
        if known != self.of(LOAD_BALANCER, name):
            self._put(LOAD_BALANCER, name, known)

    def of(self, kind: str, identifier: str) -> CloudObject | None:
        """Return what is known of an object, or None."""
        return self._known[kind].get(identifier)

    def every(self, kind: str) -> Iterator[tuple[str, CloudObject]]:
        """Yield the ids of all known objects of a kind, and what is known of them."""
        yield from self._known[kind].items()

    def write(
        self,
        kind: str,
        identifier: str,
        fields: Mapping[str, Any] = _NONE,
        spellings: Mapping[str, Any] = _NONE,
        *,
        created: bool = False,
        since: float | None = None,
    ) -> None:
        """Add to what is known of an object: when it is `created`, or as a change of it.

        `since` is the time of creation of one of which nothing is known yet, by default now.

        Coming into force counts as the first change of a created object, as in Octavia.
        """
        now, known = self._wall(), self.of(kind, identifier)
        if known is None or created:
            known = CloudObject(now if since is None or created else since)
        known = known._replace(updated_at=now)
        known = known._replace(
            fields={**known.fields, **fields}, spellings={**known.spellings, **spellings}
        )
        if kind == LOAD_BALANCER:
            self._tell_others(identifier, known)
        self._put(kind, identifier, known)

    def forget(self, kind: str, identifier: str) -> None:
        """Forget an object."""
        if kind == LOAD_BALANCER:
            self._tell_others(identifier, None)
        self._put(kind, identifier, None)

    def adopt(self, before: Model, model: Model) -> None:
        """Note which monitors and pools are new, changed or gone."""
        now = self._wall()
        self._adopt_kind(MONITOR, before.monitors, model.monitors, now)
        self._adopt_kind(POOL, before.pools, model.pools, now)
        if members := self._known[MEMBER]:
            there = {member_key(pool, each) for pool in model.pools for each in pool.backends}
            for identifier in members.keys() - there:
                self._put(MEMBER, identifier, None)

    def _adopt_kind(
        self,
        kind: str,
        before: Iterable[Monitor | Pool],
        after: Iterable[Monitor | Pool],
        now: float,
    ) -> None:
        known, old = self._known[kind], {each.id: each for each in before}
        gone = set(known)
        for each in after:
            gone.discard(each.id)
            earlier = old.get(each.id)
            if each.id not in known:
                self._put(kind, each.id, CloudObject(now))
            elif earlier is not None and earlier is not each and earlier != each:
                self._put(kind, each.id, known[each.id]._replace(updated_at=now))
        for identifier in gone:
            self._put(kind, identifier, None)

    def save_all(self) -> None:
        """Store everything again."""
        if self._journal is not None:
            for kind, found in self._known.items():
                for identifier, known in found.items():
                    self._journal.keep_cloud_object(kind, identifier, known)

    def _put(self, kind: str, identifier: str, known: CloudObject | None) -> None:
        if known is None:
            self._known[kind].pop(identifier, None)
        else:
            self._known[kind][identifier] = known
        if self._journal is not None:
            self._journal.keep_cloud_object(kind, identifier, known)


def member_key(pool: Pool, backend: Backend) -> str:
    """Return what a member is known by."""
    return f"{pool.id}/{backend.key}"
