"""What these APIs have and prober does not: empty lists, so that clients get past them.

Creating such an object is answered as Octavia answers what a provider does not support.
"""

from collections.abc import Iterator
from http import HTTPStatus

from aiohttp import web

from prober.web.dialects.lbaas.project_view import absent
from prober.web.dialects.lbaas.resource import AnswerForm, ResourceRoute
from prober.web.server.errors import Refused

QUOTA = {
    **dict.fromkeys(("load_balancer", "loadbalancer", "pool", "member"), -1),
    **dict.fromkeys(("health_monitor", "healthmonitor"), -1),
    **dict.fromkeys(("listener", "l7policy", "l7rule", "certificate"), 0),
}
"""How many objects of each kind a project can have: -1 is any number."""


def routes_of_empty(noun: str, plural: str, path: str, form: AnswerForm) -> Iterator[ResourceRoute]:
    """Yield the routes of a kind of object of which there are none."""

    async def get_all(request: web.Request) -> web.Response:
        return await form.many(request, plural, (), ())

    async def get_one(request: web.Request) -> web.Response:
        raise absent(noun, request.match_info["id"])

    async def post(_: web.Request) -> web.Response:
        raise not_supported(plural)

    yield ResourceRoute("GET", path, get_all)
    yield ResourceRoute("POST", path, post)
    for method in ("GET", "PUT", "DELETE"):
        yield ResourceRoute(method, f"{path}/{{id}}", get_one)


def route_refused(method: str, path: str, what: str) -> ResourceRoute:
    """Return the route of an operation that is not supported, because prober lacks something."""

    async def refuse(_: web.Request) -> web.Response:
        raise not_supported(what)

    return ResourceRoute(method, path, refuse)


def not_supported(what: str) -> Refused:
    """Return the refusal of what only a real load balancer can do."""
    message = f"Provider 'prober' does not support a requested action: it has no {what}"
    return Refused(HTTPStatus.NOT_IMPLEMENTED, message)
