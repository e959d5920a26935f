"""What one member has to do: which checks it probes, takes and lets go; it reads no clock."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from prober.cluster.knowledge import Knowledge
from prober.cluster.records import MemberRecord, hash_of
from prober.cluster.sharing import Peer, Sharing, bucket_of, may_let_go
from prober.model.ballot import Vote
from prober.model.status import Status

SET_PATIENCE = 5.0
"""Seconds to wait for another member's set of checks; until then it counts as having all."""


class Outline(NamedTuple):
    """What a check means to the cluster: its `spread` number, vantages, and interval in seconds."""

    number: int
    vantages: int = 1
    interval: float = 5.0


class Inheritance(NamedTuple):
    """From which member a check was taken over, and the last vote of it that was adopted."""

    name: str
    vote: Vote


class Duties:
    """What a member probes, decided by what it knows.

    `checks` are those of its configuration by number; `by_bucket` are their numbers. `probing` are
    those that it probes; `leaving` those among them that others are to take over, with the time
    at which it lost them. `inherited` are those taken over from a member that may
    find more before it hears of that. `present` is whether it counts itself as a member,
    `alone` whether it counts nobody else because it has never reached etcd. `awaited` are members
    that have vanished from etcd together with its data, and until when they may come back.
    """

    def __init__(self, me: str, known: Knowledge) -> None:
        self._me = me
        self._known = known
        self.checks: Mapping[int, Outline] = {}
        self.by_bucket: dict[int, list[int]] = {}
        self.checks_hash = hash_of(())
        self.probing: set[int] = set()
        self.leaving: dict[int, float] = {}
        self.inherited: dict[int, Inheritance] = {}
        self.present = False
        self.alone = False
        self.awaited: dict[str, tuple[MemberRecord, float]] = {}
        self._missing: dict[str, float] = {}  # sets, and since when they are missing
        self._sharing = Sharing(())
        self._made_from: object = None

    def adopt(self, checks: Iterable[Outline]) -> None:
        """Take in the checks of a configuration."""
        self.checks = {check.number: check for check in checks}
        self.by_bucket = {}
        for number in self.checks:
            self.by_bucket.setdefault(bucket_of(number), []).append(number)
        self.checks_hash = hash_of(self.checks)
        self.probing &= self.checks.keys()
        self.leaving = {n: at for n, at in self.leaving.items() if n in self.checks}
        self.inherited = {n: each for n, each in self.inherited.items() if n in self.checks}
        self._made_from = None

    def members(self) -> dict[str, MemberRecord]:
        """Return the members that count as live, by name, without this one."""
        awaited = {name: record for name, (record, _) in self.awaited.items()}
        live = {**awaited, **self._known.members}
        live.pop(self._me, None)
        return live

    def owners(self, number: int) -> tuple[str, ...]:
        """Return who is to probe a check of the configuration, best first."""
        return self._sharing.owners(number, self.checks[number].vantages)

    def wants_sets(self) -> bool:
        """Return whether other members have other checks, so that sets have to be known."""
        return any(each.checks_hash != self.checks_hash for each in self.members().values())

    def give_up(self, now: float) -> list[str]:
        """Return the members that have not come back in time, and stop waiting for them."""
        members = self._known.members
        late = [
            name
            for name, (_, until) in self.awaited.items()
            if until <= now and name not in members
        ]
        self.awaited = {
            name: awaited
            for name, awaited in self.awaited.items()
            if name not in members and name not in late
        }
        return late

    def share(self, now: float, record: MemberRecord) -> bool:
        """Compute who probes what; return whether that has changed.

        `record` is how this member describes itself.
        """
        others = {} if self.alone else self.members()
        held = self._held(others, now) if self.wants_sets() and not self.alone else {}
        peers = [Peer(o.name, o.zone, o.weight) for o in others.values() if not o.draining]
        if self.present and not (record.draining and peers):
            peers.append(Peer(self._me, record.zone, record.weight))
        made_from = (sorted(peers), {name: id(numbers) for name, numbers in held.items()})
        if made_from == self._made_from:
            return False
        self._made_from = made_from
        self._sharing = Sharing(peers, held)
        return True

    def _held(
        self, others: Mapping[str, MemberRecord], now: float
    ) -> dict[str, Mapping[int, object] | frozenset[int]]:
        held: dict[str, Mapping[int, object] | frozenset[int]] = {self._me: self.checks}
        missing = {}
        for name, record in others.items():
            if record.checks_hash == self.checks_hash:
                held[name] = self.checks
            elif (numbers := self._known.sets.get(record.checks_hash)) is not None:
                held[name] = numbers
            else:
                since = self._missing.get(record.checks_hash, now)
                missing[record.checks_hash] = since
                if now - since >= SET_PATIENCE:
                    held[name] = _NOTHING
        self._missing = missing
        return held

    def has_to_look_again(self) -> bool:
        """Return whether time alone may change something."""
        return bool(self.leaving or self.awaited or self._missing)

    def reassign(self, now: float) -> list[int]:
        """Note the checks that this member has lost; return those that it has to begin."""
        mine = {number for number in self.checks if self._me in self.owners(number)}
        for number in mine & self.leaving.keys():
            del self.leaving[number]
        for number in self.probing - mine:
            self.leaving.setdefault(number, now)
        return sorted(mine - self.probing)

    def let_go(self, now: float, vote: Callable[[int], Vote]) -> list[int]:
        """Return the checks that this member may stop probing now.

        `vote` returns what this vantage says of a check.
        """
        return [
            number
            for number, lost_at in self.leaving.items()
            if may_let_go(
                owners_began=self.has_begun(number, vote),
                lost_at=lost_at,
                interval=self.checks[number].interval,
                now=now,
            )
        ]

    def has_begun(self, number: int, vote: Callable[[int], Vote]) -> bool:
        """Return whether every owner of a check has begun to probe it, as far as is known.

        An owner that continues from this member's vote must know the current status of that vote.
        """
        votes = self._votes(number)
        owners = self.owners(number)
        if not owners or not all(owner in votes for owner in owners):
            return False
        heirs = [votes[owner] for owner in owners if votes[owner].follows == self._me]
        return not heirs or all(_status_of(vote(number)) == _status_of(heir) for heir in heirs)

    def _votes(self, number: int) -> dict[str, Vote]:
        """Return all votes on a check that are known, by member."""
        by_member = self._known.votes.get(bucket_of(number), {})
        return {name: votes[number] for name, votes in by_member.items() if number in votes}

    def ballots(self, number: int) -> list[tuple[str, Vote]]:
        """Return the votes of others on a check, of its owners first, as many as there are owners.

        Until an owner has begun and knows all that was found before, the vote of the member that it
        takes over from counts.
        """
        votes, owners = self._votes(number), self.owners(number)
        if number not in self.probing:
            votes.pop(self._me, None)
        others = [name for name in owners if name != self._me]
        begun = [self._voter(name, votes, owners) for name in others if name in votes]
        found = {name: votes[name] for name in begun if name != self._me}
        lacking = len(others) - len(begun)
        if lacking > 0 or not owners:
            former = [name for name in _former(votes, owners) if name not in {*found, self._me}]
            found.update((name, votes[name]) for name in former[: max(lacking, 1)])
        return list(found.items())

    def _voter(self, owner: str, votes: Mapping[str, Vote], owners: Collection[str]) -> str:
        """Return whose vote counts for an owner: its own, or that of a member that it follows.

        The latter as long as that member still probes the check without being an owner.
        """
        former = votes[owner].follows
        if not former or former in owners or former not in votes:
            return owner
        return former if former == self._me or former in self.members() else owner

    def source(self, number: int) -> tuple[str, Vote] | None:
        """Return the member and the vote to continue from when taking over a check, or None.

        That is this member itself, unless another one took over from it; otherwise a member that
        has lost the check, or another vantage.
        """
        votes = self._votes(number)
        owners = self.owners(number) if number in self.checks else ()
        order = (self._me, *_former(votes, owners), *owners)
        return next(((name, votes[name]) for name in order if name in votes), None)

    def take(self, number: int, name: str, vote: Vote) -> None:
        """Note that a check is taken over from a member with this vote."""
        if name != self._me:
            self.inherited[number] = Inheritance(name, vote)

    def catch_up(self, number: int, mine: Vote) -> Vote | None:
        """Return the vote to adopt if a former owner has found something new, or None.

        `mine` is the vote of this vantage. The inheritance ends when the other member stops voting.
        """
        now = self._votes(number).get(self.inherited[number].name)
        if now is None or not self._goes_on(number, mine):
            del self.inherited[number]
            return None
        inherited = self.inherited[number]
        is_new = _status_of(now) != _status_of(inherited.vote)
        if not is_new and (mine.health != inherited.vote.health or now.health == mine.health):
            return None
        self.inherited[number] = Inheritance(inherited.name, now)
        return now

    def signed(self, number: int, mine: Vote) -> Vote:
        """Return this vantage's vote as it is published: it says whom it follows."""
        if number not in self.inherited or not self._goes_on(number, mine):
            return mine
        return mine._replace(follows=self.inherited[number].name)

    def _goes_on(self, number: int, mine: Vote) -> bool:
        """Return whether this vantage still has the status that it has inherited.

        If the other member is still a vantage, the first result makes this one independent.
        """
        name, vote = self.inherited[number]
        if _status_of(mine) != _status_of(vote):
            return False
        is_new = mine.health == vote.health or mine.status is Status.UNKNOWN
        return is_new or name not in self.owners(number)

    def is_covered(self, bucket: int, name: str, mine: Collection[int]) -> bool:
        """Return whether the votes of a member that is gone are no longer needed in a bucket.

        `mine` are the checks in the bucket on which this member votes.
        """
        votes = self._known.votes.get(bucket, {})
        alike = not self.wants_sets()

        def has_vote(owner: str, number: int) -> bool:
            return number in (mine if owner == self._me else votes.get(owner, {}))

        for number in votes.get(name, {}):
            if number not in self.checks:
                if not alike:
                    return False
                continue
            owners = self.owners(number)
            if not owners or not all(has_vote(owner, number) for owner in owners):
                return False
        return True

    def strays(self, bucket: int) -> list[str]:
        """Return the members that are gone but have left votes in a bucket."""
        votes = self._known.votes.get(bucket)
        if not votes:
            return []
        return [name for name in votes.keys() - {self._me} if name not in self.members()]


def _former(votes: Mapping[str, Vote], owners: Collection[str]) -> list[str]:
    """Return who votes without being an owner; those that follow another of them come last."""
    return sorted(votes.keys() - set(owners), key=lambda name: (votes[name].follows in votes, name))


def _status_of(vote: Vote) -> tuple[Status, float]:
    """Return what distinguishes two changes of a check's status, without comparing clocks."""
    return vote.status, vote.since


_NOTHING: frozenset[int] = frozenset()

Tell = Callable[..., None]
"""Takes a word for what happened in the cluster, and facts about it."""
