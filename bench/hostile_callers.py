"""Attack the API of a daemon, and time its liveness meanwhile: `python -m bench.hostile_callers`.

Everything is on loopback. Prints the median, the 99th percentile and the worst time of /-/healthy
in ms under each attack; no 99th percentile may be over LIMIT. Callers share the processors with the
daemon, so the figures count only on an idle machine of more than CALLERS processors.
"""

import gzip
import json
import multiprocessing
import socket
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPConnection
from pathlib import Path

from tests.running import Daemon, daemon

LIMIT = 0.05
"""Seconds in which 99 of 100 requests for liveness are answered."""
SECONDS = 5.0
"""How long each attack lasts."""
CALLERS = 2
"""Processes that attack at once."""
_TOKEN = "w" * 40

Attack = Callable[[str, int], None]
"""Does one thing to the API at a host and port; it is done over and over."""


def send(host: str, port: int, *parts: bytes, answered: bool = True) -> None:
    """Send something on a connection of its own, and read what is answered."""
    with suppress(OSError), socket.create_connection((host, port), 5) as client:
        for part in parts:
            client.sendall(part)
        while answered and client.recv(65536):
            pass


def head(line: str, *headers: str, length: int = 0) -> bytes:
    """Write the head of a request."""
    lines = (f"{line} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers)
    return "\r\n".join((*lines, f"Content-Length: {length}", "", "")).encode()


def attacks() -> Iterator[tuple[str, Attack]]:
    """Yield what callers do to the API, from nothing to the worst."""
    bomb = gzip.compress(bytes(1 << 20)) * 100
    packed = head("GET /api/v1/status", "Content-Encoding: gzip", length=len(bomb))
    big = json.dumps({"type": "HTTP", "targets": ["127.0.0.1:1"], "url_path": "/" + "a" * 900_000})
    deep = "[" * 500_000
    write = (f"Authorization: Bearer {_TOKEN}", "Content-Type: application/json")
    guess = b64encode(b"anna:wrong").decode()
    forged = 'Signature version="1",keyId="t/u/f",algorithm="rsa-sha256",headers="date host"'
    yield "nothing", lambda _host, _port: time.sleep(0.01)
    yield "connections that say nothing", lambda h, p: send(h, p, answered=False)
    yield "what is not HTTP", lambda h, p: send(h, p, b"\x16\x03\x01" + b"\xff" * 5000)
    yield "packed bodies, no credentials", lambda h, p: send(h, p, packed, bomb)
    yield "wrong passwords", lambda h, p: send(h, p, head("GET /", f"Authorization: Basic {guess}"))
    yield "forged signatures", lambda h, p: send(h, p, head("GET /", f"Authorization: {forged}"))
    yield "paths that are not there", lambda h, p: send(h, p, head("GET /" + "%2e/" * 2000))
    for name, body in (("definitions of 900 kB", big), ("JSON of 500,000 levels", deep)):
        request = head("PUT /api/v1/monitors/m", *write, length=len(body))
        yield name, lambda h, p, r=request, b=body: send(h, p, r, b.encode())  # type: ignore[misc]
    for path in ("/metrics", "/", "/api/v1/checks", "/20170115/loadBalancers"):
        request = head(f"GET {path}", *write)
        yield f"GET {path}", lambda h, p, r=request: send(h, p, r)  # type: ignore[misc]


def times_under(running: Daemon, attack: Attack) -> list[float]:
    """Return the times of requests for liveness while an attack goes on, in order."""
    host, _, port = running.url.removeprefix("http://").partition(":")
    times = []

    def work() -> None:
        while True:
            attack(host, int(port))

    processes = multiprocessing.get_context("fork")
    callers = [processes.Process(target=work, daemon=True) for _ in range(CALLERS)]
    for each in callers:
        each.start()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        begun = time.perf_counter()
        connection = HTTPConnection(host, int(port), timeout=30)
        connection.request("GET", "/-/healthy")
        connection.getresponse().read()
        connection.close()
        times.append(time.perf_counter() - begun)
        time.sleep(0.01)
    for each in callers:
        each.terminate()
        each.join()
    return sorted(times)


def main() -> int:
    """Attack in each way and print the times; return 1 if one is over the limit."""
    worst = 0.0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "token").write_text(_TOKEN)
        backends = [f"127.0.0.1:{port}" for port in range(1, 1001)]
        config = {
            "server": {
                "writable": True,
                "auth": {"tokens": [{"name": "w", "role": "write", "token": {"file": "token"}}]},
            },
            "pools": [{"name": "web", "backends": backends}],
            "monitors": [{"name": "web", "type": "TCP", "pool": "web", "interval": "1h"}],
        }
        running = stack.enter_context(daemon(config, folder))
        for name, attack in attacks():
            times = times_under(running, attack)
            late = times[int(len(times) * 0.99)]
            worst = max(worst, late)
            shown = (times[len(times) // 2], late, times[-1])
            print(f"{name:32}" + "".join(f"{each * 1000:9.1f}" for each in shown), flush=True)
    print(f"{'worst 99th percentile':41}{worst * 1000:9.1f} ms, limit {LIMIT * 1000:.0f} ms")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
