"""What members of a cluster ask each other, and what everybody may ask about the members."""

from typing import Any

from aiohttp import web

from prober.state.check_state import Key
from prober.state.pace import Pace
from prober.state.rows import text
from prober.state.shared_past import SharedPast, past_json
from prober.state.slots import WIDTH
from prober.state.state_errors import StateUnreadableError
from prober.web.api.cluster_shapes import CLUSTER
from prober.web.server.errors import Refused
from prober.web.server.json_answer import Json, document, json_response
from prober.web.server.json_body import read_json
from prober.web.server.query import read_query
from prober.web.server.services import Services, services_of

MOST_CHECKS = 1000
"""Maximum number of checks in one request for their history."""
MOST_SLOTS = 3000
"""Maximum number of slots in one request."""


async def get_cluster(request: web.Request) -> web.Response:
    """The members of the cluster, and whether etcd is there; 404 without a cluster."""
    read_query(request)
    view = services_of(request).vitals.cluster()
    if view is None:
        raise Refused(404, "this prober is not a member of a cluster")
    return json_response(CLUSTER.render(view))


async def get_past(request: web.Request) -> web.Response:
    """What this member has recorded of some checks, for the other members of its cluster.

    The form may differ between versions of prober; use `/api/v1/checks` instead. Pools have an
    empty monitor. `pasts` are in the order of `checks`; null: this member does not know the check.
    """
    read_query(request)
    services, pace, pasts = services_of(request), Pace(), list[Json | None]()
    try:
        checks, times = _question(await read_json(request))
    except (ValueError, TypeError) as error:
        raise Refused(400, f"expected a question about checks: {error}") from None
    for key in checks:
        pasts.append(await _past_of(services, key, times))
        await pace.pause()
    return await document({}, pasts=pasts)


def _question(given: Any) -> tuple[list[Key], range | None]:
    """Return the checks and the slots of a request, or raise ValueError or TypeError."""
    if not isinstance(given, dict) or not {"checks"} <= given.keys() <= {"checks", "slots"}:
        raise ValueError("its keys are `checks` and, if there are any, `slots`")
    checks = [_key(each) for each in _listed(given["checks"], MOST_CHECKS)]
    if "slots" not in given:
        return checks, None
    start, stop, step = _listed(given["slots"], 3)
    if not all(type(each) is int and 0 <= each < 2**40 for each in (start, stop, step)):
        raise ValueError("`slots` are start, end and step in whole seconds")
    if step <= 0 or step % WIDTH or start % step or stop - start > MOST_SLOTS * step:
        raise ValueError(f"`slots` are at most {MOST_SLOTS}, at multiples of a step of {WIDTH} s")
    return checks, range(start, stop, step)


def _listed(given: Any, most: int) -> list[Any]:
    if not isinstance(given, list) or len(given) > most:
        raise ValueError(f"there are lists of at most {most}")
    return given


def _key(given: Any) -> Key:
    monitor, backend = _listed(given, 2)
    return text(monitor), text(backend)


async def _past_of(services: Services, key: Key, times: range | None) -> Json | None:
    state, history = services.store.get(key), services.history
    slots = []
    if times is not None and history is not None and history.knows(key):
        try:
            slots = await history.slots(key, times, merged=True)
        except StateUnreadableError:
            return None
    if state is None and not slots:
        return None
    if state is None or times is not None:
        return past_json(SharedPast(0, None, [], slots))
    recent = list(state.recent.newest_first())
    return past_json(SharedPast(state.health.streak, state.last, recent, slots))
