"""Gates for load balancers and readiness probes, and whether prober itself is well.

They are imported at the start, unlike the rest of the API: they answer even if the disk does not.
"""

from aiohttp import web

from prober.model.aggregate import backend_status
from prober.model.pool import Pool
from prober.state.check_state import BackendState
from prober.state.heartbeat import examine
from prober.state.pace import Pace
from prober.state.store import Store
from prober.web.api.pool_shapes import (
    BACKEND_GATE,
    CHECK_GATE,
    GATE,
    RELOADED,
    GatedOne,
    GatedPool,
    PoolState,
)
from prober.web.server.auth import gate_is_public
from prober.web.server.errors import Refused
from prober.web.server.json_answer import Json, json_response
from prober.web.server.lookup import check_of
from prober.web.server.query import normal_key, read_query, whole_number
from prober.web.server.services import services_of

GATE_QUERY = (whole_number("min_healthy", 0, 10**9, "number of healthy backends required", 1),)


async def backend_states(store: Store, pool: Pool, pace: Pace) -> list[BackendState]:
    """Return the states of the backends of a pool, letting other tasks run at this pace."""
    found = []
    for each in store.backend_states(pool):
        found.append(each)
        await pace.pause()
    return found


def pool_of(request: web.Request) -> Pool:
    """Return the pool in the path, or raise `Refused`."""
    name = request.match_info["name"]
    pool = services_of(request).store.pools.get(name)
    if pool is None:
        raise Refused(404, f"there is no pool {name!r}")
    return pool


async def get_gate(request: web.Request) -> web.Response:
    """Whether a pool has enough healthy backends: a gate for load balancers and readiness probes.

    Backends that are OK or WARNING count as healthy.
    """
    asked = read_query(request, *GATE_QUERY)["min_healthy"]
    pool = pool_of(request)
    state = PoolState(pool, await backend_states(services_of(request).store, pool, Pace()))
    gated = GatedPool(state, 1 if asked is None else asked)
    is_open = gated.healthy >= gated.min_healthy
    shown = {"in_service": is_open} if gate_is_public(request) else GATE.render(gated)
    return json_response(shown, 200 if is_open else 503)


async def get_backend_gate(request: web.Request) -> web.Response:
    """Whether a backend is in service: 200 if it is.

    OK and WARNING are in service. While the status is UNKNOWN, the last known status applies, with
    the header `X-Prober-Held: true`; a backend without a known status is not in service.
    """
    read_query(request)
    name, key = request.match_info["pool"], normal_key(request.match_info["backend"])
    pool = services_of(request).store.pools.get(name)
    backends = pool.backends if pool else ()
    backend = next((each for each in backends if key in (each.key, each.name)), None)
    if pool is None or backend is None:
        raise Refused(404, f"there is no backend {key!r} in a pool {name!r}")
    checks = services_of(request).store.checks_of(pool, backend)
    status = backend_status(each.status for each in checks if each.check.enabled)
    known = services_of(request).known.of(pool, backend)
    monitors = [each.check.monitor.name for each in checks]
    admin = services_of(request).store.admin.of_backend(pool, backend.key, monitors)
    gated = GatedOne(name, backend.key, status, known and known.status.in_service, admin)
    return _gate_response(request, BACKEND_GATE.render(gated), gated)


async def get_check_gate(request: web.Request) -> web.Response:
    """Whether a check is OK or WARNING: 200 if it is.

    While the status is UNKNOWN, the last known status applies, with the header
    `X-Prober-Held: true`; 503 if there is none.
    """
    read_query(request)
    state = check_of(request)
    admin = services_of(request).store.admin.of_check(state.check)
    gated = GatedOne(*state.check.key, state.status, state.health.online, admin)
    return _gate_response(request, CHECK_GATE.render(gated), gated)


def _gate_response(request: web.Request, shown: Json, gated: GatedOne) -> web.Response:
    if gate_is_public(request):
        shown = {"in_service": gated.in_service}
    response = json_response(shown, 200 if gated.in_service else 503)
    if gated.held:
        response.headers["X-Prober-Held"] = "true"
    return response


async def get_healthy(request: web.Request) -> web.Response:
    """Whether prober itself is alive: it answers, and its schedule advances."""
    wrong = await examine(services_of(request).vitals, services_of(request).clock)
    if wrong is None:
        return web.Response(text="Healthy\n")
    return web.Response(text=f"Unhealthy: {wrong}\n", status=503)


async def get_ready(request: web.Request) -> web.Response:
    """Whether prober has its configuration and is probing; also says what does not work.

    A degraded prober is still ready: its statuses are true, and less traffic would not help.
    """
    vitals = services_of(request).vitals
    if not vitals.ready:
        return web.Response(text="Not ready\n", status=503)
    degraded = "; ".join(vitals.degradations())
    return web.Response(text=f"Ready, but {degraded}\n" if degraded else "Ready\n")


async def reload(request: web.Request) -> web.Response:
    """Reload the configuration; if it has problems, the old one stays in force."""
    services = services_of(request)
    if services.reload is None or not services.allows_reload():
        raise Refused(
            403, "reloading over HTTP is disabled; set server.lifecycle: true to allow it"
        )
    problems = await services.reload()
    if problems:
        raise Refused(
            500, "the old configuration stays in force", code="reload_failed", problems=problems
        )
    return json_response(RELOADED.render(services_of(request).vitals))
