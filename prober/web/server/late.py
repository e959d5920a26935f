"""Handlers whose modules are imported at their first request, because most daemons get none."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from prober.web.server.query import Parameter


def late(module: str, name: str) -> Handler:
    """Return a handler that is `name` of a module, which is imported at the first request."""

    @cache
    def load() -> Handler:
        found: Handler = getattr(import_module(module), name)
        return found

    async def handle(request: web.Request) -> web.StreamResponse:
        if not load.cache_info().currsize:
            # in a thread of its own: those of the loop may wait for a dead name server
            thread = ThreadPoolExecutor(1, "import")
            await asyncio.get_running_loop().run_in_executor(thread, load)
            thread.shutdown(wait=False)
        return await load()(request)

    handle.load = load  # type: ignore[attr-defined]  # for `loaded`
    return handle


def late_parameters(*constants: str) -> Callable[[], tuple[Parameter, ...]]:
    """Return a function that returns all parameters in some constants, named with their modules."""

    def load() -> tuple[Parameter, ...]:
        places = (constant.rpartition(".") for constant in constants)
        return tuple(
            each for module, _, name in places for each in getattr(import_module(module), name)
        )

    return load


def loaded(handler: Handler) -> Callable[..., Any]:
    """Return the handler itself, if it is imported late."""
    load = getattr(handler, "load", None)
    return load() if load else handler
