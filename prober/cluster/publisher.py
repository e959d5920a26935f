"""What a member has yet to write: its votes, bucket by bucket, and the set of its checks."""

from collections.abc import Iterable
from typing import NamedTuple

from prober.cluster.duties import Duties
from prober.cluster.keys import Keys, VotesKey
from prober.cluster.knowledge import Knowledge, OwnVotes
from prober.cluster.records import MemberRecord, pack_checks, pack_lines, vote_line
from prober.cluster.sharing import bucket_of
from prober.cluster.work import Workplace
from prober.model.ballot import Vote

MOST_KEYS = 120
"""Keys in one write; etcd takes 128 operations."""
MOST_BYTES = 700_000
"""Bytes after which a write takes no further bucket; etcd takes 1.5 MiB."""


class WriteBatch(NamedTuple):
    """One write: keys to put and to delete, and the buckets that they are about.

    `buckets` have the checks in them whose votes have changed. `gone` are members whose keys are
    deleted; the write is refused if one of them is back.
    """

    puts: dict[str, bytes]
    deletes: list[str]
    buckets: dict[int, set[int]]
    gone: set[str]


class Publisher:
    """Gathers what is to be written.

    `dirty` are the buckets to write, with the checks on which the votes have changed; `written` is
    this member's record in etcd.
    """

    def __init__(
        self, me: str, keys: Keys, known: Knowledge, duties: Duties, work: Workplace
    ) -> None:
        self._me = me
        self._keys = keys
        self._known = known
        self._duties = duties
        self._work = work
        self.dirty: dict[int, set[int]] = {}
        self.written: MemberRecord | None = None
        self._has_written: set[int] = set()
        self._lines: dict[int, dict[int, bytes]] = {}  # by bucket and number
        self._votes: dict[int, dict[int, Vote]] = {}  # in these lines

    def touch(self, numbers: Iterable[int]) -> None:
        """Note that the votes on these checks are to be written."""
        for number in numbers:
            self.dirty.setdefault(bucket_of(number), set()).add(number)

    def write_again(self, buckets: Iterable[int]) -> None:
        """Note that the votes in these buckets are no longer in etcd."""
        for bucket in buckets:
            self.dirty.setdefault(bucket, set())

    def sweep(self, buckets: Iterable[int]) -> None:
        """Look in these buckets for votes of members that are gone."""
        for bucket in buckets:
            if self._droppable(bucket):
                self.dirty.setdefault(bucket, set())

    def has_work(self) -> bool:
        """Return whether something is to be written."""
        return bool(self.dirty) or self._sets() != ({}, [])

    def batch(self) -> WriteBatch | None:
        """Return what to write next; None if nothing has changed."""
        batch = WriteBatch(*self._sets(), {}, set())
        size = sum(map(len, batch.puts.values()))
        while self.dirty and size < MOST_BYTES:
            if len(batch.puts) + len(batch.deletes) >= MOST_KEYS:
                break
            bucket, changed = self.dirty.popitem()
            batch.buckets[bucket] = changed
            size += self._add_votes(batch, bucket, changed)
        return batch if batch.puts or batch.deletes else None

    def failed(self, batch: WriteBatch) -> None:
        """Note that a batch may not have been written."""
        for bucket, changed in batch.buckets.items():
            self.dirty.setdefault(bucket, set()).update(changed)

    def _numbers(self, bucket: int) -> list[int]:
        probing = self._duties.probing
        return [n for n in self._duties.by_bucket.get(bucket, ()) if n in probing]

    def _add_votes(self, batch: WriteBatch, bucket: int, changed: set[int]) -> int:
        numbers, key = self._numbers(bucket), self._keys.votes(bucket, self._me)
        gone = self._droppable(bucket)
        batch.gone.update(gone)
        batch.deletes.extend(self._keys.votes(bucket, name) for name in gone)
        if numbers:
            self._has_written.add(bucket)
            batch.puts[key] = self._packed(bucket, numbers, changed)
            return len(batch.puts[key])
        self._lines.pop(bucket, None)
        self._votes.pop(bucket, None)
        self._known.own.pop(VotesKey(bucket, self._me), None)
        if bucket in self._has_written or self._me in self._known.votes.get(bucket, {}):
            self._has_written.discard(bucket)
            batch.deletes.append(key)
        return 0

    def _packed(self, bucket: int, numbers: list[int], changed: set[int]) -> bytes:
        """Return the votes on these checks as they are written; only what has changed is new."""
        lines, votes = self._lines.get(bucket, {}), self._votes.get(bucket, {})
        new_lines, new_votes = dict[int, bytes](), dict[int, Vote]()
        for number in numbers:
            if number in changed or number not in lines:
                vote = self._duties.signed(number, self._work.vote(number))
                new_votes[number], new_lines[number] = vote, vote_line(number, vote)
            else:
                new_votes[number], new_lines[number] = votes[number], lines[number]
        self._lines[bucket], self._votes[bucket] = new_lines, new_votes
        value = pack_lines(new_lines.values())
        self._known.own[VotesKey(bucket, self._me)] = OwnVotes(value, new_votes)
        return value

    def _droppable(self, bucket: int) -> list[str]:
        """Return the members that are gone and whose votes in this bucket are no longer needed."""
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
