"""The routes of a cloud API, in the router of an application that was complete before them."""

import asyncio
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final, NoReturn

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from aiohttp.web_urldispatcher import PrefixResource

from prober.web.server.dialect import DialectEntry

_NAME_IN_PATH: Final = re.compile(r"\{(\w+)\}")


def add_route(router: web.UrlDispatcher, method: str, path: str, handler: Handler) -> None:
    """Add a route; a `{name}` in its path matches any segment."""
    path = _NAME_IN_PATH.sub(r"{\1:[^/]+}", path)  # names may contain braces too
    if method == hdrs.METH_GET:
        router.add_get(path, handler)
    else:
        router.add_route(method, path, handler)


@cache
def _router(entry: DialectEntry, prefix: str) -> web.UrlDispatcher:
    """Return the router for the paths of a dialect below a prefix; all applications share it."""
    router = web.UrlDispatcher()
    for each in entry.load().routes:
        if f"{each.path}/".startswith(f"{prefix}/"):
            add_route(router, each.method, each.path, each.handler)
    router.freeze()
    return router


class DialectPaths(PrefixResource):
    """The routes of a dialect below a prefix, made at the first request to a path there."""

    def __init__(self, entry: DialectEntry, prefix: str) -> None:
        super().__init__(prefix)
        self._entry = entry
        self._is_loaded = False

    @property
    def canonical(self) -> str:
        """The prefix, as something that has paths below it."""
        return f"{self._prefix}/"

    async def resolve(
        self, request: web.Request
    ) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        """Return the route of a request; if it has none, the methods that its path has."""
        if not self._is_loaded:
            await asyncio.to_thread(self._entry.load)  # the probes go on
            self._is_loaded = True
        found = await _router(self._entry, self._prefix).resolve(request)
        if found.http_exception is None:
            return found, set()
        return None, getattr(found.http_exception, "allowed_methods", set())

    def __iter__(self) -> Iterator[web.AbstractRoute]:
        return iter(_router(self._entry, self._prefix).routes())

    def __len__(self) -> int:
        return len(_router(self._entry, self._prefix).routes())

    def get_info(self) -> Any:
        """Return the prefix."""
        return {"prefix": self._prefix}

    def url_for(self, **_: str) -> NoReturn:
        """Refuse to make a URL: this resource has many."""
        raise RuntimeError("a prefix has no address")
