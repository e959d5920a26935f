"""What a probe costs: CPU, lateness and memory of the whole daemon, and HAProxy's in the same run.

    python bench/probes.py [--checks 1000] [--seconds 8] [--rounds 5]

The targets are one listener on 127.1.0.0/16, in a process of its own on the first core; the
checker runs on the second. Every check opens a fresh connection once a second. Contestants take
turns; CPU is user and system time of all threads as the kernel accounts it, divided by the number
of connections that this machine opened meanwhile (the listener itself does not see a TCP check: it
is reset before the handshake's last packet). So nothing else should open connections.
"""

import argparse
import json
import os
import re
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import Process
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Type: text/plain\r\n\r\nok\n"
WARM_UP = 4.0
LAG = re.compile(r'prober_schedule_lag_seconds_bucket\{le="([^"]+)"\} (\S+)')
LISTENING = re.compile(r'"address": ?"([^"]+)"')


class Measured(NamedTuple):
    """One turn: CPU in milliseconds per 1,000 probes, probes per second, memory in MiB."""

    cpu: float
    rate: float
    memory: float
    lag: dict[str, str]


def serve(listener: socket.socket) -> None:
    """Take connections and answer whatever comes with one HTTP reply."""
    os.sched_setaffinity(0, {0})
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    poller = select.epoll()
    poller.register(listener, select.EPOLLIN)
    open_ones: dict[int, socket.socket] = {}
    while True:
        for descriptor, _ in poller.poll():
            if descriptor == listener.fileno():
                connection, _ = listener.accept()
                connection.setblocking(False)
                open_ones[connection.fileno()] = connection
                poller.register(connection, select.EPOLLIN)
                continue
            connection = open_ones[descriptor]
            try:
                content = connection.recv(4096)
                if content:
                    connection.send(REPLY)
            except OSError:
                content = b""
            if not content:
                del open_ones[descriptor]
                connection.close()


@contextmanager
def targets() -> Iterator[int]:
    """Yield the port that every loopback address listens on."""
    with socket.create_server(("0.0.0.0", 0), backlog=4096) as listener:
        process = Process(target=serve, args=(listener,), daemon=True)
        process.start()
        try:
            yield listener.getsockname()[1]
        finally:
            process.kill()
            process.join()


def addresses(count: int) -> list[str]:
    """Return loopback addresses, one for each check."""
    return [f"127.1.{i >> 8}.{i & 255}" for i in range(count)]


def start_prober(kind: str, port: int, checks: int, folder: Path) -> tuple[list[str], str]:
    """Return the command that runs prober on these checks."""
    config = folder / "prober.json"
    pool = {"name": "bench", "backends": [f"{a}:{port}" for a in addresses(checks)]}
    monitor = {"name": "bench", "type": kind, "pool": "bench", "interval": 1}
    config.write_text(json.dumps({"pools": [pool], "monitors": [monitor]}))
    command = [sys.executable, "-m", "prober", "run", "--config", str(config)]
    return [*command, "--listen", "127.0.0.1:0", "--log-level", "info"], "prober"


def start_haproxy(kind: str, port: int, checks: int, folder: Path) -> tuple[list[str], str]:
    """Return the command that runs HAProxy's checker on these checks."""
    config = folder / "haproxy.cfg"
    lines = ["global", "  maxconn 8000", "  nbthread 1", "defaults", "  timeout connect 2s"]
    lines += ["  timeout client 2s", "  timeout server 2s", "  timeout check 2s"]
    lines += ["frontend idle", f"  bind unix@{folder}/haproxy.sock", "backend bench"]
    lines += ["  option httpchk GET /"] if kind == "HTTP" else []
    lines += [
        f"  server s{i} {address}:{port} check inter 1s fastinter 1s downinter 1s"
        for i, address in enumerate(addresses(checks))
    ]
    config.write_text("\n".join([*lines, ""]))
    return [shutil.which("haproxy") or "haproxy", "-f", str(config), "-db"], "haproxy"


def cpu_seconds(pid: int) -> float:
    """Return user and system time of all threads of a process."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def connections_opened() -> int:
    """Return how many TCP connections this machine has opened so far."""
    names, counts = (
        line.split()
        for line in Path("/proc/net/snmp").read_text().splitlines()
        if line.startswith("Tcp:")
    )
    return int(counts[names.index("ActiveOpens")])


def resident(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def lateness(log: Path) -> dict[str, str]:
    """Return quantiles of the schedule lag, each as the upper bound of its bucket."""
    found = LISTENING.search(log.read_text())
    if not found:
        return {}
    with urlopen(f"http://{found[1]}/metrics") as answer:
        rows = LAG.findall(answer.read().decode())
    counts = [(bound, float(count)) for bound, count in rows]
    total = counts[-1][1]
    shares = {"p50": 0.5 * total, "p99": 0.99 * total, "max": total}
    return {
        name: next(f"{float(b) * 1000:g}" for b, count in counts if count >= share)
        for name, share in shares.items()
    }


def measure(command: list[str], name: str, seconds: float, folder: Path) -> Measured:
    """Run a checker on the second core and measure it after it has settled."""
    cores = os.sched_getaffinity(0)
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            preexec_fn=lambda: os.sched_setaffinity(0, {max(cores)}),  # noqa: PLW1509  (no threads)
        )
    try:
        time.sleep(WARM_UP)
        before = time.monotonic(), cpu_seconds(process.pid), connections_opened()
        time.sleep(seconds)
        after = time.monotonic(), cpu_seconds(process.pid), connections_opened()
        probes = after[2] - before[2]
        if not probes:
            raise SystemExit(f"{name} made no probes:\n{log.read_text()[-2000:]}")
        return Measured(
            (after[1] - before[1]) / probes * 1e6,
            probes / (after[0] - before[0]),
            resident(process.pid),
            lateness(log) if name == "prober" else {},
        )
    finally:
        process.terminate()
        process.wait()


Contestant = Callable[[str, int, int, Path], tuple[list[str], str]]


def row(name: str, turns: list[Measured], base: list[Measured]) -> str:
    """Return one line of the table: medians, ranges, and ratios paired within a round."""
    cpu = [turn.cpu for turn in turns]
    ratio = statistics.median(a.cpu / b.cpu for a, b in zip(turns, base, strict=True))
    last = turns[-1]
    lag = "/".join(last.lag.values()) if last.lag else "-"
    return (
        f"| {name} | {statistics.median(cpu):.1f} [{min(cpu):.1f}..{max(cpu):.1f}] | {ratio:.2f} "
        f"| {last.rate:.0f} | {lag} | {last.memory:.0f} |"
    )


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--checks", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=5)
    wanted = parser.parse_args()
    contestants: list[Contestant] = [start_prober]
    if shutil.which("haproxy"):
        contestants.append(start_haproxy)
    print(f"{wanted.checks} checks at 1 s, {wanted.rounds} rounds of {wanted.seconds:g} s")
    print(f"Python {sys.version.split()[0]}, Linux {os.uname().release}, {os.cpu_count()} cores\n")
    print(
        "| checker | CPU ms per 1,000 probes | x HAProxy | probes/s "
        "| schedule lag p50/p99/max ≤ ms | MiB |"
    )
    print("|---|---|---|---|---|---|")
    with targets() as port, tempfile.TemporaryDirectory() as folder:
        for kind in ("TCP", "HTTP"):
            turns: dict[str, list[Measured]] = {}
            for _ in range(wanted.rounds):
                for contestant in contestants:
                    command, name = contestant(kind, port, wanted.checks, Path(folder))
                    turn = measure(command, name, wanted.seconds, Path(folder))
                    turns.setdefault(name, []).append(turn)
            base = turns.get("haproxy")
            for name, measured in turns.items():
                line = row(f"{name}, {kind}", measured, base or measured)
                print(line if base else line.replace("| 1.00 |", "| - |", 1))


if __name__ == "__main__":
    main()
