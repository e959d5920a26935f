"""What one member knows of its cluster: what it has read of etcd, kept up to date."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from prober.cluster.key_store import Item, KeyChanges, Snapshot
from prober.cluster.keys import Keys, MemberKey, SetKey, VotesKey
from prober.cluster.records import (
    BadRecordError,
    MemberRecord,
    number_of,
    read_line,
    unpack_checks,
    unpack_lines,
)
from prober.model.ballot import Vote

TOGETHER = 8
"""Maximum number of buckets of votes that are processed at once."""


class Touched(NamedTuple):
    """What has changed in a member's knowledge.

    Members, sets of checks, the buckets with other votes, and the checks that these are about;
    what the member itself has written is not among them. `lost` are the buckets in which somebody
    has deleted the votes of this member.
    """

    members: bool
    sets: bool
    buckets: set[int]
    numbers: set[int]
    lost: set[int]

    @classmethod
    def nothing(cls) -> "Touched":
        """Return the value for no change."""
        return cls(members=False, sets=False, buckets=set(), numbers=set(), lost=set())


class OwnVotes(NamedTuple):
    """The votes of this member in a bucket: as they are written, and by number."""

    value: bytes
    votes: dict[int, Vote]


class Knowledge:
    """Members, votes and sets of checks, as of a revision.

    `members` are by name; `votes` by bucket, member and number of the check. `sets` has the sets of
    checks that are complete, by hash. `own` is what this member has written, or is about to, and
    need not read. `revision` is 0 until something was read.
    A value that is no record counts as absent; `saw_nonsense` is called with what is wrong.
    """

    def __init__(self, keys: Keys, saw_nonsense: Callable[[str], None] = lambda _: None) -> None:
        self._keys = keys
        self._saw_nonsense = saw_nonsense
        self.revision = 0
        self.members: dict[str, MemberRecord] = {}
        self.votes: dict[int, dict[str, dict[int, Vote]]] = {}
        self.own: dict[VotesKey, OwnVotes] = {}
        self.sets: dict[str, frozenset[int]] = {}
        self._parts: dict[str, dict[SetKey, bytes]] = {}
        self._revisions: dict[str, int] = {}
        self._values: dict[VotesKey, bytes] = {}

    def has(self, key: str) -> bool:
        """Return whether a key exists, as far as is known."""
        return key in self._revisions

    def keys_of_set(self, digest: str) -> list[str]:
        """Return the keys of the parts of a set of checks."""
        return [self._keys.part(*place) for place in self._parts.get(digest, ())]

    def replace(self, snapshot: Snapshot) -> Touched:
        """Replace everything; what has not changed is not parsed again."""
        gone = [key for key in self._revisions if key not in snapshot.items]
        wiped = snapshot.revision < self.revision
        fresh = {
            key: item
            for key, item in snapshot.items.items()
            if wiped or self._revisions.get(key) != item.revision
        }
        self.revision = snapshot.revision
        return self._take(fresh, gone)

    def update(self, changes: KeyChanges) -> Touched:
        """Take in what has changed, unless something newer was read meanwhile."""
        if changes.revision < self.revision:
            return Touched.nothing()
        self.revision = changes.revision
        fresh = {
            key: item
            for key, item in changes.puts.items()
            if item.revision > self._revisions.get(key, 0)
        }
        return self._take(fresh, changes.deletes)

    def _take(self, puts: Mapping[str, Item], deletes: list[str]) -> Touched:
        touched = Touched.nothing()
        for key in deletes:
            self._revisions.pop(key, None)
            touched = self._forget(self._keys.read(key), touched)
        for key, item in puts.items():
            self._revisions[key] = item.revision
            place = self._keys.read(key)
            try:
                touched = self._learn(place, item.value, touched)
            except BadRecordError as error:
                self._saw_nonsense(str(error))
                touched = self._forget(place, touched)
        return touched

    def _learn(
        self, place: MemberKey | VotesKey | SetKey | None, value: bytes, touched: Touched
    ) -> Touched:
        if isinstance(place, MemberKey):
            self.members[place.name] = MemberRecord.from_bytes(value, place.name)
            return touched._replace(members=True)
        if isinstance(place, VotesKey):
            self._vote(place, value, touched)
        if isinstance(place, SetKey):
            parts = self._parts.setdefault(place.hash, {})
            parts[place] = value
            if len(parts) == place.parts:
                self.sets[place.hash] = unpack_checks(parts.values())
            return touched._replace(sets=True)
        return touched

    def _vote(self, place: VotesKey, value: bytes, touched: Touched) -> None:
        """Take in the votes of a member in a bucket; only lines that have changed are parsed."""
        by_member, own = self.votes.setdefault(place.bucket, {}), self.own.get(place)
        if own is not None and own.value == value:
            by_member[place.name], self._values[place] = own.votes, value
            return
        before = unpack_lines(self._values[place]) if place in self._values else set()
        lines = unpack_lines(value)
        fresh = dict(map(read_line, lines - before))
        gone = set(map(number_of, before - lines)) - fresh.keys()
        votes = {**by_member.get(place.name, {}), **fresh}
        for number in gone:
            votes.pop(number, None)
        by_member[place.name], self._values[place] = votes, value
        touched.buckets.add(place.bucket)
        touched.numbers.update(fresh, gone)

    def _forget_votes(self, place: VotesKey, touched: Touched) -> None:
        """Take in that a member no longer votes on anything in a bucket."""
        self._values.pop(place, None)
        if self.own.pop(place, None) is not None:
            touched.lost.add(place.bucket)
        votes = self.votes.get(place.bucket, {}).pop(place.name, {})
        touched.buckets.add(place.bucket)
        touched.numbers.update(votes)

    def _forget(self, place: MemberKey | VotesKey | SetKey | None, touched: Touched) -> Touched:
        if isinstance(place, MemberKey):
            self.members.pop(place.name, None)
            return touched._replace(members=True)
        if isinstance(place, VotesKey):
            self._forget_votes(place, touched)
        if isinstance(place, SetKey):
            self._parts.get(place.hash, {}).pop(place, None)
            self.sets.pop(place.hash, None)
            return touched._replace(sets=True)
        return touched


def slices(changes: KeyChanges, keys: Keys) -> Iterator[KeyChanges]:
    """Yield changes in parts that each take little time to take in, members and what is gone first.

    All parts have the same revision: a key that has become newer in between is left as it is.
    """
    votes = {key for key in changes.puts if isinstance(keys.read(key), VotesKey)}
    others = {key: item for key, item in changes.puts.items() if key not in votes}
    yield changes._replace(puts=others)
    left = iter(votes)
    while part := list(islice(left, TOGETHER)):
        yield KeyChanges(changes.revision, {key: changes.puts[key] for key in part}, [])
