"""The style sheet, the script and the icons: files whose URL changes with their content."""

from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import NamedTuple

from aiohttp import hdrs, web

from prober.web.server.errors import Refused

STYLE, SCRIPT = "style.css", "page.js"
_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_SHEETS = ("base.css", "lists.css", "subjects.css", "charts.css", "media.css")
"""The parts of the style sheet, in this order."""
_PARTS = ("morph.js", "pulse.js", "times.js")
"""The modules that the script imports."""
_NAMES = frozenset({STYLE, SCRIPT, *_PARTS, "ok.svg", "warning.svg", "critical.svg", "unknown.svg"})
_FOR_GOOD = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"


class Asset(NamedTuple):
    """A file: its content and a hash of it."""

    content: bytes
    digest: str


@cache
def asset(name: str) -> Asset:
    """Return a file; it is read at the first request."""
    content = b"\n".join(_read(part) for part in _SHEETS) if name == STYLE else _read(name)
    if name == SCRIPT:
        for part in _PARTS:
            versioned = f"./{part}?v={asset(part).digest}"
            content = content.replace(f"./{part}".encode(), versioned.encode())
    return Asset(content, blake2b(content, digest_size=6).hexdigest())


def _read(name: str) -> bytes:
    return files("prober.web.page").joinpath("static", name).read_bytes()


def address_of(name: str, root: str) -> str:
    """Return the URL of a file, which changes with its content.

    Args:
        name: The file.
        root: Where `/` is as seen from the page.
    """
    return f"{root}static/{name}?v={asset(name).digest}"


async def get_static(request: web.Request) -> web.Response:
    """A file of the status page."""
    name = request.match_info["name"]
    if name not in _NAMES:
        raise Refused(404, f"there is no file {name!r}")
    found = asset(name)
    tag = f'"{found.digest}"'
    is_named = request.query.get("v") == found.digest
    headers = {hdrs.ETAG: tag, hdrs.CACHE_CONTROL: _FOR_GOOD if is_named else _ASK_AGAIN}
    if request.if_none_match and any(each.value == found.digest for each in request.if_none_match):
        return web.Response(status=304, headers=headers)
    kind = _TYPES[name.rpartition(".")[2]]
    response = web.Response(body=found.content, content_type=kind, charset="utf-8", headers=headers)
    response.enable_compression()
    return response
