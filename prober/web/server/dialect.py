"""What each cloud API brings: its routes, and its own form of errors and headers."""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler


class DialectRoute(NamedTuple):
    """One route of a cloud API; `open` ones are answered without authentication."""

    method: str
    path: str
    handler: Handler
    open: bool = False


class Dialect(NamedTuple):
    """One cloud API.

    `paths` matches the beginning of every path that is answered in its form, errors such as 404
    and 401 included. `error` renders an error: status, message, and what `Refused.more` holds.
    `prepare` puts its headers, such as a request id, on every answer. `begin` puts into a new
    application what it remembers between requests. `root` answers requests for
    `/` that `asks_root` tells to be of its clients, without authentication.
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
    """Return the dialect that a request is answered in, None for the native API."""
    spoken = request.app[SPOKEN]
    return next((dialect for dialect in spoken if dialect.paths.match(request.path)), None)


def root_of(request: web.Request) -> Handler | None:
    """Return what answers `/` for the client of a cloud API, None for everybody else."""
    if request.path != "/":
        return None
    return next((each.root for each in request.app[SPOKEN] if each.asks_root(request)), None)
