"""The probing half of the daemon: what probes, what it finds, and the configuration of both."""

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from prober import __version__
from prober.config.changes import Changes
from prober.config.garbage import Tidier
from prober.config.reader import Config
from prober.daemon.local_checks import NAMED, unverifiable
from prober.engine.reactor import Engine
from prober.engine.resolver import Resolver
from prober.engine.scheduler import GAP, Scheduler
from prober.engine.target_policy import TargetPolicy
from prober.engine.ticker import Ticker
from prober.model.health import Health
from prober.model.monitor import Check
from prober.model.probe import Target
from prober.model.status import Outcome
from prober.model.wording import took
from prober.state.archive import Retention
from prober.state.database import FLUSH_SECONDS, Database
from prober.state.events import OVERLOAD_OVER, OVERLOADED, STOOD_STILL, TRANSITION, Event
from prober.state.history import History
from prober.state.journal import Journal, read_saved
from prober.state.last_known import LastKnown
from prober.state.own_troubles import OwnTroubles
from prober.state.pace import Pace
from prober.state.pool_watch import PoolWatch
from prober.state.store import CheckState, Key, Store
from prober.state.vitals import Vitals
from prober.web.server.services import PageSettings

if TYPE_CHECKING:
    from prober.blackbox.probe_service import ProbeService

log = structlog.get_logger()

MOST_ON_DEMAND = 64
"""Probes on demand under way at once; where descriptors are scarce, an eighth of all probes."""


class Prober:
    """The probing half: store, engine and scheduler, and the configuration they run with.

    Args:
        config: What to begin with.
        loop: The event loop that everything runs in.
        limit: Probes in flight at once.
        state_dir: Where the state outlives the process; None: it does not.

    `save_more` is called when all that is kept must be written anew, beside what this has itself.
    """

    def __init__(
        self,
        config: Config,
        *,
        loop: asyncio.AbstractEventLoop,
        limit: int,
        state_dir: str | None = None,
    ) -> None:
        self.config = config
        self._loop = loop
        self._tidier = Tidier(lambda: sum(self.vitals.schedule_lags.counts))
        self._looking: asyncio.TimerHandle | None = None
        self._unverifiable: list[str] = []
        self._ticker = Ticker(
            clock=time.monotonic, call_later=loop.call_later, saw_lag=self._saw_tick
        )
        self._engine = Engine(
            ticker=self._ticker,
            resolver=Resolver(clock=time.monotonic, soon=loop.call_soon_threadsafe),
            wall=time.time,
            report=_report_bug,
        )
        self.vitals = Vitals(
            name=socket.gethostname(),
            version=__version__,
            started_at=time.time(),
            config_hash=config.digest,
            config_loaded_at=time.time(),
            count_in_flight=lambda: self._engine.in_flight,
        )
        self.guard = TargetPolicy(config.server.api_targets)
        self.save_more: Callable[[], None] = lambda: None
        chatty = logging.getLogger().isEnabledFor(logging.DEBUG)
        self._database = self._open(state_dir) if state_dir else None
        self.journal = Journal(self._database, wall=time.time) if self._database else None
        self.history = self._history(config, self._database) if self._database else None
        saved = read_saved(self._database) if self._database else None
        self.saved_edits = saved.edits if saved else ()
        self.store = Store(
            wall=time.time,
            awake=self._ticker.awake,
            journal=self.journal,
            saved=saved,
            history=self.history,
        )
        self.known = LastKnown(
            self.store,
            wall=time.time,
            saved=saved.known if saved else None,
            journal=self.journal,
        )
        self.told = saved.told if saved else {}
        self.pools = PoolWatch(self.store, wall=time.time, history=self.history)
        troubles = OwnTroubles(
            self.store.note, clock=self._ticker.awake, call_later=loop.call_later
        )
        self.store.saw_local_error = troubles.saw
        self._scheduler: Scheduler[CheckState] = Scheduler(
            ticker=self._ticker,
            engine=self._engine,
            record=self._record_aloud if chatty else self.store.record,
            limit=limit,
            review=self.store.review,
            saw_lags=self.vitals.schedule_lags.observe_all,
            saw_starts=self.vitals.load.saw_starts,
            saw_skips=self.vitals.saw_skips,
            objection=self.guard.objection,
        )
        self.vitals.overdue = self._scheduler.overdue
        self.vitals.load.changed = self._load_changed

        self.on_demand = self._probe_on_demand(limit) if config.server.blackbox_modules else None

    @contextmanager
    def probing(self) -> Iterator[None]:
        """Probe as long as the context lasts; what is in flight at its end has no result."""
        self._loop.add_reader(self._engine.fileno(), self._scheduler.ready)
        with self.store.events.followed_by(_log_transition), self.pools.kept_fresh():
            self.store.adopt(self.config.model, self.config.maintenance)
            self._schedule(self.config.model.checks())
            self._tell_unverifiable()
            self.store.forget_the_absent()
            for _ in self.known.renew():
                pass
            self.store.note("started", f"prober {__version__} started")
            self._save_later()
            try:
                yield
            finally:
                self._loop.remove_reader(self._engine.fileno())
                self._ticker.stop()
                if self._looking is not None:
                    self._looking.cancel()
                self._engine.close()
                if self.on_demand is not None:
                    self.on_demand.close()
                self._close()

    def _open(self, state_dir: str) -> Database:
        def report(what: str, detail: str) -> None:
            if what == "recovered":
                log.info("state_recovered", detail=detail)
                return
            if what == "open_to_others":
                log.warning("state_directory_open", detail=detail)
                return
            self.vitals.state_errors[what] += 1
            log.warning("state_error", reason=what, detail=detail)

        def lost() -> None:
            self._loop.call_soon_threadsafe(self._save_all_again)

        return Database(state_dir, report=report, lost=lost)

    def _probe_on_demand(self, limit: int) -> "ProbeService":
        from prober.blackbox.probe_service import ProbeService  # noqa: PLC0415  (few want it)

        refused = self.config.modules.refused if self.config.modules else {}
        for module, why in refused.items():
            log.warning("module_refused", module=module, reason=why)
        most = min(MOST_ON_DEMAND, max(4, limit // 8))
        return ProbeService(
            self._engine,
            lambda: self.config.modules,
            most=most,
            objection=self.guard.objection,
        )

    def _history(self, config: Config, database: Database) -> History:
        return History(
            database,
            wall=time.time,
            awake=self._ticker.awake,
            retention=Retention(config.server.keep_history, config.server.keep_fine_history),
        )

    def _save_later(self) -> None:
        """Write down what changed in a second; not now, when nothing has been probed yet."""
        if self.journal is not None:
            self._saving = self._loop.call_later(FLUSH_SECONDS, self._save)

    def _save(self) -> None:
        if self.journal is not None and self.history is not None:
            self.history.beat()
            self.journal.flush()
        self._save_later()

    def _save_all_again(self) -> None:
        self.store.save_all()
        self.save_more()

    def _close(self) -> None:
        if self.journal is not None and self._database is not None:
            self._saving.cancel()
            self.store.save_all()
            self.journal.flush()
            self._database.close()

    def probe_now(self, key: Key, tell: Callable[[], None]) -> float | None:
        """Let a check be probed now; see `Scheduler.probe_now`."""
        return self._scheduler.probe_now(key, tell)

    def page(self) -> PageSettings:
        """Return how the page is to show itself."""
        return PageSettings(self.config.page.title, self.config.page.public)

    async def apply(self, config: Config, difference: Changes, *, reread: bool = True) -> None:
        """Take over a new configuration, touching only what it changes, a slice at a time.

        `reread` tells whether it was read anew; then the files of TLS settings are as well.
        What is new comes before what goes, so that a monitor whose last check is replaced keeps
        its counters.
        """
        pace = Pace()
        self.config = config
        self.guard.rules = config.server.api_targets
        self.store.adopt(config.model, config.maintenance)
        if reread:
            self._engine.reread()
        self._tell_unverifiable()
        fresh = [*difference.added, *(new for _, new in difference.changed)]
        for check in fresh:
            self._schedule([check], among=len(fresh))
            await pace.pause()
        for check in difference.unchanged:
            if state := self.store.get(check.key):
                state.check = check  # an equal, but the old one keeps all of its old pool alive
                self._scheduler.renew(check)
            await pace.pause()
        for check in difference.removed:
            self._scheduler.remove(check.key)
            self.store.remove(check.key)
            await pace.pause()
        for _ in self.known.renew():
            await pace.pause()

    def _tell_unverifiable(self) -> None:
        """Log what cannot verify certificates for want of a trust store, if that is news."""
        found = unverifiable(self.config)
        if found and found != self._unverifiable:
            hint = "install this host's root certificates (ca-certificates), or set ca_file"
            log.warning("no_trust_store", needed_by=found[:NAMED], count=len(found), hint=hint)
        self._unverifiable = found

    def _schedule(self, checks: Iterable[Check], *, among: int = 0) -> None:
        states = [self.store.add(check) for check in checks]
        self._scheduler.add(((state.check, state, state.health) for state in states), among=among)

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
            self.store.note(STOOD_STILL, f"prober stood still for {took(late)}")
        self._tidier.tidy()

    def _load_changed(self) -> None:
        """Say that an overload began or ended."""
        overload = self.vitals.load.overload
        if overload is None:
            log.info("overload_over")
            self.store.note(OVERLOAD_OVER, "probes start on time again")
            return
        log.warning(
            "overloaded",
            late_share=round(overload.share, 3),
            cause=overload.cause,
            meaning=overload.cause.sentence,
            probes_in_flight=self.vitals.probes_in_flight,
        )
        self.store.note(OVERLOADED, overload.sentence)
        self._look_for_relief()

    def _look_for_relief(self) -> None:
        """See every second whether the overload is over, even if nothing is due any more."""
        if self._looking is not None:
            self._looking.cancel()  # that of an overload which has come back already
        self.vitals.load.review(self._ticker.clock())
        if self.vitals.load.overload is not None:
            self._looking = self._loop.call_later(1.0, self._look_for_relief)


def _log_transition(event: Event) -> None:
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
