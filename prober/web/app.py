"""The application: routes, errors and headers around one state."""

import re
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from prober.edits.contract import Editor, Edits
from prober.outputs.envoy_eds import EndpointDiscovery
from prober.state.history import History
from prober.state.last_known import LastKnown
from prober.state.store import Key, Store
from prober.state.vitals import Vitals
from prober.web.api.envoy_discovery import DISCOVERY, DiscoverySource
from prober.web.api.event_stream import STREAMS, Streams
from prober.web.api.on_demand import ON_DEMAND, OnDemand
from prober.web.api.openapi import OPENAPI, describe
from prober.web.dialects import DIALECTS
from prober.web.metrics.check_metrics import Metrics
from prober.web.metrics.scrape import METRICS
from prober.web.page.error_page import error_page
from prober.web.page.pulse import PULSES, Pulses
from prober.web.routes import ROUTES
from prober.web.server.auth import (
    ACCESS,
    CONNECTING_PATHS,
    LOOKING_ROUTES,
    OPEN_ROUTES,
    PUBLIC_ROUTES,
    Access,
    authorize,
    open_routes,
)
from prober.web.server.client_limits import guarded
from prober.web.server.dialect import SPOKEN, dialect_of, root_of
from prober.web.server.editing import EDITOR, EDITS, warn_of_loss
from prober.web.server.errors import ERROR_PAGES, ErrorPages, errors_as_json
from prober.web.server.request_body import BODY_LIMIT
from prober.web.server.services import (
    CLOCKS,
    FACADE,
    HISTORY,
    KNOWN,
    LIFECYCLE,
    PROBING,
    STORE,
    VITALS,
    Clocks,
    Facade,
    Lifecycle,
    PageSettings,
    Past,
    Probing,
)

HEARTBEAT = 15.0
"""Seconds after which a silent event stream shows that it lives."""

_HEADERS = {
    hdrs.SERVER: "prober",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_NAME_IN_PATH = re.compile(r"\{(\w+)\}")


def make_app(
    store: Store,
    vitals: Vitals,
    *,
    clock: Callable[[], float],
    wall: Callable[[], float],
    reload: Callable[[], Awaitable[list[str]]] | None = None,
    heartbeat: float = HEARTBEAT,
    history: History | None = None,
    editor: Editor | None = None,
    edits: Edits | None = None,
    on_demand: OnDemand | None = None,
    access: Access | None = None,
    allows_reload: Callable[[], bool] = lambda: True,
    probe_now: Callable[[Key, Callable[[], None]], float | None] | None = None,
    front: Callable[[], PageSettings] = PageSettings,
    discovery: Callable[[], EndpointDiscovery | None] = lambda: None,
    known: LastKnown | None = None,
) -> web.Application:
    """Return the application that shows this state.

    Args:
        store: The state of all checks.
        vitals: How the daemon itself is.
        clock: The monotonic clock of `CheckState.next_due`.
        wall: Unix time.
        reload: Reads the configuration again and returns its problems, nothing if it was taken;
            None where reloading over HTTP is switched off.
        heartbeat: Seconds after which a silent event stream shows that it lives.
        history: What was written of the past; None where no state is kept.
        editor: Takes edits over the API; None where there is nothing to edit.
        edits: The edits that stand; None where there is nothing to edit.
        on_demand: Probes on demand.
        access: Who may call; None: everybody.
        allows_reload: Whether reloading over HTTP is on at the moment.
        probe_now: Lets a check be probed now (`Scheduler.probe_now`); None where nothing is probed.
        front: How the page shows itself, as it is configured now.
        discovery: What answers Envoy at the moment, if anything does.
        known: What is known of each backend; None: what the store says from now on.
    """
    middlewares = [guarded, errors_as_json, authorize]
    app = web.Application(middlewares=middlewares, client_max_size=BODY_LIMIT)
    app[ACCESS] = access or Access()
    app[STORE], app[VITALS] = store, vitals
    app[CLOCKS], app[LIFECYCLE] = Clocks(wall, clock), Lifecycle(reload, allows_reload)
    app[HISTORY] = Past(history)
    app[PROBING], app[FACADE] = Probing(probe_now), Facade(front)
    app[ON_DEMAND] = on_demand or OnDemand(None)
    app[DISCOVERY] = DiscoverySource(discovery)
    app[KNOWN] = known or LastKnown(store, wall=wall)
    app[METRICS] = Metrics(store, vitals)
    app[STREAMS] = Streams(store.events, heartbeat=heartbeat)
    app[PULSES] = Pulses(store.events)
    app[OPENAPI] = describe(ROUTES, vitals.version)
    if editor is not None:
        app[EDITOR] = editor
    if edits is not None:
        app[EDITS] = edits
    pages = frozenset(each.path for each in ROUTES if "text/html" in each.answers.values())
    app[ERROR_PAGES] = ErrorPages(pages, error_page)
    app[SPOKEN], app[OPEN_ROUTES] = DIALECTS, open_routes(DIALECTS)
    app[PUBLIC_ROUTES] = frozenset((each.method, each.path) for each in ROUTES if each.public)
    app[CONNECTING_PATHS] = frozenset(each.path for each in ROUTES if each.connects)
    app[LOOKING_ROUTES] = frozenset((each.method, each.path) for each in ROUTES if each.looks)
    for route in ROUTES:
        handler = _or_discovery(route.handler) if route.path == "/" else route.handler
        _add_route(app, route.method, route.path, handler)
    for dialect in DIALECTS:
        dialect.begin(app)
        for each in dialect.routes:
            _add_route(app, each.method, each.path, each.handler)
    app.on_response_prepare.append(_add_headers)
    app.on_shutdown.append(_end_streams)
    return app


def _or_discovery(page: Handler) -> Handler:
    """Return the handler of `/`: the page, but the API's versions for a cloud's client."""

    async def get(request: web.Request) -> web.StreamResponse:
        return await (root_of(request) or page)(request)

    return get


def _add_route(app: web.Application, method: str, path: str, handler: Handler) -> None:
    path = _NAME_IN_PATH.sub(r"{\1:[^/]+}", path)  # braces, too, may stand in a name
    if method == hdrs.METH_GET:
        app.router.add_get(path, handler)
    else:
        app.router.add_route(method, path, handler)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
    response.headers.update(request.app[ACCESS].headers)
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    if dialect := dialect_of(request):
        dialect.prepare(request, response)
    warn_of_loss(request, response)


def end_streams(app: web.Application) -> None:
    """End every stream of events; who has the right to comes back."""
    app[STREAMS].end()
    app[PULSES].end()


async def _end_streams(app: web.Application) -> None:
    end_streams(app)
