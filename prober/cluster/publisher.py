"""What a member has yet to write: its votes, bucket by bucket, and the set of its checks."""

from collections.abc import Iterable
from typing import NamedTuple

from prober.cluster.duties import Duties
from prober.cluster.keys import Keys
from prober.cluster.knowledge import Knowledge
from prober.cluster.records import MemberRecord, pack_checks, pack_votes
from prober.cluster.sharing import bucket_of
from prober.cluster.work import Workplace

MOST_KEYS = 120
"""Keys in one write; etcd takes 128 operations."""
MOST_BYTES = 700_000
"""Bytes after which a write takes no further bucket; etcd takes 1.5 MiB."""


class WriteBatch(NamedTuple):
    """One write: keys to put and to delete, and the buckets that they are about."""

    puts: dict[str, bytes]
    deletes: list[str]
    buckets: set[int]


class Publisher:
    """Gathers what is to be written.

    `dirty` are the buckets whose votes have changed; `written` is this member's record in etcd.
    """

    def __init__(
        self, me: str, keys: Keys, known: Knowledge, duties: Duties, work: Workplace
    ) -> None:
        self._me = me
        self._keys = keys
        self._known = known
        self._duties = duties
        self._work = work
        self.dirty: set[int] = set()
        self.written: MemberRecord | None = None
        self._has_written: set[int] = set()

    def touch(self, numbers: Iterable[int]) -> None:
        """Note that the votes on these checks are to be written."""
        self.dirty.update(map(bucket_of, numbers))

    def sweep(self, buckets: Iterable[int]) -> None:
        """Look in these buckets for what members that are gone have left there."""
        for bucket in buckets:
            if self._droppable(bucket):
                self.dirty.add(bucket)

    def has_work(self) -> bool:
        """Return whether something is to be written."""
        return bool(self.dirty) or self._sets() != ({}, [])

    def batch(self) -> WriteBatch | None:
        """Return what to write next; None if nothing has changed."""
        batch = WriteBatch(*self._sets(), set())
        size = sum(map(len, batch.puts.values()))
        while self.dirty and size < MOST_BYTES:
            if len(batch.puts) + len(batch.deletes) >= MOST_KEYS:
                break
            bucket = self.dirty.pop()
            batch.buckets.add(bucket)
            size += self._add_votes(batch, bucket)
        return batch if batch.puts or batch.deletes else None

    def failed(self, batch: WriteBatch) -> None:
        """Take in that a batch may not have been written."""
        self.dirty |= batch.buckets

    def _numbers(self, bucket: int) -> list[int]:
        probing = self._duties.probing
        return [n for n in self._duties.by_bucket.get(bucket, ()) if n in probing]

    def _add_votes(self, batch: WriteBatch, bucket: int) -> int:
        numbers, key = self._numbers(bucket), self._keys.votes(bucket, self._me)
        batch.deletes.extend(self._keys.votes(bucket, name) for name in self._droppable(bucket))
        if numbers:
            self._has_written.add(bucket)
            signed = self._duties.signed
            batch.puts[key] = pack_votes({n: signed(n, self._work.vote(n)) for n in numbers})
            return len(batch.puts[key])
        if bucket in self._has_written or self._me in self._known.votes.get(bucket, {}):
            self._has_written.discard(bucket)
            batch.deletes.append(key)
        return 0

    def _droppable(self, bucket: int) -> list[str]:
        """Return the members that are gone and whose votes in this bucket are needed no more."""
        strays = self._duties.strays(bucket)
        if not strays:
            return []
        mine = set(self._numbers(bucket))
        return [name for name in strays if self._duties.is_covered(bucket, name, mine)]

    def _sets(self) -> tuple[dict[str, bytes], list[str]]:
        """Return a part of the set of this member's checks to write, and what nobody needs.

        Sets are needed only where members have different checks.
        """
        duties, known = self._duties, self._known
        used = {each.checks_hash for each in duties.members().values()} | {duties.checks_hash}
        if len(used) > 1 and duties.checks_hash not in known.sets:
            parts = list(pack_checks(duties.checks))
            for number, part in enumerate(parts):
                key = self._keys.part(duties.checks_hash, number, len(parts))
                if not known.has(key):
                    return {key: part}, []
        unused = known.sets.keys() - (used if len(used) > 1 else set())
        if unused and min([*duties.members(), self._me]) == self._me:
            return {}, known.keys_of_set(unused.pop())
        return {}, []
