"""The controls around the lists: counts that filter, search, page links."""

from collections import Counter

from prober.model.status import Status
from prober.web.page.frame import icon
from prober.web.page.html import NOTHING, Content, Html, tag
from prober.web.page.scene import Scene
from prober.web.page.view import DISABLED, REFRESH, SORTS, PageView

_SORT_WORDS = {
    "problems": "problems first",
    "name": "name",
    "since": "last change",
    "latency": "latency",
    "certificate": "certificate",
}


def glance(counts: Counter[str], view: PageView, scene: Scene) -> Html:
    """Return the counts of all checks, as links that filter."""
    words = [*Status, *([DISABLED] if counts[DISABLED] or DISABLED in view.status else [])]
    items = [
        tag(
            "li",
            tag(
                "a",
                icon(word),
                tag("b", f"{counts[word]:,}"),
                tag("span", word),
                class_=f"count {word.lower()}{'' if counts[word] else ' zero'}",
                href=view.toggled(word).href(scene.root),
                aria_current="true" if word in view.status else None,
            ),
        )
        for word in words
    ]
    return tag("nav", tag("ul", items), id="glance", aria_label="Checks by status")


def search(view: PageView, scene: Scene) -> Html:
    """Return the search field, the other filters, and the orders."""
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
        placeholder="Search checks",
        aria_label="Search checks",
        aria_keyshortcuts="/",
        autocomplete="off",
        spellcheck="false",
        maxlength="200",
    )
    form = tag(
        "form", kept, field, tag("button", "Search"), role="search", action=scene.root, method="get"
    )
    return tag(
        "div", form, tag("p", _chips(view, scene), id="chips"), _orders(view, scene), class_="tools"
    )


def _chips(view: PageView, scene: Scene) -> list[Html]:
    without_balancer = view._replace(load_balancer="", page=1)
    chips = [
        tag("a", f"{name} {value}", tag("span", " ×", aria_hidden="true"), href=href, class_="chip")
        for name, value, href in (
            ("load balancer", view.load_balancer, without_balancer.href(scene.root)),
            ("pool", view.pool, view._replace(pool="", page=1).href(scene.root)),
        )
        if value
    ]
    if view.selects:
        everything = PageView(sort=view.sort).href(scene.root)
        chips.append(tag("a", "Show all", href=everything, class_="chip"))
    return chips


def _orders(view: PageView, scene: Scene) -> Html:
    links = [
        tag(
            "a",
            _SORT_WORDS[order],
            href=view._replace(sort=order, page=1).href(scene.root),
            aria_current="true" if view.order == order else None,
        )
        for order in SORTS
    ]
    return tag("nav", tag("span", "Order"), links, class_="orders", aria_label="Order")


def pages(view: PageView, scene: Scene, words: str, last: int) -> Html:
    """Return the links to the other pages; `words` describe the current one."""
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
    where = f"{words}, page {view.page:,} of {last:,}" if last > 1 else words
    sheet = tag("a", "CSV", href=view._replace(page=1).href(scene.to("status.csv")))
    return tag("nav", tag("span", where), links, sheet, class_="pages", aria_label="Pages")


def reload_tag(view: PageView) -> Html:
    """Return the element that reloads a page without JavaScript, if requested."""
    if not view.refresh:
        return NOTHING
    again = tag("meta", http_equiv="refresh", content=str(view.refresh))
    return tag("noscript", again)


def reload_choice(view: PageView, scene: Scene) -> Html:
    """Return the choice of a reload interval for readers without JavaScript."""
    choices = [
        tag("a", f"{seconds} s", href=view._replace(refresh=seconds).href(scene.root))
        for seconds in REFRESH
    ]
    if view.refresh:
        choices.append(tag("a", "never", href=view._replace(refresh=0).href(scene.root)))
    spaced = [(" ", each) for each in choices]
    return tag("noscript", tag("p", "Without JavaScript, load this page again every", spaced))
