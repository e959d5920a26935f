"""OpenStack Octavia and Huawei v2: `/v2.0/lbaas/…`, `/v2/lbaas/…` and `/v2/{project_id}/elb/…`.

The last path is that of Huawei's SDK; it shows only the objects of the project, with Huawei's names
of statuses. Huawei's tags are at `/v2.0/{project_id}/…`. Errors have the members that the clients
of both clouds read.
"""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from itertools import chain

from aiohttp import web

from prober.web.dialects.lbaas import monitor_edits as edits
from prober.web.dialects.lbaas.answers import error_code, request_id
from prober.web.dialects.lbaas.kinds_of_objects import (
    health_monitors,
    load_balancers,
    members,
    pools,
)
from prober.web.dialects.lbaas.listing import (
    MONITOR_FILTERS,
    Filter,
    ListPage,
    a_boolean,
    a_number,
    an_id,
    having,
    only_fields,
    read_page,
)
from prober.web.dialects.lbaas.member_batches import replace_members
from prober.web.dialects.lbaas.member_edits import MemberForm
from prober.web.dialects.lbaas.monitor_format import OCTAVIA
from prober.web.dialects.lbaas.not_offered import QUOTA, not_supported, routes_of_empty
from prober.web.dialects.lbaas.objects import status_tree
from prober.web.dialects.lbaas.project_view import project_view_of
from prober.web.dialects.lbaas.resource import ResourceRoute, routes_of
from prober.web.dialects.lbaas.tag_routes import SEARCHES, V2_TAG_ROUTES
from prober.web.dialects.openstack.octavia_fields import (
    LOAD_BALANCER_FORM,
    MEMBER_KEPT,
    POOL_FORM,
    WEIGHT,
)
from prober.web.dialects.openstack.octavia_objects import (
    healthmonitor_json,
    load_balancer_json,
    member_json,
    pool_json,
    words_of,
)
from prober.web.server.dialect import Dialect, DialectRoute
from prober.web.server.json_answer import Json, document, json_response
from prober.web.server.query import Parameter

FORMAT = edits.MonitorFormat(
    healthmonitor_json, OCTAVIA, lenient=False, not_probed=501, beside_udp=("TCP", "HTTP")
)
MEMBER_FORM = MemberForm(member_json, WEIGHT, MEMBER_KEPT)
PREFIXES = ("/v2.0/lbaas", "/v2/lbaas", "/v2/{project_id}/elb")


def _tags(name: str, *, every: bool, wanted: bool) -> Filter:
    """Declare a filter for tags: `every` given tag must be present, or any of them."""

    def read(text: str) -> tuple[str, ...]:
        return tuple(text.split(","))

    def passes(shown: Json, lists: frozenset[tuple[str, ...]]) -> bool:
        present = [tag in shown["tags"] for tags in lists for tag in tags]
        return (all(present) if every else any(present)) is wanted

    return Filter(Parameter(name, read, {}, "tags, separated by commas", many=True), passes)


def _in_pool(shown: Json, wanted: frozenset[str]) -> bool:
    return shown["pools"][0]["id"] in wanted


def _version(text: str) -> float | str:
    return {"1": 1.0, "1.0": 1.0, "1.1": 1.1}.get(text, text)


OWNED_FILTERS = (
    having("project_id"),
    having("tenant_id"),
    having("admin_state_up", a_boolean),
    having("provisioning_status"),
    having("operating_status"),
    having("created_at"),
    having("updated_at"),
    _tags("tags", every=True, wanted=True),
    _tags("tags-any", every=False, wanted=True),
    _tags("not-tags", every=True, wanted=False),
    _tags("not-tags-any", every=False, wanted=False),
)
"""The filters for all kinds of objects."""

HEALTHMONITOR_FILTERS = (
    *MONITOR_FILTERS,
    *OWNED_FILTERS,
    having("timeout", a_number),
    having("http_version", _version),
    Filter(Parameter("pool_id", an_id, {}, "only objects of this pool", many=True), _in_pool),
)
NAMED_FILTERS = (having("id", an_id), having("name"), *OWNED_FILTERS)
POOL_FILTERS = (
    *NAMED_FILTERS,
    having("protocol"),
    having("healthmonitor_id", an_id),
    having("lb_algorithm"),
    having("description"),
    Filter(
        Parameter("loadbalancer_id", an_id, {}, "only pools of this load balancer", many=True),
        lambda shown, wanted: shown["loadbalancers"][0]["id"] in wanted,
    ),
)
MEMBER_FILTERS = (
    *NAMED_FILTERS,
    having("address"),
    having("protocol_port", a_number),
    having("weight", a_number),
    having("backup", a_boolean),
    having("subnet_id"),
    having("monitor_address"),
    having("monitor_port", a_number),
)
LOAD_BALANCER_FILTERS = (
    *NAMED_FILTERS,
    having("description"),
    having("provider"),
    having("flavor_id"),
    having("availability_zone"),
    having("vip_address"),
    having("vip_network_id"),
    having("vip_port_id"),
    having("vip_subnet_id"),
    having("vip_qos_policy_id"),
)


async def get_statuses(request: web.Request) -> web.Response:
    """Show the statuses of a load balancer and everything that belongs to it."""
    visible = project_view_of(request)
    found = visible.load_balancer(request.match_info["id"])
    tree = await status_tree(visible, found, words_of(visible), "health_monitor")
    return json_response({"statuses": {"loadbalancer": tree}})


async def get_stats(request: web.Request) -> web.Response:
    """Show the traffic of a load balancer, which does not come through prober."""
    project_view_of(request).load_balancer(request.match_info["id"])
    return json_response({"stats": dict.fromkeys(STATS, 0)})


async def get_providers(request: web.Request) -> web.Response:
    """List the providers of load balancers."""
    provider = {"name": "prober", "description": "probes members and reports their health"}
    return await ANSWERS.many(request, "providers", [provider], ())


async def get_quotas(request: web.Request) -> web.Response:
    """List the quotas of all projects, which are the same."""
    projects = dict.fromkeys(pool.project_id for pool in project_view_of(request).pools())
    found = [{"id": each, **QUOTA, "project_id": each, "tenant_id": each} for each in projects]
    return await ANSWERS.many(request, "quotas", found, ())


async def get_quota(request: web.Request) -> web.Response:
    """Show the quota of a project; `defaults` instead of a project are the defaults."""
    return ANSWERS.one(request, "quota", QUOTA, HTTPStatus.OK)


async def put_quota(_: web.Request) -> web.Response:
    """Refuse to limit anything."""
    raise not_supported("limits")


async def delete_quota(_: web.Request) -> web.Response:
    """Reset a quota to its default, which it has already."""
    return web.Response(status=HTTPStatus.NO_CONTENT)


async def get_capabilities(request: web.Request) -> web.Response:
    """List what flavors or availability zones of a provider can do: there are none."""
    return await ANSWERS.many(request, request.path.rsplit("/", 1)[1], (), ())


async def put_failover(request: web.Request) -> web.Response:
    """Refuse a failover."""
    project_view_of(request).load_balancer(request.match_info["id"])
    raise not_supported("failover")


STATS = (
    *("bytes_in", "bytes_out", "active_connections"),
    *("total_connections", "request_errors"),
)
EMPTY = (
    ("listener", "listeners", "/listeners"),
    ("l7policy", "l7policies", "/l7policies"),
    ("rule", "rules", "/l7policies/{l7policy_id}/rules"),
    ("flavor", "flavors", "/flavors"),
    ("flavorprofile", "flavorprofiles", "/flavorprofiles"),
    ("availability_zone", "availability_zones", "/availabilityzones"),
    ("availability_zone_profile", "availability_zone_profiles", "/availabilityzoneprofiles"),
    ("certificate", "certificates", "/certificates"),
    ("whitelist", "whitelists", "/whitelists"),
)
"""What prober has none of; the last two are in Huawei's API only."""


async def put_members(request: web.Request) -> web.Response:
    """Make the given members those of a pool, or add them to it."""
    await replace_members(request, MEMBER_FORM)
    return web.Response(status=HTTPStatus.ACCEPTED)


class _Answers:
    """The form of answers: one member, and links to adjacent pages if a limit was given.

    Objects have only the `fields` that a request asks for.
    """

    def one(self, request: web.Request, noun: str, shown: Json, status: int) -> web.Response:
        """Answer with one object; a new one has no change yet, until it is asked for again."""
        if status == HTTPStatus.CREATED:
            shown = {**shown, "updated_at": None}
        return json_response({noun: only_fields(request, shown)}, status)

    async def many(
        self, request: web.Request, noun: str, objects: Iterable[Json], filters: Sequence[Filter]
    ) -> web.Response:
        """Answer with a page of a list."""
        page, limit = await read_page(request, objects, filters, sortable=True)
        head = {} if limit is None else {f"{noun}_links": links(request, page)}
        return await document(head, **{noun: (only_fields(request, each) for each in page.items)})


def links(request: web.Request, page: ListPage) -> list[Json]:
    """Return links to the next and the previous page, if there are such pages."""
    found = []
    if page.items and page.after:
        found.append({"rel": "next", "href": _beside(request, page.items[-1])})
    if page.items and page.before:
        href = _beside(request, page.items[0], page_reverse="true")
        found.append({"rel": "previous", "href": href})
    return found


def _beside(request: web.Request, item: Json, **more: str) -> str:
    """Return the URL of this list from another marker, with the host name of the request."""
    own = ("marker", "page_reverse")
    kept = [(name, text) for name, text in request.query.items() if name not in own]
    path = request.rel_url.with_query([*kept, ("marker", item["id"]), *more.items()])
    return f"{request.scheme}://{request.host}{path.raw_path_qs}"


def error(
    request: web.Request, status: int, message: str, more: Mapping[str, object]
) -> web.Response:
    """Return an error with the members that OpenStack's and Huawei's clients read."""
    return json_response(
        {
            "faultcode": "Client" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "Server",
            "faultstring": message,
            "debuginfo": None,
            "error_code": error_code(status),
            "error_msg": message,
            "request_id": request_id(request),
            **more,
        },
        status,
    )


def prepare(request: web.Request, response: web.StreamResponse) -> None:
    """Add the request's id to an answer, under the names of both clouds."""
    response.headers["x-openstack-request-id"] = f"req-{request_id(request)}"
    response.headers["X-Request-Id"] = request_id(request)


ANSWERS = _Answers()
_ROUTES = (
    *routes_of(health_monitors(FORMAT, HEALTHMONITOR_FILTERS), ANSWERS),
    *routes_of(pools(pool_json, POOL_FILTERS, POOL_FORM), ANSWERS),
    *routes_of(members(MEMBER_FORM, MEMBER_FILTERS), ANSWERS),
    *routes_of(
        load_balancers(load_balancer_json, LOAD_BALANCER_FILTERS, LOAD_BALANCER_FORM), ANSWERS
    ),
    *chain.from_iterable(routes_of_empty(*each, ANSWERS) for each in EMPTY),
    ResourceRoute("PUT", "/pools/{pool_id}/members", put_members),
    ResourceRoute("GET", "/providers", get_providers),
    ResourceRoute("GET", "/quotas", get_quotas),
    ResourceRoute("GET", "/quotas/{project}", get_quota),
    ResourceRoute("PUT", "/quotas/{project}", put_quota),
    ResourceRoute("DELETE", "/quotas/{project}", delete_quota),
    ResourceRoute("GET", "/providers/{provider}/flavor_capabilities", get_capabilities),
    ResourceRoute("GET", "/providers/{provider}/availability_zone_capabilities", get_capabilities),
    ResourceRoute("GET", "/loadbalancers/{id}/stats", get_stats),
    ResourceRoute("PUT", "/loadbalancers/{id}/failover", put_failover),
    ResourceRoute("GET", "/loadbalancers/{id}/status", get_statuses),
    ResourceRoute("GET", "/loadbalancers/{id}/statuses", get_statuses),
)

DIALECT = Dialect(
    name="octavia",
    routes=(
        *(
            DialectRoute(method, prefix + path, handler)
            for prefix in PREFIXES
            for method, path, handler in _ROUTES
        ),
        *(
            DialectRoute(*route._replace(path=f"{each}/octavia{route.path}"))
            for each in ("/v2.0", "/v2")
            for route in routes_of_empty("amphora", "amphorae", "/amphorae", ANSWERS)
        ),
        *(DialectRoute("GET", f"{each}/quotas", get_quotas) for each in ("/v2.0", "/v2")),
        *(
            DialectRoute("GET", f"{each}/quotas/{{project}}", get_quota)
            for each in ("/v2.0", "/v2")
        ),
        *(
            DialectRoute(
                method, f"/v2.0/{{project_id}}{path}", handler, looks=path.endswith(SEARCHES)
            )
            for method, path, handler in V2_TAG_ROUTES
        ),
    ),
    error=error,
    prepare=prepare,
)
