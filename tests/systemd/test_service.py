"""The daemon as a service of systemd, in front of a socket that stands in for systemd's."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from prober.model.status import Reason, Status
from prober.systemd.notify import Notifier
from prober.systemd.service import SystemdService, status_line
from tests.ports import free_port
from tests.running import PATIENCE, daemon, listener
from tests.web.world import World, monitor

FAST = {"interval": "200ms", "fast_interval": "100ms", "timeout": "30s"}


class Systemd:
    """Hears what a service says."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self.heard: list[dict[str, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.settimeout(PATIENCE)

    def next(self) -> dict[str, str]:
        """Return the next message."""
        lines = self._socket.recv(4096).decode().split("\n")
        self.heard.append(dict(line.split("=", 1) for line in lines))
        return self.heard[-1]

    def wait_for(self, key: str, value: str = "1") -> dict[str, str]:
        """Listen up to a message that says so, and return it."""
        while (message := self.next()).get(key) != value:
            continue
        return message

    def silent(self) -> bool:
        """Return whether nothing has been said since."""
        self._socket.setblocking(False)
        try:
            self._socket.recv(4096)
        except BlockingIOError:
            return True
        finally:
            self._socket.settimeout(PATIENCE)
        return False

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    """The one that starts every daemon of this test."""
    listening = Systemd(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", listening.address)
    yield listening
    listening.close()


# The daemon


def test_a_daemon_is_ready_reloads_and_stops(systemd: Systemd, tmp_path: Path) -> None:
    def config(*ports: int) -> dict[str, object]:
        targets = [f"127.0.0.1:{port}" for port in ports]
        return {"monitors": [{"name": "web", "type": "TCP", "targets": targets, **FAST}]}

    with listener() as port, daemon(config(port), tmp_path) as running:
        assert systemd.next() == {"READY": "1", "STATUS": "1 UNKNOWN, probing 1 check"}
        systemd.wait_for("STATUS", "1 OK, probing 1 check")
        closed = free_port()
        (tmp_path / "prober.json").write_text(json.dumps(config(port, closed)))
        running.process.send_signal(signal.SIGHUP)
        reloading = systemd.wait_for("RELOADING")
        assert int(reloading["MONOTONIC_USEC"]) > 0
        assert systemd.next()["READY"] == "1"
        systemd.wait_for("STATUS", "1 CRITICAL, 1 OK, probing 2 checks")
        running.stop()
        assert systemd.wait_for("STOPPING") == {"STOPPING": "1", "STATUS": "stopping"}
        assert systemd.silent()


def test_a_reload_that_is_rejected_ends_too_and_is_told(systemd: Systemd, tmp_path: Path) -> None:
    with daemon({"monitors": []}, tmp_path) as running:
        assert systemd.next() == {"READY": "1", "STATUS": "nothing to probe"}
        (tmp_path / "prober.json").write_text("{")
        running.process.send_signal(signal.SIGHUP)
        systemd.wait_for("RELOADING")
        assert systemd.next()["READY"] == "1"
        systemd.wait_for("STATUS", "nothing to probe; the last reload was rejected")


def test_a_reload_is_told_from_the_moment_it_begins(systemd: Systemd, tmp_path: Path) -> None:
    goes_on = threading.Event()

    def answer_late(connection: socket.socket) -> None:
        goes_on.wait(PATIENCE)
        connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    with listener(serve=answer_late) as port, daemon({"monitors": []}, tmp_path) as running:
        systemd.next()
        source = {"url": f"http://127.0.0.1:{port}/"}  # a new list is read before it is followed
        config = {"monitors": [{"name": "m", "type": "TCP", "targets_from": source}]}
        (tmp_path / "prober.json").write_text(json.dumps(config))
        running.process.send_signal(signal.SIGHUP)
        assert "RELOADING" in systemd.next()
        assert systemd.silent()
        goes_on.set()
        assert systemd.next()["READY"] == "1"


def test_a_watchdog_is_fed_again_and_again(
    systemd: Systemd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    with daemon({"monitors": []}, tmp_path):
        for _ in range(5):
            systemd.wait_for("WATCHDOG")


def test_without_a_watchdog_an_idle_daemon_says_nothing_more(
    systemd: Systemd, tmp_path: Path
) -> None:
    with daemon({"monitors": []}, tmp_path) as running:
        running.stop()
        assert [systemd.next(), systemd.next()] == [
            {"READY": "1", "STATUS": "nothing to probe"},
            {"STOPPING": "1", "STATUS": "stopping"},
        ]


def test_a_daemon_that_cannot_start_is_never_ready(systemd: Systemd, tmp_path: Path) -> None:
    with listener() as port:
        (tmp_path / "prober.yaml").write_text("monitors: []\n")
        command = [sys.executable, "-m", "prober", "run", "--listen", f"127.0.0.1:{port}"]
        done = subprocess.run(
            [*command, "--config", str(tmp_path / "prober.yaml")],
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 1
    assert systemd.silent()


@pytest.mark.parametrize("form", ["json", "console"])
def test_in_the_journal_every_line_has_its_priority(tmp_path: Path, form: str) -> None:
    (tmp_path / "prober.yaml").write_text("server: {lifecycle: 1}\n")
    command = [sys.executable, "-m", "prober", "run", "--log-format", form]
    reading, writing = os.pipe()
    found = os.fstat(writing)
    with os.fdopen(reading, "rb") as log, os.fdopen(writing, "wb") as end:
        subprocess.run(
            [*command, "--config", str(tmp_path / "prober.yaml")],
            env={**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"},
            stderr=end,
            timeout=PATIENCE,
            check=False,
        )
        end.close()
        line = log.read().decode()
    if form == "json":
        assert line.startswith('<3>{"timestamp": ')
    else:
        assert line.startswith("<3>error    config_rejected problem=")


# The service by itself


@contextmanager
def served(
    systemd: Systemd, world: World, watchdog: float | None = None
) -> Iterator[SystemdService]:
    notifier = Notifier(systemd.address)
    yield SystemdService(notifier, world.store, world.vitals, watchdog=watchdog, status_every=0.0)
    notifier.close()


async def test_a_daemon_that_does_not_advance_is_not_kept_alive(systemd: Systemd) -> None:
    world, answers, examined = World(), iter([60.0] * 3), asyncio.Event()

    def overdue() -> float:
        late = next(answers, 0.0)
        if not late:
            examined.set()
        return late

    world.vitals.overdue = overdue
    with capture_logs() as lines, served(systemd, world, watchdog=0.02) as service:
        async with service.running():
            assert systemd.next()["READY"] == "1"
            await examined.wait()
            assert [line["event"] for line in lines] == ["not_alive"] * 3
            assert "has been overdue for 60.0 s" in lines[0]["reason"]
            assert systemd.next() == {"WATCHDOG": "1"}


async def test_the_status_is_told_when_it_has_changed_and_only_then(systemd: Systemd) -> None:
    world = World()
    world.configure(monitor("web", "10.0.0.1:80"), monitor("old", "10.0.0.1:80", enabled=False))
    with served(systemd, world) as service:
        async with service.running():
            assert systemd.next()["STATUS"] == "1 UNKNOWN, probing 1 check"
            world.record("web", "10.0.0.1:80", times=2)
            await asyncio.to_thread(systemd.wait_for, "STATUS", "1 OK, probing 1 check")
            world.store.note("started", "which changes nothing")
            for _ in range(10):
                await asyncio.sleep(0)
            assert systemd.silent()
            world.record("web", "10.0.0.1:80", Reason.REFUSED)
            await asyncio.to_thread(systemd.wait_for, "STATUS", "1 WARNING, probing 1 check")


async def test_a_reload_before_the_service_is_ready_does_not_make_it_so(systemd: Systemd) -> None:
    with served(systemd, World()) as service:
        with service.reloading():
            pass
        assert systemd.silent()
        async with service.running():
            assert "READY" in systemd.next()
            with service.reloading():
                assert "RELOADING" in systemd.next()
            assert "READY" in systemd.next()


@pytest.mark.parametrize(
    ("counts", "config_ok", "line"),
    [
        ({}, True, "nothing to probe"),
        ({Status.OK: 12, Status.CRITICAL: 1}, True, "1 CRITICAL, 12 OK, probing 13 checks"),
        (
            {Status.UNKNOWN: 1, Status.WARNING: 2},
            False,
            "2 WARNING, 1 UNKNOWN, probing 3 checks; the last reload was rejected",
        ),
    ],
)
def test_the_status_line_counts_what_is_probed_the_worst_first(
    counts: dict[Status, int], config_ok: bool, line: str
) -> None:
    assert status_line(counts, config_ok=config_ok) == line
