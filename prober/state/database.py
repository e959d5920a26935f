"""The state directory: one SQLite database behind one writer thread.

Nothing ever waits for it. Values are kept until they are written, in batches, and only the newest
value of a key. A full or read-only disk delays the writing and stops nothing else.
"""

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

from prober.model.wording import counted
from prober.state.database_schema import (
    FILE,
    check_schema,
    empty,
    join_numbers,
    left_behind,
    migrate,
)
from prober.state.database_table import Row, Table
from prober.state.directory import check_own, claim_directory, open_own
from prober.state.edit_copy import COPIED, COPY, holds_copied, restore_copy, write_copy
from prober.state.state_errors import InUseError, StateUnreadableError, StateUnusableError

T = TypeVar("T")
Chore = Callable[[sqlite3.Connection], Iterator[None]]
"""Work for the writer's thread, in steps, each in a transaction."""

FLUSH_SECONDS = 1.0
"""Seconds between two writes: the most that a crash can lose."""
RETRY_SECONDS = 5.0
"""Seconds until a failed write is tried again."""
REPORT_SECONDS = 60.0
"""Seconds between two reports of a disk that cannot be written."""
PENDING_LIMIT = 200_000
"""Rows of one table that can wait for a disk; beyond that, the oldest are dropped."""
CLOSE_SECONDS = 3.0
"""Seconds to wait for the disk at the end."""
CHECKED_SIZE = 64 * 1024 * 1024
"""Maximum bytes of a database that is checked as a whole when it is opened."""


class Database:
    """The database of a state directory, opened for one process.

    Args:
        directory: The directory; created if it does not exist, readable for its own user only.
        report: Called in the writer's thread with what went wrong: a word and a sentence.
        lost: Called in the writer's thread when a damaged database was set aside.
        later: Open it in the writer's thread, as soon as that is possible. Until then, all values
            wait, and what is read is what an earlier process has left, if that can be read.

    Raises:
        StateUnusableError: It cannot be opened now. With `later`, this is reported instead.
    """

    def __init__(
        self,
        directory: str,
        *,
        report: Callable[[str, str], None],
        lost: Callable[[], None] = lambda: None,
        later: bool = False,
    ) -> None:
        self._directory = Path(directory).absolute()
        self._path = self._directory / FILE
        self._report = report
        self._lost = lost
        self._pending: dict[Table, dict[Row, Row | None]] = {}
        self._writing: dict[Table, dict[Row, Row | None]] = {}
        self._waiters: list[Callable[[bool], object]] = []
        self._chore: Chore | None = None
        self._chore_steps: Iterator[None] | None = None
        self._wanted = threading.Condition()
        self._closing = False
        self._reported_at: float | None = None
        self._connection: sqlite3.Connection
        self._is_open = not later
        self._is_readable = False
        if not later:
            self._lock, self._connection = self._open()
        self._thread = threading.Thread(target=self._work, name="state", daemon=True)
        self._thread.start()

    def put(self, where: Table, key: Row, columns: Row | None) -> None:
        """Write a row soon, or delete it if there are no columns; never wait."""
        with self._wanted:
            rows = self._pending.setdefault(where, {})
            rows.pop(key, None)
            rows[key] = columns
            if len(rows) > PENDING_LIMIT:
                del rows[next(iter(rows))]
            self._wanted.notify()

    def write_now(self, done: Callable[[bool], object]) -> None:
        """Write at once what was put before, and call `done` in the writer's thread.

        `done` receives whether the disk has all of it, so that not even a power failure loses it.
        What could not be written is tried again, as always.
        """
        if not self._is_open:
            done(False)
            return
        with self._wanted:
            self._waiters.append(done)
            self._wanted.notify()

    def waiting(self, where: Table, wanted: Callable[[Row], bool]) -> dict[Row, Row]:
        """Return the wanted rows that may not be written yet."""
        with self._wanted:
            rows = {**self._writing.get(where, {}), **self._pending.get(where, {})}
        return {key: row for key, row in rows.items() if row is not None and wanted(key)}

    def tend(self, chore: Chore) -> None:
        """Run a chore in the writer's thread, one step after each write.

        A chore is dropped if an earlier one is still running.
        """
        with self._wanted:
            self._chore = self._chore or chore
            self._wanted.notify()

    def read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Query the database in the caller's thread, or raise `StateUnreadableError`."""
        try:
            with closing(self._reader()) as connection:
                connection.text_factory = _text
                return question(connection)
        except sqlite3.Error as error:
            raise StateUnreadableError(str(error)) from error

    def _reader(self) -> sqlite3.Connection:
        if self._is_open:
            return sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True)
        return (left_behind(self._path) if self._is_readable else None) or empty()

    def is_known(self) -> bool:
        """Return whether all that an earlier process has left can be read."""
        if self._is_open or not self._path.exists():
            return True
        with closing(left_behind(self._path) or empty()) as found:
            self._is_readable = bool(found.execute("PRAGMA database_list").fetchone()[2])
        return self._is_readable

    def complain(self, what: str, detail: str) -> None:
        """Report what is wrong with data that was read."""
        self._report(what, detail)

    def close(self) -> None:
        """Write what is left, if possible, and close."""
        with self._wanted:
            self._closing = True
            self._wanted.notify()
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            self._report("unwritable", "the disk does not answer; the last changes are lost")
        elif self._is_open:
            self._connection.close()
            os.close(self._lock)

    # Opening

    def _open_later(self) -> bool:
        """Open the database as soon as that is possible; return False if it is closed before."""
        while True:
            with self._wanted:
                if self._wanted.wait_for(lambda: self._closing, RETRY_SECONDS):
                    return False
            try:
                self._lock, self._connection = self._open()
            except (StateUnusableError, sqlite3.Error, OSError) as error:
                self._complain_at_times("unusable", f"{error}; the state is in memory only")
                continue
            self._is_open = True
            self._reported_at = None
            self._report("recovered", "the state is written from now on")
            return True

    def _open(self) -> tuple[int, sqlite3.Connection]:
        lock = self._take_directory()
        try:
            return lock, self._connect_or_replace()
        except BaseException:
            os.close(lock)
            raise

    def _take_directory(self) -> int:
        try:
            claim_directory(self._directory, lambda what: self._report("open_to_others", what))
            lock = open_own(self._directory / "lock", os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise self._unusable(error) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise InUseError(f"{self._directory}: in use by another prober") from None
        return lock

    def _unusable(self, error: OSError) -> StateUnusableError:
        return StateUnusableError(f"{self._directory}: {error.strerror or error}")

    def _connect_or_replace(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except OSError as error:
            raise self._unusable(error) from None
        except sqlite3.OperationalError as error:
            raise StateUnusableError(f"{self._path}: {error}") from None
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # from bytes that are not text
            self._set_aside(error)
            connection = self._connect()
            self._restore_copy(connection)
            return connection

    def _restore_copy(self, connection: sqlite3.Connection) -> None:
        try:
            if restored := restore_copy(connection, self._directory):
                self._report("restored", f"{counted(restored, 'row')} of {COPY}")
        except (OSError, ValueError, sqlite3.Error) as error:
            self._report("unreadable", f"{COPY}: {error}")

    def _connect(self) -> sqlite3.Connection:
        for suffix in ("-wal", "-shm", "-journal"):
            check_own(Path(f"{self._path}{suffix}"))
        os.close(open_own(self._path, os.O_RDWR | os.O_CREAT))
        connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, timeout=1
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            if self._path.stat().st_size <= CHECKED_SIZE:
                (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
                if answer != "ok":
                    raise sqlite3.DatabaseError(answer)  # noqa: TRY301  (as SQLite itself would)
            migrate(connection, self._path)
            check_schema(connection)
            join_numbers(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_aside(self, error: sqlite3.Error | UnicodeDecodeError) -> None:
        aside = f"{self._path}.corrupt-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{self._path}{suffix}").rename(f"{aside}{suffix}")
        self._report("corrupt", f"{error}; set aside as {aside}, starting empty")

    # The writer's thread

    def _work(self) -> None:
        if not self._is_open and not self._open_later():
            return
        with suppress(OSError, sqlite3.Error):  # of edits that are older than the copy
            if not (self._directory / COPY).exists() and holds_copied(self._connection):
                write_copy(self._connection, self._directory)
        while True:
            with self._wanted:
                self._wanted.wait_for(lambda: self._pending or self._chore or self._is_hurried())
                self._wanted.wait_for(self._is_hurried, FLUSH_SECONDS)
                batch = self._writing = self._pending
                self._pending = {}
                waiters, self._waiters = self._waiters, []
                closing_now = self._closing
            written = self._write(batch) and (not waiters or self._sync())
            for done in waiters:
                done(written)
            if not written:
                self._put_back(batch)
                with self._wanted:
                    self._wanted.wait_for(self._is_hurried, RETRY_SECONDS)
            elif self._chore is not None and not closing_now:
                self._do_a_step(self._chore)
            if closing_now:
                return

    def _is_hurried(self) -> bool:
        return self._closing or bool(self._waiters)

    def _sync(self) -> bool:
        """Wait until the disk has what was committed; return whether that worked."""
        try:
            log = os.open(f"{self._path}-wal", os.O_RDONLY)
            try:
                os.fsync(log)
            finally:
                os.close(log)
        except OSError as error:
            self._failed(sqlite3.OperationalError(error.strerror))
            return False
        return True

    def _do_a_step(self, chore: Chore) -> None:
        """Do the next step of a chore; give up the chore if it fails."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            if self._chore_steps is None:
                self._chore_steps = chore(self._connection)
            done = next(self._chore_steps, self) is self
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._failed(error)
            done = True
        if done:
            self._chore = self._chore_steps = None

    def _write(self, batch: dict[Table, dict[Row, Row | None]]) -> bool:
        """Write a batch in one transaction; return whether that worked."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for where, rows in batch.items():
                kept = (key + row for key, row in rows.items() if row is not None)
                self._connection.executemany(where.upsert, kept)
                gone = (key for key, row in rows.items() if row is None)
                self._connection.executemany(where.delete, gone)
            self._connection.execute("COMMIT")
            if any(where.name in COPIED for where in batch):
                write_copy(self._connection, self._directory)
        except sqlite3.Error as error:
            self._failed(error)
            return False
        except OSError as error:  # of the copy: the database itself has it
            self._complain_at_times("unwritable", f"{COPY}: {error.strerror}")
            return True
        if self._reported_at is not None:
            self._reported_at = None
            self._report("recovered", "the state is written again")
        return True

    def _failed(self, error: sqlite3.Error) -> None:
        with suppress(sqlite3.Error):
            self._connection.execute("ROLLBACK")
        broken = not isinstance(error, sqlite3.OperationalError | sqlite3.ProgrammingError)
        if broken and isinstance(error, sqlite3.DatabaseError):
            self._connection.close()
            self._set_aside(error)
            self._connection = self._connect()
            self._lost()
            return
        self._complain_at_times("unwritable", f"{error}; will retry")

    def _complain_at_times(self, what: str, detail: str) -> None:
        now = time.monotonic()
        if self._reported_at is None or now - self._reported_at >= REPORT_SECONDS:
            self._reported_at = now
            self._report(what, detail)

    def _put_back(self, batch: dict[Table, dict[Row, Row | None]]) -> None:
        with self._wanted:
            self._writing = {}
            for where, rows in batch.items():
                self._pending[where] = {**rows, **self._pending.get(where, {})}


def _text(content: bytes) -> str:
    return content.decode(errors="replace")  # a single wrong byte must not hide all other rows
