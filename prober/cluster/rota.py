"""The rota of a member: which checks it takes and lets go as what it knows changes."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b

from prober.cluster.duties import Duties, Outline, Tell
from prober.cluster.keys import Keys
from prober.cluster.knowledge import Knowledge, Touched
from prober.cluster.publisher import Publisher
from prober.cluster.records import MemberRecord
from prober.cluster.sharing import bucket_of, shard_of
from prober.cluster.standing import Standing
from prober.cluster.work import Assignment, Workplace

RETURN = 2.0
"""Seconds beyond the lease for which to wait for other members after etcd has lost its data."""
CAUSES = ("joined", "left", "lost", "configuration")
"""Why shards are taken over: a member has joined, has left or was lost, or the checks changed."""


class Rota:
    """The checks of a member, shared with the others; nothing here awaits.

    Args:
        record: How the member describes itself.
        keys: The keys of its cluster.
        known: What it knows of the cluster.
        work: The checks of this prober.
        standing: Whether it is a member, or works without etcd.
        clock: Seconds that never go back.
        tell: Reports what operators should know.

    `takeovers` counts the shards taken, by cause; `has_joined` is whether it ever was a member.
    """

    def __init__(
        self,
        record: MemberRecord,
        keys: Keys,
        known: Knowledge,
        work: Workplace,
        standing: Standing,
        *,
        clock: Callable[[], float],
        tell: Tell,
    ) -> None:
        self.record = record
        self.known = known
        self.duties = Duties(record.name, known)
        self.publisher = Publisher(record.name, keys, known, self.duties, work)
        self.takeovers: Counter[str] = Counter(dict.fromkeys(CAUSES, 0))
        self.has_joined = False
        self._work = work
        self._standing = standing
        self._clock = clock
        self._tell = tell
        self._cause = "joined"

    def adopt(self, checks: Iterable[Outline], config_hash: str) -> None:
        """Take in a configuration; what is new in it is probed by its owner."""
        before = set(self.duties.probing)
        self.duties.adopt(checks)
        digest = self.duties.checks_hash
        self.record = self.record._replace(config_hash=config_hash, checks_hash=digest)
        self.publisher.touch(before - self.duties.checks.keys())
        self._cause = "configuration"
        self.review(fresh=True)

    def enter(self, members: Mapping[str, MemberRecord], touched: Touched, *, wiped: bool) -> None:
        """Be a member from now on.

        Args:
            members: Those that were known before; any that have vanished may come back for a while.
            touched: What has changed since then.
            wiped: Whether etcd has lost its data.
        """
        now, known, duties = self._clock(), self.known, self.duties
        had_joined, self.has_joined = self.has_joined, True
        self._cause = "joined"
        if had_joined:
            for name in members.keys() - known.members.keys() - {self.record.name}:
                duties.awaited[name] = (members[name], now + self.record.ttl + RETURN)
        duties.present, duties.alone = True, False
        self.publisher.written = self.record
        duties.share(now, self.record)
        if not wiped:
            self._reconcile_probed(alone=not had_joined)
        self.publisher.touch(duties.probing)
        self.absorb(touched, told=members if had_joined else None)
        self.review(fresh=True)

    def work_alone(self) -> None:
        """Probe everything, because etcd was never reached and nobody is known."""
        self.duties.present = self.duties.alone = True
        self.review(fresh=True)

    def absorb(self, touched: Touched, *, told: Mapping[str, MemberRecord] | None = None) -> None:
        """Act on what has changed in etcd, except for letting go of checks.

        `told` are the members that were known before.
        """
        if told is not None and touched.members:
            self._tell_of_members(told)
        if touched.members or touched.sets:
            self.review()
        self._catch_up(touched.numbers)
        self.show(touched.numbers & self.duties.checks.keys())
        self.publisher.write_again(touched.lost)
        self.publisher.sweep(each for each in touched.buckets if self.duties.strays(each))

    def _catch_up(self, numbers: set[int]) -> None:
        """Adopt what members find of checks that were taken over from them, until they let go."""
        for number in numbers & self.duties.inherited.keys():
            newer = self.duties.catch_up(number, self._work.vote(number))
            if newer is not None:
                self._work.adopt(number, newer)
                self.publisher.touch((number,))

    def _tell_of_members(self, before: Mapping[str, MemberRecord]) -> None:
        known, me = self.known.members, self.record.name
        for name in sorted(known.keys() - before.keys() - {me}):
            self._cause = "joined"
            self._tell("member_joined", member=name, url=known[name].url)
        for name in sorted(before.keys() - known.keys() - {me}):
            if name not in self.duties.awaited:
                self._tell_of_loss(name, "left" if before[name].draining else "lost")

    def _tell_of_loss(self, name: str, cause: str) -> None:
        self._cause = cause
        self._tell("member_left", member=name, cause=cause)

    def _reconcile_probed(self, *, alone: bool) -> None:
        """Adopt what others have found of the checks that this member probed without etcd.

        Where its own votes are still in etcd, nobody has taken over from it. If it has worked alone
        since its start, the votes of live members take precedence over its own.
        """
        live = self.duties.members()
        for number in self.duties.probing:
            votes = self.known.votes.get(bucket_of(number), {})
            others = [name for name in votes if name in live and number in votes[name]]
            mine = number in votes.get(self.record.name, {})
            decided = self._work.vote(number).health.online is not None
            if others and (alone or not mine):
                source = votes[others[0]][number]
            elif (alone and not decided) or (not mine and not alone):
                found = self.duties.source(number)
                if found is None:
                    continue
                _, source = found
            else:
                continue
            self._work.adopt(number, source)

    def review(self, *, fresh: bool = False) -> None:
        """Decide again who probes what; `fresh`: the checks have changed."""
        now, duties = self._clock(), self.duties
        if self._standing.degraded and self.has_joined:
            if fresh:
                self._begin_what_only_this_member_may_know()
            return
        for name in duties.give_up(now):
            self._tell_of_loss(name, "lost")
        if not duties.share(now, self.record) and not fresh:
            return
        self._take(duties.reassign(now))
        self.show(duties.checks)
        self.let_go()
        self.publisher.sweep(each for each in self.known.votes if duties.strays(each))

    def _begin_what_only_this_member_may_know(self) -> None:
        """Probe checks that are new while etcd is away, because no other member may have them."""
        self.duties.share(self._clock(), self.record)
        unseen = self.duties.checks.keys() - self.duties.probing
        self._take(
            [n for n in unseen if not self.duties.ballots(n) or self._owns(n)],
            cause="configuration",
        )

    def _owns(self, number: int) -> bool:
        return self.record.name in self.duties.owners(number)

    def _take(self, numbers: list[int], cause: str = "") -> None:
        if not numbers:
            return
        duties, tasks = self.duties, list[Assignment]()
        self.show(numbers)
        for number in numbers:
            owners = duties.owners(number)
            source = duties.source(number)
            if source is not None:
                self._work.adopt(number, source[1])
                duties.take(number, *source)
            place = owners.index(self.record.name) if self.record.name in owners else 0
            tasks.append(Assignment(number, place, max(1, len(owners))))
        duties.probing.update(numbers)
        self._work.begin(tasks)
        self.publisher.touch(numbers)
        shards = len({shard_of(number) for number in numbers})
        self.takeovers[cause or self._cause] += shards
        self._tell("shards_taken", shards=shards, checks=len(numbers), cause=cause or self._cause)

    def let_go(self) -> None:
        """Stop probing what others have taken over."""
        if not self.duties.leaving or self._standing.degraded:
            return
        numbers = self.duties.let_go(self._clock(), self._work.vote)
        if not numbers:
            return
        for number in numbers:
            del self.duties.leaving[number]
            self.duties.inherited.pop(number, None)
        self.duties.probing.difference_update(numbers)
        self._work.cease(numbers)
        self.publisher.touch(numbers)
        self.show(numbers)
        shards = len({shard_of(number) for number in numbers})
        self._tell("shards_released", shards=shards, checks=len(numbers))

    def census(self) -> list[tuple[MemberRecord, int]]:
        """Return the live members by name, including this one, and how many checks each probes."""
        counts: Counter[str] = Counter()
        for votes in self.known.votes.values():
            for name, numbers in votes.items():
                counts[name] += len(numbers)
        counts[self.record.name] = len(self.duties.probing)
        members = {**self.duties.members(), self.record.name: self.record}
        return [(record, counts[name]) for name, record in sorted(members.items())]

    def speaker(self, output: str) -> str | None:
        """Return which of the members that have an output sends its messages to people."""
        members = [self.record, *self.duties.members().values()]
        having = [each for each in members if output in each.outputs.split("\n")]
        able = [each.name for each in having if not each.draining] or [each.name for each in having]
        return max(
            able, key=lambda name: blake2b(f"{output}\0{name}".encode()).digest(), default=None
        )

    def show(self, numbers: Iterable[int]) -> None:
        """Show what others say of these checks."""
        duties = self.duties
        for number in numbers:
            found = duties.ballots(number)
            if found or number in duties.probing:
                self._work.show(number, found, max(1, len(duties.owners(number))))
