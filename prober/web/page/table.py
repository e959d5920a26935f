"""The table of checks: one row each, grouped by pool."""

from prober.state.store import CheckState
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
_HIDDEN_IN_PUBLIC = frozenset({"certificate", "interval", "next"})


def places_of(section: Section) -> dict[tuple[str, str], int]:
    """Return the number that each backend has in its pool, by the keys of the checks."""
    numbers: dict[str, dict[str, int]] = {}
    for check in (state.check for state in section.checks):
        if check.pool.name not in numbers:
            keys = (backend.key for backend in check.pool.backends)
            numbers[check.pool.name] = {key: place for place, key in enumerate(keys, 1)}
    return {
        state.check.key: numbers[state.check.pool.name][state.check.key[1]]
        for state in section.checks
    }


def head(view: PageView, scene: Scene) -> Html:
    """Return the heading of the table, whose links sort it."""
    cells = []
    for name, text, sort in _COLUMNS:
        if scene.front.public and name in _HIDDEN_IN_PUBLIC:
            continue
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
    """Return a section of the table around its rows."""
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
        colspan=str(len(_COLUMNS) - len(_HIDDEN_IN_PUBLIC) * scene.front.public),
        scope="rowgroup",
    )
    key = f"{pool.load_balancer} / {pool.name}"
    return tag("tbody", tag("tr", heading, class_="group"), rows, data_key=key)


def row(state: CheckState, scene: Scene, *, place: int, with_pool: bool) -> Html:
    """Return the row of a check.

    Args:
        state: The check.
        scene: What it is shown in.
        place: The number of the backend in its pool, which names it in public.
        with_pool: Whether the row says which pool it is of.
    """
    public, now = scene.front.public, scene.now
    word = word_of(state)
    last = last_words(state, public=public)
    cells: dict[str, Content] = {
        "state": (mark(word), None if public else tag("small", progress_words(state))),
        "check": (_name(state, scene, place, with_pool=with_pool), tag("small", last)),
        "last": last,
        "past": bar(state.recent, public=public),
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
        if not (public and name in _HIDDEN_IN_PUBLIC)
    ]
    monitor, backend = state.check.key
    key = f"{monitor} {place if public else backend}"
    return tag("tr", shown, class_=word.lower(), data_key=key, data_status=word)


def _name(state: CheckState, scene: Scene, place: int, *, with_pool: bool) -> Content:
    check = state.check
    monitor, address = check.key
    name = check.backend.name
    if scene.front.public:
        return tag("b", monitor), tag("span", name or f"backend {place}", class_="backend")
    pool = f"{check.pool.load_balancer} / {check.pool.name}"
    return (
        tag("a", monitor, href=scene.to_check(monitor, address)),
        tag("span", check.monitor.type, class_="type"),
        tag("span", tag("code", address), f" {name}" if name else None, class_="backend"),
        tag("span", pool, class_="backend") if with_pool else None,
    )
