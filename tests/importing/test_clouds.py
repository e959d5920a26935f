"""Importing from the APIs of clouds: prober's own, asked by the command on loopback."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from prober.cli import main as cli
from prober.config.reader import parse
from prober.importing import lbaas_api, oracle_api
from prober.importing.cloud_answers import CloudAnswer, CloudReading
from prober.importing.cloud_signing import OracleSigningKey, sign_huawei, sign_oracle
from prober.importing.draft import Draft
from prober.model.monitor import Model
from prober.model.option import ReadContext
from prober.web.server.signatures import SignedRequest, claim_huawei, claim_oracle
from tests.web.dialects.editing import FakeEditor
from tests.web.dialects.oracle.conftest import oracle_world
from tests.web.world import World

OUTSIDE = ReadContext("", lambda _: "", {})
NOW = 1_800_000_000.0
POOLS: list[dict[str, Any]] = [
    {
        "name": "web",
        "load_balancer": "lb-1",
        "project_id": "p1",
        "backends": [
            {"address": "127.0.0.1", "port": 80, "name": "one", "weight": 5},
            {"address": "::1", "port": 80, "backup": True, "enabled": False},
            {"address": "three.example", "port": 80, "probe_address": "127.0.0.9"},
        ],
    },
    {"name": "spare", "load_balancer": "lb-2", "project_id": "p1", "backends": ["127.0.0.2:80"]},
    *(
        {"name": f"pool-{n}", "load_balancer": "lb-2", "project_id": "p1", "backends": []}
        for n in range(250)
    ),
]
MONITORS: list[dict[str, Any]] = [
    {
        "name": "web-http",
        "type": "HTTP",
        "pool": "web",
        "interval": 7,
        "timeout": 3,
        "rise": 2,
        "fall": 4,
        "expected_codes": "200-204,301",
        "url_path": "/healthz?x=1",
        "http_method": "HEAD",
        "domain_name": "www.example",
        "labels": {"rack": "r1"},
    },
    {"name": "spare-tls", "type": "TLS", "pool": "spare", "port": 443, "enabled": False},
]
Imported = Callable[..., Awaitable[tuple[Model, str]]]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def imported(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Imported]:
    """Return what imports from a prober with these monitors and pools."""
    servers: list[TestServer] = []

    async def ask(format_: str, editor: FakeEditor, *more: str, **variables: str) -> Any:
        server = TestServer(world.app(editor=editor))
        servers.append(server)
        await server.start_server()
        url = str(server.make_url("")).rstrip("/")
        output = tmp_path / "prober.yaml"
        given = ["import", format_, "--from-url", url, "--output", str(output), *more]
        code = await asyncio.to_thread(cli.main, given, {"HOME": str(tmp_path), **variables})
        said = capsys.readouterr().err.replace(url, "URL")
        assert code == 0, said
        return parse(output.read_text(), source="prober.yaml", outside=OUTSIDE).model, said

    yield ask
    for server in servers:
        await server.close()


def facts(model: Model, *, without: tuple[str, ...] = ()) -> tuple[Any, ...]:
    """Return what pools and monitors say, except for some keys."""
    hidden = ("position", *without)
    pools = {
        pool.name: [
            {k: v for k, v in vars_of(backend).items() if k not in hidden}
            for backend in pool.backends
        ]
        for pool in model.pools
    }
    monitors = {
        monitor.pool: {
            **{k: v for k, v in vars_of(monitor).items() if k not in (*hidden, "probe")},
            **{k: v for k, v in vars_of(monitor.probe).items() if k not in hidden},
        }
        for monitor in model.monitors
    }
    return pools, monitors


def vars_of(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


@pytest.mark.parametrize(
    ("format_", "more", "unknown"),
    [
        ("octavia", (), ()),
        ("huawei-v2", ("--project", "p1"), ()),
        (
            "huawei-v3",
            ("--project", "p1"),
            ("backup", "probe_address", "http_version", "labels"),
        ),
    ],
)
async def test_what_prober_shows_as_a_cloud_is_imported_as_it_was(
    world: World, imported: Imported, format_: str, more: tuple[str, ...], unknown: tuple[str, ...]
) -> None:
    editor = FakeEditor(world, {"pools": POOLS, "monitors": MONITORS})
    before = world.store.model
    after, said = await imported(format_, editor, *more)
    assert facts(after, without=unknown) == facts(before, without=unknown)
    assert [pool.id for pool in after.pools] == [pool.id for pool in before.pools]
    assert {pool.load_balancer for pool in after.pools} == {"lb-1", "lb-2"}
    assert "taken: pool web: 3 members\n" in said
    assert said.endswith("2 monitors imported, 0 things left out\n")


@pytest.mark.parametrize("format_", ["oracle-lb", "oracle-nlb"])
async def test_what_prober_shows_as_oracle_is_imported_as_it_was(
    world: World, imported: Imported, format_: str
) -> None:
    pools = [{**each, "project_id": "c1"} for each in POOLS[:2]]
    pools[0]["backends"] = ["127.0.0.1:80", {"address": "::1", "port": 80, "backup": True}]
    http = {"type": "HTTP", "pool": "web", "url_path": "/x", "expected_codes": "204"}
    udp = (
        {"type": "UDP_CONNECT", "send": {"text": "hi"}}
        if format_ == "oracle-nlb"
        else {"type": "TCP"}
    )
    timing = {"interval": "7s", "timeout": "3s", "rise": 4, "fall": 4}
    monitors = [
        {"name": "web-http", **http, **timing},
        {"name": "spare-l4", "pool": "spare", "port": 53, **udp, **timing},
    ]
    before_editor = FakeEditor(world, {"pools": pools, "monitors": monitors})
    before = world.store.model
    after, said = await imported(format_, before_editor, "--project", "c1")
    assert facts(after, without=("id", "name")) == facts(before, without=("id", "name"))
    assert "taken: backend set web: HTTP, 2 backends\n" in said


def canned(reading: CloudReading, answers: dict[str, Any]) -> None:
    """Answer a reader from what is at each path."""
    question = next(reading)
    with suppress(StopIteration):
        while True:
            question = reading.send(CloudAnswer(answers[question.path]))


def test_what_has_no_counterpart_is_told() -> None:
    draft = Draft()
    pool = {"id": "i", "name": "", "admin_state_up": False, "loadbalancers": []}
    odd = {"id": "o", "name": "odd", "loadbalancers": [{"id": "b"}]}
    answers = {
        "/v/loadbalancers": {"loadbalancers": [{"id": "b", "name": "lb"}], "x": 1},
        "/v/pools": {"pools": [pool, odd]},
        "/v/pools/i/members": {
            "members": [{"id": "m", "address": "127.0.0.1", "protocol_port": 1, "weight": 0}]
        },
        "/v/pools/o/members": {"members": [{"id": "n", "address": "127.0.0.1"}]},
        "/v/healthmonitors": {
            "healthmonitors": [
                {"id": "s", "type": "SCTP", "pools": [{"id": "i"}]},
                {"id": "g", "type": "TCP", "pools": [{"id": "gone"}]},
            ]
        },
    }
    canned(lbaas_api.read("URL", "/v", draft), answers)
    assert [str(note.origin) + ": " + note.text for note in draft.notes] == [
        "URL pool i: admin_state_up is false: set `prober admin maintenance`",
        "URL member m: the weight of 127.0.0.1 port 1 is 0: set `prober admin drain`",
        "URL pool i: pool pool: 1 member",
        "URL pool o: pool odd: cannot be understood ('protocol_port')",
        "URL health monitor s: health monitor s: prober has no type SCTP",
        "URL health monitor g: health monitor g: its pool is not there",
        "URL pool i: it has no health monitor, so nothing probes it",
    ]


def test_what_oracle_alone_has_is_told() -> None:
    draft = Draft()
    checker = {"protocol": "HTTP", "port": 0, "retries": 3, "urlPath": "/", "returnCode": 200}
    backends = [
        {"name": "t", "ipAddress": None, "targetId": "t", "port": 1},
        {"ipAddress": "127.0.0.1", "port": 1, "drain": True, "offline": True, "weight": 3},
    ]
    found = {
        "displayName": "lb",
        "compartmentId": "c",
        "backendSets": {
            "web": {"backends": backends, "healthChecker": checker, "sslConfiguration": {"a": 1}},
            "bare": {"backends": [], "healthChecker": None},
        },
    }
    canned(oracle_api.read("URL", oracle_api.LB, "c", draft), {oracle_api.LB.path: [found]})
    assert [note.text for note in draft.notes] == [
        "backend t: it has a target and no address",
        "127.0.0.1 port 1 is drained: set `prober admin drain`",
        "backend set web: HTTPS, 1 backend",
        "backend set bare: no health checker that prober knows, so nothing probes it",
    ]
    (backend,) = draft.pools[0].keys["backends"]
    assert backend == {"address": "127.0.0.1", "port": 1, "weight": 3, "enabled": False}
    keys = draft.monitors[0].keys
    assert (keys["type"], keys["rise"], keys["fall"], keys["name"]) == ("HTTPS", 3, 3, "web-https")


async def test_pages_of_oracle_are_followed(world: World, imported: Imported) -> None:
    pools = [
        {"name": f"set-{n}", "load_balancer": f"lb-{n}", "project_id": "c", "backends": []}
        for n in range(205)
    ]
    monitors = [{"name": f"tcp-{n}", "type": "TCP", "pool": f"set-{n}"} for n in range(205)]
    editor = FakeEditor(world, {"pools": pools, "monitors": monitors})
    after, _ = await imported("oracle-lb", editor, "--project", "c")
    assert len(after.pools) == 205


# Credentials


async def test_an_answer_of_something_else_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.headers.get("X-Auth-Token") != "secret":
            return web.json_response({"faultstring": "who are you?"}, status=401)
        return web.json_response({"pools": 1})

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    (tmp_path / "token").write_text("secret\n")

    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        given = ["import", "octavia", "--from-url", url]
        for more, said in (
            ((), "HTTP 401 Unauthorized: who are you?; credentials: none\n"),
            (
                ("--cloud-token-file", str(tmp_path / "token")),
                "expected a list named 'loadbalancers'; is this the right API?\n",
            ),
            (
                ("--cloud-token-file", str(tmp_path / "absent")),
                "absent: No such file or directory\n",
            ),
        ):
            assert await asyncio.to_thread(cli.main, [*given, *more], {}) == 2
            assert capsys.readouterr().err.endswith(said)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["octavia"], "octavia: expected --from-url URL, and no files"),
        (
            ["octavia", "x", "--from-url", "http://a"],
            "octavia: expected --from-url URL, and no files",
        ),
        (["huawei-v3", "--from-url", "http://a"], "huawei-v3: expected --project ID"),
        (["gatus", "--from-url", "http://a"], "--from-url: expected FORMAT to be one of octavia, "),
    ],
)
def test_a_wrong_use_is_refused(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["import", *given], {})
    assert said in capsys.readouterr().err


TARGET = "/v3/p1/elb/pools?limit=200&marker=a%20b&name=%C3%A9"


def test_a_signature_of_huaweis_is_valid() -> None:
    headers = sign_huawei("a.example:80", TARGET, "AK", "SK", NOW)
    lower = {name.lower(): value for name, value in headers.items()} | {"host": "a.example:80"}
    claim = claim_huawei(SignedRequest("GET", TARGET, lower), {"AK": "SK"}, NOW)
    claim.prove(b"")
    assert claim.key_id == "AK"


def test_a_signature_of_oracles_is_valid() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"word"),
    )
    headers = sign_oracle("a.example", TARGET, OracleSigningKey("t/u/f", pem, "word"), NOW)
    lower = {name.lower(): value for name, value in headers.items()} | {"host": "a.example"}
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    claim = claim_oracle(SignedRequest("GET", TARGET, lower), {"t/u/f": public.decode()}, NOW)
    claim.prove(b"")
    assert claim.key_id == "t/u/f"


async def test_the_key_of_oracles_clients_signs(
    world: World, imported: Imported, tmp_path: Path
) -> None:
    """The file is that of `oci setup config`."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "key.pem").write_bytes(pem)
    lines = [f"{name}={name}" for name in ("user", "tenancy", "fingerprint")]
    lines.append(f"key_file={tmp_path / 'key.pem'}")
    (tmp_path / "oci.cfg").write_text("\n".join(["[DEFAULT]", *lines]))
    variables = {"OCI_CONFIG_FILE": str(tmp_path / "oci.cfg")}
    editor = oracle_world(world)
    after, _ = await imported("oracle-lb", editor, "--project", "c1", **variables)
    assert [pool.name for pool in after.pools] == ["web", "dns/a b%2F"]
