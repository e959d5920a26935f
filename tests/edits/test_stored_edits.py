"""What was answered is on disk: edits and admin states outlive a killed process."""

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from prober.state.database_schema import FILE
from tests.edits.test_editor import asked, tcp, writable
from tests.running import daemon


def test_an_edit_that_was_answered_is_kept_although_the_process_is_killed(tmp_path: Path) -> None:
    state = ("--state-dir", str(tmp_path / "state"))
    config = writable(tcp("a", 1), tcp("b", 1))
    with daemon(config, tmp_path, *state) as running:
        new = {"type": "TCP", "targets": ["127.0.0.1:1"]}
        assert asked(running, "PUT", "/api/v1/monitors/n", new)[0] == 201
        running.stop(signal.SIGKILL)
    with daemon(config, tmp_path, *state) as running:
        assert asked(running, "DELETE", "/api/v1/monitors/a")[0] == 204
        running.stop(signal.SIGKILL)
    with daemon(config, tmp_path, *state) as running:
        drain = {"state": "drain", "until": "2h", "reason": "a test"}
        assert asked(running, "PUT", "/api/v1/admin/monitors/b", drain)[0] == 200
        running.stop(signal.SIGKILL)
    with daemon(config, tmp_path, *state) as running:
        shown = running.json("/api/v1/monitors")["monitors"]
        assert sorted(each["name"] for each in shown) == ["b", "n"]
        admin = running.json("/api/v1/admin")["admin"]
        assert [(each["name"], each["state"]) for each in admin] == [("b", "drain")]


def test_an_edit_that_the_disk_does_not_take_says_so_and_is_stored_later(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with daemon(writable(tcp("a", 1)), tmp_path, "--state-dir", str(state)) as running:
        with closing(sqlite3.connect(state / FILE, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")  # nothing can be written meanwhile
            status, _, headers = asked(running, "PATCH", "/api/v1/monitors/a", {"rise": 9})
            assert status == 200
            assert "not stored yet" in headers["Warning"]
        running.wait_for("state_recovered")
        running.stop(signal.SIGKILL)
    with daemon(writable(tcp("a", 1)), tmp_path, "--state-dir", str(state)) as running:
        assert running.json("/api/v1/monitors/a")["rise"] == 9
