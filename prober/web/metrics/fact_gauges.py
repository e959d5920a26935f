"""The gauges that probe types declare: facts of the last result, and the parts of its time."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from prober.model.fact import Gauge, Info
from prober.model.monitor import Check
from prober.model.probe import TLS_VERSION, PhaseGauge, Probe
from prober.model.status import PHASES, FactValue, Outcome, Phases
from prober.probes import PROBE_TYPES, declared_facts
from prober.protocols.exposition import write_labels
from prober.web.metrics.sample_column import SampleColumn

LOOKUP = Gauge(
    "probe_dns_lookup_time_seconds", "Returns the time taken for probe dns lookup in seconds"
)
_RESOLVE = PHASES.index("resolve")
_ZERO = "0.000000"
Shared = dict[object, list[str]]


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


class _OfFact(NamedTuple):
    """Where the samples of a fact go, by value, and what stands for a missing one."""

    fact: str
    shared: Shared
    if_absent: Callable[[Outcome], float] | None


class _OfInfo(NamedTuple):
    """Where the labels go whose samples show a fact as another label."""

    fact: str
    shared: Shared
    info: Info


class _OfPhase(NamedTuple):
    """Where the seconds of phases go, and the text between the labels and the seconds."""

    rows: list[str]
    zeros: list[str]
    between: str
    place: int
    more: tuple[int, ...]


class _Plan(NamedTuple):
    """What is gathered from the checks of one type."""

    facts: list[_OfFact]
    infos: list[_OfInfo]
    tls: Shared | None
    phases: list[_OfPhase]


class FactGauges:
    """The gauges of the last results, gathered from check after check."""

    def __init__(self) -> None:
        facts = declared_facts().values()
        gauges = [LOOKUP, *(fact.gauge for fact in facts if fact.gauge)]
        gauges += [cls.tls_gauge for cls in PROBE_TYPES.values() if cls.tls_gauge]
        self._gauges = {gauge: SampleColumn(*gauge) for gauge in gauges}
        infos = (fact.info for fact in facts if fact.info)
        self._infos = {info: SampleColumn(info.name, info.help) for info in infos}
        self._phases = {gauge: SampleColumn(gauge.name, gauge.help) for gauge in phase_gauges()}
        self._plans: dict[type[Probe], _Plan] = {}
        self._lookups = self._gauges[LOOKUP]

    def add(self, check: Check, labels: str, outcome: Outcome) -> None:
        """Add what a conclusive result says."""
        probe, phases = check.monitor.probe, outcome.phases
        plan = self._plans.get(probe.__class__) or self._plan(probe.__class__)
        if resolve := phases[_RESOLVE]:
            self._lookups.rows.append(f"{labels}}} {resolve:.6f}")
        else:
            self._lookups.shared[0.0].append(labels)
        facts = outcome.facts or {}
        for name, shared, if_absent in plan.facts:
            value = facts.get(name)
            if value is not None:
                shared[value].append(labels)
            elif if_absent is not None:
                shared[if_absent(outcome)].append(labels)
        for name, shared, info in plan.infos:
            if (value := facts.get(name)) is not None:
                shared[value].append(_without(labels, info.label, check))
        if plan.tls is not None:
            plan.tls[1.0 if TLS_VERSION.name in facts else 0.0].append(labels)
        if plan.phases:
            _add_phases(plan.phases, _without(labels, "phase", check), phases)

    def _plan(self, cls: type[Probe]) -> _Plan:
        plan = self._plans[cls] = _Plan(
            [
                _OfFact(
                    fact.name,
                    self._gauges[fact.gauge].shared,
                    fact.gauge_if_absent.value if fact.gauge_if_absent else None,
                )
                for fact in cls.facts
                if fact.gauge
            ],
            [
                _OfInfo(fact.name, self._infos[fact.info].shared, fact.info)
                for fact in cls.facts
                if fact.info
            ],
            self._gauges[cls.tls_gauge].shared if cls.tls_gauge else None,
            self._phases_of(cls.phase_gauge) if cls.phase_gauge else [],
        )
        return plan

    def _phases_of(self, gauge: PhaseGauge) -> list[_OfPhase]:
        column = self._phases[gauge]
        return [
            _OfPhase(
                column.rows,
                column.shared[phase],
                f',phase="{phase}"}} ',
                *_places(of),
            )
            for phase, of in gauge.phases
        ]

    def pieces(self) -> Iterator[str]:
        """Yield the gauges."""
        for column in self._gauges.values():
            yield from column.pieces()
        for info, column in self._infos.items():
            yield from column.pieces(partial(_info_after, info))
        for column in self._phases.values():
            yield from column.pieces(lambda phase: f',phase="{phase}"}} {_ZERO}')


def _info_after(info: Info, value: FactValue) -> str:
    """Write what follows the labels of checks whose fact has a value."""
    return f',{info.label}="{info.word(value)}"}} 1.0'


def _without(labels: str, name: str, check: Check) -> str:
    """Return the labels of a check, except one; a look at their text is cheap, and may be wrong."""
    if f'{name}="' not in labels or name not in check.labels:
        return labels
    return check_labels(check, name)


def _places(names: tuple[str, ...]) -> tuple[int, tuple[int, ...]]:
    first, *more = (PHASES.index(name) for name in names)
    return first, tuple(more)


def _add_phases(plan: list[_OfPhase], labels: str, phases: Phases) -> None:
    for rows, zeros, between, place, more in plan:
        seconds = phases[place]
        for other in more:
            seconds = (seconds or 0.0) + (phases[other] or 0.0)
        if seconds:
            rows.append(f"{labels}{between}{seconds:.6f}")
        else:
            zeros.append(labels)
