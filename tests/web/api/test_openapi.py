"""The description of the API: valid, complete, and true."""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import hdrs
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import (  # type: ignore[import-untyped]  # it has no types
    Draft202012Validator,
    FormatChecker,
)
from openapi_spec_validator import validate

from prober.model.file_kinds import Secret
from prober.model.kinds import Frozen, codes
from prober.model.notice import Notice
from prober.model.pool import Backend, Pool
from prober.model.probe import Probe
from prober.model.status import PHASES, Reason
from prober.model.tls_settings import TlsSettings
from prober.probes import PROBE_TYPES
from prober.probes.grpc import GrpcProbe
from prober.probes.http import HttpProbe, HttpsProbe
from prober.probes.tcp import TcpProbe
from prober.probes.tls import TlsProbe
from prober.probes.udp import UdpProbe
from prober.web.api.past import HISTORY_QUERY
from prober.web.dialects import DIALECTS
from prober.web.server.auth import GATES
from tests.web.conftest import Client
from tests.web.world import CLUSTER, HOSTILE, WALL, World, example, monitor

ONE = "10.0.0.1:80"
ROUTES = {
    "/api/v1/status": "/api/v1/status",
    "/api/v1/checks": "/api/v1/checks?limit=2",
    "/api/v1/checks/{monitor}/{backend}": f"/api/v1/checks/http/{ONE}",
    "/api/v1/checks/{monitor}/{backend}/history": f"/api/v1/checks/http/{ONE}/history",
    "/api/v1/monitors": "/api/v1/monitors",
    "/api/v1/monitors/{name}": "/api/v1/monitors/tls",
    "/api/v1/pools": "/api/v1/pools",
    "/api/v1/pools/{name}": "/api/v1/pools/p",
    "/api/v1/admin": "/api/v1/admin",
    "/api/v1/cluster": "/api/v1/cluster",
    "/api/v1/notices": "/api/v1/notices",
    "/api/v1/edits": "/api/v1/edits",
    "/api/v1/events": "/api/v1/events?limit=1",
    "/api/v1/openapi.json": "/api/v1/openapi.json",
    "/sd": "/sd",
    "/health/pools/{name}": "/health/pools/p?min_healthy=0",
    "/health/backends/{pool}/{backend}": f"/health/backends/p/{ONE}",
    "/health/checks/{monitor}/{backend}": f"/health/checks/http/{ONE}",
}


@pytest.fixture
def world(kept_world: World) -> World:
    return kept_world


SERVED: dict[str, Any] = {}
"""The description as an application serves it: all serve the same."""


@pytest.fixture
async def description(client: Client) -> dict[str, Any]:
    if not SERVED:
        SERVED.update(await (await client.get("/api/v1/openapi.json")).json())
    return SERVED


def busy(world: World) -> None:
    """Let the world have a monitor of every type, with every option that JSON shows in its way."""
    world.vitals.cluster = lambda: CLUSTER
    secret = Secret("s", masked=True)
    tls = TlsSettings(verify=True, alpn=("h2",), expires_within=86400.0, server_name="a.example")
    probes: dict[str, Probe] = {
        "HTTP": HttpProbe(
            headers=Frozen({"X-Key": secret}),
            body=secret,
            http_method="POST",
            expected_codes=codes(100, 599).read("200-204, 301", None),  # type: ignore[arg-type]  # reads nothing outside
            body_regex="ok",
        ),
        "HTTPS": HttpsProbe(tls=tls),
        "TLS": TlsProbe(tls=tls, domain_name="b.example"),
        "TCP": TcpProbe(send=b"\x00", expect=b"pong"),
        "UDP_CONNECT": UdpProbe(send=b"ping"),
        "GRPC": GrpcProbe(tls=tls, service="s"),
    }
    probes |= {name: example(name) for name in PROBE_TYPES.keys() - probes.keys()}
    named = Backend(address="10.0.0.1", port=80, name=HOSTILE, labels=Frozen(rack="r"))
    world.configure(
        *(
            monitor(kind.lower(), pool="p", probe=probe, type=kind, slow=0.5, port=81)
            for kind, probe in probes.items()
        ),
        monitor("off", ONE, "[2001:db8::7]:80", enabled=False, labels=Frozen(a="b")),
        pools=(Pool(name="p", backends=(named,)), Pool(name="empty")),
    )
    world.notices.publish(str(uuid4()), Notice(text=HOSTILE, ends=WALL + 60), by="anna", at=WALL)
    phases = tuple(0.001 for _ in PHASES)
    world.record("http", ONE, facts={"http_status_code": 200}, times=2, phases=phases)
    world.record("http", ONE, Reason.UNEXPECTED_STATUS, facts={"http_status_code": 500})
    world.record("https", ONE, Reason.TIMEOUT, times=3)
    world.record("tls", ONE, facts={"tls_not_after": 1.9e9, "tls_version": "TLSv1.3"})
    world.record("grpc", ONE, facts={"grpc_status_code": 0, "grpc_serving_status": "SERVING"})


def validator(description: dict[str, Any], path: str, status: int) -> Draft202012Validator:
    """Return what judges the answers of a route."""
    content = description["paths"][path]["get"]["responses"][str(status)]["content"]
    schema = {**content["application/json"]["schema"], "components": description["components"]}
    return Draft202012Validator(schema, format_checker=FormatChecker())


def test_the_description_is_valid_openapi(description: dict[str, Any]) -> None:
    validate(description)
    assert description["openapi"] == "3.1.0"
    for operations in description["paths"].values():
        for operation in operations.values():
            assert operation["summary"]
            assert all(parameter["description"] for parameter in operation["parameters"])


async def test_it_describes_every_route_of_the_native_api_and_no_other(
    world: World, description: dict[str, Any]
) -> None:
    described = {
        (method.upper(), path)
        for path, operations in description["paths"].items()
        for method in operations
    }
    served = {
        (route.method, route.resource.canonical)
        for route in world.app().router.routes()
        if route.resource and route.method != hdrs.METH_HEAD
    }
    of_clouds = {(each.method, each.path) for entry in DIALECTS for each in entry.load().routes}
    gates = {(hdrs.METH_OPTIONS, path) for _, path in served if path.startswith(GATES)}
    assert described == served - of_clouds - gates


def test_operations_have_names_of_their_own(description: dict[str, Any]) -> None:
    names = [
        operation["operationId"]
        for operations in description["paths"].values()
        for operation in operations.values()
    ]
    assert len(set(names)) == len(names)


def test_every_json_route_is_judged_here(description: dict[str, Any]) -> None:
    answers = {
        path
        for path, operations in description["paths"].items()
        if "application/json"
        in operations.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
    }
    assert answers == set(ROUTES)


@pytest.mark.parametrize("path", ROUTES)
async def test_real_answers_are_as_described(
    world: World, client: Client, description: dict[str, Any], path: str
) -> None:
    busy(world)
    response = await client.get(ROUTES[path])
    assert response.status == 200 or path.startswith("/health/")  # which may say no
    validator(description, path, response.status).validate(await response.json())


@pytest.mark.parametrize("path", ROUTES)
async def test_the_answers_of_an_empty_prober_are_as_described(
    client: Client, description: dict[str, Any], path: str
) -> None:
    response = await client.get(ROUTES[path])
    validator(description, path, response.status).validate(await response.json())


@pytest.mark.parametrize("path", ROUTES)
async def test_refusals_are_as_described(
    world: World, client: Client, description: dict[str, Any], path: str
) -> None:
    busy(world)
    response = await client.get(ROUTES[path].partition("?")[0], params={"nonsense": "1"})
    assert response.status == 400
    validator(description, path, 400).validate(await response.json())


async def test_every_check_is_as_described(
    world: World, client: Client, description: dict[str, Any]
) -> None:
    busy(world)
    checks = (await (await client.get("/api/v1/checks")).json())["checks"]
    path = "/api/v1/checks/{monitor}/{backend}"
    for check in checks:
        response = await client.get(path.format(**check))
        validator(description, path, 200).validate(await response.json())
    assert len(checks) == 2 + len(PROBE_TYPES)


@pytest.mark.parametrize(("healthy", "status"), [(0, 200), (1, 503)])
async def test_the_gate_is_as_described_whether_open_or_not(
    world: World, client: Client, description: dict[str, Any], healthy: int, status: int
) -> None:
    world.configure(monitor("web", ONE))
    response = await client.get(f"/health/pools/web?min_healthy={healthy}")
    assert response.status == status
    validator(description, "/health/pools/{name}", status).validate(await response.json())


async def test_without_a_state_directory_answers_are_as_described(
    description: dict[str, Any],
) -> None:
    world = World()
    busy(world)
    async with TestClient(TestServer(world.app())) as client:
        for path, status in (("/history", 409), ("", 200)):
            response = await client.get(f"/api/v1/checks/http/{ONE}{path}")
            assert response.status == status
            template = f"/api/v1/checks/{{monitor}}/{{backend}}{path}"
            validator(description, template, status).validate(await response.json())


async def test_reloads_are_as_described(
    connect: Callable[..., Awaitable[Client]], description: dict[str, Any]
) -> None:
    problems: list[str] = []

    async def reload() -> list[str]:
        return problems

    responses = description["paths"]["/-/reload"]["post"]["responses"]
    answers = [await (await connect()).post("/-/reload")]
    client = await connect(reload=reload)
    answers.append(await client.post("/-/reload"))
    problems.append("a problem")
    answers.append(await client.post("/-/reload"))
    assert [answer.status for answer in answers] == [403, 200, 500]
    for answer in answers:
        schema = responses[str(answer.status)]["content"]["application/json"]["schema"]
        Draft202012Validator({**schema, "components": description["components"]}).validate(
            await answer.json()
        )


def test_a_monitor_is_described_by_the_options_of_its_type(description: dict[str, Any]) -> None:
    schemas = description["components"]["schemas"]
    assert "url_path" in schemas["Monitor_HTTP"]["properties"]
    assert "url_path" not in schemas["Monitor_TCP"]["properties"]
    assert schemas["Monitor_TCP"]["properties"]["type"] == {"const": "TCP"}
    assert schemas["Monitor_TCP"]["properties"]["rise"]["maximum"] == 100
    json.dumps(description, allow_nan=False)


async def test_what_a_page_and_a_probe_on_demand_answer_is_described(client: Client) -> None:
    async with client.get("/api/v1/openapi.json") as response:
        paths = (await response.json())["paths"]
    answers = paths["/checks/{monitor}/{backend}"]["get"]["responses"]["404"]["content"]
    for media in ("text/html", "application/json"):
        async with client.get("/checks/nobody/10.9.9.9:1", headers={"Accept": media}) as response:
            assert (response.status, response.content_type in answers) == (404, True)
            assert response.content_type == media
    required = {each["name"] for each in paths["/probe"]["get"]["parameters"] if each["required"]}
    assert required == {"target"}


(STEP,) = (each for each in HISTORY_QUERY if each.name == "step")
STEPS: Any = STEP.schema["anyOf"]


@given(
    st.from_regex(STEPS[1]["pattern"], fullmatch=True)
    | st.integers(1, 3650 * 288).map(lambda count: str(count * STEPS[0]["multipleOf"]))
)
def test_every_step_that_the_schema_describes_is_taken(text: str) -> None:
    assert STEP.read(text) % STEPS[0]["multipleOf"] == 0
