"""What every page has around it: head, header, footer, icons."""

from typing import NamedTuple

from aiohttp import web

from prober.model.status import Status
from prober.model.wording import span, time_text
from prober.state.vitals import Vitals
from prober.web.page.assets import SCRIPT, STYLE, address_of
from prober.web.page.check_words import NONE, ago, clock_words
from prober.web.page.html import Content, Html, html, tag
from prober.web.page.view import DISABLED
from prober.web.server.services import CLOCKS, FACADE, VITALS, Moment, PageSettings

STREAM = "/api/v1/events/stream"
THEMES = ("light", "dark")
_COMPRESSED_ASIDE = 1 << 15  # bytes from which compressing is left to a thread

_SHAPES = {
    Status.OK: '<circle cx="8" cy="8" r="7"/><path d="m4.6 8.2 2.3 2.4 4.5-5"/>',
    Status.WARNING: '<path class="f" d="M8 1.2 15.3 14.4H.7Z"/><path d="M8 6v4M8 12v.4"/>',
    Status.CRITICAL: (
        '<path class="f" d="M5 1h6l4 4v6l-4 4H5l-4-4V5Z"/>'
        '<path d="m5.4 5.4 5.2 5.2m0-5.2-5.2 5.2"/>'
    ),
    Status.UNKNOWN: (
        '<circle cx="8" cy="8" r="7"/><path d="M5.9 6.2a2.1 2.1 0 1 1 2.9 2c-.6.3-.8.6-.8 1.3"/>'
        '<path d="M8 11.8v.4"/>'
    ),
    DISABLED: '<circle class="o" cx="8" cy="8" r="6.3"/><path class="o" d="M5 8h6"/>',
}
SPRITE = tag(
    "svg",
    [Html(f'<symbol id="i-{w}" viewBox="0 0 16 16">{s}</symbol>') for w, s in _SHAPES.items()],
    hidden=True,
)


class Scene(NamedTuple):
    """What a page is shown in: the prober, the moment, how it presents itself, the reader's theme.

    `theme` is empty where the reader follows what the system prefers.
    """

    vitals: Vitals
    now: Moment
    front: PageSettings
    theme: str

    @property
    def title(self) -> str:
        """What the page is called; in public it does not tell the host's name."""
        return self.front.title or ("Status" if self.front.public else self.vitals.name)


def scene_of(request: web.Request) -> Scene:
    """Return what a request's answer is shown in."""
    app, theme = request.app, request.cookies.get("prober-theme", "")
    front = app[FACADE].front()
    return Scene(app[VITALS], app[CLOCKS].now(), front, theme if theme in THEMES else "")


def icon(word: str) -> Html:
    """Return the icon of a status; the word stands beside it."""
    use = tag("use", href=f"#i-{word}")
    return tag("svg", use, class_=f"icon {word.lower()}", aria_hidden="true")


def mark(word: str) -> Html:
    """Return a status as icon, word and colour."""
    return tag("span", icon(word), word, class_=f"status {word.lower()}")


def document(
    scene: Scene, *content: Content, heading: str, worst: Status, refresh: Content = None
) -> Html:
    """Return a whole page.

    Args:
        scene: What it is shown in.
        content: What stands in its middle.
        heading: What the window is called.
        worst: The status that the icon of the window shows.
        refresh: What else stands in its head.
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", heading),
        tag("link", rel="icon", type="image/svg+xml", href=address_of(f"{worst.lower()}.svg")),
        tag("link", rel="stylesheet", href=address_of(STYLE)),
        tag("script", type="module", src=address_of(SCRIPT)),
        refresh,
    )
    body = tag(
        "body",
        SPRITE,
        tag("a", "Skip to the content", class_="skip", href="#main"),
        _header(scene),
        tag("main", *content, id="main", tabindex="-1"),
        _footer(scene),
        data_stream=None if scene.front.public else STREAM,
    )
    return Html(
        "<!DOCTYPE html>\n" + tag("html", head, body, lang="en", data_theme=scene.theme or None)
    )


def _header(scene: Scene) -> Html:
    return tag(
        "header",
        tag(
            "div",
            tag("p", tag("a", scene.title, href="/"), class_="brand"),
            None if scene.front.public else tag("div", vitals_list(scene), id="vitals"),
        ),
        tag(
            "div",
            tag("p", _as_of(scene.now.wall), id="as-of"),
            tag("p", id="link", role="status", hidden=True),
            tag("button", "Pause", type="button", id="pause", aria_pressed="false", hidden=True),
            tag(
                "button",
                "Theme",
                type="button",
                id="theme",
                hidden=True,
                aria_label="Theme: dark or light",
            ),
            class_="clock",
        ),
        tag("p", id="news", class_="unseen", role="status", aria_live="polite"),
    )


def _as_of(at: float) -> Content:
    words = f"{clock_words(at)} UTC"
    return "as of ", tag("time", words, datetime=time_text(at), title=clock_words(at, date=True))


def _footer(scene: Scene) -> Html:
    shortcut = tag(
        "label",
        tag("input", type="checkbox", id="shortcut", checked=True),
        " The key ",
        tag("kbd", "/"),
        " leads to the search",
        id="shortcut-label",
        hidden=True,
    )
    if scene.front.public:
        return tag("footer", shortcut)
    links = (
        ("/api/v1/status", "API"),
        ("/api/v1/openapi.json", "its description"),
        ("/metrics", "metrics"),
    )
    return tag(
        "footer",
        tag("p", [(tag("a", text, href=path), " ") for path, text in links], shortcut),
    )


def vitals_list(scene: Scene) -> Html:
    """Return how the prober itself is."""
    vitals, now = scene.vitals, scene.now.wall
    entries: list[tuple[str, Content]] = [
        ("prober", vitals.version),
        *([("host", vitals.name)] if scene.front.title else []),
        ("up", span(now - vitals.started_at)),
        ("configuration", tag("code", vitals.config_hash or "none")),
        ("read", (ago(vitals.config_loaded_at, now), " ago") if vitals.config_loaded_at else NONE),
        ("loop lag", f"{vitals.loop_lag * 1000:.1f} ms"),
        ("probes in flight", vitals.probes_in_flight),
    ]
    pairs = [tag("div", tag("dt", name), tag("dd", value)) for name, value in entries]
    return tag("dl", pairs, class_="vitals")


def alarms(vitals: Vitals) -> list[Html]:
    """Return what an operator should know of the prober itself before looking at its checks."""
    found = []
    if overload := vitals.load.overload:
        text = "Probes start late: what is shown is older than it should be."
        found.append(tag("p", tag("strong", text), f" {overload.sentence}.", class_="alarm"))
    if not vitals.config_ok:
        text = "The configuration that was read last has problems: the one before is in force."
        found.append(tag("p", tag("strong", text), " The log names them.", class_="alarm"))
    return found


def answer(content: Html) -> web.Response:
    """Return the answer that holds a page."""
    response = web.Response(
        body=html(content).encode(errors="replace"),
        content_type="text/html",
        charset="utf-8",
        zlib_executor_size=_COMPRESSED_ASIDE,
    )
    response.enable_compression()
    return response
