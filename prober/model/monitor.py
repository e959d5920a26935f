"""Monitors: how to probe the backends of a pool, and the check for each backend."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from prober.model.address_rule import ADDRESSES, FIRST, AddressRule
from prober.model.definition import Origin
from prober.model.egress import ANY, IP_FAMILY, IP_ORDERS, SOURCE, Egress, version_of
from prober.model.file_kinds import FILE, SECRET, Secret
from prober.model.kinds import (
    BOOLEAN,
    IDENTIFIER,
    LABELS,
    Frozen,
    choice,
    duration,
    in_units,
    integer,
    list_of,
    matching,
    text,
)
from prober.model.option import Complaint, Kind, ReadContext, Rejected, option, section
from prober.model.pool import (
    NAME,
    PORT,
    TARGETS,
    Backend,
    Pool,
    derived_id,
    parse_target,
    reject_duplicates,
)
from prober.model.probe import Probe, Target
from prober.model.schedule import spread, worst_case_detection
from prober.model.tls_settings import HOST_LABELS, TlsSettings

INTERVAL = duration(0.1, 86400)
UDP_PACE = 1.1
"""Seconds between UDP probes of one host: Linux reports a closed port about once a second."""


LIST_INTERVAL = 60.0
"""Seconds between two fetches of a target list, by default."""
EXPAND_INTERVAL = 10.0
"""Seconds between two lookups of names that are expanded, by default."""
_LONGEST_NAME = 253

_LIST_URL = matching(
    r"https?://[^/?#@\x00-\x20\x7f]+(?:[/?#][^\x00-\x20\x7f]*)?",
    "a URL that starts with http:// or https://, without a user name",
)


_INTERFACE = matching(r"[^\s/\x00-\x1f]{1,15}", "the name of an interface", 15)
_SERVICE = re.compile(rf"_[A-Za-z0-9-]{{1,62}}\._(?:tcp|udp)\.{HOST_LABELS}", re.IGNORECASE)


def is_service(name: str) -> bool:
    """Return whether a name is that of a service with SRV records (RFC 2782)."""
    return len(name) <= _LONGEST_NAME and _SERVICE.fullmatch(name) is not None


def _read_expandable(value: object, _: ReadContext) -> str:
    if isinstance(value, str) and is_service(value):
        return value
    try:
        target = parse_target(value)
    except Rejected as rejected:
        more = "; or the name of a service such as _ldap._tcp.example.org"
        raise Rejected(f"{rejected}{more}") from None
    if ":" in target.host or target.host.replace(".", "").isdigit():
        raise Rejected(f"{target.host} is an address, which has nothing to expand: use targets")
    return str(target)


_EXPANDABLE = list_of(Kind(_read_expandable, {"type": "string"}), shortest=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetList:
    """The source of a target list outside the configuration; prober follows its changes."""

    file: str | None = option(FILE, default=None, doc="path of a Prometheus file_sd list")
    url: str | None = option(_LIST_URL, default=None, doc="URL of a Prometheus http_sd list")
    expand: tuple[str, ...] = option(
        _EXPANDABLE,
        default=(),
        doc="names in DNS: `host:port` with all its addresses, or services with SRV records",
    )
    interval: float | None = option(
        duration(1, 86400),
        default=None,
        doc="how often to fetch the `url` (default: 60s) or to look up the names (10s)",
    )
    token: Secret | None = option(
        SECRET,
        default=None,
        secret=True,
        doc="bearer token for the `url`; may be `{file: …}` or `{env: …}`",
    )

    def __post_init__(self) -> None:
        """Reject settings that make no sense together."""
        if [bool(self.file), bool(self.url), bool(self.expand)].count(True) != 1:
            raise Rejected("expected exactly one of file, url, expand")
        complaints = []
        if self.file and self.interval is not None:
            complaints.append(Complaint(("interval",), "has no effect without url or expand"))
        if not self.url and self.token is not None:
            complaints.append(Complaint(("token",), "has no effect without url"))
        if self.token and re.search(r"[^!-~]", self.token.content):
            complaints.append(Complaint(("token",), "a token has no spaces or control characters"))
        if complaints:
            raise Rejected(*complaints)

    def __str__(self) -> str:
        """Return the path or URL of the list, or its names."""
        return str(self.file or self.url or ", ".join(self.expand))

    @property
    def asked_every(self) -> float | None:
        """Seconds between two times that it is asked for; None for a file, which is watched."""
        if self.file:
            return None
        return self.interval or (EXPAND_INTERVAL if self.expand else LIST_INTERVAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """How to probe the backends of a pool; the keys of the probe type are in `probe`."""

    name: str = option(NAME, doc="unique name, 1 to 255 characters")
    id: str = option(IDENTIFIER, default="", doc="UUID; default: derived from the name")
    type: str = option(text(1), doc="probe type")
    pool: str = option(NAME, default="", doc="the pool whose backends are probed")
    targets: tuple[Backend, ...] = option(
        TARGETS, default=(), doc="shorthand for a pool with the name of the monitor"
    )
    targets_from: TargetList | None = option(
        section(TargetList),
        default=None,
        doc="like `targets`, from a Prometheus file_sd or http_sd list or from DNS",
    )
    enabled: bool = option(BOOLEAN, default=True, doc="false: not probed, status UNKNOWN")
    interval: float = option(INTERVAL, default=5.0, doc="start to start, on a fixed grid")
    fast_interval: float = option(
        INTERVAL,
        default=0.0,
        doc="used while undecided or changing; default: the smaller of `interval` and 1s",
    )
    down_interval: float = option(
        INTERVAL, default=0.0, doc="used while CRITICAL; default: `interval`"
    )
    timeout: float = option(
        duration(0.05, 3600), default=2.0, doc="one deadline for the whole probe"
    )
    rise: int = option(integer(1, 100), default=2, doc="good results in a row that make it OK")
    fall: int = option(integer(1, 100), default=3, doc="bad results in a row that make it CRITICAL")
    port: int | None = option(PORT, default=None, doc="probe this port instead of the backend's")
    addresses: AddressRule = option(
        ADDRESSES,
        default=FIRST,
        doc="which addresses of a target's name are probed, and how many must be good: see below",
    )
    ip_family: str = option(
        IP_FAMILY,
        default=ANY,
        doc="`4` or `6`: only such addresses of a target's name; `4-then-6`, `6-then-4`: those of "
        "the first version that the name has",
    )
    source: str | None = option(
        SOURCE, default=None, doc="address of this host from which probes start"
    )
    interface: str | None = option(
        _INTERFACE, default=None, doc="interface of this host through which probes go"
    )
    fwmark: int | None = option(
        integer(1, 2**32 - 1),
        default=None,
        doc="mark of the packets, for policy routing and firewalls; needs CAP_NET_ADMIN",
    )
    tos: int | None = option(
        integer(0, 255), default=None, doc="TOS (IPv4) or traffic class (IPv6) of the packets"
    )
    labels: Frozen[str] = option(LABELS, default=Frozen(), doc="added to metrics and API")
    slow: float | None = option(
        duration(0.001, 3600), default=None, doc="WARNING when a good probe takes longer than this"
    )
    vantages: int | None = option(
        integer(1, 9),
        default=None,
        doc="in a cluster: how many members probe each check; default: that of the cluster",
    )
    vote: str = option(
        choice("unanimous", "majority"),
        default="",
        doc="in a cluster: how the status follows from those of the members; default: `unanimous`",
    )
    probe: Probe = field()
    origin: Origin = Origin.FILE
    under_policy: bool = False
    """Whether the API chose where the probe goes, so that the target policy applies."""
    tls: TlsSettings | None = field(init=False, repr=False, compare=False)
    """The TLS settings of the probe, or None."""
    stale_after: float = field(init=False, repr=False, compare=False)
    """Seconds without a conclusive result after which the status is UNKNOWN.

    Three times the longest of its intervals plus one timeout, so that a check with a long
    `down_interval` does not become stale between two probes.
    """

    def __post_init__(self) -> None:
        """Fill in what follows from the other keys; reject what does not fit together."""
        fill = object.__setattr__
        if not self.id:
            fill(self, "id", derived_id("monitor", self.name))
        if not self.fast_interval:
            fill(self, "fast_interval", min(self.interval, 1.0))
        if not self.down_interval:
            fill(self, "down_interval", self.interval)
        if (bool(self.pool), bool(self.targets), bool(self.targets_from)).count(True) != 1:
            raise Rejected("expected exactly one of pool, targets, targets_from")
        reject_duplicates(self.targets, "targets")
        if self.address_rule and self.probe.proxy:
            what = "has no effect with a proxy, which looks up the names itself"
            raise Rejected(Complaint(("addresses",), what))
        self._reject_misfits()
        fill(self, "tls", getattr(self.probe, "tls", None))
        longest = max(self.interval, self.fast_interval, self.down_interval)
        if self.probe.paced:
            longest = max(longest, UDP_PACE)
        fill(self, "stale_after", 3 * longest + self.timeout)

    def _reject_misfits(self) -> None:
        complaints = [Complaint(("targets", i), why) for i, why in self.misfits(self.targets)]
        if self.timeout <= self.probe.least_seconds:
            least = in_units(round(self.probe.least_seconds, 3))
            message = f"expected more than {least}, which a good probe takes at least"
            complaints.append(Complaint(("timeout",), message))
        if self.ip_order == ():
            message = f"is an IPv{version_of(self.source or '')} address, ip_family says otherwise"
            complaints.append(Complaint(("source",), message))
        if complaints:
            raise Rejected(*complaints)

    def misfits(self, backends: Iterable[Backend]) -> Iterator[tuple[int, str]]:
        """Yield the index of each backend that this monitor cannot probe, and why."""
        for i, backend in enumerate(backends):
            target = backend.target(self.port)
            if target.path:
                if why := self._why_not_over_unix():
                    yield i, f"{backend.key!r} is a Unix socket, {why}"
            elif not self.probe.portless and not target.port:
                yield i, f"{backend.key!r} has no port, which {self.type} monitors need"
            elif self.ip_order is not None and not self.probe.proxy:
                version = version_of(backend.probe_address or backend.address)
                if version is not None and version not in self.ip_order:
                    key = "ip_family" if self.source is None else "source"
                    why = f"{key} is {getattr(self, key)}"
                    yield i, f"{backend.key!r} is an IPv{version} address, but {why}"

    @property
    def ip_order(self) -> tuple[int, ...] | None:
        """The IP versions of which addresses may be used, in this order; None: all at once."""
        order = IP_ORDERS.get(self.ip_family)
        version = version_of(self.source) if self.source else None
        if version is None:
            return order
        return tuple(each for each in order or (version,) if each == version)

    @property
    def egress(self) -> Egress | None:
        """How the sockets of its probes are bound and marked; None: in no special way."""
        found = Egress(self.source, self.interface, self.fwmark, self.tos)
        return None if found == Egress() else found

    def _why_not_over_unix(self) -> str:
        if not self.probe.over_unix:
            return f"which {self.type} monitors cannot probe"
        used = [key for key in ("send_proxy", "proxy") if getattr(self.probe, key, None)]
        used += [key for key in ("source", "interface", "fwmark", "tos") if getattr(self, key)]
        return f"where {used[0]} has no meaning" if used else ""

    @property
    def worst_case_detection_seconds(self) -> float:
        """The longest time from the failure of a target to CRITICAL, if prober keeps up.

        For a type with a pace, if no other check probes the host.
        """
        shortest = UDP_PACE if self.probe.paced else 0.0
        seconds = worst_case_detection(
            interval=max(self.interval, shortest),
            fast_interval=max(self.fast_interval, shortest),
            timeout=self.timeout,
            fall=self.fall,
        )
        return round(seconds, 6)

    @property
    def address_rule(self) -> AddressRule | None:
        """How all addresses of a name are judged together; None if they are tried in turn."""
        return None if self.addresses == FIRST else self.addresses

    @property
    def pool_name(self) -> str:
        """The name of the pool to probe; the monitor's own if it names none."""
        return self.pool or self.name


@dataclass(frozen=True, slots=True)
class Check:
    """One monitor applied to one backend: the unit that is scheduled and has a status."""

    monitor: Monitor
    pool: Pool
    backend: Backend
    key: tuple[str, str] = field(init=False, repr=False, compare=False)
    """What identifies the check: the monitor's name and the backend's `address:port`."""
    enabled: bool = field(init=False, repr=False, compare=False)
    """Whether it is probed: neither the monitor nor the backend is disabled."""

    def __post_init__(self) -> None:
        """Compute once what is looked up often."""
        object.__setattr__(self, "key", (self.monitor.name, self.backend.key))
        object.__setattr__(self, "enabled", self.monitor.enabled and self.backend.enabled)

    @property
    def target(self) -> Target:
        """The target of the probe."""
        target = self.backend.target(self.monitor.port)
        return target._replace(port=0) if self.monitor.probe.portless else target

    @property
    def under_policy(self) -> bool:
        """Whether to check the address before each probe, because the API chose a part of it."""
        return self.monitor.under_policy or self.backend.under_policy

    @property
    def spread(self) -> int:
        """The number from which the phases follow."""
        return spread(*self.key)

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the monitor and the backend; for the same name, the backend's."""
        return {**self.monitor.labels, **self.backend.labels}


@dataclass(frozen=True, slots=True)
class Model:
    """Everything to probe; the names of monitors and of pools are unique."""

    monitors: tuple[Monitor, ...] = ()
    pools: tuple[Pool, ...] = ()

    def checks(self) -> list[Check]:
        """Return every check, in the order of the configuration."""
        pools = {pool.name: pool for pool in self.pools}
        return [
            Check(monitor, pools[monitor.pool_name], backend)
            for monitor in self.monitors
            for backend in pools[monitor.pool_name].backends
        ]


def probe_rate(checks: list[Check]) -> float:
    """Return the probes per second of these checks while all of them are OK."""
    return sum(1 / check.monitor.interval for check in checks if check.enabled)
