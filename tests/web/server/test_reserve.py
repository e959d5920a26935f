"""Liveness, readiness and scrapes have room that nobody else can take, at every limit."""

import asyncio
import json
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path

import pytest

from prober.daemon.access import connection_limits
from prober.web.server.client_limits import Limits
from prober.web.server.listener import Listener
from prober.web.server.reserve import GRACE, SLOW, ReservePlace, first_to_leave, is_vital, place_for
from tests.running import PATIENCE, Daemon, daemon
from tests.web.server.test_client_limits import (
    HALF_HEADERS,
    PATIENT,
    answer,
    calling,
    ended,
    serving,
    until,
)
from tests.web.world import World, monitor

STREAM = b"GET /api/v1/events/stream HTTP/1.1\r\nHost: h\r\n\r\n"
NO_BODY = b"POST /-/reload HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n"
VITAL = {"/-/healthy": 200, "/-/ready": 503, "/metrics": 200, "/health/pools/web": 503}


class Someone:
    """A connection, as far as the reserve needs one."""

    def __init__(
        self, peer: str = "a", entered_at: float = 0.0, *, waits: bool = True, scrapes: bool = False
    ) -> None:
        self.peer = peer
        self.entered_at = entered_at
        self.idle_since = entered_at if waits else None
        self.scrapes = scrapes


def test_clients_without_a_request_are_dropped_first_then_slow_scrapers() -> None:
    answered, silent = Someone(waits=False), Someone(entered_at=5.0)
    slow = Someone(entered_at=1.0, waits=False, scrapes=True)
    assert first_to_leave([answered], 1e9) is None
    assert first_to_leave([answered, silent], 5.0 + GRACE) is None
    assert first_to_leave([answered, silent], 5.1 + GRACE) is silent
    assert first_to_leave([slow], 1.0 + SLOW) is None
    assert first_to_leave([answered, slow], 1.1 + SLOW) is slow
    assert first_to_leave([slow, silent, Someone(entered_at=6.0)], 100.0) is silent


def test_another_machine_gets_a_part_of_the_reserve() -> None:
    inside = [Someone("b", at) for at in (1.0, 2.0, 3.0, 4.0)]
    assert place_for("c", inside, 16, 1.0, local=False) == ReservePlace(free=True)
    assert place_for("b", inside, 16, 1.0, local=False) == ReservePlace(free=False)
    assert place_for("b", inside, 16, 9.0, local=False) == ReservePlace(free=True, victim=inside[0])
    assert place_for("b", inside, 16, 1.0, local=True) == ReservePlace(free=True)
    assert place_for("c", inside, 4, 1.0, local=True) == ReservePlace(free=False)
    assert place_for("c", inside, 4, 9.0, local=False) == ReservePlace(free=True, victim=inside[0])


@pytest.mark.parametrize(
    ("path", "vital"),
    [
        *((path, True) for path in VITAL),
        *((path, False) for path in ("/", "/-/reload", "/metricsx", "/api/v1/status", "/healthx")),
    ],
)
def test_what_is_vital(path: str, vital: bool) -> None:
    assert is_vital(path) is vital


def test_there_is_a_reserve_at_every_limit_of_descriptors() -> None:
    for descriptors in (*range(1, 5000, 7), resource.RLIM_INFINITY):
        limits = connection_limits(descriptors)
        assert 4 <= limits.reserved <= 16


SMALL = PATIENT._replace(connections=8, per_peer=0, reserved=4)


@pytest.fixture
async def crowded(world: World) -> AsyncIterator[Listener]:
    """Serve, with every ordinary place taken by a stream of events or a body that never comes."""
    world.configure(monitor("web", "10.0.0.1:80"))
    async with AsyncExitStack() as stack:
        listener = await stack.enter_async_context(serving(world.app(), SMALL))
        for number in range(8):
            reader, writer = await stack.enter_async_context(calling(listener))
            writer.write(STREAM if number % 2 else NO_BODY)
            if number % 2:
                await reader.readuntil(b"retry: 2000")
        await until(lambda: all(each.idle_since is None for each in listener._present))
        yield listener


async def ask(listener: Listener, path: str, method: str = "GET") -> tuple[int, bytes, bytes]:
    async with calling(listener) as (reader, writer):
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        content = await ended(reader)
    head, _, body = content.partition(b"\r\n\r\n")
    return int(head.split()[1]), head, body


@pytest.mark.parametrize("path", VITAL)
async def test_what_is_vital_is_answered_and_the_connection_ends(
    crowded: Listener, path: str
) -> None:
    for _ in range(3):
        status, _, body = await ask(crowded, path)
        assert status == VITAL[path]
        assert body
        assert b"too many connections" not in body
    await until(lambda: len(crowded) == 8)


@pytest.mark.parametrize("path", ["/", "/api/v1/status", "/nothing", "/v2.0", "/static/page.js"])
async def test_everything_else_is_put_off(crowded: Listener, path: str) -> None:
    status, head, body = await ask(crowded, path)
    assert status == 503
    assert b"Retry-After: 1" in head
    assert b"Connection: close" in head
    assert json.loads(body)["message"].startswith("too many connections")


async def test_a_vital_request_whose_body_never_comes_is_answered_at_once(
    crowded: Listener,
) -> None:
    async with calling(crowded) as (reader, writer):
        writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n")
        assert (await answer(reader))[0] == 200
        assert await ended(reader) == b""
    await until(lambda: len(crowded) == 8)


@pytest.mark.parametrize("sent", [b"", HALF_HEADERS])
async def test_the_reserve_cannot_be_filled_by_silence(crowded: Listener, sent: bytes) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(20):
            _, writer = await stack.enter_async_context(calling(crowded))
            writer.write(sent)
        for path, status in VITAL.items():
            assert (await ask(crowded, path))[0] == status
        assert len(crowded) <= SMALL.connections + SMALL.reserved


async def test_slow_scrapes_leave_room_for_liveness_and_in_time_for_other_scrapes(
    crowded: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with calling(crowded), calling(crowded):
        await until(lambda: len(crowded) == 10)
        inside = [each for each in crowded._present if each.is_reserved]
        for each in inside:  # as if they took nothing of a long answer
            each.began()
            each.scrapes = True
        assert (await ask(crowded, "/metrics"))[0] == 503
        for _ in range(3):
            assert (await ask(crowded, "/-/healthy"))[0] == 200
        monkeypatch.setattr("prober.web.server.reserve.SLOW", 0.0)
        async with calling(crowded), calling(crowded):  # the reserve is full
            assert (await ask(crowded, "/-/healthy"))[0] == 200
            assert (await ask(crowded, "/metrics"))[0] == 200


# As the daemon, at limits of descriptors that are low


@contextmanager
def holding(running: Daemon, request: bytes, count: int) -> Iterator[None]:
    """Open so many connections that send this and stay."""
    host, _, port = running.url.removeprefix("http://").partition(":")
    with ExitStack() as stack:
        for _ in range(count):
            connection = socket.create_connection((host, int(port)), PATIENCE)
            stack.callback(connection.close)
            connection.sendall(request)
        yield


@pytest.mark.parametrize("descriptors", [64, 128, 256, 1024])
def test_the_daemon_is_alive_and_scraped_whatever_clients_hold(
    tmp_path: Path, descriptors: int
) -> None:
    config = {
        "server": {"state_dir": "state"},
        "pools": [{"name": "web", "backends": ["127.0.0.1:1"]}],
        "monitors": [{"name": "web-tcp", "type": "TCP", "pool": "web", "interval": "100ms"}],
    }
    with daemon(config, tmp_path, descriptors=descriptors) as running:
        for request in (STREAM, NO_BODY, b""):
            with holding(running, request, connection_limits(descriptors).connections + 20):
                for _ in range(3):
                    assert running.get("/-/healthy")[0] == 200
                    assert running.get("/-/ready")[0] in (200, 503)
                    assert running.get("/metrics")[0] == 200
        assert running.stop() == 0


def test_the_reserve_is_not_part_of_what_clients_may_hold() -> None:
    assert Limits().connections + Limits().reserved < 1024 - 128


async def test_a_descriptor_is_kept_for_when_there_are_no_others(world: World) -> None:
    """Without any descriptor left, liveness is answered with the spare one, and then again."""
    async with serving(world.app(), PATIENT) as listener:
        async with calling(listener) as (reader, writer):
            writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: h\r\n\r\n")
            assert (await answer(reader))[0] == 200
        await until(lambda: len(listener) == 0)
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        client = socket.socket()
        client.setblocking(False)
        taken = [socket.socket()]
        try:
            highest = taken[0].fileno()
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, before[1]))
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, tuple(listener.addresses[0]))
            await loop.sock_sendall(client, b"GET /-/healthy HTTP/1.1\r\nHost: h\r\n\r\n")
            assert (await loop.sock_recv(client, 100)).startswith(b"HTTP/1.1 200")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
            client.close()
            for each in taken:
                each.close()
