"""The page about prober itself: lateness, load, its own errors, target lists."""

from collections.abc import Iterable, Mapping, Sequence

from aiohttp import web

from prober.model.status import Status
from prober.model.wording import counted, span
from prober.state.events import (
    CERTIFICATE_CHANGED,
    EVENT_KINDS,
    POOL_STATUS,
    TRANSITION,
    Event,
    EventFilter,
)
from prober.state.histogram import Histogram
from prober.state.vitals import ListHealth, Vitals
from prober.web.page.check_words import NONE, ago, time_cell
from prober.web.page.frame import alarms, answer, document
from prober.web.page.html import Content, Html, scrolled, tag
from prober.web.page.member_section import member_section
from prober.web.page.output_table import output_table
from prober.web.page.recent_events import recent_events
from prober.web.page.scene import Scene, private_scene
from prober.web.server.services import services_of

LISTED = 30
"""Maximum number of events listed."""
_OWN = frozenset(EVENT_KINDS) - {TRANSITION, POOL_STATUS, CERTIFICATE_CHANGED}
_SKIPS = {
    "overrun": "the previous probe was still running",
    "gap": "prober was paused",
    "pace": "other UDP probes of the host came first",
}


async def get_prober_page(request: web.Request) -> web.Response:
    """The page about prober itself."""
    scene, services = private_scene(request), services_of(request)
    vitals, store = services.vitals, services.store
    events = await recent_events(request, EventFilter(kind=_OWN), limit=LISTED)
    errors = {str(reason): count for reason, count in store.local_errors.items()}
    sentences = {str(reason): reason.sentence for reason in store.local_errors}
    has_state = services.history is not None
    return answer(
        document(
            scene,
            tag("h1", "Prober"),
            alarms(vitals) or tag("p", "No problems right now.", class_="quiet"),
            _facts(vitals, len(store), scene, has_state=has_state),
            member_section(vitals.cluster(), scene),
            _lateness(vitals),
            _counts("Probes without a verdict, by reason", errors, sentences),
            _counts("Skipped slots of the schedule", vitals.skipped, _SKIPS),
            _counts("Failed writes of the state", vitals.state_errors, {}),
            output_table(vitals.outputs, scene),
            _lists(vitals.target_lists, scene),
            _events(events, scene),
            heading=f"Prober · {scene.title}",
            worst=Status.WARNING if alarms(vitals) else Status.OK,
        )
    )


def _facts(vitals: Vitals, checks: int, scene: Scene, *, has_state: bool) -> Html:
    now = scene.now.wall
    read = (ago(vitals.config_loaded_at, now), " ago") if vitals.config_loaded_at else NONE
    entries: list[tuple[str, Content]] = [
        ("Name", vitals.name),
        ("Version", vitals.version),
        ("Up", span(now - vitals.started_at)),
        ("Checks", f"{checks:,}"),
        ("Probes in flight", f"{vitals.probes_in_flight:,}"),
        ("Loop lag", f"{vitals.loop_lag * 1000:.1f} ms"),
        ("Configuration", tag("code", vitals.config_hash or "none")),
        ("Loaded", read),
        ("State", "kept on disk" if has_state else "in memory only: set server.state_dir"),
    ]
    pairs = [tag("div", tag("dt", name), tag("dd", value)) for name, value in entries]
    return tag("dl", pairs, class_="facts vitals")


def _lateness(vitals: Vitals) -> Html:
    late = vitals.load.late.total()
    rows = [
        _row("Event loop ticks", _quantiles(vitals.loop_lags)),
        _row("Starts of probes", _quantiles(vitals.schedule_lags)),
    ]
    heads = ["Lateness since the start", "p50", "p95", "p99"]
    table = tag(
        "table",
        tag("thead", tag("tr", [tag("th", text, scope="col") for text in heads])),
        tag("tbody", rows),
        class_="plain",
    )
    causes = ", ".join(f"{cause.sentence} ×{n:,}" for cause, n in vitals.load.late.most_common())
    words = (
        f"{counted(f'{late:,}', 'probe')} started more than half an interval late: {causes}."
        if late
        else ""
    )
    return tag(
        "section",
        tag("h2", "Lateness"),
        scrolled(table, "Lateness"),
        tag("p", words, class_="quiet") if words else None,
    )


def _row(name: str, values: Iterable[str]) -> Html:
    return tag("tr", tag("th", name, scope="row"), [tag("td", value) for value in values])


def _quantiles(histogram: Histogram) -> list[str]:
    """Return the median, 95th and 99th percentile of lateness in milliseconds."""
    return [_bound(histogram.quantile(share)) for share in (0.5, 0.95, 0.99)]


def _bound(seconds: float | None) -> str:
    if seconds is None:
        return NONE
    return "above 5 s" if seconds == float("inf") else f"under {seconds * 1000:g} ms"


def _counts(title: str, counts: Mapping[str, int], sentences: Mapping[str, str]) -> Html:
    found = sorted(((n, name) for name, n in counts.items() if n), reverse=True)
    if not found:
        return tag("section", tag("h2", title), tag("p", "None.", class_="quiet"))
    rows = [
        tag(
            "tr",
            tag("th", name.replace("_", " "), scope="row"),
            tag("td", f"{count:,}"),
            tag("td", sentences.get(name, ""), class_="cause"),
        )
        for count, name in found
    ]
    table = tag("table", tag("tbody", rows), class_="plain")
    return tag("section", tag("h2", title), scrolled(table, title))


def _lists(lists: Mapping[str, ListHealth], scene: Scene) -> Html | None:
    if not lists:
        return None
    rows = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            tag("td", "in effect" if each.ok else "last reading failed"),
            tag(
                "td", (ago(each.read_at, scene.now.wall), " ago") if each.read_at else "never read"
            ),
            class_="" if each.ok else "bad",
        )
        for name, each in sorted(lists.items())
    ]
    table = tag("table", tag("tbody", rows), class_="plain")
    return tag("section", tag("h2", "Target lists"), scrolled(table, "Target lists"))


def _events(events: Sequence[Event], scene: Scene) -> Html:
    items = [
        tag(
            "li",
            tag("span", time_cell(event.at, scene.now.wall), class_="quiet"),
            tag("span", event.kind.replace("_", " ")),
            tag("span", event.cause),
            data_key=str(event.id),
        )
        for event in events
    ]
    more = scene.to("events", query=[("about", "prober")])
    listed = tag("ol", items, class_="changes") if items else tag("p", "None yet.", class_="quiet")
    return tag(
        "section",
        tag("h2", "Events of prober"),
        listed,
        tag("p", tag("a", "All events about prober", href=more)),
    )
