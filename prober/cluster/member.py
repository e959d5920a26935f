"""A member of a cluster: keeps its lease, follows the others, publishes what it finds."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress

from prober.cluster.duties import Outline, Tell
from prober.cluster.key_store import Item, KeyStore, LeaseLost, Snapshot, StoreTrouble
from prober.cluster.key_store import StoreUnavailable as Unavailable
from prober.cluster.keys import Keys
from prober.cluster.knowledge import Knowledge, Touched, slices
from prober.cluster.records import BadRecordError, MemberRecord
from prober.cluster.rota import Rota
from prober.cluster.standing import Standing
from prober.cluster.work import NameTakenError, Workplace

TICK = 1.0
"""Seconds between two checks of what time alone changes."""
RETRY = 1.0
"""Seconds until etcd is tried again after an error."""
GATHER = 0.05
"""Seconds in which votes are gathered before they are written."""
BETWEEN = 0.02
"""Seconds between two writes of votes."""
REST = 0.4
"""Seconds between the end of the writes and the next ones, so that many changes are few writes."""
SLICE = 0.01
"""Maximum seconds for which votes are processed before the event loop gets a turn."""
GIVE_UP = 5.0
"""Seconds after which a member that has never reached etcd works without it."""
NAME_PATIENCE = 5.0
"""Seconds beyond its lease to wait for a process that holds this member's name."""
LAST_WAIT = 3.0
"""Maximum seconds that a leaving member waits for others to take over."""


class ClusterMember:
    """One member of a cluster, in the event loop that runs it.

    Args:
        store: The etcd of the cluster.
        keys: Its keys.
        work: The checks of this prober.
        record: How this member describes itself.
        clock: Seconds that never go back and that go on while the machine is suspended.
        tell: Reports what operators should know: a word, and facts.

    `errors` counts failures of etcd, and bugs, by reason. `ready` is set once it is known who
    probes what, or that etcd is away.
    """

    def __init__(
        self,
        store: KeyStore,
        keys: Keys,
        work: Workplace,
        record: MemberRecord,
        *,
        clock: Callable[[], float],
        tell: Tell = lambda _event, **_facts: None,
    ) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._tell = tell
        self._name = record.name
        self._key = keys.member(record.name)
        self.errors: Counter[StoreTrouble] = Counter(dict.fromkeys(StoreTrouble, 0))
        self.known = Knowledge(keys, self._saw_nonsense)
        self.standing = Standing(clock)
        self.rota = Rota(record, keys, self.known, work, self.standing, clock=clock, tell=tell)
        self.ready = asyncio.Event()
        self._revision = 0  # of this member's key
        self._blocked_since: float | None = None
        self._joined = asyncio.Event()
        self._wake = asyncio.Event()
        self._poke = asyncio.Event()
        self._writing = False

    @property
    def is_joined(self) -> bool:
        """Whether it has a lease, as far as it knows, and etcd is there."""
        return self._joined.is_set() and not self.standing.degraded

    def adopt(self, checks: Iterable[Outline], config_hash: str) -> None:
        """Take in a configuration; what is new in it is probed by its owner."""
        self.rota.adopt(checks, config_hash)
        self._poke.set()

    def changed(self, number: int) -> None:
        """Note that this vantage's vote on a check has changed."""
        self.rota.publisher.touch((number,))
        self._poke.set()

    async def run(self) -> None:
        """Be a member until cancelled; raise `NameTakenError` if another one has the name.

        After a bug, it joins again with the lease that it has.
        """
        while True:
            try:
                await self._work()
            except NameTakenError:
                raise
            except Exception as error:  # noqa: BLE001  (or it would end, and nobody would know)
                self.errors[StoreTrouble.INTERNAL] += 1
                self._tell("internal_error", exc_info=error)
                self._joined.clear()
                self.ready.set()
                await asyncio.sleep(RETRY)

    async def _work(self) -> None:
        loops = (self._keep(), self._follow(), self._publish(), self._tick())
        tasks = [asyncio.create_task(each) for each in loops]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def leave(self) -> None:
        """Hand over while `run` continues: write all votes, and wait until others have begun."""
        if not self.is_joined:
            return
        rota, until = self.rota, self._clock() + LAST_WAIT
        await self._wait_while(self.has_to_write, until)
        rota.record = rota.record._replace(draining=True)
        self._poke.set()
        if any(not other.draining for other in rota.duties.members().values()):
            rota.review()
            await self._wait_while(lambda: bool(rota.duties.probing), until)
        await self._wait_while(self.has_to_write, until)

    async def resign(self) -> None:
        """End the lease, after `run` has ended."""
        lease, self.standing.lease = self.standing.lease, 0
        if lease:
            with suppress(Unavailable):
                await self._store.revoke(lease)

    async def _wait_while(self, holds: Callable[[], bool], until: float) -> None:
        while holds() and self._clock() < until:  # noqa: ASYNC110  (several things may end it)
            await asyncio.sleep(GATHER)

    # The lease

    async def _keep(self) -> None:
        """Join, and keep the lease; join again whenever it is lost."""
        while True:
            try:
                if self._joined.is_set():
                    await self._renew()
                else:
                    await self._join()
                delay = self.rota.record.ttl / 3 if self._joined.is_set() else RETRY
            except LeaseLost as error:
                self._count(error)
                self._lose()
                delay = GATHER
            except Unavailable as error:
                self._count(error)
                self.standing.failed()
                self._degrade_if_due()
                delay = RETRY
            await self._pause(delay)

    async def _pause(self, seconds: float) -> None:
        """Wait, but not if the lease has to be looked at."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()

    async def _renew(self) -> None:
        asked = self._clock()
        left = await self._store.renew(self.standing.lease)
        was_degraded = self.standing.degraded
        self.standing.renewed(asked + left)
        if was_degraded:
            self._tell("cluster_restored")
            self.rota.review()

    async def _join(self) -> None:
        """Write this member's key with a lease, unless another member holds it."""
        standing, record = self.standing, self.rota.record
        snapshot = await self._store.read(self._keys.prefix)
        asked = self._clock()
        if not standing.lease:
            standing.lease = await self._store.grant(record.ttl)
        puts = {self._key: record.to_bytes()}
        revision = await self._store.change({self._key: 0}, puts, lease=standing.lease)
        if revision is None:
            found = (await self._store.read(self._key)).items.get(self._key)
            if found is None or found.lease != standing.lease:
                await self._wait_for_the_name(snapshot, found)
                return
            revision = found.revision
        self._blocked_since = None
        self._revision = revision
        self._enter(snapshot, record, asked + record.ttl)

    async def _wait_for_the_name(self, snapshot: Snapshot, found: Item | None) -> None:
        """Wait for the lease of a process that may have crashed to end; give up after a while."""
        now, record = self._clock(), self.rota.record
        if not self.rota.has_joined and not self.standing.degraded:
            self._absorb(self.known.replace(snapshot))
            self.ready.set()
        holder = None
        if found is not None:
            with suppress(BadRecordError):
                holder = MemberRecord.from_bytes(found.value, self._name)
        url, ttl = (holder.url, holder.ttl) if holder else ("", record.ttl)
        if self._blocked_since is None:
            self._blocked_since = now
            self._tell("name_in_use", member=self._name, url=url)
        if now - self._blocked_since > ttl + NAME_PATIENCE:
            raise NameTakenError(self._name, url)
        await self._store.renew(self.standing.lease)
        self.standing.answered()

    def _enter(self, snapshot: Snapshot, record: MemberRecord, until: float) -> None:
        """Be a member from now on, with what was read just before."""
        members, was_degraded = dict(self.known.members), self.standing.degraded
        wiped = snapshot.revision < self.known.revision
        touched = self.known.replace(snapshot)
        self.standing.renewed(until)
        self._joined.set()
        if was_degraded:
            self._tell("cluster_restored")
        else:
            self._tell("member_joined", member=self._name, url=record.url)
        self.rota.publisher.written = record
        self.rota.enter(members, touched, wiped=wiped)
        self.ready.set()
        self._poke.set()

    def _lose(self) -> None:
        """Act on the loss of the lease, or of the key that was written with it."""
        self.standing.lost()
        self._joined.clear()
        self._wake.set()

    def _degrade_if_due(self) -> None:
        alone = not self.rota.has_joined
        due = self.standing.is_to_degrade(GIVE_UP if alone else 0.0)
        if self.standing.degraded or not due:
            return
        self.standing.degraded = True
        self._tell("cluster_degraded", reason=str(self.standing.reason))
        if alone:
            self.rota.work_alone()
        self.ready.set()

    # The others

    async def _follow(self) -> None:
        """Keep up with what the others write, as long as this is a member."""
        while True:
            await self._joined.wait()
            try:
                snapshot = await self._store.read(self._keys.prefix)
                if self._is_in(snapshot):
                    members = dict(self.known.members)
                    self._absorb(self.known.replace(snapshot), told=members)
                    self._let_go()
                    await self._watch(snapshot.revision)
            except Unavailable as error:
                self._count(error)
                self._wake.set()
                await asyncio.sleep(RETRY)

    async def _watch(self, after: int) -> None:
        async for changes in self._store.watch(self._keys.prefix, after):
            if not self._joined.is_set():
                return
            began = self._clock()
            for part in slices(changes, self._keys):
                members = dict(self.known.members)
                self._absorb(self.known.update(part), told=members)
                if self._clock() - began > SLICE:  # many votes at once must not delay probes
                    await asyncio.sleep(0)
                    began = self._clock()
            self._let_go()
            if self._key in changes.deletes and changes.revision > self._revision:
                self._lose()
                return

    def _is_in(self, snapshot: Snapshot) -> bool:
        """Return whether this member's key is there; if not, it has to join again."""
        item = snapshot.items.get(self._key)
        if item is not None and item.lease == self.standing.lease:
            return True
        if self._joined.is_set():
            self._lose()
        return False

    def _absorb(self, touched: Touched, *, told: dict[str, MemberRecord] | None = None) -> None:
        self.rota.absorb(touched, told=told)
        if self.has_to_write():
            self._poke.set()

    def _let_go(self) -> None:
        self.rota.let_go()
        if self.has_to_write():
            self._poke.set()

    # Writing

    def has_to_write(self) -> bool:
        """Return whether something waits to be written, or is being written."""
        publisher = self.rota.publisher
        return bool(self._writing or publisher.written != self.rota.record or publisher.has_work())

    async def _publish(self) -> None:
        """Write this member's votes when they change, and its record."""
        publisher = self.rota.publisher
        while True:
            await self._poke.wait()
            self._poke.clear()
            await asyncio.sleep(GATHER)
            await self._joined.wait()
            try:
                while self._joined.is_set() and await self._write():  # noqa: ASYNC110  (a pause)
                    await asyncio.sleep(BETWEEN if publisher.dirty else REST)
            except Unavailable as error:
                self._count(error)
                self._poke.set()
                await asyncio.sleep(RETRY)

    async def _write(self) -> bool:
        """Write one batch; return whether there was something to write."""
        publisher, record = self.rota.publisher, self.rota.record
        if publisher.written != record:
            puts, lease = {self._key: record.to_bytes()}, self.standing.lease
            revision = await self._store.change({self._key: self._revision}, puts, lease=lease)
            if revision is None:
                await self._verify()
            else:
                self._revision, publisher.written = revision, record
            return True
        batch = publisher.batch()
        if batch is None:
            return False
        done = None
        self._writing = True
        try:
            expected = {self._keys.member(name): 0 for name in batch.gone}
            expected[self._key] = self._revision
            done = await self._store.change(expected, batch.puts, batch.deletes)
        finally:
            self._writing = False
            if done is None:
                publisher.failed(batch)
        if done is None:
            await self._verify()
        return True

    async def _verify(self) -> None:
        """Find out why a change was refused: this member's key is not the expected one."""
        snapshot = await self._store.read(self._key)
        if self._is_in(snapshot):
            self._revision = snapshot.items[self._key].revision

    # Time

    async def _tick(self) -> None:
        while True:
            if self.standing.ticked():
                self._wake.set()
            self._degrade_if_due()
            if self.rota.duties.has_to_look_again():
                self.rota.review()
                self.rota.let_go()
                self._poke.set()
            await asyncio.sleep(TICK)

    def _count(self, error: Unavailable) -> None:
        self.errors[error.reason] += 1
        self.standing.reason = error.reason

    def _saw_nonsense(self, what: str) -> None:
        self.errors[StoreTrouble.BAD_ANSWER] += 1
        self._tell("record_refused", reason=what)
