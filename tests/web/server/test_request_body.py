"""Bodies are read only from callers that are known, and as they are, on real sockets."""

import asyncio
import gzip
import json
from base64 import b64encode
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from prober.model.auth_settings import Auth, HuaweiKey, OracleKey, Role, Token
from prober.model.file_kinds import Secret
from prober.web.server.callers import Access
from prober.web.server.listener import Listener
from prober.web.server.request_body import BODY_LIMIT, OPEN_BODY_LIMIT
from tests.web.server.test_client_limits import PATIENT, answer, calling, serving
from tests.web.world import World

READ, WRITE = "canary-read", "canary-write"
BEARER = f"Authorization: Bearer {WRITE}\r\n".encode()
ORACLE = b'Authorization: Signature version="1",keyId="t/u/f",algorithm="rsa-sha256"\r\n'
HUAWEI = b"Authorization: SDK-HMAC-SHA256 Access=AK, SignedHeaders=host, Signature=00\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
BOMB = gzip.compress(bytes(4 << 20))


def secret(content: str) -> Secret:
    return Secret(content, masked=True)


AUTH = Auth(
    tokens=(
        Token(name="reader", role=Role.READ, token=secret(READ)),
        Token(name="writer", role=Role.WRITE, token=secret(WRITE)),
    ),
    oracle_keys=(OracleKey(key_id="t/u/f", role=Role.WRITE, public_key="PEM"),),
    huawei_keys=(HuaweiKey(access_key="AK", role=Role.WRITE, secret_key=secret("SK")),),
)


@pytest.fixture
async def listener(world: World) -> AsyncIterator[Listener]:
    app = world.app(access=Access(AUTH, None, lambda: world.clock))

    async def echo(request: web.Request) -> web.Response:
        body = await request.read()
        return web.json_response({"read": len(body), "start": body[:4].decode("latin-1")})

    app.router.add_post("/echo", echo)
    app.router.add_delete("/echo", echo)
    async with serving(app, PATIENT) as found:
        yield found


def head(line: bytes, *headers: bytes, length: int | None = 10) -> bytes:
    content = b"" if length is None else b"Content-Length: %d\r\n" % length
    return line + b" HTTP/1.1\r\nHost: h\r\n" + content + b"".join(headers) + b"\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (head(b"POST /echo"), 401),
        (head(b"POST /echo", b"Authorization: Bearer nix\r\n"), 401),
        (head(b"POST /echo", ORACLE), 401),
        (head(b"POST /echo", HUAWEI), 401),
        (head(b"POST /echo", f"Authorization: Bearer {READ}\r\n".encode()), 403),
        (head(b"POST /echo", BEARER, b"Sec-Fetch-Site: cross-site\r\n"), 403),
        (head(b"POST /nothing", BEARER), 404),
        (head(b"PATCH /echo", BEARER), 405),
        (head(b"GET /-/healthy"), 200),
        (head(b"GET /-/ready"), 503),
        (head(b"HEAD /-/healthy"), 200),
        (head(b"GET /v3"), 200),
        (head(b"GET /metrics", BEARER), 200),
        (head(b"POST /echo", BEARER, length=BODY_LIMIT + 1), 413),
        (head(b"POST /v3/auth/tokens", length=OPEN_BODY_LIMIT + 1), 413),
        (head(b"POST /echo", BEARER, b"Content-Encoding: gzip\r\n"), 415),
        (head(b"POST /echo", BEARER, b"Content-Encoding: br\r\n"), 415),
        (head(b"POST /v3/auth/tokens", b"Content-Encoding: deflate\r\n"), 415),
        (head(b"POST /echo", BEARER, b"Expect: junk\r\n"), 417),
        (head(b"GET /-/healthy", b"Expect: junk\r\n"), 417),
        (head(b"POST /nothing", BEARER, b"Expect: junk\r\n"), 417),
        (head(b"POST /echo", b"Expect: 100-continue\r\n"), 401),
        (head(b"POST /nothing", BEARER, b"Expect: 100-continue\r\n"), 404),
        (head(b"GET /metrics", BEARER, b"Expect: 100-continue\r\n"), 200),
        (head(b"POST /echo", BEARER, b"Expect: 100-continue\r\n", length=BODY_LIMIT + 1), 413),
    ],
)
async def test_it_is_answered_without_the_body(
    listener: Listener, request_: bytes, status: int
) -> None:
    """The body never comes, and nobody waits for it."""
    async with calling(listener) as (reader, writer):
        writer.write(request_)
        line = await reader.readline()
        assert line.split()[1] == str(status).encode()
        rest = await reader.readuntil(b"\r\n\r\n")
        if 400 <= status < 500:
            assert b"application/json" in rest
            assert b"Server: prober" in rest


async def test_a_client_that_asks_first_is_told_to_go_on_when_it_is_known(
    listener: Listener,
) -> None:
    async with calling(listener) as (reader, writer):
        for expect in (b"Expect: 100-continue\r\n", b"Expect: 100-Continue\r\n"):
            writer.write(head(b"POST /echo", BEARER, expect))
            assert await reader.readexactly(len(CONTINUE)) == CONTINUE
            writer.write(b"0123456789")
            assert json.loads((await answer(reader))[1]) == {"read": 10, "start": "0123"}


async def test_a_client_of_http_1_0_is_not_told_to_go_on(listener: Listener) -> None:
    async with calling(listener) as (reader, writer):
        request = head(b"POST /echo", BEARER, b"Expect: 100-continue\r\n")
        writer.write(request.replace(b"HTTP/1.1", b"HTTP/1.0") + b"0123456789")
        assert json.loads((await answer(reader))[1])["read"] == 10


async def test_bodies_are_read_where_they_mean_something(listener: Listener) -> None:
    async with calling(listener) as (reader, writer):
        for _ in range(2):
            writer.write(head(b"GET /-/healthy") + b"0123456789")
            assert (await answer(reader))[0] == 200
            writer.write(head(b"DELETE /echo", BEARER) + b"0123456789")
            assert json.loads((await answer(reader))[1])["read"] == 10


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"gzip, gzip", b"GZIP", b"zstd"])
@pytest.mark.parametrize("content", [BOMB, b"this is not packed at all"])
async def test_a_packed_body_is_never_unpacked(
    listener: Listener, coding: bytes, content: bytes
) -> None:
    """What cannot be unpacked would be a fault of the body, if anybody tried."""
    packed = b"Content-Encoding: " + coding + b"\r\n"
    for credentials, status in ((BEARER, 415), (b"", 401)):
        async with calling(listener) as (reader, writer):
            writer.write(head(b"POST /echo", credentials, packed, length=len(content)) + content)
            assert (await answer(reader))[0] == status


async def test_identity_is_no_packing(listener: Listener) -> None:
    async with calling(listener) as (reader, writer):
        writer.write(head(b"POST /echo", BEARER, b"Content-Encoding: identity\r\n") + b"0123456789")
        assert json.loads((await answer(reader))[1])["read"] == 10


async def test_chunks_are_counted_too(listener: Listener) -> None:
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    for path, credentials, limit in (
        (b"/echo", BEARER, BODY_LIMIT),
        (b"/v3/auth/tokens", b"", OPEN_BODY_LIMIT),
    ):
        async with calling(listener) as (reader, writer):
            writer.write(
                head(b"POST " + path, credentials, b"Transfer-Encoding: chunked\r\n", length=None)
            )
            for _ in range(limit // 0x10000 + 1):
                writer.write(chunk)
            writer.write(b"0\r\n\r\n")
            assert (await answer(reader))[0] == 413


async def test_a_password_is_turned_into_a_token_by_a_small_body(listener: Listener) -> None:
    body = json.dumps(
        {"auth": {"identity": {"methods": ["token"], "token": {"id": "z" * 4000}}}}
    ).encode()
    async with calling(listener) as (reader, writer):
        writer.write(head(b"POST /v3/auth/tokens", length=len(body)) + body)
        assert (await answer(reader))[0] == 201


async def test_a_forged_signature_of_oracle_is_refused_before_its_body_is_read(
    listener: Listener,
) -> None:
    names = "date (request-target) host content-length content-type x-content-sha256"
    forged = (
        f'Authorization: Signature version="1",keyId="t/u/f",algorithm="rsa-sha256",'
        f'headers="{names}",signature="{b64encode(b"forged").decode()}"\r\n'
    ).encode()
    async with calling(listener) as (_, writer):
        date = b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
        kind = b"Content-Type: application/json\r\nx-content-sha256: AAAA\r\n"
        writer.write(head(b"POST /echo", forged, date, kind))
        async with asyncio.timeout(10):
            async with calling(listener) as (reader, other):
                other.write(head(b"POST /echo", forged, date, kind))
                assert (await answer(reader))[0] == 401
