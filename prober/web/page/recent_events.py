"""Events for a page: those in memory, and older ones from the history."""

from aiohttp import web

from prober.state.events import Event, EventFilter
from prober.state.pace import Pace
from prober.web.api.past import older_events
from prober.web.server.query import Since
from prober.web.server.services import services_of


async def recent_events(
    request: web.Request,
    wanted: EventFilter,
    *,
    limit: int,
    since: float = 0.0,
    before: int | None = None,
) -> list[Event]:
    """Return events, newest first.

    Args:
        request: The request for the page.
        wanted: Selects events.
        limit: Maximum number of events.
        since: A unix time; older ones are left out.
        before: An id; this one and later ones are left out.
    """
    pace, found = Pace(), list[Event]()
    for event in tuple(services_of(request).store.events.newest_first(before)):
        if event.at < since:
            return found
        if wanted.allows(event):
            found.append(event)
            if len(found) == limit:
                return found
        await pace.pause()
    start = Since(at=since, id=None)
    return found + await older_events(request, before, start, wanted, limit - len(found))
