"""Huawei Cloud's dedicated load balancers, version 3: `/v3/{project_id}/elb/…`.

Tags are at `/v3/{project_id}/…`. Only objects of the project in the path are visible.
"""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from itertools import chain

from aiohttp import web

from prober.web.dialects.huawei.huawei_v3_batches import BATCHES
from prober.web.dialects.huawei.huawei_v3_fields import LOAD_BALANCER_FORM, POOL_FORM
from prober.web.dialects.huawei.huawei_v3_filters import (
    ALL_MEMBER_FILTERS,
    HEALTHMONITOR_FILTERS,
    LOAD_BALANCER_FILTERS,
    MEMBER_FILTERS,
    POOL_FILTERS,
)
from prober.web.dialects.huawei.huawei_v3_objects import (
    MEMBER_FORM,
    healthmonitor_json,
    load_balancer_json,
    pool_json,
)
from prober.web.dialects.lbaas import monitor_edits as edits
from prober.web.dialects.lbaas.answers import error_code, request_id
from prober.web.dialects.lbaas.kinds_of_objects import (
    all_members,
    health_monitors,
    load_balancers,
    members,
    pools,
)
from prober.web.dialects.lbaas.listing import Filter, read_page
from prober.web.dialects.lbaas.monitor_format import HUAWEI_V3
from prober.web.dialects.lbaas.not_offered import QUOTA, route_refused, routes_of_empty
from prober.web.dialects.lbaas.objects import status_tree
from prober.web.dialects.lbaas.project_view import project_view_of
from prober.web.dialects.lbaas.resource import ResourceRoute, routes_of
from prober.web.dialects.lbaas.status_names import HUAWEI
from prober.web.dialects.lbaas.tag_routes import V3_TAG_ROUTES
from prober.web.server.dialect import Dialect, DialectRoute
from prober.web.server.json_answer import Json, document, json_response

FORMAT = edits.MonitorFormat(healthmonitor_json, HUAWEI_V3, lenient=True)
LONGEST_PAGE = 2000


async def get_statuses(request: web.Request) -> web.Response:
    """Show the statuses of a load balancer and everything that belongs to it."""
    visible = project_view_of(request)
    found = visible.load_balancer(request.match_info["id"])
    tree = await status_tree(visible, found, HUAWEI, "healthmonitor")
    return ANSWERS.one(request, "statuses", {"loadbalancer": tree}, HTTPStatus.OK)


async def get_quotas(request: web.Request) -> web.Response:
    """Show the quota of the project."""
    quota = {**QUOTA, "project_id": request.match_info["project_id"]}
    return ANSWERS.one(request, "quota", quota, HTTPStatus.OK)


async def get_quota_details(request: web.Request) -> web.Response:
    """Show the quota of the project, and how much of it is used."""
    visible = project_view_of(request)
    pools = list(visible.pools())
    used = {
        "loadbalancer": len(visible.load_balancers()),
        "pool": len(pools),
        "member": sum(len(pool.backends) for pool in pools),
        "healthmonitor": sum(1 for _ in visible.monitors()),
    }
    wanted = set(request.query.getall("quota_key", HUAWEI_QUOTA))
    quotas = [
        {"quota_key": key, "quota_limit": QUOTA[key], "used": used.get(key, 0), "unit": "count"}
        for key in HUAWEI_QUOTA
        if key in wanted
    ]
    answer = {"quotas": quotas, "request_id": request_id(request)}
    return json_response(answer)


async def get_versions(_: web.Request) -> web.Response:
    """List the versions of the API, the newest first."""
    found = [{"id": "v3", "status": "CURRENT"}]
    found += [{"id": each, "status": "STABLE"} for each in ("v2", "v2.0")]
    return json_response({"versions": found})


HUAWEI_QUOTA = (
    *("loadbalancer", "pool", "member", "healthmonitor"),
    *("listener", "l7policy", "certificate"),
)
EMPTY = (
    ("listener", "listeners", "/listeners"),
    ("l7policy", "l7policies", "/l7policies"),
    ("rule", "rules", "/l7policies/{l7policy_id}/rules"),
    ("certificate", "certificates", "/certificates"),
    ("ipgroup", "ipgroups", "/ipgroups"),
    ("flavor", "flavors", "/flavors"),
    ("availability_zone", "availability_zones", "/availability-zones"),
    ("security_policy", "security_policies", "/security-policies"),
    ("logtank", "logtanks", "/logtanks"),
    ("pool", "pools", "/master-slave-pools"),
    ("job", "jobs", "/jobs"),
    ("system_security_policy", "system_security_policies", "/system-security-policies"),
    ("loadbalancer", "loadbalancers", "/recycle-bin/loadbalancers"),
    ("config", "configs", "/feature/configs"),
)
"""What prober has none of."""
REFUSED = (
    ("/loadbalancers/batch-create", "jobs"),
    ("/loadbalancers/batch-delete", "jobs"),
    ("/loadbalancers/change-charge-mode", "charges"),
    ("/loadbalancers/{id}/clone", "jobs"),
    ("/loadbalancers/{id}/upgrade", "flavors"),
    ("/loadbalancers/{id}/availability-zone/batch-add", "availability zones"),
    ("/loadbalancers/{id}/availability-zone/batch-remove", "availability zones"),
)
"""What only a real load balancer does, and what prober does not have for it.

The answers to batches of load balancers and to clones are jobs, which clients wait for.
"""


class _Answers:
    """The form of answers: one member and the request id."""

    def one(self, request: web.Request, noun: str, shown: Json, status: int) -> web.Response:
        """Answer with one object."""
        return json_response({noun: shown, "request_id": request_id(request)}, status)

    async def many(
        self, request: web.Request, noun: str, objects: Iterable[Json], filters: Sequence[Filter]
    ) -> web.Response:
        """Answer with a page of a list, and the markers of the adjacent pages.

        An empty page has no markers, so a client that follows them stops there.
        """
        page, _ = await read_page(
            request, objects, filters, longest=LONGEST_PAGE, default=LONGEST_PAGE
        )
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


ANSWERS = _Answers()


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


_ROUTES = (
    *routes_of(health_monitors(FORMAT, HEALTHMONITOR_FILTERS), ANSWERS),
    *routes_of(pools(pool_json, POOL_FILTERS, POOL_FORM), ANSWERS),
    *routes_of(members(MEMBER_FORM, MEMBER_FILTERS), ANSWERS),
    *routes_of(all_members(MEMBER_FORM, ALL_MEMBER_FILTERS), ANSWERS),
    *routes_of(
        load_balancers(load_balancer_json, LOAD_BALANCER_FILTERS, LOAD_BALANCER_FORM), ANSWERS
    ),
    *chain.from_iterable(routes_of_empty(*each, ANSWERS) for each in EMPTY),
    *BATCHES,
    *(route_refused("POST", *each) for each in REFUSED),
    ResourceRoute("GET", "/quotas", get_quotas),
    ResourceRoute("GET", "/quotas/details", get_quota_details),
    ResourceRoute("GET", "/loadbalancers/{id}/statuses", get_statuses),
)

DIALECT = Dialect(
    name="huawei_v3",
    routes=(
        *(
            DialectRoute(method, f"/v3/{{project_id}}/elb{path}", handler)
            for method, path, handler in _ROUTES
        ),
        *(
            DialectRoute(method, f"/v3/{{project_id}}{path}", handler)
            for method, path, handler in V3_TAG_ROUTES
        ),
        DialectRoute("GET", "/versions", get_versions, open=True),
    ),
    error=error,
    prepare=prepare,
)
