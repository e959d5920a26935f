"""What Oracle's load balancer services are asked about in these tests."""

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer

from tests.web.conftest import Client
from tests.web.dialects.editing import FakeEditor
from tests.web.world import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def editor(world: World) -> FakeEditor:
    return oracle_world(world)


def oracle_world(world: World) -> FakeEditor:
    """Configure two load balancers: `lb` with two backend sets, `other` with an empty one."""
    web = {
        "name": "web",
        "load_balancer": "lb",
        "project_id": "c1",
        "backends": ["10.0.0.1:80", "10.0.0.2:80", "[2001:db8::7]:80"],
    }
    dns = {"name": "dns/a b%2F", "load_balancer": "lb", "backends": ["10.0.0.53:53"]}
    empty = {"name": "empty", "load_balancer": "other", "project_id": "c2"}
    http = {
        "name": "web-http",
        "type": "HTTPS",
        "pool": "web",
        "interval": 7,
        "timeout": 2.5,
        "rise": 4,
        "expected_codes": "200-204,301",
        "url_path": "/healthz",
        "headers": {"X-Token": {"env": "SECRET"}, "X-Other": "o"},
        "labels": {"rack": "r1"},
        "tls": {"server_name": "web.example", "min_version": "1.3"},
    }
    tcp = {"name": "web-tcp", "type": "TCP", "pool": "web"}
    udp = {"name": "dns-udp", "type": "UDP_CONNECT", "pool": "dns/a b%2F", "send": {"text": "hi"}}
    return FakeEditor(world, {"monitors": [http, tcp, udp], "pools": [web, dns, empty]})


@pytest.fixture
async def client(world: World, editor: FakeEditor) -> AsyncIterator[Client]:
    async with TestClient(TestServer(world.app(editor=editor))) as client:
        yield client
