"""What survives the process: the database in the state directory, written every second.

SQLite is imported only if there is a state directory.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from prober.files.bounded import BOUNDED, BoundedCalls
from prober.state.archive import Retention
from prober.state.credible_clock import DAY, CredibleClock
from prober.state.history import History
from prober.state.journal import Journal, Saved, read_saved
from prober.state.state_errors import InUseError, StateUnusableError
from prober.state.vitals import Vitals

if TYPE_CHECKING:
    from prober.state.database import Database

log = structlog.get_logger()

OPEN_SECONDS = 15.0
"""Seconds for the database to open; one of an earlier version may need some to be converted."""
_OPENING = BoundedCalls(OPEN_SECONDS)


class StateDirectory:
    """The state directory, if there is one; `saved` is what an earlier process left.

    Args:
        path: Where it is; None: nothing outlives the process, and there is no journal or history.
        loop: The event loop that everything runs in.
        wall: Unix time.
        awake: A monotonic clock without pauses of the process.
        retention: How long the history is kept.
        vitals: Where errors are counted, by reason, and what keeps the state from being written.

    A directory that cannot be used at the start is used as soon as it can be; until then, the state
    is in memory only.

    Raises:
        InUseError: Another prober uses the directory.
    """

    def __init__(
        self,
        path: str | None,
        *,
        loop: asyncio.AbstractEventLoop,
        wall: Callable[[], float],
        awake: Callable[[], float],
        retention: Retention,
        vitals: Vitals,
    ) -> None:
        self._loop = loop
        self._vitals = vitals
        self._savers: list[Callable[[], None]] = []
        self._saving: asyncio.TimerHandle | None = None
        self.saved = Saved(0.0, {}, [])
        self.journal: Journal | None = None
        self.history: History | None = None
        self._database: Database | None = None
        self._clock: CredibleClock | None = None
        self._doubts = False
        if path is None:
            return
        self._database = database = self._open(path)
        try:
            known = BOUNDED.call(path, database.is_known)
        except OSError:
            known = False
        base = 0 if known else int(wall())  # numbers that no earlier process can have used
        self.saved = read_saved(database) if known else self.saved._replace(last_event=1000 * base)
        if not known:
            self._report("unread", "what is stored already has no effect before a restart")
        clock = CredibleClock(self.saved.credible_at if known else 0.0, wall=wall, awake=awake)
        self._clock = clock if known else None
        credible = clock.credible if known else lambda: 0.0  # it must not replace what is known
        self.journal = Journal(database, wall=wall, credible=credible)
        self.history = History(
            database,
            wall=wall,
            awake=awake,
            retention=retention,
            base=base,
            credible=clock.for_ages,
        )

    def _watch_clock(self) -> None:
        """Report when the wall clock becomes incredible or credible."""
        if self._clock is None or bool(self._clock.leap) is self._doubts:
            return
        self._doubts = not self._doubts
        if self._doubts:
            days = self._clock.leap / DAY
            away = f"{abs(days):.1f} days {'ahead of' if days > 0 else 'behind'}"
            detail = f"the clock is {away} the last credible time"
            log.warning("clock_doubted", detail=f"{detail}; nothing is deleted for its age")
        else:
            log.info("clock_believed")

    def _open(self, path: str) -> "Database":
        import sqlite3

        from prober.state.database import Database

        given_up = threading.Event()

        def opened() -> Database:
            database = Database(path, report=self._report, lost=self._lost)
            if given_up.is_set():
                database.close()
            return database

        try:
            return _OPENING.call(path, opened)
        except InUseError:
            raise
        except (StateUnusableError, OSError, sqlite3.Error) as error:
            given_up.set()
            why = f"{path}: {error.strerror}" if isinstance(error, OSError) else str(error)
            self._report("unusable", f"{why}; the state is in memory only until it can be written")
            return Database(path, report=self._report, lost=self._lost, later=True)

    def on_loss(self, save_all: Callable[[], None]) -> None:
        """Call `save_all` when the file was lost, to store a part of the state again."""
        self._savers.append(save_all)

    def begin(self) -> None:
        """Write changes every second from now on."""
        if self._database is not None:
            from prober.state.database import FLUSH_SECONDS

            self._saving = self._loop.call_later(FLUSH_SECONDS, self._save)

    def close(self) -> None:
        """Write the rest."""
        if self._saving is not None:
            self._saving.cancel()
        if self.journal is not None and self.history is not None:
            self.journal.flush()
            self.history.close()
        if self._database is not None:
            self._database.close()

    def _save(self) -> None:
        if self.journal is not None and self.history is not None:
            self.history.beat()
            self.journal.flush()
            self._watch_clock()
        self.begin()

    def _report(self, what: str, detail: str) -> None:
        if what == "recovered":
            self._vitals.state_trouble = None
            log.info("state_recovered", detail=detail)
            return
        if what == "restored":
            log.warning("state_restored", detail=detail)
            return
        if what == "open_to_others":
            log.warning("state_directory_open", detail=detail)
            return
        if what in ("unusable", "unwritable"):
            self._vitals.state_trouble = detail
        self._vitals.state_errors[what] += 1
        log.warning("state_error", reason=what, detail=detail)

    def _lost(self) -> None:
        self._loop.call_soon_threadsafe(self._save_all)

    def _save_all(self) -> None:
        for save_all in self._savers:
            save_all()
