"""The pulse of the page: that something changed, and never more often than a page can use."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from prober.model.status import Reason
from prober.web.page.pulse import PULSES
from tests.web.conftest import Client
from tests.web.world import World, monitor

ONE = "10.0.0.1:80"


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    world.configure(monitor("web", ONE, rise=1, fall=1))
    async with TestClient(TestServer(world.app())) as client:
        yield client


def pulses(client: Client) -> None:
    """Let a pulse beat as fast as it can."""
    assert client.app is not None
    client.app[PULSES]._beat = client.app[PULSES]._rest = 0.001


async def block(response: ClientResponse) -> list[str]:
    return (await response.content.readuntil(b"\n\n")).decode().splitlines()[:-1]


def flap(world: World, times: int) -> None:
    for number in range(times):
        world.record("web", ONE, Reason.REFUSED if number % 2 else Reason.OK)


async def test_a_thousand_changes_are_told_once(world: World, client: Client) -> None:
    async with client.get("/pulse") as response:
        assert response.content_type == "text/event-stream"
        assert response.headers["X-Accel-Buffering"] == "no"
        assert await block(response) == ["retry: 2000", "event: alive", "data:"]
        flap(world, 1000)
        assert await block(response) == ["event: changed", "data:"]
        assert client.app is not None
        client.app[PULSES].end()
        assert await response.content.read() == b""  # nothing was waiting to be told


async def test_a_change_while_it_rests_is_told_afterwards(world: World, client: Client) -> None:
    pulses(client)
    async with client.get("/pulse") as response:
        await block(response)
        for _ in range(3):
            flap(world, 2)
            while await block(response) != ["event: changed", "data:"]:
                pass


async def test_a_silent_pulse_shows_that_the_prober_lives(client: Client) -> None:
    pulses(client)
    async with client.get("/pulse") as response:
        await block(response)
        assert await block(response) == ["event: alive", "data:"]


async def test_a_window_that_closes_is_forgotten(client: Client) -> None:
    pulses(client)
    assert client.app is not None
    async with client.get("/pulse") as response:
        await block(response)
        assert len(client.app[PULSES]) == 1
    while len(client.app[PULSES]):  # noqa: ASYNC110  (nothing in there tells)
        await asyncio.sleep(0.001)
