"""The cost of a start: processor time and resident memory of `prober run` until it probes.

    python -m bench.start [--against CHECKOUT] [--rounds 9]

A daemon with a TCP and an HTTP monitor starts in each round, from caches of bytecode, and is read
once it logs `ready`. The figures are the lowest of all rounds. With another checkout, such as a
worktree of an older commit, the two take turns.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parents[1]
CONFIG = """\
monitors:
  - {name: tcp, type: TCP, targets: ['127.0.0.1:1']}
  - {name: http, type: HTTP, targets: ['127.0.0.1:1']}
"""
PAGE = os.sysconf("SC_PAGE_SIZE")


def started(checkout: Path, config: str) -> tuple[float, float]:
    """Return the milliseconds of processor time and the MiB that a start takes."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "prober", "run", "--config", config]
    with subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0", "--log-format", "json"],
        cwd=checkout,
        env=environment,
        stderr=subprocess.PIPE,
    ) as daemon:
        assert daemon.stderr
        try:
            for line in daemon.stderr:
                if json.loads(line)["event"] == "ready":
                    return _used(Path("/proc") / str(daemon.pid))
        finally:
            daemon.kill()
    message = f"the daemon of {checkout} has not become ready"
    raise SystemExit(message)


def _used(process: Path) -> tuple[float, float]:
    """Return the processor time of all threads and the resident memory: proc(5)."""
    threads = (process / "task").glob("*/schedstat")
    cpu = sum(int(each.read_text().split()[0]) for each in threads)
    return cpu / 1e6, int((process / "statm").read_text().split()[1]) * PAGE / (1 << 20)


def main() -> None:
    """Start each checkout in turn and print the lowest figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--against", type=Path, action="append", default=[], metavar="CHECKOUT")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    checkouts = [HERE, *(each.resolve() for each in options.against)]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
        config.write(CONFIG)
        config.flush()
        for checkout in checkouts:  # fill the caches of bytecode
            started(checkout, config.name)
        rounds = [[started(each, config.name) for each in checkouts] for _ in range(options.rounds)]
    for checkout, figures in zip(checkouts, zip(*rounds, strict=True), strict=True):
        cpu, memory = (min(each) for each in zip(*figures, strict=True))
        print(f"{checkout}: {cpu:.0f} ms of processor time, {memory:.1f} MiB resident")


if __name__ == "__main__":
    main()
