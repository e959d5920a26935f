"""The probing half of the daemon: engine, scheduler, store, and their configuration."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import structlog

from prober import __version__
from prober.config.changes import Changes
from prober.config.configuration import Config
from prober.config.garbage import Tidier
from prober.daemon.local_checks import NAMED, stuck, unverifiable
from prober.daemon.overload import OverloadAlarm
from prober.daemon.state_directory import StateDirectory
from prober.edits.editor import ConfigEditor
from prober.edits.kept import KeptEdits
from prober.engine.reactor import Engine
from prober.engine.resolver import Resolver
from prober.engine.scheduler import GAP, Scheduler
from prober.engine.target_policy import TargetPolicy
from prober.engine.threads import Threads
from prober.engine.ticker import Ticker
from prober.model.health import Health
from prober.model.monitor import Check
from prober.model.probe import Target
from prober.model.status import Outcome, Verdict
from prober.model.wording import took
from prober.state.archive import Retention
from prober.state.check_state import CheckState, Key
from prober.state.events import CERTIFICATE_CHANGED, STOOD_STILL, TRANSITION, Event
from prober.state.last_known import LastKnown
from prober.state.load import Load
from prober.state.notices import Notices
from prober.state.own_troubles import OwnTroubles
from prober.state.pace import Pace
from prober.state.pool_watch import PoolWatch
from prober.state.store import Store
from prober.state.vitals import Vitals
from prober.web.server.services import OtherMembers, PageSettings, ProbeOnDemand

if TYPE_CHECKING:
    from prober.blackbox.probe_service import ProbeService
    from prober.outputs.output import Speaker

log = structlog.get_logger()

MOST_ON_DEMAND = 64
"""Maximum probes on demand in flight; if descriptors are scarce, an eighth of all probes."""


class Prober:
    """The probing half: store, engine and scheduler, and the configuration they run with.

    Args:
        config: The initial configuration.
        loop: The event loop that everything runs in.
        limit: Maximum number of probes in flight.
        clock: A monotonic clock.
        wall: Unix time.

    `exit_status` is that of the process when it ends.
    """

    exit_status = 0
    others: OtherMembers | None = None
    speaker: "Speaker | None" = None

    def __init__(
        self,
        config: Config,
        *,
        loop: asyncio.AbstractEventLoop,
        limit: int,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.config = config
        self._clock, self._wall = clock, wall
        self._loop = loop
        self._limit = limit
        self._unverifiable: list[str] = []
        self._stuck: frozenset[tuple[str, Verdict]] = frozenset()
        self._on_demand: ProbeService | None = None
        self._ticker = Ticker(clock=clock, call_later=loop.call_later, saw_lag=self._saw_tick)
        self.vitals = self._vitals(config, wall)
        self._tidier = Tidier(lambda: sum(self.vitals.schedule_lags.counts))
        self.target_policy = TargetPolicy(config.server.api_targets)
        self.kept = StateDirectory(
            config.server.state_dir,
            loop=loop,
            wall=wall,
            awake=self._ticker.awake,
            retention=Retention(config.server.keep_history, config.server.keep_fine_history),
            vitals=self.vitals,
        )
        self.store = self._new_store(
            wall=wall,
            awake=self._ticker.awake,
            journal=self.kept.journal,
            saved=self.kept.saved,
            history=self.kept.history,
        )
        self.known = LastKnown(
            self.store, wall=wall, saved=self.kept.saved.known, journal=self.kept.journal
        )
        self.kept.on_loss(self.store.save_all)
        self.kept.on_loss(self.known.save_all)
        self.pools = PoolWatch(self.store, wall=wall, history=self.kept.history)
        self._troubles = OwnTroubles(
            self.store.note, clock=self._ticker.awake, call_later=loop.call_later
        )
        self.store.when_local_error(self._troubles.saw)
        self._overload = OverloadAlarm(self.store, self.vitals, loop=loop, clock=clock)
        self._engine = Engine(
            ticker=self._ticker,
            resolver=Resolver(clock=clock, soon=loop.call_soon_threadsafe),
            wall=wall,
            report=_report_bug,
            threads=Threads(soon=loop.call_soon_threadsafe),
        )
        self._scheduler = self._schedule_of(self._engine, limit)

    def _vitals(self, config: Config, wall: Callable[[], float]) -> Vitals:
        return Vitals(
            name=socket.gethostname(),
            version=__version__,
            started_at=wall(),
            config_hash=config.digest,
            config_loaded_at=wall(),
            count_in_flight=lambda: self._engine.in_flight,
            overdue=self._overdue,
            load=Load(self._load_changed),
        )

    def _overdue(self) -> float:
        return self._scheduler.overdue()

    def _load_changed(self) -> None:
        self._overload.changed()

    def _new_store(self, **arguments: Any) -> Store:
        return Store(**arguments)

    def _schedule_of(self, engine: Engine, limit: int) -> Scheduler:
        chatty = logging.getLogger().isEnabledFor(logging.DEBUG)
        return Scheduler(
            ticker=self._ticker,
            engine=engine,
            record=self._record_aloud if chatty else self.store.record,
            limit=limit,
            review=self.store.review,
            saw_lags=self.vitals.schedule_lags.observe_all,
            saw_starts=self.vitals.load.saw_starts,
            saw_skips=self.vitals.saw_skips,
            objection=self.target_policy.objection,
        )

    @contextmanager
    def probing(self, config: Config) -> Iterator[None]:
        """Probe by a configuration, and its replacements, while the context lasts.

        Probes in flight at its end have no result.
        """
        self.config = config
        self._loop.add_reader(self._engine.fileno(), self._scheduler.ready)
        with self.store.events.followed_by(self._log_event), self.pools.kept_fresh(self._loop):
            self.store.adopt(config.model, config.maintenance)
            self._schedule(config.model.checks())
            self._tell_unverifiable()
            self._tell_stuck()
            self._tell_refused_modules()
            self.store.forget_the_absent()
            for _ in self.known.renew():
                pass
            self.store.note("started", f"prober {__version__} started")
            self.kept.begin()
            try:
                yield
            finally:
                self._stop()

    def _stop(self) -> None:
        self._loop.remove_reader(self._engine.fileno())
        self._ticker.stop()
        self._overload.stop()
        self._troubles.stop()
        self._engine.close()
        if self._on_demand is not None:
            self._on_demand.close()
        self.store.save_all()
        self.kept.close()

    def probe_now(self, key: Key, tell: Callable[[], None]) -> float | None:
        """Probe a check now; see `Scheduler.probe_now`."""
        return self._scheduler.probe_now(key, tell)

    def on_demand(self) -> ProbeOnDemand | None:
        """Return what answers `GET /probe`; None while that is not configured."""
        if self.config.modules is None:
            return None
        if self._on_demand is None:
            from prober.blackbox.probe_service import ProbeService  # noqa: PLC0415  (few want it)

            self._on_demand = ProbeService(
                self._engine,
                lambda: self.config.modules,
                most=min(MOST_ON_DEMAND, max(4, self._limit // 8)),
                objection=self.target_policy.objection,
            )
        return self._on_demand.answer

    def page(self) -> PageSettings:
        """Return the settings of the status page."""
        page = self.config.page
        proxies = self.config.server.trusted_proxies
        return PageSettings(page.title, page.public, page.base, proxies, page.notices)

    async def apply(self, config: Config, difference: Changes, *, reread: bool = True) -> None:
        """Apply a new configuration, touching only what it changes, a slice at a time.

        `reread` is whether it was read again; then the files of TLS settings are read again too.
        Additions come before removals, so that a monitor whose last check is replaced keeps its
        counters.
        """
        pace = Pace()
        before, self.config = self.config, config
        self.target_policy.adopt(config.server.api_targets)
        self.store.adopt(config.model, config.maintenance)
        if reread:
            self._engine.reread()
        self._tell_unverifiable()
        self._tell_stuck()
        if config.modules != before.modules:
            self._tell_refused_modules()
        fresh = [*difference.added, *(new for _, new in difference.changed)]
        for check in fresh:
            self._schedule([check], among=len(fresh))
            await pace.pause()
        for check in difference.unchanged:
            self.store.renew(check)
            self._scheduler.renew(check)
            await pace.pause()
        for check in difference.removed:
            self._scheduler.remove(check.key)
            self.store.remove(check.key)
            await pace.pause()
        for _ in self.known.renew():
            await pace.pause()

    @asynccontextmanager
    async def sharing(self, stop: asyncio.Event) -> AsyncIterator[None]:  # noqa: ARG002
        """Be a member of the cluster while the context lasts; without a cluster, do nothing.

        `stop` is set if the prober cannot continue; `exit_status` then says so.
        """
        yield

    def share_edits(self, kept: KeptEdits, editor: ConfigEditor) -> None:
        """Share the edits over the API with the cluster, if there is one."""

    def share_notices(self, notices: Notices) -> None:
        """Share notices and admin states with the cluster, if there is one."""

    def _log_event(self, event: Event) -> None:
        log_transition(event)

    def _tell_refused_modules(self) -> None:
        refused = self.config.modules.refused if self.config.modules else {}
        for module, why in refused.items():
            log.warning("module_refused", module=module, reason=why)

    def _tell_unverifiable(self) -> None:
        """Log what cannot verify certificates without a trust store, if that is new."""
        found = unverifiable(self.config)
        if found and found != self._unverifiable:
            hint = "install this host's root certificates (ca-certificates), or set ca_file"
            log.warning("no_trust_store", needed_by=found[:NAMED], count=len(found), hint=hint)
        self._unverifiable = found

    def _tell_stuck(self) -> None:
        """Log each monitor that cannot probe from here, if that is new."""
        found = [(monitor.name, why) for monitor, why in stuck(self.config)]
        for name, why in found:
            if (name, why) not in self._stuck:
                log.warning("cannot_probe", monitor=name, reason=why.reason, detail=why.detail)
        self._stuck = frozenset(found)

    def _schedule(self, checks: Iterable[Check], *, among: int = 0) -> None:
        """Keep the states of checks, and schedule those that are probed here."""
        states, mine = [self.store.add(check) for check in checks], self.store.mine
        here = (state for state in states if mine is None or state.check.key in mine)
        self._scheduler.add(((state.check, state, state.health) for state in here), among=among)

    def _record_aloud(self, state: CheckState, outcome: Outcome) -> Health:
        log.debug(
            "probed",
            monitor=state.check.monitor.name,
            backend=state.check.backend.key,
            result=outcome.result,
            reason=outcome.reason,
            detail=outcome.detail,
            seconds=round(outcome.seconds, 6),
        )
        return self.store.record(state, outcome)

    def _saw_tick(self, late: float) -> None:
        self.vitals.saw_loop_lag(late)
        if late > GAP:
            log.warning("stood_still", seconds=round(late, 3))
            self.store.note(STOOD_STILL, f"prober was paused for {took(late)}")
        self._tidier.tidy()


def log_transition(event: Event) -> None:
    """Log a change of a check's status, or of the certificate of its target."""
    if event.kind == CERTIFICATE_CHANGED:
        about = {"monitor": event.monitor, "pool": event.pool, "backend": event.backend}
        log.info("certificate_changed", **about, cause=event.cause)
    if event.kind != TRANSITION:
        return
    log.info(
        "status_changed",
        monitor=event.monitor,
        pool=event.pool,
        backend=event.backend,
        **{"from": event.before, "to": event.after},
        result=event.reason.result if event.reason else None,
        reason=event.reason,
        streak=event.streak,
        cause=event.cause,
    )


def _report_bug(error: Exception, target: Target) -> None:
    log.error("internal_error", target=str(target), exc_info=error)
