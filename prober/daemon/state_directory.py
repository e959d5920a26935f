"""What survives the process: the database in the state directory, written every second."""

import asyncio
from collections import Counter
from collections.abc import Callable

import structlog

from prober.state.archive import Retention
from prober.state.database import FLUSH_SECONDS, Database, DiskFailedError
from prober.state.history import History
from prober.state.journal import Journal, Saved, read_saved

log = structlog.get_logger()


class StateDirectory:
    """The state directory, if there is one; `saved` is what an earlier process left.

    Args:
        path: Where it is; None: nothing outlives the process, and there is no journal or history.
        loop: The event loop that everything runs in.
        wall: Unix time.
        awake: A monotonic clock without pauses of the process.
        retention: How long the history is kept.
        errors: Where errors are counted, by reason.

    Raises:
        StateUnusableError: The directory cannot be used. One whose disk failed is reported, and the
            state is in memory only.
    """

    def __init__(
        self,
        path: str | None,
        *,
        loop: asyncio.AbstractEventLoop,
        wall: Callable[[], float],
        awake: Callable[[], float],
        retention: Retention,
        errors: Counter[str],
    ) -> None:
        self._loop = loop
        self._errors = errors
        self._savers: list[Callable[[], None]] = []
        self._saving: asyncio.TimerHandle | None = None
        self.saved = Saved(0.0, {}, [])
        self.journal: Journal | None = None
        self.history: History | None = None
        self._database: Database | None = None
        database = self._open(path) if path is not None else None
        if database is not None:
            self._database = database
            self.journal = Journal(database, wall=wall)
            self.history = History(database, wall=wall, awake=awake, retention=retention)
            self.saved = read_saved(database)

    def _open(self, path: str) -> Database | None:
        try:
            return Database(path, report=self._report, lost=self._lost)
        except DiskFailedError as error:
            self._report("unusable", f"{error}; the state is in memory only until a restart")
            return None

    def on_loss(self, save_all: Callable[[], None]) -> None:
        """Call `save_all` when the file was lost, to store a part of the state again."""
        self._savers.append(save_all)

    def begin(self) -> None:
        """Write changes every second from now on."""
        if self._database is not None:
            self._saving = self._loop.call_later(FLUSH_SECONDS, self._save)

    def close(self) -> None:
        """Write the rest."""
        if self._saving is not None:
            self._saving.cancel()
        if self.journal is not None:
            self.journal.flush()
        if self._database is not None:
            self._database.close()

    def _save(self) -> None:
        if self.journal is not None and self.history is not None:
            self.history.beat()
            self.journal.flush()
        self.begin()

    def _report(self, what: str, detail: str) -> None:
        if what == "recovered":
            log.info("state_recovered", detail=detail)
            return
        if what == "open_to_others":
            log.warning("state_directory_open", detail=detail)
            return
        self._errors[what] += 1
        log.warning("state_error", reason=what, detail=detail)

    def _lost(self) -> None:
        self._loop.call_soon_threadsafe(self._save_all)

    def _save_all(self) -> None:
        for save_all in self._savers:
            save_all()
