"""Backend sets and backends over Oracle's two services: created, changed, deleted, drained."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp.test_utils import TestClient, TestServer

from prober.model.admin import AdminEntry, AdminState
from prober.model.option import Complaint, Rejected
from tests.edits.test_editor import World, living
from tests.web.conftest import Client

FILE: dict[str, Any] = {
    "server": {"writable": True},
    "pools": [
        {
            "name": "web",
            "load_balancer": "lb",
            "project_id": "c1",
            "backends": [
                {"address": "192.0.2.1", "port": 80, "name": "one", "labels": {"rack": "r1"}},
                "192.0.2.2:80",
            ],
        },
        {"name": "bare", "load_balancer": "lb", "project_id": "c1", "backends": []},
        {"name": "elsewhere", "load_balancer": "other", "backends": []},
    ],
    "monitors": [
        {"name": "web-http", "type": "HTTP", "pool": "web", "interval": "1h", "rise": 4},
        {"name": "web-tcp", "type": "TCP", "pool": "web", "interval": "1h"},
        {"name": "own", "type": "TCP", "targets": ["192.0.2.4:80"], "interval": "1h"},
    ],
}


class Service(NamedTuple):
    """One service: its paths, and its words for the flags of a backend."""

    root: str
    balancers: str
    edited: int
    drain: str
    offline: str
    backup: str
    policy: str
    work_requests: str
    kind: str

    @property
    def lb(self) -> str:
        return f"{self.root}/{self.balancers}/lb"

    @property
    def web(self) -> str:
        return f"{self.lb}/backendSets/web"

    def flags(self, *names: str) -> dict[str, object]:
        """Return a change of a backend with these flags and no others, as both services take it."""
        every = {"drain": self.drain, "offline": self.offline, "backup": self.backup}
        return {"weight": 1, **{word: name in names for name, word in every.items()}}


SERVICES = {
    "lb": Service(
        *("/20170115", "loadBalancers", 204, "drain", "offline", "backup", "IP_HASH"),
        *("loadBalancerWorkRequests", "type"),
    ),
    "nlb": Service(
        *("/20200501", "networkLoadBalancers", 202, "isDrain", "isOffline", "isBackup"),
        *("TWO_TUPLE", "workRequests", "operationType"),
    ),
}


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> Service:
    return SERVICES[request.param]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    with living(World(tmp_path, FILE)) as made:
        yield made
        await made.reloader.close()


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    async with TestClient(TestServer(world.app())) as connected:
        yield connected


class Oracle:
    """Asks one service as its clients do."""

    def __init__(self, client: Client, service: Service) -> None:
        self.client, self.service = client, service

    async def get(self, path: str) -> Any:
        response = await self.client.get(path)
        assert response.status == 200, await response.text()
        return await response.json()

    async def edit(self, method: str, path: str, body: object = None, **headers: str) -> str:
        """Make an edit, and return what its work request was."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = await self.client.request(method, path, json=body, headers=named)
        assert response.status == self.service.edited, await response.text()
        work = response.headers["opc-work-request-id"]
        done = await self.get(f"{self.service.root}/{self.service.work_requests}/{work}")
        assert "SUCCEEDED" in (done.get("lifecycleState"), done.get("status"))
        return str(done[self.service.kind])

    async def refused(self, method: str, path: str, body: object = None) -> tuple[int, str, str]:
        """Make an edit that is refused; return status, code and message."""
        response = await self.client.request(method, path, json=body)
        answer = await response.json()
        return response.status, answer["code"], answer["message"]

    def backend(self, key: str) -> str:
        return f"{self.service.web}/backends/{key.replace(':', '%3A')}"


@pytest.fixture
def oracle(client: Client, service: Service) -> Oracle:
    return Oracle(client, service)


def admin_of(world: World, key: str) -> AdminEntry | None:
    return world.store.admin.entries.get(("backends", f"web/{key}"))


ONE, TWO = "192.0.2.1:80", "192.0.2.2:80"


# Backends


async def test_a_backend_is_created_probed_changed_and_deleted(
    world: World, oracle: Oracle
) -> None:
    service = oracle.service
    new = {"ipAddress": "192.0.2.9", "port": 80, "weight": 3, service.backup: True}
    kind = await oracle.edit("POST", f"{service.web}/backends", new)
    assert kind in ("CreateBackend", "CREATE_BACKEND")
    shown = await oracle.get(oracle.backend("192.0.2.9:80"))
    assert {name: shown[name] for name in new} == new
    assert shown["name"] == "192.0.2.9:80"
    assert world.state("web-http", 9).check.enabled
    assert world.state("web-tcp", 9).check.enabled
    kind = await oracle.edit("PUT", oracle.backend("192.0.2.9:80"), service.flags())
    assert kind in ("UpdateBackend", "UPDATE_BACKEND")
    shown = await oracle.get(oracle.backend("192.0.2.9:80"))
    assert (shown["weight"], shown[service.backup]) == (1, False)
    kind = await oracle.edit("DELETE", oracle.backend("192.0.2.9:80"))
    assert kind in ("DeleteBackend", "DELETE_BACKEND")
    status, code, _ = await oracle.refused("DELETE", oracle.backend("192.0.2.9:80"))
    assert (status, code) == (404, "NotAuthorizedOrNotFound")
    one = world.store.pools["web"].backends[0]
    assert (one.name, dict(one.labels)) == ("one", {"rack": "r1"})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"ipAddress": "192.0.2.1"}, "missing port"),
        ({"ipAddress": "192.0.2.256", "port": 80}, "ipAddress: expected an IP address or a host"),
        ({"ipAddress": "192.0.2.9", "port": 0}, "port: expected a whole number from 1 to 65535"),
        ({"ipAddress": "192.0.2.9", "port": 80, "weight": 0}, "weight: expected a whole number"),
        ({"ipAddress": "192.0.2.9", "port": 80, "weight": True}, "weight: expected a whole number"),
        ({"ipAddress": "192.0.2.9", "port": 80, "nonsense": 1}, "nonsense: unknown key"),
        ({"ipAddress": "192.0.2.9", "port": 80, "name": "x"}, "name: expected '192.0.2.9:80'"),
        ({"ipAddress": "169.254.169.254", "port": 80}, "169.254.169.254"),
        ([], "expected a mapping"),
    ],
)
async def test_a_backend_that_makes_no_sense_is_refused(
    world: World, oracle: Oracle, body: object, message: str
) -> None:
    before = world.store.model
    status, code, said = await oracle.refused("POST", f"{oracle.service.web}/backends", body)
    assert (status, message in said) == (400, True), said
    assert code in ("InvalidParameter", "MissingParameter", "CannotParseRequest")
    assert not said.startswith("backends")
    assert world.store.model is before


async def test_a_backend_that_is_there_is_not_created_again(oracle: Oracle) -> None:
    body = {"ipAddress": "192.0.2.1", "port": 80}
    assert await oracle.refused("POST", f"{oracle.service.web}/backends", body) == (
        *(409, "Conflict"),
        "the backend '192.0.2.1:80' is already in the set 'web'",
    )


async def test_the_targets_of_a_monitor_are_backends_too(world: World, oracle: Oracle) -> None:
    own = f"{oracle.service.root}/{oracle.service.balancers}/default/backendSets/own"
    await oracle.edit("POST", f"{own}/backends", {"ipAddress": "192.0.2.5", "port": 80})
    assert [each.key for each in world.store.pools["own"].backends] == [
        "192.0.2.4:80",
        "192.0.2.5:80",
    ]
    await oracle.edit("DELETE", f"{own}/backends/192.0.2.5%3A80")
    status, _, message = await oracle.refused("DELETE", f"{own}/backends/192.0.2.4%3A80")
    assert (status, "at least one target" in message) == (409, True)
    await oracle.edit("DELETE", own)
    assert "own" not in world.store.monitors


async def test_what_prober_lacks_is_refused_unless_it_is_null(client: Client) -> None:
    for name, member in (("lb", "maxConnections"), ("nlb", "targetId")):
        oracle = Oracle(client, SERVICES[name])
        body = {"ipAddress": "192.0.2.9", "port": 80, member: None}
        await oracle.edit("POST", f"{oracle.service.web}/backends", body)
        await oracle.edit("DELETE", oracle.backend("192.0.2.9:80"))
        status, code, message = await oracle.refused(
            "POST", f"{oracle.service.web}/backends", {**body, member: 300}
        )
        assert (status, code) == (400, "InvalidParameter")
        assert message.startswith(f"{member}: prober ")


# Drain and offline


@pytest.mark.parametrize(
    ("flag", "state"), [("drain", AdminState.DRAIN), ("offline", AdminState.MAINTENANCE)]
)
async def test_a_flag_is_an_admin_state_until_it_is_taken_back(
    world: World, oracle: Oracle, flag: str, state: AdminState
) -> None:
    service = oracle.service
    word = {"drain": service.drain, "offline": service.offline}[flag]
    etag = (await oracle.client.get(service.web)).headers["etag"]
    await oracle.edit("PUT", oracle.backend(ONE), service.flags(flag), if_match=etag)
    entry = admin_of(world, ONE)
    assert entry is not None
    assert (entry.state, entry.until, entry.by) == (state, None, "Oracle's API")
    response = await oracle.client.get(service.web)
    assert response.headers["etag"] != etag
    shown = (await response.json())["backends"]
    assert [each[word] for each in shown] == [True, False]
    assert (await oracle.get(oracle.backend(ONE)))[word] is True
    await oracle.edit("PUT", oracle.backend(ONE), service.flags())
    assert admin_of(world, ONE) is None
    assert (await oracle.get(oracle.backend(ONE)))[word] is False
    assert (await oracle.client.get(service.web)).headers["etag"] == etag


async def test_a_backend_is_created_drained(world: World, oracle: Oracle) -> None:
    new = {"ipAddress": "192.0.2.9", "port": 80, oracle.service.drain: True}
    await oracle.edit("POST", f"{oracle.service.web}/backends", new)
    entry = admin_of(world, "192.0.2.9:80")
    assert entry is not None
    assert entry.state is AdminState.DRAIN
    await oracle.edit("DELETE", oracle.backend("192.0.2.9:80"))
    assert admin_of(world, "192.0.2.9:80") is None


async def test_what_somebody_else_set_is_shown_and_stays(world: World, oracle: Oracle) -> None:
    service, admin = oracle.service, world.store.admin
    until = time.time() + 3600
    mine = AdminEntry(AdminState.MAINTENANCE, until, "kernel", "ops", time.time())
    admin.put(("backends", f"web/{ONE}"), mine)
    assert (await oracle.get(oracle.backend(ONE)))[service.offline] is True
    written = {**service.flags("offline"), "weight": 5}  # as it was shown
    await oracle.edit("PUT", oracle.backend(ONE), written)
    assert admin_of(world, ONE) == mine
    await oracle.edit("PUT", oracle.backend(ONE), service.flags())
    assert admin_of(world, ONE) == mine
    assert (await oracle.get(oracle.backend(ONE)))[service.offline] is True


async def test_the_members_of_a_change_are_required_where_the_service_says_so(
    client: Client,
) -> None:
    lb, nlb = (Oracle(client, each) for each in SERVICES.values())
    assert await lb.refused("PUT", lb.backend(ONE), {"drain": True}) == (
        *(400, "MissingParameter"),
        "missing weight, backup, offline",
    )
    await nlb.edit("PUT", nlb.backend(ONE), {"isDrain": True})
    assert (await lb.get(lb.backend(ONE)))["drain"] is True  # one model, two services
    await nlb.edit("PUT", nlb.backend(ONE), {"weight": 2})
    assert (await nlb.get(nlb.backend(ONE)))["isDrain"] is True


# Backend sets


def new_set(service: Service, **more: object) -> dict[str, object]:
    return {
        "name": "fresh",
        "policy": service.policy,
        "healthChecker": {"protocol": "HTTP", "urlPath": "/up", "returnCode": 204},
        "backends": [
            {"ipAddress": "192.0.2.9", "port": 80},
            {"ipAddress": "2001:db8::9", "port": 80},
        ],
        **more,
    }


async def test_a_backend_set_is_created_changed_and_deleted(world: World, oracle: Oracle) -> None:
    service = oracle.service
    sets, fresh = f"{service.lb}/backendSets", f"{service.lb}/backendSets/fresh"
    body = new_set(service)
    assert await oracle.edit("POST", sets, body) in ("CreateBackendSet", "CREATE_BACKENDSET")
    shown = await oracle.get(fresh)
    assert (shown["name"], shown["policy"]) == ("fresh", service.policy)
    assert [each["name"] for each in shown["backends"]] == ["192.0.2.9:80", "[2001:db8::9]:80"]
    checker = shown["healthChecker"]
    assert {name: checker[name] for name in ("protocol", "urlPath", "returnCode", "retries")} == {
        "protocol": "HTTP",
        "urlPath": "/up",
        "returnCode": 204,
        "retries": 3,
    }
    assert (checker["timeoutInMillis"], checker["intervalInMillis"]) == (3000, 10000)
    assert world.store.pools["fresh"].project_id == "c1"
    change = {
        "policy": service.policy,
        "backends": [{"ipAddress": "2001:db8::9", "port": 80, service.drain: True}],
        "healthChecker": {**checker, "retries": 7},
    }
    assert await oracle.edit("PUT", fresh, change) in ("UpdateBackendSet", "UPDATE_BACKENDSET")
    shown = await oracle.get(fresh)
    assert [(each["name"], each[service.drain]) for each in shown["backends"]] == [
        ("[2001:db8::9]:80", True)
    ]
    assert shown["healthChecker"]["retries"] == 7
    assert await oracle.edit("DELETE", fresh) in ("DeleteBackendSet", "DELETE_BACKENDSET")
    assert "fresh" not in world.store.pools
    assert "fresh" not in world.store.monitors


async def test_a_change_of_a_set_keeps_what_oracle_has_no_word_for(
    world: World, oracle: Oracle
) -> None:
    shown = await oracle.get(oracle.service.web)
    change = {key: value for key, value in shown.items() if key != "name"}
    first, second = FILE["pools"][0]["backends"]
    heavy = {**first, "weight": 200}  # more than Oracle knows
    await world.editing.change_pool(world.store.pools["web"], {"backends": [heavy, second]})
    change["backends"] = (await oracle.get(oracle.service.web))["backends"]
    before = world.store.model
    await oracle.edit("PUT", oracle.service.web, change)
    assert world.store.model is before
    change["backends"] = [*change["backends"], {"ipAddress": "192.0.2.9", "port": 80}]
    await oracle.edit("PUT", oracle.service.web, change)
    one, *_ = world.store.pools["web"].backends
    assert (one.name, dict(one.labels), one.weight) == ("one", {"rack": "r1"}, 200)
    assert world.store.monitors["web-http"].rise == 4
    assert len(world.store.pools["web"].backends) == 3


@pytest.mark.parametrize(
    ("more", "status", "message"),
    [
        ({"name": "web"}, 409, "there is a backend set 'web' already, of the load balancer 'lb'"),
        ({"name": "elsewhere"}, 409, "of the load balancer 'other'"),
        ({"name": ".."}, 400, "name: '..' is not a usable name"),
        ({"policy": "NONE"}, 400, "policy: expected one of"),
        ({"healthChecker": None}, 400, "missing healthChecker"),
        ({"healthChecker": {"protocol": "SCTP"}}, 400, "protocol: "),
        ({"healthChecker": {"protocol": "TCP", "retries": 0}}, 400, "retries: expected"),
        ({"backends": {}}, 400, "backends: expected a list"),
        ({"backends": [{"ipAddress": "x y", "port": 80}]}, 400, "backends.0: ipAddress: expected"),
        ({"backends": [{"ipAddress": "169.254.169.254", "port": 80}]}, 400, "backends.0: "),
        (
            {"backends": [{"ipAddress": "2001:db8::9", "port": 80}] * 2},
            400,
            "duplicate backend [2001:db8::9]:80",
        ),
    ],
)
async def test_a_set_that_makes_no_sense_is_refused_and_leaves_nothing_behind(
    world: World, oracle: Oracle, more: dict[str, object], status: int, message: str
) -> None:
    pools, monitors = world.store.model.pools, world.store.model.monitors
    body = new_set(oracle.service, **more)
    found, _, said = await oracle.refused("POST", f"{oracle.service.lb}/backendSets", body)
    assert (found, message in said) == (status, True), said
    assert (world.store.model.pools, world.store.model.monitors) == (pools, monitors)


def reject(world: World, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """Let the configuration reject an edit of a monitor because of its timeout."""

    async def refuse(*_: object) -> None:
        raise Rejected(Complaint(("timeout",), "too long for this machine"))

    monkeypatch.setattr(world.editing, method, refuse)


async def test_a_set_whose_checker_is_rejected_leaves_no_pool_behind(
    world: World, oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    reject(world, monkeypatch, "create_monitor")
    sets = f"{oracle.service.lb}/backendSets"
    assert await oracle.refused("POST", sets, new_set(oracle.service)) == (
        *(400, "InvalidParameter"),
        "timeoutInMillis: too long for this machine",
    )
    assert "fresh" not in world.store.pools


async def test_a_set_is_changed_as_a_whole_or_not_at_all(
    world: World, oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    reject(world, monkeypatch, "change_monitor")
    shown = await oracle.get(oracle.service.web)
    pool = world.store.pools["web"]
    change = {
        "policy": shown["policy"],
        "backends": [{"ipAddress": "192.0.2.9", "port": 80}],
        "healthChecker": {**shown["healthChecker"], "timeoutInMillis": 600000},
    }
    status, _, message = await oracle.refused("PUT", oracle.service.web, change)
    assert (status, message) == (400, "timeoutInMillis: too long for this machine")
    assert world.store.pools["web"].backends == pool.backends


async def test_a_policy_is_kept_and_makes_another_version(oracle: Oracle) -> None:
    shown = await oracle.get(oracle.service.web)
    etag = (await oracle.client.get(oracle.service.web)).headers["etag"]
    change = {key: value for key, value in shown.items() if key != "name"}
    await oracle.edit("PUT", oracle.service.web, {**change, "policy": oracle.service.policy})
    response = await oracle.client.get(oracle.service.web)
    assert (await response.json())["policy"] == oracle.service.policy
    assert response.headers["etag"] != etag


async def test_a_repeated_request_creates_once(world: World, oracle: Oracle) -> None:
    sets = f"{oracle.service.lb}/backendSets"
    for _ in range(2):
        await oracle.edit("POST", sets, new_set(oracle.service), opc_retry_token="t")
    assert "fresh-2" not in world.store.monitors


async def test_an_edit_of_another_version_is_refused(world: World, oracle: Oracle) -> None:
    paths = {
        "POST": f"{oracle.service.web}/backends",
        "PUT": oracle.backend(ONE),
        "DELETE": oracle.service.web,
    }
    before = world.store.model
    for method, path in paths.items():
        body = (
            {"ipAddress": "192.0.2.9", "port": 80} if method == "POST" else oracle.service.flags()
        )
        response = await oracle.client.request(method, path, json=body, headers={"if-match": "x"})
        assert (response.status, (await response.json())["code"]) == (412, "NoEtagMatch")
    assert world.store.model is before


async def test_nothing_is_edited_where_edits_are_off(
    world: World, oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(world.editing), "locked", "edits are off here")
    for method, path in (
        ("POST", f"{oracle.service.lb}/backendSets"),
        ("PUT", oracle.backend(ONE)),
        ("DELETE", oracle.service.web),
    ):
        assert await oracle.refused(method, path, {}) == (
            403,
            "NotAuthorized",
            "edits are off here",
        )


# Load balancers


async def test_a_load_balancer_is_there_before_and_after_its_backend_sets(
    world: World, oracle: Oracle
) -> None:
    service = oracle.service
    balancers = f"{service.root}/{service.balancers}"
    named = new_set(service, name="inner")
    details = {key: value for key, value in named.items() if key != "name"}
    body = {"compartmentId": "c7", "displayName": "new", "isPrivate": True}
    kind = await oracle.edit("POST", balancers, {**body, "backendSets": {"inner": details}})
    assert kind in ("CreateLoadBalancer", "CREATE_NETWORK_LOAD_BALANCER")
    new = f"{balancers}/new"
    shown = await oracle.get(new)
    assert (shown["id"], shown["compartmentId"], list(shown["backendSets"])) == (
        *("new", "c7"),
        ["inner"],
    )
    listed = await oracle.get(f"{balancers}?compartmentId=c7")
    listed = listed if isinstance(listed, list) else listed["items"]
    assert "new" in [each["displayName"] for each in listed]
    await oracle.edit("DELETE", f"{new}/backendSets/inner")
    assert (await oracle.get(new))["backendSets"] == {}
    assert (await oracle.get(f"{new}/health"))["status"] == "UNKNOWN"
    await oracle.edit("POST", f"{new}/backendSets", new_set(service, name="again"))
    assert world.store.pools["again"].project_id == "c7"
    kind = await oracle.edit("DELETE", new)
    assert not {"inner", "again"} & world.store.pools.keys()
    assert not {"inner", "again"} & world.store.monitors.keys()
    assert kind in ("DeleteLoadBalancer", "DELETE_NETWORK_LOAD_BALANCER")
    assert (await oracle.client.get(new)).status == 404


@pytest.mark.parametrize(
    ("more", "status", "message"),
    [
        ({"displayName": "lb"}, 409, "there is a load balancer 'lb' already"),
        ({"displayName": None}, 400, "missing displayName"),
        ({"displayName": 7}, 400, "displayName: expected text"),
        ({"listeners": {"a": {}}}, 501, "a load balancer with listeners is not supported"),
        ({"backendSets": {"a": 1}}, 400, "backendSets: expected a mapping"),
        ({"backendSets": {"a": {}}}, 400, "missing policy, healthChecker"),
        ({"backendSets": {"web": {}}}, 400, "missing policy, healthChecker"),
        ({"nonsense": 1}, 400, "nonsense: unknown key"),
    ],
)
async def test_a_load_balancer_that_makes_no_sense_is_refused(
    world: World, oracle: Oracle, more: dict[str, object], status: int, message: str
) -> None:
    before = world.store.model
    body = {"compartmentId": "c7", "displayName": "new", **more}
    balancers = f"{oracle.service.root}/{oracle.service.balancers}"
    found, _, said = await oracle.refused("POST", balancers, body)
    assert (found, message in said) == (status, True), said
    assert world.store.model is before
    assert (await oracle.client.get(f"{balancers}/new")).status == 404


async def test_a_load_balancer_of_which_one_set_is_refused_is_not_created(
    world: World, oracle: Oracle
) -> None:
    pools = world.store.model.pools
    service = oracle.service
    balancers = f"{service.root}/{service.balancers}"
    details = {key: value for key, value in new_set(service).items() if key != "name"}
    body = {
        "compartmentId": "c7",
        "displayName": "new",
        "backendSets": {"a": details, "web": details},
    }
    status, _, message = await oracle.refused("POST", balancers, body)
    assert (status, "'web' already" in message) == (409, True)
    assert world.store.model.pools == pools
    assert (await oracle.client.get(f"{balancers}/new")).status == 404


async def test_the_network_load_balancer_service_shows_what_it_created(client: Client) -> None:
    path = "/20200501/networkLoadBalancers"
    body = {"compartmentId": "c7", "displayName": "new", "subnetId": "s"}
    response = await client.post(path, json=body)
    assert response.status == 202
    assert (await response.json())["id"] == "new"
    assert response.headers["etag"] == (await client.get(f"{path}/new")).headers["etag"]


# What prober is not


async def test_what_only_a_real_load_balancer_has_is_empty_and_not_created(
    client: Client,
) -> None:
    lb, nlb = (Oracle(client, each) for each in SERVICES.values())
    assert await lb.get(f"{lb.service.lb}/certificates") == []
    assert await nlb.get(f"{nlb.service.lb}/listeners") == {"items": []}
    assert await lb.get("/20170115/loadBalancerPolicies?compartmentId=c1") == [
        {"name": "ROUND_ROBIN"},
        {"name": "LEAST_CONNECTIONS"},
        {"name": "IP_HASH"},
    ]
    for oracle in (lb, nlb):
        assert await oracle.refused("POST", f"{oracle.service.lb}/listeners", {}) == (
            *(501, "MethodNotImplemented"),
            "POST listeners is not supported: prober forwards no traffic",
        )
        status, code, _ = await oracle.refused("DELETE", f"{oracle.service.lb}/listeners/x")
        assert (status, code) == (404, "NotAuthorizedOrNotFound")


async def test_a_work_request_of_the_network_service_has_a_log_and_no_errors(
    client: Client,
) -> None:
    oracle = Oracle(client, SERVICES["nlb"])
    response = await client.delete(oracle.service.web)
    work = f"/20200501/workRequests/{response.headers['opc-work-request-id']}"
    (entry,) = (await oracle.get(f"{work}/logs"))["items"]
    assert entry["message"] == "the backend set 'web' has been deleted"
    assert await oracle.get(f"{work}/errors") == {"items": []}
    status, code, _ = await oracle.refused("GET", "/20200501/workRequests/x/errors")
    assert (status, code) == (404, "NotAuthorizedOrNotFound")
