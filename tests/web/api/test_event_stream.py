"""The live events: as they come, resumed, and for clients that are too slow."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import BaseTestServer, TestClient, TestServer

from prober.model.status import Reason
from prober.web.api.event_stream import STREAMS, Streams
from tests.web.conftest import Client
from tests.web.world import World, monitor

Connect = Callable[..., Awaitable[Client]]
PATH = "/api/v1/events/stream"
ONE = "10.0.0.1:80"


@pytest.fixture(autouse=True)
def _configured(world: World) -> None:
    world.configure(monitor("web", ONE, rise=1, fall=1))


def flap(world: World, times: int) -> None:
    for _ in range(times):
        last = world.store.events.last_id
        world.record("web", ONE, Reason.REFUSED if last % 2 else Reason.OK)


async def block(response: ClientResponse) -> list[str]:
    """Return the lines of the next event or comment."""
    return (await response.content.readuntil(b"\n\n")).decode().splitlines()[:-1]


async def ids(response: ClientResponse, count: int) -> list[str]:
    return [(await block(response))[0] for _ in range(count)]


async def test_an_event_is_sent_when_it_happens(world: World, client: Client) -> None:
    flap(world, 1)
    async with client.get(PATH) as response:
        assert response.content_type == "text/event-stream"
        assert response.headers["X-Accel-Buffering"] == "no"
        assert await block(response) == ["retry: 2000", "id: 1"]
        flap(world, 1)
        identity, sort, content = await block(response)
        assert (identity, sort) == ("id: 2", "event: transition")
        [event, _] = (await (await client.get("/api/v1/events")).json())["events"]
        assert json.loads(content.removeprefix("data: ")) == event


async def test_each_client_gets_every_event(world: World, client: Client) -> None:
    async with client.get(PATH) as one, client.get(PATH) as two:
        await block(one)
        await block(two)
        flap(world, 250)
        assert await ids(one, 250) == await ids(two, 250) == [f"id: {n}" for n in range(1, 251)]


async def test_a_client_that_comes_back_gets_what_it_missed(world: World, client: Client) -> None:
    flap(world, 4)
    async with client.get(PATH, headers={"Last-Event-ID": "2"}) as response:
        assert await block(response) == ["retry: 2000"]
        assert await ids(response, 2) == ["id: 3", "id: 4"]
        flap(world, 1)
        assert await ids(response, 1) == ["id: 5"]


async def test_the_header_precedes_the_parameter(world: World, client: Client) -> None:
    flap(world, 4)
    path = f"{PATH}?last_event_id=1"
    async with client.get(path) as response:
        await block(response)
        assert await ids(response, 1) == ["id: 2"]
    async with client.get(path, headers={"Last-Event-ID": "3"}) as response:
        await block(response)
        assert await ids(response, 1) == ["id: 4"]


@pytest.mark.parametrize("last_seen", ["1", "99999"])
async def test_a_client_whose_events_are_unknown_is_told_to_resync(
    world: World, client: Client, last_seen: str
) -> None:
    flap(world, 10_002)  # two more than the log holds
    async with client.get(PATH, headers={"Last-Event-ID": last_seen}) as response:
        assert await block(response) == ["retry: 2000", "id: 10002"]
        assert await block(response) == [
            "event: resync",
            'data: {"message": "events were missed; request the current state"}',
        ]
        flap(world, 1)
        assert await ids(response, 1) == ["id: 10003"]


@pytest.mark.parametrize("value", ["x", "-1", ""])
async def test_an_id_that_is_no_number_is_refused(client: Client, value: str) -> None:
    for response in (
        await client.get(PATH, headers={"Last-Event-ID": value}),
        await client.get(PATH, params={"last_event_id": value}),
    ):
        assert response.status == 400
        assert "last_event_id" in (await response.json())["message"]


async def test_a_silent_stream_shows_that_it_lives(connect: Connect) -> None:
    client = await connect(heartbeat=0.001)
    async with client.get(PATH) as response:
        await block(response)
        assert await block(response) == [": heartbeat"]
        assert await block(response) == [": heartbeat"]


async def followed_by(clients: int, streams: Streams) -> None:
    """Wait until so many clients follow; pytest's timeout ends a wait in vain."""
    while len(streams) != clients:  # noqa: ASYNC110  (nothing in there tells)
        await asyncio.sleep(0.001)


async def test_a_client_that_leaves_is_forgotten(world: World) -> None:
    app = world.app(heartbeat=0.001)
    async with TestClient(TestServer(app)) as client:
        async with client.get(PATH) as response:
            await block(response)
            assert len(app[STREAMS]) == 1
        await followed_by(0, app[STREAMS])


async def test_a_client_that_falls_too_far_behind_is_hung_up_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = world.app()
    monkeypatch.setattr(app[STREAMS], "_backlog", 3)
    async with TestClient(TestServer(app)) as client:
        async with client.get(PATH) as response:
            await block(response)
            flap(world, 4)  # in one go: one more than it may be behind
            assert await response.content.read() == b""
        async with client.get(PATH, headers={"Last-Event-ID": "0"}) as response:
            await block(response)
            assert await ids(response, 4) == ["id: 1", "id: 2", "id: 3", "id: 4"]


@asynccontextmanager
async def stuck(world: World, server: BaseTestServer, streams: Streams) -> AsyncIterator[None]:
    """Connect a client that takes nothing, and fill every buffer on the way to it."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sock.connect((server.host, server.port))
        sock.sendall(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await followed_by(1, streams)
        [follower] = streams._followers
        assert follower._request.transport is not None
        outgoing = follower._request.transport.get_extra_info("socket")
        outgoing.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
        sent = -1
        writer = follower.response._payload_writer
        assert writer is not None
        while writer.output_size != sent or not follower._writing:
            sent = writer.output_size
            flap(world, 100)
            await asyncio.sleep(0.001)
        yield


async def test_a_client_that_takes_nothing_is_hung_up_on(world: World) -> None:
    app = world.app()
    async with TestServer(app) as server, stuck(world, server, app[STREAMS]):
        assert len(app[STREAMS]) == 1
        flap(world, 10_001)  # more than the log holds
        await followed_by(0, app[STREAMS])


async def test_a_shutdown_waits_for_no_client(world: World) -> None:
    app = world.app()
    async with TestServer(app) as server, stuck(world, server, app[STREAMS]):
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readuntil(b"id: ")
        assert len(app[STREAMS]) == 2
        await app.shutdown()
        await reader.readuntil(b"\r\n0\r\n\r\n")  # the end of the chunks
        await followed_by(0, app[STREAMS])
        writer.close()
