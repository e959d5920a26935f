"""Edits over the API: in the running process, over HTTP, and over restarts and reloads."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from jsonschema import (  # type: ignore[import-untyped]  # it has no types
    Draft202012Validator,
    FormatChecker,
)
from structlog.testing import capture_logs

from prober.config.shrink import ShrinkGuard
from prober.daemon.loading import Source, read_aside
from prober.daemon.probing import Prober
from prober.daemon.reload import Reloader
from prober.edits.contract import Conflict
from prober.edits.editor import ConfigEditor
from prober.edits.kept import KeptEdits
from prober.engine.tls_contexts import check_tls
from prober.model.status import Outcome, Reason, Status
from prober.probes.http import HttpProbe
from prober.state.check_state import CheckState
from prober.web.app import make_app
from prober.web.server.request_body import BODY_LIMIT
from prober.web.server.services import Services
from tests.ports import free_port
from tests.running import PATIENCE, Daemon, daemon, listener, prober
from tests.web.conftest import Client

FILE: dict[str, Any] = {
    "server": {"writable": True},
    "pools": [
        {"name": "web", "backends": ["192.0.2.1:80", "192.0.2.2:80"]},
        {"name": "api", "backends": ["192.0.2.3:80"]},
    ],
    "monitors": [
        {"name": "a", "type": "TCP", "pool": "web", "interval": "1h", "fast_interval": "1h"},
        {"name": "b", "type": "HTTP", "pool": "api", "interval": "1h", "fast_interval": "1h"},
        {"name": "c", "type": "TCP", "targets": ["192.0.2.4:80"], "interval": "1h"},
    ],
}


WEB_1 = {"address": "192.0.2.1", "port": 80}


class World:
    """A daemon without its socket, whose probes never start."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.path = folder / "prober.json"
        self.write(config)
        self.source = Source(path=str(self.path), environment={})
        loop = asyncio.get_running_loop()
        self.prober = Prober(self.source.load(), loop=loop, limit=0)
        busy = asyncio.Lock()
        self.store = self.prober.store
        self.edits = KeptEdits(self.prober.config, (), journal=None, note=self.store.note)
        self.editing = ConfigEditor(
            self.prober,
            self.edits,
            busy=busy,
            check_monitor=check_tls,
            objection=self.prober.target_policy.objection,
            wall=time.time,
        )
        self.reloader = Reloader(
            self.prober,
            read=lambda: read_aside(self.source),
            guard=ShrinkGuard(allow=True),
            note=self.store.note,
            edits=self.edits,
            busy=busy,
            quiet=0.0,
        )

    def app(self, **more: Any) -> web.Application:
        """Return the application that shows it and edits it; `more` are other services."""
        return make_app(
            Services(
                store=self.store,
                vitals=self.prober.vitals,
                known=self.prober.known,
                pools=self.prober.pools,
                clock=time.monotonic,
                wall=time.time,
                editor=self.editing,
                **more,
            )
        )

    def write(self, config: dict[str, Any]) -> None:
        """Write the configuration file."""
        self.path.write_text(json.dumps(config))

    def state(self, monitor: str, host: int) -> CheckState:
        """Return the state of a check."""
        state = self.store.get((monitor, f"192.0.2.{host}:80"))
        assert state
        return state

    def remembered(self) -> dict[tuple[str, str], tuple[object, ...]]:
        """Return, for each check, what must not change if it is left alone."""
        watches = self.prober._scheduler._watches
        return {
            state.check.key: (
                *(state, state.health, state.status, state.since, state.last, state.next_due),
                *(state.counters.probes, watches[state.check.key], watches[state.check.key].due),
                watches[state.check.key].job,
            )
            for state in self.store
        }

    def kinds(self) -> list[str]:
        """Return the kinds of the events about edits, oldest first."""
        events = [each for each in self.store.events.after(0) if each.kind.startswith("edit")]
        return [f"{each.kind} {each.monitor or each.pool}" for each in events]


@contextmanager
def living(world: World) -> Iterator[World]:
    """Let every check have had a good result and a bad one."""
    with world.prober.probing(world.edits.edited.config), capture_logs():
        world.edits.start()
        for state in world.store:
            for reason in (Reason.OK, Reason.OK, Reason.REFUSED):
                world.store.record(state, Outcome(reason, "as told", None, 1.0, 0.1))
        yield world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    with living(World(tmp_path, FILE)) as made:
        yield made
        await made.reloader.close()


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    async with TestClient(TestServer(world.app())) as connected:
        yield connected


async def ask(client: Client, what: str, body: object = None) -> ClientResponse:
    """Send a request such as `DELETE monitors/a`."""
    method, _, path = what.partition(" ")
    return await client.request(method, f"/api/v1/{path}", json=body)


# What an edit does to the checks


@pytest.mark.parametrize(
    ("asked", "body", "alone"),
    [
        ("PATCH monitors/a", {"rise": 5}, "b3 c4"),
        ("PATCH monitors/a", {"name": "z"}, "b3 c4"),
        ("DELETE monitors/a", None, "b3 c4"),
        ("PUT monitors/n", {"type": "TCP", "pool": "web"}, "a1 a2 b3 c4"),
        ("PATCH monitors/c", {"targets": ["192.0.2.4:80", "192.0.2.9:80"]}, "a1 a2 b3 c4"),
        ("PATCH pools/web", {"backends": ["192.0.2.1:80", "192.0.2.9:80"]}, "a1 b3 c4"),
        ("PUT pools/n", {"backends": ["192.0.2.9:80"]}, "a1 a2 b3 c4"),
        ("PATCH monitors/a", {"interval": "1h"}, "a1 a2 b3 c4"),
    ],
)
async def test_checks_that_an_edit_does_not_change_do_not_notice_it(
    world: World, client: Client, asked: str, body: object, alone: str
) -> None:
    before = world.remembered()
    response = await ask(client, asked, body)
    assert response.status in (200, 201, 204), await response.text()
    after = world.remembered()
    for word in alone.split():
        key = (word[0], f"192.0.2.{word[1]}:80")
        assert after[key] == before[key]
    model = world.store.model
    assert set(after) == {check.key for check in model.checks()}
    pools = {id(pool) for pool in model.pools}
    assert all(id(state.check.pool) in pools for state in world.store)


async def test_a_check_that_an_edit_changes_keeps_its_health(world: World, client: Client) -> None:
    state = world.state("a", 1)
    await client.patch("/api/v1/monitors/a", json={"interval": "2h"})
    assert world.state("a", 1) is state
    assert (state.health.streak, state.status) == (-1, Status.WARNING)
    assert state.check.monitor.interval == 7200.0


async def test_what_is_new_is_probed_at_once(world: World, client: Client) -> None:
    await client.put("/api/v1/monitors/n", json={"type": "TCP", "targets": ["192.0.2.9:80"]})
    due = world.state("n", 9).next_due
    assert due is not None
    assert due <= time.monotonic() + 1.0


# Over HTTP


async def test_put_makes_and_then_replaces(world: World, client: Client) -> None:
    body = {"type": "HTTP", "pool": "web", "url_path": "/x", "rise": 7}
    made = await client.put("/api/v1/monitors/n%2Fm", json=body)
    assert (made.status, made.headers["Location"]) == (201, "/api/v1/monitors/n%2Fm")
    shown = await made.json()
    assert (shown["name"], shown["origin"], shown["edited"]) == ("n/m", "api", False)
    again = await client.put("/api/v1/monitors/n%2Fm", json={"type": "HTTP", "pool": "api"})
    assert again.status == 200
    replaced = await again.json()
    assert (replaced["url_path"], replaced["rise"], replaced["pool"]) == ("/", 2, "api")
    assert replaced["id"] == shown["id"]
    assert world.kinds() == ["edit n/m", "edit n/m"]


async def test_put_over_a_monitor_of_the_file_and_back(world: World, client: Client) -> None:
    original = await (await client.get("/api/v1/monitors/b")).json()
    other = await client.put("/api/v1/monitors/b", json={"type": "TCP", "pool": "web", "rise": 3})
    shown = await other.json()
    assert (shown["type"], shown["interval"], shown["edited"]) == ("TCP", 5.0, True)
    (event,) = (await (await client.get("/api/v1/events?kind=edit")).json())["events"]
    assert event["monitor"] == "b"
    assert event["cause"].startswith("monitor 'b' changed: type, pool, interval, fast_interval")
    back = await client.put("/api/v1/monitors/b", json=FILE["monitors"][1])
    assert await back.json() == original
    assert (await (await client.get("/api/v1/edits")).json())["edits"] == []


async def test_what_is_shown_of_a_monitor_can_be_put(world: World, client: Client) -> None:
    shown = await (await client.get("/api/v1/monitors/b")).json()
    again = await client.put("/api/v1/monitors/b", json={**shown, "fall": 9})
    assert await again.json() == {**shown, "fall": 9, "edited": True}


async def test_delete_and_make_again(world: World, client: Client) -> None:
    assert (await client.delete("/api/v1/monitors/c")).status == 204
    assert (await client.get("/api/v1/monitors/c")).status == 404
    assert (await client.get("/api/v1/pools/c")).status == 404
    assert (await client.delete("/api/v1/monitors/c")).status == 404
    again = await client.put("/api/v1/monitors/c", json={"type": "TCP", "targets": ["192.0.2.5:1"]})
    assert (await again.json())["origin"] == "file"
    assert again.status == 201
    pool = await (await client.get("/api/v1/pools/c")).json()
    assert [each["backend"] for each in pool["backends"]] == ["192.0.2.5:1"]
    (edit,) = (await (await client.get("/api/v1/edits")).json())["edits"]
    taken_back = await client.delete(f"/api/v1/edits/monitor/{edit['id']}")
    assert taken_back.status == 204
    assert world.state("c", 4).check.backend.port == 80
    assert (await client.delete(f"/api/v1/edits/monitor/{edit['id']}")).status == 404


@pytest.mark.parametrize(
    ("asked", "body", "told"),
    [
        ("PUT monitors/n", {"type": "TCP"}, (400, "exactly one of pool, targets")),
        ("PUT monitors/n", {"pool": "web"}, (400, "missing key 'type'")),
        ("PUT monitors/n", {"type": "TCP", "pool": "wbe"}, (400, "did you mean 'web'")),
        ("PUT monitors/n", {"name": "m", "type": "TCP", "pool": "web"}, (400, "in the path")),
        ("PUT monitors/n", {"type": "TCP", "pool": "web", "rise": 0}, (400, "from 1 to 100")),
        ("PUT monitors/web", {"type": "TCP", "targets": ["h:80"]}, (400, "'web' is taken")),
        ("PUT monitors/n", {"type": "TCP", "targets": ["169.254.1.1:1"]}, (400, "link-local")),
        (
            "PATCH pools/web",
            {"backends": [{**WEB_1, "probe_address": "169.254.1.1"}]},
            (400, "link-local"),
        ),
        ("PUT pools/n", {"backends": ["[fe80::1]:1", "h:1"]}, (400, "link-local")),
        ("PATCH monitors/a", {"port": None, "nonsense": 1}, (400, "unknown key")),
        ("PATCH monitors/a", {"name": "b"}, (409, "another monitor with this name")),
        ("PATCH monitors/a", {"pool": None}, (400, "exactly one of")),
        ("PATCH monitors/gone", {}, (404, "there is no monitor")),
        ("PATCH pools/web", {"name": "other"}, (400, "cannot be changed")),
        ("PATCH pools/c", {"backends": []}, (409, "targets of monitor 'c'")),
        ("PUT pools/c", {"backends": []}, (409, "targets of monitor 'c'")),
        ("DELETE pools/web", None, (409, "monitor 'a' uses pool 'web'")),
        ("DELETE pools/gone", None, (404, "there is no pool")),
        ("DELETE edits/monitor/x", None, (404, "there is no edit")),
        ("DELETE monitors/a?force=1", None, (400, "unknown parameter")),
    ],
)
async def test_what_cannot_be_changes_nothing(
    world: World, client: Client, asked: str, body: object, told: tuple[int, str]
) -> None:
    before, model = world.remembered(), world.store.model
    response = await ask(client, asked, body)
    answer = await response.text()
    assert (response.status, told[1] in answer) == (told[0], True), answer
    assert world.remembered() == before
    assert world.store.model is model
    assert not world.kinds()


async def test_every_problem_is_told_with_its_key(client: Client) -> None:
    body = {"type": "HTTP", "targets": ["h:0", "h:1"], "rise": 0, "labels": {"__a": "b"}}
    response = await client.put("/api/v1/monitors/n", json=body)
    paths = [each["path"] for each in (await response.json())["problems"]]
    assert sorted(paths) == ["labels.__a", "rise", "targets[0]"]


@pytest.mark.parametrize(
    ("content", "kind", "status", "said"),
    [
        (b"{}", "text/plain", 415, "expected a body of type application/json"),
        (b"", "application/json", 400, "not JSON"),
        (b"[]", "application/json", 400, "not a JSON object"),
        (b'{"rise": 1, "rise": 2}', "application/json", 400, "duplicate key 'rise'"),
        (b'{"rise": NaN}', "application/json", 400, "NaN is not a JSON number"),
        (b"\xff", "application/json", 400, "not JSON"),
        (b"[" * 60000, "application/json", 400, "not JSON"),
        (b'"' + b"x" * BODY_LIMIT + b'"', "application/json", 413, "too large"),
    ],
)
async def test_a_body_that_is_no_definition_is_refused(
    client: Client, content: bytes, kind: str, status: int, said: str
) -> None:
    headers = {"Content-Type": kind}
    response = await client.patch("/api/v1/monitors/a", data=BytesIO(content), headers=headers)
    answer = await response.json()
    assert (response.status, said in answer["message"]) == (status, True), answer


async def test_answers_to_edits_are_as_described(client: Client) -> None:
    description = await (await client.get("/api/v1/openapi.json")).json()
    asked: list[tuple[str, str, str, object]] = [
        ("put", "monitors", "n", {"type": "TCP", "pool": "web"}),
        ("put", "monitors", "n", {"type": "TCP", "pool": "wbe"}),
        ("put", "monitors", "n", FILE["monitors"][0] | {"name": "n"}),
        ("patch", "monitors", "a", {"rise": 3}),
        ("patch", "monitors", "gone", {"rise": 3}),
        ("put", "pools", "p", {"backends": ["192.0.2.9:80"]}),
        ("patch", "pools", "p", {"load_balancer": "lb"}),
        ("delete", "pools", "p", None),
        ("delete", "pools", "web", None),
        ("delete", "monitors", "b", None),
    ]
    for method, sort, name, body in asked:
        response = await client.request(method, f"/api/v1/{sort}/{name}", json=body)
        operation = description["paths"][f"/api/v1/{sort}/{{name}}"][method]
        described = operation["responses"][str(response.status)]
        components = {"components": description["components"]}
        if response.status in (200, 201) and method == "put":
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            Draft202012Validator({**schema, **components}).validate(body)
        if response.status == 204:
            assert "content" not in described
            assert not await response.read()
            continue
        schema = described["content"]["application/json"]["schema"]
        Draft202012Validator({**schema, **components}, format_checker=FormatChecker()).validate(
            await response.json()
        )
    edits = await (await client.get("/api/v1/edits")).json()
    described = description["paths"]["/api/v1/edits"]["get"]["responses"]["200"]
    schema = {**described["content"]["application/json"]["schema"], **components}
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(edits)
    assert [edit["action"] for edit in edits["edits"]] == ["created", "changed", "deleted"]


async def test_secrets_of_edits_are_not_shown(world: World, client: Client) -> None:
    headers = {"Authorization": "Bearer hush", "X-Plain": "plain"}
    body = {"type": "HTTP", "pool": "web", "headers": headers}
    answers = [await client.put("/api/v1/monitors/n", json=body)]
    kept = {"headers": {"Authorization": "<secret>", "X-Plain": "other"}}
    answers.append(await client.patch("/api/v1/monitors/n", json=kept))
    answers += [await client.get(f"/api/v1/{path}") for path in ("edits", "events", "monitors")]
    for answer in answers:
        assert answer.status < 300
        assert "hush" not in await answer.text()
    assert (await answers[1].json())["headers"] == kept["headers"]
    probe = world.store.monitors["n"].probe
    assert isinstance(probe, HttpProbe)
    assert probe.headers["Authorization"].content == "Bearer hush"
    lost = {"headers": {"X-Token": "<secret>"}}
    response = await client.patch("/api/v1/monitors/n", json=lost)
    assert (await response.json())["problems"][0]["path"] == "headers.X-Token"


# One at a time


async def test_only_what_there_is_now_can_be_edited(world: World) -> None:
    old = world.store.monitors["a"]
    await world.editing.change_monitor(old, {"rise": 5})
    with pytest.raises(Conflict, match="was changed by another edit"):
        await world.editing.change_monitor(old, {"rise": 6})
    with pytest.raises(Conflict, match="was changed by another edit"):
        await world.editing.delete_monitor(old)
    await world.editing.delete_monitor(world.store.monitors["a"])
    await world.editing.delete_pool(world.store.pools["web"])
    with pytest.raises(Conflict, match="name already"):
        await world.editing.create_pool({"name": "api"})
    api = world.store.pools["api"]
    with pytest.raises(Conflict, match="id already"):
        await world.editing.create_pool({"name": "other", "id": api.id})


async def test_edits_that_come_together_are_made_one_after_another(world: World) -> None:
    made = [
        world.editing.create_monitor({"name": f"n{i}", "type": "TCP", "pool": "web"})
        for i in range(20)
    ]
    monitors = await asyncio.gather(*made, world.reloader.reload())
    assert len(monitors) == 21
    assert {f"n{i}" for i in range(20)} <= world.store.monitors.keys()
    assert {each.check.key for each in world.store} == {
        check.key for check in world.store.model.checks()
    }


async def test_a_reload_that_asks_for_nothing_finds_the_edits_untouched(world: World) -> None:
    await world.editing.create_monitor({"name": "n", "type": "TCP", "pool": "web"})
    await world.editing.change_monitor(world.store.monitors["a"], {"rise": 5})
    before = world.remembered()
    world.write({**FILE, "defaults": {"slow": "1s"}})
    assert await world.reloader.reload() == []
    assert world.store.monitors["a"].rise == 5
    assert world.store.monitors["n"].slow == 1.0
    world.write(FILE)
    assert await world.reloader.reload() == []
    assert world.remembered().keys() == before.keys()
    assert world.store.monitors["n"].slow is None


async def test_the_lock_says_how_to_open_it_and_opens_at_a_reload(
    world: World, client: Client
) -> None:
    world.write({**FILE, "server": {"writable": False}})
    with capture_logs() as lines:
        assert await world.reloader.reload() == []
    assert "needs_restart" not in {line["event"] for line in lines}
    response = await client.delete("/api/v1/monitors/a")
    assert response.status == 403
    assert "server.writable: true" in (await response.json())["message"]
    world.write(FILE)
    assert await world.reloader.reload() == []
    assert (await client.delete("/api/v1/monitors/a")).status == 204


async def test_what_becomes_of_edits_is_an_event_and_a_line(world: World) -> None:
    await world.editing.create_monitor({"name": "n", "type": "TCP", "pool": "api"})
    await world.editing.change_monitor(world.store.monitors["a"], {"rise": 5})
    one, two, three = FILE["monitors"]
    without_api = {**FILE, "pools": FILE["pools"][:1]}
    world.write({**without_api, "monitors": [{**one, "fall": 9}, three]})
    with capture_logs() as lines:
        assert await world.reloader.reload() == []
    told = {line["event"]: line["monitor"] for line in lines if line["event"].startswith("edit")}
    assert told == {"edit_superseded": "a", "edit_idle": "n"}
    assert world.store.monitors["a"].rise == 2
    assert "n" not in world.store.monitors
    (edit,) = world.editing.edits()
    assert edit["idle"] == "unknown pool 'api'"
    world.write({**FILE, "monitors": [one, two, three]})
    assert await world.reloader.reload() == []
    assert world.store.monitors["n"].pool == "api"
    assert world.kinds() == ["edit n", "edit a", "edit_superseded a", "edit_idle n", "edit n"]


async def test_targets_that_only_this_host_reaches_are_warned_of(client: Client) -> None:
    bodies = {
        "PUT monitors/a1": {"type": "TCP", "targets": ["127.0.0.1:22", "192.0.2.1:22"]},
        "PUT monitors/a2": {"type": "TCP", "targets": ["[::1]:22"]},
        "PUT monitors/a3": {"type": "TCP", "targets": ["192.0.2.1:22"]},
        "PUT pools/a4": {"backends": ["localhost:22"]},
    }
    with capture_logs() as lines:
        for what, body in bodies.items():
            method, path = what.split()
            assert (await ask(client, f"{method} {path}", body)).status == 201
    said = [line for line in lines if line["event"] == "loopback_targets"]
    assert [(line.get("monitor") or line["pool"], line["targets"]) for line in said] == [
        ("a1", ["127.0.0.1:22"]),
        ("a2", ["[::1]:22"]),
        ("a4", ["localhost:22"]),
    ]
    assert {line["log_level"] for line in said} == {"warning"}


async def test_a_backend_of_the_file_that_is_probed_elsewhere_is_under_the_target_policy(
    world: World, client: Client
) -> None:
    path = "/api/v1/pools/web"
    for more, under_policy in (({"weight": 2}, False), ({"probe_port": 22}, True), ({}, False)):
        body = {"backends": [{**WEB_1, **more}, "192.0.2.2:80"]}
        assert (await client.patch(path, json=body)).status == 200
        assert [each.under_policy for each in world.store.pools["web"].backends] == [
            under_policy,
            False,
        ]


async def test_rules_for_addresses_take_effect_at_a_reload(world: World, client: Client) -> None:
    body = {"type": "TCP", "targets": ["169.254.7.1:80"]}
    assert (await client.put("/api/v1/monitors/n", json=body)).status == 400
    server = {"writable": True, "api_targets": {"allow": ["169.254.7.0/24"]}}
    world.write({**FILE, "server": server})
    assert await world.reloader.reload() == []
    assert (await client.put("/api/v1/monitors/n", json=body)).status == 201


# The daemon as a process


def asked(running: Daemon, method: str, path: str, body: object = None) -> tuple[int, Any, Any]:
    """Return the status, the JSON and the headers of an answer."""
    content = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = Request(running.url + path, content, headers, method=method)
    try:
        with urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, json.loads(answer.read() or "null"), answer.headers
    except HTTPError as error:
        with error:
            return error.code, json.loads(error.read()), error.headers


def tcp(name: str, *ports: int, **options: object) -> dict[str, object]:
    targets = [f"127.0.0.1:{port}" for port in ports]
    return {"name": name, "type": "TCP", "targets": targets, "interval": "1h", **options}


def writable(*monitors: dict[str, object], **more: object) -> dict[str, object]:
    return {"server": {"writable": True}, "monitors": list(monitors), **more}


def test_edits_outlive_a_restart_until_the_file_says_otherwise(tmp_path: Path) -> None:
    state = ("--state-dir", str(tmp_path / "state"))
    with listener() as port:
        config = writable(tcp("a", port), tcp("b", port), tcp("c", port))
        with daemon(config, tmp_path, *state) as running:
            made = {"type": "TCP", "targets": [f"127.0.0.1:{port}"], "interval": "200ms"}
            made["timeout"] = "30s"  # for so long a state is restored, however slow the machine
            status, _, headers = asked(running, "PUT", "/api/v1/monitors/n", made)
            assert (status, headers["Warning"]) == (201, None)
            assert asked(running, "PATCH", "/api/v1/monitors/a", {"rise": 9})[0] == 200
            assert asked(running, "PATCH", "/api/v1/monitors/b", {"rise": 9})[0] == 200
            assert asked(running, "DELETE", "/api/v1/monitors/c")[0] == 204
            assert running.wait_for("status_changed", monitor="n")["to"] == "OK"
            assert running.stop() == 0
        config = writable(tcp("a", port), tcp("b", port, fall=7), tcp("c", port))
        with daemon(config, tmp_path, *state) as running:
            lost = [line for line in running.lines if line["event"] == "edit_superseded"]
            assert [line["monitor"] for line in lost] == ["b"]
            shown = {each["name"]: each for each in running.json("/api/v1/monitors")["monitors"]}
            rises = {name: monitor["rise"] for name, monitor in shown.items()}
            assert rises == {"a": 9, "b": 2, "n": 2}
            assert (shown["a"]["edited"], shown["n"]["origin"]) == (True, "api")
            checks = running.json("/api/v1/checks?monitor=n")["checks"]
            assert [check["status"] for check in checks] == ["OK"]
            kinds = {each["kind"] for each in running.json("/api/v1/events")["events"]}
            assert kinds >= {"edit", "edit_superseded", "transition"}
            assert asked(running, "DELETE", "/api/v1/monitors/n")[0] == 204
            assert running.stop() == 0
        with daemon(config, tmp_path, *state) as running:
            edits = running.json("/api/v1/edits")["edits"]
            assert sorted((edit["name"], edit["action"]) for edit in edits) == [
                ("a", "changed"),
                ("c", "deleted"),
            ]


def test_without_a_state_directory_every_edit_says_that_it_will_be_lost(tmp_path: Path) -> None:
    with daemon(writable(tcp("a", free_port())), tmp_path) as running:
        status, _, headers = asked(running, "PATCH", "/api/v1/monitors/a", {"rise": 9})
        assert status == 200
        assert "server.state_dir is not set" in headers["Warning"]
        running.process.send_signal(signal.SIGHUP)
        running.wait_for("config_reloaded")
        assert running.json("/api/v1/monitors/a")["rise"] == 9


def test_edits_are_off_unless_the_file_allows_them(tmp_path: Path) -> None:
    with daemon({"monitors": [tcp("a", free_port())]}, tmp_path) as running:
        status, answer, _ = asked(running, "DELETE", "/api/v1/monitors/a")
        assert status == 403
        assert "server.writable: true" in answer["message"]


def test_edits_are_off_where_everybody_could_make_them(tmp_path: Path) -> None:
    config = writable(tcp("a", free_port()))
    with daemon(config, tmp_path, "--listen", "0.0.0.0:0") as running:
        status, answer, _ = asked(running, "DELETE", "/api/v1/monitors/a")
        assert status == 403
        assert "server.auth is not set" in answer["message"]


def test_an_api_target_is_not_probed_where_its_name_leads_to_prober_itself(tmp_path: Path) -> None:
    with daemon(writable(), tmp_path) as running:
        port = running.url.rpartition(":")[2]
        own = {"type": "TCP", "targets": [f"127.0.0.1:{port}"]}
        status, answer, _ = asked(running, "PUT", "/api/v1/monitors/n", own)
        assert status == 400
        assert answer["problems"][0]["path"] == "targets[0]"
        named = {"type": "TCP", "targets": [f"localhost:{port}"], "interval": "200ms"}
        assert asked(running, "PUT", "/api/v1/monitors/n", named)[0] == 201
        while (last := running.json("/api/v1/checks")["checks"][0]["last"]) is None:
            pass
        assert (last["result"], last["reason"]) == ("UNKNOWN", "not_permitted")
        assert "prober's own port" in last["detail"]


def test_an_edit_among_ten_thousand_checks_touches_one(tmp_path: Path) -> None:
    targets = [f"127.1.{i >> 8}.{i & 255}:1" for i in range(10_000)]
    many = {"name": "many", "type": "TCP", "targets": targets, "interval": "1d", "enabled": False}
    with listener() as port, daemon(writable(many, tcp("a", port)), tmp_path) as running:
        before = running.json("/api/v1/status")["prober"]["checks"]
        fast = {"type": "TCP", "targets": [f"127.0.0.1:{port}"], "interval": "200ms"}
        assert asked(running, "PUT", "/api/v1/monitors/n", fast)[0] == 201
        assert running.wait_for("status_changed", monitor="n")["to"] == "OK"
        assert running.json("/api/v1/status")["prober"]["checks"] == before + 1


def test_a_plan_says_which_edits_stay_and_which_the_file_supersedes(tmp_path: Path) -> None:
    port = free_port()
    path = tmp_path / "prober.json"
    with daemon(writable(tcp("a", port), tcp("b", port), tcp("c", port)), tmp_path) as running:
        running.wait_for("ready")
        secret = {"type": "HTTP", "headers": {"Authorization": "hush"}}
        made = {**tcp("n", port), **secret}
        assert asked(running, "PUT", "/api/v1/monitors/n", made)[0] == 201
        assert asked(running, "PATCH", "/api/v1/monitors/a", {"rise": 9})[0] == 200
        assert asked(running, "PATCH", "/api/v1/monitors/b", {"rise": 9})[0] == 200
        assert asked(running, "DELETE", "/api/v1/monitors/c")[0] == 204
        command = ("plan", "--config", str(path), "--url", running.url)
        done = prober(*command)
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert lines[-5:] == [
            "= monitor n: created over the API, kept",
            "= monitor a: changed over the API, kept",
            "= monitor b: changed over the API, kept",
            "= monitor c: deleted over the API, kept",
            "checks: 0 to add, 0 to remove, 0 to change, 3 untouched",
        ]
        changed = writable(tcp("a", port), tcp("b", port, fall=7), tcp("c", port))
        path.write_text(json.dumps(changed))
        done = prober(*command)
        assert done.returncode == 3
        why = "its definition in the file has changed"
        lines = done.stdout.splitlines()
        assert {
            "~ monitor b: fall: 3 -> 7",
            "~ monitor b: rise: 9 -> 2",
            f"= monitor b: changed over the API, dropped: {why}",
            "checks: 0 to add, 0 to remove, 1 to change, 2 untouched",
        } <= set(lines)
        assert running.get("/-/reload", "POST")[0] == 200
        assert running.wait_for("config_reloaded")["changed"] == 1
        done = prober(*command, "--json")
        assert done.returncode == 0
        assert [each["of"] for each in json.loads(done.stdout)["edits"]] == [
            "monitor n",
            "monitor a",
            "monitor c",
        ]
