"""A world whose monitors are edited, and what asks for it as the clouds' clients do."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.web.conftest import Client
from tests.web.dialects.editing import FakeEditor
from tests.web.world import World

DOCUMENT = {
    "pools": [
        {
            "name": "web",
            "id": "b495b736-0a82-581a-8720-d743a93ded5a",
            "load_balancer": "lb-1",
            "project_id": "p1",
            "backends": [
                "10.0.0.1:80",
                {"address": "10.0.0.2", "port": 80, "name": "two", "labels": {"rack": "r2"}},
                "[2001:db8::3]:80",
                "three.example:80",
            ],
        },
        {"name": "spare", "load_balancer": "lb-1", "project_id": "p1", "backends": ["10.0.1.1:80"]},
        {"name": "names", "project_id": "p2", "backends": ["10.0.2.1:53"]},
    ],
    "monitors": [
        {
            "name": "web-http",
            "id": "1b587819-d619-49c1-9101-fe72d8b361ef",
            "type": "HTTP",
            "pool": "web",
            "interval": "500ms",
            "timeout": 10,
            "rise": 3,
            "fall": 5,
            "expected_codes": "200-204, 300-302,401",
            "url_path": "/healthz",
            "domain_name": "www.test.com",
            "labels": {"rack": "r1", "team": "a"},
            "body_regex": "fine",
        },
        {"name": "names-udp", "type": "UDP_CONNECT", "pool": "names", "port": 5353},
        {"name": "alone", "type": "TLS", "targets": ["10.0.3.1:443"], "enabled": False},
        {"name": "calls", "type": "GRPC", "targets": ["10.0.4.1:9000"], "interval": 3600},
    ],
}
HTTP_ID = "1b587819-d619-49c1-9101-fe72d8b361ef"
WEB_ID = "b495b736-0a82-581a-8720-d743a93ded5a"


@pytest.fixture
def editor(world: World) -> FakeEditor:
    return FakeEditor(world, DOCUMENT)


@pytest.fixture
async def edited(connect: Callable[..., Awaitable[Client]], editor: FakeEditor) -> Client:
    """Return a client of the application whose monitors are edited."""
    return await connect(editor=editor)


async def ask(
    client: Client, method: str, path: str, body: Any = None, *, status: int = 200
) -> dict[str, Any]:
    """Send a request and return the JSON of the answer, which must have this status."""
    async with client.request(method, path, json=body) as response:
        assert response.status == status, await response.text()
        assert response.headers["X-Request-Id"]
        assert response.headers["x-openstack-request-id"]
        answer: dict[str, Any] = await response.json()
    return answer


async def refused(
    client: Client, method: str, path: str, body: Any = None, *, status: int = 400
) -> str:
    """Send a request that is refused, and return what is said."""
    answer = await ask(client, method, path, body, status=status)
    assert answer["error_code"].startswith("ELB.")
    return str(answer["error_msg"])


def pool_id(world: World, name: str) -> str:
    return world.store.pools[name].id


def monitor_id(world: World, name: str) -> str:
    return world.store.monitors[name].id
