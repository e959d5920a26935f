"""The routes of a cloud API, in the router of an application that was complete before them."""

import asyncio
import re
from collections.abc import Iterator
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


class DialectPaths(PrefixResource):
    """The routes of a dialect below a prefix, made at the first request to a path there."""

    def __init__(self, entry: DialectEntry, prefix: str) -> None:
        super().__init__(prefix)
        self._entry = entry
        self._made: web.UrlDispatcher | None = None

    @property
    def canonical(self) -> str:
        """The prefix, as something that has paths below it."""
        return f"{self._prefix}/"

    async def resolve(
        self, request: web.Request
    ) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        """Return the route of a request; if it has none, the methods that its path has."""
        if self._made is None:
            await asyncio.to_thread(self._entry.load)  # the probes go on
        found = await self._router().resolve(request)
        if found.http_exception is None:
            return found, set()
        return None, getattr(found.http_exception, "allowed_methods", set())

    def _router(self) -> web.UrlDispatcher:
        """Return the router for these paths."""
        if self._made is None:
            self._made = web.UrlDispatcher()
            for each in self._entry.load().routes:
                if f"{each.path}/".startswith(f"{self._prefix}/"):
                    add_route(self._made, each.method, each.path, each.handler)
            self._made.freeze()
        return self._made

    def __iter__(self) -> Iterator[web.AbstractRoute]:
        return iter(self._router().routes())

    def __len__(self) -> int:
        return len(self._router().routes())

    def get_info(self) -> Any:
        """Return the prefix."""
        return {"prefix": self._prefix}

    def url_for(self, **_: str) -> NoReturn:
        """Refuse to make an address: this resource has many."""
        raise RuntimeError("a prefix has no address")
