"""The history of checks and older events: what is asked of the database, in a thread."""

import sqlite3
from typing import Any, NamedTuple

from aiohttp import web

from prober.model.kinds import in_units
from prober.model.wording import time_text
from prober.state.archive import DAY, Retention, Uptime
from prober.state.events import Event, EventFilter
from prober.state.slots import HOUR, WIDTH
from prober.web.api.check_shapes import HISTORY as HISTORY_SHAPE
from prober.web.api.check_shapes import Extent, SlotAt
from prober.web.server.errors import Refused
from prober.web.server.query import Since, moment, normal_key, read_query, span
from prober.web.server.services import CLOCKS, HISTORY, STORE

SLOTS = 300
"""Slots of an answer at most, if no step is asked for."""
MOST_SLOTS = 3000
"""Slots of an answer at most."""
STEPS = (WIDTH, 600, 900, 1800, *(HOUR * hours for hours in (1, 2, 3, 4, 6, 8, 12)))

HISTORY_QUERY = (
    moment("from", "the slots from this time on (RFC 3339); a day before `to` if left out"),
    moment("to", "the slots until this time (RFC 3339); now if left out"),
    span("step", "the length of a slot: a multiple of 5m, or of 1h where history is kept by hours"),
)


class Range(NamedTuple):
    """Which slots are asked for; `start` and `end` are unix times and multiples of `step`."""

    start: int
    end: int
    step: int


async def get_history(request: web.Request) -> web.Response:
    """The history of one check by slots of time, oldest first.

    Also that of a check that is not configured any more, until it is too old. Slots begin at
    multiples of the step in UTC. In `not_running_seconds` nobody kept its history.
    """
    query = read_query(request, *HISTORY_QUERY)
    key = request.match_info["monitor"], normal_key(request.match_info["backend"])
    history = request.app[HISTORY].history
    if history is None:
        raise Refused(409, "needs server.state_dir", code="no_history")
    if request.app[STORE].get(key) is None and not history.knows(key):
        raise Refused(404, f"there is no history of monitor {key[0]!r} and backend {key[1]!r}")
    now = request.app[CLOCKS].wall()
    start, end, step = range_of(query, now, history.retention)
    try:
        slots = await history.slots(key, start, end, step)
    except sqlite3.Error as error:
        raise Refused(503, f"the history cannot be read: {error}") from None
    return await HISTORY_SHAPE.document(
        Extent(start, min(end, now), step), slots=(SlotAt(slot, step, now) for slot in slots)
    )


def range_of(query: dict[str, Any], now: float, retention: Retention) -> Range:
    """Work out what is asked for, or raise `Refused`."""
    end = min(now, now if query["to"] is None else query["to"])
    start = max(0.0, end - DAY) if query["from"] is None else query["from"]
    if start >= end:
        before = "now" if end == now else f"`to` ({time_text(end)})"
        raise Refused(
            400, f"parameter 'from': expected a time before {before}, got {time_text(start)}"
        )
    by_hours = start < retention.fine_from(now)
    step = query["step"] or _step(end - start, HOUR if by_hours else WIDTH)
    if by_hours and step % HOUR:
        fine = time_text(retention.fine_from(now))
        raise Refused(
            400,
            f"parameter 'step': expected a multiple of 1h, as history is kept by hours before "
            f"{fine}, got {in_units(step)}",
        )
    if end - start > MOST_SLOTS * step:
        raise Refused(400, f"parameter 'step': {in_units(step)} makes more than {MOST_SLOTS} slots")
    return Range(int(start // step) * step, -int(-end // step) * step, step)


def _step(seconds: float, least: int) -> int:
    """Return the smallest convenient step that leads to few enough slots."""
    fitting = (step for step in STEPS if step >= least and seconds <= step * SLOTS)
    days = -int(-seconds // (SLOTS * DAY))
    return next(fitting, days * DAY)


async def uptime_of(request: web.Request, key: tuple[str, str]) -> dict[str, Uptime] | None:
    """Return the uptime of a check; None if no history is kept or the disk cannot be read."""
    history = request.app[HISTORY].history
    if history is None:
        return None
    try:
        return await history.uptime(key)
    except sqlite3.Error:
        return None


async def older_events(
    request: web.Request,
    marker: int | None,
    start: Since | None,
    wanted: EventFilter,
    limit: int,
) -> list[Event]:
    """Return events that are not in memory any more, newest first."""
    history, first = request.app[HISTORY].history, request.app[STORE].events.first_id
    after = start.id if start and start.id is not None else 0
    before = first if marker is None else max(0, min(first, marker))
    if history is None or after + 1 >= before:
        return []
    since = start.at if start else None
    try:
        return await history.events(
            before=before, after=after, since=since, wanted=wanted, limit=limit
        )
    except sqlite3.Error:
        return []
