"""Reads one entry of `monitors`, and the `defaults` for keys that it leaves out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from prober.model.kinds import Frozen, choice
from prober.model.monitor import Monitor
from prober.model.option import (
    Complaint,
    Kind,
    ReadContext,
    Rejected,
    build,
    mapping,
    nearest,
    options_of,
    read_options,
    unknown_keys,
)
from prober.model.probe import Probe
from prober.probes import PROBE_TYPES

NO_DEFAULT = ("name", "id", "type", "pool", "targets", "targets_from")
"""Keys that have no default because each monitor needs its own."""

WHERE = ("pool", "targets", "targets_from")
_MONITOR_KEYS = tuple(options_of(Monitor))


def type_kind() -> Kind[str]:
    """Return the kind of a probe type's name."""
    return _choice(tuple(PROBE_TYPES))


@cache
def _choice(names: tuple[str, ...]) -> Kind[str]:
    return choice(*names)


def types_by_key() -> Mapping[str, Sequence[str]]:
    """Return, for each key that probe types add, the names of those types."""
    return _types_by_key(tuple(PROBE_TYPES.items()))


@cache
def _types_by_key(known: tuple[tuple[str, type[Probe]], ...]) -> Mapping[str, Sequence[str]]:
    types: dict[str, list[str]] = {}
    for name, probe in known:
        for key in options_of(probe):
            types.setdefault(key, []).append(name)
    return types


def all_keys() -> tuple[str, ...]:
    """Return the keys that a monitor of any type may have."""
    return *_MONITOR_KEYS, *types_by_key()


def keys_of(type_name: str) -> tuple[str, ...]:
    """Return the keys that a monitor of a type may have."""
    return *_MONITOR_KEYS, *options_of(PROBE_TYPES[type_name])


@dataclass(frozen=True, slots=True)
class Defaults:
    """Defaults of all monitors; `of_type` has the keys of each probe type."""

    common: Mapping[str, Any] = Frozen()
    of_type: Mapping[str, Mapping[str, Any]] = Frozen()


class EarlierValues(NamedTuple):
    """Values from an earlier reading, for keys that are not given: a monitor's and its probe's."""

    common: Mapping[str, Any] = Frozen()
    probe: Mapping[str, Any] = Frozen()


_NOTHING_KEPT = EarlierValues()


def read_defaults(value: object, outside: ReadContext) -> tuple[Defaults, list[Complaint]]:
    """Read the `defaults` section: return the valid ones, and what is wrong with the others."""
    try:
        given = mapping(value)
    except Rejected as rejected:
        return Defaults(), list(rejected.complaints)
    complaints = [
        Complaint((key,), "cannot have a default; set it in each monitor")
        for key in given
        if key in NO_DEFAULT
    ]
    is_common = all(key in _MONITOR_KEYS for key in given)
    types = {} if is_common else types_by_key()
    complaints += unknown_keys(given, (*_MONITOR_KEYS, *types))
    given = {key: content for key, content in given.items() if key not in NO_DEFAULT}
    common, wrong = read_options(Monitor, given, outside)
    complaints += [each for each in wrong if each.path]
    of_type: dict[str, dict[str, Any]] = {name: {} for name in PROBE_TYPES}
    for key in filter(types.__contains__, given):
        wrong = []
        for name in types[key]:
            values, more = read_options(PROBE_TYPES[name], {key: given[key]}, outside)
            of_type[name] |= values
            wrong = wrong or more
        if not any(key in of_type[name] for name in types[key]):
            complaints += wrong
    return Defaults(common, of_type), complaints


def read_monitor(
    value: object, defaults: Defaults, outside: ReadContext, kept: EarlierValues = _NOTHING_KEPT
) -> Monitor:
    """Read one monitor, or raise `Rejected`."""
    given = mapping(value)
    own, complaints = read_options(Monitor, given, outside, kept.common)
    complaints = [each for each in complaints if each.path != ("type",)] + _wrong_type(
        given, outside
    )
    if sum(key in given or key in kept.common for key in WHERE) != 1:
        complaints.append(Complaint((), f"expected exactly one of {', '.join(WHERE)}"))
    name = given.get("type", kept.common.get("type"))
    if isinstance(name, str) and name not in PROBE_TYPES:
        name = nearest(name, PROBE_TYPES)  # validate the rest by the type that is likely meant
    if not isinstance(name, str):
        raise Rejected(*complaints, *unknown_keys(given, all_keys()))
    of_type, wrong = read_options(PROBE_TYPES[name], given, outside, kept.probe)
    complaints += wrong + _strange_keys(given, name)
    probe = None
    if not wrong:
        try:
            probe = build(PROBE_TYPES[name], {**defaults.of_type.get(name, {}), **of_type}, [])
        except Rejected as rejected:
            complaints += rejected.complaints
    return build(Monitor, {**defaults.common, **own, "probe": probe}, complaints)


def _wrong_type(given: Mapping[str, object], outside: ReadContext) -> list[Complaint]:
    if "type" in given:
        try:
            type_kind().read(given["type"], outside)
        except Rejected as rejected:
            return [Complaint(("type",), each.message) for each in rejected.complaints]
    return []


def _strange_keys(given: Mapping[str, object], type_name: str) -> list[Complaint]:
    known = keys_of(type_name)
    if all(key in known for key in given):
        return []
    types = types_by_key()
    foreign = [key for key in given if key in types and key not in known]
    return unknown_keys((key for key in given if key not in foreign), known) + [
        Complaint((key,), f"belongs to {_listed(types[key])} monitors, not to {type_name}")
        for key in foreign
    ]


def _listed(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
