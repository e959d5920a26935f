"""The state directory: what is written, what survives, what is set aside."""

import os
import queue
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from prober.state import database
from prober.state.archive import Due, Retention, upkeep
from prober.state.database import Database
from prober.state.database_schema import FILE, MIGRATIONS
from prober.state.edit_copy import COPY
from prober.state.journal import CHECKS, EDITS, LIFE
from prober.state.slots import FINE, HOUR, NAMES, WIDTH
from prober.state.state_errors import StateUnusableError
from tests.running import PATIENCE


class Reports:
    """What the database said, and a way to wait for a word."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self._news = threading.Condition()

    def __call__(self, what: str, detail: str) -> None:
        with self._news:
            self.said.append((what, detail))
            self._news.notify_all()

    def words(self) -> list[str]:
        return [what for what, _ in self.said]

    def wait_for(self, what: str) -> None:
        with self._news:
            assert self._news.wait_for(lambda: what in self.words(), timeout=PATIENCE), self.said


@pytest.fixture
def reports() -> Reports:
    return Reports()


Open = Callable[[], Database]


@pytest.fixture
def opened(tmp_path: Path, reports: Reports, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Yield what opens the database of one directory; it is closed at the end."""
    monkeypatch.setattr(database, "FLUSH_SECONDS", 0.01)
    monkeypatch.setattr(database, "RETRY_SECONDS", 0.01)
    running: list[Database] = []

    def open_it() -> Database:
        running.append(Database(str(tmp_path / "state"), report=reports))
        return running[-1]

    yield open_it
    for each in running:
        if each._thread.is_alive():
            each.close()


def check_row(streak: int) -> tuple[object, ...]:
    return 1, streak, "OK", 1.0, 0, None, None


def streaks(where: Database) -> dict[str, int]:
    def question(connection: sqlite3.Connection) -> dict[str, int]:
        return dict(connection.execute("SELECT backend, streak FROM checks"))

    return where.read(question)


def test_what_was_put_is_there_after_closing(opened: Open, tmp_path: Path) -> None:
    first = opened()
    first.put(CHECKS, ("web", "a:1"), check_row(1))
    first.put(CHECKS, ("web", "b:1"), check_row(2))
    first.put(CHECKS, ("web", "a:1"), check_row(3))
    first.put(CHECKS, ("web", "b:1"), None)
    first.close()
    assert streaks(opened()) == {"a:1": 3}
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    files = list((tmp_path / "state").iterdir())
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_what_is_hurried_is_written_before_its_time(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "FLUSH_SECONDS", 3600.0)
    where, answers = opened(), queue.SimpleQueue[bool]()
    for streak in range(3):
        where.put(CHECKS, ("web", "a:1"), check_row(streak))
        where.write_now(answers.put)
        assert answers.get(timeout=PATIENCE)
        assert streaks(where) == {"a:1": streak}
    where.write_now(answers.put)  # nothing is left to write
    assert answers.get(timeout=PATIENCE)


def test_what_is_hurried_and_fails_is_told_and_written_later(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "RETRY_SECONDS", 3600.0)
    where, answers = opened(), queue.SimpleQueue[bool]()
    with closing(sqlite3.connect(tmp_path / "state" / FILE, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        where.put(CHECKS, ("web", "a:1"), check_row(1))
        where.write_now(answers.put)
        assert not answers.get(timeout=PATIENCE)
    where.write_now(answers.put)  # the next one does not wait until a failed write is tried again
    assert answers.get(timeout=PATIENCE)
    assert streaks(where) == {"a:1": 1}


def test_a_directory_may_be_named_from_where_we_are(
    tmp_path: Path, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one = Database("state", report=reports)
    one.put(CHECKS, ("web", "a:1"), check_row(1))
    one.close()
    assert (tmp_path / "state" / FILE).exists()
    again = Database("state", report=reports)
    assert streaks(again) == {"a:1": 1}
    again.close()


def test_two_daemons_do_not_share_a_directory(opened: Open) -> None:
    opened()
    with pytest.raises(StateUnusableError, match="in use by another prober"):
        opened()


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path, reports: Reports) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateUnusableError, match=r"Not a directory|File exists"):
        Database(str(tmp_path / "file" / "state"), report=reports)


def opened_later(tmp_path: Path, reports: Reports) -> Database:
    """Return a database of a directory that cannot be used now: a file is in its place."""
    (tmp_path / "state").rename(tmp_path / "away") if (tmp_path / "state").exists() else None
    (tmp_path / "state").write_text("")
    return Database(str(tmp_path / "state"), report=reports, later=True)


def test_what_cannot_be_opened_is_opened_later_and_has_everything(
    opened: Open, tmp_path: Path, reports: Reports
) -> None:
    opened().close()
    where, answers = opened_later(tmp_path, reports), queue.SimpleQueue[bool]()
    where.put(CHECKS, ("web", "a:1"), check_row(1))
    where.write_now(answers.put)
    assert not answers.get_nowait()
    assert streaks(where) == {}
    assert where.waiting(CHECKS, lambda _: True) == {("web", "a:1"): check_row(1)}
    reports.wait_for("unusable")
    (tmp_path / "state").unlink()
    (tmp_path / "away").rename(tmp_path / "state")
    reports.wait_for("recovered")
    where.put(CHECKS, ("web", "b:1"), check_row(2))
    where.write_now(answers.put)
    assert answers.get(timeout=PATIENCE)
    assert streaks(where) == {"a:1": 1, "b:1": 2}
    assert reports.words() == ["unusable", "recovered"]
    where.close()


def test_what_was_never_opened_is_closed_without_waiting(tmp_path: Path, reports: Reports) -> None:
    opened_later(tmp_path, reports).close()


def test_what_an_earlier_process_has_closed_is_read_although_nothing_can_be_written(
    opened: Open, tmp_path: Path, reports: Reports
) -> None:
    first = opened()
    first.put(CHECKS, ("web", "a:1"), check_row(7))
    first.close()
    lock = tmp_path / "state" / "lock"
    lock.unlink()
    lock.symlink_to("elsewhere")  # it is not ours: nothing may be written here
    later = Database(str(tmp_path / "state"), report=reports, later=True)
    assert later.is_known()
    assert streaks(later) == {"a:1": 7}
    later.close()
    (tmp_path / "state" / f"{FILE}-wal").write_bytes(b"of a process that was killed")
    later = Database(str(tmp_path / "state"), report=reports, later=True)
    assert not later.is_known()
    assert streaks(later) == {}
    later.close()


def test_a_disk_that_hangs_at_the_end_is_not_waited_for(
    opened: Open, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CLOSE_SECONDS", 0.01)
    where, goes_on = opened(), threading.Event()
    monkeypatch.setattr(where, "_write", lambda _: goes_on.wait())
    where.put(CHECKS, ("web", "a:1"), check_row(1))
    where.close()
    assert reports.words() == ["unwritable"]
    goes_on.set()


def test_a_database_of_a_newer_version_is_left_alone(opened: Open, tmp_path: Path) -> None:
    opened().close()
    with closing(sqlite3.connect(tmp_path / "state" / FILE)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(StateUnusableError, match="written by a newer prober"):
        opened()


@pytest.mark.parametrize("version", range(len(MIGRATIONS)))
def test_a_database_of_any_older_version_is_brought_up_to_date(
    opened: Open, tmp_path: Path, version: int
) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    with closing(sqlite3.connect(tmp_path / "state" / FILE)) as connection:
        for number, script in enumerate(MIGRATIONS[:version], 1):
            connection.executescript(f"{script};PRAGMA user_version = {number};")
    where = opened()
    where.put(LIFE, (1,), (5.0, 5.0))
    where.close()
    with closing(sqlite3.connect(tmp_path / "state" / FILE)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)


@pytest.mark.parametrize("damage", ["header", "page", "empty_wal", "text"])
def test_a_broken_database_is_set_aside_and_prober_starts_empty(
    opened: Open, tmp_path: Path, reports: Reports, damage: str
) -> None:
    first = opened()
    for i in range(2000):
        first.put(CHECKS, ("web", f"10.0.0.{i}:80"), check_row(i))
    first.close()
    path = tmp_path / "state" / FILE
    if damage == "text":
        path.write_text("this is not a database, " * 100)
    else:
        with path.open("r+b") as file:
            file.seek({"header": 0, "page": 4096, "empty_wal": 100}[damage])
            file.write(b"\xff" * 4000)
    second = opened()
    assert reports.words() == ["corrupt"]
    assert streaks(second) == {}
    second.put(CHECKS, ("web", "a:1"), check_row(1))
    second.close()
    assert streaks(opened()) == {"a:1": 1}
    aside = [file for file in path.parent.iterdir() if ".corrupt-" in file.name]
    assert len(aside) == 1


def edits_in(where: Database) -> list[tuple[object, ...]]:
    return where.read(lambda c: c.execute("SELECT * FROM edits ORDER BY id").fetchall())


@pytest.mark.parametrize("copy", ["whole", "none", "spoilt", "planted"])
def test_edits_outlive_a_database_that_is_damaged(
    opened: Open, tmp_path: Path, reports: Reports, copy: str
) -> None:
    first, answers = opened(), queue.SimpleQueue[bool]()
    first.put(EDITS, ("monitor", "1"), ('{"a": "é"}', "base", 1.0))
    first.put(EDITS, ("pool", "2"), (None, None, 2.0))
    first.write_now(answers.put)
    assert answers.get(timeout=PATIENCE)
    before = edits_in(first)
    first.put(EDITS, ("pool", "2"), None)
    first.close()
    file = tmp_path / "state" / COPY
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    if copy == "none":
        file.unlink()
    elif copy == "spoilt":
        file.write_text('{"edits": [1]}')
    elif copy == "planted":
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "state" / FILE).write_bytes(b"no database" * 1000)
    again = opened()
    assert edits_in(again) == (before[:1] if copy == "whole" else [])
    expected = {"whole": ["restored"], "none": []}.get(copy, ["unreadable"])
    assert reports.words() == ["corrupt", *expected]


def test_what_cannot_be_written_waits_and_is_written_later(
    opened: Open, tmp_path: Path, reports: Reports
) -> None:
    where = opened()
    with closing(sqlite3.connect(tmp_path / "state" / FILE)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        where.put(CHECKS, ("web", "a:1"), check_row(1))
        reports.wait_for("unwritable")
        where.put(CHECKS, ("web", "a:1"), check_row(2))
        connection.execute("ROLLBACK")
    reports.wait_for("recovered")
    where.close()
    assert streaks(opened()) == {"a:1": 2}
    assert reports.words() == ["unwritable", "recovered"]


def test_a_database_that_breaks_while_it_is_open_is_replaced(
    opened: Open, tmp_path: Path, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CHECKED_SIZE", 0)  # or its pages would all be in memory
    where = opened()
    for i in range(2000):
        where.put(CHECKS, ("web", f"10.0.0.{i}:80"), check_row(i))
    where.close()
    where = opened()
    path = tmp_path / "state" / FILE
    descriptor = os.open(path, os.O_RDWR)
    os.pwrite(descriptor, b"\xff" * (path.stat().st_size - 4096), 4096)
    os.close(descriptor)
    where.put(CHECKS, ("web", "10.0.0.7:80"), check_row(2))
    reports.wait_for("corrupt")
    where.put(CHECKS, ("web", "b:1"), check_row(3))
    where.close()
    assert streaks(opened())["b:1"] == 3


def test_rows_that_wait_for_a_disk_do_not_grow_without_end(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = opened()
    monkeypatch.setattr(database, "PENDING_LIMIT", 10)
    monkeypatch.setattr(where, "_write", lambda _: False)
    for i in range(100):
        where.put(CHECKS, ("web", f"10.0.0.{i}:80"), check_row(i))
        assert sum(len(rows) for rows in where._pending.values()) <= 2 * 10


def slot_row(probes: int) -> tuple[object, ...]:
    return probes, probes, 0, 300.0, 0.0, 0.0, 0.0, 0.0, 1000 * probes, 1000, 1000, b""


def test_rows_that_wait_are_seen_until_they_are_written(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = opened()
    written = threading.Event()
    seen: list[int] = []
    original = where._write

    def write(batch: object) -> bool:
        seen.append(len(where.waiting(LIFE, lambda _: True)))
        written.set()
        return original(batch)  # type: ignore[arg-type]  # what the writer gives

    monkeypatch.setattr(where, "_write", write)
    where.put(LIFE, (1,), (5.0, 5.0))
    assert written.wait(30)
    assert seen == [1]
    assert where.waiting(LIFE, lambda key: key == (2,)) == {}


def test_a_chore_is_done_step_by_step_between_the_writes(opened: Open) -> None:
    where = opened()
    where.put(NAMES, (1,), ("web", "a:1"))
    for start in range(0, 5 * HOUR, WIDTH):
        where.put(FINE, (start, 1, 1), slot_row(3))
    done = threading.Event()

    def chore(connection: sqlite3.Connection) -> Iterator[None]:
        yield from upkeep(connection, Retention(fine=HOUR), Due(5 * HOUR, 5 * HOUR, 0))
        done.set()

    where.tend(chore)
    where.tend(lambda _: iter([pytest.fail("two chores at once")]))
    assert done.wait(30)
    where.close()
    again = opened()
    rows = again.read(lambda c: c.execute("SELECT start, probes, ok FROM hours").fetchall())
    assert rows == [(hour * HOUR, 36, 3600.0) for hour in range(5)]
    rows = again.read(lambda c: c.execute("SELECT min(start), count(*) FROM slots").fetchall())
    assert rows == [(4 * HOUR, 12)]


def test_a_chore_that_fails_is_given_up_and_said(opened: Open, reports: Reports) -> None:
    where = opened()

    def chore(connection: sqlite3.Connection) -> Iterator[None]:
        connection.execute("INSERT INTO life VALUES (1, 7.0, 7.0)")
        yield
        connection.execute("SELECT nonsense")

    where.tend(chore)
    reports.wait_for("unwritable")
    where.put(CHECKS, ("web", "a:1"), check_row(2))
    reports.wait_for("recovered")
    assert where._chore is None
    where.close()
    assert opened().read(lambda c: c.execute("SELECT alive_at FROM life").fetchall()) == [(7.0,)]


@pytest.mark.parametrize(
    ("conditions", "index"),
    [
        ("kind IN ('transition') AND monitor IN ('m') AND backend IN ('b')", "events_of_checks"),
        ("kind IN ('pool_status') AND pool IN ('p')", "events_of_pools"),
    ],
)
def test_events_of_one_check_or_pool_are_found_without_reading_all(
    tmp_path: Path, conditions: str, index: str
) -> None:
    """The pages ask for them every few seconds, out of the events of ninety days."""
    database = Database(str(tmp_path), report=lambda *_: None)
    rest = "ORDER BY id DESC LIMIT 5"
    question = f"EXPLAIN QUERY PLAN SELECT id FROM events WHERE id < 9 AND {conditions} {rest}"
    plan = database.read(lambda connection: connection.execute(question).fetchall())
    database.close()
    assert index in str(plan)
    assert "SCAN" not in str(plan)
