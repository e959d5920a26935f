"""A plain copy of what people have set over the API, in case the database is damaged.

Everything else in the database comes back by itself, or is the past. Edits and admin states do not.
"""

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

from prober.state.directory import open_own

COPY = "edits.json"
"""The file in the state directory."""
COPIED = ("edits", "admin")
"""The tables that it holds."""
_ANEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def write_copy(connection: sqlite3.Connection, directory: Path) -> None:
    """Write the copy, all or nothing; raise OSError or sqlite3.Error."""
    content = {table: _rows(connection, table) for table in COPIED}
    draft = directory / f"{COPY}.new"
    draft.unlink(missing_ok=True)  # of a copy that was not completed
    with os.fdopen(open_own(draft, _ANEW), "w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(directory / COPY)


def holds_copied(connection: sqlite3.Connection) -> bool:
    """Return whether a database has anything to copy."""
    return any(connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in COPIED)  # noqa: S608  (ours)


def _rows(connection: sqlite3.Connection, table: str) -> list[dict[str, Any]]:
    found = connection.execute(f"SELECT * FROM {table}")  # noqa: S608  (our own names)
    names = [name for name, *_ in found.description]
    return [dict(zip(names, row, strict=True)) for row in found]


def restore_copy(connection: sqlite3.Connection, directory: Path) -> int:
    """Put the copy into an empty database; return the number of rows.

    Raise OSError, ValueError or sqlite3.Error if it cannot be read or used.
    """
    try:
        with os.fdopen(open_own(directory / COPY, os.O_RDONLY), encoding="utf-8") as file:
            content = dict(json.load(file))
        rows = [(table, dict(row)) for table in COPIED for row in content.get(table, ())]
    except FileNotFoundError:
        return 0
    except TypeError as error:
        raise ValueError(f"{COPY} does not hold edits") from error
    for table, row in rows:
        known = {name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")}
        kept = {name: value for name, value in row.items() if name in known}
        names, places = ", ".join(kept), ", ".join("?" * len(kept))
        connection.execute(
            f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({places})",  # noqa: S608  (known names)
            tuple(kept.values()),
        )
    return len(rows)
