"""The public page: pools as services, by name, with their last 90 days."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from aiohttp import web

from prober.model.status import Status
from prober.state.pool_watch import PoolSummary
from prober.web.page.check_words import NONE, ago, share_words, time_cell
from prober.web.page.frame import answer, document, mark
from prober.web.page.html import NOTHING, Content, Html, tag
from prober.web.page.past_cache import DAYS, LONG_PAST, LongPast
from prober.web.page.pool_words import word_of_pool
from prober.web.page.scene import Scene
from prober.web.page.strip import cells_of, strip
from prober.web.page.view import RANK
from prober.web.server.noticeboard import PostedNotice, posted_notices, shown_notices
from prober.web.server.services import services_of

_SENTENCES = {
    Status.OK: "All services are up",
    Status.WARNING: "Some services are impaired",
    Status.CRITICAL: "Some services are down",
    Status.UNKNOWN: "The status of some services is unknown",
}


async def public_page(request: web.Request, scene: Scene) -> web.Response:
    """Respond with the public page."""
    services = services_of(request)
    await services.pools.refresh()
    summaries = [each for each in services.pools if word_of_pool(each) in Status.__members__]
    summaries.sort(key=lambda each: (each.pool.load_balancer, each.pool.name))
    pasts = await request.app[LONG_PAST].of(each.pool.name for each in summaries)
    worst = min((each.status for each in summaries), key=RANK.__getitem__, default=Status.UNKNOWN)
    groups = [
        _group(name, list(members), pasts, scene)
        for name, members in groupby(summaries, key=lambda each: each.pool.load_balancer)
    ]
    return answer(
        document(
            scene,
            tag("h1", mark(worst), " ", _SENTENCES[worst], class_="verdict"),
            _notices(posted_notices(request), scene),
            groups or tag("p", "There are no services yet.", class_="empty"),
            tag("p", tag("a", "Feed (Atom)", href=scene.to("feed.atom")), class_="pages"),
            heading=f"{_SENTENCES[worst]} · {scene.title}",
            worst=worst,
        )
    )


def _notices(posted: Sequence[PostedNotice], scene: Scene) -> Content:
    now = scene.now.wall
    return [
        tag(
            "p",
            tag("strong", f"{notice.severity.capitalize()}: "),
            notice.text,
            tag("small", " until ", time_cell(notice.ends, now)) if notice.ends else None,
            class_=f"notice {notice.severity}",
        )
        for notice in (each.notice for each in shown_notices(posted, now))
    ]


def _group(
    name: str, members: Sequence[PoolSummary], pasts: Mapping[str, LongPast], scene: Scene
) -> Html:
    rows = [_service(summary, pasts.get(summary.pool.name), scene) for summary in members]
    incomplete = any(summary.pool.name not in pasts for summary in members)
    heading = tag("h2", name) if name != "default" else NOTHING
    return tag(
        "section",
        heading,
        tag("ul", rows, class_="services"),
        data_incomplete=incomplete,
    )


def _service(summary: PoolSummary, past: LongPast | None, scene: Scene) -> Html:
    word, name = word_of_pool(summary), summary.pool.name
    known = past is not None and past.uptime.share is not None
    share = share_words(past.uptime.share) if past is not None and known else NONE
    drawn: Content = NOTHING
    if past is not None:
        cells = cells_of(past.times, past.statuses, scene.now.wall)
        drawn = strip(cells, what=f"last {DAYS} days of {name}", form="day")
    return tag(
        "li",
        tag("b", name, class_="name"),
        tag("span", mark(word), tag("small", " for ", ago(summary.since, scene.now.wall))),
        drawn,
        tag("small", f"{DAYS} days ago", class_="from"),
        tag("small", f"{share} uptime", class_="share"),
        tag("small", "today", class_="to"),
        class_=word.lower(),
        data_key=name,
        data_status=word,
    )
