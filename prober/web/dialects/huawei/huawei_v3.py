"""Huawei Cloud's dedicated load balancers, version 3: `/v3/{project_id}/elb/…`.

Only objects of the project in the path are visible.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus

from aiohttp import web

from prober.web.dialects.huawei.huawei_v3_objects import (
    healthmonitor_json,
    member_json,
    pool_json,
    statuses_json,
)
from prober.web.dialects.lbaas import monitor_edits as edits
from prober.web.dialects.lbaas.answers import error_code, request_id
from prober.web.dialects.lbaas.listing import (
    MONITOR_FILTERS,
    Filter,
    a_boolean,
    a_number,
    an_id,
    having,
    read_page,
)
from prober.web.dialects.lbaas.monitor_format import HUAWEI_V3
from prober.web.dialects.lbaas.project_view import project_view_of
from prober.web.server.dialect import Dialect, DialectRoute
from prober.web.server.json_answer import Json, document, json_response
from prober.web.server.query import Parameter

FORMAT = edits.MonitorFormat(healthmonitor_json, HUAWEI_V3, lenient=True)
LONGEST_PAGE = 2000
ALL_PROJECTS = ("0", "all_granted_eps")
"""The default enterprise project, which contains everything, and Huawei's word for all projects."""


def _in_enterprise_project(_: Json, wanted: frozenset[str]) -> bool:
    return not wanted.isdisjoint(ALL_PROJECTS)


HEALTHMONITOR_FILTERS = (
    *MONITOR_FILTERS,
    having("admin_state_up", a_boolean, many=False),
    having("timeout", a_number, many=False),
    Filter(
        Parameter("enterprise_project_id", str, {}, "there is only one", many=True),
        _in_enterprise_project,
    ),
)
NAMED_FILTERS = (having("id", an_id), having("name"))
POOL_FILTERS = (*NAMED_FILTERS, having("protocol"), having("healthmonitor_id", an_id))
MEMBER_FILTERS = (
    *NAMED_FILTERS,
    having("address"),
    having("protocol_port", a_number),
    having("operating_status"),
)


async def get_healthmonitors(request: web.Request) -> web.Response:
    """List health monitors."""
    found = (healthmonitor_json(*each) for each in project_view_of(request).monitors())
    return await _listed(request, "healthmonitors", found, HEALTHMONITOR_FILTERS)


async def get_healthmonitor(request: web.Request) -> web.Response:
    """Show one health monitor."""
    found = project_view_of(request).monitor(request.match_info["id"])
    return _answer(request, healthmonitor=healthmonitor_json(*found))


async def post_healthmonitor(request: web.Request) -> web.Response:
    """Create a health monitor for a pool that has none."""
    made = await edits.create_monitor(request, FORMAT)
    return _answer(request, HTTPStatus.CREATED, healthmonitor=healthmonitor_json(*made))


async def put_healthmonitor(request: web.Request) -> web.Response:
    """Change the given fields of a health monitor."""
    changed = await edits.update_monitor(request, FORMAT)
    return _answer(request, healthmonitor=healthmonitor_json(*changed))


async def delete_healthmonitor(request: web.Request) -> web.Response:
    """Delete a health monitor."""
    await edits.delete_monitor(request, FORMAT)
    return web.Response(status=HTTPStatus.NO_CONTENT)


async def get_pools(request: web.Request) -> web.Response:
    """List pools."""
    visible = project_view_of(request)
    found = (pool_json(visible, pool) for pool in visible.pools())
    return await _listed(request, "pools", found, POOL_FILTERS)


async def get_pool(request: web.Request) -> web.Response:
    """Show one pool."""
    visible = project_view_of(request)
    return _answer(request, pool=pool_json(visible, visible.pool(request.match_info["id"])))


async def get_members(request: web.Request) -> web.Response:
    """List the members of a pool, with their statuses."""
    visible = project_view_of(request)
    pool = visible.pool(request.match_info["pool_id"])
    found = [
        member_json(pool, backend_state) async for backend_state in visible.backend_states(pool)
    ]
    return await _listed(request, "members", found, MEMBER_FILTERS)


async def get_member(request: web.Request) -> web.Response:
    """Show one member of a pool."""
    visible = project_view_of(request)
    pool = visible.pool(request.match_info["pool_id"])
    found = member_json(pool, visible.member(pool, request.match_info["id"]))
    return _answer(request, member=found)


async def get_statuses(request: web.Request) -> web.Response:
    """Show the statuses of a load balancer and everything that belongs to it."""
    visible = project_view_of(request)
    found = visible.load_balancer(request.match_info["id"])
    tree = await statuses_json(visible, found)
    return _answer(request, statuses={"loadbalancer": tree})


def _answer(request: web.Request, status: int = HTTPStatus.OK, **members: Json) -> web.Response:
    return json_response({**members, "request_id": request_id(request)}, status)


async def _listed(
    request: web.Request, noun: str, objects: Iterable[Json], filters: Sequence[Filter]
) -> web.Response:
    """Answer with a page of objects, and the markers of the adjacent pages.

    An empty page has no markers, so a client that follows them stops there.
    """
    page, _ = await read_page(request, objects, filters, longest=LONGEST_PAGE, default=LONGEST_PAGE)
    items = page.items
    head = {
        "request_id": request_id(request),
        "page_info": {
            "previous_marker": items[0]["id"] if items else None,
            "next_marker": items[-1]["id"] if items else None,
            "current_count": len(items),
        },
    }
    return await document(head, **{noun: items})


def error(
    request: web.Request, status: int, message: str, more: Mapping[str, object]
) -> web.Response:
    """Return an error in Huawei's form."""
    code = error_code(status)
    answer = {"error_code": code, "error_msg": message, "request_id": request_id(request), **more}
    return json_response(answer, status)


def prepare(request: web.Request, response: web.StreamResponse) -> None:
    """Add the request's id to an answer; OpenStack's SDK reads the second header."""
    response.headers["X-Request-Id"] = request_id(request)
    response.headers["x-openstack-request-id"] = request_id(request)


_PATHS = (
    ("GET", "/healthmonitors", get_healthmonitors),
    ("POST", "/healthmonitors", post_healthmonitor),
    ("GET", "/healthmonitors/{id}", get_healthmonitor),
    ("PUT", "/healthmonitors/{id}", put_healthmonitor),
    ("DELETE", "/healthmonitors/{id}", delete_healthmonitor),
    ("GET", "/pools", get_pools),
    ("GET", "/pools/{id}", get_pool),
    ("GET", "/pools/{pool_id}/members", get_members),
    ("GET", "/pools/{pool_id}/members/{id}", get_member),
    ("GET", "/loadbalancers/{id}/statuses", get_statuses),
)

DIALECT = Dialect(
    name="huawei_v3",
    paths=re.compile(r"/v3/(?!auth(?:/|$)|discovery:)."),
    routes=tuple(
        DialectRoute(method, f"/v3/{{project_id}}/elb{path}", handler)
        for method, path, handler in _PATHS
    ),
    error=error,
    prepare=prepare,
)
