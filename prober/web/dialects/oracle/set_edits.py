"""Edits of backend sets and of their backends, as edits of pools and monitors."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from aiohttp import web

from prober.edits.contract import Conflict
from prober.model.definition import POOL
from prober.model.monitor import Monitor
from prober.model.option import Complaint, Kind, Rejected, in_words, mapping, show_options
from prober.model.pool import NAME, Backend, Pool
from prober.state.cloud_objects import LOAD_BALANCER
from prober.state.store import Store
from prober.web.dialects.oracle.backend_flags import admin_of, set_flags
from prober.web.dialects.oracle.backend_form import WantedBackend, read_members
from prober.web.dialects.oracle.places import Balancer, balancers_of
from prober.web.dialects.oracle.requests import invalid, members_of, not_offered
from prober.web.dialects.oracle.service_spec import ServiceSpec
from prober.web.server.editing import editor_of
from prober.web.server.errors import Refused
from prober.web.server.services import services_of

_SETS = Kind(lambda value, _: {name: mapping(each) for name, each in mapping(value).items()}, {})
_KEYS = {"targets": "backends", "address": "ipAddress"}
"""Oracle's names for keys of pools and backends."""


class NewSet(NamedTuple):
    """A backend set that a request creates: what its pool and its monitor are made of."""

    pool: dict[str, object]
    monitor: dict[str, object]
    wanted: tuple[WantedBackend, ...]
    kept: dict[str, object]


class SetEditor:
    """Changes the backend sets of one service for one request.

    Every method returns when the edit is in force, and raises `Refused` if it is not possible.
    """

    def __init__(self, spec: ServiceSpec, request: web.Request) -> None:
        self._spec = spec
        self._request = request
        self._editor = editor_of(request)

    @property
    def _store(self) -> Store:
        return services_of(self._request).store

    # Backends

    async def create_backend(self, pool: Pool, body: object) -> Backend:
        """Add a backend to a set."""
        wanted = self._spec.objects.backend.read_new(body)
        if any(each.key == wanted.backend.key for each in pool.backends):
            why = f"the backend {wanted.backend.key!r} is already in the set {pool.name!r}"
            raise Refused(409, why, code="Conflict")
        with _refusals(single=True):
            pool = await self._set_backends(pool, [*pool.backends, wanted.backend])
        set_flags(self._request, pool, wanted.backend, wanted.flags)
        return wanted.backend

    async def update_backend(self, pool: Pool, backend: Backend, body: object) -> None:
        """Change weight and flags of a backend."""
        admin = admin_of(self._store, pool, backend)
        wanted = self._spec.objects.backend.read_change(body, backend, admin)
        if wanted.backend != backend:
            changed = [wanted.backend if each is backend else each for each in pool.backends]
            with _refusals(single=True):
                pool = await self._set_backends(pool, changed)
        set_flags(self._request, pool, backend, wanted.flags)

    async def delete_backend(self, pool: Pool, backend: Backend) -> None:
        """Remove a backend from a set."""
        with _refusals(single=True):
            await self._set_backends(pool, [each for each in pool.backends if each is not backend])

    async def _set_backends(self, pool: Pool, backends: Iterable[Backend]) -> Pool:
        """Replace the backends of a pool, which may be the targets of a monitor."""
        shown = [show_options(each) for each in backends]
        owner = self._owner(pool)
        if owner is None:
            return await self._editor.change_pool(pool, {"backends": shown})
        if owner.targets_from is not None:
            why = f"the backends of {pool.name!r} come from a list; add or remove them there"
            raise Refused(409, why, code="Conflict")
        if not shown:
            why = f"the monitor {owner.name!r} needs at least one target: delete the backend set"
            raise Refused(409, why, code="Conflict")
        await self._editor.change_monitor(owner, {"targets": shown})
        return self._store.pools[pool.name]

    def _owner(self, pool: Pool) -> Monitor | None:
        """Return the monitor whose own targets a pool consists of, or None."""
        monitors = self._store.monitors_of(pool)
        return next((monitor for monitor in monitors if not monitor.pool), None)

    # Load balancers

    async def create_balancer(self, body: object) -> str:
        """Create a load balancer with its backend sets, or nothing; return its name."""
        spec = self._spec
        known = (*spec.balancer_members, *spec.unoffered, "backendSets")
        given = members_of(body, known, ("compartmentId", "displayName"))
        for noun in spec.unoffered:
            if given.get(noun):
                raise not_offered(f"a load balancer with {noun}")
        names: dict[str, Kind[Any]] = {
            "displayName": NAME,
            "compartmentId": NAME,
            "backendSets": _SETS,
        }
        values = read_members(names, {key: given[key] for key in names if key in given})
        name, project = values["displayName"], values["compartmentId"]
        if name in balancers_of(self._request):
            raise Refused(409, f"there is a load balancer {name!r} already", code="Conflict")
        sets = [
            self.read_new_set({"name": each, **details}, name, project)
            for each, details in values.get("backendSets", {}).items()
        ]
        made = list[Pool]()
        try:
            for new in sets:
                made.append(await self.create_set(new))
        except Refused:
            for pool in made:
                with suppress(Refused):
                    await self.delete_set(self._store.pools[pool.name])
            self._store.cloud_objects.forget(LOAD_BALANCER, name)
            raise
        self._know(name, project)
        return str(name)

    async def delete_balancer(self, balancer: Balancer) -> None:
        """Delete a load balancer with its backend sets, as Oracle does."""
        for pool in balancer.pools:
            if left := self._store.pools.get(pool.name):
                await self.delete_set(left)
        self._store.cloud_objects.forget(LOAD_BALANCER, balancer.name)

    def _know(self, balancer: str, project: str) -> None:
        """Remember a load balancer, which thus does not go with its last backend set."""
        if self._store.cloud_objects.of(LOAD_BALANCER, balancer) is None:
            fields = {"project_id": project}
            self._store.cloud_objects.write(LOAD_BALANCER, balancer, fields, created=True)

    # Backend sets

    def read_new_set(self, body: object, balancer: str, project: str) -> NewSet:
        """Read a backend set that a request creates for a load balancer."""
        form = self._spec.objects
        given = members_of(body, ("name", *form.set_members), ("name", "policy", "healthChecker"))
        kept = form.read_kept(given)
        wanted = tuple(self._read_backends(given.get("backends", [])))
        monitor = self._spec.checker.definition(given["healthChecker"])
        pool: dict[str, object] = {
            "name": given["name"],
            "load_balancer": balancer,
            "project_id": project,
            "backends": [show_options(each.backend) for each in wanted],
        }
        return NewSet(pool, monitor, wanted, kept)

    async def create_set(self, new: NewSet) -> Pool:
        """Create a pool and its monitor, or neither."""
        name = str(new.pool["name"])
        if name in self._store.pools:
            there = self._store.pools[name].load_balancer
            why = f"there is a backend set {name!r} already, of the load balancer {there!r}"
            raise Refused(409, why, code="Conflict")
        with _refusals():
            pool = await self._editor.create_pool(new.pool)
        definition = {**new.monitor, "name": self._free_name(name), "pool": pool.name}
        try:
            await self._editor.create_monitor(definition)
        except (Rejected, Conflict) as refused:
            with suppress(Conflict):
                await self._editor.delete_pool(self._store.pools[pool.name])
            if isinstance(refused, Rejected):
                raise self._spec.checker.refusal(refused) from None
            raise Refused(409, str(refused)) from None
        self._flag(pool, new.wanted)
        self._keep(pool, new.kept)
        return pool

    async def update_set(self, pool: Pool, body: object) -> None:
        """Change the backends and the health checker of a set; what is left out stays."""
        form = self._spec.objects
        given = members_of(body, form.set_members, form.set_required)
        kept, before = form.read_kept(given), pool.backends
        wanted = tuple(self._read_backends(given.get("backends", []), pool))
        monitor, patch = next(iter(self._store.monitors_of(pool)), None), dict[str, object]()
        if "healthChecker" in given:
            if monitor is None:
                why = f"no monitor probes the set {pool.name!r}, so it has no health checker"
                raise Refused(409, why, code="Conflict")
            patch = self._spec.checker.patch(monitor, given["healthChecker"])
        backends = tuple(each.backend for each in wanted)
        if "backends" in given and backends != before:
            with _refusals():
                pool = await self._set_backends(pool, backends)
        if monitor is not None and patch:
            try:
                await self.change_checker(self._store.monitors[monitor.name], patch)
            except Refused:
                if pool.backends != before:
                    await self._set_backends(pool, before)
                raise
        self._flag(pool, wanted)
        self._keep(pool, kept)

    async def change_checker(self, monitor: Monitor, patch: Mapping[str, object]) -> None:
        """Change a monitor; raise `Refused` with Oracle's names for its keys."""
        try:
            await self._editor.change_monitor(monitor, patch)
        except Rejected as rejected:
            raise self._spec.checker.refusal(rejected) from None
        except Conflict as conflict:
            raise Refused(409, str(conflict)) from None

    async def delete_set(self, pool: Pool) -> None:
        """Delete a pool with its monitors."""
        owner = self._owner(pool)
        self._know(pool.load_balancer, pool.project_id)
        with _refusals():
            for monitor in self._store.monitors_of(pool):
                if monitor is not owner:
                    await self._editor.delete_monitor(monitor)
            if owner is None:
                await self._editor.delete_pool(pool)
            else:
                await self._editor.delete_monitor(owner)

    def _flag(self, pool: Pool, wanted: Iterable[WantedBackend]) -> None:
        for each in wanted:
            set_flags(self._request, pool, each.backend, each.flags)

    def _keep(self, pool: Pool, kept: Mapping[str, object]) -> None:
        """Remember what means nothing to prober, to show it again."""
        if kept:
            self._store.cloud_objects.write(POOL, pool.id, fields=kept)

    def _read_backends(self, body: Any, pool: Pool | None = None) -> Iterator[WantedBackend]:
        """Read the backends of a set; of those that are in the pool, what is left out stays."""
        if not isinstance(body, list):
            raise invalid([Complaint(("backends",), f"expected a list, got {in_words(body)}")])
        known = {}
        if pool is not None:
            known = {each.key: (each, admin_of(self._store, pool, each)) for each in pool.backends}
        for place, each in enumerate(body):
            try:
                yield self._spec.objects.backend.read_new(each, known)
            except Refused as refused:
                raise Refused(400, f"backends.{place}: {refused}", **refused.more) from None

    def _free_name(self, name: str) -> str:
        """Return a name for a new monitor: that of its pool, or one like it."""
        taken, number = self._store.monitors, 2
        free = name
        while free in taken:
            free, number = f"{name}-{number}", number + 1
        return free


@contextmanager
def _refusals(*, single: bool = False) -> Iterator[None]:
    """Answer refused edits of pools; `single` is whether a request names one backend only."""
    try:
        yield
    except Rejected as rejected:
        raise invalid(
            Complaint(_path(path, single=single), message) for path, message in rejected.complaints
        ) from None
    except Conflict as conflict:
        raise Refused(409, str(conflict)) from None


def _path(path: Iterable[str | int], *, single: bool) -> tuple[str | int, ...]:
    steps = tuple(_KEYS.get(str(step), step) for step in path)
    return steps[2:] if single and steps[:1] == ("backends",) else steps
