"""The page of one check: its results, its latency, its transitions, its configuration."""

import json
from collections.abc import Mapping, Sequence

from aiohttp import hdrs, web

from prober.model.kinds import in_units
from prober.model.shown import monitor_json
from prober.model.status import PHASES
from prober.model.wording import span
from prober.state.archive import WINDOWS, Uptime
from prober.state.events import TRANSITION, Event, EventFilter
from prober.state.pace import Pace
from prober.state.recent import PastResult
from prober.state.store import CheckState
from prober.web.api.check_shapes import explanation
from prober.web.api.past import older_events, uptime_of
from prober.web.api.probe_now import probe_now
from prober.web.page.bar import look_of
from prober.web.page.chart import chart
from prober.web.page.check_words import (
    NONE,
    ago,
    certificate_words,
    clock_words,
    fine_took,
    interval_words,
    last_words,
    latency_words,
    next_words,
    past_words,
    progress_words,
    time_tag,
)
from prober.web.page.frame import answer, document, mark
from prober.web.page.html import NOTHING, Content, Html, tag
from prober.web.page.scene import Scene, scene_of
from prober.web.page.view import PageView, word_of
from prober.web.server.errors import Refused
from prober.web.server.lookup import check_of
from prober.web.server.services import services_of

TRANSITIONS = 50
"""Changes of status that are shown at most."""
_NEARLY_ALL = 0.99


async def get_check_page(request: web.Request) -> web.Response:
    """The page of one check."""
    scene, pace = _private_scene(request), Pace()
    state = check_of(request)
    monitor, backend = state.check.key
    uptime = await uptime_of(request, state.check.key)
    transitions = await _transitions(request, state, pace)
    can_probe = services_of(request).probe_now is not None and state.check.monitor.enabled
    word = word_of(state)
    return answer(
        document(
            scene,
            _headline(state, word, scene, can_probe=can_probe),
            _facts(state, scene),
            _uptime(uptime),
            await _results(state, pace),
            _changes(transitions, scene),
            _configuration(state),
            heading=f"{word} · {monitor} {backend} · {scene.title}",
            worst=state.status,
        )
    )


async def probe_from_page(request: web.Request) -> web.Response:
    """Probe a check now, then lead back to its page: for those without JavaScript."""
    scene = _private_scene(request)
    state = check_of(request)
    await probe_now(request, state)
    return web.Response(status=303, headers={hdrs.LOCATION: scene.to_check(*state.check.key)})


def _private_scene(request: web.Request) -> Scene:
    scene = scene_of(request)
    if scene.front.public:
        raise Refused(404, "page.public is set: there are no pages of single checks")
    return scene


async def _transitions(request: web.Request, state: CheckState, pace: Pace) -> list[Event]:
    """Return the last changes of the status, newest first."""
    monitor, backend = state.check.key
    wanted = EventFilter(
        kind=frozenset({TRANSITION}), monitor=frozenset({monitor}), backend=frozenset({backend})
    )
    found: list[Event] = []
    for event in tuple(services_of(request).store.events.newest_first()):
        if wanted.allows(event):
            found.append(event)
            if len(found) == TRANSITIONS:
                break
        await pace.pause()
    return found + await older_events(request, None, None, wanted, TRANSITIONS - len(found))


def _headline(state: CheckState, word: str, scene: Scene, *, can_probe: bool) -> Html:
    check = state.check
    monitor, backend = check.key
    pool = PageView(pool=check.pool.name, load_balancer=check.pool.load_balancer)
    form = tag(
        "form",
        tag("button", "Probe now", class_="main"),
        tag("output", data_keep=True),
        method="post",
        action=scene.to("checks", monitor, backend, "probe"),
        data_probe=scene.to("api", "v1", "checks", monitor, backend, "probe"),
    )
    return tag(
        "div",
        tag(
            "div",
            tag("p", tag("a", "All checks", href=scene.root)),
            tag("h1", mark(word), " ", monitor),
            tag(
                "p",
                tag("code", backend),
                f" {check.backend.name}" if check.backend.name else None,
                tag("span", " in ", class_="quiet"),
                tag(
                    "a",
                    f"{check.pool.load_balancer} / {check.pool.name}",
                    href=pool.href(scene.root),
                ),
            ),
        ),
        form if can_probe else None,
        class_="headline",
    )


def _facts(state: CheckState, scene: Scene) -> Html:
    now, last, monitor = scene.now, state.last, state.check.monitor
    entries: list[tuple[str, Content]] = [
        ("Last result", last_words(state, public=False)),
        ("Detail", last.detail if last else None),
        ("Progress", progress_words(state) or None),
        ("Status since", (ago(state.since, now.wall), " ago")),
        ("Next probe", next_words(state, now)),
        ("Every", interval_words(state)),
        ("p50 / p95", latency_words(state)),
        ("Rise / fall", f"{monitor.rise} / {monitor.fall}"),
        ("Certificate left", certificate_words(state, now.wall)),
        ("From", last.source_ip if last else None),
        ("Labels", ", ".join(f"{name}={value}" for name, value in state.check.labels.items())),
    ]
    pairs = [
        tag("div", tag("dt", name), tag("dd", value))
        for name, value in entries
        if value not in (None, "", NONE)
    ]
    why = tag("p", explanation(state, now), class_="explain")
    return tag("section", why, tag("dl", pairs, class_="facts"), id="facts")


def _uptime(uptime: Mapping[str, Uptime] | None) -> Html:
    if uptime is None:
        text = "Uptime is known where server.state_dir is set."
        return tag("p", text, class_="quiet")
    tiles = [
        tag("div", tag("dt", f"Uptime {name}"), tag("dd", _share(each.share), _known(name, each)))
        for name, each in uptime.items()
    ]
    return tag("dl", tiles, class_="tiles", id="uptime")


def _known(window: str, uptime: Uptime) -> Html | None:
    """Say of what time an uptime speaks if that is clearly less than its window."""
    if uptime.share is None or uptime.known > _NEARLY_ALL * WINDOWS[window]:
        return None
    return tag("small", f" of {span(uptime.known)}")


def _share(share: float | None) -> str:
    """Write an uptime; what is not quite all is never rounded up to it."""
    if share is None:
        return NONE
    return "100 %" if share == 1 else f"{min(share * 100, 99.999):.3f} %"


async def _results(state: CheckState, pace: Pace) -> Content:
    pasts = list(state.recent.newest_first())
    if not pasts:
        return tag("p", "There are no results yet.", class_="empty")
    shown = [
        name
        for index, name in enumerate(PHASES)
        if any(past.phases[index] is not None for past in pasts)
    ]
    heads = [
        ("Time (", tag("span", "UTC", data_zone=True), ")"),
        "Result",
        "Why",
        "Took",
        *(n.replace("_", " ") for n in shown),
    ]
    rows = []
    for past in pasts:
        rows.append(_result(past, shown))
        await pace.pause()
    table = tag(
        "table",
        tag("caption", f"The last {len(pasts)} results, newest first", class_="unseen"),
        tag("thead", tag("tr", [tag("th", text, scope="col") for text in heads])),
        tag("tbody", rows),
        class_="results",
    )
    drawing = chart(pasts)
    await pace.pause()
    return (
        tag("h2", "Latency"),
        drawing,
        tag("h2", f"Last {len(pasts)} results"),
        tag("div", table, class_="wide", tabindex="0", role="region", aria_label="Last results"),
    )


def _result(past: PastResult, shown: Sequence[str]) -> Html:
    phases = dict(zip(PHASES, past.phases, strict=True))
    look = look_of(past.reason)
    at = time_tag(past.at, clock_words(past.at), form="clock")
    times = [past.seconds, *(phases[name] for name in shown)]
    return tag(
        "tr",
        tag("td", at),
        tag("td", past_words(past).rpartition(" in ")[0], class_="what"),
        tag("td", None if look == "good" else past.reason.sentence),
        [tag("td", None if seconds is None else fine_took(seconds)) for seconds in times],
        class_=look,
        data_key=f"{past.at:.2f}",
    )


def _changes(events: Sequence[Event], scene: Scene) -> Html:
    if not events:
        return NOTHING
    items = [
        tag(
            "li",
            tag("span", ago(event.at, scene.now.wall), " ago", class_="quiet"),
            tag("span", mark(event.before or "UNKNOWN"), " → ", mark(event.after or "UNKNOWN")),
            tag("span", event.cause),
        )
        for event in events
    ]
    return tag("section", tag("h2", "Transitions"), tag("ol", items, class_="changes"))


def _configuration(state: CheckState) -> Html:
    rows = [
        tag("tr", tag("th", key, scope="row"), tag("td", tag("code", _shown(value))))
        for key, value in monitor_json(state.check.monitor).items()
        if key not in ("targets", "targets_from") and value != {}
    ]
    table = tag("table", tag("tbody", rows), class_="configuration")
    return tag("section", tag("h2", "Configuration"), tag("div", table, class_="wide"))


def _shown(value: object) -> str:
    """Write a value as the configuration would: the numbers with a point are durations."""
    if isinstance(value, float):
        return in_units(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
