"""The common handlers of Oracle's two load balancer services.

A load balancer is the `load_balancer` of pools, a backend set is a pool, and its health checker is
the first monitor of that pool. The services differ in their JSON shapes.
"""

from aiohttp import web

from prober.model.aggregate import backend_status, load_balancer_status, pool_status
from prober.model.definition import POOL
from prober.model.pool import Pool
from prober.model.status import Status
from prober.state.check_state import BackendState
from prober.state.pace import Pace
from prober.state.store import Statuses
from prober.web.dialects.oracle.backend_flags import admin_of
from prober.web.dialects.oracle.backend_health import group_json, reports_of
from prober.web.dialects.oracle.edit_handlers import EditHandlers
from prober.web.dialects.oracle.ledger import WorkRequest
from prober.web.dialects.oracle.places import (
    Balancer,
    backend_of,
    balancer_of,
    balancers_of,
    monitor_of,
    pool_of,
)
from prober.web.dialects.oracle.requests import (
    absent,
    answer,
    compartment_in,
    error,
    page_of,
    prepare,
)
from prober.web.dialects.oracle.service_spec import ServiceSpec
from prober.web.dialects.oracle.unoffered import unoffered_routes
from prober.web.server.dialect import Dialect, DialectRoute
from prober.web.server.json_answer import Json
from prober.web.server.services import services_of


class OracleService:
    """The handlers of one service."""

    def __init__(self, shapes: ServiceSpec) -> None:
        self._shapes = shapes

    def dialect(self) -> Dialect:
        """Return the service as a dialect."""
        shapes = self._shapes
        balancers = f"{shapes.root}{shapes.balancers}"
        balancer = f"{balancers}/{{balancer}}"
        pool = f"{balancer}/backendSets/{{pool}}"
        routes = (
            DialectRoute("GET", f"{shapes.root}{shapes.healths}", self.list_healths),
            DialectRoute("GET", balancers, self.list_balancers),
            DialectRoute("GET", balancer, self.get_balancer),
            DialectRoute("GET", f"{balancer}/health", self.get_balancer_health),
            DialectRoute("GET", f"{balancer}/backendSets", self.list_sets),
            DialectRoute("GET", pool, self.get_set),
            DialectRoute("GET", f"{pool}/health", self.get_set_health),
            DialectRoute("GET", f"{pool}/healthChecker", self.get_checker),
            DialectRoute("GET", f"{pool}/backends", self.list_backends),
            DialectRoute("GET", f"{pool}/backends/{{backend}}", self.get_backend),
            DialectRoute("GET", f"{pool}/backends/{{backend}}/health", self.get_backend_health),
            DialectRoute("GET", f"{shapes.root}{shapes.work_requests_of}", self.list_work_requests),
            DialectRoute("GET", f"{shapes.root}{shapes.work_requests}/{{id}}", self.get_work),
            *EditHandlers(shapes).routes(balancers),
            *unoffered_routes(shapes, balancers),
        )
        return Dialect(shapes.name, routes, error, prepare)

    async def list_balancers(self, request: web.Request) -> web.Response:
        """The load balancers of a compartment."""
        is_inside = compartment_in(request)
        found = {
            name: balancer
            for name, balancer in balancers_of(request).items()
            if is_inside(balancer.projects)
            and request.query.get("displayName", name) == name
            and request.query.get("lifecycleState", "ACTIVE") == "ACTIVE"
        }
        names, next_page = page_of(request, found)
        items = [await self._balancer_json(request, found[name]) for name in names]
        return await answer(self._shapes.collection(items), next_page=next_page)

    async def list_healths(self, request: web.Request) -> web.Response:
        """The health of each load balancer of a compartment."""
        is_inside, balancers = compartment_in(request), balancers_of(request)
        found = [name for name in balancers if is_inside(balancers[name].projects)]
        names, next_page = page_of(request, found)
        statuses, pace = Statuses(), Pace()
        for _ in statuses.gather(services_of(request).store):
            await pace.pause()
        known = statuses.load_balancers
        items = [
            {self._shapes.id_name: name, "status": known.get(name, Status.UNKNOWN)}
            for name in names
        ]
        return await answer(self._shapes.collection(items), next_page=next_page)

    async def get_balancer(self, request: web.Request) -> web.Response:
        """One load balancer with everything that belongs to it."""
        balancer = balancer_of(request)
        etag = await self._shapes.expected_version(request, balancer.name)
        return await answer(await self._balancer_json(request, balancer), etag=etag)

    async def get_balancer_health(self, request: web.Request) -> web.Response:
        """The health of one load balancer."""
        balancer, pace = balancer_of(request), Pace()
        etag = await self._shapes.expected_version(request, balancer.name)
        named = [(pool.name, await _status(request, pool, pace)) for pool in balancer.pools]
        status = load_balancer_status(status for _, status in named)
        return await answer(group_json(status, named, "BackendSet"), etag=etag)

    async def list_sets(self, request: web.Request) -> web.Response:
        """The backend sets of a load balancer."""
        balancer, pace = balancer_of(request), Pace()
        etag = await self._shapes.expected_version(request, balancer.name)
        pools = {pool.name: pool for pool in balancer.pools}
        names, next_page = page_of(request, pools) if self._shapes.paged else (list(pools), None)
        items = [await self._set_json(request, pools[name], pace) for name in names]
        return await answer(self._shapes.collection(items), etag=etag, next_page=next_page)

    async def get_set(self, request: web.Request) -> web.Response:
        """One backend set."""
        pool = pool_of(request)
        etag = await self._shapes.expected_version(request, pool.load_balancer)
        return await answer(await self._set_json(request, pool, Pace()), etag=etag)

    async def get_set_health(self, request: web.Request) -> web.Response:
        """The health of one backend set."""
        pool, pace = pool_of(request), Pace()
        etag = await self._shapes.expected_version(request, pool.load_balancer)
        named = []
        for backend_state in services_of(request).store.backend_states(pool):
            named.append((backend_state.key, backend_state.status))
            await pace.pause()
        status = await _status(request, pool, pace)
        return await answer(group_json(status, named, "Backend"), etag=etag)

    async def list_backends(self, request: web.Request) -> web.Response:
        """The backends of a backend set."""
        pool, pace = pool_of(request), Pace()
        etag = await self._shapes.expected_version(request, pool.load_balancer)
        backends = {each.key: each for each in services_of(request).store.backend_states(pool)}
        names, next_page = (
            page_of(request, backends) if self._shapes.paged else (list(backends), None)
        )
        items = []
        for name in names:
            items.append(self._backend_json(backends[name]))
            await pace.pause()
        return await answer(self._shapes.collection(items), etag=etag, next_page=next_page)

    async def get_backend(self, request: web.Request) -> web.Response:
        """One backend."""
        pool = pool_of(request)
        backend = backend_of(request, pool)
        etag = await self._shapes.expected_version(request, pool.load_balancer)
        admin = admin_of(services_of(request).store, pool, backend)
        return await answer(self._shapes.objects.backend.show(backend, admin), etag=etag)

    async def get_backend_health(self, request: web.Request) -> web.Response:
        """The health of one backend, with a result for each monitor of its pool.

        In a cluster, with one for each vantage; their results together are the status, which is
        UNKNOWN if one of them is.
        """
        pool = pool_of(request)
        backend = backend_of(request, pool)
        etag = await self._shapes.expected_version(request, pool.load_balancer)
        store, reporter = services_of(request).store, services_of(request).vitals.name
        checks = store.checks_of(pool, backend)
        reports = [(state, each) for state in checks for each in reports_of(store, state, reporter)]
        counted = [report.status for state, report in reports if state.check.enabled]
        health = {
            "status": backend_status(counted),
            "healthCheckResults": [self._shapes.result_json(report) for _, report in reports],
        }
        return await answer(health, etag=etag)

    async def get_checker(self, request: web.Request) -> web.Response:
        """The health checker of a backend set."""
        pool = pool_of(request)
        monitor = monitor_of(request, pool)
        etag = await self._shapes.expected_version(request, pool.load_balancer)
        return await answer(self._shapes.checker.show(monitor), etag=etag)

    async def get_work(self, request: web.Request) -> web.Response:
        """One past edit; it had succeeded before its id was returned."""
        work = self._shapes.remembered(request).ledger.find(request.match_info["id"])
        if work is None:
            raise absent(f"work request {request.match_info['id'][:200]!r}, or it has expired")
        return await answer(self._work_json(work))

    async def list_work_requests(self, request: web.Request) -> web.Response:
        """The recent edits, of one load balancer if the path names it."""
        done = {work.id: work for work in self._shapes.remembered(request).ledger}
        if "balancer" in request.match_info:
            name = balancer_of(request).name
            done = {key: work for key, work in done.items() if work.balancer == name}
        else:
            is_inside = compartment_in(request)
            done = {key: work for key, work in done.items() if is_inside([work.compartment])}
        names, next_page = page_of(request, done)
        items = [self._work_json(done[name]) for name in names]
        return await answer(self._shapes.collection(items), next_page=next_page)

    def _backend_json(self, backend: BackendState) -> Json:
        return self._shapes.objects.backend.show(backend.backend, backend.admin)

    def _work_json(self, work: WorkRequest) -> Json:
        return self._shapes.work_json(work, self._shapes.works[work.kind])

    async def _balancer_json(self, request: web.Request, balancer: Balancer) -> Json:
        pace = Pace()
        sets = {pool.name: await self._set_json(request, pool, pace) for pool in balancer.pools}
        return self._shapes.objects.balancer_json(balancer, sets)

    async def _set_json(self, request: web.Request, pool: Pool, pace: Pace) -> Json:
        monitors = services_of(request).store.monitors_of(pool)
        checker = self._shapes.checker.show(monitors[0]) if monitors else None
        backends = []
        for backend_state in services_of(request).store.backend_states(pool):
            backends.append(self._backend_json(backend_state))
            await pace.pause()
        known = services_of(request).store.cloud_objects.of(POOL, pool.id)
        kept = known.fields if known else {}
        return self._shapes.objects.set_json(pool, kept, checker, backends)


async def _status(request: web.Request, pool: Pool, pace: Pace) -> Status:
    statuses = []
    for backend_state in services_of(request).store.backend_states(pool):
        if backend_state.counts:
            statuses.append(backend_state.status)
        await pace.pause()
    return pool_status(statuses)
