"""The landing page: what runs here, how things stand, and where to look."""

from collections import Counter
from html import escape
from importlib.resources import files

from aiohttp import web

from prober.model.status import Status
from prober.state.vitals import Vitals
from prober.web.dialects.openstack import versions, wants_discovery
from prober.web.keys import STORE, VITALS
from prober.web.pace import Pace

STYLE_PATH = "/static/style.css"

_LINKS = (
    ("/api/v1/status", "Status"),
    ("/api/v1/checks", "Checks"),
    ("/api/v1/events", "Events"),
    ("/metrics", "Metrics"),
    ("/api/v1/openapi.json", "Description of the API (OpenAPI)"),
)
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}: prober</title>
<link rel="stylesheet" href="{style}">
</head>
<body>
<h1>{name} <small>prober {version}</small></h1>
<dl>
{counts}
</dl>
<ul>
{links}
</ul>
</body>
</html>
"""


async def get_page(request: web.Request) -> web.Response:
    """A page for people: the number of checks by status, and links."""
    if wants_discovery(request):
        return versions(request)
    store, counts, pace = request.app[STORE], Counter[Status](), Pace()
    for state in tuple(store):
        counts[state.status] += state.check.monitor.enabled
        await pace.pause()
    return web.Response(text=page(request.app[VITALS], counts), content_type="text/html")


def page(vitals: Vitals, counts: Counter[Status]) -> str:
    """Return the page."""
    boxes = (
        f'<div class="{status.lower()}"><dt>{status}</dt><dd>{counts[status]}</dd></div>'
        for status in Status
    )
    links = (f'<li><a href="{path}">{escape(text)}</a></li>' for path, text in _LINKS)
    return _PAGE.format(
        name=escape(vitals.name),
        version=escape(vitals.version),
        style=STYLE_PATH,
        counts="\n".join(boxes),
        links="\n".join(links),
    )


async def get_style(_: web.Request) -> web.Response:
    """The style sheet of the page."""
    style = files("prober.web").joinpath("static/style.css").read_text(encoding="utf-8")
    return web.Response(text=style, content_type="text/css")
