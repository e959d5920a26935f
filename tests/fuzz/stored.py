"""Stored state: whatever a database holds, a prober starts with what can be read of it."""

import json
import logging
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from structlog.testing import capture_logs

from prober.model.status import Outcome, Reason
from prober.state.archive import Due, Retention, read_events, read_slots, read_uptime, upkeep
from prober.state.database import Database
from prober.state.database_schema import FILE
from prober.state.events import EventFilter
from prober.state.slots import HOUR
from prober.state.state_errors import StateUnusableError
from prober.web.api.check_shapes import CHECK_IN_FULL, SLOT, CheckAt, SlotAt
from prober.web.api.event_shapes import EDIT, EVENT
from prober.web.server.services import Moment
from tests.fuzz.life import Life
from tests.fuzz.subject import Feed, Subject
from tests.simulation import WALL

POOLS = [{"name": "web", "backends": ["192.0.2.1:80", "192.0.2.2:80"]}]
MONITORS = [
    {"name": "web", "type": "HTTP", "pool": "web"},
    {"name": "other", "type": "TCP", "pool": "web", "interval": "1m"},
]
NOW = int(WALL) // HOUR * HOUR
LARGEST = 2**63


def memory() -> Path | None:
    """Return a place for directories that is in memory, if there is one."""
    place = Path("/dev/shm")
    return place if place.is_dir() else None


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a directory of its own; what is logged meanwhile is not shown."""
    server = logging.getLogger("aiohttp.server")  # it tells of each request that is none
    with TemporaryDirectory(dir=memory()) as name, capture_logs():
        level = server.level
        server.setLevel(logging.CRITICAL)
        try:
            yield Path(name)
        finally:
            server.setLevel(level)


@contextmanager
def _rows() -> Iterator[Feed]:
    """Yield what starts a prober on rows that are valid as far as the database is concerned.

    The input is JSON: for each table a list of rows; a text that begins with `hex:` is a blob.
    """
    with scratch() as folder:
        Database(str(folder / "empty"), report=_refuse).close()

        def feed(content: bytes) -> None:
            tables = _tables(content)
            if tables is not None:
                with _state(folder) as state:
                    _fill(state / FILE, tables)
                    _live_twice(state)

        yield feed


@contextmanager
def _database() -> Iterator[Feed]:
    """Yield what starts a prober on the bytes of a database."""
    with scratch() as folder:

        def feed(content: bytes) -> None:
            with _state(folder) as state:
                state.joinpath(FILE).write_bytes(content)
                with suppress(StateUnusableError):  # an operator must see to it
                    _live_twice(state)

        yield feed


@contextmanager
def _state(folder: Path) -> Iterator[Path]:
    """Yield a state directory as an earlier prober would leave it; it is removed at the end."""
    state = folder / "state"
    try:
        if (folder / "empty").is_dir():
            shutil.copytree(folder / "empty", state)
        else:
            state.mkdir()
        yield state
    finally:
        shutil.rmtree(state)


def _tables(content: bytes) -> dict[str, Any] | None:
    try:
        tables = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return tables if isinstance(tables, dict) else None


def _fill(path: Path, tables: dict[str, Any]) -> None:
    """Insert what SQLite takes of the rows."""
    with closing(sqlite3.connect(path)) as connection:
        for table, rows in tables.items():
            for row in rows if isinstance(rows, list) else ():
                values = [_value(each) for each in row] if isinstance(row, list) else []
                places = ", ".join("?" * len(values))
                with suppress(sqlite3.Error, UnicodeEncodeError, OverflowError):
                    name = table.replace('"', "")
                    connection.execute(f'INSERT OR IGNORE INTO "{name}" VALUES ({places})', values)
        connection.commit()


def _value(given: Any) -> Any:
    if isinstance(given, str) and given.startswith("hex:"):
        with suppress(ValueError):
            return bytes.fromhex(given[4:])
    return json.dumps(given) if isinstance(given, dict | list) else given


def _live_twice(state: Path) -> None:
    """Start on what is there, look at everything, stop; what could be kept must all come back."""
    crashed: list[Any] = []
    life = Life(str(state))
    with patch("threading.excepthook", crashed.append):
        try:
            life.begin(POOLS, MONITORS)
            _look(life)
            first = next(iter(life.prober.store))
            life.prober.store.record(first, Outcome(Reason.OK, "fine", None, WALL, 0.1))
            life.edits.save_all()
            health = {state.check.key: state.health for state in life.prober.store}
            database = life.prober.kept._database
            assert database is not None
            in_memory = not database._is_open  # until an operator sees to the file
            life.end()
            life.begin(POOLS, MONITORS)
            _look(life)
            assert in_memory or health == {
                state.check.key: state.health for state in life.prober.store
            }
        finally:
            life.end()
    assert not crashed, crashed


def _look(life: Life) -> None:
    """Ask for all that the API shows of it."""
    store, now = life.prober.store, Moment(WALL, life.clock.now)
    for state in store:
        _show(CHECK_IN_FULL.render(CheckAt(state, now, store.admin.of_check(state.check))))
    for event in store.events.newest_first():
        _show(EVENT.render(event))
    for edit in life.edits.shown():
        _show(EDIT.render(edit))
    database = life.prober.kept._database
    assert database is not None
    for event in read_events(
        database, before=LARGEST - 1, after=0, since=None, wanted=EventFilter(), limit=1000
    ):
        _show(EVENT.render(event))
    for number in (1, 2):
        read_uptime(database, number, WALL)
        for slot in read_slots(database, number, range(NOW - 86400, NOW + HOUR, HOUR)):
            _show(SLOT.render(SlotAt(slot, HOUR, WALL)))
    # The writer gives up a chore that SQLite refuses, as for a file that has never been usable.
    file = sqlite3.connect(Path(str(life.state_dir)) / FILE)
    with closing(file) as connection, suppress(sqlite3.Error):
        for _ in upkeep(connection, Retention(), Due(WALL, WALL, 0)):
            pass


def _show(value: dict[str, Any]) -> None:
    json.dumps(value, allow_nan=False).encode()


def _refuse(what: str, detail: str) -> None:
    raise AssertionError(f"{what}: {detail}")


SUBJECTS = (Subject("rows", _rows), Subject("database", _database))
