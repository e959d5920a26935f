"""The state of the daemon itself: its lateness, what it skipped, its configuration."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from prober.state.histogram import LAG, Histogram
from prober.state.load import Load

if TYPE_CHECKING:
    from prober.model.cluster_view import ClusterView
    from prober.outputs.counters import OutputCounters

SKIPS = ("overrun", "gap", "pace")
"""Why slots of the schedule are skipped; all counters start at 0, so that rates work."""


STATE_ERRORS = ("corrupt", "target_lists", "unread", "unreadable", "unusable", "unwritable")
"""What can be wrong with what is stored; counted from 0 on as well."""


class ListHealth(NamedTuple):
    """The state of the target list that a monitor follows.

    `ok` is whether its last read is in effect, `read_at` when one last was, in unix seconds.
    """

    ok: bool
    read_at: float | None


@dataclass(slots=True, kw_only=True)
class Vitals:
    """What the daemon knows about itself; times are unix seconds.

    `name` is the vantage: the name of this instance. `loop_lag` is the lateness of the event loop's
    last tick, in seconds. `skipped` counts skipped schedule slots by reason (`overrun`: the
    previous probe was still running; `gap`: the process was paused; `pace`: other UDP probes of the
    host came first). `load` says whether the schedule is kept. `overdue` returns the seconds for
    which something in the schedule has been overdue. `state_errors` counts what could not be
    stored, by reason; `state_trouble` is what keeps the state from being stored now, or None.
    `cluster_trouble` is why this member of a cluster works without the others, or None;
    `cluster` returns what it knows of the cluster, None without one.
    `target_lists` has the state of target lists by monitor; `outputs` has
    counters by output.
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
    state_errors: Counter[str] = field(
        default_factory=lambda: Counter(dict.fromkeys(STATE_ERRORS, 0))
    )
    state_trouble: str | None = None
    cluster_trouble: str | None = None
    cluster: "Callable[[], ClusterView | None]" = lambda: None
    target_lists: dict[str, ListHealth] = field(default_factory=dict)
    outputs: "dict[str, OutputCounters]" = field(default_factory=dict)

    def degradations(self) -> list[str]:
        """Return what does not work as it should although everything is probed, in words."""
        found = []
        if self.load.overload:
            found.append(f"overloaded: {self.load.overload.sentence}")
        if self.state_trouble:
            found.append("the state cannot be stored")
        if self.cluster_trouble:
            found.append(self.cluster_trouble)
        if not self.config_ok:
            found.append("the last reload was rejected")
        if away := sum(not health.ok for health in self.target_lists.values()):
            found.append(f"{away} target list{'s are' if away > 1 else ' is'} not up to date")
        return found

    def loaded(self, digest: str, at: float) -> None:
        """Note that a configuration took effect."""
        self.config_hash, self.config_loaded_at, self.config_ok = digest, at, True

    def rejected(self) -> None:
        """Note that a configuration was rejected."""
        self.config_ok = False

    def became_ready(self) -> None:
        """Note that everything runs."""
        self.ready = True

    def is_stopping(self) -> None:
        """Note that the daemon was told to stop."""
        self.ready = False

    @property
    def probes_in_flight(self) -> int:
        """The number of probes in flight."""
        return self.count_in_flight()

    def saw_loop_lag(self, seconds: float) -> None:
        """Record how late the event loop was."""
        self.loop_lag = seconds
        self.loop_lags.observe(seconds)

    def saw_skips(self, reason: str, slots: int) -> None:
        """Count skipped slots of the schedule."""
        self.skipped[reason] += slots
