"""The page of a pool: its backends by monitors, its history, and its gate."""

from collections.abc import Sequence
from urllib.parse import quote

from aiohttp import web

from prober.model.kinds import in_units
from prober.model.monitor import Monitor
from prober.model.pool import Pool
from prober.state.check_state import BackendState
from prober.state.events import POOL_STATUS, EventFilter
from prober.state.history import pool_key
from prober.state.pace import Pace
from prober.state.pool_watch import PoolSummary
from prober.web.page.admin_form import FormTarget, admin_section
from prober.web.page.check_words import ago
from prober.web.page.frame import answer, document, mark
from prober.web.page.html import NOTHING, Content, Html, scrolled, tag
from prober.web.page.matrix import matrix
from prober.web.page.others import see_others
from prober.web.page.output_table import outputs_of_pool
from prober.web.page.past_section import Subject, past_section
from prober.web.page.pool_words import (
    problems_of,
    service_words,
    trouble_words,
    word_of_pool,
)
from prober.web.page.scene import Scene, private_scene
from prober.web.page.survey import ROWS
from prober.web.page.view import RANK, PageView, read_view
from prober.web.server.errors import Refused
from prober.web.server.public_address import public_address
from prober.web.server.services import services_of


async def get_pool_page(request: web.Request) -> web.Response:
    """The page of one pool."""
    scene, name = private_scene(request), request.match_info["name"]
    store, watch = services_of(request).store, services_of(request).pools
    await watch.refresh()
    pool, summary = store.pools.get(name), watch.get(name)
    if pool is None or summary is None:
        raise Refused(404, f"there is no pool {name!r}")
    backends, pace = list[BackendState](), Pace()
    for backend in store.backend_states(pool):
        backends.append(backend)
        await pace.pause()
    monitors = store.monitors_of(pool)
    backends.sort(key=lambda backend: RANK[backend.status])
    page = min(read_view(request).page, max(1, -(-len(backends) // ROWS)))
    shown = backends[(page - 1) * ROWS : page * ROWS]
    await see_others(request, (state for each in shown for state in each.checks))
    changes = EventFilter(kind=frozenset({POOL_STATUS}), pool=frozenset({name}))
    past = await past_section(
        request, scene, Subject(pool_key(name), changes, f"history of pool {name}")
    )
    word = word_of_pool(summary)
    trouble = await trouble_words(summary, await problems_of(store, summary, pace), pace)
    return answer(
        document(
            scene,
            _headline(summary, scene, trouble),
            _backends(shown, len(backends), monitors, scene, page),
            past,
            admin_section(request, FormTarget(pool, scene.to("pools", pool.name, "admin")), scene),
            outputs_of_pool(scene.vitals, name, scene),
            _monitors(monitors),
            _outside(pool, request, scene),
            heading=f"{word} · {name} · {scene.title}",
            worst=summary.status,
        )
    )


def _headline(summary: PoolSummary, scene: Scene, trouble: str) -> Html:
    pool = summary.pool
    balancer = PageView(load_balancer=pool.load_balancer).href(scene.root)
    return tag(
        "div",
        tag(
            "div",
            tag(
                "p",
                tag("a", "Overview", href=scene.root),
                tag("span", " / ", class_="quiet"),
                tag("a", pool.load_balancer, href=balancer),
            ),
            tag("h1", mark(word_of_pool(summary)), " ", pool.name),
            tag(
                "p",
                tag("b", service_words(summary)),
                f" · {trouble}" if trouble else None,
                " · for ",
                ago(summary.since, scene.now.wall),
            ),
        ),
        class_="headline",
    )


def _backends(
    shown: Sequence[BackendState],
    total: int,
    monitors: Sequence[Monitor],
    scene: Scene,
    page: int,
) -> Html:
    """Return a page of the backends of a pool, which has `total` of them."""
    if not shown:
        words = "This pool has no backends. Add some to its configuration."
        return tag("section", tag("p", words, class_="empty"))
    if not monitors:
        words = "No monitor probes this pool. Add a monitor for it."
        return tag("section", tag("p", words, class_="empty"))
    last, first = -(-total // ROWS), (page - 1) * ROWS
    caption = tag("caption", "Backends by monitors, problems first", class_="unseen")
    table = tag("table", caption, matrix(shown, monitors, scene), class_="matrix")
    where = f"{first + 1:,}–{first + len(shown):,} of {total:,}"
    links = [
        tag("a", text, href=f"?page={number}", rel=rel)
        for text, number, rel in (("Previous", page - 1, "prev"), ("Next", page + 1, "next"))
        if 1 <= number <= last
    ]
    pages = tag("nav", tag("span", where), links, class_="pages", aria_label="Pages")
    framed = scrolled(table, "Backends")
    return tag("section", tag("h2", "Backends"), framed, pages if last > 1 else None)


def _monitors(monitors: Sequence[Monitor]) -> Html:
    if not monitors:
        return NOTHING
    rows = [
        tag(
            "tr",
            tag("th", monitor.name, scope="row"),
            tag("td", monitor.type),
            tag("td", in_units(monitor.interval)),
            tag("td", in_units(monitor.timeout)),
            tag("td", f"{monitor.rise} / {monitor.fall}"),
            tag("td", "yes" if monitor.enabled else "disabled"),
        )
        for monitor in monitors
    ]
    heads = ["Monitor", "Type", "Every", "Timeout", "Rise / fall", "Enabled"]
    table = tag(
        "table",
        tag("thead", tag("tr", [tag("th", text, scope="col") for text in heads])),
        tag("tbody", rows),
        class_="plain",
    )
    return tag("section", tag("h2", "Monitors"), scrolled(table, "Monitors"))


def _outside(pool: Pool, request: web.Request, scene: Scene) -> Html:
    """Return the URLs that other programs can use."""
    address, name = public_address(request), quote(pool.name, safe="")
    entries = [
        (
            "Gate",
            f"{address}health/pools/{name}",
            "200 as long as a backend is in service, else 503",
        ),
        ("Badge", f"{address}badge/pool/{name}.svg", "the status as an image"),
        ("API", f"{address}api/v1/pools/{name}", "the pool as JSON"),
    ]
    rows: list[Content] = [
        tag(
            "div",
            tag("dt", text),
            tag(
                "dd",
                tag("code", url),
                tag(
                    "button",
                    "Copy",
                    type="button",
                    class_="scripted copy",
                    hidden=True,
                    data_copy=url,
                    aria_label=f"Copy the URL: {text}",
                ),
                tag("small", meaning),
            ),
        )
        for text, url, meaning in entries
    ]
    events = scene.to("events", query=[("pool", pool.name)])
    return tag(
        "section",
        tag("h2", "For others"),
        tag("dl", rows, class_="urls"),
        tag("p", tag("a", "Events of this pool", href=events)),
    )
