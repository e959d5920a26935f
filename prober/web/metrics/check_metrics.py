"""The metrics, in Prometheus' text format and in OpenMetrics.

What grows with the number of checks and monitors is written by our own formatter, in pieces between
which the event loop runs. Times and durations of a check have only significant digits, which are
three times as fast to write; other numbers are written exactly as prometheus_client would write
them. prometheus_client itself writes the daemon's own metrics.
"""

import math
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client import exposition as plain
from prometheus_client.openmetrics import exposition as openmetrics

from prober.model.admin import AdminState
from prober.model.probe import TLS_VERSION
from prober.model.status import PHASES, REASONS, Reason, Status
from prober.probes import PROBE_TYPES
from prober.protocols.exposition import escape_label, write_head, write_labels
from prober.state.check_state import MonitorCounters
from prober.state.histogram import Histogram
from prober.state.store import Statuses, Store
from prober.state.vitals import Vitals
from prober.web.metrics.daemon_metrics import DaemonCollector
from prober.web.metrics.fact_gauges import FactGauges, check_labels
from prober.web.metrics.sample_column import SampleColumn, number_text

_STATUS_TEXT = {
    Status.OK: "0.0",
    Status.WARNING: "1.0",
    Status.CRITICAL: "2.0",
    Status.UNKNOWN: "3.0",
}
_STATUS_HELP = "0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN"
_TURN = 50  # checks or backends; takes as long as a batch of lines
_FAILURES = [reason for reason in REASONS.values() if not reason.is_good]
_FAILURES.remove(Reason.DISABLED)  # no probe ends with it


class Family(NamedTuple):
    """A family of metrics with one sample or histogram for each monitor."""

    name: str
    type: str
    help: str
    lines: Callable[[str, MonitorCounters], str]


class _Process(ProcessCollector):
    """The metrics of the process, also where /proc shows processes only (`ProcSubset=pid`)."""

    def _boot_time(self) -> float:
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


class Metrics:
    """All metrics of a prober."""

    def __init__(self, store: Store, vitals: Vitals) -> None:
        self._store = store
        self._registry = CollectorRegistry()
        _Process(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._registry.register(DaemonCollector(store, vitals))

    def pieces(self, *, as_openmetrics: bool) -> Iterator[str]:
        """Yield one scrape in pieces that each take well under a millisecond; some are empty."""
        yield from self._checks()
        yield from self._aggregates()
        yield from self._counters(as_openmetrics=as_openmetrics)
        write = openmetrics.generate_latest if as_openmetrics else plain.generate_latest
        yield write(self._registry).decode()

    def _checks(self) -> Iterator[str]:
        """Yield the metrics of each check.

        It is gathered column by column: lists of texts are nothing for the collector to visit.
        """
        text = "Displays whether or not the probe was a success"
        success = SampleColumn("probe_success", text)
        text = "Returns how long the probe took to complete in seconds"
        durations = SampleColumn("probe_duration_seconds", text)
        statuses = SampleColumn("prober_check_status", f"Status of a check: {_STATUS_HELP}")
        text = "Start of the last probe of a check, in unix time"
        times = SampleColumn("prober_check_last_probe_timestamp_seconds", text)
        by_fact = FactGauges()
        text = f"Status of a check by the votes of its vantages: {_STATUS_HELP}"
        votes = SampleColumn("prober_check_vote", text)
        mine = self._store.mine
        for number, state in enumerate(tuple(self._store)):
            if mine is not None and state.check.key not in mine:
                continue
            if state.label_text is None:
                state.label_text = check_labels(state.check)
            labels = state.label_text
            last = state.last if state.check.enabled else None
            own = state.status if mine is None else self._store.own_status(state)
            statuses.shared[own].append(labels)
            if mine is not None and self._store.is_first(state.check.key):
                votes.shared[state.status].append(labels)
            if last:
                times.rows.append(f"{labels}}} {last.at:.3f}")
                if last.reason.is_conclusive:
                    success.shared[last.reason.is_good].append(labels)
                    durations.rows.append(f"{labels}}} {last.seconds:.6f}")
                    by_fact.add(state.check, labels, last)
            if number % _TURN == 0:
                yield ""
        yield from success.pieces()
        yield from durations.pieces()
        yield from by_fact.pieces()
        yield from statuses.pieces(_status_after)
        if mine is not None:
            yield from votes.pieces(_status_after)
        yield from times.pieces()
        yield from self._monitors()

    def _monitors(self) -> Iterator[str]:
        """Yield the metrics of each monitor that follow from its definition."""
        text = "Longest time from a failure of a target to CRITICAL"
        column = SampleColumn("prober_monitor_worst_case_detection_seconds", text)
        for each in self._store.model.monitors:
            labels = write_labels((("kind", each.type), ("monitor", each.name)))
            column.shared[each.worst_case_detection_seconds].append(labels)
        yield from column.pieces()

    def _aggregates(self) -> Iterator[str]:
        found = Statuses()
        text = f"Status of a backend: {_STATUS_HELP}"
        statuses = SampleColumn("prober_backend_status", text)
        words = [f"{each.number} {each}" for each in AdminState]
        text = ", ".join(["Admin state of a backend: 0 none", *words])
        admin = SampleColumn("prober_backend_admin_state", text)
        escaped = {pool.name: escape_label(pool.name) for pool in self._store.model.pools}
        for number, (pool, backend_state) in enumerate(found.gather(self._store)):
            labels = f'pool="{escaped[pool.name]}",target="{escape_label(backend_state.key)}"'
            statuses.shared[backend_state.status].append(labels)
            state = backend_state.admin.state.number if backend_state.admin else 0
            admin.shared[state].append(labels)
            if number % _TURN == 0:
                yield ""
        yield from statuses.pieces(_status_after)
        yield from admin.pieces()
        yield _group_head("pool")
        for name, status in found.pools.items():
            yield _group_line("pool", status, pool=name)
        yield _group_head("load_balancer")
        for name, status in found.load_balancers.items():
            yield _group_line("load_balancer", status, load_balancer=name)

    def _counters(self, *, as_openmetrics: bool) -> Iterator[str]:
        counters = tuple(self._store.counters.items())
        for family in MONITOR_FAMILIES:
            shown = family.name.removesuffix("_total") if as_openmetrics else family.name
            yield write_head(shown, family.type, family.help)
            for monitor, each in counters:
                yield family.lines(monitor, each)


def _status_after(status: Status) -> str:
    """Write what follows the labels of a check or a backend with a status."""
    return f"}} {_STATUS_TEXT[status]}"


def _group_head(noun: str) -> str:
    text = f"Status of a {noun.replace('_', ' ')}: {_STATUS_HELP}"
    return write_head(f"prober_{noun}_status", "gauge", text)


def _group_line(noun: str, status: Status, **labels: str) -> str:
    return f"prober_{noun}_status{{{write_labels(labels.items())}}} {_STATUS_TEXT[status]}\n"


def _probes(monitor: str, counters: MonitorCounters) -> str:
    labels = write_labels((("kind", counters.kind), ("monitor", monitor)))
    return f"prober_probes_total{{{labels}}} {number_text(counters.probes)}\n"


def _failures(monitor: str, counters: MonitorCounters) -> str:
    labels = write_labels((("kind", counters.kind), ("monitor", monitor)))
    counted = counters.failures
    return "".join(
        f'prober_probe_failures_total{{{labels},reason="{reason}",result="{reason.result}"}} '
        f"{number_text(counted[reason])}\n"
        for reason in dict.fromkeys((*_possible_failures(counters.kind), *counted))
    )


def _possible_failures(kind: str) -> Iterator[Reason]:
    """Yield the reasons whose counters start at 0, for `increase()` to see the first failure."""
    probe = PROBE_TYPES.get(kind)
    speaks_tls = probe is None or TLS_VERSION in probe.facts
    yield from (each for each in _FAILURES if speaks_tls or not each.startswith("tls_"))


def _latencies(monitor: str, counters: MonitorCounters) -> str:
    kind, name = escape_label(counters.kind), escape_label(monitor)
    return "".join(
        _histogram_text(f'kind="{kind}",', f'monitor="{name}",phase="{phase}"', histogram)
        for phase, histogram in zip((*PHASES, "total"), counters.latency, strict=True)
        if histogram
    )


def _histogram_text(before: str, after: str, histogram: Histogram) -> str:
    """Write a histogram whose labels sort before and after `le`."""
    lines, seen = [], 0
    name = "prober_probe_latency_seconds"
    for bound, count in zip((*histogram.bounds, math.inf), histogram.counts, strict=True):
        seen += count
        le = number_text(bound)
        lines.append(f'{name}_bucket{{{before}le="{le}",{after}}} {number_text(seen)}\n')
    lines.append(f"{name}_count{{{before}{after}}} {number_text(seen)}\n")
    lines.append(f"{name}_sum{{{before}{after}}} {number_text(histogram.total)}\n")
    return "".join(lines)


def _transitions(monitor: str, counters: MonitorCounters) -> str:
    name = escape_label(monitor)
    return "".join(
        f'prober_transitions_total{{monitor="{name}",to="{status}"}} '
        f"{number_text(counters.transitions[status])}\n"
        for status in Status
    )


MONITOR_FAMILIES = (
    Family("prober_probes_total", "counter", "Completed probes", _probes),
    Family("prober_probe_failures_total", "counter", "Probes whose result was not OK", _failures),
    Family(
        "prober_probe_latency_seconds",
        "histogram",
        "Duration of probes, by phase and as a whole (total)",
        _latencies,
    ),
    Family("prober_transitions_total", "counter", "Status changes of checks", _transitions),
)
