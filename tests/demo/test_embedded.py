"""The demonstration's targets behave as promised to plain clients."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from prober.config.advice import advice
from prober.demo import demo_targets, embedded
from prober.demo.demo_targets import alternating, certificate, flapping
from prober.probes import PROBE_TYPES


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def talk(port: int, request: bytes, tls: ssl.SSLContext | None = None) -> bytes:
    """Send a request and return all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    writer.write(request)
    reply = await reader.read()
    writer.close()
    await writer.wait_closed()
    return reply


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def test_flapping_is_good_for_a_while_then_bad_then_good_again() -> None:
    clock = Clock()
    judge = flapping(clock, good=6, bad=4)
    seen = ""
    for _ in range(21):
        seen += "g" if judge() else "b"
        clock.now += 1
    assert seen == "ggggggbbbb" * 2 + "g"


def test_alternating_is_good_at_every_other_request() -> None:
    judge = alternating()
    assert [judge() for _ in range(4)] == [True, False, True, False]


@pytest.mark.parametrize(("well", "status"), [(True, b"200 OK"), (False, b"503 ")])
async def test_an_http_target_answers_and_closes(
    stack: AsyncExitStack, well: bool, status: bytes
) -> None:
    reply = demo_targets.http_reply(lambda: well, "status: up\n")
    port = await demo_targets.serve(
        stack, lambda: demo_targets.Replying(demo_targets.HTTP_END, reply)
    )
    answer = await talk(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status)
    assert b"Content-Length: 11\r\n" in head
    assert body == b"status: up\n"


async def test_a_target_drops_who_never_ends_a_request(stack: AsyncExitStack) -> None:
    port = await demo_targets.serve(
        stack, lambda: demo_targets.Replying(demo_targets.HTTP_END, lambda: b"never")
    )
    with pytest.raises(ConnectionError):
        await talk(port, b"x" * 200_000)


async def test_the_cache_answers_a_ping(stack: AsyncExitStack) -> None:
    port = await demo_targets.serve(
        stack, lambda: demo_targets.Replying(b"PING\r\n", lambda: b"+PONG\r\n")
    )
    assert await talk(port, b"PING\r\n") == b"+PONG\r\n"


def test_the_certificate_carries_the_date_that_was_asked_for() -> None:
    der = ssl.PEM_cert_to_DER_cert(certificate(datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)))
    assert der.count(b"\x17\x0d310203040506Z") == 1
    assert b"491231235959Z" not in der


async def test_tls_shows_a_certificate_that_expires_soon(stack: AsyncExitStack) -> None:
    not_after = datetime.now(UTC).replace(microsecond=0) + timedelta(days=5)
    reply = demo_targets.http_reply(lambda: True)
    port = await demo_targets.serve(
        stack,
        lambda: demo_targets.Replying(demo_targets.HTTP_END, reply),
        tls=demo_targets.tls_context(not_after),
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting())
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 200")
    writer.close()
    await writer.wait_closed()
    assert not_after.strftime("\x17\x0d%y%m%d%H%M%SZ").encode() in der


async def test_grpc_answers_a_real_client_with_serving(stack: AsyncExitStack) -> None:
    port = await demo_targets.serve(stack, demo_targets.GrpcHealth)

    def ask_twice() -> list[int]:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            health = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service="orders")
            return [health.Check(request, timeout=10).status for _ in "ab"]

    serving = health_pb2.HealthCheckResponse.SERVING
    assert await asyncio.to_thread(ask_twice) == [serving, serving]


async def test_udp_sends_back_what_it_gets(stack: AsyncExitStack) -> None:
    port = await demo_targets.serve_datagrams(stack, demo_targets.Echo, "127.0.0.2")
    loop = asyncio.get_running_loop()
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect(("127.0.0.2", port))
        await loop.sock_sendall(client, b"hello")
        assert await loop.sock_recv(client, 100) == b"hello"


def test_closed_ports_refuse() -> None:
    with ExitStack() as stack:
        tcp = demo_targets.refuse_tcp(stack)
        with socket.socket() as client, pytest.raises(ConnectionRefusedError):
            client.connect(("127.0.0.1", tcp))
        udp = demo_targets.refuse_udp(stack, "127.0.0.3")
        with socket.socket(type=socket.SOCK_DGRAM) as client:
            client.settimeout(10)
            client.connect(("127.0.0.3", udp))
            client.send(b"hello")
            with pytest.raises(ConnectionRefusedError):
                client.recv(100)


async def test_every_target_of_the_demonstration_behaves_as_its_name_says(
    stack: AsyncExitStack,
) -> None:
    clock = Clock()
    ports = await embedded.open_targets(stack, clock)
    request = b"GET /healthz HTTP/1.1\r\n\r\n"
    seen: Mapping[str, list[bytes]] = {
        name: [(await talk(ports[name], request))[9:12] for _ in "ab"]
        for name in ("healthy", "healthy_too", "flapping", "slow", "failing", "undecided")
    }
    assert seen == {
        "healthy": [b"200", b"200"],
        "healthy_too": [b"200", b"200"],
        "flapping": [b"200", b"200"],
        "slow": [b"200", b"200"],
        "failing": [b"503", b"503"],
        "undecided": [b"200", b"503"],
    }
    clock.now += embedded.GOOD_SECONDS + 1
    assert (await talk(ports["flapping"], request))[9:12] == b"503"
    assert b"status: up" in await talk(ports["tls"], request, trusting())


@pytest.mark.parametrize("pings", [False, True])
async def test_the_demonstration_has_every_probe_type_and_two_load_balancers(
    stack: AsyncExitStack, pings: bool
) -> None:
    config = await embedded.start(stack, pings=pings)
    shown = {monitor.type for monitor in config.model.monitors}
    assert shown == {name for name in PROBE_TYPES if pings or name != "ICMP"}
    assert {pool.load_balancer for pool in config.model.pools} == {"edge", "inside"}
    assert [*advice(config.model)] == []


async def test_what_is_slow_and_what_expires_goes_beyond_what_is_allowed(
    stack: AsyncExitStack,
) -> None:
    config = await embedded.start(stack)
    monitors = {monitor.name: monitor for monitor in config.model.monitors}
    slow = monitors["shop-http"].slow
    tls = monitors["account-tls"].tls
    assert slow is not None
    assert slow < embedded.SLOW_SECONDS < monitors["shop-http"].timeout
    assert tls is not None
    assert tls.expires_within is not None
    assert embedded.VALID_FOR.total_seconds() < tls.expires_within
