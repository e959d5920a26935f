"""The last known status of every backend: reported to others while a check is inconclusive."""

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from prober.model.aggregate import pool_status
from prober.model.known_status import (
    CheckStatus,
    JudgedCheck,
    KnownStatus,
    NewCertificate,
    ServedBackend,
    ServedPool,
    known_status,
)
from prober.model.pool import Backend, Pool
from prober.model.status import Status
from prober.state.certificates import last_change
from prober.state.check_state import CheckState
from prober.state.events import CERTIFICATE_CHANGED, TRANSITION, Event
from prober.state.store import Store

Key = tuple[str, str]


class KnownJournal(Protocol):
    """Stores known statuses."""

    def knew(self, key: Key, known: KnownStatus | None) -> None:
        """Store the known status of a backend of a pool; None deletes it."""


class LastKnown:
    """Follows the store, and remembers the known status of each backend.

    Args:
        store: The states of all checks.
        wall: Unix time.
        saved: The known statuses of an earlier process, by pool and `address:port`.
        journal: Stores known statuses; None: they end with the process.
    """

    def __init__(
        self,
        store: Store,
        *,
        wall: Callable[[], float],
        saved: Mapping[Key, KnownStatus] | None = None,
        journal: KnownJournal | None = None,
    ) -> None:
        self._store = store
        self._wall = wall
        self._known = dict(saved or {})
        self._journal = journal
        self._followers: list[Callable[[str], None]] = []
        store.events.follow(self._saw)
        store.admin.follow(self._tell_all)

    def follow(self, follower: Callable[[str], None]) -> Callable[[], None]:
        """Call `follower` with each pool that may have changed; return a function that stops it."""
        self._followers.append(follower)
        return lambda: self._followers.remove(follower)

    def of(self, pool: Pool, backend: Backend) -> KnownStatus | None:
        """Return the known status of a backend, or None if it never had a conclusive one."""
        key = (pool.name, backend.key)
        before = self._known.get(key)
        known = known_status(self._checks(pool, backend), before, now=self._wall())
        if known is not None and known != before:
            self._known[key] = known
            if self._journal is not None:
                self._journal.knew(key, known)
        return known

    def served(self, name: str) -> ServedPool | None:
        """Return a pool as reported to others, or None if there is no pool with this name."""
        pool = self._store.pools.get(name)
        if pool is None:
            return None
        states = list(self._store.backend_states(pool))
        backends = tuple(
            ServedBackend(
                each.backend, self.of(pool, each.backend), each.admin.state if each.admin else None
            )
            for each in states
        )
        status = pool_status(each.status for each in states if each.counts)
        monitors = tuple(each.name for each in self._store.monitors_of(pool) if each.enabled)
        return ServedPool(name, pool.load_balancer, status, backends, monitors)

    def checks(self, name: str) -> Iterator[JudgedCheck]:
        """Yield the checks of a pool with several monitors, without those that prove nothing.

        If there is one monitor only, the statuses of the backends say all of it. What an operator
        decided about is left out.
        """
        pool = self._store.pools.get(name)
        if pool is None or sum(each.enabled for each in self._store.monitors_of(pool)) < 2:
            return
        for backend in pool.backends:
            for state in self._store.checks_of(pool, backend):
                if self._is_decided(state) or state.status is Status.UNKNOWN:
                    continue
                last, is_good = state.last, state.status is Status.OK
                yield JudgedCheck(
                    state.check.monitor.name,
                    backend.key,
                    state.status,
                    last.reason if last and not is_good else None,
                    last.detail if last and not is_good else "",
                    state.since,
                )

    def certificates(self, name: str) -> Iterator[NewCertificate]:
        """Yield the last change of certificate of each check of a pool, if any.

        What an operator decided about is left out.
        """
        pool = self._store.pools.get(name)
        if pool is None:
            return
        for backend in pool.backends:
            for state in self._store.checks_of(pool, backend):
                if state.check.monitor.tls and not self._is_decided(state):
                    facts = state.last.facts if state.last else None
                    changed = last_change(state.certificates, facts or {})
                    yield NewCertificate(*state.check.key, *changed)

    def renew(self) -> Iterator[None]:
        """Look at every backend, one per step, and forget those that are no longer configured.

        Call this after a new configuration is in force.
        """
        configured = set()
        for pool in self._store.model.pools:
            for backend in pool.backends:
                configured.add((pool.name, backend.key))
                self.of(pool, backend)
                yield
        for key in self._known.keys() - configured:
            del self._known[key]
            if self._journal is not None:
                self._journal.knew(key, None)
        self._tell_all()

    def save_all(self) -> None:
        """Write everything again."""
        if self._journal is not None:
            for key, known in self._known.items():
                self._journal.knew(key, known)

    def _is_decided(self, state: CheckState) -> bool:
        """Return whether an operator decided about a check, or disabled it."""
        return not state.check.enabled or self._store.admin.of_check(state.check) is not None

    def _checks(self, pool: Pool, backend: Backend) -> Iterator[CheckStatus]:
        for state in self._store.checks_of(pool, backend):
            if state.check.enabled:
                last = state.last
                reason, detail = (last.reason, last.detail) if last else (None, "")
                yield CheckStatus(state.status, state.health, reason, detail)

    def _saw(self, event: Event) -> None:
        if event.kind == CERTIFICATE_CHANGED and event.pool is not None:
            self._tell(event.pool)
        if event.kind != TRANSITION or event.pool is None or event.monitor is None:
            return
        state = self._store.get((event.monitor, event.backend or ""))
        if state is not None:
            self.of(state.check.pool, state.check.backend)
            self._tell(event.pool)

    def _tell_all(self) -> None:
        for pool in self._store.model.pools:
            self._tell(pool.name)

    def _tell(self, pool: str) -> None:
        for follower in tuple(self._followers):
            follower(pool)
