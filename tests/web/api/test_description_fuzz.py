"""The API under requests that its own description generates, valid and spoilt, with edits on.

Whatever is sent, no route fails, and every answer has a status, a media type and a schema that the
description declares for it.
"""

import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from aiohttp.test_utils import TestClient, TestServer
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no types

from prober.model.admin import BACKENDS, POOLS, AdminEntry, AdminState
from prober.model.notice import Notice
from prober.model.status import Outcome, Reason
from prober.state.notices import Notices
from prober.web.routes import ROUTES
from tests.edits.test_editor import World, living
from tests.web.conftest import Client

ROUNDS = 40
"""Requests of each operation."""
JSON = "application/json"
ONE = "10.0.0.1:80"
CONFIG = {
    "server": {"writable": True},
    "pools": [{"name": "web", "backends": [ONE, "[2001:db8::7]:80"]}],
    "monitors": [{"name": "web", "type": "HTTP", "pool": "web"}],
}
NOTICE = "0b5f7c0e-6f0c-4b3a-9d53-1f0b7a1c2d3e"
KNOWN = {
    "monitor": "web",
    "backend": ONE,
    "pool": "web",
    "name": "web",
    "kind": "pools",
    "id": NOTICE,
}
FITTING = {"pool": "web", "until": "2h", "of": f"web/{ONE}"}
"""Values of keys that are good."""
WORDS = (
    *("", "web", "m", ONE, "2h", "5s", "200", "\xfc", "\U0001f4a9", "%00", "..", "a/b", " "),
    *("0", "-1", "x" * 300),
)
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 2**63, 1e308, "", [], {}, [[]], {"a": {}}),
    *WORDS,
)
ACCEPT = (("text/html", JSON), ("text/html",))
"""What clients accept; `/` is a list of versions for clients of clouds, who accept JSON."""
STREAMS = {"/api/v1/events/stream", "/pulse"}
ABSENT = {
    ("GET", "/-/ready"),
    ("GET", "/api/v1/cluster"),
    ("GET", "/health/backends/{pool}/{backend}"),  # what is drained is not in service
    ("GET", "/health/checks/{monitor}/{backend}"),
    ("POST", "/-/reload"),
    ("PUT", "/-/reload"),
    ("GET", "/probe"),
    ("POST", "/api/v1/checks/{monitor}/{backend}/probe"),
    ("POST", "/checks/{monitor}/{backend}/probe"),
    ("POST", "/v3/discovery:endpoints"),
    ("GET", "/api/v1/checks/{monitor}/{backend}/history"),
    ("DELETE", "/api/v1/edits/{kind}/{id}"),
    ("DELETE", "/api/v1/pools/{name}"),
}
"""What this prober cannot do, so that there are only refusals."""
SERVED: dict[str, Any] = {}
"""The description as an application serves it: all serve the same."""
OPERATIONS = sorted((route.method, route.path) for route in ROUTES if route.path not in STREAMS)


class Maker:
    """Makes values of a schema, or almost."""

    def __init__(self, schemas: Mapping[str, Any], chance: Random) -> None:
        self._schemas = schemas
        self._chance = chance

    def of(self, schema: Mapping[str, Any], depth: int = 0) -> Any:
        """Return a value of a schema; now and then another one."""
        chance = self._chance
        if chance.random() < 0.06:
            return chance.choice(VALUES)
        if ref := schema.get("$ref"):
            return self.of(self._schemas[ref.rpartition("/")[2]], depth)
        for key in ("oneOf", "anyOf"):
            if key in schema:
                return self.of(chance.choice(schema[key]), depth)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return chance.choice(schema["enum"])
        kinds = schema.get("type", "string")
        kind = chance.choice(kinds) if isinstance(kinds, list) else kinds
        if kind == "object" and depth < 4:
            return self._object(schema, depth)
        if kind == "array" and depth < 4:
            items = schema.get("items", {})
            return [self.of(items, depth + 1) for _ in range(chance.randrange(3))]
        return self._scalar(kind, schema)

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        chance, required = self._chance, schema.get("required", ())
        rarely = chance.choice((0.0, 0.25))
        found = {
            name: FITTING[name]
            if name in FITTING and chance.random() < 0.6
            else self.of(each, depth + 1)
            for name, each in schema.get("properties", {}).items()
            if chance.random() < (0.97 if name in required or name in FITTING else rarely)
        }
        if chance.random() < 0.05:
            found[chance.choice(WORDS)] = chance.choice(VALUES)
        return found

    def _scalar(self, kind: str, schema: Mapping[str, Any]) -> Any:
        chance = self._chance
        if kind in ("integer", "number"):
            low, high = schema.get("minimum", -5), schema.get("maximum", 100_000)
            return chance.choice((low, high, chance.randint(int(low), max(int(low), int(high)))))
        if kind == "boolean":
            return chance.random() < 0.5
        return None if kind == "null" else chance.choice(WORDS)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    with living(World(tmp_path, CONFIG)) as made:
        yield made
        await made.reloader.close()


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    notices = Notices(note=world.store.note)
    notices.publish(NOTICE, Notice(text="work"), by="test", at=time.time())
    async with TestClient(TestServer(world.app(notices=notices))) as connected:
        yield connected


def requests(
    description: Mapping[str, Any], method: str, path: str, chance: Random
) -> Iterator[tuple[str, dict[str, str], bytes | None]]:
    """Yield the path, the headers and the body of requests of an operation."""
    operation = description["paths"][path][method.lower()]
    make = Maker(description["components"]["schemas"], chance)
    for _ in range(ROUNDS):
        names = {**KNOWN, "name": "page.js"} if path.startswith("/static") else KNOWN
        places, query = dict[str, str](), list[tuple[str, str]]()
        for parameter in operation["parameters"]:
            name, schema = parameter["name"], parameter["schema"]
            if parameter["in"] == "path":
                known = chance.random() < 0.6
                word = names[name] if known else chance.choice(WORDS)
                places[name] = quote("x" if word in ("", "..") else word, safe="")
            elif chance.random() < 0.4:
                values = make.of(schema)
                listed = values if isinstance(values, list) else [values]
                query += [(name, str(value)) for value in listed]
        if chance.random() < 0.05:
            query.append(("surprise", "1"))
        headers, body = {"Accept": chance.choice(ACCEPT[path == "/"])}, None
        if content := operation.get("requestBody", {}).get("content"):
            ((media, schema),) = ((each, found["schema"]) for each, found in content.items())
            value = make.of(schema)
            if media == JSON:
                body = json.dumps(value).encode()
            else:
                fields = value if isinstance(value, dict) else {}
                body = urlencode({key: str(each) for key, each in fields.items()}).encode()
            headers["Content-Type"] = media if chance.random() < 0.95 else "text/plain"
            if chance.random() < 0.05:
                body = body[: len(body) // 2] + b"\xff"
        where = path.format(**places) + (f"?{urlencode(query)}" if query else "")
        yield where, headers, body


def put_admin(world: World) -> None:
    entry = AdminEntry(AdminState.DRAIN, time.time() + 9999, "work", "test", time.time())
    for key in ((POOLS, "web"), (BACKENDS, f"web/{ONE}")):
        world.store.admin.put(key, entry)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
async def test_every_answer_is_one_that_the_description_declares(
    client: Client, world: World, method: str, path: str
) -> None:
    if not SERVED:
        SERVED.update(await (await client.get("/api/v1/openapi.json")).json())
    description, answers = SERVED, SERVED["paths"][path][method.lower()]["responses"]
    put_admin(world)
    for state in list(world.store):
        for reason in (Reason.OK, Reason.REFUSED):
            world.store.record(state, Outcome(reason, "as told", None, time.time(), 0.1))
    seen = set[int]()
    for where, headers, body in requests(description, method, path, Random(f"{method} {path}")):
        async with client.request(
            method, where, headers=headers, data=body, allow_redirects=False
        ) as response:
            text = await response.read()
            seen.add(response.status)
            what = f"{method} {where} {body!r}: {response.status} {text[:300]!r}"
            assert str(response.status) in answers, what
            content = answers[str(response.status)].get("content", {})
            if not content or method == "HEAD":
                assert not text, what
                continue
            assert response.content_type in content or "*/*" in content, what
            if response.content_type == JSON:
                schema = {**content[JSON]["schema"], "components": description["components"]}
                Draft202012Validator(schema).validate(json.loads(text))
    assert min(seen) < 400 or (method, path) in ABSENT, seen
