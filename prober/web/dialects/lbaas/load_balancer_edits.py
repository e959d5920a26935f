"""Creates, changes and deletes load balancers, which are the parents of pools.

prober balances nothing: a load balancer is a name that pools share. One that was created over an
API exists without pools, too.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from aiohttp import web

from prober.state.cloud_objects import LOAD_BALANCER
from prober.web.dialects.lbaas.edit_requests import (
    OWNERS,
    KeptFields,
    owner_complaints,
    read_kept,
    read_object,
    refused,
)
from prober.web.dialects.lbaas.monitor_format import unused_name
from prober.web.dialects.lbaas.pool_edits import project_in, remove_pool
from prober.web.dialects.lbaas.project_view import LoadBalancer, ProjectView, project_view_of
from prober.web.dialects.lbaas.times import known_of_load_balancer
from prober.web.server.editing import editor_of
from prober.web.server.errors import Refused
from prober.web.server.json_answer import Json

ShowLoadBalancer = Callable[[ProjectView, LoadBalancer], Awaitable[Json]]
_UNUSABLE = (".", "..")


class LoadBalancerForm(NamedTuple):
    """How a cloud's load balancers are written."""

    kept: KeptFields


async def create_load_balancer(request: web.Request, form: LoadBalancerForm) -> LoadBalancer:
    """Create the load balancer in the body."""
    editor_of(request)
    visible = project_view_of(request)
    given = await read_object(request, "loadbalancer")
    values, wrong = read_kept({k: v for k, v in given.items() if k not in OWNERS}, form.kept)
    if visible.project:
        wrong += owner_complaints(given, visible.project, "path")
    if wrong:
        raise refused(*wrong)
    wanted = str(values.get("name") or "load-balancer")
    taken = {pool.load_balancer for pool in visible.store.pools.values()}
    taken |= {name for name, _ in visible.store.cloud_objects.every(LOAD_BALANCER)}
    name = unused_name("load-balancer" if wanted in _UNUSABLE else wanted, taken)
    fields = {"name": "", **values, "project_id": visible.project or project_in(given)}
    visible.store.cloud_objects.write(LOAD_BALANCER, name, fields, created=True)
    return _again(visible, name)


async def update_load_balancer(
    request: web.Request, form: LoadBalancerForm, show: ShowLoadBalancer
) -> LoadBalancer:
    """Change a load balancer as described in the body."""
    editor_of(request)
    visible = project_view_of(request)
    found = visible.load_balancer(request.match_info["id"])
    given = await read_object(request, "loadbalancer")
    left = {name: value for name, value in given.items() if name not in OWNERS}
    changed, wrong = read_kept(left, form.kept, shown=await show(visible, found))
    wrong += owner_complaints(given, found.project_id, "load balancer")
    if wrong:
        raise refused(*wrong)
    if changed:
        keep_load_balancer(visible, found, changed)
    return _again(visible, found.name)


def keep_load_balancer(
    visible: ProjectView, found: LoadBalancer, changed: Mapping[str, object]
) -> None:
    """Keep changed fields of a load balancer."""
    fields = {"name": found.shown_name, "project_id": found.project_id, **changed}
    known = known_of_load_balancer(visible, found)
    since = known.created_at if known else None
    visible.store.cloud_objects.write(LOAD_BALANCER, found.name, fields, since=since)


async def delete_load_balancer(request: web.Request) -> None:
    """Delete a load balancer that has no pools, or with them: `cascade=true`."""
    cascade = request.query.get("cascade", "").lower() == "true"
    await remove_load_balancer(request, cascade=cascade)


async def remove_load_balancer(request: web.Request, *, cascade: bool) -> None:
    """Delete a load balancer, and its pools with `cascade`; without, it must not have any."""
    editor_of(request)
    visible = project_view_of(request)
    found = visible.load_balancer(request.match_info["id"])
    if found.pools:
        if not cascade:
            message = f"load balancer {found.shown_name!r} has pools; delete them, or use cascade"
            raise Refused(409, message)
        for pool in found.pools:
            await remove_pool(request, visible, pool)
    if found.known is not None:
        visible.store.cloud_objects.forget(LOAD_BALANCER, found.name)


def fields_of_load_balancer(found: LoadBalancer, kept: KeptFields) -> dict[str, object]:
    """Return the fields of a load balancer that can be written, as they are shown."""
    known = found.known.fields if found.known else {}
    shown = {name: known.get(name, field.default) for name, field in kept.items()}
    return {**shown, "name": found.shown_name}


def tags_of_load_balancer(found: LoadBalancer) -> list[str]:
    """Return the tags of a load balancer, as OpenStack writes them."""
    return list(found.known.fields.get("tags", ())) if found.known else []


def _again(visible: ProjectView, name: str) -> LoadBalancer:
    return next(each for each in visible.load_balancers() if each.name == name)
