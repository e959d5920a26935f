"""The limits of one core: lateness, memory, start, scrapes, and maximum probes per second."""

import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

from bench.contestants import KINDS, Turn, prober_command
from bench.measure import (
    Running,
    buckets,
    cpu_seconds,
    probes_so_far,
    quantiles,
    resident,
    running,
)
from bench.targets import addresses

TCP = KINDS[0]
SCHEDULE, LOOP = "prober_schedule_lag_seconds", "prober_loop_lag_seconds"
LATE = 100.0
"""Maximum acceptable schedule lag (p99) in milliseconds."""

Row = dict[str, Any]


class Load(NamedTuple):
    """A number of TCP checks of one port, and their interval in seconds."""

    checks: int
    interval: float
    port: int
    steady: bool = True

    @property
    def settled(self) -> float:
        """Seconds until all checks keep to their grid: the first probes are spread out."""
        return max(3.0, 1.5 * self.interval) + self.checks / 1000

    def turn(self, folder: Path) -> Turn:
        """Return how to run the daemon with these checks."""
        backends = [f"{address}:{self.port}" for address in addresses(self.checks)]
        monitor = {"name": "bench", "type": "TCP", "pool": "bench", "interval": self.interval}
        if self.steady:
            monitor["fast_interval"] = self.interval
        config = folder / "scale.json"
        pools = [{"name": "bench", "backends": backends}]
        config.write_text(json.dumps({"pools": pools, "monitors": [monitor] if backends else []}))
        return Turn(prober_command(config))


def start(port: int, folder: Path) -> Iterator[Row]:
    """Measure the time until the daemon serves, and until every check has a status."""
    for checks in (10, 10_000):
        listening, known = [], []
        for _ in range(3):
            begun = time.monotonic()
            with running(Load(checks, 10.0, port, steady=False).turn(folder), folder) as it:
                url = it.url()
                listening.append(time.monotonic() - begun)
                while _counts(url)["UNKNOWN"]:
                    time.sleep(0.02)
                known.append(time.monotonic() - begun)
        yield {
            "checks": checks,
            "listening_seconds": round(statistics.median(listening), 3),
            "every_status_seconds": round(statistics.median(known), 2),
        }


def _counts(url: str) -> dict[str, int]:
    with urlopen(f"{url}/api/v1/status") as answer:
        counts: dict[str, int] = json.load(answer)["counts"]
        return counts


def lateness(port: int, folder: Path, seconds: float) -> Iterator[Row]:
    """Measure CPU and schedule lag with more and more checks, up to 100,000 at 10 s."""
    loads = [Load(checks, 1.0, port) for checks in (100, 300, 1000, 3000, 10_000)]
    for load in [*loads, Load(100_000, 10.0, port)]:
        with running(load.turn(folder), folder) as it:
            yield _look(it, load, seconds)


def _look(it: Running, load: Load, seconds: float) -> Row:
    """Wait until a load has settled, then measure it for a while."""
    url, pid = it.url(), it.process.pid
    it.wait_for("ready")
    time.sleep(load.settled)
    before = buckets(url), cpu_seconds(pid), probes_so_far(TCP), time.monotonic()
    time.sleep(max(seconds, 2 * load.interval))
    after = buckets(url), cpu_seconds(pid), probes_so_far(TCP), time.monotonic()
    probes, took = after[2] - before[2], after[3] - before[3]
    return {
        "checks": load.checks,
        "interval_seconds": load.interval,
        "probes_per_second": round(probes / took),
        "cpu_ms_per_1000": round((after[1] - before[1]) / probes * 1e6, 1),
        "core_percent": round((after[1] - before[1]) / took * 100, 1),
        "schedule_lag_ms": quantiles(before[0], after[0], SCHEDULE),
    }


def most(port: int, folder: Path, seconds: float) -> Row:
    """Find the most checks at 1 s that one core keeps up with, to 1,000."""
    good, bad, best = 0, 0, Row()
    checks = 12_000
    while bad - good > 1000 or not bad:
        load = Load(checks, 1.0, port)
        with running(load.turn(folder), folder) as it:
            row = _look(it, load, seconds)
        kept_up = row["schedule_lag_ms"]["p99"] < LATE and row["probes_per_second"] > 0.97 * checks
        if kept_up:
            good, best = checks, row
        else:
            bad = checks
        checks = (good + bad) // 2 if bad else checks + 4_000
    return best


def memory(port: int, folder: Path) -> Iterator[Row]:
    """Measure resident memory after every check has filled its last 100 results."""
    base = 0.0
    for checks, interval in ((0, 1.0), (1_000, 0.1), (10_000, 1.0), (100_000, 10.0)):
        load = Load(checks, interval, port)
        with running(load.turn(folder), folder) as it:
            it.wait_for("ready")
            full = checks <= 10_000
            time.sleep(load.settled + (100 * interval if full and checks else 0))
            now = resident(it.process.pid)
        base = base or now
        each = (now - base) * 1024 / checks if checks else 0.0
        yield {
            "checks": checks,
            "results_kept_each": 100 if full else 2,
            "resident_mib": round(now, 1),
            "kib_per_check": round(each, 2),
        }


def scrape(port: int, folder: Path) -> Row:
    """Measure GET /metrics with 10,000 checks, every 5 s: its time, and the loop's lag."""
    load = Load(10_000, 1.0, port)
    with running(load.turn(folder), folder) as it:
        url, took = it.url(), []
        it.wait_for("ready")
        time.sleep(load.settled)
        before = buckets(url)
        for _ in range(6):
            begun = time.monotonic()
            with urlopen(f"{url}/metrics") as answer:
                size = len(answer.read())
            took.append(time.monotonic() - begun)
            time.sleep(5)
        after = buckets(url)
    return {
        "checks": load.checks,
        "bytes": size,
        "seconds": round(statistics.median(took), 3),
        "loop_lag_ms": quantiles(before, after, LOOP),
        "schedule_lag_ms": quantiles(before, after, SCHEDULE),
    }
