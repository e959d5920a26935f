"""Looks up objects by the ids of the cloud APIs, in one project or in all of them."""

from collections.abc import AsyncIterator, Iterator
from functools import cached_property
from typing import NamedTuple
from uuid import UUID

from aiohttp import web

from prober.model.aggregate import load_balancer_status, pool_status
from prober.model.monitor import Monitor
from prober.model.pool import Backend, Pool, derived_id
from prober.model.status import Status
from prober.state.check_state import BackendState
from prober.state.cloud_objects import LOAD_BALANCER, CloudObject
from prober.state.pace import Pace
from prober.state.store import Store
from prober.web.server.errors import Refused
from prober.web.server.services import services_of


class LoadBalancer(NamedTuple):
    """The pools of one load balancer, and what is `known` of one that an API wrote to."""

    name: str
    pools: list[Pool]
    known: CloudObject | None = None

    @property
    def id(self) -> str:
        """Its UUID, always the same for a name."""
        return derived_id("load_balancer", self.name)

    @property
    def project_id(self) -> str:
        """Its owner: that with which it was created, or that of its first pool."""
        return str(self.known.fields["project_id"] if self.known else self.pools[0].project_id)

    @property
    def shown_name(self) -> str:
        """Its name as it was written, which need not be unique."""
        return str(self.known.fields["name"]) if self.known else self.name


def member_id(pool: Pool, backend: Backend) -> str:
    """Return the UUID of a backend in a pool."""
    return derived_id("member", f"{pool.id}\0{backend.key}")


def normal_id(text: str) -> str | None:
    """Return a UUID with dashes, however it is written, or None for other text."""
    try:
        return str(UUID(text))
    except ValueError:
        return None


class ProjectView:
    """The objects that a request may see: all, or those of the project in its path.

    The configuration is that at the start of the request, even if a reload happens meanwhile.
    """

    def __init__(self, store: Store, project: str | None) -> None:
        self.store = store
        self.project = project
        self._model = store.model
        self._pools = store.pools

    @cached_property
    def pace(self) -> Pace:
        """How long this request has blocked the event loop."""
        return Pace()

    @cached_property
    def _by_pool(self) -> dict[str, list[Monitor]]:
        found: dict[str, list[Monitor]] = {}
        for monitor in self._model.monitors:
            found.setdefault(monitor.pool_name, []).append(monitor)
        return found

    def monitors(self) -> Iterator[tuple[Monitor, Pool]]:
        """Yield every monitor and its pool, in the order of the configuration."""
        for monitor in self._model.monitors:
            pool = self._pools[monitor.pool_name]
            if self._holds(pool):
                yield monitor, pool

    def pools(self) -> Iterator[Pool]:
        """Yield every pool, in the order of the configuration."""
        return filter(self._holds, self._model.pools)

    def _holds(self, pool: Pool) -> bool:
        return self.project in (None, pool.project_id)

    def load_balancers(self) -> list[LoadBalancer]:
        """Return every load balancer, with those of its pools that are visible."""
        found: dict[str, LoadBalancer] = {}
        for pool in self.pools():
            name = pool.load_balancer
            found.setdefault(name, LoadBalancer(name, [])).pools.append(pool)
        for name, known in self.store.cloud_objects.every(LOAD_BALANCER):
            if name in found or self.project in (None, known.fields["project_id"]):
                found[name] = found.get(name, LoadBalancer(name, []))._replace(known=known)
        return list(found.values())

    def monitor(self, text: str) -> tuple[Monitor, Pool]:
        """Return the monitor with this id, and its pool, or raise `Refused`."""
        wanted = normal_id(text)
        for monitor, pool in self.monitors():
            if monitor.id == wanted:
                return monitor, pool
        raise absent("health monitor", text)

    def pool(self, text: str) -> Pool:
        """Return the pool with this id, or raise `Refused`."""
        wanted = normal_id(text)
        for pool in self.pools():
            if pool.id == wanted:
                return pool
        raise absent("pool", text)

    def load_balancer(self, text: str) -> LoadBalancer:
        """Return the load balancer with this id, or raise `Refused`."""
        wanted = normal_id(text)
        for load_balancer in self.load_balancers():
            if load_balancer.id == wanted:
                return load_balancer
        raise absent("load balancer", text)

    def member(self, pool: Pool, text: str) -> BackendState:
        """Return the backend of a pool with this id, or raise `Refused`."""
        wanted = normal_id(text)
        for backend_state in self.store.backend_states(pool):
            if member_id(pool, backend_state.backend) == wanted:
                return backend_state
        raise absent("member", text)

    def monitors_of(self, pool: Pool) -> list[Monitor]:
        """Return the monitors of a pool, in the order of the configuration."""
        return self._by_pool.get(pool.name, [])

    async def backend_states(self, pool: Pool) -> AsyncIterator[BackendState]:
        """Yield the state of each backend of a pool, in slices."""
        for backend_state in self.store.backend_states(pool):
            yield backend_state
            await self.pace.pause()

    async def pool_status(self, pool: Pool) -> Status:
        """Return the status of a pool."""
        return pool_status([each.status async for each in self.backend_states(pool) if each.counts])

    async def load_balancer_status(self, load_balancer: LoadBalancer) -> Status:
        """Return the status of a load balancer."""
        return load_balancer_status([await self.pool_status(each) for each in load_balancer.pools])


def project_view_of(request: web.Request) -> ProjectView:
    """Return the objects that a request may see."""
    return ProjectView(services_of(request).store, request.match_info.get("project_id"))


def absent(what: str, text: str) -> Refused:
    """Return the refusal for an id that no such object has."""
    return Refused(404, f"there is no {what} with the id {text[:200]!r}")
