"""Nothing that the API accepts makes a route fail: the worst values of each key, on every route."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import hdrs
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs

from prober.model.monitor import Monitor
from prober.model.option import Kind, ReadContext, Rejected, options_of
from prober.model.pool import Backend, Pool
from prober.model.status import Outcome, Reason
from prober.probes import PROBE_TYPES
from tests.edits.test_editor import World, living
from tests.web.conftest import Client

NOWHERE = ReadContext("", lambda name: (_ for _ in ()).throw(OSError(name)), {})
NASTY = [
    *("a", "ä", "\u202eabc", "e\u0301" * 20, "\U0001f4a9" * 50, "\ufeff", "\uffff", "a\u200bb"),
    *("</script><script>alert(1)</script>", "\"&'<>`", "{{7*7}}", "%s%n%00", "..", "a/b/../c"),
    *("a:b", "a,b;c", "#?&=+ %2F%25", "\\", "-", "--help", "=1+1", "@a", "a" * 255, "é" * 255),
    *("null", "true", "0", "NaN", "None", "{}", "{a}", "[]", "a{b}c", "/", "/a?b=c&d#e", "/%ff"),
    *("/" + "ü" * 500, "a.example", "*", "(?i)a", "(a+)+$", "\\p{Greek}", "[^\\x00]*", "a" * 65536),
    *(
        "200-599",
        "100,101,102-599",
        "0-16",
        "OK",
        "1.0",
        "TRACE",
        "TRACE ",
        "1h",
        "0.1",
        "86400s",
        "v1",
        "v2",
    ),
]
NUMBERS = [0, 1, -1, 0.1, 100, 65535, 65536, 86400, 86400.0, 1e-300, 1e300, 2**53, 2**63, True]
VALUES: list[Any] = [
    *NASTY,
    *NUMBERS,
    None,
    [],
    [""],
    *([text] for text in NASTY),
    *({"a": text} for text in NASTY),
    *({text: "a"} for text in NASTY),
    {f"l{number}": "v" * 1024 for number in range(64)},
    {f"X-Header-{number}": "v" * 200 for number in range(100)},
    *("http://[2001:db8::1]:3128", "1.1", "2"),
    *("127.0.0.9", "eth0", "lo", "4-then-6"),
    *("v1", "v2", "IN", "CH", "A", "TYPE65535", "udp", "tcp", "tls", "<secret>", False),
    ["NOERROR", "REFUSED"],
    *("unanimous", "majority"),
    *({"username": text, "password": "<secret>"} for text in NASTY),
    *({"any": [text], "none": [text]} for text in NASTY),
    *([{"path": "$..a", "equals": text, "matches": text}] for text in NASTY),
    *([{"path": path, "exists": True}] for path in ("$", "$['ü\"']", "$[?@.a<1]", "$..[*]")),
    *([{"send": {"text": text}}, {"expect_regex": text}] for text in NASTY),
    [{"expect": {"hex": "00" * 65507}}],
    *("smtp", "mqtt", "all", {"quorum": 16}),
    {"verify": True, "alpn": ["!" * 255, "~"], "min_version": "1.3", "expires_within": "365d"},
    {"ocsp": "require", "ocsp_expires_within": "1d"},
]
PAYLOADS = [
    *({how: text} for how in ("text", "hex", "base64") for text in NASTY),
    {"hex": bytes(range(256)).hex()},
    {"hex": "00" * 65507},
]
"""To a mapping with any keys, these are as others."""
PROXY_KEYS = {"proxy", "proxy_auth"}
BACKENDS = [
    {"address": "192.0.2.1", "port": 65535, "name": text, "labels": {"a": text}} for text in NASTY
]
ACCEPT = ("text/html", "application/json", "application/openmetrics-text")
ALLOWED = (200, 204, 304, 400, 404, 409, 412, 503)
NAME_IN_PATH = r"\{(\w+)\}"
KEPT = ("name", "id", "type", "pool", "targets", "targets_from", "backends")


@cache
def accepted(cls: type) -> dict[str, list[Any]]:
    """Return, for each key that a dataclass of options declares, the values that it takes."""
    found: dict[str, list[Any]] = {}
    for key, option in options_of(cls).items():
        if key in KEPT or key in inherited(cls):
            continue
        values = VALUES if takes(option.kind, {"a": "a"}) else [*VALUES, *PAYLOADS]
        if taken := [value for value in values if takes(option.kind, value)]:
            found[key] = taken
    return found


def inherited(cls: type) -> set[str]:
    """Return the keys that a probe type has from another one, which is tried by itself."""
    base = cls.__base__
    if base is None or base not in PROBE_TYPES.values():
        return set()
    return {key for key, each in options_of(base).items() if options_of(cls)[key].kind is each.kind}


def takes(kind: Kind[Any], value: object) -> bool:
    """Return whether a kind of value includes this one."""
    try:
        kind.read(value, NOWHERE)
    except Rejected:
        return False
    return True


def names() -> list[str]:
    taken = accepted(Pool)["load_balancer"]
    return [name for name in NASTY if name in taken]


def rounds(cls: type) -> list[dict[str, Any]]:
    """Return definitions that have, between them, each accepted value of each key."""
    by_key = accepted(cls)
    return [
        agreeing(number, {key: values[number % len(values)] for key, values in by_key.items()})
        for number in range(max(map(len, by_key.values())))
    ]


def agreeing(number: int, definition: dict[str, Any]) -> dict[str, Any]:
    """Return a definition without the keys that exclude others, in turn."""
    without = {"bearer" if number % 2 else "basic_auth"}
    without |= {"send_proxy", "domain_name", "http_version"} if number % 3 == 0 else PROXY_KEYS
    if definition.get("transport", "tls") != "tls":
        without.add("tls")
    if definition.get("transport") == "udp":
        without.add("send_proxy")
    if "preset" in definition:
        ways = [
            each for each in ({"steps"}, {"preset"}, {"send", "expect"}) if each & {*definition}
        ]
        without |= set().union(*ways) - ways[number % len(ways)]
        without |= {"tls"} & {*definition} if "send" in definition else set()
    if definition.get("max_loss", 0) >= definition.get("count", 1):
        without.add("max_loss")
    if definition.get("count", 1) > 1:
        without |= {"gap", "timeout"}
    return {key: value for key, value in definition.items() if key not in without}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    with living(World(tmp_path, {"server": {"writable": True}})) as made:
        yield made
        await made.reloader.close()


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    async with TestClient(TestServer(world.app())) as connected:
        yield connected


def places(client: Client, world: World) -> Iterator[str]:
    """Yield the path of every GET route, for everything that there is to name in it.

    Of the paths that one handler has in several versions of an API, yield one.
    """
    states = list(world.store)[-3:]
    pools = [*world.store.pools.values()][-3:]
    monitors = [*world.store.monitors.values()][-3:]
    names = {
        "monitor": [each.name for each in monitors],
        "backend": [state.check.backend.key for state in states],
        "pool": [each.name for each in pools],
        "balancer": [each.load_balancer for each in pools],
        "project_id": [each.project_id for each in pools],
        "project": [each.project_id for each in pools],
        "l7policy_id": ["none"],
        "name": [each.name for each in pools] + [each.name for each in monitors],
        "id": [each.id for each in pools] + [each.id for each in monitors],
        "pool_id": [each.id for each in pools],
        "kind": ["monitor", "pool", "monitors", "pools", "backends"],
    }
    paths: dict[object, str] = {}
    for route in client.app.router.routes():
        if route.method == hdrs.METH_GET and route.resource:
            path = route.resource.canonical
            paths.setdefault((route.handler, *re.findall(NAME_IN_PATH, path)), path)
    for path in paths.values():
        keys = re.findall(NAME_IN_PATH, path)
        given = {key: names.get(key, ["unknown"]) for key in keys}
        for number in range(max(map(len, given.values()), default=1)):
            values = {key: each[number % len(each)] for key, each in given.items()}
            yield path.format(**{key: quote(value, safe="") for key, value in values.items()})


async def walk(client: Client, world: World) -> None:
    """Ask every route; none may fail."""
    now = 1_000_000.0
    for state in list(world.store)[-3:]:
        for reason in (Reason.OK, Reason.REFUSED, Reason.PAYLOAD_MISMATCH):
            outcome = Outcome(reason, "\U0001f4a9 <b>\u202e" * 20, None, now, 0.1)
            world.store.record(state, outcome)
    with capture_logs() as lines:
        for number, path in enumerate(sorted(set(places(client, world)))):
            accept = ACCEPT[number % 3 if path == "/metrics" else number % 2]
            async with client.get(path, headers={"Accept": accept}) as response:
                if response.content_type == "text/event-stream":
                    continue
                body = await response.read()
                assert response.status in ALLOWED, (path, body)
                if response.content_type == "application/json" and body:
                    json.loads(body.decode())
                else:
                    body.decode()
    assert not [line for line in lines if line["event"] == "request_failed"]


async def put(client: Client, kind: str, name: str, definition: dict[str, Any]) -> bool:
    """Put a definition, leaving out what does not fit together, and return whether it is taken."""
    for _ in range(len(definition)):
        path = f"/api/v1/{kind}/{quote(name, safe='')}"
        async with client.put(path, json=definition) as response:
            answer = await response.json()
            if response.status < 300:
                return True
            assert response.status in (400, 409), answer
        problems = [str(each["path"] or "") for each in answer.get("problems", [])]
        wrong = {re.split(r"[.\[]", path)[0] for path in problems} & definition.keys() - {"type"}
        if not wrong:
            wrong = set(list(definition)[-1:])
        definition = {key: value for key, value in definition.items() if key not in wrong}
    return False


PARTS = {"what all have in common": (Monitor, "TCP"), **{k: (c, k) for k, c in PROBE_TYPES.items()}}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", PARTS)
async def test_no_accepted_value_makes_a_route_fail(
    world: World, client: Client, part: str
) -> None:
    (cls, kind), every, taken = PARTS[part], names(), 0
    definitions, pools = rounds(cls), rounds(Pool)
    for number, definition in enumerate(definitions):
        name = every[number % len(every)]
        pool = {**pools[number % len(pools)], "backends": [BACKENDS[number % len(BACKENDS)]]}
        assert await put(client, "pools", name, pool)
        taken += await put(client, "monitors", name, {**definition, "type": kind, "pool": name})
        if number % 50 == 49 or number == len(definitions) - 1:
            await walk(client, world)
            gone = [f"monitors/{quote(each, safe='')}" for each in world.store.monitors]
            gone += [f"pools/{quote(each, safe='')}" for each in world.store.pools]
            for path in gone:
                async with client.delete(f"/api/v1/{path}") as response:
                    assert response.status == 204
    assert taken > len(definitions) // 2


def test_there_are_worst_values_for_most_keys() -> None:
    for cls in (Monitor, Pool, Backend, *PROBE_TYPES.values()):
        missing = options_of(cls).keys() - accepted(cls).keys() - inherited(cls) - set(KEPT)
        assert missing <= {"tls", "port", "address"}, cls
