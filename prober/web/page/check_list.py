"""The selected checks as a table: by pool, or in another order."""

from aiohttp import web

from prober.state.pace import Pace
from prober.web.page.frame import alarms, answer, document
from prober.web.page.html import Html, tag
from prober.web.page.others import see_others
from prober.web.page.scene import Scene
from prober.web.page.survey import ROWS, Survey, last_page, sections, survey, worst_of
from prober.web.page.table import body, head, row
from prober.web.page.toolbar import glance, pages, reload_choice, reload_tag, search
from prober.web.page.view import PageView
from prober.web.server.services import services_of


async def check_list(request: web.Request, scene: Scene, view: PageView) -> web.Response:
    """Answer with the checks that a view selects."""
    store, pace = services_of(request).store, Pace()
    found = await survey(store, view, pace)
    view = view._replace(page=min(view.page, last_page(len(found.found))))
    shown = await sections(store, found.found, view, pace)
    await see_others(request, (state for section in shown for state in section.checks))
    bodies = []
    for section in shown:
        rows = []
        for state in section.checks:
            rows.append(row(state, scene, with_pool=not view.is_grouped))
            await pace.pause()
        bodies.append(body(section, scene, rows, view))
        await pace.pause()
    worst = worst_of(found.counts)
    count = found.counts[worst]
    words = f"{count} {worst}" if count and worst != "OK" else str(worst)
    return answer(
        document(
            scene,
            tag("h1", "Checks", class_="unseen"),
            alarms(scene.vitals),
            glance(found.counts, view, scene),
            search(view, scene),
            _table(scene, found, view, bodies),
            heading=f"{words} · {scene.title}",
            worst=worst,
            refresh=reload_tag(view),
        )
    )


def _table(scene: Scene, found: Survey, view: PageView, bodies: list[Html]) -> Html:
    total = len(found.found)
    if not bodies:
        return tag("section", tag("p", _nothing(view, found), class_="empty"), id="checks")
    order = view.order if not view.is_grouped or view.order == "name" else "problems first"
    caption = tag("caption", f"Checks, {order}", class_="unseen")
    table = tag("table", caption, head(view, scene), bodies, class_="checks")
    first_row = (view.page - 1) * ROWS + 1
    words = f"{first_row:,}–{min(total, view.page * ROWS):,} of {total:,}"
    return tag(
        "section",
        tag("div", table, class_="wide"),
        pages(view, scene, words, last_page(total)),
        reload_choice(view, scene),
        id="checks",
    )


def _nothing(view: PageView, found: Survey) -> str:
    if not found.counts.total():
        return "Nothing is configured to be probed."
    if view.status and not (view.q or view.pool or view.load_balancer):
        return f"No check is {' or '.join(sorted(view.status))}."
    return "No check matches."
