"""A state directory of an earlier version is read: nothing in it is lost.

`earlier/` was made by version 0.1.0 as it was before its modules moved: `prober.db.gz` is the
database that a daemon with `prober.json` left when it was stopped, `expected.json` what that very
version read from it.
"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prober.config.configuration import Config
from prober.config.reader import parse
from prober.edits.kept import KeptEdits
from prober.model.option import ReadContext
from prober.model.status import Outcome
from prober.state.database import Database
from prober.state.history import History
from prober.state.journal import read_saved
from prober.state.slots import MAINTENANCE, SPENT_IN, STATUSES, WIDTH
from prober.state.store import Store

EARLIER = Path(__file__).parent / "earlier"
EXPECTED: dict[str, Any] = json.loads((EARLIER / "expected.json").read_text())
HOUR = 3600
SECOND_LATER = EXPECTED["alive_at"] + 1.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    def report(what: str, detail: str) -> None:
        raise AssertionError(f"{what}: {detail}")

    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    file = folder / "prober.db"
    file.write_bytes(gzip.decompress((EARLIER / "prober.db.gz").read_bytes()))
    file.chmod(0o600)
    database = Database(str(folder), report=report)
    yield database
    database.close()


@pytest.fixture
def config() -> Config:
    text = (EARLIER / "prober.json").read_text()
    return parse(text, source="prober.json", outside=ReadContext("", str, {}))


def result(outcome: Outcome | None) -> dict[str, object] | None:
    """Return a result as it was written down."""
    return outcome and {
        "reason": outcome.reason,
        "detail": outcome.detail,
        "facts": dict(outcome.facts or {}),
        "at": outcome.at,
        "seconds": outcome.seconds,
        "phases": list(outcome.phases),
        "source_ip": outcome.source_ip,
        "skipped": outcome.skipped,
    }


def test_every_check_goes_on_where_it_was(database: Database, config: Config) -> None:
    saved = read_saved(database)
    kept = KeptEdits(config, saved.edits, journal=None, note=lambda *_, **__: None)
    store = Store(wall=lambda: SECOND_LATER, awake=lambda: 1.0, saved=saved)
    model = kept.edited.config.model
    store.adopt(model)
    states = [store.add(check) for check in model.checks()]
    assert [
        {
            "monitor": state.check.key[0],
            "backend": state.check.key[1],
            "online": state.health.online,
            "streak": state.health.streak,
            "status": state.status,
            "since": state.since,
            "degraded": state.degraded,
            "last": result(state.last),
        }
        for state in sorted(states, key=lambda state: state.check.key)
    ] == EXPECTED["checks"]


def test_every_event_is_there(database: Database) -> None:
    events = read_saved(database).events
    width = len(EXPECTED["events"][0])
    assert [list(event)[:width] for event in events] == EXPECTED["events"]


def test_every_edit_is_in_force(database: Database, config: Config) -> None:
    saved = read_saved(database)
    assert [
        {key: getattr(edit, key) for key in ("kind", "id", "content", "base", "at")}
        for edit in saved.edits
    ] == EXPECTED["edits"]
    edited = KeptEdits(config, saved.edits, journal=None, note=lambda *_, **__: None).edited
    assert (edited.idle, edited.superseded) == ({}, ())
    monitors = {monitor.name: monitor for monitor in edited.config.model.monitors}
    assert monitors["web-tcp"].rise == 7
    assert monitors["made"].interval == 0.5


async def test_the_history_is_there(database: Database) -> None:
    history = History(database, wall=lambda: SECOND_LATER, awake=lambda: 0.0)
    start = int(EXPECTED["alive_at"]) // HOUR * HOUR - HOUR
    for name, expected in EXPECTED["slots"].items():
        monitor, _, backend = name.partition("/")
        starts = range(start, start + 3 * HOUR, WIDTH)
        slots = await history.slots((monitor, backend), starts)
        width = len(expected[0])
        found = [s._replace(seconds=s.seconds[: len(STATUSES)]) for s in slots if s.probes]
        assert json.loads(json.dumps([list(s)[:width] for s in found])) == expected
        assert not any(s.seconds[SPENT_IN.index(MAINTENANCE)] for s in slots)
        assert expected[0][1]
