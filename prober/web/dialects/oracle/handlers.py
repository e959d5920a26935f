"""The common handlers of Oracle's two load balancer services.

A load balancer is the `load_balancer` of pools, a backend set is a pool, and its health checker is
the first monitor of that pool. The services differ in their JSON shapes.
"""

import re
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from aiohttp import hdrs, web

from prober.edits.contract import Conflict
from prober.model.aggregate import backend_status, load_balancer_status, pool_status
from prober.model.option import Rejected
from prober.model.pool import Pool
from prober.model.status import Status
from prober.state.pace import Pace
from prober.state.store import Statuses
from prober.web.dialects.oracle.backend_health import ResultJson, group_json
from prober.web.dialects.oracle.checker import CheckerForm
from prober.web.dialects.oracle.ledger import Ledger, Versions, WorkRequest, new_id
from prober.web.dialects.oracle.object_form import ObjectForm
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
    read_body,
    reject_other_version,
    retry_token,
)
from prober.web.server.dialect import Dialect, DialectRoute
from prober.web.server.editing import editor_of
from prober.web.server.errors import Refused
from prober.web.server.json_answer import Json
from prober.web.server.services import services_of


class ServiceSpec(NamedTuple):
    """What differs between the services; paths are below `root`.

    `paged` is whether lists of backend sets and of backends come in pages; `edited` is the status
    code that answers an edit.
    """

    name: str
    root: str
    balancers: str
    healths: str
    work_requests: str
    work_requests_of: str
    id_name: str
    checker: CheckerForm
    result_json: ResultJson
    objects: ObjectForm
    work_json: Callable[[WorkRequest], Json]
    collection: Callable[[list[Json]], object]
    paged: bool
    edited: int


class _Remembered(NamedTuple):
    ledger: Ledger
    versions: Versions


class OracleService:
    """The handlers of one service."""

    def __init__(self, shapes: ServiceSpec) -> None:
        self._shapes = shapes
        self._key = web.AppKey(shapes.name, _Remembered)

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
            DialectRoute("PUT", f"{pool}/healthChecker", self.update_checker),
            DialectRoute("GET", f"{pool}/backends", self.list_backends),
            DialectRoute("GET", f"{pool}/backends/{{backend}}", self.get_backend),
            DialectRoute("GET", f"{pool}/backends/{{backend}}/health", self.get_backend_health),
            DialectRoute("GET", f"{shapes.root}{shapes.work_requests_of}", self.list_work_requests),
            DialectRoute("GET", f"{shapes.root}{shapes.work_requests}/{{id}}", self.get_work),
        )
        paths = re.compile(rf"{shapes.root}(?:/|$)")
        return Dialect(shapes.name, paths, routes, error, prepare, begin=self._begin)

    def _begin(self, app: web.Application) -> None:
        app[self._key] = _Remembered(Ledger(), Versions())

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
        etag = await self._version(request, balancer.name)
        return await answer(await self._balancer_json(request, balancer), etag=etag)

    async def get_balancer_health(self, request: web.Request) -> web.Response:
        """The health of one load balancer."""
        balancer, pace = balancer_of(request), Pace()
        etag = await self._version(request, balancer.name)
        named = [(pool.name, await _status(request, pool, pace)) for pool in balancer.pools]
        status = load_balancer_status(status for _, status in named)
        return await answer(group_json(status, named, "BackendSet"), etag=etag)

    async def list_sets(self, request: web.Request) -> web.Response:
        """The backend sets of a load balancer."""
        balancer, pace = balancer_of(request), Pace()
        etag = await self._version(request, balancer.name)
        pools = {pool.name: pool for pool in balancer.pools}
        names, next_page = page_of(request, pools) if self._shapes.paged else (list(pools), None)
        items = [await self._set_json(request, pools[name], pace) for name in names]
        return await answer(self._shapes.collection(items), etag=etag, next_page=next_page)

    async def get_set(self, request: web.Request) -> web.Response:
        """One backend set."""
        pool = pool_of(request)
        etag = await self._version(request, pool.load_balancer)
        return await answer(await self._set_json(request, pool, Pace()), etag=etag)

    async def get_set_health(self, request: web.Request) -> web.Response:
        """The health of one backend set."""
        pool, pace = pool_of(request), Pace()
        etag = await self._version(request, pool.load_balancer)
        named = []
        for backend_state in services_of(request).store.backend_states(pool):
            named.append((backend_state.key, backend_state.status))
            await pace.pause()
        status = await _status(request, pool, pace)
        return await answer(group_json(status, named, "Backend"), etag=etag)

    async def list_backends(self, request: web.Request) -> web.Response:
        """The backends of a backend set."""
        pool, pace = pool_of(request), Pace()
        etag = await self._version(request, pool.load_balancer)
        backends = {backend.key: backend for backend in pool.backends}
        names, next_page = (
            page_of(request, backends) if self._shapes.paged else (list(backends), None)
        )
        items = []
        for name in names:
            items.append(self._shapes.objects.backend_json(backends[name]))
            await pace.pause()
        return await answer(self._shapes.collection(items), etag=etag, next_page=next_page)

    async def get_backend(self, request: web.Request) -> web.Response:
        """One backend."""
        pool = pool_of(request)
        backend = backend_of(request, pool)
        etag = await self._version(request, pool.load_balancer)
        return await answer(self._shapes.objects.backend_json(backend), etag=etag)

    async def get_backend_health(self, request: web.Request) -> web.Response:
        """The health of one backend, with a result for each monitor of its pool."""
        pool = pool_of(request)
        backend = backend_of(request, pool)
        etag = await self._version(request, pool.load_balancer)
        checks = services_of(request).store.checks_of(pool, backend)
        counted = [state.status for state in checks if state.check.enabled]
        reporter = services_of(request).vitals.name
        health = {
            "status": backend_status(counted),
            "healthCheckResults": [self._shapes.result_json(state, reporter) for state in checks],
        }
        return await answer(health, etag=etag)

    async def get_checker(self, request: web.Request) -> web.Response:
        """The health checker of a backend set."""
        pool = pool_of(request)
        monitor = monitor_of(request, pool)
        etag = await self._version(request, pool.load_balancer)
        return await answer(self._shapes.checker.show(monitor), etag=etag)

    async def update_checker(self, request: web.Request) -> web.Response:
        """Change the health checker of a backend set; the change is in force when this answers."""
        pool = pool_of(request)
        editor_of(request)
        token, body = retry_token(request), await read_body(request)
        text = f"{request.method} {request.rel_url.raw_path}\n".encode() + await request.read()
        remembered, now = request.app[self._key], services_of(request).now()
        work = await remembered.ledger.once(
            token, sha256(text).hexdigest(), now.wall, lambda: self._edit(request, pool, body)
        )
        etag = await remembered.versions.of(services_of(request).store.model, pool.load_balancer)
        headers = {hdrs.ETAG: etag, "opc-work-request-id": work.id}
        return web.Response(status=self._shapes.edited, headers=headers)

    async def _edit(self, request: web.Request, pool: Pool, body: object) -> WorkRequest:
        clocks, form = services_of(request), self._shapes.checker
        accepted_at = clocks.now().wall
        monitor = monitor_of(request, pool)  # if it changes from here on, that is a conflict
        await self._version(request, pool.load_balancer)
        patch = form.patch(monitor, body)
        try:
            if patch:
                await editor_of(request).change_monitor(monitor, patch)
        except Rejected as rejected:
            raise form.refusal(rejected) from None
        except Conflict as conflict:
            raise Refused(409, str(conflict)) from None
        names = pool.load_balancer, pool.project_id, pool.name
        return WorkRequest(new_id(), *names, accepted_at, clocks.now().wall)

    async def get_work(self, request: web.Request) -> web.Response:
        """One past edit; it had succeeded before its id was returned."""
        work = request.app[self._key].ledger.find(request.match_info["id"])
        if work is None:
            raise absent(f"work request {request.match_info['id'][:200]!r}, or it has expired")
        return await answer(self._shapes.work_json(work))

    async def list_work_requests(self, request: web.Request) -> web.Response:
        """The recent edits, of one load balancer if the path names it."""
        done = {work.id: work for work in request.app[self._key].ledger}
        if "balancer" in request.match_info:
            name = balancer_of(request).name
            done = {key: work for key, work in done.items() if work.balancer == name}
        else:
            is_inside = compartment_in(request)
            done = {key: work for key, work in done.items() if is_inside([work.compartment])}
        names, next_page = page_of(request, done)
        items = [self._shapes.work_json(done[name]) for name in names]
        return await answer(self._shapes.collection(items), next_page=next_page)

    async def _version(self, request: web.Request, balancer: str) -> str:
        """Return the ETag of a load balancer; raise `Refused` if the client expects another."""
        versions = request.app[self._key].versions
        version = await versions.of(services_of(request).store.model, balancer)
        reject_other_version(request, version)
        return version

    async def _balancer_json(self, request: web.Request, balancer: Balancer) -> Json:
        pace = Pace()
        sets = {pool.name: await self._set_json(request, pool, pace) for pool in balancer.pools}
        return self._shapes.objects.balancer_json(balancer, sets)

    async def _set_json(self, request: web.Request, pool: Pool, pace: Pace) -> Json:
        monitors = services_of(request).store.monitors_of(pool)
        checker = self._shapes.checker.show(monitors[0]) if monitors else None
        backends = []
        for backend in pool.backends:
            backends.append(self._shapes.objects.backend_json(backend))
            await pace.pause()
        return self._shapes.objects.set_json(pool, checker, backends)


async def _status(request: web.Request, pool: Pool, pace: Pace) -> Status:
    statuses = []
    for backend_state in services_of(request).store.backend_states(pool):
        if backend_state.counts:
            statuses.append(backend_state.status)
        await pace.pause()
    return pool_status(statuses)
