"""The gauges that probe types declare: facts of the last result, and the parts of its time."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client.utils import floatToGoString

from prober.model.fact import Gauge, Info
from prober.model.monitor import Check
from prober.model.probe import TLS_VERSION, PhaseGauge
from prober.model.status import PHASES, FactValue, Outcome, Phases
from prober.probes import PROBE_TYPES, declared_facts
from prober.protocols.exposition import write_head, write_labels

LOOKUP = Gauge(
    "probe_dns_lookup_time_seconds", "Returns the time taken for probe dns lookup in seconds"
)
BATCH = 250
"""Lines that are written at once."""
_EXPONENT_FROM = 1_000_000  # Go, and so Prometheus, writes larger numbers with an exponent
_RESOLVE = PHASES.index("resolve")
_go_string: Callable[[float], str] = floatToGoString


def number_text(value: float) -> str:
    """Write a number as Prometheus does."""
    if -_EXPONENT_FROM < value < _EXPONENT_FROM:
        return repr(float(value))
    return _go_string(value)


def check_labels(check: Check, without: str = "") -> str:
    """Return the labels of a check, except one that a metric sets itself."""
    monitor, target = check.key
    kind = check.monitor.type
    own = {"monitor": monitor, "pool": check.pool.name, "target": target, "kind": kind}
    found = {name: each for name, each in check.labels.items() if name != without}
    return write_labels(sorted({**found, **own}.items()))


def phase_gauges() -> list[PhaseGauge]:
    """Return the gauges of phases of all types."""
    return [gauge for cls in PROBE_TYPES.values() if (gauge := cls.phase_gauge) is not None]


class FactGauges:
    """The gauges of the last results, gathered from check after check."""

    def __init__(self) -> None:
        facts = declared_facts().values()
        of_facts = [fact.gauge for fact in facts if fact.gauge]
        of_tls = [cls.tls_gauge for cls in PROBE_TYPES.values() if cls.tls_gauge]
        infos: list[PhaseGauge | Info] = [fact.info for fact in facts if fact.info]
        infos += phase_gauges()
        self._rows: dict[Gauge, tuple[list[str], list[str]]] = {
            gauge: ([], []) for gauge in (LOOKUP, *of_facts, *of_tls)
        }
        self._lines: dict[str, list[str]] = {each.name: [] for each in infos}
        self._helps = {each.name: each.help for each in infos}
        self._phases = {gauge: _layout(gauge) for gauge in phase_gauges()}

    def add(self, check: Check, labels: str, outcome: Outcome) -> None:
        """Add what a conclusive result says."""
        probe, facts, phases = check.monitor.probe, outcome.facts or {}, outcome.phases
        self._add(LOOKUP, labels, f"{phases[_RESOLVE] or 0.0:.6f}")
        for fact in probe.facts:
            value = facts.get(fact.name)
            if fact.info and value is not None:
                line = _info_line(fact.info, check, labels, value)
                self._lines[fact.info.name].append(line)
            if fact.gauge:
                if value is None and fact.gauge_if_absent:
                    value = fact.gauge_if_absent.value(outcome)
                if value is not None:
                    self._add(fact.gauge, labels, number_text(float(value)))
        if probe.tls_gauge:
            self._add(probe.tls_gauge, labels, "1.0" if TLS_VERSION.name in facts else "0.0")
        if probe.phase_gauge:
            own = check_labels(check, "phase") if "phase" in check.labels else labels
            self._add_phases(probe.phase_gauge, own, phases)

    def _add_phases(self, gauge: PhaseGauge, labels: str, phases: Phases) -> None:
        template, places = self._phases[gauge]
        values: list[object] = []
        for place, *more in places:
            seconds = phases[place] or 0.0
            for other in more:
                seconds += phases[other] or 0.0
            values += (labels, seconds)
        self._lines[gauge.name].append(template % tuple(values))

    def _add(self, gauge: Gauge, labels: str, value: str) -> None:
        names, values = self._rows[gauge]
        names.append(labels)
        values.append(value)

    def pieces(self) -> Iterator[str]:
        """Yield the gauges."""
        for gauge, (labels, values) in self._rows.items():
            yield from write_gauge(gauge.name, gauge.help, labels, values)
        for name, lines in self._lines.items():
            yield write_head(name, "gauge", self._helps[name])
            for start in range(0, len(lines), BATCH):
                yield "".join(lines[start : start + BATCH])


def _info_line(info: Info, check: Check, labels: str, value: FactValue) -> str:
    own = check_labels(check, info.label) if info.label in check.labels else labels
    return f'{info.name}{{{own},{info.label}="{info.word(value)}"}} 1.0\n'


def _layout(gauge: PhaseGauge) -> tuple[str, list[tuple[int, ...]]]:
    """Return the lines of a check, to be filled with its labels and seconds for each phase.

    Also return the places of these in PHASES.
    """
    lines = [f'{gauge.name}{{%s,phase="{phase}"}} %.6f\n' for phase, _ in gauge.phases]
    return "".join(lines), [tuple(map(PHASES.index, of)) for _, of in gauge.phases]


def write_gauge(
    name: str, text: str, labels: Sequence[str], shown: Sequence[str | None]
) -> Iterator[str]:
    """Yield a gauge with one sample for each row that has a value, some lines at a time."""
    yield write_head(name, "gauge", text)
    for start in range(0, len(labels), BATCH):
        batch = slice(start, start + BATCH)
        rows = zip(labels[batch], shown[batch], strict=True)
        yield "".join([f"{name}{{{row}}} {value}\n" for row, value in rows if value is not None])
