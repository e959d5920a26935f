"""A prober that the stock clients of the clouds talk to over a real socket.

`serving` has an editor of the tests' own and results that are made up, and is there at once;
`running` is the daemon, with `server.writable`.
"""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from aiohttp import web

from prober.model.status import Reason
from tests.running import PATIENCE, daemon, listener
from tests.web.dialects.editing import FakeEditor
from tests.web.world import World

LIVE, DEAD = "127.0.0.1:8080", "127.0.0.1:1"
BULK = 5


def configuration(live: str = LIVE) -> dict[str, Any]:
    """Return what the clients find: three projects, of which `p1` has most."""
    bulk = [f"bulk-{number}" for number in range(BULK)]
    return {
        "pools": [
            {"name": "web", "load_balancer": "lb-1", "project_id": "p1", "backends": [live, DEAD]},
            {"name": "spare", "load_balancer": "lb-1", "project_id": "p1", "backends": [live]},
            *(
                {"name": name, "load_balancer": "lb-2", "project_id": "bulk", "backends": [live]}
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


class Prober(Protocol):
    """A prober, wherever it runs."""

    @property
    def url(self) -> str:
        """Where it answers."""


class Served(NamedTuple):
    """One that runs in this process."""

    url: str


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
        yield Served(asyncio.run_coroutine_threadsafe(start(), loop).result(PATIENCE))
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


@contextmanager
def running(folder: Path) -> Iterator[Prober]:
    """Run the daemon with the configuration until it knows how `web` stands."""

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with listener(serve=answer) as port:
        config = {**configuration(f"127.0.0.1:{port}"), "server": {"writable": True}}
        with daemon(config, folder) as found:
            ended = threading.Event()
            for _ in range(int(PATIENCE / 0.05)):
                checks = found.json("/api/v1/checks?monitor=web-http")["checks"]
                if {check["online"] for check in checks} == {True, False}:
                    break
                ended.wait(0.05)
            yield found
