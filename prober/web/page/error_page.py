"""Error pages for browsers."""

from http import HTTPStatus

from aiohttp import web

from prober.model.status import Status
from prober.web.page.frame import answer, document
from prober.web.page.html import tag
from prober.web.page.scene import scene_of
from prober.web.server.origin import SAFE


def error_page(request: web.Request, status: int, message: str) -> web.Response:
    """Return a page that states the error and links to the overview."""
    scene = scene_of(request)
    phrase = HTTPStatus(status).phrase
    content = tag(
        "div",
        tag("h1", f"{phrase} ", tag("small", status)),
        tag("p", f"{message[:1].upper()}{message[1:]}."),
        tag("p", tag("a", "To the overview", href=scene.root)),
        class_="empty",
        data_still=request.method not in SAFE,
    )
    response = answer(
        document(scene, content, heading=f"{phrase} · {scene.title}", worst=Status.UNKNOWN)
    )
    response.set_status(status)
    return response
