"""The page of events, newest first; related events are one line."""

import asyncio
from collections.abc import Sequence

from aiohttp import web

from prober.model.status import Reason, Status
from prober.state.events import Event
from prober.state.pace import Pace
from prober.state.store import Store
from prober.web.page.certificate_page import certificate_of
from prober.web.page.check_words import time_cell
from prober.web.page.event_view import SUBJECTS, TIMES, EventView, read_event_view
from prober.web.page.frame import answer, document, mark
from prober.web.page.grouping import EventGroup, group_words, grouped
from prober.web.page.html import Content, Html, tag
from prober.web.page.recent_events import recent_events
from prober.web.page.scene import Scene, private_scene
from prober.web.server.services import services_of

EVENTS = 1000
"""Maximum number of events on a page."""
MEMBERS = 50
"""Maximum number of events listed in a group."""
_WORDS = {
    "started": "started",
    "reload": "reloaded",
    "reload_rejected": "reload rejected",
    "stood_still": "stood still",
    "local_trouble": "own trouble",
    "local_trouble_over": "own trouble over",
    "overload_over": "overload over",
    "member_joined": "member joined",
    "member_left": "member left",
    "cluster_degraded": "cluster degraded",
    "cluster_restored": "cluster restored",
    "quarantine_over": "quarantine over",
}


async def get_event_page(request: web.Request) -> web.Response:
    """The page of events, newest first."""
    scene, view = private_scene(request), read_event_view(request)
    since = scene.now.wall - TIMES[view.last] if view.last else 0.0
    found = await recent_events(
        request, view.wanted, limit=EVENTS + 1, since=since, before=view.before or None
    )
    issuers = _issuers(found[:EVENTS], services_of(request).store)
    groups = await asyncio.to_thread(grouped, found[:EVENTS], issuers)
    older = found[EVENTS - 1].id if len(found) > EVENTS else None
    pools = list(services_of(request).store.pools)
    rows, pace = list[Html](), Pace()
    for group in groups:
        rows.append(_group(group, scene))
        await pace.pause()
    return answer(
        document(
            scene,
            tag("h1", "Events"),
            _filters(view, pools, scene),
            tag("ol", rows, class_="events") if rows else _nothing(view, scene),
            _more(view, older, scene),
            heading=f"Events · {scene.title}",
            worst=Status.OK,
        )
    )


def _issuers(events: Sequence[Event], store: Store) -> dict[int, str]:
    """Return the issuers of the certificates that events are about, by event id."""
    found: dict[int, str] = {}
    for event in events:
        if event.reason is Reason.EXPIRES_SOON and event.monitor and event.backend:
            state = store.get((event.monitor, event.backend))
            certificate = certificate_of(state) if state else None
            if certificate and certificate.issuer:
                found[event.id] = certificate.issuer
    return found


def _nothing(view: EventView, scene: Scene) -> Html:
    if view == EventView():
        words = "Nothing has happened yet. Status changes, reloads and restarts appear here."
        return tag("div", tag("p", words), class_="empty")
    link = tag("a", "Show all events", href=scene.to("events"))
    return tag("div", tag("p", "No event matches."), tag("p", link), class_="empty")


def _filters(view: EventView, pools: Sequence[str], scene: Scene) -> Html:
    kept = [
        tag("input", type="hidden", name=name, value=value)
        for name, value in (("monitor", view.monitor), ("backend", view.backend))
        if value
    ]
    clear = tag("a", "Show all", href=scene.to("events"), class_="chip")
    return tag(
        "form",
        kept,
        _select("about", "About", view.about, list(SUBJECTS), "everything"),
        _select("to", "Status", view.to, [str(status) for status in Status], "any status"),
        _select("pool", "Pool", view.pool, pools[:_MOST_POOLS], "all pools"),
        _select("last", "Time", view.last, list(TIMES), "all times"),
        tag("button", "Show"),
        clear if view != EventView() else None,
        method="get",
        action=scene.to("events"),
        class_="filters",
        data_filters=True,
    )


_MOST_POOLS = 500
"""Maximum number of pools in the drop-down list."""


def _select(name: str, label: str, chosen: str, words: Sequence[str], nothing: str) -> Html:
    listed = list(words) if not chosen or chosen in words else [chosen, *words]
    options = [
        tag("option", word or nothing, value=word, selected=word == chosen)
        for word in ("", *listed)
    ]
    return tag("label", tag("span", label), tag("select", options, name=name, id=f"by-{name}"))


def _more(view: EventView, older: int | None, scene: Scene) -> Html:
    links: list[Content] = []
    if view.before:
        newest = scene.to("events", query=view.query(before=0))
        links.append(tag("a", "Newest", href=newest, rel="first"))
    if older is not None:
        href = scene.to("events", query=view.query(before=older))
        links.append(tag("a", "Older", href=href, rel="next"))
    return tag("nav", links, class_="pages", aria_label="Pages")


def _group(group: EventGroup, scene: Scene) -> Html:
    first, last = group.events[0], group.events[-1]
    if group.is_single:
        return _single(first, scene)
    members = [_single(event, scene) for event in group.events[:MEMBERS]]
    more = len(group.events) - MEMBERS
    note = tag("p", f"and {more:,} more", class_="quiet") if more > 0 else None
    words = tag("b", group_words(group), class_="words")
    return tag(
        "li",
        tag(
            "details",
            tag(
                "summary",
                tag("span", time_cell(last.at, scene.now.wall), class_="when"),
                tag("span", mark(str(group.after)) if group.after else None, class_="change"),
                words,
            ),
            tag("ol", members),
            note,
        ),
        class_=f"group {str(group.after).lower()}",
        data_key=str(last.id),
    )


def _single(event: Event, scene: Scene) -> Html:
    return tag(
        "li",
        tag("span", time_cell(event.at, scene.now.wall), class_="when"),
        tag("span", _change(event), class_="change"),
        tag("span", _subject(event, scene), tag("span", event.cause, class_="cause")),
        class_=f"event {str(event.after or 'own').lower()}",
        data_key=str(event.id),
    )


def _change(event: Event) -> Content:
    if event.after is None:
        return tag("span", _WORDS.get(event.kind) or event.kind.replace("_", " "), class_="own")
    return mark(event.before or Status.UNKNOWN), " → ", mark(event.after)


def _subject(event: Event, scene: Scene) -> Content:
    """Return the subject of an event, with a link to it."""
    if event.monitor and event.backend:
        href = scene.to_check(event.monitor, event.backend)
        return tag("a", event.monitor, href=href), " ", tag("code", event.backend), " "
    if event.pool:
        return tag("a", f"pool {event.pool}", href=scene.to("pools", event.pool)), " "
    return (tag("b", event.monitor), " ") if event.monitor else None
