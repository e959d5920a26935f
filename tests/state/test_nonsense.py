"""What a failing disk makes of a database that SQLite still takes for whole."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from prober.model.health import Health
from prober.model.status import Status
from prober.state.archive import Due, Retention, upkeep
from prober.state.database import Database
from prober.state.database_schema import FILE
from prober.state.journal import read_saved
from prober.state.rows import json_value
from prober.state.slots import HOUR

COLUMNS = "monitor, backend, online, streak, status, since, reserved, last"
GOOD = ("web", "10.0.0.1:80", 1, 5, "OK", 1.0, 0, None)
LAST = '["ok", "", %s, 1.0, 0.1, [null, null, null, null, null, null], null, 0]'


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def state(tmp_path: Path, said: list[str]) -> Path:
    """Return a state directory that no process uses."""
    Database(str(tmp_path), report=lambda what, _: said.append(what)).close()
    return tmp_path


def change(state: Path, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(state / FILE)) as connection, connection:
        connection.execute(sql, values)


def saved_keys(state: Path, said: list[str]) -> set[str]:
    """Return the backends whose checks are read at a start."""
    database = Database(str(state), report=lambda what, _: said.append(what))
    try:
        return {backend for _, backend in read_saved(database).checks}
    finally:
        database.close()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("status", "OJ"),
        ("streak", "5"),
        ("streak", 2**62),
        ("since", "yesterday"),
        ("since", 1e18),
        ("since", -1.0),
        ("last", "{"),
        ("last", "[1, 2, 3]"),
        ("last", '["no such reason", "", null, 1.0, 0.1, [], null, 0]'),
        ("last", '["ok", "", [1], 1.0, 0.1, [null, null, null, null, null, null], null, 0]'),
        ("last", LAST % '{"tls_not_after": 1e12}'),
        ("last", LAST % '{"http_status_code": "200"}'),
        ("last", LAST % '{"grpc_serving_status": 1}'),
        ("last", b"\xff"),
        ("monitor", b"web"),
        ("certificates", "{}"),
        ("certificates", "[1]"),
    ],
)
def test_a_row_that_makes_no_sense_is_left_out_and_said(
    state: Path, said: list[str], column: str, value: object
) -> None:
    for number in (1, 2):
        row = ("web", f"10.0.0.{number}:80", *GOOD[2:])
        change(state, f"INSERT INTO checks ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *row)
    change(state, f"UPDATE checks SET {column} = ? WHERE backend = '10.0.0.2:80'", value)
    wrong = column != "streak" or value != "5"  # which SQLite makes a number again
    assert saved_keys(state, said) == {"10.0.0.1:80"} | (set() if wrong else {"10.0.0.2:80"})
    assert said == ["unreadable"] * wrong


def test_facts_of_another_version_are_left_out_alone(state: Path, said: list[str]) -> None:
    last = LAST % '{"http_status_code": 200, "of_another_version": [1]}'
    change(
        state, f"INSERT INTO checks ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *GOOD[:-1], last
    )
    database = Database(str(state), report=lambda what, _: said.append(what))
    (saved,) = read_saved(database).checks.values()
    database.close()
    assert saved.last
    assert saved.last.facts == {"http_status_code": 200}
    assert not said


def test_text_with_a_wrong_byte_hides_nothing_else(state: Path, said: list[str]) -> None:
    change(state, f"INSERT INTO checks ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *GOOD)
    change(
        state,
        "INSERT INTO events (id, at, kind, cause) VALUES (1, 1.0, 'reload', CAST(? AS TEXT))",
        b"1 check\xff added",
    )
    database = Database(str(state), report=lambda what, _: said.append(what))
    saved = read_saved(database)
    database.close()
    (check,) = saved.checks.values()
    assert (check.health, check.status) == (Health(online=True, streak=5), Status.OK)
    assert [event.cause for event in saved.events] == ["1 check\N{REPLACEMENT CHARACTER} added"]
    assert not said


@pytest.mark.parametrize("sql", ["DROP TABLE checks", "DROP INDEX events_at"])
def test_a_schema_that_is_not_whole_is_set_aside(state: Path, said: list[str], sql: str) -> None:
    change(state, sql)
    assert saved_keys(state, said) == set()
    assert said == ["corrupt"]
    assert len(list(state.glob(f"{FILE}.corrupt-*"))) >= 1
    assert saved_keys(state, said) == set()
    assert said == ["corrupt"]


def test_slots_of_1970_do_not_slow_the_upkeep_down(state: Path) -> None:
    now = 500_000 * HOUR
    with closing(sqlite3.connect(state / FILE)) as connection, connection:
        connection.execute("INSERT INTO names VALUES (1, 'web', '10.0.0.1:80')")
        for start in (0, now - 2 * HOUR):
            connection.execute(
                "INSERT INTO slots VALUES (?, 1, 1, 3, 3, 0, 300, 0, 0, 0, 3, 1, 1, x'', 0)",
                (start,),
            )
        steps = sum(1 for _ in upkeep(connection, Retention(), Due(now, now, 0)))
        hours = [row[0] for row in connection.execute("SELECT start FROM hours ORDER BY start")]
    assert steps < 10
    assert hours == [now - 2 * HOUR]


def test_half_a_surrogate_pair_that_was_stored_is_read_as_text() -> None:
    """An older prober took it over the API; a route must not fail on it."""
    found = json_value('{"a\\ud800": ["\\udfff", "\\ud83d\\ude00", 1]}')
    assert found == {"a?": ["?", "\U0001f600", 1]}
    assert json_value('"\\\\ud800"') == "\\ud800"
