"""What a reload costs the probes: lateness with and without changes of the file.

    python -m bench.reload [--checks 10000] [--interval 10] [--changes 5] [--many]

All checks are TCP against one listener on 127.1.0.0/16. Each change moves a hundred backends in or
out and is taken by SIGHUP; `--many` has a monitor for each backend instead of one pool. The lags
are those of the daemon's own histograms, as the upper bound of the bucket; beside them the longest
answer to GET /-/healthy, which waits as long as the event loop does.
"""

import argparse
import json
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO
from urllib.request import urlopen

from bench.measure import Buckets, buckets, quantiles
from bench.targets import addresses, targets

SETTLE = 12.0


def configuration(port: int, checks: int, interval: float, *, many: bool) -> str:
    """Return a configuration of this many checks."""
    backends = [f"{address}:{port}" for address in addresses(checks)]
    common = {"type": "TCP", "interval": interval, "fast_interval": interval}
    if many:
        monitors = [{"name": each, "targets": [each], **common} for each in backends]
        return json.dumps({"monitors": monitors})
    pool = {"name": "bench", "backends": backends}
    return json.dumps({"pools": [pool], "monitors": [{"name": "m", "pool": "bench", **common}]})


class Log(threading.Thread):
    """Reads the daemon's log continuously, since a full pipe would block it."""

    def __init__(self, lines: IO[str]) -> None:
        super().__init__(daemon=True)
        self.lines = lines
        self.told: queue.SimpleQueue[dict[str, object]] = queue.SimpleQueue()

    def run(self) -> None:
        """Store lines that are not about a check."""
        for text in self.lines:
            line = json.loads(text)
            if line["event"] != "status_changed":
                self.told.put(line)

    def wait_for(self, *events: str) -> dict[str, object]:
        """Return the next line of one of these events."""
        while (line := self.told.get(timeout=60))["event"] not in events:
            pass
        return line


def lags(before: Buckets, after: Buckets) -> str:
    """Return the percentiles of both lags between two readings, in milliseconds."""
    shown = []
    for name in after:
        values = "/".join(f"{value:g}" for value in quantiles(before, after, name).values())
        shown.append(f"{name.split('_')[1]} lag p50/p99/max {values} ms")
    return ", ".join(shown)


class Pulse(threading.Thread):
    """Requests /-/healthy in a loop, and keeps the longest response time."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url, self.longest = url, 0.0

    def run(self) -> None:
        """Send requests until the daemon has stopped."""
        while True:
            start = time.perf_counter()
            try:
                urlopen(f"{self.url}/-/healthy").close()
            except OSError:
                return
            self.longest = max(self.longest, time.perf_counter() - start)
            time.sleep(0.005)


def main() -> None:
    """Measure once without and once with reloads."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--checks", type=int, default=10_000)
    parser.add_argument("--interval", type=float, default=10.0)
    parser.add_argument("--changes", type=int, default=5)
    parser.add_argument("--many", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, targets(Path(folder)) as (port, _, _):
        path = Path(folder, "prober.json")

        def write(checks: int) -> None:
            path.write_text(configuration(port, checks, asked.interval, many=asked.many))

        write(asked.checks)
        command = [sys.executable, "-m", "prober", "run", "--config", str(path)]
        with subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr
            log = Log(process.stderr)
            log.start()
            url = f"http://{log.wait_for('listening')['address']}"
            log.wait_for("ready")
            time.sleep(2 * SETTLE)
            before = buckets(url)
            time.sleep(SETTLE)
            after = buckets(url)
            print(f"{asked.checks} checks, without reload: {lags(before, after)}")
            pulse = Pulse(url)
            pulse.start()
            for i in range(asked.changes):
                before = buckets(url)
                pulse.longest = 0.0
                write(asked.checks - 100 * (1 - i % 2))
                start = time.perf_counter()
                process.send_signal(signal.SIGHUP)
                line = log.wait_for("config_reloaded", "config_rejected")
                took = time.perf_counter() - start
                print(
                    f"{line['event']} in {took:.2f} s, longest answer "
                    f"{pulse.longest * 1000:.0f} ms: {lags(before, buckets(url))}"
                )
                time.sleep(2)
            process.send_signal(signal.SIGTERM)
            log.join()


if __name__ == "__main__":
    main()
