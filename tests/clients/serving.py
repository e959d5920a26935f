"""A daemon that the stock clients of the clouds talk to, with `server.writable`."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from tests.running import PATIENCE, daemon, listener

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
