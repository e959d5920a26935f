"""A prober that the stock clients of the clouds talk to over a real socket."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from prober.model.status import Reason
from tests.running import PATIENCE
from tests.web.dialects.editing import FakeEditor
from tests.web.world import World

LIVE, DEAD = "127.0.0.1:8080", "127.0.0.1:1"
BULK = 5


def configuration() -> dict[str, Any]:
    """Return what the clients find: three projects, of which `p1` has most."""
    bulk = [f"bulk-{number}" for number in range(BULK)]
    return {
        "pools": [
            {"name": "web", "load_balancer": "lb-1", "project_id": "p1", "backends": [LIVE, DEAD]},
            {"name": "spare", "load_balancer": "lb-1", "project_id": "p1", "backends": [LIVE]},
            *(
                {"name": name, "load_balancer": "lb-2", "project_id": "bulk", "backends": [LIVE]}
                for name in bulk
            ),
        ],
        "monitors": [
            {
                "name": "web-http",
                "type": "HTTP",
                "pool": "web",
                "interval": "500ms",
                "url_path": "/healthz",
                "expected_codes": "200-204,301",
                "labels": {"rack": "r1"},
            },
            *({"name": f"{name}-tcp", "type": "TCP", "pool": name} for name in bulk),
            {"name": "resolver", "type": "UDP_CONNECT", "targets": ["127.0.0.1:53"]},
        ],
    }


class Prober:
    """A prober that answers at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url


@contextmanager
def serving() -> Iterator[Prober]:
    """Serve the configuration, with results as probes of `LIVE` and `DEAD` would find them."""
    world = World()
    editor = FakeEditor(world, configuration())
    world.record("web-http", LIVE, times=2)
    world.record("web-http", DEAD, Reason.REFUSED, times=3)
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(world.app(editor=editor), access_log=None)

    async def start() -> str:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield Prober(asyncio.run_coroutine_threadsafe(start(), loop).result(PATIENCE))
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()
