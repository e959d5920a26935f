"""Measurements of a running checker, from the kernel and the daemon."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

from bench.contestants import Kind, Turn
from bench.targets import checker_core, on_core

WARM_UP = 1.5
BUCKET = re.compile(r'(prober_(?:schedule|loop)_lag_seconds)_bucket\{le="([^"]+)"\} (\S+)')

Buckets = dict[str, dict[str, float]]
"""Cumulative counts of the daemon's lag histograms: by name, by upper bound in seconds."""


class Measured(NamedTuple):
    """One turn: CPU in milliseconds per 1,000 probes, probes per second, memory in MiB."""

    cpu: float
    rate: float
    memory: float


class NoProbesError(Exception):
    """A checker that failed, with its output."""


class Running(NamedTuple):
    """A running checker and the file with its output."""

    process: subprocess.Popen[bytes]
    log: Path

    def url(self) -> str:
        """Return the address of the daemon once it serves."""
        return f"http://{self.wait_for('listening')['address']}"

    def wait_for(self, event: str, seconds: float = 120.0) -> dict[str, str]:
        """Wait for a log line with this event, and return it."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.process.poll() is None:
            for text in self.log.read_text().splitlines():
                with suppress(ValueError):
                    line: dict[str, str] = json.loads(text)
                    if line["event"] == event:
                        return line
            time.sleep(0.01)
        raise SystemExit(f"bench: no {event} in the log:\n{self.log.read_text()[-2000:]}")


@contextmanager
def running(turn: Turn, folder: Path) -> Iterator[Running]:
    """Run a checker on its core, and its driver, while the context lasts."""
    log = folder / "checker.log"
    with log.open("wb") as output:
        command = on_core(checker_core(), turn.command)
        process = subprocess.Popen(command, stdout=output, stderr=output)
    if turn.driver:
        turn.driver.start()
    try:
        yield Running(process, log)
    finally:
        if turn.driver:
            turn.driver.kill()
            turn.driver.join()
        process.terminate()
        process.wait()


def cpu_seconds(pid: int) -> float:
    """Return user and system time of all threads of a process."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def probes_so_far(kind: Kind) -> int:
    """Return how many connections this machine has opened, or how many datagrams were answered."""
    if kind.type == "UDP_CONNECT":
        return _counter("Udp", "OutDatagrams") // 2  # a question and its echo
    return _counter("Tcp", "ActiveOpens")


def _counter(protocol: str, name: str) -> int:
    names, counts = (
        line.split()
        for line in Path("/proc/net/snmp").read_text().splitlines()
        if line.startswith(f"{protocol}:")
    )
    return int(counts[names.index(name)])


def resident(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def measure(turn: Turn, kind: Kind, seconds: float, folder: Path, *, checks: int) -> Measured:
    """Run a checker and measure it after it has settled: prober starts 1,000 checks a second."""
    with running(turn, folder) as it:
        time.sleep(WARM_UP + checks / 1000)
        pid = it.process.pid
        before = time.monotonic(), cpu_seconds(pid), probes_so_far(kind)
        time.sleep(seconds)
        after = time.monotonic(), cpu_seconds(pid), probes_so_far(kind)
        probes = after[2] - before[2]
        if not probes:
            said = it.log.read_text()[-2000:]
            raise NoProbesError(f"{turn.command[0]} made no probes:\n{said}")
        cpu, took = after[1] - before[1], after[0] - before[0]
        return Measured(cpu / probes * 1e6, probes / took, resident(pid))


def buckets(url: str) -> Buckets:
    """Return the lags that the daemon has counted so far."""
    found: Buckets = {}
    with urlopen(f"{url}/metrics") as answer:
        for name, bound, count in BUCKET.findall(answer.read().decode()):
            found.setdefault(name, {})[bound] = float(count)
    return found


def quantiles(before: Buckets, after: Buckets, name: str) -> dict[str, float]:
    """Return p50, p99 and maximum of a lag between two readings, as bucket bounds in ms."""
    rows = [(bound, count - before[name][bound]) for bound, count in after[name].items()]
    return {
        label: next(float(bound) * 1000 for bound, count in rows if count >= share * rows[-1][1])
        for label, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    }
