"""The parts of a cloud API: its routes, and its form of errors and headers.

A cloud API is loaded at the first request to one of its paths, because most daemons serve none.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler


class DialectRoute(NamedTuple):
    """One route of a cloud API; `open` routes need no authentication.

    A route that `looks` changes nothing, although its method suggests otherwise.
    """

    method: str
    path: str
    handler: Handler
    open: bool = False
    looks: bool = False


class Dialect(NamedTuple):
    """One cloud API.

    `error` renders an error: status, message, and the contents of `Refused.more`. `prepare` adds
    headers, such as a request id, to every answer. `root` answers those requests for `/` that
    `DialectEntry.asks_root` recognizes, without authentication.
    """

    name: str
    routes: tuple[DialectRoute, ...]
    error: Callable[[web.Request, int, str, Mapping[str, object]], web.Response]
    prepare: Callable[[web.Request, web.StreamResponse], None]
    root: Handler | None = None

    def opens(self, method: str, path: str) -> bool:
        """Return whether a route needs no authentication."""
        return any(each.open and (each.method, each.path) == (method, path) for each in self.routes)

    def looks(self, method: str, path: str) -> bool:
        """Return whether a route changes nothing, although its method suggests otherwise."""
        return any(
            each.looks and (each.method, each.path) == (method, path) for each in self.routes
        )


class DialectEntry(NamedTuple):
    """What is known of a cloud API before it is loaded.

    `paths` matches the beginning of every path that is answered in its form, including errors such
    as 404 and 401. Its routes are below `prefixes`. `load` returns the same dialect each time.
    `asks_root` recognizes the requests of its clients for `/`.
    """

    paths: re.Pattern[str]
    prefixes: tuple[str, ...]
    load: Callable[[], Dialect]
    asks_root: Callable[[web.Request], bool] = lambda _: False


SPOKEN = web.AppKey("SPOKEN", tuple[DialectEntry, ...])
"""The dialects of an application."""
MEMORY = web.AppKey("MEMORY", dict[str, Any])
"""What the dialects of an application remember between requests, by the name of the dialect."""


def dialect_of(request: web.Request) -> Dialect | None:
    """Return the dialect that answers a request, or None for the native API."""
    spoken = request.app[SPOKEN]
    return next((each.load() for each in spoken if each.paths.match(request.path)), None)


def root_of(request: web.Request) -> Handler | None:
    """Return the handler of `/` for a cloud client, or None for other clients."""
    if request.path != "/":
        return None
    return next((each.load().root for each in request.app[SPOKEN] if each.asks_root(request)), None)
