"""Tables for the documentation of what the probe types declare: types, facts and metrics."""

from collections.abc import Callable, Mapping

from prober.model.fact import Fact, Gauge
from prober.model.probe import Probe
from prober.probes import PROBE_TYPES, declared_facts
from prober.probes.presets import PRESETS

Table = list[list[str]]
"""Rows of cells; the first is the heading."""


def _types() -> Table:
    heads = ["type", "a probe is good when", "usual port", "in clouds without this type"]
    return [heads, *([f"`{name}`", *_about(cls)] for name, cls in PROBE_TYPES.items())]


def _about(cls: type[Probe]) -> list[str]:
    return [cls.good_when, str(cls.default_port or ""), f"`{cls.nearest}`"]


def _facts() -> Table:
    heads = ["fact", "types", "JSON", "metric", "meaning"]
    return [heads, *(_fact(fact) for fact in declared_facts().values())]


def _fact(fact: Fact) -> list[str]:
    form = str(fact.kind.schema.get("format", fact.kind.schema["type"]))
    metric = f"`{fact.gauge.name}`" if fact.gauge else ""
    return [f"`{fact.name}`", _listed(_types_with(fact)), form, metric, fact.doc]


def _types_with(fact: Fact) -> list[str]:
    return [
        name
        for name, cls in PROBE_TYPES.items()
        if any(each.name == fact.name for each in cls.facts)
    ]


def _gauges() -> Table:
    heads = ["metric", "type", "labels", "meaning"]
    labels = "`monitor`, `pool`, `target`, `kind`"
    shown = [(fact.gauge, fact) for fact in declared_facts().values() if fact.gauge]
    rows = [[f"`{gauge.name}`", "gauge", labels, _meaning(gauge, fact)] for gauge, fact in shown]
    return [heads, *rows]


def _meaning(gauge: Gauge, fact: Fact) -> str:
    """Return what a gauge shows, for which types, and its value without the fact."""
    without: dict[str, list[str]] = {}
    for name, cls in PROBE_TYPES.items():
        for each in cls.facts:
            if each.gauge == gauge and each.gauge_if_absent is not None:
                without.setdefault(each.gauge_if_absent.doc, []).append(name)
    absent = (f"; {words} without one ({_listed(names)})" for words, names in without.items())
    unit = ", in unix time" if fact.kind.schema.get("format") == "date-time" else ""
    return f"{fact.doc}{unit} ({_listed(_types_with(fact))}){''.join(absent)}"


def _presets() -> Table:
    heads = ["preset", "port", "with type TLS", "good when the server"]
    return [
        heads,
        *(
            [f"`{name}`", str(each.port), str(each.tls_port or ""), each.hears]
            for name, each in PRESETS.items()
        ),
    ]


def _listed(names: list[str]) -> str:
    return ", ".join(names)


TYPE_TABLES: Mapping[str, Callable[[], Table]] = {
    "types": _types,
    "facts": _facts,
    "gauges": _gauges,
    "presets": _presets,
}
"""The tables, by the names that they have in the documentation."""
