"""Events that belong together, as one line that says what they share: pure.

An outage of one host, network or resolver changes many checks within seconds, and so do
certificates that were issued together. Listed one by one they hide what they have in common, which
is what to look for.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from types import MappingProxyType
from typing import NamedTuple

from prober.model.status import Reason, Status
from prober.state.events import POOL_STATUS, TRANSITION, Event

GAP = 5.0
"""Maximum seconds between two related changes."""
LONGEST = 60.0
"""Maximum seconds that a group lasts."""
LEAST = 3
"""Minimum number of changes in a group."""
_ROUNDS = 50
"""Maximum number of groups in one burst."""
_WEIGHTS = {"host": 1.5, "issuer": 1.3, "pool": 1.2, "monitor": 1.15, "network": 1.1, "reason": 1.0}
"""The weight of each shared property: a host explains more than a timeout."""


class EventGroup(NamedTuple):
    """Events that belong together, newest first; a field is None unless all of them share it."""

    events: tuple[Event, ...]
    after: Status | None
    host: str | None = None
    network: str | None = None
    pool: str | None = None
    monitor: str | None = None
    issuer: str | None = None
    reasons: tuple[tuple[Reason, int], ...] = ()

    @property
    def is_single(self) -> bool:
        """Whether it is a single event."""
        return len(self.events) == 1


Issuers = Mapping[int, str]
"""The issuers of the certificates that events are about, by event id."""
_NO_ISSUERS: Issuers = MappingProxyType({})


def grouped(events: Iterable[Event], issuers: Issuers = _NO_ISSUERS) -> list[EventGroup]:
    """Return events as groups, newest first; those that share nothing stand alone.

    Args:
        events: Newest first.
        issuers: The issuers of certificates, for events that are about one.
    """
    groups: list[EventGroup] = []
    for burst in _bursts(events):
        groups += _split(burst, issuers)
    groups.sort(key=lambda group: group.events[0].id, reverse=True)
    return groups


def _bursts(events: Iterable[Event]) -> list[list[Event]]:
    """Return bursts of changes of checks, and of pools, without a gap; other events alone."""
    bursts: list[list[Event]] = []
    open_ones: dict[str, list[Event]] = {}
    for event in events:
        if event.kind not in (TRANSITION, POOL_STATUS):
            bursts.append([event])
            continue
        burst = open_ones.get(event.kind)
        if burst and burst[-1].at - event.at <= GAP and burst[0].at - event.at <= LONGEST:
            burst.append(event)
        else:
            open_ones[event.kind] = [event]
            bursts.append(open_ones[event.kind])
    return bursts


def _split(burst: Sequence[Event], issuers: Issuers) -> list[EventGroup]:
    """Return the groups of a burst; a group has changes to a worse status, or to a better one."""
    if len(burst) < LEAST:
        return [_group([event], issuers) for event in burst]
    by_status: dict[Status | None, list[Event]] = defaultdict(list)
    for event in burst:
        by_status[event.after].append(event)
    groups, traits = [], {event.id: _traits(event, issuers) for event in burst}
    for events in by_status.values():
        left = events
        for _ in range(_ROUNDS):
            chosen = _most_telling(left, traits)
            if not chosen:
                break
            groups.append(_group(chosen, issuers))
            taken = {event.id for event in chosen}
            left = [event for event in left if event.id not in taken]
        groups += [_group([event], issuers) for event in left]
    return groups


def _most_telling(events: Sequence[Event], traits: Mapping[int, Mapping[str, str]]) -> list[Event]:
    """Return the events that share the best explanation, or none if nothing explains enough."""
    if len(events) < LEAST:
        return []
    shared: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in events:
        for key in traits[event.id].items():
            shared[key].append(event)
    best = max(shared, key=lambda key: (len(shared[key]) * _WEIGHTS[key[0]], key), default=None)
    if best is None or len(shared[best]) < LEAST:
        return []
    return shared[best]


def _traits(event: Event, issuers: Issuers) -> dict[str, str]:
    """Return the properties that an event may share with others."""
    host = host_of(event)
    traits = {
        "host": host,
        "network": network_of(host),
        "pool": event.pool if event.kind == TRANSITION else None,
        "monitor": event.monitor,
        "issuer": issuers.get(event.id),
        "reason": str(event.reason) if event.reason else str(event.after),
    }
    return {name: value for name, value in traits.items() if value}


def host_of(event: Event) -> str | None:
    """Return the host of the backend of an event, or None."""
    return event.backend.rpartition(":")[0].strip("[]") if event.backend else None


def network_of(host: str | None) -> str | None:
    """Return the network of an address, a /24 or a /64; None for a name."""
    try:
        address = ip_address(host or "")
    except ValueError:
        return None
    return str(ip_network(f"{address}/{24 if address.version == 4 else 64}", strict=False))


def _group(events: Sequence[Event], issuers: Issuers) -> EventGroup:
    ordered = tuple(sorted(events, key=lambda event: event.id, reverse=True))
    hosts = {host_of(event) for event in ordered}
    networks = {network_of(host) for host in hosts}
    reasons = Counter(event.reason for event in ordered if event.reason is not None)
    return EventGroup(
        ordered,
        ordered[0].after,
        host=_only(hosts),
        network=_only(networks),
        pool=_only({event.pool for event in ordered}),
        monitor=_only({event.monitor for event in ordered}),
        issuer=_only({issuers.get(event.id) for event in ordered}),
        reasons=tuple(reasons.most_common()),
    )


def _only(values: set[str | None]) -> str | None:
    """Return the value that all share, or None."""
    return next(iter(values)) if len(values) == 1 else None


def group_words(group: EventGroup) -> str:
    """Return the headline of a group: `14 checks, all on 10.0.3.7: refused`."""
    first = group.events[0]
    if first.kind == POOL_STATUS:
        return f"{len(group.events):,} pools"
    where = ""
    if group.host:
        where = f", all on {group.host}"
    elif group.issuer:
        where = f", all with a certificate from {group.issuer}"
    elif group.pool:
        where = f", all in pool {group.pool}"
    elif group.monitor:
        where = f", all of monitor {group.monitor}"
    elif group.network:
        where = f", all in {group.network}"
    return f"{len(group.events):,} checks{where}: {_reason_words(group.reasons)}"


def _reason_words(reasons: Sequence[tuple[Reason, int]]) -> str:
    """Return the reason that all share, or the reasons with their counts."""
    if not reasons:
        return "no reason"
    named = [str(reason).replace("_", " ") for reason, _ in reasons]
    if len(named) == 1:
        return named[0]
    counts = [f"{name} ×{count:,}" for name, (_, count) in zip(named, reasons, strict=True)]
    return ", ".join(counts[:3]) + (", …" if len(counts) > 3 else "")
