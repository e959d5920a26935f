"""The probing half of a member of a cluster: it probes its share, and shows all checks."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import structlog

from prober import __version__
from prober.cluster.etcd_gateway import EtcdGateway
from prober.cluster.key_store import StoreTrouble
from prober.cluster.keys import Keys
from prober.cluster.member import ClusterMember
from prober.cluster.records import MemberRecord
from prober.cluster.sharing import SHARDS
from prober.cluster.work import Assignment, NameTakenError
from prober.config.changes import Changes
from prober.config.cluster_section import ClusterSection
from prober.config.configuration import Config
from prober.daemon.common_states import CommonStates
from prober.daemon.edit_sharing import EditSharing
from prober.daemon.membership import etcd_of, member_name, member_url, outlines_of, shared_hash
from prober.daemon.owners import Owners
from prober.daemon.probing import Prober, log_transition
from prober.edits.editor import ConfigEditor
from prober.edits.kept import KeptEdits
from prober.engine.check_watch import Shift
from prober.model.ballot import Ballot, Vote
from prober.model.cluster_view import ClusterView, MemberView
from prober.model.health import PENDING
from prober.model.status import Status
from prober.model.wording import counted
from prober.state.check_state import Key
from prober.state.events import Event
from prober.state.notices import Notices
from prober.state.shared_store import SharedStore
from prober.state.store import Store

log = structlog.get_logger()

_NOTHING = Vote(Status.UNKNOWN, PENDING, 0.0, degraded=False, last=None)
_NOTED = {
    "cluster_degraded": "etcd is away: this member goes on with what it knows",
    "cluster_restored": "etcd is back",
    "quarantined": "nearly all checks fail here that others find good: this vantage casts no votes",
    "quarantine_over": "this vantage votes again",
}
_LOOK_EVERY = 1.0
"""Seconds between two checks of what causes no call."""
_LOUD = {"cluster_degraded", "name_in_use", "record_refused", "quarantined"}


class SharingProber(Prober):
    """A prober that is a member of a cluster; see `Prober` for its arguments."""

    store: SharedStore

    def __init__(
        self,
        config: Config,
        *,
        loop: asyncio.AbstractEventLoop,
        limit: int,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        assert config.cluster is not None  # noqa: S101  (it is why this is made)
        self._section: ClusterSection = config.cluster
        self._name = member_name(self._section)
        super().__init__(config, loop=loop, limit=limit, clock=clock, wall=wall)
        self.vitals.name = self._name
        self._keys: dict[int, Key] = {}
        self._is_full = False  # etcd
        self._refused = 0  # writes, because it was full
        self.gateway: EtcdGateway = etcd_of(self._section)
        self.member: ClusterMember | None = None
        self.others = self._owners = Owners(
            self._name, self._section.token, self.store, urls=self._urls, clock=clock
        )

    def _new_store(self, **arguments: Any) -> Store:
        return SharedStore(self._name, self._section.zone, **arguments)

    def share_edits(self, kept: KeptEdits, editor: ConfigEditor) -> None:
        """Share the edits over the API with the cluster."""
        self._edits = EditSharing(
            self.gateway,
            self._section.name,
            kept,
            editor,
            state_dir=self.config.server.state_dir,
            agreed=self._has_one_configuration,
            tell=self._tell,
        )

    def share_notices(self, notices: Notices) -> None:
        """Share notices and admin states with all members of the cluster."""
        self._common = self.speaker = CommonStates(
            self.gateway,
            self._section.name,
            admin=self.store.admin,
            notices=notices,
            objects=self.store.cloud_objects,
            pools=lambda: self.store.pools,
            speaks=self._speaks,
            wall=self._wall,
            tell=self._tell,
        )

    def _speaks(self, output: str) -> bool:
        """Return whether this member sends the messages of an output to people."""
        member = self.member
        if member is None or not (self._common.is_ready or member.standing.degraded):
            return False
        return member.rota.speaker(output) == self._name

    def _has_one_configuration(self) -> bool:
        view = self._view()
        return view is not None and not view.degraded and view.configurations == 1

    def _log_event(self, event: Event) -> None:
        if self.store.speaks_for(event):
            log_transition(event)

    # The checks

    async def apply(self, config: Config, difference: Changes, *, reread: bool = True) -> None:
        """Apply a new configuration, and share its checks."""
        await super().apply(config, difference, reread=reread)
        self._share(config)
        self._common.offer_again()

    def _share(self, config: Config) -> None:
        if self.member is None:
            return
        outlines = outlines_of(config, self._section)
        self._keys = {outline.number: key for key, outline in outlines.items()}
        for key in self.store.probed_here - outlines.keys():
            self.store.cease(key)
        outputs = "\n".join(output.name for output in config.outputs)
        self.member.rota.record = self.member.rota.record._replace(outputs=outputs)
        self.member.adopt(outlines.values(), shared_hash(config.model))

    # What the member asks for: a `Workplace`

    def begin(self, tasks: Collection[Assignment]) -> None:
        """Probe these checks from now on, each at its next slot."""
        taken = []
        for task in tasks:
            key = self._keys[task.number]
            state = self.store.get(key)
            if state is not None:  # a reload may be about to remove it
                self.store.begin(key, task.vantages)
                taken.append((state.check, state, state.health, self._shift(task)))
        self._scheduler.take_over(taken)

    def _shift(self, task: Assignment) -> Shift | None:
        """Return how to shift the grids of a check, so that vantages take turns.

        The monotonic clocks of two machines have nothing in common, so the wall clock says when.
        """
        if task.vantages == 1:
            return None
        apart, ahead = task.place / task.vantages, self._wall() - self._clock()
        return partial(_shifted, apart, ahead)

    def cease(self, numbers: Collection[int]) -> None:
        """Stop probing these checks."""
        for number in numbers:
            key = self._keys[number]
            self._scheduler.remove(key)
            self.store.cease(key)

    def vote(self, number: int) -> Vote:
        """Return what this vantage says of a check that it probes."""
        state = self.store.get(self._keys[number]) if number in self._keys else None
        return _NOTHING if state is None else self.store.vote(state)

    def adopt(self, number: int, vote: Vote) -> None:
        """Continue from another vantage's rise and fall."""
        key = self._keys[number]
        if self.store.get(key) is not None:
            self.store.adopt_vote(key, vote)

    def show(self, number: int, votes: Sequence[tuple[str, Vote]], vantages: int) -> None:
        """Show what others say of a check."""
        key = self._keys[number]
        if self.store.get(key) is not None:
            ballots = [Ballot(name, self._zone_of(name), vote) for name, vote in votes]
            self.store.show(key, ballots, vantages)

    def _urls(self) -> dict[str, str]:
        """Return the URLs of the other live members, by name."""
        members = self.member.rota.duties.members() if self.member else {}
        return {name: each.url for name, each in members.items() if each.url}

    def _zone_of(self, name: str) -> str:
        record = self.member.known.members.get(name) if self.member else None
        return record.zone if record else ""

    # Being a member

    @asynccontextmanager
    async def sharing(self, stop: asyncio.Event) -> AsyncIterator[None]:
        """Be a member while the context lasts; it begins once it is known who probes what.

        `stop` is set if another live member has the name.
        """
        member = self.member = self._new_member()
        self.vitals.cluster = self._view
        self.store.may_speak = member.standing.may_speak
        self.store.changed = self._changed
        self._share(self.config)
        working = (self._run(member, stop), self._look(), self._edits.run(), self._follow_common())
        tasks = [asyncio.create_task(each) for each in working]
        try:
            await _first(member.ready, stop)
            if member.is_joined:
                await _first(self._edits.ready, stop)
            yield
            await member.leave()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await member.resign()
            await self.gateway.close()
            await self._owners.close()

    def _new_member(self) -> ClusterMember:
        section = self._section
        record = MemberRecord(
            self._name,
            uuid4().hex,
            zone=section.zone,
            url=member_url(self.config, self.target_policy.listeners),
            version=__version__,
            started_at=self.vitals.started_at,
            ttl=section.ttl,
        )
        keys = Keys(section.name)
        # on Linux, this clock goes on while the machine is suspended, as etcd's leases do
        clock = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
        return ClusterMember(self.gateway, keys, self, record, clock=clock, tell=self._tell)

    async def _look(self) -> None:
        """Check every second whether this vantage is in trouble, and whose speaker it is."""
        spoke: list[bool] = []
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            try:
                self._judge()
                self._watch_space()
                speaks = [self._speaks(output.name) for output in self.config.outputs]
                if speaks != spoke:
                    spoke = speaks
                    self._common.speaker_changed()
            except Exception:
                log.exception("internal_error")

    def _watch_space(self) -> None:
        """Report when etcd is full and when it has space again: neither affects the lease."""
        if self.member is None:
            return
        refused, has_work = self.member.errors[StoreTrouble.NO_SPACE], self.member.has_to_write()
        if refused > self._refused and not self._is_full:
            self._is_full = True
            self._tell("cluster_degraded", reason=str(StoreTrouble.NO_SPACE))
        elif refused == self._refused and self._is_full and not has_work:
            self._tell("cluster_restored")
        self._refused = refused

    def _judge(self) -> None:
        changed = self.store.judge_this_vantage()
        if changed and self.store.quarantined:
            self._tell("quarantined", member=self._name)
        elif changed:
            self._tell("quarantine_over", member=self._name)

    async def _follow_common(self) -> None:
        """Follow what all members have in common; start again after a bug."""
        while True:
            try:
                await self._common.run()
            except Exception:
                log.exception("internal_error")
                await asyncio.sleep(_LOOK_EVERY)

    async def _run(self, member: ClusterMember, stop: asyncio.Event) -> None:
        try:
            await member.run()
        except NameTakenError as error:
            log.error("name_taken", member=self._name, url=error.url)  # noqa: TRY400  (no bug)
            self.exit_status = 1
            stop.set()

    def _view(self) -> ClusterView | None:
        """Return what this member knows of the cluster."""
        member = self.member
        if member is None:
            return None
        return ClusterView(
            self._section.name,
            self._name,
            self._is_full or not member.is_joined,
            self.gateway.endpoint,
            tuple(
                MemberView(
                    each.name,
                    each.zone,
                    each.url,
                    each.version,
                    each.started_at,
                    checks,
                    each.draining,
                    each.config_hash,
                    each.ttl,
                )
                for each, checks in member.rota.census()
            ),
            SHARDS,
            len(self.store.probed_here),
            member.rota.takeovers,
            {str(reason): count for reason, count in member.errors.items()},
        )

    def _changed(self, key: Key) -> None:
        state = self.store.get(key)
        if state is not None and self.member is not None:
            self.member.changed(state.check.spread)

    def _tell(self, event: str, **facts: object) -> None:
        if event == "internal_error":
            log.error(event, **facts)
            return
        say = log.warning if event in _LOUD else log.info
        say(event, **facts)
        if event == "cluster_degraded":
            self.vitals.cluster_trouble = "etcd is full" if self._is_full else "etcd is away"
        elif event == "cluster_restored":
            self.vitals.cluster_trouble, self._is_full = None, False
        if event == "cluster_degraded" and self._is_full:
            self.store.note(event, "etcd is full: members do not hear from each other what changes")
        elif event in _NOTED:
            self.store.note(event, _NOTED[event])
        elif event == "edits_taken_along":
            self.store.note(
                "edit", f"the cluster has taken over {counted(facts['edits'], 'edit')} made here"
            )
        elif event == "member_joined":
            self.store.note(event, f"member {facts['member']} has joined the cluster")
        elif event == "member_left":
            how = "has left the cluster" if facts["cause"] == "left" else "was lost to the cluster"
            self.store.note(event, f"member {facts['member']} {how}")


def _shifted(apart: float, ahead: float, interval: float) -> float:
    """Return the shift of a grid for a vantage that is `apart` of an interval behind the first."""
    return apart * interval - ahead % interval


async def _first(*events: asyncio.Event) -> None:
    """Wait for one of these events."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
