"""Admin states: what operators set, and open maintenance windows of the configuration."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Protocol

from prober.model.admin import (
    BACKENDS,
    MONITORS,
    POOLS,
    AdminEntry,
    AdminKey,
    AdminState,
    admin_of_backend,
)
from prober.model.monitor import Check, Model
from prober.model.pool import Pool

if TYPE_CHECKING:
    from prober.model.maintenance import MaintenanceWindow

SET, ENDED = "admin_state_set", "admin_state_ended"
"""The events about admin states."""
WINDOW = "configuration"
"""The setter of a state that comes from a maintenance window of the configuration."""


class AdminJournal(Protocol):
    """Stores admin states."""

    def keep_admin(self, key: AdminKey, entry: AdminEntry | None) -> None:
        """Store a state; None deletes it."""


class AdminStates:
    """The admin states, by what they apply to.

    Args:
        wall: Unix time.
        note: Receives the kind of an event, its cause, and what it is about.
        saved: The states of an earlier process.
        journal: Stores states; None: they end with the process.

    A state that was set takes precedence over a maintenance window of the configuration.
    """

    def __init__(
        self,
        *,
        wall: Callable[[], float],
        note: Callable[..., None],
        saved: Mapping[AdminKey, AdminEntry] | None = None,
        journal: AdminJournal | None = None,
    ) -> None:
        self._wall = wall
        self._note = note
        self._journal = journal
        self._set = dict(saved or {})
        self._open: dict[AdminKey, AdminEntry] = {}
        self._windows: tuple[MaintenanceWindow, ...] = ()
        self._model = Model()
        self._followers: list[Callable[[], None]] = []
        self._tell_others: Callable[[AdminKey, AdminEntry | None], None] = lambda *_: None
        self._entries: dict[AdminKey, AdminEntry] = dict(self._set)

    @property
    def entries(self) -> Mapping[AdminKey, AdminEntry]:
        """All states that apply now."""
        return self._entries

    @property
    def put_here(self) -> Mapping[AdminKey, AdminEntry]:
        """The states that were set, without those of the configuration."""
        return self._set

    def share(self, tell_others: Callable[[AdminKey, AdminEntry | None], None]) -> None:
        """Call `tell_others` with each state that is set here, and None for one that is ended."""
        self._tell_others = tell_others

    def follow(self, follower: Callable[[], None]) -> None:
        """Call `follower` whenever a state starts or ends."""
        self._followers.append(follower)

    def of_backend(self, pool: Pool, backend: str, monitors: Iterable[str]) -> AdminEntry | None:
        """Return the state of a backend of a pool; `monitors` are those that probe it."""
        if not self._entries:
            return None
        return admin_of_backend(self._entries, pool.name, backend, monitors)

    def of_check(self, check: Check) -> AdminEntry | None:
        """Return the state that applies to a check: its backend's, its pool's or its monitor's."""
        return self.of_backend(check.pool, check.backend.key, (check.monitor.name,))

    def put(self, key: AdminKey, entry: AdminEntry) -> None:
        """Set a state, replacing any other."""
        self._tell_others(key, entry)
        self._put(key, entry)

    def _put(self, key: AdminKey, entry: AdminEntry) -> None:
        self._set[key] = entry
        if self._journal is not None:
            self._journal.keep_admin(key, entry)
        why = f": {entry.reason}" if entry.reason else ""
        self._tell(SET, key, f"{_words(key)} is set to {entry.state} by {entry.by}{why}")
        self._renew()

    def is_set(self, key: AdminKey) -> bool:
        """Return whether a state was set, and does not come from the configuration alone."""
        return key in self._set

    def clear(self, key: AdminKey, *, by: str) -> bool:
        """End a state that was set; return whether there was one."""
        if key not in self._set:
            return False
        self._tell_others(key, None)
        self._clear(key, f"ended by {by}")
        return True

    def _clear(self, key: AdminKey, how: str) -> None:
        entry = self._set[key]
        self._drop(key)
        self._tell(ENDED, key, f"{_words(key)}: {entry.state} {how}")
        self._renew()

    def learn(self, key: AdminKey, entry: AdminEntry | None) -> None:
        """Apply a state that was set through another member; None: it was ended there.

        A state of what is not configured here has no effect.
        """
        before, now = self._set.get(key), self._wall()
        if entry is None:
            if before is not None:
                self._clear(key, "ended through another member")
        elif entry != before and (entry.until is None or entry.until > now) and self.has(key):
            self._put(key, entry)

    def adopt(self, model: Model, windows: "Iterable[MaintenanceWindow]") -> None:
        """Switch to another configuration; forget states of what is no longer in it."""
        self._model, self._windows = model, tuple(windows)
        names = set(self._names())
        for key in [key for key in self._set if key not in names]:
            self._drop(key)
        self.tick()
        self._renew()

    def tick(self) -> None:
        """End what has expired, open and close windows; call this about every second."""
        now = self._wall()
        over = [key for key, each in self._set.items() if each.until is not None]
        over = [key for key in over if (self._set[key].until or now) <= now]
        for key in over:
            entry = self._set[key]
            self._drop(key)
            self._tell(ENDED, key, f"{_words(key)}: {entry.state} expired")
        before, self._open = self._open, self._windows_at(now)
        for key in self._open.keys() - before.keys():
            why = self._open[key].reason
            cause = f"{_words(key)} is in maintenance, set in the configuration"
            self._tell(SET, key, f"{cause}: {why}" if why else cause)
        for key in before.keys() - self._open.keys():
            self._tell(ENDED, key, f"{_words(key)}: maintenance set in the configuration ended")
        if over or before.keys() != self._open.keys():
            self._renew()

    def save_all(self) -> None:
        """Store every state again."""
        if self._journal is not None:
            for key, entry in self._set.items():
                self._journal.keep_admin(key, entry)

    def has(self, key: AdminKey) -> bool:
        """Return whether the configuration contains what a state would apply to."""
        return key in set(self._names())

    def _names(self) -> Iterator[AdminKey]:
        for monitor in self._model.monitors:
            yield MONITORS, monitor.name
        for pool in self._model.pools:
            yield POOLS, pool.name
            for backend in pool.backends:
                yield BACKENDS, backend.key
                yield BACKENDS, f"{pool.name}/{backend.key}"

    def _windows_at(self, now: float) -> dict[AdminKey, AdminEntry]:
        found: dict[AdminKey, AdminEntry] = {}
        for window in self._windows:
            if not window.covers(now):
                continue
            before = self._open
            entry = AdminEntry(
                AdminState.MAINTENANCE, window.ends_at(now), window.reason, WINDOW, now
            )
            for kind, patterns in (
                (POOLS, window.pools),
                (MONITORS, window.monitors),
                (BACKENDS, window.backends),
            ):
                names = (name for each, name in self._names() if each == kind) if patterns else ()
                for name in selected(names, patterns):
                    known = before.get((kind, name))
                    found[kind, name] = entry._replace(at=known.at if known else now)
        return found

    def _drop(self, key: AdminKey) -> None:
        del self._set[key]
        if self._journal is not None:
            self._journal.keep_admin(key, None)

    def _renew(self) -> None:
        self._entries = {**self._open, **self._set}
        for follower in tuple(self._followers):
            follower()

    def _tell(self, kind: str, key: AdminKey, cause: str) -> None:
        sort, name = key
        pool = name if sort == POOLS else name.rpartition("/")[0] if sort == BACKENDS else None
        self._note(kind, cause, pool=pool or None, monitor=name if sort == MONITORS else None)


def _words(key: AdminKey) -> str:
    kind, name = key
    return f"{kind.removesuffix('s')} {name}"


def selected(names: Iterable[str], patterns: Iterable[str]) -> list[str]:
    """Return the names that one of the patterns matches."""
    wanted = list(patterns)
    return [name for name in names if any(fnmatchcase(name, each) for each in wanted)]
