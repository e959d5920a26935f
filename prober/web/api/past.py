"""The history of checks and older events, queried from the database in a thread."""

from typing import Any, NamedTuple

from aiohttp import web

from prober.model.kinds import in_units
from prober.model.wording import time_text
from prober.state.archive import DAY, Retention, Uptime
from prober.state.events import Event, EventFilter
from prober.state.shared_past import joined_slots
from prober.state.slots import HOUR, WIDTH
from prober.state.state_errors import StateUnreadableError
from prober.web.api.check_shapes import HISTORY, Extent, SlotAt
from prober.web.server.errors import Refused
from prober.web.server.query import Since, moment, normal_key, read_query, span
from prober.web.server.services import services_of

SLOTS = 300
"""Maximum number of slots in an answer without a `step`."""
MOST_SLOTS = 3000
"""Maximum number of slots in an answer."""
STEPS = (WIDTH, 600, 900, 1800, *(HOUR * hours for hours in (1, 2, 3, 4, 6, 8, 12)))

HISTORY_QUERY = (
    moment("from", "start of the range (RFC 3339); default: a day before `to`"),
    moment("to", "end of the range (RFC 3339); default: now"),
    span("step", "length of a slot: a multiple of 5m, or of 1h where slots are hourly"),
)


class Range(NamedTuple):
    """The requested slots; `start` and `end` are unix times and multiples of `step`."""

    start: int
    end: int
    step: int


async def get_history(request: web.Request) -> web.Response:
    """The history of one check in time slots, oldest first.

    This includes checks that are not configured any more, until their history expires. Slots start
    at multiples of the step in UTC. `not_running_seconds` is time without a record of the check.
    """
    query = read_query(request, *HISTORY_QUERY)
    key = request.match_info["monitor"], normal_key(request.match_info["backend"])
    history = services_of(request).history
    if history is None:
        raise Refused(409, "needs server.state_dir", code="no_history")
    if services_of(request).store.get(key) is None and not history.knows(key):
        raise Refused(404, f"there is no history of monitor {key[0]!r} and backend {key[1]!r}")
    now = services_of(request).wall()
    start, end, step = range_of(query, now, history.retention)
    try:
        slots = await history.slots(key, range(start, end, step))
    except StateUnreadableError as error:
        raise Refused(503, f"the history cannot be read: {error}") from None
    if others := services_of(request).others:
        slots = joined_slots(slots, await others.slots(key, range(start, end, step)))
    return await HISTORY.document(
        Extent(start, min(end, now), step), slots=(SlotAt(slot, step, now) for slot in slots)
    )


def range_of(query: dict[str, Any], now: float, retention: Retention) -> Range:
    """Return the requested range, or raise `Refused`."""
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
            f"parameter 'step': expected a multiple of 1h, because slots before {fine} are hourly, "
            f"got {in_units(step)}",
        )
    if end - start > MOST_SLOTS * step:
        raise Refused(400, f"parameter 'step': {in_units(step)} gives more than {MOST_SLOTS} slots")
    return Range(int(start // step) * step, -int(-end // step) * step, step)


def _step(seconds: float, least: int) -> int:
    """Return the smallest convenient step that gives few enough slots."""
    fitting = (step for step in STEPS if step >= least and seconds <= step * SLOTS)
    days = -int(-seconds // (SLOTS * DAY))
    return next(fitting, days * DAY)


async def uptime_of(request: web.Request, key: tuple[str, str]) -> dict[str, Uptime] | None:
    """Return the uptime of a check; None if there is no history or the disk cannot be read."""
    history = services_of(request).history
    if history is None:
        return None
    try:
        return await history.uptime(key)
    except StateUnreadableError:
        return None


async def older_events(
    request: web.Request,
    marker: int | None,
    start: Since | None,
    wanted: EventFilter,
    limit: int,
) -> list[Event]:
    """Return events that are no longer in memory, newest first."""
    history, first = services_of(request).history, services_of(request).store.events.first_id
    after = start.id if start and start.id is not None else 0
    before = first if marker is None else max(0, min(first, marker))
    if history is None or after + 1 >= before:
        return []
    since = start.at if start else None
    try:
        return await history.events(
            before=before, after=after, since=since, wanted=wanted, limit=limit
        )
    except StateUnreadableError:
        return []
