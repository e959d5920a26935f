"""Trouble around the prober: its disk, its configuration, its callers, and hostile words."""

import json
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import trustme

from tests.engine.targets import answers, hold, listening, over_tls, says
from tests.faults import namespaces
from tests.faults.watching import (
    EVERY_RESULT,
    blamed,
    bugs,
    changes,
    check,
    metric,
    monitor,
    probes,
)
from tests.running import PATIENCE, Daemon, daemon

SECRET = "canary-3f9a7c"
HOSTILE = '\x1b[2J\u2028"><script>alert(1)</script>\r\n{"event":"forged"}'
CONTROL = ("\x1b", "\u2028", "\r\n{")


@pytest.fixture
def target() -> Iterator[int]:
    with listening(lambda _: None) as port:
        yield port


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a megabyte."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk))
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this container allows no mounts")
    yield disk
    namespaces.run("umount", "--lazy", str(disk))


def fill(disk: Path) -> None:
    """Leave no room on a disk."""
    with (disk / "filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(bytes(4096)):
                pass
        except OSError:
            pass


def test_a_disk_without_room_stops_nothing_and_is_said(
    tmp_path: Path, target: int, small_disk: Path
) -> None:
    state = ("--state-dir", str(small_disk / "state"))
    config = {"monitors": [monitor("web", "TCP", target, timeout="1h")]}
    with daemon(config, tmp_path, *EVERY_RESULT, *state) as running:
        running.wait_for("status_changed", to="OK")
        fill(small_disk)
        running.wait_for("state_error")
        probes(running, 5, result="OK")
        assert metric(running, "prober_state_errors_total", reason="unwritable") >= 1
        (small_disk / "filler").unlink()
        running.wait_for("state_recovered")
        assert running.stop() == 0
        running.rest()
        assert not blamed(running.lines)
    with daemon(config, tmp_path, *state) as running:
        assert check(running, "web")["status"] == "OK"


@pytest.mark.parametrize("is_new", [True, False])
def test_a_start_on_a_disk_without_room_probes_and_stores_everything_once_there_is_some(
    tmp_path: Path, target: int, small_disk: Path, is_new: bool
) -> None:
    state = ("--state-dir", str(small_disk / "state"))
    config = {"server": {"writable": True}, "monitors": [monitor("web", "TCP", target)]}
    if not is_new:
        with daemon(config, tmp_path, *state) as running:
            running.wait_for("status_changed", to="OK")
            first = running.json("/api/v1/events")["events"]
            assert running.stop() == 0
    fill(small_disk)
    with daemon(config, tmp_path, *state) as running:
        assert [line["reason"] for line in running.lines if line["event"] == "state_error"]
        if is_new:
            running.wait_for("status_changed", to="OK")
        assert metric(running, "prober_state_errors_total", reason="unusable") >= 1
        assert metric(running, "prober_state_writable") == 0
        assert "the state cannot be stored" in running.get("/-/ready")[1]
        assert "The state is not stored" in running.get("/")[1]
        assert "in memory only" in running.json("/api/v1/status")["prober"]["state_trouble"]
        told = running.json("/api/v1/events")["events"]
        if not is_new:
            assert check(running, "web")["status"] == "OK"
            assert told[-len(first) :] == first
        (small_disk / "filler").unlink()
        running.wait_for("state_recovered")
        assert metric(running, "prober_state_writable") == 1
        status, ready = running.get("/-/ready")
        assert (status, "the state" in ready) == (200, False), ready
        assert running.stop() == 0
    with daemon(config, tmp_path, *state) as running:
        assert check(running, "web")["status"] == "OK"
        again = running.json("/api/v1/events")["events"]
        assert again[-len(told) :] == told
        assert len({each["id"] for each in again}) == len(again)


def test_a_state_directory_that_cannot_be_used_stops_nothing_and_is_used_once_it_can(
    tmp_path: Path, target: int
) -> None:
    state = tmp_path / "state"
    state.write_text("in the way")
    config = {"monitors": [monitor("web", "TCP", target)]}
    with daemon(config, tmp_path, "--state-dir", str(state)) as running:
        running.wait_for("status_changed", to="OK")
        assert metric(running, "prober_state_writable") == 0
        state.unlink()
        running.wait_for("state_recovered")
        assert running.stop() == 0
    with daemon(config, tmp_path, "--state-dir", str(state)) as running:
        assert check(running, "web")["status"] == "OK"


def test_a_database_with_a_broken_page_is_set_aside(tmp_path: Path, target: int) -> None:
    state = ("--state-dir", str(tmp_path / "state"))
    config = {"monitors": [monitor("web", "TCP", target)]}
    with daemon(config, tmp_path, *state) as running:
        running.wait_for("status_changed", to="OK")
        assert running.stop() == 0
    path = tmp_path / "state" / "prober.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    content[4096:] = bytes([0xFF]) * (len(content) - 4096)
    path.write_bytes(content)
    with daemon(config, tmp_path, *state) as running:
        running.wait_for("status_changed", to="OK")
        assert metric(running, "prober_state_errors_total", reason="corrupt") == 1
        assert running.stop() == 0
    assert [file for file in path.parent.iterdir() if ".corrupt-" in file.name]


def test_a_configuration_that_went_wrong_leaves_everything_as_it_is(
    tmp_path: Path, target: int
) -> None:
    names = [f"web{i}" for i in range(4)]
    config = {"monitors": [monitor(name, "TCP", target) for name in names]}
    path = tmp_path / "prober.json"
    with daemon(config, tmp_path, *EVERY_RESULT) as running:
        for content in (None, b"", b"\xff\xfe[]"):
            path.unlink()
            if content is not None:
                path.write_bytes(content)
            running.process.send_signal(signal.SIGHUP)
            assert str(path) in json.dumps(running.wait_for("config_rejected"))
            assert metric(running, "prober_config_last_reload_successful") == 0
            for name in names:
                probes(running, 2, monitor=name, result="OK")
            path.write_text(json.dumps(config))
            running.process.send_signal(signal.SIGHUP)
            running.wait_for("config_reloaded")
            assert metric(running, "prober_config_last_reload_successful") == 1
        assert not blamed(running.lines)
        assert {to for _, to in changes(running.lines)} == {"OK"}


def test_callers_who_hold_their_connections_hold_up_no_probe_and_no_stop(
    tmp_path: Path, target: int
) -> None:
    with (
        ExitStack() as stack,
        daemon({"monitors": [monitor("web", "TCP", target)]}, tmp_path, *EVERY_RESULT) as running,
    ):
        running.wait_for("status_changed", to="OK")
        address = ("127.0.0.1", int(running.url.rpartition(":")[2]))
        beginnings = (
            b"",
            b"GET /api/v1/status HT",
            b"POST /-/reload HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n",
            b"GET /api/v1/events/stream HTTP/1.1\r\nHost: h\r\n\r\n",
        )
        for number in range(300):
            caller = stack.enter_context(socket.create_connection(address))
            caller.sendall(beginnings[number % len(beginnings)])
        assert running.get("/-/healthy") == (200, "Healthy\n")
        probes(running, 10, result="OK")
        assert not blamed(running.lines)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(PATIENCE) == 0
        running.rest()
        assert not bugs(running.lines)


def test_a_second_signal_during_the_stop_does_not_hurt(tmp_path: Path) -> None:
    with (
        listening(hold) as port,
        daemon({"monitors": [monitor("web", "HTTP", port, timeout="1h")]}, tmp_path) as running,
    ):
        running.wait_for("ready")
        running.process.send_signal(signal.SIGTERM)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(PATIENCE) == 0
        assert not changes(running.rest())


def shown(running: Daemon) -> dict[str, str]:
    """Return everything that the daemon says to anybody, by where."""
    paths = ("/", "/metrics", "/api/v1/status", "/api/v1/checks", "/api/v1/monitors")
    more = ("/api/v1/pools", "/api/v1/events", "/api/v1/openapi.json", "/v2.0/lbaas/healthmonitors")
    return {path: running.get(path)[1] for path in (*paths, *more)}


def test_secrets_and_hostile_words_come_out_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", SECRET)
    heard: list[bytes] = []
    reply = b"HTTP/1.1 503 " + HOSTILE.encode() + b"\r\n\r\n"
    with ExitStack() as stack:
        status = stack.enter_context(listening(answers(reply, heard=heard)))
        banner = stack.enter_context(listening(says(HOSTILE.encode())))
        monitors = [
            monitor("secret", "HTTP", status, headers={"Authorization": {"env": "CANARY"}}),
            monitor("banner", "TCP", banner, expect={"text": "220 "}, timeout="1s"),
            monitor("binary", "HTTP", banner),
        ]
        running = stack.enter_context(daemon({"monitors": monitors}, tmp_path, *EVERY_RESULT))
        for name in ("secret", "banner", "binary"):
            probes(running, 4, monitor=name)
        everywhere = shown(running)
        assert running.stop() == 0
        running.rest()
    assert SECRET.encode() in heard[0]
    everywhere["log"] = "\n".join(map(json.dumps, running.lines))
    for place, text in everywhere.items():
        assert SECRET not in text, place
        assert "<script>alert" not in text or place != "/", place
        assert not [each for each in CONTROL if each in text], place
    assert "forged" not in {line["event"] for line in running.lines}


def test_without_root_certificates_it_says_so_and_blames_nobody(tmp_path: Path) -> None:
    """A slim container; what was edited, probed on demand or loaded later is no exception."""
    nowhere = {"SSL_CERT_FILE": "/nonexistent", "SSL_CERT_DIR": "/nonexistent"}
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    (tmp_path / "modules.yml").write_text("modules: {page: {prober: http}}")
    with listening(over_tls(context, answers(b"HTTP/1.1 204 None\r\n\r\n"))) as port:
        kinds = ("TLS", "HTTPS", "GRPC")
        monitors = [monitor(kind, kind, port, tls={"verify": True}) for kind in kinds]
        server = {"blackbox_modules": "modules.yml"}
        config = {"server": server, "monitors": monitors}
        with daemon(config, tmp_path, *EVERY_RESULT, environment=nowhere) as running:
            said = running.wait_for("no_trust_store")
            assert said["needed_by"] == [*(f"monitor '{kind}'" for kind in kinds), "module 'page'"]
            probes(running, 6, result="UNKNOWN", reason="no_trust_store")
            status, text = running.get(f"/probe?module=page&target=https://127.0.0.1:{port}/")
            assert (status, "no root certificates" in text) == (503, True)
            assert not blamed(running.lines)
            authority.cert_pem.write_to_path(tmp_path / "ca.pem")
            monitors[0]["tls"] = {"verify": True, "ca_file": "ca.pem"}
            (tmp_path / "prober.json").write_text(json.dumps(config))
            running.process.send_signal(signal.SIGHUP)
            assert running.wait_for("no_trust_store")["count"] == 3
            running.wait_for("status_changed", monitor="TLS", to="OK")
