"""What a client may hold: connections that are silent, slow or too many, on real sockets."""

import asyncio
import errno
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from prober.model.probe import Target
from prober.web.server.client_limits import Limits
from prober.web.server.listener import Crowd, Listener, room_for
from prober.web.server.request_body import BODY_LIMIT
from prober.web.server.reserve import GRACE
from tests.web.world import World, monitor

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
PATIENT = Limits(headers=1000, idle=1000, body=1000, stall=1000)
HEALTHY = b"GET /-/healthy HTTP/1.1\r\nHost: h\r\n\r\n"


@asynccontextmanager
async def serving(app: web.Application, limits: Limits, **more: Any) -> AsyncIterator[Listener]:
    """Serve an application as the daemon does."""
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    assert runner.server is not None
    listener = Listener(runner.server, limits=limits, **more)
    try:
        await listener.open(Target("127.0.0.1", 0))
        yield listener
    finally:
        await listener.close()
        await runner.cleanup()
        await until(lambda: len(listener) == 0)


@pytest.fixture
async def serve(world: World) -> AsyncIterator[Callable[[Limits], Awaitable[Listener]]]:
    async with AsyncExitStack() as stack:

        async def start(limits: Limits) -> Listener:
            return await stack.enter_async_context(serving(world.app(), limits))

        yield start


@asynccontextmanager
async def calling(listener: Listener, source: str = "127.0.0.1") -> AsyncIterator[Stream]:
    """Connect from an address of this machine."""
    host, port = listener.addresses[0]
    reader, writer = await asyncio.open_connection(host, port, local_addr=(source, 0))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the connection ends, in whatever way."""
    received = b""
    try:
        while part := await reader.read(65536):
            received += part
    except ConnectionError:
        pass
    return received


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return status and body of the next answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return int(head.split()[1]), await reader.readexactly(length)


async def is_healthy(listener: Listener, source: str = "127.0.0.1") -> bool:
    async with calling(listener, source) as (reader, writer):
        writer.write(HEALTHY)
        return await answer(reader) == (200, b"Healthy\n")


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what nothing tells of."""
    while not condition():  # noqa: ASYNC110  (there is no event)
        await asyncio.sleep(0.001)


SILENT = b""
HALF = b"GET /-/healthy HTT"
HALF_HEADERS = b"GET /-/healthy HTTP/1.1\r\nHost: h\r\nX-Slow: "


@pytest.mark.parametrize("sent", [SILENT, HALF, HALF_HEADERS])
async def test_headers_that_do_not_come_end_the_connection(
    serve: Callable[[Limits], Awaitable[Listener]], sent: bytes
) -> None:
    listener = await serve(PATIENT._replace(headers=0.05))
    async with calling(listener) as (reader, writer):
        writer.write(sent)
        assert await ended(reader) == b""
    await until(lambda: len(listener) == 0)


async def test_headers_in_drips_gain_no_time(
    serve: Callable[[Limits], Awaitable[Listener]],
) -> None:
    listener = await serve(PATIENT._replace(headers=0.1))
    async with calling(listener) as (reader, writer):
        end = asyncio.create_task(ended(reader))
        while not end.done():
            writer.write(b"G")
            await asyncio.wait({end}, timeout=0.002)
        assert not await end or b"400" in await end


async def test_the_headers_of_a_further_request_are_waited_for_as_long(
    serve: Callable[[Limits], Awaitable[Listener]],
) -> None:
    listener = await serve(PATIENT._replace(headers=0.05))
    async with calling(listener) as (reader, writer):
        for _ in range(2):
            writer.write(HEALTHY)
            assert (await answer(reader))[0] == 200
        writer.write(HALF_HEADERS)
        assert await ended(reader) == b""


async def test_an_idle_connection_is_kept_for_its_own_time(
    serve: Callable[[Limits], Awaitable[Listener]],
) -> None:
    listener = await serve(PATIENT._replace(headers=0.02))
    async with calling(listener) as (reader, writer):
        writer.write(HEALTHY)
        assert (await answer(reader))[0] == 200
        async with calling(listener) as (silent, _):
            assert await ended(silent) == b""
        writer.write(HEALTHY)
        assert (await answer(reader))[0] == 200
    brief = await serve(PATIENT._replace(idle=0.02))
    async with calling(brief) as (reader, writer):
        writer.write(HEALTHY)
        assert (await answer(reader))[0] == 200
        assert await ended(reader) == b""


async def test_a_body_that_does_not_come_is_answered_408(
    serve: Callable[[Limits], Awaitable[Listener]],
) -> None:
    listener = await serve(PATIENT._replace(body=0.05))
    async with calling(listener) as (reader, writer):
        writer.write(b"POST /-/reload HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345")
        status, body = await answer(reader)
        assert status == 408
        assert json.loads(body) == {
            "code": "request_timeout",
            "message": "the body did not arrive within 0.05 s",
        }
        assert await ended(reader) == b""


async def test_a_body_that_is_too_long_is_answered_413(
    serve: Callable[[Limits], Awaitable[Listener]],
) -> None:
    listener = await serve(PATIENT)
    async with calling(listener) as (reader, writer):
        head = b"POST /-/reload HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % (BODY_LIMIT + 1) + bytes(BODY_LIMIT + 1))
        assert (await answer(reader))[0] == 413


@pytest.mark.parametrize(
    "request_",
    [
        b"NONSENSE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nNo colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 20000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET " + b"/" * 20000 + b" HTTP/1.1\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_answered_in_a_few_words(
    serve: Callable[[Limits], Awaitable[Listener]],
    caplog: pytest.LogCaptureFixture,
    request_: bytes,
) -> None:
    listener = await serve(PATIENT)
    async with calling(listener) as (reader, writer):
        writer.write(request_)
        status, body = await answer(reader)
        assert await ended(reader) == b""
    assert status == 400
    assert len(body) < 250
    assert json.loads(body)["code"] == "bad_request"
    assert caplog.records == []
    assert await is_healthy(listener)


async def test_a_broken_body_is_answered_400(
    serve: Callable[[Limits], Awaitable[Listener]], caplog: pytest.LogCaptureFixture
) -> None:
    listener = await serve(PATIENT)
    async with calling(listener) as (reader, writer):
        writer.write(b"POST /-/reload HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        await writer.drain()
        writer.write(b"zz\r\n\r\n")
        assert (await answer(reader))[0] == 400
    assert caplog.records == []


async def test_a_stream_of_events_lives_on(
    world: World, serve: Callable[[Limits], Awaitable[Listener]]
) -> None:
    world.configure(monitor("web", "10.0.0.1:80"))
    listener = await serve(Limits(headers=0.02, idle=0.02, body=0.02, stall=0.02))
    async with calling(listener) as (reader, writer):
        writer.write(b"GET /api/v1/events/stream HTTP/1.1\r\nHost: h\r\n\r\n")
        await reader.readuntil(b"retry: 2000")
        async with calling(listener) as (other, _):
            assert await ended(other) == b""  # its time is up, twice that of the stream
        world.store.note("reload", "still there")
        assert b"still there" in await reader.readuntil(b"still there")


async def test_a_client_that_reads_nothing_loses_its_answer(world: World) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(1 << 16))

    app = world.app()
    app.router.add_get("/endless", endless)
    async with serving(app, PATIENT._replace(stall=0.05)) as listener:
        host, port = listener.addresses[0]
        with socket.create_connection((host, port)) as client:
            client.sendall(b"GET /endless HTTP/1.1\r\nHost: h\r\n\r\n")
            await until(lambda: len(listener) == 1)
            await until(lambda: len(listener) == 0)


class Wire:
    """A transport with so many bytes left to send, each time that it is asked."""

    def __init__(self, *left: int) -> None:
        self.left = list(left)
        self.aborted = False

    def get_write_buffer_size(self) -> int:
        return self.left.pop(0)

    def abort(self) -> None:
        self.aborted = True


async def test_a_client_that_reads_slowly_gets_its_answer(
    world: World, serve: Callable[[Limits], Awaitable[Listener]]
) -> None:
    listener = await serve(PATIENT)
    async with calling(listener):
        await until(lambda: any(each.is_met for each in listener._present))
        [connection] = listener._present
        real, wire = connection._wire, Wire(100, 99, 98, 98)
        connection._wire = wire  # type: ignore[assignment]  # as far as it is asked
        connection.pause_writing()
        for aborted in (False, False, True):
            connection._drop_if_stalled()
            assert wire.aborted == aborted
        connection.resume_writing()
        connection._wire = real


@pytest.mark.parametrize(
    "sent",
    [SILENT, HALF_HEADERS, b"POST /-/reload HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n"],
    ids=["silent", "slow", "no body"],
)
async def test_three_hundred_bad_clients_do_not_keep_a_good_one_out(
    serve: Callable[[Limits], Awaitable[Listener]], sent: bytes
) -> None:
    limits = PATIENT._replace(body=0.2 if b"POST" in sent else 1000)
    listener = await serve(limits)
    async with AsyncExitStack() as stack:
        for number in range(300):
            source = f"127.0.{number % 10}.1" if b"POST" in sent else "127.0.0.1"
            _, writer = await stack.enter_async_context(calling(listener, source))
            writer.write(sent)
        if b"POST" in sent:  # these are at work until their time is up
            await until(lambda: len(listener) < limits.connections)
        assert len(listener) <= limits.connections
        assert await is_healthy(listener)


async def test_at_the_limit_the_one_that_is_idle_for_longest_goes(
    serve: Callable[[Limits], Awaitable[Listener]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prober.web.server.reserve.GRACE", -1.0)
    listener = await serve(PATIENT._replace(connections=3, per_peer=0))
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(calling(listener)) for _ in range(3)]
        reader, writer = streams[0]
        writer.write(HEALTHY)  # so that it has just been at work
        assert (await answer(reader))[0] == 200
        with capture_logs() as lines:
            assert await is_healthy(listener)
        assert await ended(streams[1][0]) == b""
        writer.write(HEALTHY)
        assert (await answer(reader))[0] == 200
    [line] = lines
    assert (line["event"], line["peer"]) == ("too_many_connections", "127.0.0.1")


class Someone:
    """A connection, as far as a decision on room for others needs one."""

    def __init__(self, peer: str, idle_since: float | None) -> None:
        self.peer = peer
        self.idle_since = idle_since


def test_a_peer_makes_room_for_its_own_and_nobody_else_does() -> None:
    limits = Limits(connections=6, per_peer=2)
    a, b = Someone("a", 1.0), Someone("a", None)
    crowd: Any = [a, b, Someone("b", 0.0)]
    assert room_for("a", crowd, limits) == Crowd(enters=True, victim=crowd[0])
    assert room_for("b", crowd, limits) == Crowd(enters=True)
    a.idle_since = None
    assert room_for("a", crowd, limits) == Crowd(enters=False)
    assert room_for("c", crowd * 2, limits) == Crowd(enters=True, victim=crowd[2])


def test_a_connection_that_has_just_come_is_not_replaced() -> None:
    """Else a flood of connections would end each before its request is read."""
    limits = Limits(connections=2, per_peer=2)
    crowd: Any = [Someone("a", 5.0), Someone("a", 5.05)]
    assert room_for("a", crowd, limits, 5.06) == Crowd(enters=False)
    assert room_for("a", crowd, limits, 5.0 + 2 * GRACE) == Crowd(enters=True, victim=crowd[0])


def test_loopback_may_have_all_but_the_share_of_another() -> None:
    assert [Limits().of_peer(peer) for peer in ("10.0.0.1", "127.0.0.9", "::1")] == [32, 224, 224]
    assert Limits(connections=8).of_peer("10.0.0.1") == 8
    assert Limits(connections=8).of_peer("::1") == 4


async def test_without_descriptors_it_rests_and_says_so_once(
    serve: Callable[[Limits], Awaitable[Listener]], monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = await serve(PATIENT)
    tries: list[None] = []

    class Exhausted:
        def __init__(self, real: socket.socket) -> None:
            self.real = real

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

        def accept(self) -> Any:
            tries.append(None)
            if len(tries) <= 3:
                raise OSError(errno.EMFILE, "Too many open files")
            return self.real.accept()

    [real] = listener._sockets
    loop = asyncio.get_running_loop()
    loop.remove_reader(real.fileno())
    short: Any = Exhausted(real)
    listener._sockets[:] = [short]
    monkeypatch.setattr("prober.web.server.listener._REST", 0.02)
    listener._resume(short)
    with capture_logs() as lines:
        assert await is_healthy(listener)
    assert len(tries) < 10
    assert [line["event"] for line in lines] == ["cannot_accept"]


async def test_what_was_sent_and_not_yet_read_keeps_a_connection_from_being_replaced(
    serve: Callable[[Limits], Awaitable[Listener]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop that is behind must not take its own delay for the silence of a client."""
    monkeypatch.setattr("prober.web.server.reserve.GRACE", -1.0)
    listener = await serve(PATIENT._replace(connections=1, per_peer=0))
    host, port = listener.addresses[0]
    with socket.create_connection((host, port)) as client:
        await until(lambda: any(each.is_met for each in listener._present))
        [connection] = listener._present
        assert listener._room("127.0.0.1", scarce=False) == (Crowd(True, connection), False)
        client.sendall(HALF)
        assert listener._has_unread(connection)
        assert listener._room("127.0.0.1", scarce=False) == (Crowd(enters=True), True)
        await until(lambda: not listener._has_unread(connection))


async def test_only_the_first_bytes_of_a_request_buy_time(
    serve: Callable[[Limits], Awaitable[Listener]],
) -> None:
    listener = await serve(PATIENT)
    async with calling(listener) as (_, writer):
        await until(lambda: any(each.is_met for each in listener._present))
        [connection] = listener._present
        came = connection.idle_since
        connection.data_received(b"G")
        heard = connection.idle_since
        assert heard is not None
        assert came is not None
        assert heard > came
        connection.data_received(b"E")
        assert connection.idle_since == heard
        writer.transport.abort()
