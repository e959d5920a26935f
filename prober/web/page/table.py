"""The table of checks: one row each, grouped by pool."""

from prober.state.check_state import CheckState
from prober.web.page.bar import bar
from prober.web.page.check_words import (
    ago,
    certificate_words,
    interval_words,
    last_words,
    latency_words,
    next_words,
    progress_words,
)
from prober.web.page.frame import mark
from prober.web.page.html import Content, Html, tag
from prober.web.page.scene import Scene
from prober.web.page.survey import Section
from prober.web.page.view import PageView, word_of

_COLUMNS = (
    ("state", "Status", "problems"),
    ("check", "Check", "name"),
    ("last", "Last result", ""),
    ("past", "Last 60", ""),
    ("since", "Since", "since"),
    ("latency", "p50 / p95", "latency"),
    ("certificate", "Certificate", "certificate"),
    ("interval", "Every", ""),
    ("next", "Next", ""),
)


def head(view: PageView, scene: Scene) -> Html:
    """Return the heading of the table, whose links sort it."""
    cells = []
    for name, text, sort in _COLUMNS:
        if not sort:
            cells.append(tag("th", text, scope="col", class_=name))
            continue
        is_sorted, is_reversed = view.order == sort, view.sort.startswith("-")
        wanted = f"-{sort}" if is_sorted and not is_reversed else sort
        order = "descending" if is_reversed else "ascending"
        link = tag("a", text, href=view._replace(sort=wanted, page=1).href(scene.root))
        cells.append(
            tag("th", link, scope="col", class_=name, aria_sort=order if is_sorted else None)
        )
    return tag("thead", tag("tr", cells))


def body(section: Section, scene: Scene, rows: list[Html], view: PageView) -> Html:
    """Return a section of the table with its rows."""
    if section.pool is None or section.status is None:
        return tag("tbody", rows)
    pool = section.pool
    everything = PageView(sort=view.sort)
    heading = tag(
        "th",
        tag(
            "a",
            pool.load_balancer,
            href=everything._replace(load_balancer=pool.load_balancer).href(scene.root),
        ),
        tag("span", " / ", class_="quiet"),
        tag("a", pool.name, href=everything._replace(pool=pool.name).href(scene.root)),
        mark(section.status),
        colspan=str(len(_COLUMNS)),
        scope="rowgroup",
    )
    key = f"{pool.load_balancer} / {pool.name}"
    return tag("tbody", tag("tr", heading, class_="group"), rows, data_key=key)


def row(state: CheckState, scene: Scene, *, with_pool: bool) -> Html:
    """Return the row of a check; `with_pool`: with the name of its pool."""
    now, word, last = scene.now, word_of(state), last_words(state)
    cells: dict[str, Content] = {
        "state": (mark(word), tag("small", progress_words(state))),
        "check": (_name(state, scene, with_pool=with_pool), tag("small", last)),
        "last": last,
        "past": bar(state.recent),
        "since": ago(state.since, now.wall),
        "latency": latency_words(state),
        "certificate": certificate_words(state, now.wall),
        "interval": interval_words(state),
        "next": next_words(state, now),
    }
    shown = [
        tag(
            "th" if name == "check" else "td",
            cell,
            class_=name,
            scope="row" if name == "check" else None,
        )
        for name, cell in cells.items()
    ]
    monitor, backend = state.check.key
    return tag("tr", shown, class_=word.lower(), data_key=f"{monitor} {backend}", data_status=word)


def _name(state: CheckState, scene: Scene, *, with_pool: bool) -> Content:
    check = state.check
    monitor, address = check.key
    name = check.backend.name
    pool = f"{check.pool.load_balancer} / {check.pool.name}"
    return (
        tag("a", monitor, href=scene.to_check(monitor, address)),
        tag("span", check.monitor.type, class_="type"),
        tag("span", tag("code", address), f" {name}" if name else None, class_="backend"),
        tag("span", pool, class_="backend") if with_pool else None,
    )
