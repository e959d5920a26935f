"""Trouble of the prober's own process: descriptors, time that is lost, clocks that jump, its log.

The targets are well all the time, so not one result may blame them.
"""

import fcntl
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import IO

import pytest
import trustme

from tests.engine.conftest import Certificates
from tests.engine.targets import answers, listening, over_tls, says
from tests.faults.watching import (
    EVERY_RESULT,
    blamed,
    bugs,
    changes,
    check,
    metric,
    monitor,
    open_descriptors,
    probes,
)
from tests.ports import free_port
from tests.running import PATIENCE, Daemon, connects, daemon, until

HEALTHY = answers(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
NAMES = ("tcp", "http", "tls", "greeting")
STRICT = {"timeout": "2s"}
"""Shorter than what is lost here, and longer than a target takes that has to wait for a core."""


@pytest.fixture
def monitors(tmp_path: Path) -> Iterator[list[dict[str, object]]]:
    """Monitors of targets that are well."""
    with ExitStack() as stack:
        http = stack.enter_context(listening(HEALTHY))
        context = Certificates(trustme.CA(), tmp_path).server()
        tls = stack.enter_context(listening(over_tls(context)))
        greeting = stack.enter_context(listening(says(b"220 hello\r\n")))
        yield [
            monitor("tcp", "TCP", http, **STRICT),
            monitor("http", "HTTP", http, **STRICT),
            monitor("tls", "TLS", tls, **STRICT),
            monitor("greeting", "TCP", greeting, expect={"text": "220 "}, **STRICT),
        ]


def all_ok(running: Daemon) -> int:
    """Wait until every check is OK; return how many lines of the log were read by then."""
    missing = set(NAMES)
    while missing:
        missing.discard(running.wait_for("status_changed", to="OK")["monitor"])
    return len(running.lines)


def go_on(running: Daemon) -> None:
    """Wait until every check has been found well again a few times."""
    for name in NAMES:
        probes(running, 2, monitor=name, result="OK")


def status_of(connection: HTTPConnection) -> int:
    """Return the status of an answer over a connection that stays open."""
    connection.request("GET", "/-/healthy")
    answer = connection.getresponse()
    answer.read()
    return answer.status


def test_without_descriptors_nothing_is_blamed_and_the_api_answers(
    tmp_path: Path, monitors: list[dict[str, object]]
) -> None:
    new = {**monitors[0], "name": "new", "source": "127.0.0.1"}  # a socket for each of its probes
    with daemon({"monitors": [*monitors, new]}, tmp_path, *EVERY_RESULT) as running:
        seen = all_ok(running)
        limits = resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE)
        address = running.url.removeprefix("http://")
        with closing(HTTPConnection(address, timeout=PATIENCE)) as open_:
            assert status_of(open_) == 200
            resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
            probes(running, 2, monitor="new", reason="no_descriptors")
            for name in NAMES:  # these may have kept sockets from before
                probes(running, 2, monitor=name)
            assert status_of(open_) == 200
            resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, limits)
        go_on(running)
        assert metric(running, "prober_local_errors_total", reason="no_descriptors") >= 2
        assert not blamed(running.lines)
        assert {to for _, to in changes(running.lines[seen:])} <= {"UNKNOWN", "OK"}


@pytest.mark.parametrize("seconds", [0.4, 1.6, 5.0])
def test_a_stopped_process_blames_nobody(
    tmp_path: Path, monitors: list[dict[str, object]], seconds: float
) -> None:
    """What a debugger, a frozen container, a long garbage collection or a suspended host does."""
    with daemon({"monitors": monitors}, tmp_path, *EVERY_RESULT) as running:
        seen = all_ok(running)
        for _ in range(2 if seconds < 2 else 1):
            running.process.send_signal(signal.SIGSTOP)
            time.sleep(seconds)  # the injection itself
            running.process.send_signal(signal.SIGCONT)
            go_on(running)
        assert not blamed(running.lines)
        assert not changes(running.lines[seen:])
        if seconds > 2:
            gaps = [each["seconds"] for each in running.lines if each["event"] == "stood_still"]
            assert max(gaps) > 0.9 * seconds
            assert metric(running, "prober_probes_skipped_total", reason="gap") >= len(NAMES)


@contextmanager
def burning(core: int, processes: int) -> Iterator[None]:
    """Keep a core busy with everything it has."""
    code = f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    burners = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(processes)]
    try:
        yield
    finally:
        for each in burners:
            each.kill()
            each.wait()


def test_starved_of_cpu_time_it_blames_nobody(
    tmp_path: Path, monitors: list[dict[str, object]]
) -> None:
    core = max(os.sched_getaffinity(0))
    with daemon({"monitors": monitors}, tmp_path, *EVERY_RESULT) as running:
        seen = all_ok(running)
        os.sched_setaffinity(running.process.pid, {core})
        os.setpriority(os.PRIO_PROCESS, running.process.pid, 10)
        with burning(core, 2):
            go_on(running)
            go_on(running)
        assert not blamed(running.lines)
        assert not changes(running.lines[seen:])


def test_what_it_cannot_keep_up_with_it_says_and_blames_nobody(tmp_path: Path) -> None:
    """Many checks whose targets take their time, and descriptors for eight probes at once."""
    with ExitStack() as stack:
        port = greets_slowly(stack)
        targets = [f"127.0.2.{i}:{port}" for i in range(40)]
        greeted = {"timeout": "20s", "expect": {"text": "220 "}, "rise": 1}
        config = {"monitors": [{**monitor("crowd", "TCP", port, **greeted), "targets": targets}]}
        running = stack.enter_context(daemon(config, tmp_path, *EVERY_RESULT, descriptors=144))
        line = running.wait_for("overloaded")
        assert line["cause"] == "places"
        assert 0.1 < line["late_share"] <= 1
        status, body = running.get("/-/ready")
        assert status == 200
        assert body.startswith("Ready, but overloaded: ")
        assert metric(running, "prober_overloaded") == 1
        prober = running.json("/api/v1/status")["prober"]
        assert prober["overloaded"] is True
        assert prober["overload"].partition(":")[2] in body
        probes(running, 40)
        counts = Counter(each["backend"] for each in running.lines if each["event"] == "probed")
        assert set(counts) == set(targets)
        assert max(counts.values()) - min(counts.values()) <= 2  # all alike, less often
        assert not blamed(running.lines)
        config["monitors"][0]["targets"] = targets[:1]
        (tmp_path / "prober.json").write_text(json.dumps(config))
        assert running.get("/-/reload", "POST")[0] == 500  # it would drop most checks
        assert running.get("/-/reload", "POST")[0] == 200
        running.wait_for("overload_over")
        assert metric(running, "prober_overloaded") == 0
        events = running.json("/api/v1/events?kind=overloaded&kind=overload_over")["events"]
        assert [each["kind"] for each in events] == ["overload_over", "overloaded"]


def greets_slowly(stack: ExitStack) -> int:
    """Greet every connection 0.3 s after it came, and return the port."""
    listener = stack.enter_context(socket.create_server(("0.0.0.0", 0), backlog=128))

    def greet(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.sendall(b"220 hello\r\n")

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Timer(0.3, greet, (connection,)).start()

    thread = threading.Thread(target=serve)
    thread.start()
    stack.callback(thread.join)
    stack.callback(listener.shutdown, socket.SHUT_RDWR)
    return int(listener.getsockname()[1])


FAKETIME = [*Path("/usr/lib").glob("*/faketime/libfaketime.so.1")]


@pytest.mark.skipif(not FAKETIME, reason="libfaketime is not installed")
def test_a_wall_clock_that_jumps_moves_timestamps_only(
    tmp_path: Path, monitors: list[dict[str, object]]
) -> None:
    offset = tmp_path / "offset"
    offset.write_text("+0\n")
    under = (
        "env",
        f"LD_PRELOAD={FAKETIME[0]}",
        f"FAKETIME_TIMESTAMP_FILE={offset}",
        "FAKETIME_NO_CACHE=1",
        "DONT_FAKE_MONOTONIC=1",
    )
    started = time.monotonic()
    with daemon({"monitors": monitors}, tmp_path, *EVERY_RESULT, under=under) as running:
        seen = all_ok(running)
        for jump in ("+3600", "-3600"):
            offset.write_text(f"{jump}\n")
            go_on(running)
            go_on(running)
            at = datetime.fromisoformat(check(running, "tcp")["last"]["at"]).timestamp()
            assert abs(at - time.time() - int(jump)) < 60
        lines = [
            each for each in running.lines if each["event"] == "probed" and each["monitor"] == "tcp"
        ]
        assert len(lines) <= (time.monotonic() - started) / 0.1 + 2  # no burst to catch up
        assert all(each["seconds"] >= 0 for each in lines)
        recent = running.json(f"/api/v1/checks/tcp/{check(running, 'tcp')['backend']}")["recent"]
        assert all(each["duration_seconds"] >= 0 for each in recent)
        assert not blamed(running.lines)
        assert not changes(running.lines[seen:])
        assert not bugs(running.lines)


def test_a_log_that_nobody_reads_stops_no_probe(
    tmp_path: Path, monitors: list[dict[str, object]]
) -> None:
    """The reader of a pipe hangs: the pipe fills, and a write to it would block for ever."""
    port = free_port()
    (tmp_path / "prober.json").write_text(json.dumps({"monitors": monitors}))
    command = [sys.executable, "-m", "prober", "run", "--config", str(tmp_path / "prober.json")]
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    with (
        os.fdopen(read, "rb") as log,
        subprocess.Popen(
            [*command, "--listen", f"127.0.0.1:{port}", *EVERY_RESULT], stderr=write
        ) as process,
    ):
        os.close(write)
        try:
            until(lambda: connects(port))
            running = Daemon.__new__(Daemon)
            running.url = f"http://127.0.0.1:{port}"
            until(lambda: pending(log) > 0)
            first = check(running, "tcp")["streak"]
            until(lambda: check(running, "tcp")["streak"] > first + 30)
        finally:
            process.kill()


def pending(log: IO[bytes]) -> int:
    """Return how many bytes wait in a pipe."""
    return int.from_bytes(fcntl.ioctl(log, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_descriptors_come_back(tmp_path: Path, monitors: list[dict[str, object]]) -> None:
    with daemon({"monitors": monitors}, tmp_path, *EVERY_RESULT) as running:
        all_ok(running)
        before = open_descriptors(running)
        for _ in range(5):
            go_on(running)
        assert open_descriptors(running) <= before + len(NAMES)
