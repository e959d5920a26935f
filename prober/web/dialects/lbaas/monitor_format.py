"""The fields of a health monitor: the configuration key of each, and its accepted values."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from prober.model.kinds import BOOLEAN, LABELS, choice, integer, list_of, matching, text
from prober.model.monitor import Monitor
from prober.model.option import Kind, ReadContext, Rejected, options_of, show_options
from prober.model.pool import PORT
from prober.probes import PROBE_TYPES
from prober.web.server.json_answer import Json

TYPES = frozenset({"TCP", "UDP_CONNECT", "HTTP", "HTTPS", "TLS", "GRPC"})
"""Huawei's names of types, which are prober's own; OpenStack's other names are aliases."""
_UDP = "UDP"
NOT_PROBED = {
    "PING": "prober does not send ICMP; probe a port with TCP or UDP_CONNECT",
    "SCTP": "prober does not support SCTP; probe a port with TCP or UDP_CONNECT",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "CONNECT", "PATCH")
"""The documented methods; the configuration says why CONNECT is refused."""

_OUTSIDE = ReadContext("", str, {})


class Field(NamedTuple):
    """A field that a client can set: its configuration key, and its accepted values.

    A `required` field cannot be left out of a new health monitor and cannot be null.
    """

    key: str
    kind: Kind[Any]
    required: bool = False

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


def types_that_fit(protocol: str) -> list[str]:
    """Return the probe types that match the protocol of a pool."""
    return [
        name
        for name, cls in PROBE_TYPES.items()
        if (cls.nearest == _UDP) == (protocol == _UDP) and (name in TYPES or cls.aliases)
    ]


def _read_tags(value: object, outside: ReadContext) -> object:
    labels = {}
    for tag in _TAGS.read(value, outside):
        name, sign, content = tag.partition("=")
        if not sign:
            raise Rejected(f"tags are prober's labels: expected name=value, got {tag!r}")
        labels[name] = content
    return LABELS.read(labels, outside)


_TAGS = list_of(text(longest=255))
_SECONDS = integer(1, 50)
_IN_A_ROW = integer(1, 10)

COMMON: Vocabulary = {
    "name": Field("name", text(0, 255)),
    "type": Field("type", Kind(lambda value, _: type_called(value), text().schema), required=True),
    "delay": Field("interval", _SECONDS, required=True),
    "max_retries": Field("rise", _IN_A_ROW, required=True),
    "max_retries_down": Field("fall", _IN_A_ROW),
    "admin_state_up": Field("enabled", BOOLEAN),
    "monitor_port": Field("port", PORT),
    "domain_name": Field(
        "domain_name",
        matching(
            r"[A-Za-z0-9][A-Za-z0-9.-]*",
            "digits, letters, hyphens and periods, starting with a digit or letter",
            longest=100,
        ),
    ),
}

OCTAVIA: Vocabulary = {
    **COMMON,
    "timeout": Field("timeout", _SECONDS, required=True),
    "expected_codes": Field("expected_codes", text(1, 64)),
    "url_path": Field(
        "url_path",
        matching(r"/[^\x00-\x20\x7f]*", "a path that starts with / and contains no spaces", 80),
    ),
    "http_method": Field("http_method", choice(*METHODS)),
    "http_version": Field("http_version", choice("1.0", "1.1")),
    "tags": Field("labels", Kind(_read_tags, _TAGS.schema)),
}
"""OpenStack Octavia and Huawei v2, which share their paths; the limits are Huawei's."""

HUAWEI_V3: Vocabulary = {
    **COMMON,
    "timeout": Field("timeout", integer(1, 3600), required=True),
    "expected_codes": Field("expected_codes", text(1)),
    "url_path": Field(
        "url_path",
        matching(
            r"/[A-Za-z0-9\-/.%?#&_;~!()*\[\]@$^:',+]*",
            "a path that starts with / and contains only letters, digits "
            "and the characters -/.%?#&_;~!()*[]@$^:',+",
        ),
    ),
    "http_method": Field("http_method", choice("GET", "HEAD", "POST")),
}
"""Huawei v3; its documentation has no limit for `timeout`, so prober's own limit applies."""


def has_key(type_name: str, key: str) -> bool:
    """Return whether monitors of a probe type have a configuration key."""
    return key in options_of(Monitor) or key in options_of(PROBE_TYPES[type_name])


def whole_seconds(seconds: float) -> int:
    """Return a time for clients: whole seconds, rounded up, so at least 1."""
    return math.ceil(seconds)


def fields_of(monitor: Monitor, vocabulary: Vocabulary) -> Json:
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
        "tags": [f"{name}={value}" for name, value in monitor.labels.items()],
    }
    options = show_options(monitor.probe)
    for name in ("domain_name", "expected_codes", "url_path", "http_method"):
        shown[name] = options.get(name)
    version = options.get("http_version")
    shown["http_version"] = float(version) if isinstance(version, str) else None
    return {name: shown[name] for name in vocabulary}


def unused_name(wanted: str, taken: Iterable[str]) -> str:
    """Return this name, or the first of `wanted-2`, `wanted-3`, … that is not taken."""
    names, number, name = set(taken), 1, wanted
    while name in names:
        number += 1
        name = f"{wanted}-{number}"
    return name
