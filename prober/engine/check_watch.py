"""What the scheduler knows of each check: when it is due, its grid, and its probe in flight."""

from collections.abc import Callable
from math import inf
from typing import Final, Protocol

from prober.engine.attempt import Attempt, Job
from prober.engine.target_policy import Objection
from prober.model.health import Health
from prober.model.monitor import Check
from prober.model.schedule import interval_for, phase

NEVER: Final = -inf
"""A monotonic time before all others."""


Shift = Callable[[float], float]
"""Returns by how many seconds the grid of an interval is shifted, for one of several vantages."""


class Watched(Protocol):
    """What the scheduler updates in the state of a check."""

    next_due: float | None
    held_up: float


class CheckWatch:
    """One check on the schedule; times are monotonic, in seconds."""

    __slots__ = (
        "asked_due",
        "attempt",
        "check",
        "due",
        "held_up",
        "interval",
        "job",
        "offset",
        "paced",
        "passed_over",
        "placed",
        "removed",
        "shift",
        "skipped",
        "state",
    )

    def __init__(self, check: Check, state: Watched, objection: Objection | None) -> None:
        monitor = check.monitor
        self.check = check
        self.state = state
        self.job = Job.of(check, objection if check.under_policy else None)
        self.due = 0.0
        self.asked_due = NEVER  # when the last requested probe was due
        self.skipped = 0
        self.paced = monitor.probe.paced
        self.placed = False  # whether its host has reserved a time for it
        self.held_up = 0.0  # seconds by which the UDP pace delays the next probe
        self.passed_over = False
        self.removed = False
        self.shift: Shift | None = None
        self.attempt: Attempt | None = None  # the probe in flight

    def keep_to(self, interval: float, number: int) -> None:
        """Use the grid of an interval; `number` is the check's `spread`."""
        self.interval = interval
        self.offset = phase(number, interval)
        if self.shift is not None:
            self.offset = (self.offset + self.shift(interval)) % interval

    def interval_after(self, health: Health) -> float:
        """Return the seconds between two probes of a check in this health."""
        monitor = self.check.monitor
        return interval_for(
            health,
            interval=monitor.interval,
            fast_interval=monitor.fast_interval,
            down_interval=monitor.down_interval,
        )
