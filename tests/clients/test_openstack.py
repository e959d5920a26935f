"""OpenStack's stock clients: openstacksdk and the `openstack` command."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.clients.serving import BULK, Prober
from tests.running import PATIENCE

pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries that are not ours

SHELL = Path(__file__).with_name("openstack_shell.py")
NAMES = ["web-http", *(f"bulk-{number}-tcp" for number in range(BULK)), "resolver"]

Connect = Callable[..., Any]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Connect as users do who have no Keystone, or in the way that is given."""
    openstack = pytest.importorskip("openstack", reason="openstacksdk is not installed")
    opened = []

    def connecting(prober: Prober, **how: Any) -> Any:
        how = how or {"auth_type": "admin_token", "auth": {"endpoint": prober.url, "token": "tok"}}
        connection = openstack.connect(load_yaml_config=False, load_envvars=False, **how)
        opened.append(connection)
        return connection

    yield connecting
    for connection in opened:
        connection.close()


@pytest.fixture
def service(connect: Connect, prober: Prober) -> Any:
    return connect(prober).load_balancer


def ways(url: str) -> list[dict[str, Any]]:
    """Return the ways to point openstacksdk at a prober, with and without discovery."""
    nobody = {"auth_type": "none", "auth": {"endpoint": url}}
    ann = {
        "auth_url": f"{url}/v3",
        "username": "ann",
        "password": "tok",
        "project_name": "p1",
        "user_domain_id": "default",
        "project_domain_id": "default",
    }
    return [
        {"auth_type": "admin_token", "auth": {"endpoint": url, "token": "tok"}},
        nobody,
        {**nobody, "load_balancer_endpoint_override": url},
        {**nobody, "load_balancer_endpoint_override": f"{url}/v2.0"},
        {**nobody, "load_balancer_endpoint_override": f"{url}/v2"},
        {"auth_type": "password", "auth": ann},
    ]


def test_every_way_to_connect_leads_here(connect: Connect, prober: Prober) -> None:
    for way in ways(prober.url):
        found = connect(prober, **way).load_balancer.health_monitors()
        assert [each.name for each in found] == NAMES


def test_the_token_of_a_user_is_his_password(connect: Connect, prober: Prober) -> None:
    connection = connect(prober, **ways(prober.url)[-1])
    assert connection.auth_token == "tok"
    assert connection.current_project_id == "p1"


@pytest.mark.parametrize("limit", [1, 3, len(NAMES), 100])
def test_pages_of_every_size_lead_to_the_end(service: Any, limit: int) -> None:
    assert [each.name for each in service.health_monitors(limit=limit)] == NAMES


def test_pages_lead_back(service: Any) -> None:
    path: str | None = "/lbaas/healthmonitors?limit=4&page_reverse=True"
    found: list[str] = []
    while path:
        answer = service.get(path).json()
        found[:0] = [each["name"] for each in answer["healthmonitors"]]
        links = {each["rel"]: each["href"] for each in answer["healthmonitors_links"]}
        path = links.get("previous")
    assert found == NAMES


def test_filters_arrive(service: Any) -> None:
    def names(**filters: Any) -> list[str]:
        return [each.name for each in service.health_monitors(**filters)]

    assert names(type=["HTTP", "UDP-CONNECT"]) == ["web-http", "resolver"]
    assert names(is_admin_state_up=False) == []
    assert names(tags=["rack=r1"]) == ["web-http"]
    assert names(project_id="bulk", delay=5) == NAMES[1:-1]
    raw = service.get("/lbaas/healthmonitors", params={"tenant_id": "p1"}).json()
    assert [each["name"] for each in raw["healthmonitors"]] == ["web-http"]


def test_a_health_monitor_lives_and_dies(service: Any) -> None:
    exceptions = pytest.importorskip("openstack.exceptions")
    spare = service.find_pool("spare")
    wanted = {"pool_id": spare.id, "name": "hm", "type": "HTTP", "url_path": "/x"}
    made = service.create_health_monitor(**wanted, delay=5, timeout=3, max_retries=2)
    assert (made.delay, made.timeout, made.max_retries, made.max_retries_down) == (5, 3, 2, 3)
    assert made.provisioning_status == "ACTIVE"
    with pytest.raises(exceptions.ConflictException, match="already has a health monitor"):
        service.create_health_monitor(**wanted, delay=5, timeout=3, max_retries=2)
    found = service.find_health_monitor("hm")
    assert found.id == made.id
    assert service.find_pool("spare").health_monitor_id == made.id
    changed = service.update_health_monitor(found, delay=6, is_admin_state_up=False)
    assert (changed.delay, changed.is_admin_state_up, changed.url_path) == (6, False, "/x")
    service.delete_health_monitor(made.id)
    service.delete_health_monitor(made.id)
    with pytest.raises(exceptions.NotFoundException):
        service.delete_health_monitor(made.id, ignore_missing=False)
    assert service.find_health_monitor("hm") is None


def test_errors_are_exceptions_that_say_what_is_wrong(service: Any) -> None:
    exceptions = pytest.importorskip("openstack.exceptions")
    monitor = service.find_health_monitor("web-http")
    with pytest.raises(exceptions.BadRequestException) as caught:
        service.update_health_monitor(monitor.id, max_retries=60)
    said = "max_retries: expected a whole number from 1 to 10, got 60"
    assert caught.value.details == said
    assert caught.value.request_id.startswith("req-")
    with pytest.raises(exceptions.NotFoundException):
        service.get_health_monitor("0a179a69-81ed-5fc5-8442-000000000000")
    answer = service.get("/lbaas/healthmonitors?colour=red")
    assert answer.json()["faultstring"] == "unknown parameter 'colour'"


def test_members_pools_and_load_balancers_have_statuses(service: Any) -> None:
    pool = service.find_pool("web")
    assert pool.operating_status == "DEGRADED"
    members = list(service.members(pool))
    assert [each.operating_status for each in members] == ["ONLINE", "ERROR"]
    assert service.get_member(members[0].id, pool).protocol_port == members[0].protocol_port
    load_balancer = service.get_load_balancer(pool.loadbalancers[0]["id"])
    assert (load_balancer.name, load_balancer.operating_status) == ("lb-1", "DEGRADED")
    assert service.wait_for_load_balancer(load_balancer.id).id == load_balancer.id


def openstack(prober: Prober, *commands: str) -> list[tuple[int, str, str]]:
    """Run commands of `openstack loadbalancer` and return how each ended and what it said."""
    if find_spec("octaviaclient") is None or find_spec("openstackclient") is None:
        pytest.skip("python-openstackclient and python-octaviaclient are not installed")
    done = subprocess.run(
        [sys.executable, str(SHELL)],
        input=json.dumps([["loadbalancer", *command.split()] for command in commands]),
        env={
            **os.environ,
            "OS_AUTH_TYPE": "admin_token",
            "OS_TOKEN": "tok",
            "OS_ENDPOINT": prober.url,
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    results: list[tuple[int, str, str]] = json.loads(done.stdout)
    return results


def test_the_command_reads(prober: Prober) -> None:
    listed, tagged, shown, members, statuses = openstack(
        prober,
        "healthmonitor list -f json",
        "healthmonitor list --tags rack=r1 -f json",
        "healthmonitor show web-http -f json",
        "member list web -f json",
        "status show lb-1",
    )
    assert [each["name"] for each in json.loads(listed[1])] == NAMES
    assert [each["name"] for each in json.loads(tagged[1])] == ["web-http"]
    fields = json.loads(shown[1])
    assert (fields["delay"], fields["tags"], fields["http_version"]) == (1, ["rack=r1"], 1.1)
    found = [each["operating_status"] for each in json.loads(members[1])]
    assert found == ["ONLINE", "ERROR"]
    assert json.loads(statuses[1])["loadbalancer"]["operating_status"] == "DEGRADED"


def test_the_command_edits(prober: Prober) -> None:
    timing = "--delay 5 --timeout 2 --max-retries 2"
    results = openstack(
        prober,
        f"healthmonitor create spare --name hm --type UDP-CONNECT {timing} --tag a=b --wait",
        f"healthmonitor create spare --name hm --type UDP-CONNECT {timing}",
        "healthmonitor set hm --delay 7 --disable --tag c=d --wait",
        "healthmonitor show hm -f json",
        "healthmonitor unset web-http --url-path --expected-codes",
        "healthmonitor show web-http -f json",
        "healthmonitor delete hm --wait",
        "healthmonitor show hm",
    )
    assert [status for status, _, _ in results] == [0, 1, 0, 0, 0, 0, 0, 1]
    assert "already has a health monitor, 'hm'" in results[1][2]
    assert "(HTTP 409) (Request-ID: req-" in results[1][2]
    changed = json.loads(results[3][1])
    assert (changed["type"], changed["delay"]) == ("UDP-CONNECT", 7)
    assert (changed["admin_state_up"], sorted(changed["tags"])) == (False, ["a=b", "c=d"])
    unset = json.loads(results[5][1])
    assert (unset["url_path"], unset["expected_codes"], unset["delay"]) == ("/", "200", 1)
    assert "Unable to locate hm in healthmonitors" in results[7][2]


def test_the_command_says_what_is_wrong(prober: Prober) -> None:
    timing = "--timeout 2 --max-retries 2"
    results = openstack(
        prober,
        f"healthmonitor create spare --type SCTP --delay 5 {timing}",
        f"healthmonitor create spare --type TCP --delay 90000 {timing}",
        f"healthmonitor create spare --type TCP --delay 5 --url-path / {timing}",
        "healthmonitor set web-http --http-method CONNECT",
        "healthmonitor show 0a179a69-81ed-5fc5-8442-000000000000",
    )
    assert {status for status, _, _ in results} == {1}
    for (_, _, said), expected in zip(
        results,
        [
            "type: 'SCTP' is not supported: prober does not support SCTP",
            "delay: expected a whole number from 1 to 86400, got 90000 (HTTP 400)",
            "url_path: does not apply to the type TCP",
            "http_method: CONNECT cannot be probed",
            "Unable to locate 0a179a69-81ed-5fc5-8442-000000000000 in healthmonitors",
        ],
        strict=True,
    ):
        assert expected in said


def test_load_balancers_pools_and_members_are_managed(service: Any, prober: Prober) -> None:
    balancer = service.create_load_balancer(name="new", vip_subnet_id="s", project_id="p1")
    assert service.wait_for_load_balancer(balancer.id).provisioning_status == "ACTIVE"
    pool = service.create_pool(
        name="new", loadbalancer_id=balancer.id, protocol="TCP", lb_algorithm="SOURCE_IP"
    )
    member = service.create_member(pool, address="127.0.0.1", protocol_port=9, weight=0)
    assert (member.weight, member.operating_status) == (0, "DRAINING")
    changed = service.update_member(member, pool, weight=4, name="nine", monitor_port=10)
    assert (changed.weight, changed.name, changed.monitor_port) == (4, "nine", 10)
    assert service.update_pool(pool, description="d").description == "d"
    assert service.update_load_balancer(balancer, name="other").name == "other"
    assert [each.name for each in service.members(pool)] == ["nine"]
    service.delete_member(member, pool, ignore_missing=False)
    service.delete_load_balancer(balancer, cascade=True, ignore_missing=False)
    assert service.find_pool("new") is None
    assert service.find_load_balancer("other") is None


def test_the_command_manages_pools_and_members(prober: Prober) -> None:
    place = "--address 127.0.0.1 --protocol-port 9"
    results = openstack(
        prober,
        "pool create --name new --loadbalancer lb-1 --protocol TCP --lb-algorithm ROUND_ROBIN",
        "pool set new --description d --tag blue",
        "pool show new -f json",
        f"member create new {place} --name nine --weight 3 --monitor-port 10",
        "member set new nine --weight 0",
        "member show new nine -f json",
        "member list new -f json",
        "member delete new nine",
        "pool delete new",
        "pool show new",
    )
    assert [status for status, _, _ in results] == [*[0] * 9, 1]
    shown = json.loads(results[2][1])
    assert (shown["description"], shown["tags"]) == ("d", ["blue"])
    member = json.loads(results[5][1])
    assert (member["weight"], member["monitor_port"]) == (0, 10)
    assert member["operating_status"] == "DRAINING"
    assert [each["name"] for each in json.loads(results[6][1])] == ["nine"]
