"""Badges: the status of a pool or a monitor as a small image for other pages."""

from aiohttp import web

from prober.model.aggregate import pool_status
from prober.model.status import Status
from prober.model.wording import clean
from prober.state.pace import Pace
from prober.web.page.html import html, tag
from prober.web.server.errors import Refused
from prober.web.server.services import services_of

_COLOURS = {
    Status.OK: "#1a7344",
    Status.WARNING: "#8f5400",
    Status.CRITICAL: "#b3202c",
    Status.UNKNOWN: "#5f4ba0",
}
_LONGEST = 40  # characters of a name
_WIDTH = 7  # approximate width of a character, in units
_HEIGHT = 20


async def get_pool_badge(request: web.Request) -> web.Response:
    """The status of a pool as an image (SVG)."""
    name, store, pace = request.match_info["name"], services_of(request).store, Pace()
    pool = store.pools.get(name)
    if pool is None:
        raise Refused(404, f"there is no pool {name!r}")
    statuses = []
    for backend_state in store.backend_states(pool):
        if backend_state.counts:
            statuses.append(backend_state.status)
        await pace.pause()
    return _answer(name, pool_status(statuses))


async def get_monitor_badge(request: web.Request) -> web.Response:
    """The combined status of a monitor's checks, as an image (SVG)."""
    name, store, pace = request.match_info["name"], services_of(request).store, Pace()
    monitor = store.monitors.get(name)
    if monitor is None:
        raise Refused(404, f"there is no monitor {name!r}")
    statuses = []
    for backend in store.pools[monitor.pool_name].backends:
        if (state := store.get((name, backend.key))) and state.check.enabled:
            statuses.append(state.status)
        await pace.pause()
    return _answer(name, pool_status(statuses))


def _answer(name: str, status: Status) -> web.Response:
    body = draw(name, status).encode(errors="replace")
    return web.Response(body=body, content_type="image/svg+xml", charset="utf-8")


def draw(name: str, status: Status) -> str:
    """Return the image with a name and its status."""
    name = clean(name)
    label = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    left, right = _width_of(label), _width_of(status)
    return tag(
        "svg",
        tag("title", f"{label}: {status}"),
        tag("rect", width=left + right, height=_HEIGHT, rx=4, fill="#3b4350"),
        tag(
            "path",
            d=f"M{left} 0h{right - 4}q4 0 4 4v12q0 4-4 4h{4 - right}z",
            fill=_COLOURS[status],
        ),
        tag(
            "g",
            tag("text", label, x=left / 2, y=14, textLength=left - 12),
            tag("text", str(status), x=left + right / 2, y=14, textLength=right - 12),
            fill="#fff",
            text_anchor="middle",
            font_family="Verdana, DejaVu Sans, sans-serif",
            font_size=11,
        ),
        xmlns="http://www.w3.org/2000/svg",
        width=left + right,
        height=_HEIGHT,
        role="img",
        aria_label=html(f"{label}: {status}"),
    )


def _width_of(text: str) -> int:
    """Return the width of a text with its margins: wide characters count twice."""
    return 12 + sum(_WIDTH * (2 if ord(each) > 0x2E80 else 1) for each in text)
