"""The feed of status changes of services, and of notices.

Source: RFC 4287 (the Atom syndication format).
"""

from aiohttp import web

from prober.model.wording import time_text
from prober.state.events import POOL_STATUS, EventFilter
from prober.web.page.html import Html, tag
from prober.web.page.recent_events import recent_events
from prober.web.page.scene import scene_of
from prober.web.server.noticeboard import PostedNotice, posted_notices, shown_notices
from prober.web.server.public_address import public_address

ENTRIES = 100
"""Maximum number of entries of the feed."""


async def get_feed(request: web.Request) -> web.Response:
    """Status changes of services and notices, as an Atom feed."""
    scene, address = scene_of(request), public_address(request)
    wanted = EventFilter(kind=frozenset({POOL_STATUS}))
    events = await recent_events(request, wanted, limit=ENTRIES)
    entries = [
        _entry(
            f"{address}#event-{event.id}",
            f"{event.pool}: {event.before} to {event.after}",
            event.at,
            "" if scene.front.public else event.cause,
            address,
        )
        for event in events
    ]
    started = scene.vitals.started_at
    posted = shown_notices(posted_notices(request), scene.now.wall)
    notices = [
        _entry(
            f"{address}#notice-{each.identity}",
            f"{each.notice.severity.capitalize()}: {each.notice.text[:100]}",
            _shown_from(each, started),
            each.notice.text,
            address,
        )
        for each in posted
    ]
    times = [event.at for event in events] + [_shown_from(each, started) for each in posted]
    newest = max(times, default=started)
    feed = tag(
        "feed",
        tag("id", f"{address}feed.atom"),
        tag("title", scene.title),
        tag("updated", time_text(newest)),
        _link(rel="self", href=f"{address}feed.atom"),
        tag("author", tag("name", scene.title)),
        notices,
        entries,
        xmlns="http://www.w3.org/2005/Atom",
    )
    body = f'<?xml version="1.0" encoding="utf-8"?>\n{feed}'.encode(errors="replace")
    return web.Response(body=body, content_type="application/atom+xml", charset="utf-8")


def _shown_from(posted: PostedNotice, started: float) -> float:
    """Return the unix time from which a notice is shown; by default `started`."""
    times = [at for at in (posted.notice.begins, posted.at) if at is not None]
    return max(times, default=started)


def _entry(identity: str, title: str, at: float, text: str, address: str) -> Html:
    return tag(
        "entry",
        tag("id", identity),
        tag("title", title),
        tag("updated", time_text(at)),
        _link(href=address),
        tag("content", text or title, type="text"),
    )


def _link(**attributes: str) -> Html:
    """Return a link, closed as XML requires."""
    return Html(f"{tag('link', **attributes)[:-1]}/>")
