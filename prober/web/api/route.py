"""A route of the native API, and what describes all routes."""

import asyncio
from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler

from prober.web.server.json_answer import JsonText
from prober.web.server.query import Parameter


class Route(NamedTuple):
    """One route.

    `answers` has, for each status, the name of a schema, or the media type of an answer that is not
    JSON; an empty name means no body. `parameters` returns those of its query. `body` is the schema
    of the request. `public` routes need no authentication if `page.public` is set. A route that
    `looks` changes nothing, whatever its method, so the role `read` is sufficient. A route that
    `connects` makes prober connect to an address that the caller chooses, so pages of other sites
    must not use it. The body of a route that `is_form` is that of a form instead of JSON. Answers
    that every route with parameters or with a name in its path can give (400, 404) are not listed.
    """

    method: str
    path: str
    handler: Handler
    answers: Mapping[int, str]
    parameters: Callable[[], tuple[Parameter, ...]] = tuple
    public: bool = False
    body: str | None = None
    looks: bool = False
    connects: bool = False
    is_form: bool = False


class Description:
    """The description of all routes, made when it is first read: that takes time."""

    def __init__(self, make: Callable[[], JsonText]) -> None:
        self._made = cache(make)

    async def read(self) -> JsonText:
        """Return the OpenAPI document; other requests go on while it is made."""
        return await asyncio.to_thread(self._made)


OPENAPI = web.AppKey("OPENAPI", Description)
