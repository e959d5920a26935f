"""The overview: pools, problems first, or the selected checks."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from aiohttp import web

from prober.model.status import Status
from prober.model.wording import counted
from prober.state.check_state import CheckState
from prober.state.pace import Pace
from prober.state.pool_watch import PoolSummary
from prober.state.store import Store
from prober.web.page.check_list import check_list
from prober.web.page.frame import alarms, answer, document, icon
from prober.web.page.html import NOTHING, Content, Html, tag
from prober.web.page.others import see_others
from prober.web.page.past_cache import PAST_CACHE
from prober.web.page.pool_table import fold_row, pool_band, pool_head, problem_row
from prober.web.page.pool_words import problems_of, trouble_words, word_of_pool
from prober.web.page.public_page import public_page
from prober.web.page.scene import Scene, scene_of
from prober.web.page.survey import ROWS, latency_of_all, worst_of
from prober.web.page.toolbar import glance, pages, reload_choice, reload_tag, search
from prober.web.page.view import DISABLED, PROBLEMS, RANK, PageView, read_view
from prober.web.server.services import services_of

SHOWN = (40, 12, 5)
"""Maximum checks shown of a pool with problems: if there is one such pool, if there are two or
three, and if there are more."""
_FEW = 3
SAMPLED = 8
"""Checks of a pool that are sampled for its latency."""


class _Shown(NamedTuple):
    """A pool and its checks that are not OK, worst first; at most `most` are shown."""

    summary: PoolSummary
    most: int

    @property
    def rows(self) -> int:
        """The number of rows."""
        return 2 + min(self.most, len(self.summary.problems))


async def get_page(request: web.Request) -> web.Response:
    """The status page: all pools, problems first, or the selected checks."""
    scene, view = scene_of(request), read_view(request)
    if scene.front.public:
        return await public_page(request, scene)
    if view.selects or not view.is_grouped:
        return await check_list(request, scene, view)
    watch, pace = services_of(request).pools, Pace()
    await watch.refresh()
    summaries = _sorted(list(watch), view)
    counts = counts_of(summaries)
    parts = _split(summaries)
    view = view._replace(page=min(view.page, len(parts)))
    shown = parts[view.page - 1] if parts else []
    pasts = await request.app[PAST_CACHE].of(each.summary.pool.name for each in shown)
    bodies, store = [], services_of(request).store
    found = [await problems_of(store, each.summary, pace) for each in shown]
    await see_others(request, _seen(store, shown, found))
    for each, problems in zip(shown, found, strict=True):
        name = each.summary.pool.name
        trouble = await trouble_words(each.summary, problems, pace)
        latency = latency_of_all(_sample(store, each.summary))
        band = pool_band(each.summary, trouble, scene, pasts.get(name), latency)
        rows = list[Html]()
        for state in problems[: each.most]:
            rows.append(problem_row(state, scene))
            await pace.pause()
        fold = fold_row(each.summary, problems[: each.most], scene)
        bodies.append(tag("tbody", band, rows, fold, data_key=f"pool {name}"))
        await pace.pause()
    return answer(
        document(
            scene,
            tag("h1", "Overview", class_="unseen"),
            alarms(scene.vitals),
            glance(counts, view, scene),
            search(view, scene),
            _balancers(summaries, scene),
            tag(
                "section",
                _table(scene, bodies, view, (len(parts), len(summaries))),
                id="checks",
                data_incomplete=len(pasts) < len(shown),
            ),
            heading=f"{headline(counts)} · {scene.title}",
            worst=worst_of(counts),
            refresh=reload_tag(view),
        )
    )


def _seen(
    store: Store, shown: Iterable[_Shown], found: Iterable[list[CheckState]]
) -> Iterator[CheckState]:
    """Yield the checks whose last results the page shows."""
    for each, problems in zip(shown, found, strict=True):
        yield from problems[: each.most]
        yield from _sample(store, each.summary)


def headline(counts: Counter[str]) -> str:
    """Return the number of checks with the worst status: `2 CRITICAL`, or `OK`."""
    worst = worst_of(counts)
    count = counts[worst]
    return f"{count} {worst}" if count and worst is not Status.OK else str(worst)


def counts_of(summaries: Sequence[PoolSummary]) -> Counter[str]:
    """Return how many checks there are of each status, and how many are disabled."""
    counts = Counter[str]()
    for summary in summaries:
        counts.update({str(status): count for status, count in summary.counts.items()})
        counts[DISABLED] += summary.disabled
    return counts


def _sorted(summaries: list[PoolSummary], view: PageView) -> list[PoolSummary]:
    def by_name(summary: PoolSummary) -> tuple[str, str]:
        return summary.pool.load_balancer, summary.pool.name

    def by_trouble(summary: PoolSummary) -> tuple[int, float]:
        out = summary.backends - summary.in_service
        return RANK[word_of_pool(summary)], -out / max(1, summary.backends)

    summaries.sort(key=by_name)
    if view.order == PROBLEMS:
        summaries.sort(key=by_trouble)
    return summaries[::-1] if view.sort.startswith("-") else summaries


def _split(summaries: Sequence[PoolSummary]) -> list[list[_Shown]]:
    """Return the pages: about ROWS rows each.

    The fewer pools have problems, the more checks of each are shown.
    """
    troubled = sum(bool(summary.problems) for summary in summaries)
    most = SHOWN[0] if troubled <= 1 else SHOWN[1] if troubled <= _FEW else SHOWN[2]
    parts, rows = list[list[_Shown]](), ROWS
    for summary in summaries:
        shown = _Shown(summary, most)
        if rows + shown.rows > ROWS:
            parts.append([])
            rows = 0
        parts[-1].append(shown)
        rows += shown.rows
    return parts


def _sample(store: Store, summary: PoolSummary) -> list[CheckState]:
    """Return a sample of the checks of a pool, evenly spread."""
    backends = summary.pool.backends
    step = max(1, len(backends) // SAMPLED)
    monitors = store.monitors_of(summary.pool)
    keys = [(each.name, backend.key) for backend in backends[::step] for each in monitors]
    return [state for key in keys[:SAMPLED] if (state := store.get(key))]


def _balancers(summaries: Sequence[PoolSummary], scene: Scene) -> Html:
    """Return the load balancers with their worst pool, if there are several."""
    worst: dict[str, str] = {}
    for summary in summaries:
        name, word = summary.pool.load_balancer, word_of_pool(summary)
        worst[name] = min(word, worst.get(name, word), key=RANK.__getitem__)
    if not 1 < len(worst) <= _MOST_BALANCERS:
        return NOTHING
    items = [
        tag(
            "li",
            tag(
                "a",
                icon(word),
                tag("span", f"{word} ", class_="unseen"),
                name,
                href=PageView(load_balancer=name).href(scene.root),
                class_="chip",
            ),
        )
        for name, word in sorted(worst.items())
    ]
    return tag("nav", tag("ul", items), class_="balancers", aria_label="Load balancers")


_MOST_BALANCERS = 24


def _table(scene: Scene, bodies: list[Html], view: PageView, found: tuple[int, int]) -> Content:
    if not bodies:
        return nothing_configured()
    order = "by name" if view.order == "name" else "problems first"
    caption = tag("caption", f"Pools, {order}", class_="unseen")
    table = tag("table", caption, pool_head(), bodies, class_="pools")
    last, total = found
    words = counted(f"{total:,}", "pool")
    return (
        tag("div", table, class_="wide"),
        pages(view, scene, words, last),
        reload_choice(view, scene),
    )


def nothing_configured() -> Content:
    """Return what to do if nothing is configured yet."""
    example = 'monitors:\n  - {name: web, type: HTTP, targets: ["192.0.2.10:80"]}'
    return tag(
        "div",
        tag("h2", "Nothing is probed yet"),
        tag("p", "Add a monitor to the configuration, for example"),
        tag("pre", tag("code", example)),
        tag(
            "p",
            "then validate it with ",
            tag("code", "prober check"),
            " and reload prober with ",
            tag("code", "SIGHUP"),
            ".",
        ),
        class_="empty",
    )
