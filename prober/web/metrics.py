"""The metrics, in Prometheus' text format and in OpenMetrics.

What grows with the number of checks and monitors is written by a formatter of our own, in pieces
between which the event loop gets its turn, and exactly as prometheus_client would write it; the
daemon's own metrics are left to prometheus_client.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client import exposition as plain
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.utils import floatToGoString

from prober.model.monitor import Check
from prober.model.status import PHASES, Outcome, Result, Status
from prober.state.histogram import Histogram
from prober.state.store import CheckState, MonitorCounters, Statuses, Store
from prober.state.vitals import Vitals
from prober.web.daemon_metrics import DaemonCollector

_STATUS_TEXT = {
    Status.OK: "0.0",
    Status.WARNING: "1.0",
    Status.CRITICAL: "2.0",
    Status.UNKNOWN: "3.0",
}
_STATUS_HELP = "0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN"
_BATCH = 250
_HTTP = ("HTTP", "HTTPS")
_number: Callable[[float], str] = floatToGoString
_EXPONENT_FROM = 1_000_000  # from here on Prometheus' text has exponents


class Row(NamedTuple):
    """What a scrape shows of one check; `last` is None without a result that counts for it.

    An inconclusive result (`UNKNOWN`) is no statement about the target: then the check has no
    probe_ samples, lest a trouble of the prober looks like a dead target.
    """

    labels: str
    status: Status
    last: Outcome | None
    at: float | None
    speaks_http: bool


class Gauge(NamedTuple):
    """A gauge of a check: its value as text, or None where it has none."""

    name: str
    help: str
    value: Callable[[Row], str | None]


def _of_last(read: Callable[[Outcome], str | None]) -> Callable[[Row], str | None]:
    return lambda row: read(row.last) if row.last else None


def _fact(outcome: Outcome, name: str) -> str | None:
    fact = outcome.facts.get(name) if outcome.facts else None
    return None if fact is None else _number(float(fact))


def _http_status_code(row: Row) -> str | None:
    """Return the code; like blackbox_exporter's, 0 when an HTTP probe got none."""
    if row.last is None:
        return None
    return _fact(row.last, "http_status_code") or ("0.0" if row.speaks_http else None)


CHECK_GAUGES = (
    Gauge(
        "probe_success",
        "Displays whether or not the probe was a success",
        _of_last(lambda last: "1.0" if last.result is Result.OK else "0.0"),
    ),
    Gauge(
        "probe_duration_seconds",
        "Returns how long the probe took to complete in seconds",
        _of_last(lambda last: _number(last.seconds)),
    ),
    Gauge("probe_http_status_code", "Response HTTP status code", _http_status_code),
    Gauge(
        "probe_ssl_earliest_cert_expiry",
        "Returns last SSL chain expiry in unixtime",
        _of_last(lambda last: _fact(last, "tls_not_after")),
    ),
    Gauge(
        "probe_grpc_status_code",
        "Response gRPC status code",
        _of_last(lambda last: _fact(last, "grpc_status_code")),
    ),
    Gauge(
        "prober_check_status",
        f"Status of a check: {_STATUS_HELP}",
        lambda row: _STATUS_TEXT[row.status],
    ),
    Gauge(
        "prober_check_last_probe_timestamp_seconds",
        "Start of the last probe of a check, in unix time",
        lambda row: None if row.at is None else _number(row.at),
    ),
)


class Family(NamedTuple):
    """A family of samples of a monitor."""

    name: str
    type: str
    help: str
    lines: Callable[[str, MonitorCounters], str]


class Metrics:
    """All metrics of a prober."""

    def __init__(self, store: Store, vitals: Vitals) -> None:
        self._store = store
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._registry.register(DaemonCollector(store, vitals))

    def pieces(self, *, as_openmetrics: bool) -> Iterator[str]:
        """Yield one scrape in pieces, some of them empty; each takes well under a millisecond."""
        yield from self._checks()
        yield from self._aggregates()
        yield from self._counters(as_openmetrics=as_openmetrics)
        write = openmetrics.generate_latest if as_openmetrics else plain.generate_latest
        yield write(self._registry).decode()

    def _checks(self) -> Iterator[str]:
        rows = []
        for state in tuple(self._store):
            rows.append(_row(state))
            yield ""
        for gauge in CHECK_GAUGES:
            yield _head(gauge.name, "gauge", gauge.help)
            name, value = gauge.name, gauge.value
            for start in range(0, len(rows), _BATCH):
                yield "".join(
                    [
                        f"{name}{{{row.labels}}} {text}\n"
                        for row in rows[start : start + _BATCH]
                        if (text := value(row)) is not None
                    ]
                )

    def _aggregates(self) -> Iterator[str]:
        statuses = Statuses()
        for _ in statuses.gather(self._store):
            yield ""
        yield _head("prober_backend_status", "gauge", f"Status of a backend: {_STATUS_HELP}")
        for (pool, target), status in statuses.backends.items():
            yield _status_line("prober_backend_status", {"pool": pool, "target": target}, status)
        yield _head("prober_pool_status", "gauge", f"Status of a pool: {_STATUS_HELP}")
        for pool, status in statuses.pools.items():
            yield _status_line("prober_pool_status", {"pool": pool}, status)
        name = "prober_load_balancer_status"
        yield _head(name, "gauge", f"Status of a load balancer: {_STATUS_HELP}")
        for load_balancer, status in statuses.load_balancers.items():
            yield _status_line(name, {"load_balancer": load_balancer}, status)

    def _counters(self, *, as_openmetrics: bool) -> Iterator[str]:
        counters = tuple(self._store.counters.items())
        for family in MONITOR_FAMILIES:
            shown = family.name.removesuffix("_total") if as_openmetrics else family.name
            yield _head(shown, family.type, family.help)
            for monitor, each in counters:
                yield family.lines(monitor, each)


def _row(state: CheckState) -> Row:
    check, last = state.check, state.last
    if state.label_text is None:
        state.label_text = _check_labels(check)
    if last is None or not check.monitor.enabled:
        return Row(state.label_text, state.status, None, None, speaks_http=False)
    counts = last if last.reason.result is not Result.UNKNOWN else None
    speaks_http = check.monitor.type in _HTTP
    return Row(state.label_text, state.status, counts, last.at, speaks_http)


def _check_labels(check: Check) -> str:
    monitor, target = check.key
    kind = check.monitor.type
    own = {"monitor": monitor, "pool": check.pool.name, "target": target, "kind": kind}
    return _label_text({**check.labels, **own})


def _label_text(labels: Mapping[str, str]) -> str:
    return ",".join([f'{name}="{_escaped(labels[name])}"' for name in sorted(labels)])


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _head(name: str, sort: str, text: str) -> str:
    return f"# HELP {name} {text}\n# TYPE {name} {sort}\n"


def _status_line(name: str, labels: Mapping[str, str], status: Status) -> str:
    return f"{name}{{{_label_text(labels)}}} {_STATUS_TEXT[status]}\n"


def _count(number: int) -> str:
    return f"{number}.0" if number < _EXPONENT_FROM else _number(number)


def _probes(monitor: str, counters: MonitorCounters) -> str:
    labels = _label_text({"kind": counters.kind, "monitor": monitor})
    return f"prober_probes_total{{{labels}}} {_count(counters.probes)}\n"


def _failures(monitor: str, counters: MonitorCounters) -> str:
    labels = _label_text({"kind": counters.kind, "monitor": monitor})
    return "".join(
        f'prober_probe_failures_total{{{labels},reason="{reason}",result="{reason.result}"}} '
        f"{_count(count)}\n"
        for reason, count in counters.failures.items()
    )


def _latencies(monitor: str, counters: MonitorCounters) -> str:
    kind, name = _escaped(counters.kind), _escaped(monitor)
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
        le = _number(bound)
        lines.append(f'{name}_bucket{{{before}le="{le}",{after}}} {_count(seen)}\n')
    lines.append(f"{name}_count{{{before}{after}}} {_count(seen)}\n")
    lines.append(f"{name}_sum{{{before}{after}}} {_number(histogram.total)}\n")
    return "".join(lines)


def _transitions(monitor: str, counters: MonitorCounters) -> str:
    name = _escaped(monitor)
    return "".join(
        f'prober_transitions_total{{monitor="{name}",to="{status}"}} '
        f"{_count(counters.transitions[status])}\n"
        for status in Status
    )


MONITOR_FAMILIES = (
    Family("prober_probes_total", "counter", "Probes that ended", _probes),
    Family("prober_probe_failures_total", "counter", "Probes whose result was not OK", _failures),
    Family(
        "prober_probe_latency_seconds",
        "histogram",
        "Time that probes took, by phase and as a whole (total)",
        _latencies,
    ),
    Family("prober_transitions_total", "counter", "Changes of the status of checks", _transitions),
)
