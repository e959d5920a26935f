"""The context of a page: the prober, the time, the settings, and the path of the page.

All links in a page are relative, so that it works below any path of a proxy.
"""

from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote, urlencode

from aiohttp import web

from prober.state.vitals import Vitals
from prober.web.server.errors import Refused
from prober.web.server.services import Moment, PageSettings, services_of

THEMES = ("light", "dark")


class Scene(NamedTuple):
    """The context of a page.

    `theme` is empty if it follows the preference of the system. `root` is the path of `/` relative
    to the page: `./`, `../`, ...; `here` is the path of the page's route. On a `wall` there is
    nobody to click.
    """

    vitals: Vitals
    now: Moment
    front: PageSettings
    theme: str
    root: str
    here: str = ""
    wall: bool = False

    @property
    def title(self) -> str:
        """The title of the page; in public it does not contain the host's name."""
        return self.front.title or ("Status" if self.front.public else self.vitals.name)

    def to(self, *segments: str, query: Iterable[tuple[str, str]] = ()) -> str:
        """Return a path relative to the page."""
        path = "/".join(quote(segment, safe=":[]") for segment in segments)
        words = urlencode(list(query), errors="replace")
        return f"{self.root}{path}?{words}" if words else f"{self.root}{path}"

    def to_check(self, monitor: str, backend: str) -> str:
        """Return the path of the page of a check."""
        return self.to("checks", monitor, backend)


def scene_of(request: web.Request) -> Scene:
    """Return the context of the response to a request."""
    services, theme = services_of(request), request.cookies.get("prober-theme", "")
    return Scene(
        services.vitals,
        services.now(),
        services.page(),
        theme if theme in THEMES else "",
        _root_of(request),
        getattr(request.match_info.route.resource, "canonical", ""),
        "wall" in request.query,
    )


def private_scene(request: web.Request) -> Scene:
    """Return the context of a page that is not public, or raise `Refused`."""
    scene = scene_of(request)
    if scene.front.public:
        raise Refused(404, "page.public is set: only the overview is shown")
    return scene


def _root_of(request: web.Request) -> str:
    """Return the path of `/` relative to the requested URL.

    A proxy may have decoded a `%2F` in it, so the form of the route is what counts.
    """
    resource = request.match_info.route.resource
    path = resource.canonical if resource else request.rel_url.raw_path
    return "../" * (path.count("/") - 1) or "./"
