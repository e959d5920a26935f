"""The memory of a check with a full ring of recent results.

    python bench/memory.py [--checks 2000]

The checks are recorded, not probed: nothing leaves this process. Each number of checks is measured
in a process of its own; the resident memory beyond that of no checks is divided among them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from prober.engine.attempt import Attempt, Done, Job
from prober.engine.scheduler import Scheduler
from prober.engine.ticker import Ticker
from prober.model.monitor import Model, Monitor
from prober.model.pool import Backend, Pool
from prober.model.probe import Probe
from prober.model.status import FactValue, Outcome, Phases, Reason
from prober.probes.http import HttpProbe
from prober.probes.tcp import TcpProbe
from prober.state.database import Database
from prober.state.history import History
from prober.state.journal import Journal
from prober.state.recent import CAPACITY
from prober.state.store import Store

KINDS: dict[str, tuple[Probe, str, dict[str, FactValue] | None, Phases]] = {
    "TCP": (TcpProbe(), "connected", None, (None, 1e-4, None, None, None, None)),
    "HTTP": (
        HttpProbe(),
        "HTTP 200",
        {"http_status_code": 200},
        (None, 1e-4, None, 1e-5, 1e-3, 1e-5),
    ),
}


class NoEngine:
    """Never starts anything."""

    in_flight = 0

    def start(self, job: Job, done: Done) -> Attempt:
        """Raise an error: nothing is scheduled."""
        raise NotImplementedError

    def cancel(self, attempt: Attempt) -> None:
        """Do nothing."""

    def drain(self) -> None:
        """Do nothing."""

    def expire(self, now: float) -> None:
        """Do nothing."""

    def next_deadline(self) -> float | None:
        """Return None: nothing is in flight."""
        return None


class NoTimer:
    """A timer that never fires."""

    def cancel(self) -> None:
        """Do nothing."""


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def fill(kind: str, checks: int, folder: str) -> int:
    """Record a full ring of results for each check; return the resident memory."""
    database = Database(folder, report=print) if folder else None
    history = History(database, wall=time.time, awake=time.monotonic) if database else None
    journal = Journal(database, wall=time.time) if database else None
    ticker = Ticker(clock=time.monotonic, call_later=lambda _seconds, _call: NoTimer())
    store = Store(wall=time.time, awake=ticker.awake, journal=journal, history=history)
    scheduler: Scheduler = Scheduler(
        ticker=ticker, engine=NoEngine(), record=store.record, limit=1000
    )
    probe, detail, facts, phases = KINDS[kind]
    pool = Pool(
        name="bench",
        backends=tuple(
            Backend(address=f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}", port=80)
            for i in range(checks)
        ),
    )
    monitor = Monitor(name="bench", type=kind, pool="bench", probe=probe)
    store.adopt(Model((monitor,), (pool,)))
    states = [store.add(check) for check in store.model.checks()]
    scheduler.add((state.check, state, state.health) for state in states)
    for number in range(CAPACITY + 1):
        for state in states:
            own = None if facts is None else dict(facts)
            took = tuple(None if each is None else each * (1 + number) for each in phases)
            whole = sum(filter(None, took))
            found = Outcome(Reason.OK, detail + "", own, time.time(), whole, took, "10.0.0.1")
            store.record(state, found)
        if journal is not None:
            journal.flush()
    if database is not None:
        database.close()
    return resident()


def measure(kind: str, checks: int, *, stored: bool) -> int:
    """Return the result of `fill` in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--only", kind, "--checks", str(checks)] + ["--folder", folder] * stored
        command = [sys.executable, __file__, *arguments]
        return int(subprocess.run(command, check=True, capture_output=True).stdout)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--checks", type=int, default=2000)
    parser.add_argument("--only", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", default="", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.only:
        print(fill(wanted.only, wanted.checks, wanted.folder))
        return
    print("| checks of | bytes a check, state in memory only | with a state directory |")
    print("|---|---|---|")
    for kind in KINDS:
        cells = []
        for stored in (False, True):
            base, full = (measure(kind, n, stored=stored) for n in (1, wanted.checks + 1))
            cells.append(f"{(full - base) / wanted.checks:.0f}")
        print(f"| {kind} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
