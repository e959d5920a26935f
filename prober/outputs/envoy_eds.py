"""Envoy's EDS over REST (xDS version 3): each pool is a ClusterLoadAssignment.

The JSON is that of Envoy's published protos (envoy.service.discovery.v3,
envoy.config.endpoint.v3); both spellings of field names that proto3 JSON allows are read, those of
the protos are written.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import blake2b
from ipaddress import ip_address
from typing import Any, ClassVar

from prober.model.admin import AdminState
from prober.model.known_status import ServedBackend
from prober.model.status import Status
from prober.outputs.keep import NOTHING_TOLD, Told, tell_pool
from prober.outputs.output import Desk, Feed, keep_option

TYPE_URL = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
LONGEST_WAIT = 30.0
"""Seconds after which a request gets 304 if nothing has changed."""

Json = dict[str, Any]


def health_status(backend: ServedBackend) -> str:
    """Return a backend's envoy.config.core.v3.HealthStatus."""
    known = backend.known
    match backend.admin:
        case AdminState.DRAIN:
            return "DRAINING"
        case AdminState.MAINTENANCE | AdminState.FORCED_DOWN:
            return "UNHEALTHY"
        case AdminState.FORCED_UP:
            return "HEALTHY"
    if not backend.in_service or known is None:
        return "UNHEALTHY"
    return "DEGRADED" if known.status is Status.WARNING and known.degraded else "HEALTHY"


def assignment(name: str, backends: Iterable[ServedBackend]) -> Json:
    """Return a ClusterLoadAssignment; backends named by host are left out, as EDS takes none.

    Backends that are a backup have the next priority after the others.
    """
    by_priority: dict[bool, list[Json]] = {}
    for each in backends:
        if is_address(each.backend.address) and each.backend.port:
            by_priority.setdefault(each.backend.backup, []).append(_endpoint(each))
    first, backups = by_priority.get(False, []), by_priority.get(True, [])
    localities: list[Json] = [{"lb_endpoints": first}] if first or not backups else []
    if backups:  # priorities start at 0 without a gap
        localities.append({"lb_endpoints": backups, "priority": len(localities)})
    return {"@type": TYPE_URL, "cluster_name": name, "endpoints": localities}


def _endpoint(served: ServedBackend) -> Json:
    backend = served.backend
    address = {"address": backend.address, "port_value": backend.port}
    endpoint: Json = {
        "endpoint": {"address": {"socket_address": address}},
        "health_status": health_status(served),
    }
    return (
        endpoint if backend.weight == 1 else {**endpoint, "load_balancing_weight": backend.weight}
    )


def is_address(host: str) -> bool:
    """Return whether a host is an IP address."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def discovery_response(resources: Iterable[Json]) -> Json:
    """Return a DiscoveryResponse; its version is a hash of its resources."""
    found = list(resources)
    content = json.dumps(found, sort_keys=True).encode()
    version = blake2b(content, digest_size=8).hexdigest()
    return {"version_info": version, "resources": found, "type_url": TYPE_URL, "nonce": version}


class DiscoveryRefused(ValueError):  # noqa: N818  (an answer, not a fault of ours)
    """Why a DiscoveryRequest cannot be answered."""


@dataclass(frozen=True, slots=True)
class DiscoveryRequest:
    """A request of Envoy, for every pool if it has no names.

    `problem` is why Envoy rejected the previous response, or empty.
    """

    version: str
    names: tuple[str, ...]
    problem: str = ""


def read_request(given: object) -> DiscoveryRequest:
    """Read a DiscoveryRequest in JSON; raise `DiscoveryRefused`."""
    if not isinstance(given, dict):
        raise DiscoveryRefused("expected a DiscoveryRequest, a JSON object")

    def field(name: str, camel: str, empty: Any) -> Any:
        value = given.get(name, given.get(camel))
        return empty if value is None else value

    names = field("resource_names", "resourceNames", [])
    version = field("version_info", "versionInfo", "")
    url = field("type_url", "typeUrl", TYPE_URL)
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise DiscoveryRefused("resource_names: expected a list of text")
    if not isinstance(version, str):
        raise DiscoveryRefused("version_info: expected text")
    if url not in ("", TYPE_URL):
        raise DiscoveryRefused(f"type_url: expected {TYPE_URL}")
    detail = field("error_detail", "errorDetail", {})
    problem = str(detail.get("message", "")) if isinstance(detail, dict) else ""
    return DiscoveryRequest(version, tuple(names), problem)


class Assignments:
    """The assignments of the pools, which follow the statuses as far as `keep` allows."""

    def __init__(self, desk: Desk, keep: float) -> None:
        self._desk = desk
        self._keep = keep
        self._told: dict[str, Told] = {}

    def update(self, names: Iterable[str]) -> bool:
        """Update the pools of these names; return whether any assignment has changed."""
        changed = False
        for name in names:
            pool = self._desk.served(name)
            before = self._told.get(name, NOTHING_TOLD)
            told = tell_pool(pool, before, self._keep) if pool else None
            if told is None:
                changed |= pool is None and self._told.pop(name, None) is not None
                continue
            self._desk.tell_held(name, told)
            self._told[name] = told
            changed |= told.backends != before.backends
        return changed

    def backends(self, name: str) -> Mapping[str, ServedBackend] | None:
        """Return a pool's backends as last reported, or None if it was not reported yet."""
        told = self._told.get(name)
        return None if told is None else told.backends

    def names(self) -> list[str]:
        """Return the names of the reported pools, in the order of the configuration."""
        return [name for name in self._desk.pools() if name in self._told]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoyEdsOutput:
    """Answer `POST /v3/discovery:endpoints` on the API's port."""

    errors: ClassVar[tuple[str, ...]] = ("rejected",)

    keep: float = keep_option()

    @asynccontextmanager
    async def run(self, desk: Desk) -> AsyncIterator[None]:
        """Answer requests while the context lasts."""
        server = EndpointDiscovery(desk, self.keep)
        desk.answers_discovery(server)
        try:
            async with desk.following(server.follow):
                yield
        finally:
            desk.answers_discovery(None)


class EndpointDiscovery:
    """Answers DiscoveryRequests."""

    def __init__(self, desk: Desk, keep: float) -> None:
        self._desk = desk
        self._assignments = Assignments(desk, keep)
        self._assignments.update(desk.pools())
        self._changed = asyncio.Event()

    async def follow(self, feed: Feed) -> None:
        """Process changes until the task is cancelled."""
        while True:
            if self._assignments.update(await feed.take()):
                self._changed.set()
                self._changed = asyncio.Event()

    async def answer(self, given: object, wait: float = LONGEST_WAIT) -> Json | None:
        """Return a DiscoveryResponse, or None if nothing changes for `wait` seconds.

        Raises:
            DiscoveryRefused: The request is not a valid one.
        """
        request = read_request(given)
        if request.problem:
            self._desk.failed("rejected", f"Envoy refused an answer: {request.problem[:200]}")
        response = self._response(request)
        try:
            async with asyncio.timeout(wait):
                while response["version_info"] == request.version:
                    await self._changed.wait()
                    response = self._response(request)
        except TimeoutError:
            return None
        self._desk.succeeded()
        return response

    def _response(self, request: DiscoveryRequest) -> Json:
        names = request.names or self._assignments.names()
        found = ((name, self._assignments.backends(name)) for name in names)
        return discovery_response(
            assignment(name, backends.values()) for name, backends in found if backends is not None
        )
