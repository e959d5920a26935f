"""The fields of a health monitor: the configuration key of each, and its accepted values."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from prober.model.kinds import BOOLEAN, LABELS, choice, integer, list_of, matching, text
from prober.model.monitor import Monitor
from prober.model.option import Kind, ReadContext, Rejected, options_of, show_options
from prober.model.pool import PORT
from prober.probes import PROBE_TYPES
from prober.state.cloud_objects import CloudObject
from prober.web.server.json_answer import Json

TYPES = frozenset({"TCP", "UDP_CONNECT", "HTTP", "HTTPS", "TLS", "GRPC"})
"""Huawei's names of types, which are prober's own; OpenStack's other names are aliases."""
_UDP = "UDP"
NOT_PROBED = {
    "SCTP": "prober does not support SCTP; probe a port with TCP or UDP_CONNECT",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "CONNECT", "PATCH")
"""The documented methods; the configuration says why CONNECT is refused."""

_OUTSIDE = ReadContext("", str, {})


Default = Callable[[Mapping[str, object]], object]
"""Returns the documented default of a field of a new monitor, from its other keys."""


class Field(NamedTuple):
    """A field that a client can set: its configuration key, and its accepted values.

    A `required` field cannot be left out of a new health monitor and cannot be null. A `spelled`
    field is shown as it was written, as long as that still means what the configuration says.
    """

    key: str
    kind: Kind[Any]
    required: bool = False
    default: Default = lambda _: None
    spelled: bool = False

    def read(self, value: object) -> object:
        """Return the value for the configuration key, or raise `Rejected`."""
        return self.kind.read(value, _OUTSIDE)


Vocabulary = Mapping[str, Field]
"""The fields of one cloud by name, with that cloud's limits."""


def type_called(name: object) -> str:
    """Return prober's name for a client's name of a probe type, or raise `Rejected`."""
    for type_name, cls in PROBE_TYPES.items():
        if name in cls.aliases:
            return type_name
    if isinstance(name, str) and name in NOT_PROBED:
        raise Rejected(f"{name!r} is not supported: {NOT_PROBED[name]}")
    known = (each for each, cls in PROBE_TYPES.items() if each in TYPES or cls.aliases)
    return choice(*known).read(name, _OUTSIDE)


def name_of_type(monitor: Monitor) -> str:
    """Return the clients' name for the type of a monitor, or the nearest one they know."""
    probe = monitor.probe
    if monitor.type in TYPES:
        return monitor.type
    nearest = "UDP_CONNECT" if probe.nearest == _UDP else probe.nearest
    return probe.aliases[0] if probe.aliases else nearest


def protocol_of(monitors: Sequence[Monitor]) -> str:
    """Return the protocol of a pool for clients, derived from its first monitor."""
    if not monitors:
        return "TCP"
    probe, type_name = monitors[0].probe, monitors[0].type
    return type_name if type_name in TYPES and probe.nearest != _UDP else probe.nearest


def types_that_fit(protocol: str, beside_udp: Collection[str]) -> list[str]:
    """Return the probe types that match the protocol of a pool.

    A cloud probes pools of UDP with `beside_udp`, too.
    """
    udp = protocol in (_UDP, "SCTP", "QUIC")
    return [
        name
        for name, cls in PROBE_TYPES.items()
        if ((cls.nearest == _UDP) == udp or (udp and name in beside_udp))
        and (name in TYPES or cls.aliases)
    ]


def always(value: object) -> Default:
    """Return a default that is the same for every monitor."""
    return lambda _: value


def labels_of_tags(tags: Iterable[str]) -> dict[str, str]:
    """Return the labels that tags set: those of the form `name=value` with the name of a label."""
    labels: dict[str, str] = {}
    for tag in tags:
        name, sign, content = tag.partition("=")
        if sign and name not in labels:
            with suppress(Rejected):
                labels = dict(LABELS.read({**labels, name: content}, _OUTSIDE))
    return labels


def tags_of(labels: Mapping[str, str], known: CloudObject | None) -> list[str]:
    """Return the tags of an object: as they were written, adjusted to its current labels."""
    written, meant = known.spellings.get("tags", ((), {})) if known else ((), {})
    if meant == labels:
        return list(written)
    plain = [tag for tag in written if tag not in _as_tags(meant)]
    return [*plain, *(tag for tag in _as_tags(labels) if tag not in plain)]


def _as_tags(labels: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in labels.items()]


def _expected_codes(keys: Mapping[str, object]) -> str:
    return "0" if keys.get("type") == "GRPC" else "200"


def _read_version(value: object, outside: ReadContext) -> str:
    """Read the version of HTTP, however a client writes it: Go writes 1.0 as 1."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return _VERSION.read(f"{value:.1f}" if is_number and value in (1, 1.1) else value, outside)


_VERSION = choice("1.0", "1.1")
TAGS = list_of(text(longest=255))
_IN_A_ROW = integer(1, 10)
_TYPE = Kind(lambda value, _: type_called(value), text().schema)


def _domain_name(longest: int) -> Kind[str]:
    return matching(
        r"[A-Za-z0-9][A-Za-z0-9.-]*",
        "digits, letters, hyphens and periods, starting with a digit or letter",
        longest=longest,
    )


_NAME = Field("name", text(0, 255), spelled=True)
COMMON: Vocabulary = {
    "max_retries": Field("rise", _IN_A_ROW, required=True),
    "max_retries_down": Field("fall", _IN_A_ROW, default=always(3)),
    "admin_state_up": Field("enabled", BOOLEAN, default=always(True)),
    "monitor_port": Field("port", PORT),
}

OCTAVIA: Vocabulary = {
    "name": _NAME,
    "type": Field("type", _TYPE, required=True, spelled=True),
    "delay": Field("interval", integer(1, 86400), required=True),
    **COMMON,
    "timeout": Field("timeout", integer(1, 3600), required=True),
    "domain_name": Field("domain_name", _domain_name(255)),
    "expected_codes": Field("expected_codes", text(1, 64), default=_expected_codes),
    "url_path": Field(
        "url_path",
        matching(r"/[^\x00-\x20\x7f]*", "a path that starts with / and contains no spaces", 255),
        default=always("/"),
    ),
    "http_method": Field("http_method", choice(*METHODS), default=always("GET")),
    "http_version": Field(
        "http_version",
        Kind(_read_version, _VERSION.schema),
        default=lambda keys: "1.1" if keys.get("domain_name") else "1.0",
    ),
    "tags": Field(
        "labels",
        Kind(lambda value, outside: labels_of_tags(TAGS.read(value, outside)), TAGS.schema),
        default=always({}),
        spelled=True,
    ),
}
"""OpenStack Octavia and Huawei v2, which share their paths: what either document accepts.

OpenStack has no limits for `delay` and `timeout`, so prober's own apply. Its default for
`http_version` is 1.0, and it requires 1.1 with a `domain_name`.
"""

HUAWEI_V3: Vocabulary = {
    "name": _NAME,
    "type": Field("type", _TYPE, required=True),
    "delay": Field("interval", integer(1, 50), required=True),
    **COMMON,
    "timeout": Field("timeout", integer(1, 3600), required=True),
    "domain_name": Field("domain_name", _domain_name(100)),
    "expected_codes": Field("expected_codes", text(1), default=_expected_codes),
    "url_path": Field(
        "url_path",
        matching(
            r"/[A-Za-z0-9\-/.%?#&_;~!()*\[\]@$^:',+]*",
            "a path that starts with / and contains only letters, digits "
            "and the characters -/.%?#&_;~!()*[]@$^:',+",
        ),
        default=always("/"),
    ),
    "http_method": Field("http_method", choice("GET", "HEAD", "POST"), default=always("GET")),
}
"""Huawei v3; its documentation has no limit for `timeout`, so prober's own limit applies."""


def has_key(type_name: str, key: str) -> bool:
    """Return whether monitors of a probe type have a configuration key."""
    return key in options_of(Monitor) or key in options_of(PROBE_TYPES[type_name])


def whole_seconds(seconds: float) -> int:
    """Return a time for clients: whole seconds, rounded up, so at least 1."""
    return math.ceil(seconds)


def fields_of(monitor: Monitor, vocabulary: Vocabulary, known: CloudObject | None) -> Json:
    """Return the fields of a health monitor that this cloud has.

    Fields that do not apply to its type are None.
    """
    shown: Json = {
        "name": monitor.name,
        "type": name_of_type(monitor),
        "delay": whole_seconds(monitor.interval),
        "timeout": whole_seconds(monitor.timeout),
        "max_retries": monitor.rise,
        "max_retries_down": monitor.fall,
        "admin_state_up": monitor.enabled,
        "monitor_port": monitor.port,
        "tags": tags_of(monitor.labels, known),
    }
    options = show_options(monitor.probe)
    for name in ("domain_name", "expected_codes", "url_path", "http_method"):
        shown[name] = options.get(name)
    version = options.get("http_version")
    shown["http_version"] = float(version) if isinstance(version, str) else None
    if known:
        for name in ("name", "type"):
            if vocabulary[name].spelled:
                shown[name] = known.spelled(name, shown[name])
    return {name: shown[name] for name in vocabulary}


def spellings(given: Json, shown: Json, labels: Mapping[str, str], vocabulary: Vocabulary) -> Json:
    """Return how spelled fields were written, with their meanings.

    Args:
        given: What the client wrote.
        shown: What would be shown if it had written nothing.
        labels: The labels of the object that was written.
        vocabulary: The fields of the cloud.
    """
    found = {}
    for name, field in vocabulary.items():
        if field.spelled and name in given:
            meaning = dict(labels) if name == "tags" else shown[name]
            found[name] = (given[name], meaning)
    return found


def unused_name(wanted: str, taken: Iterable[str]) -> str:
    """Return this name, or the first of `wanted-2`, `wanted-3`, … that is not taken."""
    names, number, name = set(taken), 1, wanted
    while name in names:
        number += 1
        name = f"{wanted}-{number}"
    return name
