"""The daemon's own metrics, computed from the state at each scrape."""

from collections.abc import Iterator, Mapping
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from prober.model.build import BUILD
from prober.model.delay import Delay
from prober.model.status import Reason, Result
from prober.state.histogram import Histogram
from prober.state.store import Store
from prober.state.vitals import Vitals

_LOCAL = [reason for reason in Reason if reason.result is Result.UNKNOWN]
_LOCAL.remove(Reason.DISABLED)


class DaemonCollector(Collector):
    """The metrics of the daemon."""

    def __init__(self, store: Store, vitals: Vitals) -> None:
        self._store = store
        self._vitals = vitals

    def collect(self) -> Iterator[Metric]:
        """Yield the current metrics."""
        yield from self._gauges()
        yield from self._target_lists()
        yield from self._outputs()
        yield from self._cluster()
        vitals = self._vitals
        yield _histogram(
            "prober_schedule_lag_seconds", "Delay of the start of probes", vitals.schedule_lags
        )
        yield _histogram(
            "prober_loop_lag_seconds", "Delay of the event loop's ticks", vitals.loop_lags
        )
        yield _counter("prober_probes_skipped", "Schedule slots that were skipped", vitals.skipped)
        yield _counter(
            "prober_probes_late",
            "Probes that started more than half an interval late",
            {delay: vitals.load.late[delay] for delay in Delay},
        )
        yield _counter(
            "prober_local_errors",
            "Inconclusive probes: the problem was on prober's side",
            {reason: self._store.local_errors[reason] for reason in _LOCAL},
        )
        yield _counter(
            "prober_state_errors",
            "State changes that could not be stored",
            vitals.state_errors,
        )

    def _gauges(self) -> Iterator[Metric]:
        vitals, store = self._vitals, self._store
        build = GaugeMetricFamily(
            "prober_build_info", "The version of prober", labels=["version", "build"]
        )
        build.add_metric([vitals.version, BUILD], 1)
        yield build
        for name, text, value in (
            ("prober_checks", "Configured checks, including disabled ones", len(store)),
            ("prober_monitors", "Configured monitors", len(store.model.monitors)),
            ("prober_probes_in_flight", "Probes in flight", vitals.probes_in_flight),
            (
                "prober_overloaded",
                "Whether prober cannot keep its schedule",
                vitals.load.overload is not None,
            ),
            (
                "prober_state_writable",
                "Whether the state can be stored, if it is to be",
                vitals.state_trouble is None,
            ),
            (
                "prober_config_last_reload_successful",
                "Whether the last read of the configuration succeeded",
                vitals.config_ok,
            ),
            (
                "prober_config_last_reload_success_timestamp_seconds",
                "When a configuration last took effect, in unix time",
                vitals.config_loaded_at,
            ),
        ):
            yield GaugeMetricFamily(name, text, value=value)

    def _target_lists(self) -> Iterator[Metric]:
        ok = GaugeMetricFamily(
            "prober_target_list_last_refresh_successful",
            "Whether the last read of the monitor's target list is in effect",
            labels=["monitor"],
        )
        at = GaugeMetricFamily(
            "prober_target_list_last_refresh_success_timestamp_seconds",
            "When a read of the monitor's target list last took effect, in unix time",
            labels=["monitor"],
        )
        for monitor, health in self._vitals.target_lists.items():
            ok.add_metric([monitor], health.ok)
            if health.read_at is not None:
                at.add_metric([monitor], health.read_at)
        yield from (ok, at)

    def _cluster(self) -> Iterator[Metric]:
        """Yield the metrics of a member of a cluster; nothing without one."""
        view = self._vitals.cluster()
        if view is None:
            return
        for name, text, value in (
            ("prober_cluster_up", "Whether etcd is there, and this is a member", not view.degraded),
            ("prober_cluster_members", "Live members, as this one sees it", len(view.members)),
            ("prober_cluster_checks_owned", "Checks that this member probes", view.checks_owned),
            (
                "prober_cluster_configurations",
                "Different configurations among the members",
                view.configurations,
            ),
        ):
            yield GaugeMetricFamily(name, text, value=value)
        takeovers = CounterMetricFamily(
            "prober_cluster_takeovers",
            "Shards that this member has taken over, by cause",
            labels=["cause"],
        )
        for cause, count in view.takeovers.items():
            takeovers.add_metric([cause], count)
        yield takeovers
        yield _counter("prober_cluster_errors", "What etcd did not do, by reason", view.errors)

    def _outputs(self) -> Iterator[Metric]:
        """Yield the counters of each output."""
        sent = CounterMetricFamily(
            "prober_output_sent", "Messages that an output sent", labels=["output"]
        )
        errors = CounterMetricFamily(
            "prober_output_errors",
            "Errors of an output, by reason",
            labels=["output", "reason"],
        )
        dropped = CounterMetricFamily(
            "prober_output_dropped", "Messages that an output gave up", labels=["output"]
        )
        held = GaugeMetricFamily(
            "prober_output_held",
            "Failing backends that an output keeps in service because of `keep`",
            labels=["output"],
        )
        queue = GaugeMetricFamily(
            "prober_output_queue", "Messages that wait to be sent by an output", labels=["output"]
        )
        success = GaugeMetricFamily(
            "prober_output_last_success_timestamp_seconds",
            "When an output last sent a message, in unix time; 0: never",
            labels=["output"],
        )
        for name, counters in self._vitals.outputs.items():
            sent.add_metric([name], counters.sent)
            for reason, count in counters.errors.items():
                errors.add_metric([name, reason], count)
            dropped.add_metric([name], counters.dropped)
            held.add_metric([name], sum(counters.held.values()))
            queue.add_metric([name], counters.queue())
            success.add_metric([name], counters.last_success)
        yield from (sent, errors, dropped, held, queue, success)


def _counter(name: str, text: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=["reason"])
    for reason, count in counts.items():
        family.add_metric([reason], count)
    return family


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    bounds = [*map(floatToGoString, histogram.bounds), "+Inf"]
    buckets = list(zip(bounds, accumulate(histogram.counts), strict=True))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=histogram.total)
