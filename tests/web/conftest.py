"""A world, and a client of the application that shows it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from tests.web.world import World, kept

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def kept_world(tmp_path: Path) -> Iterator[World]:
    with kept(tmp_path) as world:
        yield world


@pytest.fixture
async def connect(world: World) -> AsyncIterator[Callable[..., Awaitable[Client]]]:
    async with AsyncExitStack() as stack:

        async def start(**more: Any) -> Client:
            return await stack.enter_async_context(TestClient(TestServer(world.app(**more))))

        yield start


@pytest.fixture
async def client(connect: Callable[..., Awaitable[Client]]) -> Client:
    return await connect()
