"""The frame of every page: head, header, footer, icons."""

from aiohttp import web

from prober.model.status import Status
from prober.state.vitals import Vitals
from prober.web.page.assets import SCRIPT, STYLE, address_of
from prober.web.page.check_words import clock_words, time_tag
from prober.web.page.html import Content, Html, html, tag
from prober.web.page.scene import Scene
from prober.web.page.view import DISABLED

_NAMED = 5  # target lists that a warning names
_COMPRESSED_ASIDE = 1 << 15  # bytes from which a thread compresses

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


def icon(word: str) -> Html:
    """Return the icon of a status; its word is next to it."""
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
        scene: The context of the page.
        content: The main content.
        heading: The title of the window.
        worst: The status that the favicon shows.
        refresh: More elements for the head.
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", heading),
        tag(
            "link",
            rel="icon",
            type="image/svg+xml",
            href=address_of(f"{worst.lower()}.svg", scene.root),
        ),
        tag("link", rel="stylesheet", href=address_of(STYLE, scene.root)),
        tag("script", type="module", src=address_of(SCRIPT, scene.root)),
        refresh,
    )
    body = tag(
        "body",
        SPRITE,
        tag("a", "Skip to the content", class_="skip", href="#main"),
        _header(scene),
        tag("main", *content, id="main", tabindex="-1"),
        _footer(scene),
        tag("p", id="lost", role="alert", hidden=True),
        data_root=scene.root,
        data_pulse=None if scene.front.public else scene.to("pulse"),
    )
    return Html(
        "<!DOCTYPE html>\n"
        + tag(
            *("html", head, body),
            lang="en",
            data_theme=scene.theme or None,
            data_wall=scene.wall,
        )
    )


def _header(scene: Scene) -> Html:
    return tag(
        "header",
        tag(
            "div",
            tag("p", tag("a", scene.title, href=scene.root, data_load=True), class_="brand"),
            None if scene.front.public else _navigation(scene),
            class_="lead",
        ),
        tag(
            "div",
            tag("p", _as_of(scene.now.wall), id="as-of"),
            tag("p", id="link", role="status", class_="scripted", hidden=True),
            _button("Pause", "pause"),
            _button("UTC", "zone", aria_label="Times in UTC or in your time zone"),
            _button("Theme", "theme", aria_label="Theme: dark or light"),
            class_="clock",
        ),
        tag("p", id="news", class_="unseen", role="status", aria_live="polite"),
    )


_PAGES = (
    ("", "Overview"),
    ("events", "Events"),
    ("certificates", "Certificates"),
    ("prober", "Prober"),
)


def _navigation(scene: Scene) -> Html:
    links = [
        tag(
            "a",
            text,
            href=scene.to(path) if path else scene.root,
            aria_current="page" if scene.here == f"/{path}" else None,
            data_load=True,
        )
        for path, text in _PAGES
    ]
    return tag("nav", links, id="nav", aria_label="Pages of prober")


def _button(text: str, name: str, **more: str) -> Html:
    """Return a button that the script shows and activates."""
    return tag("button", text, type="button", id=name, class_="scripted", hidden=True, **more)


def _as_of(at: float) -> Content:
    return "as of ", time_tag(at, f"{clock_words(at)} UTC", form="clock")


def _footer(scene: Scene) -> Html:
    if scene.front.public:
        return tag("footer")
    shortcut = tag(
        "label",
        tag("input", type="checkbox", id="shortcut", checked=True),
        " The key ",
        tag("kbd", "/"),
        " jumps to the search",
        class_="scripted",
        hidden=True,
    )
    links = (
        (scene.to("api", "v1", "status"), "API"),
        (scene.to("api", "v1", "openapi.json"), "OpenAPI"),
        (scene.to("metrics"), "Metrics"),
    )
    return tag(
        "footer",
        tag(
            "p",
            [(tag("a", text, href=path), " ") for path, text in links],
            shortcut if scene.here == "/" else None,
        ),
    )


def alarms(vitals: Vitals) -> list[Html]:
    """Return warnings about prober itself, which matter before any check."""
    found = []
    if overload := vitals.load.overload:
        text = "Probes start late: the results are older than they should be."
        found.append(tag("p", tag("strong", text), f" {overload.sentence}.", class_="alarm"))
    if vitals.cluster_trouble:
        text = "This member of the cluster works alone: others may know more."
        found.append(tag("p", tag("strong", text), f" {vitals.cluster_trouble}.", class_="alarm"))
    if vitals.state_trouble:
        text = "The state is not stored: a restart would lose what has changed since."
        found.append(tag("p", tag("strong", text), f" {vitals.state_trouble}.", class_="alarm"))
    away = [name for name, health in vitals.target_lists.items() if not health.ok]
    if away:
        text = "Target lists cannot be read or were refused: the last ones are probed."
        more = f", and {len(away) - _NAMED} more" if len(away) > _NAMED else ""
        names = ", ".join(away[:_NAMED])
        found.append(tag("p", tag("strong", text), f" {names}{more}.", class_="alarm"))
    if not vitals.config_ok:
        text = "The last reload failed: the previous configuration stays in force."
        found.append(
            tag("p", tag("strong", text), " See the log for the problems.", class_="alarm")
        )
    return found


def answer(content: Html) -> web.Response:
    """Return the response with a page."""
    response = web.Response(
        body=html(content).encode(errors="replace"),
        content_type="text/html",
        charset="utf-8",
        zlib_executor_size=_COMPRESSED_ASIDE,
    )
    response.enable_compression()
    return response
