"""The application: routes, error handling and headers around one state."""

from functools import partial

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.typedefs import Handler

from prober.state.pool_past import PoolPast
from prober.web.api.event_stream import STREAMS, Streams
from prober.web.api.route import OPENAPI, Description
from prober.web.dialects import DIALECTS
from prober.web.page.past_cache import (
    LONG_PAST,
    PAST_CACHE,
    PastCache,
    read_long_past,
    read_recent_past,
)
from prober.web.page.pulse import PULSES, Pulses
from prober.web.routes import ROUTES
from prober.web.server.auth import (
    CONNECTING_PATHS,
    GATES,
    LOOKING_ROUTES,
    PUBLIC_ROUTES,
    authorize,
)
from prober.web.server.client_limits import within_limits
from prober.web.server.dialect import MEMORY, SPOKEN, dialect_of, root_of
from prober.web.server.dialect_paths import DialectPaths, add_route
from prober.web.server.editing import store_edit
from prober.web.server.errors import ERROR_PAGES, ErrorPages, errors_as_json
from prober.web.server.json_answer import JsonText
from prober.web.server.request_body import BODY_LIMIT
from prober.web.server.services import SERVICES, Services, services_of

_HEADERS = {
    hdrs.SERVER: "prober",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers hide the origin of our forms
    "X-Content-Type-Options": "nosniff",
}


def make_app(services: Services) -> web.Application:
    """Return the application for these services."""
    middlewares = [within_limits, errors_as_json, authorize]
    app = web.Application(middlewares=middlewares, client_max_size=BODY_LIMIT)
    app[SERVICES] = services
    others = services.others.slots if services.others else None
    past = PoolPast(services.pools, services.history, others)
    clocks = {"wall": services.wall, "clock": services.clock}
    app[PAST_CACHE] = PastCache(past, read_recent_past, **clocks)
    app[LONG_PAST] = PastCache(past, read_long_past, **clocks)
    app[STREAMS] = Streams(services.store.events, heartbeat=services.heartbeat)
    app[PULSES] = Pulses(services.store.events)
    app[OPENAPI] = Description(partial(_describe, services.vitals.version))
    pages = frozenset(each.path for each in ROUTES if "text/html" in each.answers.values())
    app[ERROR_PAGES] = ErrorPages(pages, _error_page)
    app[SPOKEN], app[MEMORY] = DIALECTS, {}
    app[PUBLIC_ROUTES] = frozenset((each.method, each.path) for each in ROUTES if each.public)
    app[CONNECTING_PATHS] = frozenset(each.path for each in ROUTES if each.connects)
    app[LOOKING_ROUTES] = frozenset((each.method, each.path) for each in ROUTES if each.looks)
    for route in ROUTES:
        handler = _or_discovery(route.handler) if route.path == "/" else route.handler
        add_route(app.router, route.method, route.path, handler)
        if route.path.startswith(GATES):
            add_route(app.router, hdrs.METH_OPTIONS, route.path, handler)  # HAProxy's default
    for entry in DIALECTS:
        for prefix in entry.prefixes:
            app.router.register_resource(DialectPaths(entry, prefix))
    app.on_response_prepare.append(_add_headers)
    app.on_shutdown.append(_end_streams)
    return app


def _describe(version: str) -> JsonText:
    from prober.web.api.openapi import describe  # noqa: PLC0415  (few ask for it)

    return describe(ROUTES, version)


def _error_page(request: web.Request, status: int, message: str) -> web.Response:
    from prober.web.page.error_page import error_page  # noqa: PLC0415  (with the other pages)

    return error_page(request, status, message)


def _or_discovery(page: Handler) -> Handler:
    """Return the handler for `/`: the page, or the list of API versions for a cloud client."""

    async def get(request: web.Request) -> web.StreamResponse:
        return await (root_of(request) or page)(request)

    return get


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    if request.version < HttpVersion11 and hdrs.CONTENT_LENGTH not in response.headers:
        response.force_close()  # only the end of the connection tells where this one ends
        response.headers[hdrs.CONNECTION] = "close"
    response.headers.update(_HEADERS)
    response.headers.update(services_of(request).access.headers)
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    if dialect := dialect_of(request):
        dialect.prepare(request, response)
    await store_edit(request, response)


def end_streams(app: web.Application) -> None:
    """End all event streams; clients with valid credentials reconnect."""
    app[STREAMS].end()
    app[PULSES].end()


async def _end_streams(app: web.Application) -> None:
    end_streams(app)
