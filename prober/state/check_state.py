"""The state of one check, the counters of one monitor, and the state of one backend."""

from bisect import bisect_left
from collections import Counter
from typing import Final, NamedTuple

from prober.model.admin import AdminEntry
from prober.model.fact import remembered
from prober.model.health import PENDING, Health
from prober.model.monitor import Check
from prober.model.pool import Backend
from prober.model.status import PHASES, Outcome, Reason, Status
from prober.state.certificates import Certificates
from prober.state.histogram import LATENCY, Histogram
from prober.state.recent import Recent
from prober.state.running_slot import Running

_LOWEST: Final = LATENCY[0]

Key = tuple[str, str]
"""What names a check: its monitor, and the address and port of its backend."""


class MonitorCounters:
    """The counters of one monitor since it was configured.

    `latency` has one histogram for each of PHASES that occurred, and one for the whole probe.
    """

    __slots__ = ("checks", "failures", "kind", "latency", "probes", "transitions")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.checks = 0
        self.probes = 0
        self.failures: Counter[Reason] = Counter()
        self.transitions: Counter[Status] = Counter()
        self.latency: list[Histogram | None] = [None] * (len(PHASES) + 1)

    def count(self, outcome: Outcome) -> None:
        """Count one completed probe."""
        self.probes += 1
        if not outcome.reason.is_good:
            self.failures[outcome.reason] += 1
        latency = self.latency
        for index, seconds in enumerate((*outcome.phases, outcome.seconds)):
            if seconds is not None:
                histogram = latency[index]
                if histogram is None:
                    histogram = latency[index] = Histogram(LATENCY)
                bucket = bisect_left(LATENCY, seconds) if seconds > _LOWEST else 0
                histogram.counts[bucket] += 1  # observe(), but cheaper: many phases take no time
                histogram.total += seconds


class CheckState:
    """The state of one check.

    `since` is the unix time of the last status change. `next_due` is the monotonic time of the next
    probe, or of the one in flight, or None if there is none; `held_up` is the number of seconds by
    which the UDP pace delays it. The scheduler maintains both.
    `running` is the running slot of the history, or None without a history.
    `label_text` is cached for the metrics, which write it at each scrape: the labels of `check`, or
    None until it is first needed. `certificates` are those that the target showed.
    """

    __slots__ = (
        "certificates",
        "check",
        "conclusive_at",
        "counters",
        "degraded",
        "health",
        "held_up",
        "label_text",
        "last",
        "next_due",
        "recent",
        "running",
        "saved_at",
        "since",
        "status",
    )

    def __init__(self, check: Check, counters: MonitorCounters, *, at: float, now: float) -> None:
        self.check = check
        self.counters = counters
        self.health: Health = PENDING
        self.status = Status.UNKNOWN
        self.since = at
        self.last: Outcome | None = None
        self.degraded = False
        self.saved_at = 0.0
        self.conclusive_at = now
        self.next_due: float | None = None
        self.held_up = 0.0
        self.label_text: str | None = None
        self.recent = Recent(remembered(check.monitor.probe.facts))
        self.running: Running | None = None
        self.certificates: Certificates = ()

    @property
    def stale_after(self) -> float:
        """Seconds without a conclusive result after which the status is UNKNOWN."""
        return self.check.monitor.stale_after + 3 * self.held_up

    @property
    def is_stale(self) -> bool:
        """Whether the status is UNKNOWN although rise and fall have decided."""
        return self.status is Status.UNKNOWN and self.health.online is not None


class BackendState(NamedTuple):
    """One backend of a pool: its `address:port`, its checks and their combined status.

    `checks` includes disabled checks, which do not count in `status`. `admin` is the state that an
    operator set; `status` is measured regardless.
    """

    key: str
    backend: Backend
    checks: list[CheckState]
    status: Status
    admin: AdminEntry | None = None

    @property
    def counts(self) -> bool:
        """Whether it counts in its pool: not if disabled, drained or in maintenance."""
        return self.backend.enabled and (self.admin is None or self.admin.state.counts)

    @property
    def in_service(self) -> bool:
        """Whether traffic may go there: as measured, unless an operator decided otherwise."""
        return self.status.in_service if self.admin is None else self.admin.state.in_service
