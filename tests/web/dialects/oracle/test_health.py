"""Oracle's two services over HTTP: health, listings, headers, errors."""

from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from prober.model.ballot import Ballot, Vote
from prober.model.health import PENDING, Health
from prober.model.status import NO_PHASES, Outcome, Reason, Status
from prober.state.shared_store import SharedStore
from prober.web.dialects.oracle.places import target_of
from prober.web.dialects.oracle.requests import CODES
from tests.web.conftest import Client
from tests.web.dialects.editing import FakeEditor
from tests.web.dialects.oracle.conftest import oracle_world
from tests.web.world import NOW, WALL, World, monitor

LB = "/20170115/loadBalancers/lb"
NLB = "/20200501/networkLoadBalancers/lb"
BOTH = pytest.mark.parametrize("base", [LB, NLB], ids=["lb", "nlb"])
DNS = "dns%2Fa%20b%252F"
HEALTHY = {"10.0.0.1:80": Reason.OK, "10.0.0.2:80": Reason.OK, "[2001:db8::7]:80": Reason.OK}


async def get(client: Client, path: str, **headers: str) -> Any:
    """Return the JSON of a good answer; the path is sent as it stands here."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.get(URL(path, encoded=True), headers=named) as response:
        body = await response.json()
        assert response.status == 200, body
        return body


async def refusal(client: Client, path: str, **headers: str) -> tuple[int, str, str]:
    """Return status, code and message of an answer that is an error."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.get(URL(path, encoded=True), headers=named) as response:
        body = await response.json()
        assert response.content_type == "application/json"
        assert response.headers["opc-request-id"]
        assert body.keys() == {"code", "message"}
        return response.status, body["code"], body["message"]


def record(world: World, found: dict[str, Reason], name: str = "web-tcp") -> None:
    for key, reason in found.items():
        world.record(name, key, reason, times=5)


async def test_a_backend_has_a_result_for_each_monitor(world: World, client: Client) -> None:
    record(world, {"10.0.0.1:80": Reason.UNEXPECTED_STATUS}, "web-http")
    record(world, {"10.0.0.1:80": Reason.CLOSED}, "web-tcp")
    assert await get(client, f"{LB}/backendSets/web/backends/10.0.0.1:80/health") == {
        "status": "CRITICAL",
        "healthCheckResults": [
            {
                "subnetId": "here",
                "sourceIpAddress": "",
                "timestamp": NOW,
                "healthCheckStatus": word,
            }
            for word in ("INVALID_STATUS_CODE", "IO_ERROR")
        ],
    }
    assert await get(client, f"{NLB}/backendSets/web/backends/10.0.0.1:80/health") == {
        "status": "CRITICAL",
        "healthCheckResults": [
            {"timestamp": NOW, "healthCheckStatus": word}
            for word in ("INVALID_STATUS_CODE", "CONNECT_FAILED")
        ],
    }


async def test_the_source_address_is_shown_where_it_is_known(world: World, client: Client) -> None:
    state = world.store.get(("web-tcp", "10.0.0.1:80"))
    assert state
    world.record("web-tcp", "10.0.0.1:80")
    assert state.last
    state.last = state.last._replace(source_ip="10.0.0.9")
    health = await get(client, f"{LB}/backendSets/web/backends/10.0.0.1:80/health")
    assert [r["sourceIpAddress"] for r in health["healthCheckResults"]] == ["", "10.0.0.9"]


@BOTH
async def test_a_backend_without_results_is_unknown_and_that_is_no_error(
    client: Client, base: str
) -> None:
    health = await get(client, f"{base}/backendSets/web/backends/10.0.0.1:80/health")
    assert health["status"] == "UNKNOWN"
    results = health["healthCheckResults"]
    assert [result["healthCheckStatus"] for result in results] == ["UNKNOWN"] * 2
    assert [result["timestamp"] for result in results] == [NOW] * 2


async def test_a_disabled_monitor_is_shown_and_does_not_count(world: World) -> None:
    world.configure(monitor("a", "10.0.0.1:80", enabled=False))
    async with TestClient(TestServer(world.app())) as client:
        path = "backendSets/a/backends/10.0.0.1:80/health"
        lb = await get(client, f"/20170115/loadBalancers/default/{path}")
        nlb = await get(client, f"/20200501/networkLoadBalancers/default/{path}")
    assert (lb["status"], nlb["status"]) == ("UNKNOWN", "UNKNOWN")
    assert lb["healthCheckResults"][0]["healthCheckStatus"] == "OFFLINE"
    assert nlb["healthCheckResults"][0]["healthCheckStatus"] == "UNKNOWN"


@BOTH
@pytest.mark.parametrize(
    "name",
    [
        "%5B2001%3Adb8%3A%3A7%5D%3A80",
        "2001%3Adb8%3A%3A7%3A80",
        "[2001:db8::7]:80",
        "2001:db8::7:80",
        "[2001:DB8:0:0:0:0:0:7]:80",
    ],
)
async def test_every_form_of_an_ipv6_backend_is_the_same_one(
    client: Client, base: str, name: str
) -> None:
    path = f"{base}/backendSets/web/backends/{name}"
    assert (await get(client, path))["name"] == "[2001:db8::7]:80"
    assert (await get(client, f"{path}/health"))["status"] == "UNKNOWN"


@given(name=st.text() | st.from_regex(r"\A[\[0-9a-f:.]{1,20}\]?:?[0-9]{1,6}\Z"))
def test_whatever_is_asked_for_is_a_backend_in_one_form_or_none(name: str) -> None:
    target = target_of(name)
    assert target is None or target_of(str(target)) == target


@BOTH
async def test_a_slash_and_a_percent_sign_may_stand_in_the_name_of_a_set(
    client: Client, base: str
) -> None:
    assert (await get(client, f"{base}/backendSets/{DNS}"))["name"] == "dns/a b%2F"


@BOTH
async def test_the_health_of_a_set_names_what_is_not_ok(
    world: World, client: Client, base: str
) -> None:
    record(world, HEALTHY, "web-http")
    record(world, HEALTHY)
    record(world, {"10.0.0.2:80": Reason.REFUSED})
    assert await get(client, f"{base}/backendSets/web/health") == {
        "status": "WARNING",
        "warningStateBackendNames": ["10.0.0.2:80"],
        "criticalStateBackendNames": [],
        "unknownStateBackendNames": [],
        "totalBackendCount": 3,
    }


@BOTH
async def test_the_health_of_a_load_balancer_names_the_sets_that_are_not_ok(
    world: World, client: Client, base: str
) -> None:
    record(world, HEALTHY, "web-http")
    record(world, HEALTHY)
    assert await get(client, f"{base}/health") == {
        "status": "WARNING",
        "warningStateBackendSetNames": [],
        "criticalStateBackendSetNames": [],
        "unknownStateBackendSetNames": ["dns/a b%2F"],
        "totalBackendSetCount": 2,
    }
    record(world, {"10.0.0.53:53": Reason.REFUSED}, "dns-udp")
    health = await get(client, f"{base}/health")
    assert (health["status"], health["criticalStateBackendSetNames"]) == (
        "CRITICAL",
        ["dns/a b%2F"],
    )


async def test_the_healths_of_all_load_balancers_of_a_compartment(client: Client) -> None:
    assert await get(client, "/20170115/loadBalancerHealths?compartmentId=c2") == [
        {"loadBalancerId": "lb", "status": "UNKNOWN"},
        {"loadBalancerId": "other", "status": "UNKNOWN"},
    ]
    path = "/20200501/networkLoadBalancers/health?compartmentId=c1"
    assert await get(client, path) == {
        "items": [{"networkLoadBalancerId": "lb", "status": "UNKNOWN"}]
    }


async def test_a_pool_that_names_no_project_is_in_every_compartment(client: Client) -> None:
    for compartment, names in (("c1", ["lb"]), ("c2", ["lb", "other"]), ("any", ["lb"])):
        path = f"/20170115/loadBalancers?compartmentId={compartment}"
        assert [each["id"] for each in await get(client, path)] == names


async def test_a_load_balancer_with_all_that_belongs_to_it(client: Client) -> None:
    balancer = await get(client, LB)
    assert balancer["lifecycleState"] == "ACTIVE"
    assert balancer["compartmentId"] == "c1"
    assert list(balancer["backendSets"]) == ["web", "dns/a b%2F"]
    web = balancer["backendSets"]["web"]
    assert web == await get(client, f"{LB}/backendSets/web")
    assert web["backends"] == await get(client, f"{LB}/backendSets/web/backends")
    assert web["healthChecker"] == await get(client, f"{LB}/backendSets/web/healthChecker")
    assert await get(client, f"{LB}/backendSets") == list(balancer["backendSets"].values())
    items = await get(client, "/20200501/networkLoadBalancers?compartmentId=c1")
    assert items == {"items": [await get(client, NLB)]}


async def test_a_set_without_a_monitor_has_no_health_checker(client: Client) -> None:
    base = "/20170115/loadBalancers/other/backendSets/empty"
    assert (await get(client, base))["healthChecker"] is None
    assert await refusal(client, f"{base}/healthChecker") == (
        404,
        "NotAuthorizedOrNotFound",
        "there is no health checker: no monitor probes the pool 'empty'",
    )


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("displayName=lb", ["lb"]),
        ("displayName=nothing", []),
        ("lifecycleState=ACTIVE", ["lb", "other"]),
        ("lifecycleState=DELETED", []),
        ("sortBy=DISPLAYNAME&sortOrder=DESC", ["other", "lb"]),
        ("sortBy=TIMECREATED&sortOrder=DESC", ["lb", "other"]),
    ],
)
async def test_load_balancers_are_filtered_and_sorted(
    client: Client, query: str, names: list[str]
) -> None:
    path = f"/20170115/loadBalancers?compartmentId=c2&{query}"
    assert [each["id"] for each in await get(client, path)] == names


@pytest.mark.parametrize("order", ["", "&sortBy=displayName&sortOrder=DESC"])
async def test_pages_lead_to_the_end_and_the_last_has_no_header(client: Client, order: str) -> None:
    path = f"{NLB}/backendSets/web/backends?limit=2{order}"
    async with client.get(path) as response:
        first = [each["name"] for each in (await response.json())["items"]]
        after = response.headers["opc-next-page"]
    async with client.get(f"{path}&page={after}") as response:
        second = [each["name"] for each in (await response.json())["items"]]
        assert "opc-next-page" not in response.headers
    names = sorted(["10.0.0.1:80", "10.0.0.2:80", "[2001:db8::7]:80"], reverse=bool(order))
    assert (first, second) == (names[:2], names[2:])


@pytest.mark.parametrize(
    ("path", "status", "code", "message"),
    [
        (f"{LB}x", 404, "NotAuthorizedOrNotFound", "there is no load balancer 'lbx'"),
        (f"{LB}x/health", 404, "NotAuthorizedOrNotFound", "there is no load balancer 'lbx'"),
        (
            f"{NLB}/backendSets/empty",
            404,
            "NotAuthorizedOrNotFound",
            "there is no backend set 'empty' of a load balancer 'lb'",
        ),
        (
            f"{LB}/backendSets/web/backends/10.0.0.9:80/health",
            404,
            "NotAuthorizedOrNotFound",
            "there is no backend '10.0.0.9:80' in the backend set 'web'",
        ),
        (
            f"{LB}/backendSets/web/backends/%00",
            404,
            "NotAuthorizedOrNotFound",
            r"there is no backend '\x00' in the backend set 'web'",
        ),
        ("/20170115", 404, "NotFound", "there is nothing at '/20170115'"),
        ("/20200501/x", 404, "NotFound", "there is nothing at '/20200501/x'"),
        ("/20170115/loadBalancers", 400, "MissingParameter", "missing compartmentId"),
        ("/20200501/workRequests", 400, "MissingParameter", "missing compartmentId"),
        (
            "/20170115/loadBalancerWorkRequests/x",
            404,
            "NotAuthorizedOrNotFound",
            "there is no work request 'x', or it has expired",
        ),
        (
            f"{NLB}/backendSets?limit=0",
            400,
            "InvalidParameter",
            "parameter 'limit': expected a whole number from 1 to 1000, got '0'",
        ),
        (
            f"{NLB}/backendSets?page=x",
            400,
            "InvalidParameter",
            "page: expected the opc-next-page of an earlier answer, got 'x'",
        ),
    ],
)
async def test_errors_name_what_is_wrong(
    client: Client, path: str, status: int, code: str, message: str
) -> None:
    assert await refusal(client, path) == (status, code, message)


async def test_a_wrong_method_is_answered_in_oracles_form(client: Client) -> None:
    async with client.delete(f"{LB}/health") as response:
        assert response.status == 405
        assert (await response.json())["code"] == "MethodNotAllowed"
        assert response.headers["Allow"] == "GET,HEAD"


async def test_a_fault_of_the_prober_is_answered_in_oracles_form(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken: Any = object()
    monkeypatch.setitem(world.store.pools, "web", broken)
    status, code, _ = await refusal(client, f"{LB}/backendSets/web")
    assert (status, code) == (500, CODES[500])


@BOTH
async def test_the_id_of_a_request_is_echoed_or_made(client: Client, base: str) -> None:
    async with client.get(base, headers={"opc-request-id": "A/B"}) as response:
        assert response.headers["opc-request-id"] == "A/B"
    seen = set()
    for sent in ({}, {}, {"opc-request-id": "x" * 300}):
        async with client.get(base, headers=sent) as response:
            seen.add(response.headers["opc-request-id"])
    assert len(seen) == 3
    assert all(len(each) == 32 for each in seen)


@BOTH
async def test_probing_does_not_move_the_etag(world: World, client: Client, base: str) -> None:
    paths = (base, f"{base}/health", f"{base}/backendSets/web/healthChecker")
    before = {(await client.get(path)).headers["etag"] for path in paths}
    record(world, HEALTHY)
    after = {(await client.get(path)).headers["etag"] for path in paths}
    assert before == after
    assert len(before) == 1


async def test_the_etag_moves_with_the_configuration_of_its_load_balancer_alone(
    world: World, client: Client, editor: FakeEditor
) -> None:
    other = "/20170115/loadBalancers/other"
    before = [(await client.get(path)).headers["etag"] for path in (LB, other)]
    await editor.change_monitor(world.store.monitors["web-tcp"], {"fall": 9})
    after = [(await client.get(path)).headers["etag"] for path in (LB, other)]
    assert before[0] != after[0]
    assert before[1] == after[1]
    await editor.change_monitor(world.store.monitors["web-tcp"], {"fall": 3})
    assert (await client.get(LB)).headers["etag"] == before[0]


@BOTH
async def test_if_match_is_minded_wherever_it_is_sent(client: Client, base: str) -> None:
    etag = (await client.get(base)).headers["etag"]
    for good in (etag, f'"{etag}"', "*", f'"other", "{etag}"'):
        await get(client, f"{base}/health", if_match=good)
    status, code, message = await refusal(client, f"{base}/health", if_match="other")
    assert (status, code) == (412, "NoEtagMatch")
    assert message == f"if-match is 'other', but the ETag is {etag!r}"


async def test_no_secret_is_shown(client: Client) -> None:
    for base in (LB, NLB):
        async with client.get(base) as response:
            assert "canary" not in await response.text()


async def test_a_backend_of_the_network_service_is_active_or_stands_by(
    world: World, client: Client
) -> None:
    backend = "/20200501/networkLoadBalancers/lb/backendSets/web/backends/10.0.0.1%3A80"

    async def status() -> str:
        async with client.get(f"{backend}/operationalStatus") as response:
            assert response.status == 200
            return str((await response.json())["status"])

    assert await status() == "UNKNOWN"
    for name in ("web-http", "web-tcp"):
        world.record(name, "10.0.0.1:80", Reason.OK, times=9)
    assert await status() == "ACTIVE"
    async with client.put(backend, json={"isBackup": True}) as response:
        assert response.status == 202
    for name in ("web-http", "web-tcp"):
        world.record(name, "10.0.0.1:80", Reason.OK, times=9)
    assert await status() == "STANDBY"


async def test_each_vantage_of_a_cluster_has_its_result_and_one_unknown_makes_unknown() -> None:
    world = World(member="here")
    app = world.app(editor=oracle_world(world))
    good = Outcome(Reason.OK, "", None, WALL, 0.125, NO_PHASES, source_ip="10.0.0.8")
    ballots = [
        Ballot("a", "", Vote(Status.OK, Health(True, 5), WALL, degraded=False, last=good)),
        Ballot("b", "", Vote(Status.UNKNOWN, PENDING, WALL, degraded=False, last=None)),
    ]
    assert isinstance(world.store, SharedStore)
    for name in ("web-http", "web-tcp"):
        world.store.show((name, "10.0.0.1:80"), ballots, vantages=2)
    async with TestClient(TestServer(app)) as client:
        health = await get(client, f"{LB}/backendSets/web/backends/10.0.0.1:80/health")
    assert health["status"] == "UNKNOWN"
    found = [
        (result["subnetId"], result["sourceIpAddress"], result["healthCheckStatus"])
        for result in health["healthCheckResults"]
    ]
    assert found == 2 * [("a", "10.0.0.8", "OK"), ("b", "", "UNKNOWN")]
