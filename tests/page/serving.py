"""A world that a browser can look at: served from a thread of its own."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from aiohttp import web

from tests.running import PATIENCE
from tests.web.world import World

T = TypeVar("T")


class Served:
    """A served world; `requests` are the times and paths of what was asked for."""

    def __init__(self, world: World, app: web.Application, loop: asyncio.AbstractEventLoop) -> None:
        self.world = world
        self.app = app
        self.url = ""
        self.requests: list[tuple[float, str]] = []
        self._loop = loop

    def do(self, change: Callable[[], T]) -> T:
        """Change the world in the thread that serves it."""

        async def call() -> T:
            return change()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(PATIENCE)


@contextmanager
def serving(world: World, **more: Any) -> Iterator[Served]:
    """Serve a world as long as the context lasts."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    app = world.app(**more)
    served = Served(world, app, loop)

    async def note(request: web.Request, _: web.StreamResponse) -> None:
        served.requests.append((loop.time(), request.path))

    async def start() -> web.AppRunner:
        app.on_response_prepare.append(note)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    runner = asyncio.run_coroutine_threadsafe(start(), loop).result(PATIENCE)
    host, port = runner.addresses[0][:2]
    served.url = f"http://{host}:{port}"
    try:
        yield served
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()
