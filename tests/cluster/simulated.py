"""A cluster in simulated time: an etcd, members with event loops of their own, and what goes wrong.

Each member runs in a loop of its own, so that one can be paused as SIGSTOP does while the others
and etcd go on. Nothing here waits: `World.run` moves the time from one event to the next.
"""

import asyncio
from asyncio import events
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import inf
from typing import Any, NamedTuple

from prober.cluster.duties import Outline
from prober.cluster.key_store import (
    Item,
    KeyChanges,
    LeaseLost,
    Snapshot,
    StoreTrouble,
    StoreUnavailable,
    WatchLost,
)
from prober.cluster.keys import Keys, VotesKey
from prober.cluster.member import ClusterMember
from prober.cluster.records import MemberRecord
from prober.cluster.work import Assignment, NameTakenError
from prober.model.ballot import PastChange, Vote, Weight, weigh
from prober.model.health import PENDING, advance, status_of
from prober.model.schedule import spread
from prober.model.status import Result, Status
from prober.model.voting import VoteRule, voted

KEYS = Keys("test")
LIMIT = 2.0
"""Seconds after which a question to etcd has no answer."""
SILENCE = 5.0
"""Seconds after which a silent watch is given up."""
RISE, FALL = 2, 3
WALL = 1_800_000_000.0


class Loop(asyncio.BaseEventLoop):
    """An event loop without sockets, whose time is that of the world."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self._world = world
        self._selector: Any = self
        self.failures: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.failures.append(context))

    def time(self) -> float:
        return self._world.now

    def select(self, _timeout: float | None) -> list[object]:
        return []

    def _process_events(self, _events: object) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def next_at(self) -> float:
        """Return when something is due."""
        if self._ready:  # type: ignore[attr-defined]
            return self._world.now
        scheduled = self._scheduled  # type: ignore[attr-defined]
        return scheduled[0].when() if scheduled else inf

    def turn(self) -> None:
        """Run what is due now."""
        events._set_running_loop(self)
        try:
            while self.next_at() <= self._world.now:
                self._run_once()  # type: ignore[attr-defined]
        finally:
            events._set_running_loop(None)


class Lease(NamedTuple):
    """How long a lease lasts, and when it ends."""

    ttl: float
    until: float


class Etcd:
    """Keys, leases and revisions; `up` is whether it answers, `full` whether it refuses writes."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.up = True
        self.full = False
        self.revision = 1
        self.compacted = 0
        self.items: dict[str, Item] = {}
        self.leases: dict[int, Lease] = {}
        self.log: list[KeyChanges] = []
        self.watchers: list[tuple[Loop, asyncio.Event]] = []
        self.writes = 0
        self._last_lease = 0

    def wipe(self) -> None:
        """Lose everything, as with an empty data directory; watches end."""
        self.items, self.leases, self.log = {}, {}, []
        self.revision, self.compacted = 1, 1
        self._notify()

    def compact(self) -> None:
        """Forget what has changed, but not what there is."""
        self.log, self.compacted = [], self.revision

    def come_back(self) -> None:
        """Answer again; a leader grants every lease its full time."""
        self.up = True
        self.leases = {
            n: Lease(each.ttl, self._world.now + each.ttl) for n, each in self.leases.items()
        }

    def expire(self) -> None:
        """End the leases whose time has passed."""
        if self.up:
            for number, lease in list(self.leases.items()):
                if lease.until <= self._world.now:
                    self.end(number)

    def next_expiry(self) -> float:
        return min((lease.until for lease in self.leases.values()), default=inf) if self.up else inf

    def grant(self, ttl: float) -> int:
        self._last_lease += 1
        self.leases[self._last_lease] = Lease(ttl, self._world.now + ttl)
        return self._last_lease

    def renew(self, lease: int) -> float:
        if lease not in self.leases:
            raise LeaseLost
        ttl = self.leases[lease].ttl
        self.leases[lease] = Lease(ttl, self._world.now + ttl)
        return ttl

    def end(self, lease: int) -> None:
        if self.leases.pop(lease, None):
            self.write({}, [key for key, item in self.items.items() if item.lease == lease], 0)

    def change(
        self,
        expected: Mapping[str, int],
        puts: Mapping[str, bytes],
        deletes: Collection[str],
        lease: int,
    ) -> int | None:
        if self.full:
            raise StoreUnavailable(StoreTrouble.NO_SPACE)
        assert len(puts) + len(deletes) <= 128
        assert sum(map(len, puts.values())) <= 1_500_000
        for key, revision in expected.items():
            item = self.items.get(key)
            if (item.revision if item else 0) != revision:
                return None
        if lease and lease not in self.leases:
            raise LeaseLost
        for place in map(KEYS.read, puts):
            if isinstance(place, VotesKey):
                assert KEYS.member(place.name) in self.items, "votes of who is no member"
        return self.write(puts, deletes, lease)

    def write(self, puts: Mapping[str, bytes], deletes: Collection[str], lease: int) -> int:
        gone = [key for key in deletes if key in self.items]
        if not puts and not gone:
            return self.revision
        self.writes += 1
        self.revision += 1
        fresh = {key: Item(value, self.revision, lease) for key, value in puts.items()}
        for key in gone:
            del self.items[key]
        self.items.update(fresh)
        self.log.append(KeyChanges(self.revision, fresh, gone))
        self._notify()
        return self.revision

    def _notify(self) -> None:
        for loop, event in self.watchers:
            loop.call_at(self._world.now + 0.002, event.set)


class Line:
    """One member's way to etcd: a `KeyStore`.

    `cut` is whether nothing passes, `delay` the seconds that an answer takes; of the answers to
    changes, those in `lost` get lost although the change was made.
    """

    def __init__(self, etcd: Etcd, world: "World", loop: Loop) -> None:
        self._etcd = etcd
        self._world = world
        self._loop = loop
        self.cut = False
        self.delay = 0.002
        self.lose_answers = False

    async def _travel(self) -> None:
        asked = self._world.now
        await asyncio.sleep(min(self.delay / 2, LIMIT))
        if self.cut or not self._etcd.up or self.delay >= LIMIT:
            await asyncio.sleep(max(0.0, asked + LIMIT - self._world.now))
            raise StoreUnavailable(StoreTrouble.TIMEOUT)
        self._etcd.expire()

    async def _return(self, *, changed: bool = False) -> None:
        await asyncio.sleep(self.delay / 2)
        if self.cut or (changed and self.lose_answers):
            await asyncio.sleep(LIMIT)
            raise StoreUnavailable(StoreTrouble.TIMEOUT)

    async def read(self, prefix: str) -> Snapshot:
        await self._travel()
        found = {key: item for key, item in self._etcd.items.items() if key.startswith(prefix)}
        snapshot = Snapshot(self._etcd.revision, found)
        await self._return()
        return snapshot

    async def put(self, key: str, value: bytes, lease: int = 0) -> int:
        revision = await self.change({}, {key: value}, lease=lease)
        assert revision is not None
        return revision

    async def delete(self, key: str) -> None:
        await self.change({}, {}, [key])

    async def change(
        self,
        expected: Mapping[str, int],
        puts: Mapping[str, bytes],
        deletes: Collection[str] = (),
        lease: int = 0,
    ) -> int | None:
        await self._travel()
        done = self._etcd.change(expected, puts, deletes, lease)
        await self._return(changed=True)
        return done

    async def grant(self, ttl: float) -> int:
        await self._travel()
        lease = self._etcd.grant(ttl)
        await self._return(changed=True)
        return lease

    async def renew(self, lease: int) -> float:
        await self._travel()
        left = self._etcd.renew(lease)
        await self._return()
        return left

    async def revoke(self, lease: int) -> None:
        await self._travel()
        self._etcd.end(lease)
        await self._return()

    async def watch(self, prefix: str, after: int) -> AsyncIterator[KeyChanges]:
        etcd, event = self._etcd, asyncio.Event()
        etcd.watchers.append((self._loop, event))
        silent_since: float | None = None
        try:
            while True:
                with_silence = asyncio.ensure_future(event.wait())
                await asyncio.wait((with_silence,), timeout=SILENCE)
                with_silence.cancel()
                event.clear()
                if self.cut or not etcd.up:
                    silent_since = self._world.now if silent_since is None else silent_since
                    if self._world.now - silent_since >= SILENCE:
                        raise StoreUnavailable(StoreTrouble.TIMEOUT)
                    continue
                silent_since = None
                if etcd.revision < after or after < etcd.compacted:
                    raise WatchLost
                for changes in [each for each in etcd.log if each.revision > after]:
                    after = changes.revision
                    puts = {k: v for k, v in changes.puts.items() if k.startswith(prefix)}
                    deletes = [key for key in changes.deletes if key.startswith(prefix)]
                    yield KeyChanges(changes.revision, puts, deletes)
        finally:
            etcd.watchers.remove((self._loop, event))


class Shown(NamedTuple):
    """What a member shows of a check."""

    status: Status
    since: float


class Work:
    """The checks of one simulated prober: it probes them all once in an interval.

    `shown` is what it shows of each check; `turns` are the statuses that it has shown so far.
    """

    def __init__(self, world: "World", checks: Sequence[Outline]) -> None:
        self.world = world
        self.checks = {check.number: check for check in checks}
        self.votes: dict[int, Vote] = {}
        self.probing: set[int] = set()
        self.shown: dict[int, Shown] = {}
        self.turns: dict[int, list[Status]] = defaultdict(list)
        self.member: ClusterMember | None = None
        self.wall_offset = 0.0
        self.spoken: list[tuple[float, int, Status]] = []
        self._weights: dict[int, Weight] = {}
        self._ballots: dict[int, tuple[Sequence[tuple[str, Vote]], int]] = {}

    def begin(self, tasks: Collection[Assignment]) -> None:
        assert all(task.number in self.checks for task in tasks)
        self.probing.update(task.number for task in tasks)

    def cease(self, numbers: Collection[int]) -> None:
        self.probing.difference_update(numbers)

    def vote(self, number: int) -> Vote:
        return self.votes.get(number, Vote(Status.UNKNOWN, PENDING, 0.0, degraded=False, last=None))

    def adopt(self, number: int, vote: Vote) -> None:
        self.votes[number] = vote
        self._weights.pop(number, None)
        self._show(number)

    def show(self, number: int, votes: Sequence[tuple[str, Vote]], vantages: int) -> None:
        self._ballots[number] = (votes, vantages)
        if number not in self.probing:
            vote, before = votes[0][1], self.shown.get(number)
            if self.world.histories_agree and before is not None and vantages == 1:
                assert vote.since >= before.since, "a status has gone back in time"
            self.votes[number] = vote
            self._weights.pop(number, None)
        self._show(number)

    def _show(self, number: int) -> None:
        """Show a check in the status that its votes give it."""
        vote = self.vote(number)
        others, vantages = self._ballots.get(number, ((), 1))
        status = vote.status
        if vantages > 1:
            mine = [vote.status] if number in self.probing else []
            said = [*mine, *(other.status for _, other in others)]
            status = voted(said, VoteRule.UNANIMOUS, vantages)
        self.shown[number] = Shown(status, vote.since)
        if self.turns[number][-1:] != [status]:
            self.turns[number].append(status)

    def probe(self) -> None:
        """Probe everything, as the truth is."""
        assert self.member is not None
        wall = WALL + self.world.now + self.wall_offset
        for number in list(self.probing):
            if not self.member.standing.may_speak():
                return
            before = self.vote(number)
            result = Result.OK if self.world.truth.get(number, True) else Result.TIMED_OUT
            health = advance(before.health, result, rise=RISE, fall=FALL)
            status = status_of(health, degraded=False, stale=False)
            since, turns = before.since, before.turns
            if status is not before.status:
                since = wall
                turns = (
                    *turns,
                    PastChange(wall, before.status, status, None, health.streak, ""),
                )[-8:]
                self.spoken.append((self.world.now, number, status))
            self.votes[number] = Vote(status, health, since, degraded=False, last=None, turns=turns)
            self._show(number)
            weight = weigh(status, health, None, degraded=False, rise=RISE, fall=FALL)
            if self._weights.get(number) != weight:
                self._weights[number] = weight
                self.member.changed(number)


class Machine:
    """A member and what it runs on: `paused` as by SIGSTOP, `dead` as by SIGKILL."""

    def __init__(
        self,
        world: "World",
        name: str,
        checks: Sequence[Outline],
        *,
        zone: str = "",
        ttl: float = 10.0,
        interval: float = 5.0,
        cut: bool = False,
    ) -> None:
        self.world = world
        self.name = name
        self.loop = Loop(world)
        self.line = Line(world.etcd, world, self.loop)
        self.line.cut = cut
        self.paused = False
        self.dead = False
        self.interval = interval
        self.said: list[tuple[float, str, dict[str, object]]] = []
        self.work = Work(world, checks)
        world.loops.append(self.loop)
        record = MemberRecord(
            name, str(len(world.loops)), zone=zone, url=f"http://{name}:9290", ttl=ttl
        )
        self.member = ClusterMember(
            self.line,
            KEYS,
            self.work,
            record,
            clock=lambda: world.now,
            tell=self._tell,
        )
        self.work.member = self.member
        self.member.adopt(checks, "config")
        with running(self.loop):
            self.task = self.loop.create_task(self.member.run())
            self.probing = self.loop.create_task(self._probe())
        world.machines[name] = self

    def _tell(self, event: str, **facts: object) -> None:
        self.said.append((self.world.now, event, facts))
        if isinstance(facts.get("exc_info"), AssertionError):  # which the member survives
            self.loop.failures.append(facts)

    async def _probe(self) -> None:
        while True:
            await asyncio.sleep(self.interval)
            self.work.probe()

    def kill(self) -> None:
        """End at once, as by SIGKILL."""
        self.dead = True

    def terminate(self) -> None:
        """Leave, as after SIGTERM."""
        with running(self.loop):
            self.loop.create_task(self._terminate())

    async def _terminate(self) -> None:
        await self.member.leave()
        self.task.cancel()
        self.probing.cancel()
        await self.member.resign()
        self.dead = True

    def configure(self, checks: Sequence[Outline]) -> None:
        """Reload with other checks."""
        self.work.checks = {check.number: check for check in checks}
        self.work.probing &= self.work.checks.keys()
        self.member.adopt(checks, str(len(checks)))

    @property
    def is_working(self) -> bool:
        return not (self.paused or self.dead)

    @property
    def taken(self) -> str | None:
        """Why it ended because of its name, if it did."""
        if self.task.done() and not self.task.cancelled():
            error = self.task.exception()
            if not isinstance(error, NameTakenError):
                raise AssertionError("a member has ended") from error
            return str(error)
        return None

    def events(self, event: str) -> list[dict[str, object]]:
        return [facts for _, name, facts in self.said if name == event]


@contextmanager
def running(loop: Loop) -> Iterator[None]:
    events._set_running_loop(loop)
    try:
        yield
    finally:
        events._set_running_loop(None)


class World:
    """Simulated time, an etcd, and machines.

    `histories_agree` is false once members may have worked apart, or their clocks differ. `truth`
    says whether a check is good; `gaps` has the longest time without a prober of each
    check that had one before, and `unprobed_since` those that have none now.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.etcd = Etcd(self)
        self.machines: dict[str, Machine] = {}
        self.loops: list[Loop] = []
        self.truth: dict[int, bool] = {}
        self.histories_agree = True
        self.gaps: dict[int, float] = {}
        self.unprobed_since: dict[int, float] = {}
        self._seen: set[int] = set()

    def close(self) -> None:
        """End all members, so that nothing is left in their loops."""
        for loop in self.loops:
            with running(loop):
                for task in asyncio.all_tasks(loop):
                    task.cancel()
            while asyncio.all_tasks(loop):
                self.now += 1.0
                loop.turn()
            loop.close()

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while True:
            self.etcd.expire()
            for machine in list(self.machines.values()):
                if machine.is_working:
                    machine.loop.turn()
                    assert not machine.loop.failures, machine.loop.failures
                    _ = machine.taken
            self._look()
            times = [m.loop.next_at() for m in self.machines.values() if m.is_working]
            at = min([*times, self.etcd.next_expiry()])
            if at > end:
                break
            self.now = max(self.now, at)
        self.now = end

    def _look(self) -> None:
        probed: set[int] = set()
        for machine in self.machines.values():
            if machine.is_working:
                probed |= machine.work.probing
        for number in probed & self.unprobed_since.keys():
            gap = self.now - self.unprobed_since.pop(number)
            self.gaps[number] = max(gap, self.gaps.get(number, 0.0))
        for number in self._seen - probed:
            self.unprobed_since.setdefault(number, self.now)
        self._seen |= probed

    def forget_gaps(self, numbers: Collection[int] | None = None) -> None:
        """Judge from now on, possibly only checks with these numbers."""
        self.gaps, self.unprobed_since = {}, {}
        self._seen = set(numbers if numbers is not None else self._seen)

    def longest_gap(self) -> float:
        """Return the longest time without a prober of any check, also one that still lasts."""
        lasting = [self.now - since for since in self.unprobed_since.values()]
        return max([0.0, *self.gaps.values(), *lasting])

    def settle(self) -> None:
        """End all faults, wait as long as anything may take, and judge what has become of it."""
        for machine in self.machines.values():
            machine.paused, machine.line.cut, machine.line.lose_answers = False, False, False
            machine.line.delay = 0.002
        if not self.etcd.up:
            self.etcd.come_back()
        self.etcd.full = False
        self.run(45.0)
        self.judge()

    def judge(self) -> None:
        """Each check has as many probers as it should, and all members show the same of it."""
        working = [each for each in self.machines.values() if each.is_working]
        for machine in working:
            assert machine.member.is_joined, machine.name
        for number in {number for machine in working for number in machine.work.checks}:
            having = [each for each in working if number in each.work.checks]
            vantages = having[0].work.checks[number].vantages
            assert len(self.probers(number)) == min(vantages, len(having)), number
            shown = {each.work.shown[number] for each in having}
            assert vantages > 1 or len(shown) == 1, shown

    def probers(self, number: int) -> list[str]:
        return [
            name
            for name, machine in self.machines.items()
            if machine.is_working and number in machine.work.probing
        ]


def outlines(count: int, *, vantages: int = 1, interval: float = 5.0) -> list[Outline]:
    """Return some checks."""
    return [Outline(spread("web", f"10.0.0.1:{n}"), vantages, interval) for n in range(count)]
