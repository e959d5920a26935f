"""The page of all checks: how many there are of each status, a search, and the table."""

from aiohttp import web

from prober.model.status import Status
from prober.state.pace import Pace
from prober.web.page.frame import alarms, answer, document, icon
from prober.web.page.html import NOTHING, Content, Html, tag
from prober.web.page.scene import Scene, scene_of
from prober.web.page.survey import ROWS, Survey, last_page, sections, survey
from prober.web.page.table import body, head, places_of, row
from prober.web.page.view import DISABLED, REFRESH, PageView, read_view
from prober.web.server.services import services_of


async def get_page(request: web.Request) -> web.Response:
    """The status page: all checks, problems first."""
    scene, store, pace = scene_of(request), services_of(request).store, Pace()
    public = scene.front.public
    view = read_view(request)
    found = await survey(store, view, pace, addresses=not public)
    view = view._replace(page=min(view.page, last_page(len(found.found))))
    bodies = []
    for section in await sections(store, found.found, view, pace):
        places = places_of(section) if public else {}
        rows = []
        for state in section.checks:
            place = places.get(state.check.key, 0)
            rows.append(row(state, scene, place=place, with_pool=not view.is_grouped))
            await pace.pause()
        bodies.append(body(section, scene, rows, view))
        await pace.pause()
    return answer(
        document(
            scene,
            tag("h1", "Checks", class_="unseen"),
            alarms(scene.vitals) if not public else None,
            _glance(found, view, scene),
            _search(view, scene),
            _table(scene, found, view, bodies),
            heading=f"{_headline(found)} · {scene.title}",
            worst=found.worst,
            refresh=_refresh(view),
        )
    )


def _headline(found: Survey) -> str:
    """Say the worst that there is: `2 CRITICAL`, or `OK`."""
    count = found.counts[found.worst]
    return f"{count} {found.worst}" if count and found.worst is not Status.OK else str(found.worst)


def _glance(found: Survey, view: PageView, scene: Scene) -> Html:
    """Return the counts, which are links that select."""
    words = [*Status, *([DISABLED] if found.counts[DISABLED] or DISABLED in view.status else [])]
    items = [
        tag(
            "li",
            tag(
                "a",
                icon(word),
                tag("b", f"{found.counts[word]:,}"),
                tag("span", word),
                class_=f"count {word.lower()}",
                href=view.toggled(word).href(scene.root),
                aria_current="true" if word in view.status else None,
            ),
        )
        for word in words
    ]
    return tag("nav", tag("ul", items), id="glance", aria_label="Checks by status")


def _search(view: PageView, scene: Scene) -> Html:
    kept = [
        tag("input", type="hidden", name=name, value=value)
        for name, value in (
            *(("status", word) for word in sorted(view.status)),
            ("pool", view.pool),
            ("load_balancer", view.load_balancer),
            ("sort", "" if view.sort == PageView().sort else view.sort),
        )
        if value
    ]
    field = tag(
        "input",
        type="search",
        name="q",
        id="q",
        value=view.q,
        placeholder="Search",
        aria_label="Search checks",
        aria_keyshortcuts="/",
        autocomplete="off",
        spellcheck="false",
        maxlength="200",
    )
    chips = [
        tag("a", f"{name} {value}", tag("span", " ×", aria_hidden="true"), href=href, class_="chip")
        for name, value, href in (
            (
                "load balancer",
                view.load_balancer,
                view._replace(load_balancer="", page=1).href(scene.root),
            ),
            ("pool", view.pool, view._replace(pool="", page=1).href(scene.root)),
        )
        if value
    ]
    if view.selects:
        chips.append(
            tag("a", "Show all", href=PageView(sort=view.sort).href(scene.root), class_="chip")
        )
    form = tag(
        "form", kept, field, tag("button", "Search"), role="search", action=scene.root, method="get"
    )
    return tag("div", form, tag("p", chips, id="chips"), class_="tools")


def _table(scene: Scene, found: Survey, view: PageView, bodies: list[Html]) -> Html:
    total = len(found.found)
    if not bodies:
        nothing = (
            "No check is like that." if view.selects else "Nothing is configured to be probed."
        )
        return tag("section", tag("p", nothing, class_="empty"), id="checks")
    order = view.order if not view.is_grouped or view.order == "name" else "problems first"
    caption = tag("caption", f"Checks, {order}", class_="unseen")
    table = tag("table", caption, head(view, scene), bodies, class_="checks")
    wide = tag("div", table, class_="wide")
    return tag("section", wide, _pages(view, scene, total), _again(view, scene), id="checks")


def _pages(view: PageView, scene: Scene, total: int) -> Html:
    last = last_page(total)
    first_row = (view.page - 1) * ROWS + 1
    where = tag("span", f"{first_row:,}–{min(total, view.page * ROWS):,} of {total:,}")
    links: list[Content] = [
        tag("a", text, href=view._replace(page=page).href(scene.root), rel=rel)
        for text, page, rel, is_there in (
            ("First", 1, None, view.page > 2),
            ("Previous", view.page - 1, "prev", view.page > 1),
            ("Next", view.page + 1, "next", view.page < last),
            ("Last", last, None, view.page < last - 1),
        )
        if is_there
    ]
    sheet = tag("a", "CSV", href=view._replace(page=1).href(scene.to("status.csv")))
    return tag("nav", where, links, sheet, class_="pages", aria_label="Pages")


def _refresh(view: PageView) -> Html:
    if not view.refresh:
        return NOTHING
    again = tag("meta", http_equiv="refresh", content=str(view.refresh))
    return tag("noscript", again)


def _again(view: PageView, scene: Scene) -> Html:
    """Return what a reader without JavaScript needs: to say how often the page comes again."""
    choices = [
        tag("a", f"{seconds} s", href=view._replace(refresh=seconds).href(scene.root))
        for seconds in REFRESH
    ]
    if view.refresh:
        choices.append(tag("a", "never", href=view._replace(refresh=0).href(scene.root)))
    spaced = [(" ", each) for each in choices]
    return tag("noscript", tag("p", "Without JavaScript, load this page again every", spaced))
