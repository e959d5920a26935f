"""Looks up the objects in paths of Oracle's services: load balancers, backend sets, backends."""

from collections.abc import Sequence
from typing import NamedTuple

from aiohttp import web

from prober.model.monitor import Monitor
from prober.model.option import Rejected
from prober.model.pool import Backend, Pool, parse_place
from prober.model.probe import UNIX, Target
from prober.state.cloud_objects import LOAD_BALANCER
from prober.web.dialects.oracle.requests import NO_PROJECT, absent
from prober.web.server.services import services_of


class Balancer(NamedTuple):
    """A load balancer: its pools, since when prober has known it (unix seconds), prober's name.

    One that was created over the API may have no pools yet; it belongs to the project `owner`.
    """

    name: str
    pools: Sequence[Pool]
    known_since: float
    reporter: str
    owner: str = NO_PROJECT

    @property
    def projects(self) -> frozenset[str]:
        """The projects of its pools."""
        return frozenset(pool.project_id for pool in self.pools) or frozenset((self.owner,))

    @property
    def compartment(self) -> str:
        """The project of its first pool."""
        return self.pools[0].project_id if self.pools else self.owner


def balancers_of(request: web.Request) -> dict[str, Balancer]:
    """Return all load balancers by name."""
    pools: dict[str, list[Pool]] = {}
    for pool in services_of(request).store.model.pools:
        pools.setdefault(pool.load_balancer, []).append(pool)
    vitals, created = services_of(request).vitals, services_of(request).store.cloud_objects
    found = {name: Balancer(name, pools[name], vitals.started_at, vitals.name) for name in pools}
    for name, known in created.every(LOAD_BALANCER):
        owner = str(known.fields.get("project_id", NO_PROJECT))
        found[name] = Balancer(name, pools.get(name, ()), known.created_at, vitals.name, owner)
    return found


def balancer_of(request: web.Request) -> Balancer:
    """Return the load balancer in a path."""
    name = request.match_info["balancer"]
    found = balancers_of(request).get(name)
    if found is None:
        raise absent(f"load balancer {name[:200]!r}")
    return found


def pool_of(request: web.Request) -> Pool:
    """Return the pool for the backend set in a path."""
    balancer, name = request.match_info["balancer"], request.match_info["pool"]
    found = services_of(request).store.pools.get(name)
    if found is None or found.load_balancer != balancer:
        raise absent(f"backend set {name[:200]!r} of a load balancer {balancer[:200]!r}")
    return found


def backend_of(request: web.Request, pool: Pool) -> Backend:
    """Return the backend in a path."""
    name = request.match_info["backend"]
    target = target_of(name)
    for backend in pool.backends if target else ():
        if (backend.address, backend.port or 0) == target:
            return backend
    raise absent(f"backend {name[:200]!r} in the backend set {pool.name!r}")


def monitor_of(request: web.Request, pool: Pool) -> Monitor:
    """Return the monitor for the health checker of a pool: its first one."""
    monitors = services_of(request).store.monitors_of(pool)
    if not monitors:
        raise absent(f"health checker: no monitor probes the pool {pool.name!r}")
    return monitors[0]


def target_of(name: str) -> Target | None:
    """Return the target for a backend name, or None if it cannot be one.

    An IPv6 address with a port may come without brackets: `::1:80` is port 80 of `::1`.
    """
    host, _, port = name.rpartition(":")
    if ":" in host and not host.startswith(("[", UNIX)):
        name = f"[{host}]:{port}"
    try:
        return parse_place(name)
    except Rejected:
        return None
