"""The page of one check: its results, its latency, its transitions, its configuration."""

import json
from collections.abc import Sequence

from aiohttp import hdrs, web

from prober.model.ballot import Ballot
from prober.model.kinds import in_units
from prober.model.shown import monitor_json
from prober.model.wording import counted
from prober.state.check_state import CheckState
from prober.state.events import CERTIFICATE_CHANGED, TRANSITION, Event, EventFilter
from prober.state.pace import Pace
from prober.web.api.check_shapes import explanation
from prober.web.api.probe_now import probe_elsewhere, probe_now
from prober.web.page.admin_form import FormTarget, admin_section
from prober.web.page.check_words import (
    NONE,
    ago,
    certificate_words,
    fine_took,
    interval_words,
    last_words,
    latency_words,
    next_words,
    time_cell,
    why_words,
)
from prober.web.page.frame import answer, document, mark
from prober.web.page.html import NOTHING, Content, Html, tag
from prober.web.page.last_results import last_results
from prober.web.page.member_section import vote_section
from prober.web.page.others import see_others
from prober.web.page.past_section import Subject, past_section
from prober.web.page.recent_events import recent_events
from prober.web.page.scene import Scene, private_scene
from prober.web.page.view import PageView, word_of
from prober.web.server.lookup import check_of
from prober.web.server.services import services_of

TRANSITIONS = 50
"""Maximum number of status changes and new certificates shown."""
_NEARLY_ALL = 0.99


async def get_check_page(request: web.Request) -> web.Response:
    """The page of one check."""
    scene, pace = private_scene(request), Pace()
    state = check_of(request)
    monitor, backend = state.check.key
    await see_others(request, [state])
    changes = EventFilter(
        kind=frozenset({TRANSITION}), monitor=frozenset({monitor}), backend=frozenset({backend})
    )
    what = f"history of {monitor} at {backend}"
    past = await past_section(request, scene, Subject(state.check.key, changes, what))
    shown = changes._replace(kind=frozenset({TRANSITION, CERTIFICATE_CHANGED}))
    transitions = await recent_events(request, shown, limit=TRANSITIONS)
    can_probe = services_of(request).probe_now is not None and state.check.enabled
    word, votes = word_of(state), services_of(request).store.votes(state.check.key)
    return answer(
        document(
            scene,
            _headline(state, word, scene, can_probe=can_probe),
            _why(state, votes, scene),
            _facts(state, scene),
            vote_section(votes, scene),
            admin_section(request, _admin_target(state, scene), scene),
            past,
            await last_results(state, scene.now.wall, pace),
            _changes(transitions, scene),
            _configuration(state),
            heading=f"{word} · {monitor} {backend} · {scene.title}",
            worst=state.status,
        )
    )


async def probe_from_page(request: web.Request) -> web.Response:
    """Probe a check now, then redirect to its page; for readers without JavaScript."""
    scene = private_scene(request)
    state = check_of(request)
    if await probe_elsewhere(request, state) is None:
        await probe_now(request, state)
    return web.Response(status=303, headers={hdrs.LOCATION: scene.to_check(*state.check.key)})


def _admin_target(state: CheckState, scene: Scene) -> FormTarget:
    action = scene.to("checks", *state.check.key, "admin")
    return FormTarget(state.check.pool, action, state.check.backend)


def _headline(state: CheckState, word: str, scene: Scene, *, can_probe: bool) -> Html:
    check = state.check
    monitor, backend = check.key
    balancer = PageView(load_balancer=check.pool.load_balancer)
    slash = tag("span", " / ", class_="quiet")
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
            tag(
                "p",
                tag("a", "Overview", href=scene.root),
                slash,
                tag("a", check.pool.load_balancer, href=balancer.href(scene.root)),
                slash,
                tag("a", check.pool.name, href=scene.to("pools", check.pool.name)),
            ),
            tag("h1", mark(word), " ", monitor),
            tag(
                "p",
                f"{check.backend.name} " if check.backend.name else None,
                tag("code", backend),
                tag("span", check.monitor.type, class_="type"),
            ),
        ),
        form if can_probe else None,
        class_="headline",
    )


def _facts(state: CheckState, scene: Scene) -> Html:
    now, last, monitor = scene.now, state.last, state.check.monitor
    entries: list[tuple[str, Content]] = [
        ("Last result", last_words(state)),
        ("Detail", last.detail if last else None),
        ("Status since", (ago(state.since, now.wall), " ago")),
        ("Next probe", next_words(state, now)),
        ("Every", interval_words(state)),
        ("p50 / p95", latency_words(state)),
        ("Rise / fall", f"{monitor.rise} / {monitor.fall}"),
        ("Certificate left", certificate_words(state, now.wall)),
        ("From", last.source_ip if last else None),
        *_learned(state),
        *_kernel(state),
        ("Labels", ", ".join(f"{name}={value}" for name, value in state.check.labels.items())),
    ]
    pairs = [
        tag("div", tag("dt", name), tag("dd", value))
        for name, value in entries
        if value not in (None, "", NONE)
    ]
    return tag("section", tag("dl", pairs, class_="facts"), id="facts")


def _why(state: CheckState, votes: Sequence[Ballot] | None, scene: Scene) -> Html:
    """Return why the status is what it is, and what would change it."""
    return tag(
        "div",
        tag("p", why_words(state, scene.now.wall)),
        tag("p", explanation(state, scene.now, votes), class_="quiet"),
        class_="explain",
    )


def _learned(state: CheckState) -> list[tuple[str, Content]]:
    """Return the facts of the last result."""
    last = state.last
    if last is None or not last.facts:
        return []
    return [
        (fact.name.replace("_", " "), fact.kind.show(last.facts[fact.name]))
        for fact in state.check.monitor.probe.facts
        if fact.name in last.facts
    ]


def _kernel(state: CheckState) -> list[tuple[str, Content]]:
    """Return what the kernel knows of the connection of the last result."""
    kernel = state.last.kernel if state.last else None
    if kernel is None:
        return []
    syns, retransmits, rtt, unacked, reporter = kernel
    return [
        ("SYNs sent", None if syns is None else str(syns)),
        ("Segments sent again", str(retransmits) if retransmits else None),
        ("Round trip", None if rtt is None else fine_took(rtt)),
        ("Not acknowledged", None if unacked is None else counted(unacked, "byte")),
        ("Reported by", reporter),
    ]


def _changes(events: Sequence[Event], scene: Scene) -> Html:
    if not events:
        return NOTHING
    items = [
        tag(
            "li",
            tag("span", time_cell(event.at, scene.now.wall), class_="quiet"),
            _change(event),
            tag("span", event.cause),
        )
        for event in events
    ]
    return tag("section", tag("h2", "Status changes"), tag("ol", items, class_="changes"))


def _change(event: Event) -> Html:
    if event.kind == CERTIFICATE_CHANGED:
        return tag("span", "certificate changed", class_="own")
    return tag("span", mark(event.before or "UNKNOWN"), " → ", mark(event.after or "UNKNOWN"))


def _configuration(state: CheckState) -> Html:
    rows = [
        tag("tr", tag("th", key, scope="row"), tag("td", tag("code", _shown(value))))
        for key, value in monitor_json(state.check.monitor).items()
        if key not in ("targets", "targets_from") and value != {}
    ]
    table = tag("table", tag("tbody", rows), class_="configuration")
    return tag("section", tag("h2", "Configuration"), tag("div", table, class_="wide"))


def _shown(value: object) -> str:
    """Format a value as in the configuration: floats are durations."""
    if isinstance(value, float):
        return in_units(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
