"""The schema of the state database: how it came to be, and whether a database has it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from prober.state.directory import check_own
from prober.state.state_errors import StateUnusableError

FILE = "prober.db"

MIGRATIONS = (
    """
    CREATE TABLE life (one INTEGER PRIMARY KEY CHECK (one = 1), alive_at REAL NOT NULL);
    CREATE TABLE checks (
        monitor TEXT NOT NULL, backend TEXT NOT NULL,
        online INTEGER, streak INTEGER NOT NULL, status TEXT NOT NULL, since REAL NOT NULL,
        reserved INTEGER NOT NULL, last TEXT,
        PRIMARY KEY (monitor, backend)
    ) WITHOUT ROWID;
    CREATE TABLE events (
        id INTEGER PRIMARY KEY, at REAL NOT NULL, kind TEXT NOT NULL,
        monitor TEXT, pool TEXT, backend TEXT, before TEXT, after TEXT,
        reason TEXT, streak INTEGER, cause TEXT NOT NULL
    );
    CREATE INDEX events_at ON events (at);
    """,
    """
    CREATE TABLE names (id INTEGER PRIMARY KEY, monitor TEXT NOT NULL, backend TEXT NOT NULL);
    CREATE TABLE parts (one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER NOT NULL);
    CREATE TABLE slots (
        start INTEGER NOT NULL, check_id INTEGER NOT NULL, part INTEGER NOT NULL,
        probes INTEGER NOT NULL, good INTEGER NOT NULL, bad INTEGER NOT NULL,
        ok REAL NOT NULL, warning REAL NOT NULL, critical REAL NOT NULL, unknown REAL NOT NULL,
        total INTEGER NOT NULL, least INTEGER, most INTEGER, counts BLOB NOT NULL,
        PRIMARY KEY (start, check_id, part)
    ) WITHOUT ROWID;
    CREATE TABLE hours (
        start INTEGER NOT NULL, check_id INTEGER NOT NULL,
        probes INTEGER NOT NULL, good INTEGER NOT NULL, bad INTEGER NOT NULL,
        ok REAL NOT NULL, warning REAL NOT NULL, critical REAL NOT NULL, unknown REAL NOT NULL,
        total INTEGER NOT NULL, least INTEGER, most INTEGER, counts BLOB NOT NULL,
        PRIMARY KEY (start, check_id)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE edits (
        kind TEXT NOT NULL, id TEXT NOT NULL, content TEXT, base TEXT, at REAL NOT NULL,
        PRIMARY KEY (kind, id)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE known (
        pool TEXT NOT NULL, backend TEXT NOT NULL,
        status TEXT NOT NULL, degraded INTEGER NOT NULL, reason TEXT, cause TEXT NOT NULL,
        since REAL NOT NULL,
        PRIMARY KEY (pool, backend)
    ) WITHOUT ROWID;
    CREATE TABLE told (
        output TEXT NOT NULL, subject TEXT NOT NULL, content TEXT NOT NULL,
        PRIMARY KEY (output, subject)
    ) WITHOUT ROWID;
    CREATE TABLE admin (
        kind TEXT NOT NULL, name TEXT NOT NULL,
        state TEXT NOT NULL, until REAL, reason TEXT NOT NULL, by TEXT NOT NULL, at REAL NOT NULL,
        PRIMARY KEY (kind, name)
    ) WITHOUT ROWID;
    """,
    """
    CREATE INDEX events_of_checks ON events (monitor, backend);
    CREATE INDEX events_of_pools ON events (pool, kind);
    """,
    """
    ALTER TABLE slots ADD COLUMN maintenance REAL NOT NULL DEFAULT 0;
    ALTER TABLE hours ADD COLUMN maintenance REAL NOT NULL DEFAULT 0;
    """,
    """
    CREATE TABLE notices (
        id TEXT PRIMARY KEY,
        text TEXT NOT NULL, begins REAL, ends REAL, severity TEXT NOT NULL,
        by TEXT NOT NULL, at REAL NOT NULL
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE cloud_objects (
        kind TEXT NOT NULL, id TEXT NOT NULL,
        created_at REAL NOT NULL, updated_at REAL, fields TEXT NOT NULL, spellings TEXT NOT NULL,
        PRIMARY KEY (kind, id)
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE life ADD COLUMN credible_at REAL NOT NULL DEFAULT 0;
    """,
    """
    ALTER TABLE checks ADD COLUMN certificates TEXT;
    """,
)
"""The steps from each version of the schema to the next; never changed, only appended to."""


_SCHEMA = "SELECT type, name, sql FROM sqlite_master"


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring a database up to date; raise `StateUnusableError` if it is of a newer version."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise StateUnusableError(
            f"{path}: written by a newer prober (schema {version} > {len(MIGRATIONS)})"
        )
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        connection.executescript(f"BEGIN;{script};PRAGMA user_version = {number};COMMIT;")


def join_numbers(connection: sqlite3.Connection) -> None:
    """Give each check one number again; one that could not read the database took another one."""
    twice = connection.execute(
        "SELECT min(id), max(id) FROM names GROUP BY monitor, backend HAVING count(*) > 1"
    ).fetchall()
    for first, other in twice:
        connection.execute("BEGIN")
        for table in ("slots", "hours"):
            connection.execute(
                f"UPDATE OR REPLACE {table} SET check_id = ? WHERE check_id = ?",  # noqa: S608  (ours)
                (first, other),
            )
        connection.execute("DELETE FROM names WHERE id = ?", (other,))
        connection.execute("COMMIT")


def check_schema(connection: sqlite3.Connection) -> None:
    """Raise sqlite3.DatabaseError if a table or an index differs from the migrations."""
    with closing(empty()) as model:
        missing = set(model.execute(_SCHEMA)) - set(connection.execute(_SCHEMA))
    if missing:
        names = ", ".join(sorted(name for _, name, _ in missing))
        raise sqlite3.DatabaseError(f"the schema is damaged: {names}")


def left_behind(path: Path) -> sqlite3.Connection | None:
    """Return the database as it is, if an earlier process has closed it: without writing at all."""
    log = Path(f"{path}-wal")
    try:
        check_own(path)
        if log.exists() and log.stat().st_size:
            return None  # the newest is in there, and cannot be read without writing
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
    except (OSError, sqlite3.Error):
        return None
    try:
        check_schema(connection)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    except (sqlite3.Error, UnicodeDecodeError):
        version = None
    if version != len(MIGRATIONS):
        connection.close()
        return None
    return connection


def empty() -> sqlite3.Connection:
    """Return an empty database in memory."""
    connection = sqlite3.connect(":memory:")
    migrate(connection, Path(FILE))
    return connection
