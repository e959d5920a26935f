"""Handlers whose modules are imported at their first request, because most daemons get none."""

import asyncio
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler


def late(module: str, name: str) -> Handler:
    """Return a handler that is `name` of a module, which is imported at the first request."""

    @cache
    def load() -> Handler:
        found: Handler = getattr(import_module(module), name)
        return found

    async def handle(request: web.Request) -> web.StreamResponse:
        handler = load() if load.cache_info().currsize else await asyncio.to_thread(load)
        return await handler(request)

    handle.load = load  # type: ignore[attr-defined]  # for `loaded`
    return handle


def loaded(handler: Handler) -> Callable[..., Any]:
    """Return the handler itself, if it is imported late."""
    load = getattr(handler, "load", None)
    return load() if load else handler
