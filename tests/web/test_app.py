"""What holds for every answer: errors, headers, HEAD, reload."""

import asyncio
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any

import pytest
from aiohttp import ClientConnectionError, web
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs

from prober.web.routes import ROUTES
from prober.web.server.request_body import BODY_LIMIT
from tests.web.conftest import Client
from tests.web.world import World, monitor

Connect = Callable[..., Awaitable[Client]]

PATHS = sorted(
    {
        route.path.format(monitor="web", pool="web", backend="10.0.0.1:80", name="web")
        for route in ROUTES
        if route.method == "GET"
    }
)


@pytest.mark.parametrize(
    "path", ["/nothing", "/api/v1", "/api/v1/status/", "/-/", "/api/v1/monitors/", "/%00"]
)
async def test_an_unknown_path_is_not_found(client: Client, path: str) -> None:
    response = await client.get(path)
    assert response.status == 404
    answer = await response.json()
    assert answer["code"] == "not_found"
    assert answer["message"].startswith("there is nothing at ")


@pytest.mark.parametrize("path", [path for path in PATHS if path != "/api/v1/notices"])
async def test_a_wrong_method_is_told_the_right_ones(client: Client, path: str) -> None:
    edited = path.endswith("/web") and path.startswith("/api/")
    allowed = ["DELETE", "GET", "HEAD", "PATCH", "PUT"] if edited else ["GET", "HEAD"]
    allowed += ["OPTIONS"] if path.startswith("/health/") else []
    response = await client.post(path)
    assert response.status == 405
    assert response.headers["Allow"] == ",".join(allowed)
    assert await response.json() == {
        "code": "method_not_allowed",
        "message": f"POST is not allowed; allowed: {', '.join(allowed)}",
    }


async def test_a_body_that_is_too_large_is_refused(world: World) -> None:
    async def read(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    app = world.app()
    app.router.add_post("/read", read)
    async with TestClient(TestServer(app)) as client:
        response = await client.post("/read", data=BytesIO(b"x" * (BODY_LIMIT + 1)))
        assert response.status == 413
        assert await response.json() == {
            "code": "request_entity_too_large",
            "message": f"the request body is too large: the limit is {BODY_LIMIT} bytes",
        }


async def test_other_errors_of_the_server_keep_their_status(world: World) -> None:
    async def teapot(_: web.Request) -> web.Response:
        raise web.HTTPUnsupportedMediaType

    app = world.app()
    app.router.add_get("/teapot", teapot)
    async with TestClient(TestServer(app)) as client:
        response = await client.get("/teapot")
        assert response.status == 415
        assert (await response.json())["code"] == "unsupported_media_type"


async def test_a_redirect_is_no_error(world: World) -> None:
    async def away(_: web.Request) -> web.Response:
        raise web.HTTPFound("/")

    app = world.app()
    app.router.add_get("/away", away)
    async with TestClient(TestServer(app)) as client:
        response = await client.get("/away", allow_redirects=False)
        assert (response.status, response.headers["Location"]) == (302, "/")


async def test_a_bug_is_logged_and_not_shown(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.configure(monitor("web", "10.0.0.1:80"))
    broken: Any = object()
    monkeypatch.setitem(world.store.monitors, "web", broken)
    with capture_logs() as lines:
        response = await client.get("/api/v1/monitors/web")
    assert response.status == 500
    assert await response.json() == {
        "code": "internal_server_error",
        "message": "internal error; see the log of prober",
    }
    [line] = lines
    assert line["event"] == "request_failed"
    assert (line["method"], line["path"]) == ("GET", "/api/v1/monitors/web")
    assert line["exc_info"]


async def test_a_bug_in_the_middle_of_an_answer_ends_the_connection(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: bool) -> list[str]:
        raise ZeroDivisionError

    monkeypatch.setattr("prober.web.metrics.check_metrics.Metrics.pieces", broken)
    with capture_logs() as lines:
        response = await client.get("/metrics")
        with pytest.raises(Exception, match=r"payload is not completed|Connection closed"):
            await response.read()
    assert [line["event"] for line in lines] == ["request_failed"]


async def test_a_client_that_leaves_before_its_answer_is_no_error(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    left = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        response = web.StreamResponse()
        try:
            await response.prepare(request)
            await response.write(b"gone")
        finally:
            left.set()
        return response

    app = world.app()
    app.router.add_get("/answer", answer)
    with capture_logs() as lines:
        async with TestClient(TestServer(app)) as client:
            with pytest.raises(ClientConnectionError):
                await client.get("/answer")
            await left.wait()
    assert lines == []
    assert caplog.records == []


@pytest.mark.parametrize("path", [*PATHS, "/nothing"])
async def test_every_answer_carries_the_security_headers(
    world: World, client: Client, path: str
) -> None:
    world.configure(monitor("web", "10.0.0.1:80"))
    response = await client.get(path)
    response.close()
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Server"] == "prober"
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none';")
    assert "unsafe" not in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", PATHS)
async def test_head_answers_as_get_does_without_a_body(
    world: World, client: Client, path: str
) -> None:
    world.configure(monitor("web", "10.0.0.1:80"))
    get = await client.get(path)
    get.close()
    head = await client.head(path)
    assert head.status == get.status
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    assert await head.read() == b""


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_reload_answers_once_it_is_done(
    world: World, connect: Connect, method: str
) -> None:
    async def reload() -> list[str]:
        await asyncio.sleep(0)
        world.vitals.config_hash = "new"
        return []

    client = await connect(reload=reload)
    response = await client.request(method, "/-/reload")
    assert (response.status, await response.json()) == (200, {"config_hash": "new"})


async def test_a_rejected_reload_names_every_problem(connect: Connect) -> None:
    async def reload() -> list[str]:
        return ["prober.yaml:3: monitors[0].type: missing", "prober.yaml:9: x"]

    client = await connect(reload=reload)
    response = await client.post("/-/reload")
    assert response.status == 500
    assert await response.json() == {
        "code": "reload_failed",
        "message": "the old configuration stays in force",
        "problems": ["prober.yaml:3: monitors[0].type: missing", "prober.yaml:9: x"],
    }


async def test_a_reload_that_is_switched_off_says_how_to_switch_it_on(client: Client) -> None:
    response = await client.post("/-/reload")
    assert response.status == 403
    assert "server.lifecycle: true" in (await response.json())["message"]
