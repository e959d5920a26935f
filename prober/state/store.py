"""The states of all checks, found by (monitor, backend), and their counters."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from sys import intern
from typing import TYPE_CHECKING

from prober.model.aggregate import backend_status, load_balancer_status, pool_status
from prober.model.ballot import PastChange
from prober.model.fact import remembered
from prober.model.health import DEGRADED, PENDING, Health, advance, degrade, status_of
from prober.model.monitor import Check, Model, Monitor
from prober.model.pool import Backend, Pool
from prober.model.status import FactValue, Outcome, Reason, Status
from prober.state.admin_states import AdminStates
from prober.state.certificates import change, seen
from prober.state.check_state import BackendState, CheckState, Key, MonitorCounters
from prober.state.cloud_objects import CloudObjects
from prober.state.events import CERTIFICATE_CHANGED, TRANSITION, Event, EventLog
from prober.state.history import History
from prober.state.journal import REFRESH_SECONDS, Journal, Saved

if TYPE_CHECKING:
    from prober.model.ballot import Ballot
    from prober.model.maintenance import MaintenanceWindow


class Store:
    """The state of every check. Nothing here awaits, so nothing needs a lock.

    `wall` returns unix time; `awake` returns monotonic time without pauses of the process, so that
    a stopped process makes nothing stale. `monitors` and `pools` are those of the model, by name.
    A `journal` stores the states, a `history` stores the results; `saved` is what an earlier
    process has stored. `touched_pools` are the names of pools whose summary may have changed.
    `mine` are the checks that are probed here; None: all.
    """

    def __init__(
        self,
        *,
        wall: Callable[[], float],
        awake: Callable[[], float],
        journal: Journal | None = None,
        saved: Saved | None = None,
        history: History | None = None,
    ) -> None:
        self._journal = journal
        self._history = history
        self._saved = saved or Saved(0.0, {}, [])
        self.admin = AdminStates(
            wall=wall, note=self.note, saved=self._saved.admin, journal=journal
        )
        self.cloud_objects = CloudObjects(
            wall=wall, saved=self._saved.cloud_objects, journal=journal
        )
        self.model = Model()
        self.monitors: dict[str, Monitor] = {}
        self.pools: dict[str, Pool] = {}
        self._monitors_of: dict[str, list[str]] = {}
        self.events = EventLog()
        self.counters: dict[str, MonitorCounters] = {}
        self.local_errors: Counter[Reason] = Counter()
        self._wall = wall
        self._awake = awake
        self.touched_pools: set[str] = set()
        self.mine: Collection[Key] | None = None
        self._pools_touched: Callable[[], None] = lambda: None
        self._saw_local_error: Callable[[Reason], None] = lambda _: None
        self._states: dict[Key, CheckState] = {}
        self._order: list[Key] | None = []
        self.events.restore(self._saved.events, self._saved.last_event)
        if journal is not None:
            self.events.follow(journal.add_event)
        self.admin.follow(lambda: self._touch(*self.pools))

    def __len__(self) -> int:
        return len(self._states)

    def __iter__(self) -> Iterator[CheckState]:
        return iter(self._states.values())

    def renew(self, check: Check) -> None:
        """Hold on to a check's newest equal, as the old one keeps all of its old pool alive."""
        if state := self._states.get(check.key):
            state.check = check

    def get(self, key: Key) -> CheckState | None:
        """Return the state of a check, or None."""
        return self._states.get(key)

    def votes(self, key: Key) -> "Sequence[Ballot] | None":  # noqa: ARG002  (for a cluster)
        """Return the votes on a check of a cluster; None: there is no cluster."""
        return None

    def own_status(self, state: CheckState) -> Status:
        """Return the status that this vantage gives to a check."""
        return state.status

    def is_first(self, key: Key) -> bool:  # noqa: ARG002  (for a cluster)
        """Return whether this is the first vantage of a check, which speaks for all of them."""
        return True

    def keys(self) -> Sequence[Key]:
        """Return the keys of all checks in order; sorts them only after changes."""
        if self._order is None:
            self._order = sorted(self._states)
        return self._order

    def adopt(self, model: Model, maintenance: "Iterable[MaintenanceWindow]" = ()) -> None:
        """Switch to a new model and its maintenance; checks are added and removed one by one."""
        self._touch(*self.pools, *(pool.name for pool in model.pools))
        self.cloud_objects.adopt(self.model, model)
        self.model = model
        self.monitors = {monitor.name: monitor for monitor in model.monitors}
        self.pools = {pool.name: pool for pool in model.pools}
        self._monitors_of = {}
        for monitor in model.monitors:
            self._monitors_of.setdefault(monitor.pool_name, []).append(monitor.name)
        self.admin.adopt(model, maintenance)

    def add(self, check: Check) -> CheckState:
        """Start to keep the state of a check; existing state under its key is kept.

        A changed check keeps its health until new results change it.
        """
        self._touch(check.pool.name)
        state = self._states.get(check.key)
        if state is None:
            counters = self._counters_of(check.monitor)
            counters.checks += 1
            state = CheckState(check, counters, at=self._wall(), now=self._awake())
            self._states[check.key] = state
            self._order = None
            self._restore(state)
            if self._history is not None:
                state.running = self._history.follow(check.key, state.status, check.pool.name)
            self.excuse(state)
            return state
        if not (state.check.enabled and check.enabled):
            state.health, state.degraded = PENDING, False
        if self._history is not None and state.running is not None:
            self._history.move(state.running, check.pool.name)
        state.check = check
        state.label_text = None
        state.counters.kind = check.monitor.type
        state.recent.remember(remembered(check.monitor.probe.facts))
        if not state.is_stale:
            state.conclusive_at = self._awake()
        self._settle(state, None, self._awake(), "the configuration changed")
        return state

    def _restore(self, state: CheckState) -> None:
        """Restore a check's state from an earlier process, if it is not too old."""
        key = state.check.key
        saved = self._saved.checks.pop(key, None)
        if saved is None:
            return
        state.certificates = saved.certificates
        now, stale_after = self._wall(), state.check.monitor.stale_after
        age = now - self._saved.alive_at
        if saved.last is None or saved.last.at <= now + stale_after:
            state.last = saved.last
        if age < -stale_after:  # by a clock that was ahead: nobody knows how old it is
            if saved.status is not Status.UNKNOWN:
                self._tell(state, saved.status, "stored at a time that is still to come")
            return
        age = max(0.0, age)
        if age <= stale_after:
            state.health, state.status = saved.health, saved.status
            state.since, state.degraded = min(saved.since, now), saved.degraded
            if not state.check.enabled:
                state.health, state.degraded = PENDING, False
            state.conclusive_at -= age
            if state.is_stale:
                state.conclusive_at -= stale_after + 1
            self._settle(state, None, self._awake(), "the configuration changed")
        elif saved.status is not Status.UNKNOWN:
            self._tell(state, saved.status, f"not probed for {age:.0f} s, prober was not running")

    def _is_worth_saving(self, state: CheckState, at: float) -> bool:
        """Return whether the streak can still decide something, or was last stored long ago."""
        monitor = state.check.monitor
        streak = state.health.streak
        if -monitor.fall <= streak <= monitor.rise or at - state.saved_at > REFRESH_SECONDS:
            state.saved_at = at
            return True
        return False

    def forget_the_absent(self) -> None:
        """Delete the stored states of checks that are no longer configured."""
        if self._journal is not None:
            for key in self._saved.checks:
                self._journal.forget(key)
        self._saved.checks.clear()

    def save_all(self) -> None:
        """Store every check again."""
        if self._journal is not None:
            for key, state in self._states.items():
                self._journal.saw(key, state)
        self.admin.save_all()
        self.cloud_objects.save_all()
        if self._history is not None:
            self._history.save_all()

    def _touch(self, *pools: str) -> None:
        """Note that the summaries of these pools may have changed."""
        was_empty = not self.touched_pools
        self.touched_pools.update(pools)
        if was_empty and pools:
            self._pools_touched()

    def when_pools_touched(self, call: Callable[[], None]) -> None:
        """Call this, and nothing else, when there are touched pools again."""
        self._pools_touched = call

    def when_local_error(self, call: Callable[[Reason], None]) -> None:
        """Call this with the reason of each result that proves nothing."""
        self._saw_local_error = call

    def note(
        self, kind: str, cause: str, *, monitor: str | None = None, pool: str | None = None
    ) -> None:
        """Add an event that is not about a check, but possibly about a monitor or a pool."""
        self.events.note(kind, cause, at=self._wall(), monitor=monitor, pool=pool)

    def _counters_of(self, monitor: Monitor) -> MonitorCounters:
        return self.counters.setdefault(monitor.name, MonitorCounters(monitor.type))

    def excuse(self, state: CheckState) -> None:
        """Count time of a check as maintenance in its history if its admin state says so."""
        if self._history is not None and state.running is not None:
            admin = self.admin.of_check(state.check)
            self._history.excuse(
                state.running, excused=admin is not None and not admin.state.counts
            )

    def remove(self, key: Key) -> None:
        """Forget a check; the counters of a monitor go with its last check."""
        state = self._states.pop(key)
        self._touch(state.check.pool.name)
        self._order = None
        if self._journal is not None:
            self._journal.forget(key)
        if self._history is not None and state.running is not None:
            self._history.leave(state.running)
        state.counters.checks -= 1
        if not state.counters.checks:
            del self.counters[key[0]]

    def record(self, state: CheckState, outcome: Outcome) -> Health:
        """Record one completed probe and return the resulting health."""
        monitor = state.check.monitor
        if monitor.slow or monitor.tls:
            outcome = degrade(
                outcome, slow=monitor.slow, tls=monitor.tls, slow_by=monitor.probe.slow_by
            )
        reason = outcome.reason
        state.last = outcome
        state.recent.add(outcome)
        state.counters.count(outcome)
        now = self._awake()
        if self._history is not None and state.running is not None:
            self._history.count(state.running, reason, outcome.seconds, now)
        if reason.is_conclusive:
            state.conclusive_at = now
            state.health = advance(
                state.health, reason.result, rise=monitor.rise, fall=monitor.fall
            )
            if reason.is_good:
                state.degraded = reason in DEGRADED
        else:
            self.local_errors[reason] += 1
            self._saw_local_error(reason)
        changed = self._settle(state, outcome, now)
        if monitor.tls and reason.is_good and outcome.facts:
            self._see_certificate(state, outcome.facts)
        if self._journal is not None and (changed or self._is_worth_saving(state, outcome.at)):
            self._journal.saw(state.check.key, state)
        return state.health

    def _see_certificate(self, state: CheckState, facts: Mapping[str, FactValue]) -> None:
        """Note it if the target shows a certificate that is not known yet."""
        known, now = state.certificates, seen(state.certificates, facts)
        if now is known:
            return
        state.certificates = now
        if self._journal is not None:
            self._journal.saw(state.check.key, state)
        if known:
            self._add_event(state, CERTIFICATE_CHANGED, self._wall(), change(known, facts))

    def review(self, state: CheckState) -> None:
        """Check whether a check that waits for its turn has become stale."""
        self._settle(state, None, self._awake(), "waiting for its turn")

    def _settle(
        self, state: CheckState, outcome: Outcome | None, now: float, cause: str = ""
    ) -> bool:
        """Update the status after an outcome or another cause; return whether it is new."""
        status = status_of(
            state.health,
            degraded=state.degraded,
            stale=now - state.conclusive_at > state.stale_after,
            enabled=state.check.enabled,
        )
        before = state.status
        if status is before:
            return False
        state.status, state.since = status, self._wall()
        if self._history is not None and state.running is not None:
            self._history.turn_status(state.running, status)
        state.counters.transitions[status] += 1
        self._tell(state, before, cause or _cause(state, outcome))
        return True

    def _tell(self, state: CheckState, before: Status, cause: str) -> PastChange:
        """Add the event about the change of a status that was made here, and return the change."""
        reason = state.last.reason if state.last else None
        if not state.check.enabled:
            reason = Reason.DISABLED
        streak = state.health.streak
        told = PastChange(state.since, before, state.status, reason, streak, cause)
        self._touch(state.check.pool.name)
        self._add_event(state, TRANSITION, told.at, cause, told)
        if self._journal is not None:
            self._journal.saw(state.check.key, state)
        return told

    def _add_event(
        self,
        state: CheckState,
        kind: str,
        at: float,
        cause: str,
        told: PastChange | None = None,
    ) -> None:
        """Add an event about a check; `told` is the change of its status, if it is one."""
        monitor, backend = state.check.key
        event = Event(
            id=self.events.last_id + 1,
            at=at,
            kind=kind,
            monitor=monitor,
            pool=state.check.pool.name,
            backend=backend,
            before=told.before if told else None,
            after=told.after if told else None,
            reason=told.reason if told else None,
            streak=told.streak if told else None,
            cause=cause,
        )
        self.events.add(event)

    def monitors_of(self, pool: Pool) -> list[Monitor]:
        """Return the monitors of a pool, in the order of the configuration."""
        return [self.monitors[name] for name in self._monitors_of.get(pool.name, ())]

    def checks_of(self, pool: Pool, backend: Backend) -> list[CheckState]:
        """Return the states of all checks of a backend of a pool."""
        return self._found(self._monitors_of.get(pool.name, ()), backend.key)

    def _found(self, monitors: Iterable[str], backend: str) -> list[CheckState]:
        states = self._states
        return [state for name in monitors if (state := states.get((name, backend)))]

    def backend_states(self, pool: Pool) -> Iterator[BackendState]:
        """Yield the state of each backend of a pool, one at a time so that a caller can pause."""
        monitors = self._monitors_of.get(pool.name, ())
        for backend in pool.backends:
            key = backend.key
            checks = self._found(monitors, key)
            counted = [state.status for state in checks if state.check.enabled]
            admin = self.admin.of_backend(pool, key, monitors)
            yield BackendState(key, backend, checks, backend_status(counted), admin)

    def statuses(self) -> "Statuses":
        """Return the current statuses of all backends, pools and load balancers."""
        statuses = Statuses()
        for pool, backend_state in statuses.gather(self):
            statuses.backends[pool.name, backend_state.key] = backend_state.status
        return statuses


def _cause(state: CheckState, outcome: Outcome | None) -> str:
    """Return the cause of the change: how many results in a row, and the last of them."""
    streak = state.health.streak
    last = f"{outcome.result} ({outcome.reason}): {outcome.detail}" if outcome else "none"
    if state.status is Status.UNKNOWN:
        return f"no conclusive result for {state.stale_after:g} s, last {last}"
    word = "good" if streak > 0 else "bad"
    return intern(f"{abs(streak)} {word} in a row, last {last}")  # after a start, most are equal


class Statuses:
    """The aggregates: by (pool, backend key), by pool, by load balancer.

    `counts` has, for each pool, the number of its enabled checks by status.
    """

    def __init__(self) -> None:
        self.backends: dict[tuple[str, str], Status] = {}
        self.pools: dict[str, Status] = {}
        self.load_balancers: dict[str, Status] = {}
        self.counts: dict[str, Counter[Status]] = {}

    def gather(self, store: Store) -> Iterator[tuple[Pool, BackendState]]:
        """Compute them, one backend at a time so that the caller can pause.

        Yields the backends, which may be many, instead of keeping them.
        """
        members: dict[str, list[Status]] = {}
        for pool in store.model.pools:
            counts = self.counts[pool.name] = Counter()
            statuses = []
            for backend_state in store.backend_states(pool):
                if backend_state.counts:
                    statuses.append(backend_state.status)
                for state in backend_state.checks:
                    if state.check.enabled:
                        counts[state.status] += 1
                yield pool, backend_state
            self.pools[pool.name] = pool_status(statuses)
            known = members.setdefault(pool.load_balancer, [])
            if statuses or not pool.backends:  # a pool that is all in maintenance has no status
                known.append(self.pools[pool.name])
        for name, found in members.items():
            self.load_balancers[name] = load_balancer_status(found)
