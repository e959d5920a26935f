"""Probes a check on request, and waits for the result."""

import asyncio

from aiohttp import web

from prober.state.check_state import CheckState
from prober.web.api.check_shapes import RESULT
from prober.web.server.errors import Refused, error_response
from prober.web.server.json_answer import json_response
from prober.web.server.lookup import check_of, who_probes
from prober.web.server.query import read_query
from prober.web.server.services import services_of

_ANSWERS = (200, 202, 409)
SPARE = 2.0
"""Seconds by which a busy prober may exceed the due time and the timeout of the probe."""


async def probe(request: web.Request) -> web.Response:
    """Probe a check now, and return the result.

    The result counts for rise and fall like any other. Probes of one check never overlap: if one is
    in flight, its result is returned. Each check can be probed this way once a second.
    """
    read_query(request)
    state = check_of(request)
    if (answer := await probe_elsewhere(request, state)) is not None:
        return answer
    if await probe_now(request, state) and state.last:
        return json_response(RESULT.render(state.last))
    return error_response(202, "the probe is waiting; its result will appear in `recent`")


async def probe_elsewhere(request: web.Request, state: CheckState) -> web.Response | None:
    """Have the member that probes a check do it, and return its answer; None if that is this one.

    Raise `Refused` if it does not answer.
    """
    others = who_probes(request, state)
    if others is None or not state.check.enabled:
        return None
    answer = await others.probe(state.check.key, state.check.monitor.timeout + SPARE)
    if answer is None:
        raise Refused(503, "the member that probes this check does not answer")
    status, found = answer
    if status not in _ANSWERS:
        raise Refused(503, f"the member that probes this check answers with status {status}")
    return json_response(found, status)


async def probe_now(request: web.Request, state: CheckState) -> bool:
    """Probe a check; return whether its result came in time, or raise `Refused`."""
    ask = services_of(request).probe_now
    if ask is None or not state.check.enabled:
        raise Refused(409, "the monitor is disabled" if ask else "this prober does not probe")
    done = asyncio.Event()
    due = ask(state.check.key, done.set)
    if due is None:
        raise Refused(409, "the check is being removed")
    wait = max(0.0, due - services_of(request).clock()) + state.check.monitor.timeout + SPARE
    try:
        async with asyncio.timeout(wait):
            await done.wait()
    except TimeoutError:
        return False
    return True
