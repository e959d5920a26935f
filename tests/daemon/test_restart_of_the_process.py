"""The daemon killed and started again, on real sockets and a real disk."""

import json
import resource
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.running import Daemon, daemon, listener, until

PARTS = "SELECT count(DISTINCT part) FROM slots WHERE good > 0"


def config(*ports: int) -> dict[str, object]:
    targets = [f"127.0.0.1:{port}" for port in ports]
    monitor = {"name": "web", "type": "TCP", "targets": targets, "interval": "200ms"}
    # a state is restored for three intervals and a timeout: however long a busy machine starts
    return {"monitors": [{**monitor, "timeout": "30s"}]}


def settled(running: Daemon, *statuses: str) -> list[dict[str, object]]:
    """Wait until these are the statuses of the checks; return the checks."""
    while True:
        checks: list[dict[str, object]] = running.json("/api/v1/checks")["checks"]
        if sorted(str(each["status"]) for each in checks) == sorted(statuses):
            return checks
        running.wait_for("status_changed")


def asked(folder: Path, question: str) -> object:
    with closing(sqlite3.connect(folder / "state" / "prober.db")) as connection:
        (answer,) = connection.execute(question).fetchone()
        return answer


def test_kill_9_at_any_moment_loses_neither_states_nor_the_database(tmp_path: Path) -> None:
    with listener() as port:
        ports = (port, free_port())
        state = ("--state-dir", str(tmp_path / "state"))
        with daemon(config(*ports), tmp_path, *state) as running:
            first = settled(running, "OK", "CRITICAL")
            assert running.stop() == 0
        for i in range(6):
            before = asked(tmp_path, "SELECT alive_at FROM life")
            with daemon(config(*ports), tmp_path, *state) as running:
                checks = running.json("/api/v1/checks")["checks"]
                assert [each["status"] for each in checks] == [e["status"] for e in first]
                assert [each["since"] for each in checks] == [e["since"] for e in first]
                until(lambda: asked(tmp_path, "SELECT alive_at FROM life") != before)  # noqa: B023
                for _ in range(i * 20):
                    running.json("/api/v1/status")
                running.process.kill()
        assert asked(tmp_path, "PRAGMA integrity_check") == "ok"
        assert not [file for file in (tmp_path / "state").iterdir() if "corrupt" in file.name]


def test_events_are_still_there_after_a_restart(tmp_path: Path) -> None:
    with listener() as port:
        state = ("--state-dir", str(tmp_path / "state"))
        with daemon(config(port), tmp_path, *state) as running:
            settled(running, "OK")
            assert running.stop() == 0
        with daemon(config(port), tmp_path, *state) as running:
            events = running.json("/api/v1/events")["events"]
            assert [each["kind"] for each in events] == ["started", "transition", "started"]
            assert [each["id"] for each in events] == [3, 2, 1]


def test_history_goes_on_after_kill_9(tmp_path: Path) -> None:
    with listener() as port:
        state = ("--state-dir", str(tmp_path / "state"))
        path = f"/api/v1/checks/web/127.0.0.1:{port}"
        for lives in (1, 2):
            with daemon(config(port), tmp_path, *state) as running:
                settled(running, "OK")
                until(lambda: asked(tmp_path, PARTS) == lives)  # noqa: B023  (it waits here)
                running.process.kill()
        with daemon(config(port), tmp_path, *state) as running:
            slots = running.json(f"{path}/history")["slots"]
            assert sum(slot["good"] for slot in slots) >= 2
            assert len(slots) in {288, 289}
            assert running.json(path)["uptime"]["90d"]["uptime"] == 1.0
            assert running.stop() == 0
        assert asked(tmp_path, "SELECT max(last) FROM parts") == 3


def test_a_corrupt_database_is_set_aside_and_said(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "prober.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 8192)
    state = ("--state-dir", str(tmp_path / "state"))
    with listener() as port, daemon(config(port), tmp_path, *state) as running:
        (line,) = [each for each in running.lines if each["event"] == "state_error"]
        assert line["reason"] == "corrupt"
        settled(running, "OK")
        metrics = running.get("/metrics")[1]
        assert 'prober_state_errors_total{reason="corrupt"} 1' in metrics
    assert [file for file in (tmp_path / "state").iterdir() if ".corrupt-" in file.name]


def test_a_full_disk_stops_nothing(tmp_path: Path) -> None:
    with listener() as port:
        ports = (port, free_port())
        with daemon(config(*ports), tmp_path, "--state-dir", str(tmp_path / "state")) as running:
            settled(running, "OK", "CRITICAL")
            limits = resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (1, -1))
            line = running.wait_for("state_error")
            assert line["reason"] == "unwritable"
            with listener(ports[1]):
                settled(running, "OK", "OK")
            resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, limits)
            running.wait_for("state_recovered")
            assert running.stop() == 0
        with daemon(config(*ports), tmp_path, "--state-dir", str(tmp_path / "state")) as running:
            assert running.json("/api/v1/events")["events"]


def test_a_second_daemon_on_one_state_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    state = ("--state-dir", str(tmp_path / "state"))
    with (
        daemon({"monitors": []}, tmp_path, *state),
        pytest.raises(AssertionError, match="in use by another prober"),
        daemon({"monitors": []}, tmp_path / "other", *state),
    ):
        raise RuntimeError("it started")


def test_the_state_directory_of_systemd_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path / 'state'}:/somewhere/else")
    with daemon({"monitors": []}, tmp_path) as running:
        assert running.stop() == 0
        assert "state_in_memory_only" not in json.dumps(running.lines)
    assert (tmp_path / "state" / "prober.db").exists()
