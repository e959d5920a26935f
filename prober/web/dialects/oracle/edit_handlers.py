"""The handlers of edits in Oracle's two services: each is one work request, which has succeeded."""

from collections.abc import Awaitable, Callable, Iterator
from hashlib import sha256
from typing import NamedTuple

from aiohttp import hdrs, web

from prober.model.pool import Pool
from prober.web.dialects.oracle.ledger import Work, WorkRequest, new_id
from prober.web.dialects.oracle.places import (
    Balancer,
    backend_of,
    balancer_of,
    balancers_of,
    monitor_of,
    pool_of,
)
from prober.web.dialects.oracle.requests import answer, read_body, retry_token
from prober.web.dialects.oracle.service_spec import ServiceSpec
from prober.web.dialects.oracle.set_edits import SetEditor
from prober.web.server.dialect import DialectRoute
from prober.web.server.editing import editor_of
from prober.web.server.services import services_of


class _Place(NamedTuple):
    """The load balancer of an edit, and its compartment."""

    balancer: str
    compartment: str


class _Done(NamedTuple):
    """What an edit was about, and where."""

    subject: str
    place: _Place


def _place(of: Pool | Balancer) -> _Place:
    if isinstance(of, Pool):
        return _Place(of.load_balancer, of.project_id)
    return _Place(of.name, of.compartment)


class EditHandlers:
    """The handlers of edits of one service."""

    def __init__(self, spec: ServiceSpec) -> None:
        self._spec = spec

    def routes(self, balancers: str) -> Iterator[DialectRoute]:
        """Yield the routes of all edits; `balancers` is the path of the load balancers."""
        sets = f"{balancers}/{{balancer}}/backendSets"
        pool = f"{sets}/{{pool}}"
        backend = f"{pool}/backends/{{backend}}"
        yield DialectRoute("POST", balancers, self.create_balancer)
        yield DialectRoute("DELETE", f"{balancers}/{{balancer}}", self.delete_balancer)
        yield DialectRoute("POST", sets, self.create_set)
        yield DialectRoute("PUT", pool, self.update_set)
        yield DialectRoute("DELETE", pool, self.delete_set)
        yield DialectRoute("PUT", f"{pool}/healthChecker", self.update_checker)
        yield DialectRoute("POST", f"{pool}/backends", self.create_backend)
        yield DialectRoute("PUT", backend, self.update_backend)
        yield DialectRoute("DELETE", backend, self.delete_backend)

    async def create_balancer(self, request: web.Request) -> web.Response:
        """Create a load balancer, to which backend sets can be added."""
        body = await self._body(request)

        async def edit(editor: SetEditor) -> _Done:
            name = await editor.create_balancer(body)
            return _Done(name, _place(balancers_of(request)[name]))

        work = await self._once(request, Work.CREATE_BALANCER, edit)
        found = balancers_of(request).get(work.balancer)
        if found is None or not self._spec.shows_created:
            return await self._answer(request, work)
        return await self._answer(request, work, self._spec.objects.balancer_json(found, {}))

    async def delete_balancer(self, request: web.Request) -> web.Response:
        """Delete a load balancer with its backend sets."""
        balancer = balancer_of(request)

        async def edit(editor: SetEditor) -> _Done:
            await self._spec.expected_version(request, balancer.name)
            await editor.delete_balancer(balancer)
            return _Done(balancer.name, _place(balancer))

        return await self._answer(request, await self._once(request, Work.DELETE_BALANCER, edit))

    async def update_checker(self, request: web.Request) -> web.Response:
        """Change the health checker of a backend set."""
        pool, body = pool_of(request), await self._body(request)

        async def edit(editor: SetEditor) -> _Done:
            monitor = monitor_of(request, pool)  # if it changes from here on, that is a conflict
            await self._spec.expected_version(request, pool.load_balancer)
            if patch := self._spec.checker.patch(monitor, body):
                await editor.change_checker(monitor, patch)
            return _Done(pool.name, _place(pool))

        return await self._answer(request, await self._once(request, Work.UPDATE_CHECKER, edit))

    async def create_backend(self, request: web.Request) -> web.Response:
        """Add a backend to a backend set."""
        pool, body = pool_of(request), await self._body(request)

        async def edit(editor: SetEditor) -> _Done:
            await self._spec.expected_version(request, pool.load_balancer)
            return _Done((await editor.create_backend(pool, body)).key, _place(pool))

        return await self._answer(request, await self._once(request, Work.CREATE_BACKEND, edit))

    async def update_backend(self, request: web.Request) -> web.Response:
        """Change weight and flags of a backend."""
        pool, body = pool_of(request), await self._body(request)
        backend = backend_of(request, pool)

        async def edit(editor: SetEditor) -> _Done:
            await self._spec.expected_version(request, pool.load_balancer)
            await editor.update_backend(pool, backend, body)
            return _Done(backend.key, _place(pool))

        return await self._answer(request, await self._once(request, Work.UPDATE_BACKEND, edit))

    async def delete_backend(self, request: web.Request) -> web.Response:
        """Remove a backend from a backend set."""
        pool = pool_of(request)

        async def edit(editor: SetEditor) -> _Done:
            backend = backend_of(request, pool)
            await self._spec.expected_version(request, pool.load_balancer)
            await editor.delete_backend(pool, backend)
            return _Done(backend.key, _place(pool))

        return await self._answer(request, await self._once(request, Work.DELETE_BACKEND, edit))

    async def create_set(self, request: web.Request) -> web.Response:
        """Create a backend set with its health checker and its backends."""
        balancer, body = balancer_of(request), await self._body(request)

        async def edit(editor: SetEditor) -> _Done:
            await self._spec.expected_version(request, balancer.name)
            new = editor.read_new_set(body, balancer.name, balancer.compartment)
            return _Done((await editor.create_set(new)).name, _place(balancer))

        return await self._answer(request, await self._once(request, Work.CREATE_SET, edit))

    async def update_set(self, request: web.Request) -> web.Response:
        """Change a backend set, its health checker and its backends."""
        pool, body = pool_of(request), await self._body(request)

        async def edit(editor: SetEditor) -> _Done:
            await self._spec.expected_version(request, pool.load_balancer)
            await editor.update_set(pool, body)
            return _Done(pool.name, _place(pool))

        return await self._answer(request, await self._once(request, Work.UPDATE_SET, edit))

    async def delete_set(self, request: web.Request) -> web.Response:
        """Delete a backend set with its health checker."""
        pool = pool_of(request)

        async def edit(editor: SetEditor) -> _Done:
            await self._spec.expected_version(request, pool.load_balancer)
            await editor.delete_set(pool)
            return _Done(pool.name, _place(pool))

        return await self._answer(request, await self._once(request, Work.DELETE_SET, edit))

    async def _body(self, request: web.Request) -> object:
        editor_of(request)  # refuses callers who may not edit
        return await read_body(request)

    async def _once(
        self, request: web.Request, kind: Work, edit: Callable[[SetEditor], Awaitable[_Done]]
    ) -> WorkRequest:
        """Make an edit, or return the outcome of an earlier request with the same token."""
        editor, token = SetEditor(self._spec, request), retry_token(request)
        text = f"{request.method} {request.rel_url.raw_path}\n".encode() + await request.read()
        remembered, now = self._spec.remembered(request), services_of(request).now

        async def make() -> WorkRequest:
            accepted_at = now().wall
            done = await edit(editor)
            return WorkRequest(new_id(), kind, *done.place, done.subject, accepted_at, now().wall)

        return await remembered.ledger.once(token, sha256(text).hexdigest(), now().wall, make)

    async def _answer(
        self, request: web.Request, work: WorkRequest, shown: object = None
    ) -> web.Response:
        """Return the answer to an edit that was made, with what it made if that is shown."""
        etag = await self._spec.version(request, work.balancer)
        if shown is None:
            response = web.Response(status=self._spec.edited)
        else:
            response = await answer(shown)
            response.set_status(self._spec.edited)
        response.headers[hdrs.ETAG] = etag
        response.headers["opc-work-request-id"] = work.id
        return response
