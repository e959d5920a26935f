"""What Oracle's services have and prober does not: empty lists, and refusals to create any."""

from collections.abc import Iterator

from aiohttp import web
from aiohttp.typedefs import Handler

from prober.web.dialects.oracle.places import balancer_of
from prober.web.dialects.oracle.requests import absent, answer, compartment_in, not_offered
from prober.web.dialects.oracle.service_spec import ServiceSpec
from prober.web.server.dialect import DialectRoute


def unoffered_routes(spec: ServiceSpec, balancers: str) -> Iterator[DialectRoute]:
    """Yield the routes of everything that prober has none of; `balancers` is a path."""
    balancer = f"{balancers}/{{balancer}}"
    for noun in spec.unoffered:
        yield DialectRoute("GET", f"{balancer}/{noun}", _empty(spec))
        yield DialectRoute("POST", f"{balancer}/{noun}", _refuse)
        for method in ("GET", "PUT", "DELETE"):
            yield DialectRoute(method, f"{balancer}/{noun}/{{id}}", _absent)
    for method, path in spec.unoffered_actions:
        yield DialectRoute(method, f"{balancer}{path}", _refuse)
    for path, items in spec.constant_lists.items():
        yield DialectRoute("GET", f"{spec.root}{path}", _constant(spec, items))


def _empty(spec: ServiceSpec) -> Handler:
    async def get(request: web.Request) -> web.Response:
        """An empty list: prober has none of these."""
        balancer_of(request)
        return await answer(spec.collection([]))

    return get


def _constant(spec: ServiceSpec, items: tuple[object, ...]) -> Handler:
    async def get(request: web.Request) -> web.Response:
        """A list that is always the same."""
        compartment_in(request)
        return await answer(spec.collection(list(items)))

    return get


async def _absent(request: web.Request) -> web.Response:
    """There is none of these."""
    balancer_of(request)
    raise absent(f"{request.path.split('/')[4]} {request.match_info['id'][:200]!r}")


async def _refuse(request: web.Request) -> web.Response:
    """Refuse what only a load balancer that forwards traffic can do."""
    balancer_of(request)
    raise not_offered(f"{request.method} {request.path.split('/')[-1][:200]}")
