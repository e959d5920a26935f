"""Attack the API of a daemon, and time its liveness endpoint: `python -m bench.hostile_callers`.

Everything is on loopback. Prints median and 99th percentile of the time of /-/healthy in ms under
each attack, and up to how late 99 of 100 turns of the event loop were, as its own metric says.
Attackers would have processors of their own; here they share those of the daemon, with lower
priority, and whatever else runs takes its part. So before and after the attacks there are callers
that are busy and send nothing, and the loop may not be later than in the worse of these two rows,
unless that is within LIMIT.
"""

import gzip
import json
import multiprocessing
import os
import re
import socket
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPConnection
from math import inf
from pathlib import Path
from urllib.request import Request, urlopen

from tests.running import Daemon, daemon

LIMIT = 0.05
"""Seconds by which 99 of 100 turns of the event loop may be late under an attack."""
_NICE = 10
SECONDS = 5.0
"""Seconds that each attack lasts."""
CALLERS = 2
"""Number of attacking processes."""
_TOKEN = "w" * 40

Attack = Callable[[str, int], None]
"""Makes one request to the API at a host and port; it is called in a loop."""


def send(host: str, port: int, *parts: bytes, answered: bool = True) -> None:
    """Send bytes on a new connection, and read the response."""
    with suppress(OSError), socket.create_connection((host, port), 5) as client:
        for part in parts:
            client.sendall(part)
        while answered and client.recv(65536):
            pass


def head(line: str, *headers: str, length: int = 0) -> bytes:
    """Return the head of a request."""
    lines = (f"{line} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers)
    return "\r\n".join((*lines, f"Content-Length: {length}", "", "")).encode()


def attacks() -> Iterator[tuple[str, Attack]]:
    """Yield the attacks, from none to the worst."""
    bomb = gzip.compress(bytes(1 << 20)) * 100
    packed = head("GET /api/v1/status", "Content-Encoding: gzip", length=len(bomb))
    big = json.dumps({"type": "HTTP", "targets": ["127.0.0.1:1"], "url_path": "/" + "a" * 900_000})
    deep = "[" * 500_000
    write = (f"Authorization: Bearer {_TOKEN}", "Content-Type: application/json")
    guess = b64encode(b"anna:wrong").decode()
    forged = 'Signature version="1",keyId="t/u/f",algorithm="rsa-sha256",headers="date host"'
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


def be_busy(_host: str, _port: int) -> None:
    """Use processor time, as an attacker does on its side."""
    sum(range(1000))


def times_under(running: Daemon, attack: Attack) -> list[float]:
    """Return the times of requests for liveness while an attack goes on, in order."""
    host, _, port = running.url.removeprefix("http://").partition(":")
    times = []

    def work() -> None:
        os.nice(_NICE)
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
    """Attack in each way and print the times; return 1 if the loop was too late."""
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
        lags = {name: row(running, name, each) for name, each in rows()}
    base = max(lags[name] for name in _BUSY)
    worst = max(late for name, late in lags.items() if name not in _BUSY)
    print(f"worst {worst * 1000:g} ms, limit {max(base, LIMIT) * 1000:g} ms")
    return int(worst > max(base, LIMIT))


_BUSY = ("busy callers, nothing sent", "busy callers again")


def rows() -> Iterator[tuple[str, Attack]]:
    """Yield the attacks, between two rows with attackers that only use processor time."""
    yield _BUSY[0], be_busy
    yield from attacks()
    yield _BUSY[1], be_busy


def row(running: Daemon, name: str, attack: Attack) -> float:
    """Attack, print how long answers took and how late the loop was; return the latter."""
    before = turns(running)
    times = times_under(running, attack)
    late = lateness(before, turns(running))
    cells = (times[len(times) // 2], times[int(len(times) * 0.99)], late)
    print(f"{name:32}" + "".join(f"{each * 1000:9.1f}" for each in cells), flush=True)
    return late


def turns(running: Daemon) -> dict[float, int]:
    """Return how many turns of the loop were late by at most this many seconds."""
    request = Request(f"{running.url}/metrics", headers={"Authorization": f"Bearer {_TOKEN}"})
    with urlopen(request, timeout=30) as answer:
        text = answer.read().decode()
    found = re.findall(r'^prober_loop_lag_seconds_bucket\{le="(.*)"\} (\S+)', text, re.MULTILINE)
    return {float(bound): int(float(count)) for bound, count in found}


def lateness(before: dict[float, int], after: dict[float, int]) -> float:
    """Return the 99th percentile of lateness between two readings, in seconds."""
    total = after[inf] - before[inf]
    return min(b for b, n in after.items() if n - before[b] >= 0.99 * total)


if __name__ == "__main__":
    sys.exit(main())
