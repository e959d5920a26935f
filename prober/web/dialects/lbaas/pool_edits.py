"""Creates, changes and deletes pools."""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from aiohttp import web

from prober.edits.contract import Conflict
from prober.model.admin import POOLS, AdminState
from prober.model.definition import POOL
from prober.model.kinds import BOOLEAN, text
from prober.model.option import Complaint, Rejected, in_words
from prober.model.pool import NAME, Pool
from prober.web.dialects.lbaas.admin_edits import set_state
from prober.web.dialects.lbaas.edit_requests import (
    NO_CONTEXT,
    OWNERS,
    KeptField,
    KeptFields,
    missing,
    owner_complaints,
    read_kept,
    read_object,
    refusal_of,
    refused,
)
from prober.web.dialects.lbaas.monitor_format import unused_name
from prober.web.dialects.lbaas.project_view import (
    LoadBalancer,
    ProjectView,
    absent,
    project_view_of,
)
from prober.web.server.editing import editor_of
from prober.web.server.json_answer import Json

DEFAULT_BALANCER = "default"
ShowPool = Callable[[ProjectView, Pool], Awaitable[Json]]
PARENTS = ("loadbalancer_id", "listener_id")
COMMON_POOL: KeptFields = {
    "name": KeptField(text(0, 255), ""),
    "description": KeptField(text(0, 255), ""),
    "admin_state_up": KeptField(BOOLEAN, default=True),
}
"""What both clouds have, beside the fields in a `PoolForm`."""


class PoolForm(NamedTuple):
    """How a cloud's pools are written: the fields that prober only keeps.

    A pool `needs_parent` where it cannot be without a load balancer.
    """

    kept: KeptFields
    needs_parent: bool = True


async def create_pool(request: web.Request, form: PoolForm) -> Pool:
    """Create the pool in the body."""
    editor, visible = editor_of(request), project_view_of(request)
    given = await read_object(request, "pool")
    balancer = _parent_of(given, form, visible)
    project = balancer.project_id if balancer else _project_of(given, visible)
    complaints = missing(given, (name for name, field in form.kept.items() if field.required))
    if balancer:
        complaints += owner_complaints(given, project, "load balancer")
    left = {name: value for name, value in given.items() if name not in (*PARENTS, *OWNERS)}
    values, wrong = read_kept(left, form.kept)
    if complaints or wrong:
        raise refused(*complaints, *wrong)
    name = unused_name(str(values.get("name") or "pool"), visible.store.pools)
    definition = {
        "name": name,
        "load_balancer": balancer.name if balancer else DEFAULT_BALANCER,
        "project_id": project,
    }
    try:
        pool = await editor.create_pool(definition)
    except (Rejected, Conflict) as error:
        raise refusal_of(error, {}) from None
    _remember(request, pool, {"name": "", **values}, created=True)
    return pool


async def update_pool(request: web.Request, form: PoolForm, show: ShowPool) -> Pool:
    """Change a pool as described in the body; everything but its members."""
    editor_of(request)
    visible = project_view_of(request)
    pool = visible.pool(request.match_info["id"])
    given = await read_object(request, "pool")
    left = {name: value for name, value in given.items() if name not in OWNERS}
    changed, wrong = read_kept(left, form.kept, shown=await show(visible, pool))
    wrong += owner_complaints(given, pool.project_id, "pool")
    if wrong:
        raise refused(*wrong)
    if changed:
        _remember(request, pool, changed)
    return pool


async def delete_pool(request: web.Request) -> None:
    """Delete a pool with its members and its health monitors."""
    visible = project_view_of(request)
    await remove_pool(request, visible, visible.pool(request.match_info["id"]))


async def remove_pool(request: web.Request, visible: ProjectView, pool: Pool) -> None:
    """Delete a pool with its members and its health monitors."""
    editor = editor_of(request)
    try:
        for monitor in visible.monitors_of(pool):
            await editor.delete_monitor(monitor)
        if left := visible.store.pools.get(pool.name):  # not that of a monitor's own targets
            await editor.delete_pool(left)
    except Conflict as conflict:
        raise refusal_of(conflict, {}) from None


def form_of_pool(visible: ProjectView, pool: Pool, form: PoolForm) -> dict[str, object]:
    """Return the fields of a pool that can be written, as they are shown."""
    known = visible.store.cloud_objects.of(POOL, pool.id)
    written = known.fields if known else {}
    shown = {name: written.get(name, field.default) for name, field in form.kept.items()}
    shown["name"] = known.spelled("name", pool.name) if known else pool.name
    shown["admin_state_up"] = is_pool_up(visible, pool)
    return shown


def is_pool_up(visible: ProjectView, pool: Pool) -> bool:
    """Return the admin_state_up of a pool: not while it is in maintenance."""
    entry = visible.store.admin.entries.get((POOLS, pool.name))
    return entry is None or entry.state is not AdminState.MAINTENANCE


def _remember(
    request: web.Request, pool: Pool, values: Mapping[str, object], *, created: bool = False
) -> None:
    fields = {k: v for k, v in values.items() if k not in ("name", "admin_state_up")}
    spellings = {"name": (values["name"], pool.name)} if "name" in values else {}
    store = project_view_of(request).store
    store.cloud_objects.write(POOL, pool.id, fields, spellings, created=created)
    if "admin_state_up" in values:
        state = None if values["admin_state_up"] else AdminState.MAINTENANCE
        set_state(request, (POOLS, pool.name), state)


def _parent_of(
    given: Mapping[str, object], form: PoolForm, visible: ProjectView
) -> LoadBalancer | None:
    if (listener := given.get("listener_id")) is not None:
        raise absent("listener", str(listener))
    wanted = given.get("loadbalancer_id")
    if wanted is None:
        if form.needs_parent:
            raise refused(Complaint(("loadbalancer_id",), "missing required field"))
        return None
    if not isinstance(wanted, str):
        what = f"expected the id of a load balancer, got {in_words(wanted)}"
        raise refused(Complaint(("loadbalancer_id",), what))
    return visible.load_balancer(wanted)


def _project_of(given: Mapping[str, object], visible: ProjectView) -> str:
    if visible.project:
        if wrong := owner_complaints(given, visible.project, "path"):
            raise refused(*wrong)
        return visible.project
    return project_in(given)


def project_in(given: Mapping[str, object]) -> str:
    """Return the owner in a body, or the default one."""
    owners = [owner for name in OWNERS if (owner := given.get(name)) is not None]
    try:
        return NAME.read(owners[0] if owners else "default", NO_CONTEXT)
    except Rejected as rejected:
        raise refused(Complaint((OWNERS[0],), str(rejected))) from None
