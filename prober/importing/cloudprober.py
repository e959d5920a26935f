"""cloudprober's probes, with their targets and validators."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from prober.importing.cloudprober_types import MAKERS, Counterpart
from prober.importing.draft import Draft, DraftEntry, Keys, SourcePlace
from prober.importing.durations import shown
from prober.importing.fields import Fields, MessageSource
from prober.model.kinds import in_units

_INTERVAL, _TIMEOUT = "2s", "1s"  # cloudprober's defaults
_ELSEWHERE = {
    "surfacer": "metrics are at /metrics of every prober, see docs/prometheus.md",
    "server": "prober runs no servers to be probed",
    "include": "give the included files, too",
}
_LISTS = ("gce_targets", "rds_targets", "file_targets", "k8s", "consul")
_TAKEN = {
    *("name", "type", "targets", "interval", "interval_msec", "timeout", "timeout_msec"),
    *("validator", "additional_label", "alert", "negative_test"),
}
_SILENT = {
    *("latency_distribution", "latency_unit", "latency_metric_name", "stats_export_interval_msec"),
    *("debug_options", "disable_log", "log_metrics"),
}
_PROGRAMS = ("EXTERNAL", "SCRIPT", "STARLARK", "BROWSER", "EXTENSION", "USER_DEFINED")


class StaticTarget(NamedTuple):
    """A target: its name, what is connected to, and what it says of a probe."""

    name: str
    host: str
    port: int | None
    scheme: str = ""
    path: str = ""
    labels: Mapping[str, str] = {}

    @property
    def is_resolved(self) -> bool:
        """Whether its address is given beside its name."""
        return self.host != self.name


class _Untaken(Exception):  # noqa: N818  (describes a probe)
    """A probe that has no counterpart; the message says why."""


def read(sources: Sequence[MessageSource], draft: Draft) -> None:
    """Add the monitors of each probe."""
    tops = [Fields(source, (), source.value) for source in sources]
    shared = {
        str(each.one("name")): each.message("targets")
        for top in tops
        for each in top.messages("shared_targets")
    }
    for top in tops:
        for probe in top.messages("probe"):
            with draft.reading(probe.at(), f"probe {probe.one('name')}"):
                try:
                    _Probe(probe, shared, draft).read()
                except _Untaken as untaken:
                    draft.left_out(probe.at(), f"probe {probe.one('name')}: {untaken}")
        for name in top.names:
            if name not in ("probe", "shared_targets"):
                why = f": {_ELSEWHERE[name]}" if name in _ELSEWHERE else ""
                draft.left_out(top.at(name), f"{name}{why}")


class _Probe:
    """Reads one probe."""

    def __init__(self, probe: Fields, shared: Mapping[str, Fields], draft: Draft) -> None:
        self._probe, self._shared, self._draft = probe, shared, draft
        self._left_out: list[tuple[SourcePlace, str]] = []

    def read(self) -> None:
        """Add a monitor for each way of probing that the targets ask for."""
        kind = str(self._probe.one("type", "")).upper()
        if kind in _PROGRAMS:
            raise _Untaken(f"prober runs no programs ({kind})")
        if kind not in MAKERS:
            raise _Untaken(f"prober has no counterpart of the type {kind or None}")
        if self._probe.one("negative_test"):
            raise _Untaken("a negative test")
        options = self._probe.message(f"{kind.lower()}_probe")
        made = MAKERS[kind](options, self._probe.messages("validator"))
        if made.why:
            raise _Untaken(made.why)
        self._left_out += made.left_out
        groups: dict[tuple[tuple[str, object], ...], list[str | Keys]] = {}
        targets, labels = self._targets(), self._labels()
        for target in targets:
            keys, place = _of_target(made, target)
            groups.setdefault(tuple(keys.items()), []).append(place)
        for found, places in groups.items():
            keys = {**made.keys, **dict(found), "labels": labels or None}
            self._add(keys, places, made)

    def _add(self, keys: Keys, places: list[str | Keys], made: Counterpart) -> None:
        if keys["type"] == "HTTP":
            keys["tls"] = None
        alerts = [each.message("condition") for each in self._probe.messages("alert")]
        entry = self._draft.monitor(
            {
                "name": self._draft.name(str(self._probe.one("name", "probe"))),
                **keys,
                "targets": places,
                "interval": self._duration("interval", _INTERVAL),
                "timeout": self._duration("timeout", _TIMEOUT),
                "fall": min((each.one("failures", 1) for each in alerts), default=None),
            },
            self._probe.at(),
        )
        self._tell(entry, alerts, made)
        where = ", ".join(place if isinstance(place, str) else _address(place) for place in places)
        text = f"probe {entry.keys['name']}: {keys['type']} {where}"
        self._draft.taken(self._probe.at(), text)

    def _duration(self, name: str, default: str) -> str | None:
        """Return an interval: a duration as Go writes it, or milliseconds."""
        if (given := self._probe.one(name)) is not None:
            return shown(given)
        given = self._probe.one(f"{name}_msec", default)
        if isinstance(given, int | float) or str(given).isdecimal():
            return in_units(float(given) / 1000)
        return shown(given)

    def _labels(self) -> dict[str, str]:
        """Return the labels of all targets; those that depend on a target are left out."""
        labels = self._probe.pairs("additional_label")
        for name, value in labels.items():
            if "@" in value or "{{" in value:
                text = f"additional_label {name}: its value depends on the target"
                self._left_out.append((self._probe.at("additional_label"), text))
        return {k: v for k, v in labels.items() if "@" not in v and "{{" not in v}

    def _targets(self) -> list[StaticTarget]:
        given = self._probe.message("targets")
        if (name := given.one("shared_targets")) is not None:
            if str(name) not in self._shared:
                raise _Untaken(f"no shared_targets {name!r} are given")
            given = self._shared[str(name)]
        if lists := [name for name in _LISTS if name in given]:
            why = "prober does not find targets there: write them, or use targets_from"
            raise _Untaken(f"{lists[0]}: {why}")
        found = [_named(each.strip()) for each in str(given.one("host_names", "")).split(",")]
        found = [each for each in found if each.name]
        found += [_endpoint(each) for each in given.messages("endpoint")]
        if (pattern := given.one("regex")) is not None:
            found = [each for each in found if re.search(str(pattern), each.name)]
        for name in given.names:
            if name not in ("host_names", "endpoint", "regex", "dummy_targets"):
                self._left_out.append((given.at(name), f"targets: {name}"))
        if not found:
            raise _Untaken("it has no targets")
        return found

    def _tell(self, entry: DraftEntry, alerts: list[Fields], made: Counterpart) -> None:
        for origin, text in self._left_out:
            self._draft.left_out(origin, text, entry)
        for note in made.changed:
            self._draft.changed(entry, self._probe.at(), note)
        for each in alerts:
            failures, total = each.one("failures", 1), each.one("total", each.one("failures", 1))
            if failures != total:
                text = f"{failures} failures of {total} become {failures} in a row"
                self._draft.changed(entry, each.at(), text)
        for name in self._probe.names:
            if name not in _TAKEN | _SILENT and not name.endswith("_probe"):
                self._draft.left_out(self._probe.at(name), name, entry)


def _named(text: str) -> StaticTarget:
    host, colon, port = text.rpartition(":")
    if colon and port.isdecimal() and (":" not in host or host.startswith("[")):
        return StaticTarget(host.strip("[]"), host.strip("[]"), int(port))
    return StaticTarget(text, text, None)


def _endpoint(given: Fields) -> StaticTarget:
    labels = given.pairs("labels")
    name, port = str(given.one("name", "")), given.one("port")
    if url := given.one("url"):
        parts = urlsplit(str(url))
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = parts.hostname or ""
        return StaticTarget(host, host, parts.port, parts.scheme, path, labels)
    return StaticTarget(
        name, str(given.one("ip") or name), int(port) if port else None, labels=labels
    )


def _of_target(made: Counterpart, target: StaticTarget) -> tuple[Keys, str | Keys]:
    """Return the keys that a target asks for, and the target as the configuration has it."""
    keys: Keys = {}
    port = made.port or target.port or made.default_port
    if made.is_http:
        scheme = made.scheme or target.scheme or "http"
        keys["type"] = "HTTPS" if scheme.lower() == "https" else "HTTP"
        keys["url_path"] = made.path or target.path or "/"
        port = port or (443 if keys["type"] == "HTTPS" else 80)
        if target.is_resolved and target.name:
            keys["domain_name"] = made.host or target.name
    if made.needs_port and not port:
        raise _Untaken(f"the target {target.name} has no port")
    place: Keys = {"address": target.host, **({"port": port} if made.needs_port else {})}
    if target.is_resolved and target.name:
        place["name"] = target.name
    if target.labels:
        place["labels"] = dict(target.labels)
    return keys, place if len(place) > 1 + made.needs_port else _address(place)


def _address(place: Keys) -> str:
    host = place["address"]
    if "port" not in place:
        return str(host)
    return f"[{host}]:{place['port']}" if ":" in host else f"{host}:{place['port']}"


def is_textproto(name: str, text: str) -> bool:
    """Return whether a file is written in textproto, judged by its name, or by its content."""
    if name.endswith((".yaml", ".yml", ".json")):
        return False
    return bool(re.search(r"^[ \t]*[a-z_]+[ \t]*:?[ \t]*[{<]", text, re.MULTILINE))
