"""A probe on request: it is due now, and its result is waited for."""

import asyncio

from aiohttp import web

from prober.state.store import CheckState
from prober.web.api.check_shapes import RESULT
from prober.web.server.errors import Refused, error_response
from prober.web.server.json_answer import json_response
from prober.web.server.lookup import check_of
from prober.web.server.query import read_query
from prober.web.server.services import CLOCKS, PROBING

SPARE = 2.0
"""Seconds that a probe may come later than it is due and its timeout allow, in a busy prober."""


async def probe(request: web.Request) -> web.Response:
    """Probe a check now, and answer the result.

    The probe is one like any other: it counts for rise and fall, and never runs beside another of
    the same check; one that is in flight already serves. Of one check a probe a second can be had.
    """
    read_query(request)
    state = check_of(request)
    if await probe_now(request, state) and state.last:
        return json_response(RESULT.render(state.last))
    return error_response(202, "the probe waits for its turn; its result will be in `recent`")


async def probe_now(request: web.Request, state: CheckState) -> bool:
    """Have a check probed; tell whether its result came in time, or raise `Refused`."""
    ask = request.app[PROBING].probe_now
    if ask is None or not state.check.monitor.enabled:
        raise Refused(409, "the monitor is disabled" if ask else "nothing is probed here")
    done = asyncio.Event()
    due = ask(state.check.key, done.set)
    if due is None:
        raise Refused(409, "the check is leaving the schedule")
    wait = max(0.0, due - request.app[CLOCKS].clock()) + state.check.monitor.timeout + SPARE
    try:
        async with asyncio.timeout(wait):
            await done.wait()
    except TimeoutError:
        return False
    return True
