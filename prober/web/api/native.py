"""The native API: each handler parses, looks up and renders."""

from bisect import bisect_right
from itertools import islice
from typing import Any

from aiohttp import web

from prober.model.monitor import Monitor
from prober.model.pool import Pool
from prober.model.shown import monitor_json
from prober.model.status import Status
from prober.state.check_state import CheckState
from prober.state.events import EVENT_KINDS, Event, EventFilter
from prober.state.pace import Pace
from prober.state.store import Statuses, Store
from prober.web.api.check_shapes import CHECK_IN_FULL, CHECKS, CheckAt
from prober.web.api.event_shapes import EVENTS
from prober.web.api.gates import backend_states, pool_of
from prober.web.api.past import older_events, uptime_of
from prober.web.api.pool_shapes import (
    MONITORS,
    OVERVIEW,
    POOL,
    POOLS,
    Glance,
    PoolInShort,
    PoolState,
)
from prober.web.server.errors import Refused
from prober.web.server.json_answer import JsonText, json_response
from prober.web.server.lookup import check_of, who_probes
from prober.web.server.query import (
    Since,
    any_text,
    backend,
    marker,
    marker_of,
    one_of,
    read_query,
    since,
    whole_number,
)
from prober.web.server.services import services_of

PAGE = 1000
"""Checks per page: the default and the maximum."""

EVENTS_PAGE = 100

CHECKS_QUERY = (
    one_of("status", Status, "only checks with this status; can be repeated"),
    any_text("pool", "only checks of this pool; can be repeated"),
    any_text("monitor", "only checks of this monitor; can be repeated"),
    backend("backend", "only checks of this `address:port`; can be repeated"),
    whole_number("limit", 1, PAGE, "checks per page", PAGE),
    marker(str, str),
)
EVENTS_QUERY = (
    since("since", "only events from this time on (RFC 3339), or after the event with this id"),
    one_of("kind", EVENT_KINDS, "only events of this kind; can be repeated"),
    any_text("monitor", "only events of this monitor; can be repeated"),
    any_text("pool", "only events of this pool; can be repeated"),
    backend("backend", "only events of this `address:port`; can be repeated"),
    one_of("to", Status, "only changes to this status; can be repeated"),
    whole_number("limit", 1, PAGE, "events per page", EVENTS_PAGE),
    marker(int),
)


async def get_status(request: web.Request) -> web.Response:
    """An overview of all load balancers and pools, and prober itself."""
    read_query(request)
    store, statuses, pace = services_of(request).store, Statuses(), Pace()
    model = store.model
    for _ in statuses.gather(store):
        await pace.pause()
    return await OVERVIEW.document(
        Glance(statuses, services_of(request).vitals, checks=len(store)),
        load_balancers=statuses.load_balancers.items(),
        pools=(PoolInShort(pool, statuses) for pool in model.pools),
    )


async def get_checks(request: web.Request) -> web.Response:
    """Checks, ordered by monitor and backend."""
    query = read_query(request, *CHECKS_QUERY)
    limit = query["limit"] or PAGE
    store = services_of(request).store
    found = await _select(store, query, limit + 1)
    now = services_of(request).now()
    next_marker = marker_of(*found[limit - 1].check.key) if found[limit:] else None
    return await CHECKS.document(
        next_marker,
        checks=(
            CheckAt(s, now, store.admin.of_check(s.check), votes=store.votes(s.check.key))
            for s in found[:limit]
        ),
    )


async def _select(store: Store, query: dict[str, Any], limit: int) -> list[CheckState]:
    """Return the first checks after the marker that match the filters."""
    keys, found, pace = store.keys(), list[CheckState](), Pace()
    start = bisect_right(keys, query["marker"]) if query["marker"] else 0
    for key in islice(keys, start, None):
        state = store.get(key)
        if state and _passes(state, query):
            found.append(state)
            if len(found) == limit:
                break
        await pace.pause()
    return found


def _passes(state: CheckState, query: dict[str, Any]) -> bool:
    check = state.check
    return (
        (not query["status"] or state.status in query["status"])
        and (not query["monitor"] or check.monitor.name in query["monitor"])
        and (not query["pool"] or check.pool.name in query["pool"])
        and (not query["backend"] or check.backend.key in query["backend"])
    )


async def get_check(request: web.Request) -> web.Response:
    """One check with its last results, and what would change its status."""
    read_query(request)
    state, services = check_of(request), services_of(request)
    store, as_of = services.store, None
    if others := who_probes(request, state):
        answer = await others.answer(state.check.key)
        if answer is not None:
            return json_response(dict(answer))
        as_of = state.last.at if state.last else state.since
    uptime = await uptime_of(request, state.check.key)
    admin, votes = store.admin.of_check(state.check), store.votes(state.check.key)
    shown = CheckAt(state, services.now(), admin, uptime, votes, as_of)
    return json_response(CHECK_IN_FULL.render(shown))


async def get_monitors(request: web.Request) -> web.Response:
    """The effective configuration of all monitors; secrets are masked."""
    read_query(request)
    return await MONITORS.document(None, monitors=services_of(request).store.model.monitors)


async def get_monitor(request: web.Request) -> web.Response:
    """The effective configuration of one monitor; secrets are masked."""
    read_query(request)
    return json_response(monitor_json(monitor_of(request)))


def monitor_of(request: web.Request) -> Monitor:
    """Return the monitor in the path, or raise `Refused`."""
    name = request.match_info["name"]
    monitor = services_of(request).store.monitors.get(name)
    if monitor is None:
        raise Refused(404, f"there is no monitor {name!r}")
    return monitor


async def get_pools(request: web.Request) -> web.Response:
    """All pools, with the statuses of their backends."""
    read_query(request)
    store, pace = services_of(request).store, Pace()
    pools = [await written_pool(store, pool, pace) for pool in store.model.pools]
    return await POOLS.document(None, pools=pools)


async def get_pool(request: web.Request) -> web.Response:
    """One pool, with the statuses of its backends."""
    read_query(request)
    return json_response(await written_pool(services_of(request).store, pool_of(request), Pace()))


async def written_pool(store: Store, pool: Pool, pace: Pace) -> JsonText:
    """Return a pool as JSON text, with the statuses of its backends."""
    state = PoolState(pool, await backend_states(store, pool, pace))
    return await POOL.written(state, pace, backends=state.backends)


async def get_events(request: web.Request) -> web.Response:
    """Status changes and other events, newest first; older ones need a state directory."""
    query = read_query(request, *EVENTS_QUERY)
    limit = query["limit"] or EVENTS_PAGE
    wanted = EventFilter(
        kind=query["kind"],
        monitor=query["monitor"],
        pool=query["pool"],
        backend=query["backend"],
        after=query["to"],
    )
    start = query["since"]
    events = services_of(request).store.events.newest_first(*query["marker"] or ())
    fitting = (each for each in events if _is_since(each, start) and wanted.allows(each))
    found = list(islice(fitting, limit + 1))
    if len(found) <= limit:
        (before,) = query["marker"] or (None,)
        found += await older_events(request, before, start, wanted, limit + 1 - len(found))
    next_marker = marker_of(found[limit - 1].id) if found[limit:] else None
    return await EVENTS.document(next_marker, events=found[:limit])


def _is_since(event: Event, start: Since | None) -> bool:
    if start is None:
        return True
    if start.id is not None:
        return event.id > start.id
    return start.at is None or event.at >= start.at
