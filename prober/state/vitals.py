"""How the daemon itself is: its lateness, what it skipped, its configuration."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from prober.outputs.counters import OutputCounters
from prober.state.histogram import LAG, Histogram
from prober.state.load import Load

SKIPS = ("overrun", "gap", "pace")
"""Why slots of the schedule are left out; all are counted from 0 on, so that rates can be taken."""


class ListHealth(NamedTuple):
    """How the list of targets that a monitor follows is.

    `ok` tells whether its last reading is in effect, `read_at` when one last was, in unix seconds.
    """

    ok: bool
    read_at: float | None


@dataclass(slots=True, kw_only=True)
class Vitals:
    """What the daemon knows of itself; times are unix seconds.

    `name` is the vantage: what this instance is called. `loop_lag` is how late the event loop's
    last tick was, in seconds. `skipped` counts slots of the schedule that were left out, by
    reason (`overrun`: the previous probe was still running; `gap`: the process stood still; `pace`:
    other UDP probes of the host came first). `load` says whether the schedule is kept.
    `overdue` tells for how many seconds something that the schedule owes has been left undone.
    `state_errors` counts what could not be stored, by reason. `target_lists` is about the lists
    of targets, by the name of the monitor; `outputs` counts for each output, by its name.
    """

    name: str
    version: str
    started_at: float
    config_hash: str = ""
    config_loaded_at: float = 0.0
    config_ok: bool = True
    ready: bool = False
    count_in_flight: Callable[[], int] = lambda: 0
    overdue: Callable[[], float] = lambda: 0.0
    loop_lag: float = 0.0
    loop_lags: Histogram = field(default_factory=lambda: Histogram(LAG))
    schedule_lags: Histogram = field(default_factory=lambda: Histogram(LAG))
    load: Load = field(default_factory=Load)
    skipped: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(SKIPS, 0)))
    state_errors: Counter[str] = field(default_factory=Counter)
    target_lists: dict[str, ListHealth] = field(default_factory=dict)
    outputs: dict[str, OutputCounters] = field(default_factory=dict)

    @property
    def probes_in_flight(self) -> int:
        """The number of probes that have started and not ended."""
        return self.count_in_flight()

    def saw_loop_lag(self, seconds: float) -> None:
        """Take in how late the event loop was this time."""
        self.loop_lag = seconds
        self.loop_lags.observe(seconds)

    def saw_skips(self, reason: str, slots: int) -> None:
        """Count slots of the schedule that were left out."""
        self.skipped[reason] += slots
