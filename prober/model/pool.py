"""Backends and pools: what to probe."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from uuid import UUID, uuid5

from prober.model.definition import Origin
from prober.model.kinds import (
    BOOLEAN,
    IDENTIFIER,
    LABELS,
    Frozen,
    integer,
    list_of,
    text,
)
from prober.model.option import (
    Complaint,
    Kind,
    ReadContext,
    Rejected,
    expected,
    in_words,
    option,
    schema_of,
    section,
    show_options,
)
from prober.model.probe import UNIX, Target
from prober.model.tls_settings import HOST_LABELS, HOST_NAME

PORT = integer(1, 65535)
_LINE = text(1, 255)


def _read_name(value: object, outside: ReadContext) -> str:
    name = _LINE.read(value, outside)
    if name in _DOTS:
        raise Rejected(
            f"{name!r} is not a usable name: browsers and proxies drop it from the path of a URL"
        )
    return name


_DOTS = (".", "..")  # RFC 3986, section 5.2.4
NAME = Kind(_read_name, {**_LINE.schema, "pattern": r"^(?!\.\.?$)"})
"""A name; it must be usable as one segment of a URL path."""
_NAMESPACE = UUID("6f1f3c8a-5d0b-4c53-9f0e-2f6f0c9b7a11")
_TARGET = re.compile(r"(?:\[([^\[\]]+)\]|([^:\[\]]+)):([0-9]{1,5})")
_HOST_ALONE = re.compile(r"\[([^\[\]]+)\]|([^:\[\]]+)")
_PATH = r"(?!.*/\.{0,2}(?:/|$))/[\x20-\x7e]{1,106}"  # its length: unix(7)
_WHAT = "host:port, with an IPv6 address in brackets"


_DIGITS = r"[0-9A-Fa-f]{1,4}"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_LAST_32 = rf"(?:{_DIGITS}:{_DIGITS}|{_IPV4})"
_IPV6 = "|".join(  # RFC 3986, section 3.2.2
    (
        rf"(?:{_DIGITS}:){{6}}{_LAST_32}",
        rf"::(?:{_DIGITS}:){{5}}{_LAST_32}",
        *(
            rf"(?:(?:{_DIGITS}:){{0,{before}}}{_DIGITS})?::(?:{_DIGITS}:){{{4 - before}}}{_LAST_32}"
            for before in range(5)
        ),
        rf"(?:(?:{_DIGITS}:){{0,5}}{_DIGITS})?::{_DIGITS}",
        rf"(?:(?:{_DIGITS}:){{0,6}}{_DIGITS})?::",
    )
)
_PORT = r"(?:6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[0-5]?[0-9]{1,4})"
PLACE_SCHEMA: Mapping[str, object] = {
    "type": "string",
    "pattern": (
        rf"^unix:{_PATH}$|"
        rf"^(?:(?![0-9.]+(?::|$))(?=[^:]{{1,253}}\.?(?::|$)){HOST_LABELS}|{_IPV4}"
        rf"|\[(?![Ff][Ee][89ABab][0-9A-Fa-f]:)(?:{_IPV6})\])(?::(?!0+$){_PORT})?$"
    ),
}
"""The JSON schema of what `parse_place` accepts."""


def derived_id(sort: str, name: str) -> str:
    """Return the UUID of a monitor or pool without an id; it is always the same for a name."""
    return str(uuid5(_NAMESPACE, f"{sort}\0{name}"))


def normal_host(host: str) -> str | None:
    """Return an IP address in its shortest form, or a host name as it is; None for other text."""
    try:
        address = ip_address(host)
    except ValueError:
        looks_like_ipv4 = re.fullmatch(r"[0-9.]+", host)
        return host if re.fullmatch(HOST_NAME, host) and not looks_like_ipv4 else None
    return None if "%" in host else str(address)


def reject_interface(text: str) -> None:
    """Raise `Rejected` for an IPv6 address with an interface, such as `fe80::1%eth0`."""
    address, percent, _ = text.partition("%")
    try:
        given = bool(percent) and ip_address(address.removeprefix("["))
    except ValueError:
        return
    if given:
        raise Rejected(f"{text!r} is an address with an interface, which is not supported")


def reject_link_local(host: str) -> None:
    """Raise `Rejected` for an IPv6 address that is ambiguous without an interface."""
    if ":" in host and ip_address(host).is_link_local:
        raise Rejected(f"{host!r} is link-local, which is not supported: it needs an interface")


def parse_target(value: object) -> Target:
    """Read `host:port`, with an IPv6 address in brackets; raise `Rejected` for anything else."""
    if isinstance(value, str):
        reject_interface(value)
    found = _TARGET.fullmatch(value) if isinstance(value, str) else None
    if not found:
        if isinstance(value, str) and "://" in value:
            raise Rejected(f"expected {_WHAT}, got the URL {value!r}")
        if isinstance(value, str) and value.count(":") > 1 and "[" not in value:
            raise Rejected(f"expected {_WHAT} ([2001:db8::7]:80), got {value!r}")
        if isinstance(value, str) and normal_host(value) and ":" not in value:
            raise Rejected(f"expected {_WHAT}, got {value!r}; the port is missing")
        raise expected(_WHAT, value)
    target = _target_of(found, lowest_port=1)
    reject_link_local(target.host)
    return target


def parse_path(value: str) -> str:
    """Read `unix:/path`, and return it; raise `Rejected`."""
    path = value.removeprefix(UNIX)
    if not re.fullmatch(_PATH, path):
        what = "unix: and a whole path of at most 107 ASCII characters, without . and .."
        raise Rejected(f"expected {what}, got {in_words(value)}")
    return value


def parse_place(value: object) -> Target:
    """Read `host:port`, or `host` alone or `unix:/path`, whose port is 0; raise `Rejected`."""
    if isinstance(value, str) and value.startswith(UNIX):
        return Target(parse_path(value), 0)
    if isinstance(value, str) and (found := _HOST_ALONE.fullmatch(value)):
        host = normal_host(found[1] or found[2])
        if host is not None and bool(found[1]) == (":" in host):
            reject_link_local(host)
            return Target(host, 0)
    return parse_target(value)


def parse_listener(value: object) -> Target:
    """Read an address to listen on, `HOST:PORT`; port 0 means any free port."""
    if isinstance(value, str):
        reject_interface(value)
    found = _TARGET.fullmatch(value) if isinstance(value, str) else None
    if not found:
        hint = ""
        if isinstance(value, str) and (port := value.removeprefix(":")).isdecimal():
            hint = f"; write 127.0.0.1:{port}, or 0.0.0.0:{port} for all addresses"
        wrong = expected("HOST:PORT, with an IPv6 address in brackets", value)
        raise Rejected(f"{wrong}{hint}")
    return _target_of(found, lowest_port=0)


def _target_of(found: re.Match[str], *, lowest_port: int) -> Target:
    host, port = normal_host(found[1] or found[2]), int(found[3])
    if host is None or bool(found[1]) != (":" in host):
        raise Rejected(f"{found[1] or found[2]!r} is neither an IP address nor a host name")
    if not lowest_port <= port <= 65535:
        raise Rejected(f"expected a port from {lowest_port} to 65535, got {port}")
    return Target(host, port)


def _show_listener(target: Target) -> str:
    return str(target) if target.port else f"{target}:0"


LISTENER = Kind(lambda value, _: parse_listener(value), {"type": "string"}, _show_listener)
"""An address to listen on."""


def _read_host(value: object, _: ReadContext) -> str:
    if isinstance(value, str):
        reject_interface(value)
    host = normal_host(value) if isinstance(value, str) else None
    if host is None:
        raise expected("an IP address or a host name", value)
    reject_link_local(host)
    return host


HOST = Kind(_read_host, {"type": "string"})


def _read_host_or_path(value: object, outside: ReadContext) -> str:
    if isinstance(value, str) and value.startswith(UNIX):
        return parse_path(value)
    return _read_host(value, outside)


HOST_OR_PATH = Kind(_read_host_or_path, HOST.schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One address and port to probe."""

    address: str = option(HOST_OR_PATH, doc="IP address, host name, or `unix:/path`")
    port: int | None = option(
        PORT,
        default=None,
        doc="port, 1 to 65535; required unless only ICMP monitors probe it, or for a path",
    )
    name: str | None = option(NAME, default=None, doc="display name")
    labels: Frozen[str] = option(LABELS, default=Frozen(), doc="added to metrics and API")
    enabled: bool = option(
        BOOLEAN, default=True, doc="false: not probed, and not counted in its pool"
    )
    weight: int = option(
        integer(1, 256), default=1, doc="share of the traffic, for outputs and the cloud APIs"
    )
    backup: bool = option(
        BOOLEAN,
        default=False,
        doc="gets traffic only when no other backend does, for outputs and the cloud APIs",
    )
    probe_address: str | None = option(
        HOST, default=None, doc="probe this address instead, for example a management network"
    )
    probe_port: int | None = option(
        PORT, default=None, doc="probe this port instead; takes precedence over the monitor's"
    )
    under_policy: bool = False
    """Whether it was set over the API, so that the target policy applies."""
    key: str = field(init=False, repr=False, compare=False)
    """The name of the backend in API and metrics: `address:port`, or what it has of it."""

    def __post_init__(self) -> None:
        """Compute the key once, because it is looked up often."""
        if self.address.startswith(UNIX):
            wrong = [key for key in ("port", "probe_port") if getattr(self, key)]
            if wrong:
                raise Rejected(*(Complaint((key,), "a Unix socket has no port") for key in wrong))
        object.__setattr__(self, "key", str(Target(self.address, self.port or 0)))

    def target(self, port: int | None) -> Target:
        """Return the target of the probes of a monitor that has this `port`."""
        if self.address.startswith(UNIX) and not self.probe_address:
            return Target(self.address, 0)
        return Target(self.probe_address or self.address, self.probe_port or port or self.port or 0)


_AS_MAPPING = section(Backend)


def _read_backend(value: object, outside: ReadContext) -> Backend:
    if isinstance(value, dict):
        return _AS_MAPPING.read(value, outside)
    target = parse_place(value)
    return Backend(address=target.host, port=target.port or None)


BACKEND = Kind(_read_backend, {"oneOf": [{"type": "string"}, schema_of(Backend)]}, show_options)
BACKENDS = list_of(BACKEND)
TARGETS = list_of(BACKEND, shortest=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A named set of backends that belongs to a load balancer."""

    name: str = option(NAME, doc="unique name")
    id: str = option(IDENTIFIER, default="", doc="UUID; default: derived from the name")
    load_balancer: str = option(NAME, default="default", doc="the load balancer of the pool")
    project_id: str = option(NAME, default="default", doc="owner, for the cloud APIs")
    public_gate: bool = option(
        BOOLEAN,
        default=False,
        doc="the gates of this pool and of its backends answer without credentials",
    )
    backends: tuple[Backend, ...] = option(BACKENDS, default=(), doc="the backends to probe")
    origin: Origin = Origin.FILE

    def __post_init__(self) -> None:
        """Fill in the id and reject duplicate backends."""
        if not self.id:
            object.__setattr__(self, "id", derived_id("pool", self.name))
        reject_duplicates(self.backends, "backends")


def reject_duplicates(backends: tuple[Backend, ...], key: str) -> None:
    """Raise `Rejected` if a list contains a backend twice."""
    seen: dict[str, int] = {}
    complaints = [
        Complaint((key, i), f"duplicate backend {backend.key}; first listed as {key}[{first}]")
        for i, backend in enumerate(backends)
        if (first := seen.setdefault(backend.key, i)) != i
    ]
    if complaints:
        raise Rejected(*complaints)
