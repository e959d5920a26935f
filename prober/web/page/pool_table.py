"""The table of pools: one row each, and below it the checks that are not OK."""

from collections.abc import Sequence

from prober.model.wording import took
from prober.state.archive import DAY, Uptime
from prober.state.check_state import CheckState
from prober.state.pool_watch import PoolSummary
from prober.web.page.bar import bar
from prober.web.page.check_words import (
    NONE,
    ago,
    last_words,
    latency_words,
    progress_words,
    share_words,
)
from prober.web.page.frame import mark
from prober.web.page.html import NOTHING, Content, Html, tag
from prober.web.page.past_cache import RecentPast
from prober.web.page.pool_words import service_words, word_of_pool
from prober.web.page.scene import Scene
from prober.web.page.spark import spark
from prober.web.page.strip import cells_of, strip
from prober.web.page.survey import Latency
from prober.web.page.view import RANK, PageView, word_of

_GOOD, _FAIR = 0.999, 0.99
"""Uptimes from which they count as good, or as fair."""
_COLUMNS = (
    ("state", "Status"),
    ("check", "Pool"),
    ("last", "What"),
    ("past", "Last 24 h"),
    ("latency", "p50 / p95"),
    ("uptime", "Uptime 24 h / 30 d"),
)


def pool_head() -> Html:
    """Return the heading of the table."""
    cells = [tag("th", text, scope="col", class_=name) for name, text in _COLUMNS]
    return tag("thead", tag("tr", cells))


def pool_band(
    summary: PoolSummary,
    trouble: str,
    scene: Scene,
    past: RecentPast | None,
    latency: Latency | None,
) -> Html:
    """Return the row of a pool.

    Args:
        summary: Its status.
        trouble: What is wrong in it, in words.
        scene: The context of the page.
        past: Its history; None: not read yet.
        latency: Its latency; None: no probe was good.
    """
    pool, word = summary.pool, word_of_pool(summary)
    balancer = PageView(load_balancer=pool.load_balancer).href(scene.root)
    name = (
        tag("a", pool.name, href=scene.to("pools", pool.name), class_="name"),
        tag("span", service_words(summary), class_="service"),
        tag("a", pool.load_balancer, href=balancer, class_="balancer"),
    )
    cells: dict[str, Content] = {
        "state": (mark(word), tag("small", ago(summary.since, scene.now.wall))),
        "check": name,
        "last": trouble,
        "past": _strip(pool.name, scene, past),
        "latency": (_latency(latency), _spark(past)),
        "uptime": _uptimes(past),
    }
    row = _row(cells, "check")
    return tag("tr", row, class_=f"band {word.lower()}", data_key=_key(pool.name), data_status=word)


def problem_row(state: CheckState, scene: Scene) -> Html:
    """Return the row of a check that is not OK."""
    monitor, address = state.check.key
    backend = state.check.backend.name
    word, last = word_of(state), last_words(state)
    since = ago(state.since, scene.now.wall)
    progress = progress_words(state)
    name = (
        tag("a", backend or address, href=scene.to_check(monitor, address)),
        tag("span", tag("code", address) if backend else None, " ", monitor, class_="backend"),
    )
    cells: dict[str, Content] = {
        "state": (mark(word), tag("small", since, f" · {progress}" if progress else None)),
        "check": name,
        "last": last,
        "past": bar(state.recent),
        "latency": latency_words(state),
        "uptime": None,
    }
    key = f"{monitor} {address}"
    return tag("tr", _row(cells, "check"), class_=word.lower(), data_key=key, data_status=word)


def fold_row(summary: PoolSummary, shown: Sequence[CheckState], scene: Scene) -> Html:
    """Return the row for the checks of a pool that are not shown."""
    hidden = dict(summary.counts)
    for state in shown:
        hidden[state.status] -= 1
    words: list[tuple[str, int]] = [
        (status, hidden[status]) for status in sorted(hidden, key=RANK.__getitem__)
    ]
    words.append(("disabled", summary.disabled))
    listed = [f"{count:,} {word}" for word, count in words if count]
    if not listed or not shown:
        return NOTHING
    link = tag("a", f"and {', '.join(listed)}", href=scene.to("pools", summary.pool.name))
    cell = tag("td", link, colspan=len(_COLUMNS))
    return tag("tr", cell, class_="fold")


def _row(cells: dict[str, Content], head: str) -> list[Html]:
    def cell_of(name: str, cell: Content) -> Html:
        if name == head:
            return tag("th", cell, class_=name, scope="row")
        return tag("td", cell, class_=name)

    return [cell_of(name, cell) for name, cell in cells.items()]


def _key(pool: str) -> str:
    return f"pool {pool}"


def _strip(name: str, scene: Scene, past: RecentPast | None) -> Content:
    if past is None:
        return NOTHING
    cells = cells_of(past.times, past.statuses, scene.now.wall)
    return strip(cells, what=f"last 24 hours of {name}")


def _spark(past: RecentPast | None) -> Content:
    return spark(past.hours) if past is not None else NOTHING


def _latency(latency: Latency | None) -> str:
    return f"{took(latency.p50)} / {took(latency.p95)}" if latency else NONE


def _uptimes(past: RecentPast | None) -> Content:
    if past is None:
        return NOTHING
    if past.day.share is None:
        return tag("span", NONE, class_="quiet")
    slash = tag("span", " / ", class_="quiet")
    return _uptime(past.day, None), slash, _uptime(past.month, past.day)


def _uptime(uptime: Uptime, shorter: Uptime | None) -> Html:
    """Return an uptime, or nothing if it covers no more than a shorter one."""
    if uptime.share is None or (shorter is not None and uptime.known <= max(DAY, shorter.known)):
        return tag("span", NONE, class_="quiet")
    look = "good" if uptime.share >= _GOOD else "fair" if uptime.share >= _FAIR else "bad"
    return tag("span", share_words(uptime.share), class_=f"share {look}")
