"""Real processes under test: the daemon with its log as events, and servers beside it."""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests import forking
from tests.forking import Forked

PATIENCE = 120.0
"""Seconds after which something that was to happen counts as not happening."""

Line = dict[str, Any]


def connects(port: int) -> bool:
    """Return whether somebody listens on a port of 127.0.0.1."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds that nothing tells of; look fifty times in a second."""
    waited = threading.Event()
    for _ in range(int(PATIENCE / 0.02)):
        if holds():
            return
        waited.wait(0.02)
    raise AssertionError("it did not come")


@contextmanager
def program(*command: str, port: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server as long as the context lasts; it is there when `port` can be connected to."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        waited = threading.Event()
        for _ in range(int(PATIENCE / 0.02)):
            if port is None or connects(port):
                break
            assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
            waited.wait(0.02)
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdin:
            process.stdin.close()


class Daemon:
    """A running daemon: its log, line by line, and its API."""

    def __init__(self, process: subprocess.Popen[bytes] | Forked, log: IO[bytes]) -> None:
        self.process = process
        self.lines: list[Line] = []
        self._seen = 0  # how many of them somebody has waited for
        self._queue: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, args=(log,), daemon=True)
        self._reader.start()
        self.url = self.wait_for("listening")["url"].rstrip("/")
        self._seen = 0  # probes may have been quicker, and somebody may wait for them

    def _read(self, log: IO[bytes]) -> None:
        with suppress(ValueError):  # who runs the process has closed its log meanwhile
            for line in log:
                self._queue.put(line)
        self._queue.put(b"")

    def next_line(self) -> Line | None:
        """Return the next line of the log; None when the log has ended."""
        if self._seen == len(self.lines):
            line = self._queue.get(timeout=PATIENCE)
            if not line:
                return None
            self.lines.append(json.loads(line))
        self._seen += 1
        return self.lines[self._seen - 1]

    def wait_for(self, event: str, **facts: object) -> Line:
        """Read the log up to a line of this event with these facts, and return it."""
        while (line := self.next_line()) is not None:
            if line["event"] == event and facts.items() <= line.items():
                return line
        raise AssertionError(f"the log ended without {event} {facts}: {self.lines[-5:]}")

    def wait_for_any(self, event: str, **facts: object) -> Line:
        """Return a line of this event with these facts, also one that has been read before."""
        for line in self.lines:
            if line["event"] == event and facts.items() <= line.items():
                return line
        return self.wait_for(event, **facts)

    def rest(self) -> list[Line]:
        """Read the log to its end and return what came."""
        seen = len(self.lines)
        while self.next_line() is not None:
            pass
        return self.lines[seen:]

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        """Return the status and the body of an answer of the API."""
        request = Request(self.url + path, method=method)
        try:
            with urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def json(self, path: str) -> Any:
        """Return the JSON that a path of the API gives."""
        status, body = self.get(path)
        assert status == 200, body
        return json.loads(body)

    def close(self) -> None:
        """End it, and let its log be read to the end before somebody closes that."""
        self.process.kill()
        self._reader.join(PATIENCE)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def prober(
    *arguments: str, module: str = "prober", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of prober, or of a module that is like it, to its end."""
    whole = {**os.environ, "NO_COLOR": "1", **environment}
    if not forking.can_start(environment):
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env=whole,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    with TemporaryFile() as out, TemporaryFile() as err:
        stdout, stderr = out.fileno(), err.fileno()
        with forking.start(
            module, arguments, environment=whole, stdout=stdout, stderr=stderr
        ) as process:
            try:
                status = process.wait(PATIENCE)
            finally:
                process.kill()
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess([module, *arguments], status, *texts)


@contextmanager
def daemon(
    config: object,
    folder: Path,
    *arguments: str,
    under: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    module: str = "prober",
    **limits: Any,
) -> Iterator[Daemon]:
    """Run the daemon with a configuration on a port of its own, `under` another command if given.

    That command must replace itself by the daemon. `environment` is added to that of the tests;
    `module` is run instead of prober. `limits` are those of `forking.start`.
    """
    path = folder / "prober.json"
    path.write_text(json.dumps(config))
    where = ("--listen", "127.0.0.1:0", "--log-format", "json")
    command = ["run", "--config", str(path), *where, *arguments]
    whole = {**os.environ, **(environment or {})}
    reading, writing = os.pipe()
    with open(reading, "rb") as log:  # noqa: PTH123  (it has no path)
        process: subprocess.Popen[bytes] | Forked
        if under or not forking.can_start(environment or {}):
            assert not limits, "this is not forked"
            line = [*under, sys.executable, "-m", module, *command]
            process = subprocess.Popen(line, stderr=writing, env=whole)
        else:
            process = forking.start(module, command, environment=whole, stderr=writing, **limits)
        os.close(writing)
        with process:
            try:
                with closing(Daemon(process, log)) as running:
                    yield running
            finally:
                process.kill()


@contextmanager
def listener(
    port: int = 0,
    serve: Callable[[socket.socket], None] = lambda _: None,
    host: str = "127.0.0.1",
) -> Iterator[int]:
    """Listen on an address and hand each connection to `serve`, then close it; yield the port."""
    server = socket.create_server((host, port), backlog=64)

    def work() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                try:
                    serve(connection)
                except OSError:
                    continue

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(PATIENCE)
