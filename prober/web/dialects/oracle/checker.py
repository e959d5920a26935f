"""Oracle's health checker: a monitor in the terms of its two load balancer services, and back.

Neither service has terms for everything in a monitor. So a member of a request with the value that
the service shows does not count as a change, and keys without a counterpart are never touched.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from prober.model.kinds import BOOLEAN, choice, integer
from prober.model.monitor import Monitor
from prober.model.option import (
    Complaint,
    Kind,
    ReadContext,
    Rejected,
    expected,
    have_in_common,
    in_words,
    mapping,
    options_of,
    unknown_keys,
)
from prober.model.pattern_kind import PATTERN
from prober.model.probe import Probe
from prober.probes import PROBE_TYPES
from prober.probes.dns import DnsProbe
from prober.probes.http import HttpProbe
from prober.probes.tcp import TcpProbe
from prober.web.dialects.oracle.requests import invalid, is_as_shown, members_of
from prober.web.server.errors import Refused
from prober.web.server.json_answer import Json

PAYLOAD_LIMIT = 1024
"""Maximum bytes of requestData and of responseData."""

_OUTSIDE = ReadContext("", str, {})


class Member(NamedTuple):
    """One member of a health checker.

    `show` returns the value for a monitor, `key` is the configuration key that it changes, `native`
    the value of that key. `of` is a probe type that has this key: the member applies to all types
    that mean the same by it; None: to every monitor. A `kept` member cannot be dropped by a change
    to a type that it does not apply to. A member that stands for several keys has `spread` instead,
    which returns them, given the value and the one that is shown.
    """

    kind: Kind[Any]
    show: Callable[[Monitor], object]
    key: str = ""
    native: Callable[[Any], object] = lambda value: value
    of: type[Probe] | None = None
    required: bool = False
    kept: bool = False
    spread: Callable[[Any, Any], Mapping[str, object]] | None = None

    def keys(self, value: Any, shown: object) -> Mapping[str, object]:
        """Return the configuration keys for a value."""
        if self.spread is not None:
            return self.spread(value, shown)
        return {self.key: self.native(value)} if self.key else {}

    def has_meaning(self, probe: type[Probe]) -> bool:
        """Return whether this member applies to a probe type."""
        return self.of is None or have_in_common(probe, self.of, self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckerForm:
    """The health checker of one service.

    `types` has the probe type of a new monitor for each protocol; `type_of` returns that of a
    monitor after a request.
    """

    members: Mapping[str, Member]
    types: Mapping[str, str]
    type_of: Callable[[Monitor, Mapping[str, Any]], str]

    def show(self, monitor: Monitor) -> Json:
        """Return a monitor as a health checker."""
        return {name: member.show(monitor) for name, member in self.members.items()}

    def patch(self, monitor: Monitor, body: object) -> dict[str, object]:
        """Return the configuration keys that a request changes, or raise `Refused`."""
        given = self._given(body)
        shown = self.show(monitor)
        changed = {
            name: value for name, value in given.items() if not is_as_shown(value, shown[name])
        }
        self._reject_wrong(changed)
        kind = self.type_of(monitor, given)
        before, after = type(monitor.probe), PROBE_TYPES[kind]
        self._reject_unusable(changed, kind)
        for name, value in given.items():  # the new type has nothing that the old one lacked
            member = self.members[name]
            if member.has_meaning(after) and not member.has_meaning(before):
                changed[name] = value
        patch: dict[str, object] = {} if kind == monitor.type else {"type": kind}
        for name, value in changed.items():
            if self.members[name].has_meaning(after):
                patch |= self.members[name].keys(value, shown[name])
        self._reject_missing(patch, after, before)
        return patch

    def definition(self, body: object) -> dict[str, object]:
        """Return the configuration keys of a monitor that a request creates, or raise `Refused`."""
        given = members_of(body, self.members, ("protocol",))
        self._reject_wrong(given)
        given = {**_CREATED, **given}
        kind = self.types[given["protocol"]]
        self._reject_unusable(given, kind)
        made: dict[str, object] = {"type": kind}
        for name, value in given.items():
            if self.members[name].has_meaning(PROBE_TYPES[kind]):
                made |= self.members[name].keys(value, None)
        self._reject_missing(made, PROBE_TYPES[kind])
        return {key: value for key, value in made.items() if value is not None}

    def refusal(self, rejected: Rejected) -> Refused:
        """Return the answer to a change that the configuration rejects."""
        names = {member.key: name for name, member in self.members.items() if member.key}
        names["type"] = "protocol"
        return invalid(
            Complaint((names.get(str(path[0]), path[0]), *path[1:]) if path else (), message)
            for path, message in rejected.complaints
        )

    def _given(self, body: object) -> dict[str, Any]:
        """Return the members of a request that have a value."""
        required = (name for name, member in self.members.items() if member.required)
        return members_of(body, self.members, required)

    def _reject_wrong(self, changed: Mapping[str, Any]) -> None:
        complaints = []
        for name, value in changed.items():
            try:
                self.members[name].kind.read(value, _OUTSIDE)
            except Rejected as rejected:
                complaints += [
                    Complaint((name, *path), message) for path, message in rejected.complaints
                ]
        if complaints:
            raise invalid(complaints)

    def _reject_missing(
        self, keys: Collection[str], probe: type[Probe], before: type[Probe] | None = None
    ) -> None:
        """Refuse a type for which a key is missing that the type before does not have either."""
        missing = [
            name
            for name, member in self.members.items()
            if (option := options_of(probe).get(member.key)) is not None
            and option.is_required
            and not (member.key in keys or (before and member.has_meaning(before)))
        ]
        if missing:
            raise Refused(400, f"missing {', '.join(missing)}", code="MissingParameter")

    def _reject_unusable(self, changed: Mapping[str, Any], kind: str) -> None:
        """Refuse to drop members that do not apply to a probe of this type."""
        probe = PROBE_TYPES[kind]
        unusable = [
            Complaint((name,), f"does not apply to {kind}, got {in_words(value)}")
            for name, value in changed.items()
            if value and self.members[name].kept and not self.members[name].has_meaning(probe)
        ]
        if unusable:
            raise invalid(unusable)


def _of(
    cls: type[Probe], key: str, show: Callable[[Any], object], otherwise: object
) -> Callable[[Monitor], object]:
    """Show a key of the monitors whose types mean the same by it as this type."""

    def shown(monitor: Monitor) -> object:
        probe = monitor.probe
        return show(getattr(probe, key)) if have_in_common(type(probe), cls, key) else otherwise

    return shown


def _path(otherwise: str | None) -> Callable[[Monitor], object]:
    return _of(HttpProbe, "url_path", str, otherwise)


def _code(otherwise: int | None) -> Callable[[Monitor], object]:
    """Show one code, the smallest: the service has room for only one."""
    return _of(HttpProbe, "expected_codes", lambda codes: min(codes.members), otherwise)


def _regex(otherwise: str | None) -> Callable[[Monitor], object]:
    return _of(HttpProbe, "body_regex", lambda pattern: pattern or "", otherwise)


def _read_regex(value: object, outside: ReadContext) -> str:
    return "" if value == "" else PATTERN.read(value, outside)


def _read_payload(value: object, _: ReadContext) -> bytes:
    if not isinstance(value, str):
        raise expected("text in base64", value)
    try:
        payload = b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise expected("text in base64", value) from None
    if len(payload) > PAYLOAD_LIMIT:
        raise Rejected(f"expected at most {PAYLOAD_LIMIT} bytes, got {len(payload)}")
    return payload


def _payload_member(key: str) -> Member:
    return Member(
        Kind(_read_payload, {"type": "string"}),
        _of(TcpProbe, key, lambda sent: b64encode(sent).decode() if sent else None, None),
        key=key,
        native=lambda content: {"base64": content} if content else None,
        of=TcpProbe,
        kept=True,
    )


_DNS_KEYS = {
    "transportProtocol": "transport",
    "domainName": "query_name",
    "queryClass": "query_class",
    "queryType": "query_type",
    "rcodes": "expected_rcodes",
}
_DNS_KINDS: Mapping[str, Kind[Any]] = {
    **{name: options_of(DnsProbe)[key].kind for name, key in _DNS_KEYS.items()},
    "transportProtocol": choice("UDP", "TCP"),
}


def _read_dns(value: object, outside: ReadContext) -> object:
    given = {name: each for name, each in mapping(value).items() if each is not None}
    complaints = unknown_keys(given, _DNS_KINDS)
    if "domainName" not in given:
        complaints.append(Complaint(("domainName",), "missing"))
    for name, kind in _DNS_KINDS.items():
        try:
            if name in given:
                kind.read(given[name], outside)
        except Rejected as rejected:
            complaints += [Complaint((name, *path), what) for path, what in rejected.complaints]
    if complaints:
        raise Rejected(*complaints)
    return given


def _show_dns(monitor: Monitor) -> Json | None:
    probe: Any = monitor.probe
    if not have_in_common(type(probe), DnsProbe, "query_name"):
        return None
    return {
        "transportProtocol": "UDP" if probe.transport == "udp" else "TCP",
        "domainName": probe.query_name,
        "queryClass": probe.query_class,
        "queryType": probe.query_type,
        "rcodes": list(probe.expected_rcodes),
    }


def _spread_dns(value: Mapping[str, Any], shown: Mapping[str, object] | None) -> dict[str, object]:
    """Return the keys of a query; what is as it is shown stays, such as a transport over TLS."""
    before = shown or {}
    keys = {_DNS_KEYS[name]: each for name, each in value.items() if each != before.get(name)}
    if "transport" in keys:
        keys["transport"] = keys["transport"].lower()
    return keys


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _seconds(milliseconds: int) -> float:
    return milliseconds / 1000


_SHARED = {
    "port": Member(
        integer(0, 65535),
        lambda monitor: monitor.port or 0,
        key="port",
        native=lambda port: port or None,
    ),
    "retries": Member(integer(1, 100), lambda monitor: monitor.fall, key="fall"),
    "timeoutInMillis": Member(
        integer(50, 600_000), lambda m: _milliseconds(m.timeout), key="timeout", native=_seconds
    ),
    "intervalInMillis": Member(
        integer(1000, 1_800_000),
        lambda m: _milliseconds(m.interval),
        key="interval",
        native=_seconds,
    ),
    "urlPath": Member(
        options_of(HttpProbe)["url_path"].kind,
        _path(None),
        key="url_path",
        of=HttpProbe,
    ),
    "returnCode": Member(integer(100, 599), _code(None), key="expected_codes", of=HttpProbe),
    "responseBodyRegex": Member(
        Kind(_read_regex, PATTERN.schema),
        _regex(None),
        key="body_regex",
        native=lambda pattern: pattern or None,
        of=HttpProbe,
    ),
}


def _required(name: str, show: Callable[[Monitor], object] | None = None) -> Member:
    member = _SHARED[name]
    return member._replace(show=show or member.show, required=True)


def lb_protocol(monitor: Monitor) -> str:
    """Return the protocol that the Load Balancer service shows."""
    return monitor.probe.nearest


def _lb_type(monitor: Monitor, given: Mapping[str, Any]) -> str:
    """Return the type; a backend set uses TLS if its monitor does."""
    speaks_tls = monitor.tls is not None and not given.get("isForcePlainText")
    if given["protocol"] == lb_protocol(monitor):
        return "HTTP" if monitor.type == "HTTPS" and not speaks_tls else monitor.type
    if given["protocol"] == "HTTP":
        return "HTTPS" if speaks_tls else "HTTP"
    return "TCP"


_CREATED: dict[str, object] = {
    "urlPath": "/",
    "returnCode": 200,
    "retries": 3,
    "timeoutInMillis": 3000,
    "intervalInMillis": 10000,
}
"""What Oracle takes for members that a request to create a health checker leaves out."""

_LB_TYPES = {"HTTP": "HTTP", "TCP": "TCP"}

LB_CHECKER = CheckerForm(
    members={
        "protocol": Member(choice(*_LB_TYPES), lb_protocol, required=True),
        "urlPath": _SHARED["urlPath"],
        "port": _required("port"),
        "returnCode": _required("returnCode", _code(200)),
        "retries": _required("retries"),
        "timeoutInMillis": _required("timeoutInMillis"),
        "intervalInMillis": _required("intervalInMillis"),
        "responseBodyRegex": _required("responseBodyRegex", _regex("")),
        "isForcePlainText": Member(BOOLEAN, lambda _: False),
    },
    types=_LB_TYPES,
    type_of=_lb_type,
)

_TYPES = {"HTTP": "HTTP", "HTTPS": "HTTPS", "TCP": "TCP", "UDP": "UDP_CONNECT", "DNS": "DNS"}


def nlb_protocol(monitor: Monitor) -> str:
    """Return the protocol that the Network Load Balancer service shows."""
    return monitor.type if monitor.type in _TYPES else monitor.probe.nearest


def _nlb_type(monitor: Monitor, given: Mapping[str, Any]) -> str:
    shown = nlb_protocol(monitor)
    protocol = given.get("protocol", shown)
    return monitor.type if protocol == shown else _TYPES[protocol]


NLB_CHECKER = CheckerForm(
    members={
        "protocol": Member(choice(*_TYPES), nlb_protocol),
        **_SHARED,
        "requestData": _payload_member("send"),
        "responseData": _payload_member("expect"),
        "dns": Member(
            Kind(_read_dns, {}), _show_dns, key="query_name", of=DnsProbe, spread=_spread_dns
        ),
    },
    types=_TYPES,
    type_of=_nlb_type,
)
