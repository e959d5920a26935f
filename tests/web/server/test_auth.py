"""Who may call what: every route there is, with every sort of credentials."""

import json
import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from prober.model.auth_settings import Auth, HuaweiKey, OracleKey, Role, Token
from prober.model.endpoint import Endpoint, HttpServer, RateLimit
from prober.model.file_kinds import Secret
from prober.model.kinds import Frozen
from prober.model.pool import Backend, Pool
from prober.web import app as app_module
from prober.web.dialects import DIALECTS
from prober.web.routes import ROUTES
from prober.web.server.auth import OPEN_PATHS
from prober.web.server.callers import Access
from prober.web.server.dialect import Dialect, DialectEntry, DialectRoute
from prober.web.server.json_answer import json_response
from prober.web.server.login_limits import BURST
from prober.web.server.origin import SAFE
from prober.web.server.services import PageSettings
from prober.web.server.signatures import BadSignature, Claim, SignedRequest
from tests.web.conftest import Client
from tests.web.world import World, monitor

Connect = Callable[..., Awaitable[Client]]

READ, WRITE = "canary-of-the-reader", "canary-of-the-writer"


def secret(content: str) -> Secret:
    return Secret(content, masked=True)


AUTH = Auth(
    tokens=(
        Token(name="prometheus", role=Role.READ, token=secret(READ)),
        Token(name="deployment", role=Role.WRITE, token=secret(WRITE)),
    ),
    oracle_keys=(OracleKey(key_id="t/u/f", role=Role.WRITE, public_key="PEM"),),
    huawei_keys=(
        HuaweiKey(access_key="AK", role=Role.READ, secret_key=secret("canary-of-huawei")),
    ),
)


async def greet(_: web.Request) -> web.Response:
    return web.Response(text="hello")


async def echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


def fake_error(_: web.Request, status: int, message: str, __: object) -> web.Response:
    return json_response({"fake_code": status, "fake_message": message}, status)


FAKE = Dialect(
    name="fake",
    routes=(
        DialectRoute("GET", "/fake/things/{id}", greet),
        DialectRoute("PUT", "/fake/things/{id}", echo),
        DialectRoute("GET", "/fake/versions", greet, open=True),
        DialectRoute("POST", "/fake/tokens", echo, open=True),
    ),
    error=fake_error,
    prepare=lambda _, __: None,
    root=greet,
)
FAKE_ENTRY = DialectEntry(
    paths=re.compile("/fake/"),
    prefixes=("/fake",),
    load=lambda: FAKE,
    asks_root=lambda request: "discover" in request.query,
)
EVERY_ROUTE = sorted(
    {
        *((each.method, each.path, each.path in OPEN_PATHS) for each in ROUTES),
        *(
            (e.method, e.path, e.open)
            for each in (*DIALECTS, FAKE_ENTRY)
            for e in each.load().routes
        ),
    }
)
LOOKING = {(each.method, each.path) for each in ROUTES if each.looks} | {
    (each.method, each.path) for entry in DIALECTS for each in entry.load().routes if each.looks
}
ASKED = [(method, path) for method, path, is_open in EVERY_ROUTE if not is_open]
UNASKED = [(method, path) for method, path, is_open in EVERY_ROUTE if is_open]


@pytest.fixture
async def guarded(
    world: World, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Awaitable[Client]]:
    """Start an application that asks for credentials."""
    world.configure(monitor("web", "10.0.0.1:80"))
    monkeypatch.setattr(app_module, "DIALECTS", (*DIALECTS, FAKE_ENTRY))

    async def start(
        auth: Auth | None = AUTH, endpoint: Endpoint | None = None, **more: Any
    ) -> Client:
        return await connect(access=Access(auth, endpoint, lambda: world.clock), **more)

    return start


def there(path: str) -> str:
    return re.sub(r"\{\w+\}", "web", path)


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


WAYS: dict[str, Callable[[str], dict[str, str]]] = {
    "X-Auth-Token": lambda token: {"X-Auth-Token": token},
    "Bearer": lambda token: {"Authorization": f"Bearer {token}"},
    "Basic": lambda token: basic("anybody", token),
}
BAD = {
    "nothing": {},
    "empty": {"X-Auth-Token": "", "Authorization": ""},
    "wrong token": {"X-Auth-Token": "canary"},
    "wrong bearer": {"Authorization": f"Bearer {READ}x"},
    "no scheme": {"Authorization": READ},
    "other scheme": {"Authorization": f"Digest {READ}"},
    "token as user": basic(WRITE, ""),
    "no base64": {"Authorization": "Basic ????"},
    "no colon": {"Authorization": f"Basic {b64encode(READ.encode()).decode()}"},
    "not text": {"Authorization": f"Basic {b64encode(bytes([255, 58, 255])).decode()}"},
    "unsigned": {"Authorization": 'Signature keyId="t/u/f",signature="AAAA"'},
    "unknown key": {"Authorization": 'Signature keyId="x",signature="AAAA"'},
    "unsigned hmac": {"Authorization": "SDK-HMAC-SHA256 Access=AK, Signature=00"},
}


LOGINS = [(token, way) for token in (READ, WRITE, "canary-wrong") for way in WAYS]


def share_of(login: object, logins: Iterable[object]) -> list[tuple[str, str]]:
    """Return every route for the first of some logins, and a share of the routes for each other.

    Who is calling is found out before anything of the route is.
    """
    order = list(logins)
    number = order.index(login)
    return ASKED[number - 1 :: len(order) - 1] if number else ASKED


@pytest.mark.parametrize("bad", BAD)
async def test_no_route_answers_without_good_credentials(
    guarded: Connect, world: World, bad: str
) -> None:
    client = await guarded()
    for method, path in share_of(bad, BAD):
        world.clock += 10
        response = await client.request(method, there(path), headers=BAD[bad])
        assert response.status == 401, (method, path)
        answer = await response.json()
        assert ("fake_message" in answer) == path.startswith("/fake/")
        challenge = response.headers["WWW-Authenticate"]
        if path in {route.path for route in ROUTES}:
            assert challenge == 'Basic realm="prober", charset="UTF-8"'
        else:
            assert challenge == 'Bearer realm="prober"'
        assert "canary" not in await response.text()


@pytest.mark.parametrize("way", WAYS)
async def test_the_reader_may_look_and_not_change(guarded: Connect, way: str) -> None:
    client = await guarded()
    for method, path in share_of(way, WAYS):
        response = await client.request(method, there(path), headers=WAYS[way](READ))
        response.close()
        looks = method in SAFE or (method, path) in LOOKING
        assert (response.status == 403) != looks, (method, path)
        assert response.status != 401


async def test_the_reader_may_search_in_a_cloud_whose_searches_are_posted(
    guarded: Connect,
) -> None:
    client = await guarded()
    path = "/v2.0/p1/loadbalancers/resource_instances/action"
    headers = WAYS["X-Auth-Token"](READ)
    async with client.post(path, json={"action": "count"}, headers=headers) as response:
        assert (response.status, await response.json()) == (200, {"total_count": 0})


@pytest.mark.parametrize("way", WAYS)
async def test_the_writer_may_do_everything(guarded: Connect, way: str) -> None:
    client = await guarded()
    for method, path in share_of(way, WAYS):
        response = await client.request(method, there(path), headers=WAYS[way](WRITE), data="{}")
        if response.status == 403:  # where there is no editor and no reload
            assert "role" not in await response.text(), (method, path)
        response.close()
        assert response.status != 401, (method, path)


async def test_what_is_open_answers_everybody(guarded: Connect) -> None:
    client = await guarded()
    assert {path for _, path in UNASKED} >= OPEN_PATHS
    for method, path in UNASKED:
        response = await client.request(method, there(path), data="{}" if method != "GET" else None)
        assert response.status not in (401, 403), (method, path)
    assert (await client.head("/-/healthy")).status == 200
    assert (await client.get("/?discover")).status == 200
    assert (await client.get("/")).status == 401


@pytest.mark.parametrize("path", ["/nothing", "/fake/nothing", "/-/healthy/", "/api/v1"])
async def test_what_does_not_exist_is_only_told_to_those_who_may_look(
    guarded: Connect, path: str
) -> None:
    client = await guarded()
    assert (await client.get(path)).status == 401
    assert (await client.get(path, headers=WAYS["Bearer"](READ))).status == 404


async def test_another_method_of_an_open_path_is_not_open(guarded: Connect) -> None:
    client = await guarded()
    assert (await client.post("/-/healthy")).status == 401
    assert (await client.delete("/fake/versions")).status == 401


async def test_a_public_page_is_open_and_nothing_else(world: World, connect: Connect) -> None:
    world.configure(monitor("web", "10.0.0.1:80"))
    client = await connect(access=Access(AUTH), page=lambda: PageSettings(public=True))
    for path in ("/", "/badge/monitor/web.svg", "/badge/pool/web.svg", "/static/style.css"):
        assert (await client.get(path)).status == 200, path
    public = {(each.method, each.path) for each in ROUTES if each.public}
    for method, path in ASKED:
        if (method, path) not in public:
            world.clock += 10
            assert (await client.request(method, there(path))).status == 401, path


async def test_without_configuration_everybody_may_look(guarded: Connect) -> None:
    client = await guarded(None)
    assert (await client.get("/api/v1/status")).status == 200
    assert (await client.put("/fake/things/1", data="x")).status == 200


@pytest.mark.parametrize("headers", [{}, WAYS["Bearer"](WRITE)], ids=["open", "writer"])
async def test_a_request_from_another_site_is_refused_for_every_caller(
    guarded: Connect, headers: dict[str, str]
) -> None:
    client = await guarded(AUTH if headers else None)
    for more in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        response = await client.put("/fake/things/1", data="x", headers={**headers, **more})
        assert (response.status, "fake_message" in await response.text()) == (403, True)
        response = await client.post("/-/reload", headers={**headers, **more})
        assert (response.status, (await response.json())["code"]) == (403, "forbidden")


async def test_a_guesser_has_to_wait_and_others_do_not(guarded: Connect, world: World) -> None:
    client = await guarded()
    good, other, wrong = (WAYS["Bearer"](each) for each in (READ, WRITE, "wrong"))
    assert (await client.get("/metrics", headers=good)).status == 200
    for _ in range(BURST):
        assert (await client.get("/metrics", headers=wrong)).status == 401
    response = await client.get("/metrics", headers=wrong)
    assert (response.status, response.headers["Retry-After"]) == (429, "1")
    assert (await client.get("/metrics", headers=other)).status == 429, "that would be a guess, too"
    assert (await client.get("/metrics", headers=good)).status == 200
    assert (await client.get("/-/healthy")).status == 200
    world.clock += 1
    assert (await client.get("/metrics", headers=other)).status == 200


async def test_other_credentials_are_taken_from_now_on(world: World, connect: Connect) -> None:
    access = Access(AUTH, None, lambda: world.clock)
    client = await connect(access=access)
    new = Auth(tokens=(Token(name="prometheus", role=Role.READ, token=secret("renewed")),))
    access.adopt(new, Endpoint())
    assert (await client.get("/metrics", headers=WAYS["Bearer"](READ))).status == 401
    assert (await client.get("/metrics", headers=WAYS["Bearer"]("renewed"))).status == 200
    access.adopt(None, Endpoint())
    assert (await client.get("/metrics")).status == 200


async def test_a_signature_says_who_calls(
    guarded: Connect, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[SignedRequest, object, float]] = []
    bodies: list[bytes] = []

    def judge(request: SignedRequest, keys: dict[str, str], now: float) -> Claim:
        seen.append((request, keys, now))
        return Claim(next(iter(keys)), prove)

    def prove(body: bytes) -> None:
        bodies.append(body)
        if body == b"forged":
            raise BadSignature("not what was signed")

    monkeypatch.setattr("prober.web.server.callers.claim_oracle", judge)
    monkeypatch.setattr("prober.web.server.callers.claim_huawei", judge)
    client = await guarded()
    oracle = {"Authorization": 'Signature version="1",keyId="t/u/f"', "X-Some": "Thing"}
    response = await client.put("/fake/things/a%2Fb?c=%20", data=b"body", headers=oracle)
    assert (response.status, await response.read()) == (200, b"body")
    request, keys, now = seen.pop()
    assert (request.method, request.target) == ("PUT", "/fake/things/a%2Fb?c=%20")
    assert (request.has_body, bodies.pop()) == (True, b"body")
    assert (request.headers["x-some"], keys, now) == ("Thing", {"t/u/f": "PEM"}, world.wall)
    assert (await client.put("/fake/things/1", data=b"forged", headers=oracle)).status == 401
    huawei = {"Authorization": "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host, Signature=00"}
    assert (await client.get("/fake/things/1", headers=huawei)).status == 200
    assert (await client.put("/fake/things/1", headers=huawei)).status == 403
    assert seen.pop()[1] == {"AK": "canary-of-huawei"}


async def test_a_user_has_a_password(guarded: Connect) -> None:
    bcrypt = pytest.importorskip("bcrypt")
    hashed = bcrypt.hashpw("pässwörd".encode(), bcrypt.gensalt(4)).decode()
    client = await guarded(None, Endpoint(basic_auth_users=Frozen(anna=hashed)))
    for path in ("/metrics", "/metrics"):
        assert (await client.get(path, headers=basic("anna", "pässwörd"))).status == 200
    for user, password in (("anna", "x"), ("otto", "pässwörd"), ("anna", "p\0"), ("anna", "")):
        assert (await client.get("/metrics", headers=basic(user, password))).status == 401
    assert (await client.get("/metrics")).status == 401
    assert (await client.put("/fake/things/1", headers=basic("anna", "pässwörd"))).status == 200


async def test_more_requests_than_are_allowed_are_turned_away(
    guarded: Connect, world: World
) -> None:
    client = await guarded(None, Endpoint(rate_limit=RateLimit(interval=60.0, burst=2)))
    statuses = [(await client.get("/metrics")).status for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert (await client.get("/-/healthy")).status == 200
    world.clock += 60
    assert (await client.get("/metrics")).status == 200


async def test_only_what_tells_that_prober_lives_is_beyond_the_limit(
    guarded: Connect, world: World
) -> None:
    """Whatever else needs no credentials is counted: a public page, badges, files, discovery."""
    client = await guarded(
        AUTH,
        Endpoint(rate_limit=RateLimit(interval=60.0, burst=1)),
        page=lambda: PageSettings(public=True),
    )
    for method, path in (
        *(("GET", each.path) for each in ROUTES if each.public),
        *(("GET", path) for path in ("/v2.0", "/v2/", "/v3", "/", "/nothing")),
        ("POST", "/v3/auth/tokens"),
        ("OPTIONS", "/metrics"),
    ):
        world.clock += 600
        assert (await client.request(method, there(path))).status != 429, path
        assert (await client.request(method, there(path))).status == 429, path
        for vital in OPEN_PATHS:
            assert (await client.get(vital)).status != 429
            assert (await client.head(vital)).status != 429


async def test_a_name_that_was_pointed_at_us_opens_nothing(guarded: Connect) -> None:
    client = await guarded(None)
    rebound = {"Host": "evil.example:7762", "Accept-Language": "en"}
    for method, path in ASKED:
        response = await client.request(method, there(path), headers=rebound)
        assert response.status == (200 if path in OPEN_PATHS else 403), path
        response.close()
    assert (await client.get("/metrics", headers={"Host": "prober.internal"})).status == 200


async def test_a_page_of_another_site_cannot_start_a_probe(guarded: Connect) -> None:
    client = await guarded(None)
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Accept-Language": "en"}):
        for method in ("GET", "HEAD"):
            response = await client.request(method, "/probe?target=127.0.0.1:1", headers=headers)
            assert response.status == 403
    assert (await client.get("/probe?target=127.0.0.1:1")).status == 404  # it is off here


async def test_headers_of_the_web_file_are_in_every_answer(guarded: Connect) -> None:
    headers = Frozen({"X-Frame-Options": "deny", "Content-Security-Policy": "default-src 'self'"})
    client = await guarded(AUTH, Endpoint(http_server_config=HttpServer(headers=headers)))
    for path in ("/", "/-/healthy", "/nothing"):
        response = await client.get(path)
        assert response.headers["X-Frame-Options"] == "deny"
        assert response.headers["Content-Security-Policy"] == "default-src 'self'"


async def test_no_secret_reaches_the_log_or_an_answer(guarded: Connect) -> None:
    client = await guarded()
    with capture_logs() as lines:
        for token, way in LOGINS:
            for method, path in share_of((token, way), LOGINS):
                response = await client.request(method, there(path), headers=WAYS[way](token))
                if path not in ("/api/v1/events/stream", "/pulse"):
                    assert "canary" not in await response.text()
                response.close()
    assert {"authorized", "credentials_refused"} <= {line["event"] for line in lines}
    assert "canary" not in json.dumps(lines, default=repr)
    assert "canary" not in repr(AUTH)
    assert {line["caller"] for line in lines if line["event"] == "authorized"} == {"deployment"}


# Gates


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize(
    "path",
    [
        "/health/pools/web",
        "/health/backends/web/10.0.0.1:80",
        "/health/checks/web/10.0.0.1:80",
    ],
)
async def test_a_public_gate_needs_no_credentials_and_names_no_address(
    world: World, connect: Callable[..., Awaitable[Client]], method: str, path: str
) -> None:
    world.configure(monitor("web", "10.0.0.1:80"))
    world.record("web", "10.0.0.1:80", times=3)
    closed = await connect(access=Access(AUTH))
    assert (await closed.request(method, path)).status == 401
    client = await connect(access=Access(AUTH), public_gates=lambda: True)
    answer = await client.request(method, path)
    assert answer.status == 200
    assert (await answer.text()).strip() == ("" if method == "HEAD" else '{"in_service": true}')
    assert (await client.get("/api/v1/checks")).status == 401
    assert (await client.request("POST", path)).status in (401, 405)


async def test_a_pool_opens_its_own_gates_and_no_others(
    world: World, connect: Callable[..., Awaitable[Client]]
) -> None:
    backend = Backend(address="10.0.0.1", port=80)
    world.configure(
        monitor("a", pool="open"),
        monitor("b", pool="closed"),
        pools=(
            Pool(name="open", backends=(backend,), public_gate=True),
            Pool(name="closed", backends=(backend,)),
        ),
    )
    client = await connect(access=Access(AUTH))
    for name, status in (("open", 503), ("closed", 401), ("absent", 401)):
        assert (await client.get(f"/health/pools/{name}")).status == status
        assert (await client.get(f"/health/backends/{name}/10.0.0.1:80")).status == status
    answer = await client.get("/health/pools/open")
    assert await answer.json() == {"in_service": False}
    assert (await client.get("/health/checks/a/10.0.0.1:80")).status == 401
    assert (await client.get("/api/v1/pools/open")).status == 401
