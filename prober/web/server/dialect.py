"""The parts of a cloud API: its routes, and its form of errors and headers."""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler


class DialectRoute(NamedTuple):
    """One route of a cloud API; `open` routes need no authentication."""

    method: str
    path: str
    handler: Handler
    open: bool = False


class Dialect(NamedTuple):
    """One cloud API.

    `paths` matches the beginning of every path that is answered in its form, including errors such
    as 404 and 401. `error` renders an error: status, message, and the contents of `Refused.more`.
    `prepare` adds headers, such as a request id, to every answer. `begin` adds to a new application
    what the dialect remembers between requests. `root` answers requests for `/` if `asks_root`
    recognizes them as those of its clients, without authentication.
    """

    name: str
    paths: re.Pattern[str]
    routes: tuple[DialectRoute, ...]
    error: Callable[[web.Request, int, str, Mapping[str, object]], web.Response]
    prepare: Callable[[web.Request, web.StreamResponse], None]
    begin: Callable[[web.Application], None] = lambda _: None
    asks_root: Callable[[web.Request], bool] = lambda _: False
    root: Handler | None = None


SPOKEN = web.AppKey("SPOKEN", tuple[Dialect, ...])
"""The dialects of an application."""


def dialect_of(request: web.Request) -> Dialect | None:
    """Return the dialect that answers a request, or None for the native API."""
    spoken = request.app[SPOKEN]
    return next((dialect for dialect in spoken if dialect.paths.match(request.path)), None)


def root_of(request: web.Request) -> Handler | None:
    """Return the handler of `/` for a cloud client, or None for other clients."""
    if request.path != "/":
        return None
    return next((each.root for each in request.app[SPOKEN] if each.asks_root(request)), None)
