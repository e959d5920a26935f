"""Huawei v3: health monitors, pools and members of one project."""

from typing import Any

import pytest

from prober.model.status import FactValue, Reason
from prober.web.dialects.lbaas.project_view import LoadBalancer
from tests.web.conftest import Client
from tests.web.dialects.conftest import HTTP_ID, WEB_ID, ask, monitor_id, pool_id, refused
from tests.web.dialects.editing import FakeEditor
from tests.web.world import World

P1, P2, DEFAULT = "/v3/p1/elb", "/v3/p2/elb", "/v3/default/elb"
ONE = f"{P1}/healthmonitors/{HTTP_ID}"


async def test_a_health_monitor_has_the_fields_of_the_document(edited: Client) -> None:
    answer = await ask(edited, "GET", ONE)
    assert len(answer.pop("request_id")) == 36
    assert answer == {
        "healthmonitor": {
            "id": HTTP_ID,
            "project_id": "p1",
            "name": "web-http",
            "type": "HTTP",
            "delay": 1,
            "timeout": 10,
            "max_retries": 3,
            "max_retries_down": 5,
            "admin_state_up": True,
            "monitor_port": None,
            "domain_name": "www.test.com",
            "expected_codes": "200-204,300-302,401",
            "url_path": "/healthz",
            "http_method": "GET",
            "created_at": "2027-01-15T08:00:00Z",
            "updated_at": "2027-01-15T08:00:00Z",
            "pools": [{"id": WEB_ID}],
        }
    }


async def test_a_load_balancer_is_shown_with_its_pools(world: World, edited: Client) -> None:
    found = (await ask(edited, "GET", f"{P1}/loadbalancers?name=lb-1"))["loadbalancers"]
    assert [each["name"] for each in found] == ["lb-1"]
    shown = await ask(edited, "GET", f"{P1}/loadbalancers/{found[0]['id']}")
    assert shown["loadbalancer"] == found[0]
    assert found[0]["pools"] == [{"id": WEB_ID}, {"id": pool_id(world, "spare")}]
    assert (found[0]["provisioning_status"], found[0]["project_id"]) == ("ACTIVE", "p1")


@pytest.mark.parametrize("path", ["listeners", "l7policies", "certificates", "flavors"])
async def test_what_prober_has_none_of_is_an_empty_list(edited: Client, path: str) -> None:
    answer = await ask(edited, "GET", f"{P1}/{path}")
    assert answer[path] == []
    assert answer["page_info"]["current_count"] == 0
    await refused(edited, "POST", f"{P1}/{path}", {}, status=501)
    await refused(edited, "GET", f"{P1}/{path}/{WEB_ID}", status=404)


async def test_the_quota_of_a_project_is_shown(edited: Client) -> None:
    quota = (await ask(edited, "GET", f"{P1}/quotas"))["quota"]
    assert (quota["project_id"], quota["member"], quota["listener"]) == ("p1", -1, 0)


async def test_a_list_has_the_markers_of_its_first_and_last_item(edited: Client) -> None:
    answer = await ask(edited, "GET", f"{DEFAULT}/healthmonitors")
    first, last = answer["healthmonitors"]
    assert (first["name"], last["name"]) == ("alone", "calls")
    assert answer["page_info"] == {
        "previous_marker": first["id"],
        "next_marker": last["id"],
        "current_count": 2,
    }


async def test_pages_lead_to_an_empty_one_and_back(world: World, edited: Client) -> None:
    path, seen, marker = f"{DEFAULT}/healthmonitors?limit=1", [], ""
    while True:
        answer = await ask(edited, "GET", path + marker)
        if not answer["page_info"]["next_marker"]:
            break
        seen += [each["name"] for each in answer["healthmonitors"]]
        last = answer["page_info"]["previous_marker"]
        marker = f"&marker={answer['page_info']['next_marker']}"
    assert answer["healthmonitors"] == []
    assert answer["page_info"]["current_count"] == 0
    assert seen == ["alone", "calls"]
    answer = await ask(edited, "GET", f"{path}&page_reverse=true&marker={last}")
    assert [each["id"] for each in answer["healthmonitors"]] == [monitor_id(world, "alone")]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 2),
        (f"id={HTTP_ID}", 0),
        ("name=alone&name=calls", 2),
        ("name=calls&type=TLS", 0),
        ("type=TLS&type=GRPC", 2),
        ("monitor_port=80&monitor_port=81", 0),
        ("domain_name=a.example", 0),
        ("delay=5&delay=3600", 2),
        ("delay=3600", 1),
        ("max_retries=2", 2),
        ("max_retries_down=3", 2),
        ("admin_state_up=true", 1),
        ("admin_state_up=False", 1),
        ("timeout=2", 2),
        ("expected_codes=0&expected_codes=200", 1),
        ("url_path=/", 0),
        ("http_method=GET", 0),
        ("enterprise_project_id=all_granted_eps", 2),
        ("enterprise_project_id=0", 2),
        ("enterprise_project_id=4d5fff4a", 0),
        ("limit=0", 0),
        ("limit=2000", 2),
        (f"marker={WEB_ID}&page_reverse=true", 2),
    ],
)
async def test_filters_may_be_given_more_than_once(edited: Client, query: str, found: int) -> None:
    answer = await ask(edited, "GET", f"{DEFAULT}/healthmonitors?{query}")
    assert len(answer["healthmonitors"]) == answer["page_info"]["current_count"] == found


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("limit=2001", "parameter 'limit': expected a whole number from 0 to 2000, got '2001'"),
        ("timeout=1&timeout=2", "parameter 'timeout' is given 2 times"),
        ("admin_state_up=true&admin_state_up=true", "parameter 'admin_state_up' is given 2 times"),
        (
            "limit=1&marker=",
            "parameter 'marker': expected the id of the last item of the previous page",
        ),
        ("limit=1&marker=" + HTTP_ID, "parameter 'marker': there is no object with the id "),
        ("tenant_id=p1", "unknown parameter 'tenant_id'"),
    ],
)
async def test_a_bad_query_is_named(edited: Client, query: str, said: str) -> None:
    assert (await refused(edited, "GET", f"{DEFAULT}/healthmonitors?{query}")).startswith(said)


async def test_an_error_has_the_id_of_the_request(edited: Client) -> None:
    async with edited.get(f"{P2}/healthmonitors/{HTTP_ID}") as response:
        assert response.status == 404
        assert response.content_type == "application/json"
        assert await response.json() == {
            "error_code": "ELB.8904",
            "error_msg": f"there is no health monitor with the id {HTTP_ID!r}",
            "request_id": response.headers["X-Request-Id"],
        }
    assert (await refused(edited, "GET", "/v3/p1/nothing", status=404)).startswith("there is ")


def body(world: World, **more: Any) -> dict[str, Any]:
    fixed = {"pool_id": pool_id(world, "spare"), "delay": 5, "timeout": 60, "max_retries": 2}
    return {"healthmonitor": {**fixed, **more}}


async def test_a_health_monitor_is_created_changed_and_deleted(
    world: World, edited: Client, editor: FakeEditor
) -> None:
    path = f"{P1}/healthmonitors"
    wanted = body(world, type="HTTPS", url_path="/~a;b%20!()*[]@$^:',+?x#&", project_id="p1")
    made = (await ask(edited, "POST", path, wanted, status=201))["healthmonitor"]
    assert (made["name"], made["timeout"], made["max_retries_down"]) == ("", 60, 3)
    change = {"healthmonitor": {"monitor_port": 9, "admin_state_up": False, "type": "HTTPS"}}
    changed = (await ask(edited, "PUT", f"{path}/{made['id']}", change))["healthmonitor"]
    assert changed == {**made, "monitor_port": 9, "admin_state_up": False}
    assert editor.patches == [{"port": 9, "enabled": False}]
    change = {"healthmonitor": {"monitor_port": None}}
    assert (await ask(edited, "PUT", f"{path}/{made['id']}", change))["healthmonitor"][
        "monitor_port"
    ] is None
    async with edited.delete(f"{path}/{made['id']}") as response:
        assert response.status == 204
    assert "spare-https" not in world.store.monitors


async def test_fields_without_a_meaning_for_the_type_have_no_effect(
    world: World, edited: Client
) -> None:
    wanted = body(world, type="UDP_CONNECT", url_path="/world", expected_codes="200")
    made = await ask(edited, "POST", f"{P1}/healthmonitors", wanted, status=201)
    assert made["healthmonitor"]["url_path"] is None
    assert made["healthmonitor"]["expected_codes"] is None


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("delay", 51, "delay: expected a whole number from 1 to 50, got 51"),
        ("timeout", 0, "timeout: expected a whole number from 1 to 3600, got 0"),
        ("max_retries", 11, "max_retries: expected a whole number from 1 to 10, got 11"),
        ("max_retries_down", 0, "max_retries_down: expected a whole number from 1 to 10, got 0"),
        ("http_method", "PUT", "http_method: expected one of GET, HEAD, POST, got 'PUT'"),
        ("url_path", "/a=b", "url_path: expected a path that starts with / and contains only "),
        ("url_path", "/ä", "url_path: expected a path that starts with / and contains only "),
        ("url_path", "", "url_path: expected a path that starts with / and contains only "),
        ("domain_name", "", "domain_name: expected digits, letters, hyphens and periods, "),
        ("type", "SCTP", "type: 'SCTP' is not supported: prober does not support SCTP; "),
        ("type", "UDP_CONNECT", "type: UDP_CONNECT does not fit a pool of protocol HTTP, "),
        ("http_version", "1.1", "http_version: unknown field; did you mean "),
        ("tags", [], "tags: unknown field"),
        ("pool_id", HTTP_ID, "pool_id: cannot be changed, got "),
    ],
)
async def test_a_wrong_field_is_named_with_its_value(
    edited: Client, field: str, value: object, said: str
) -> None:
    assert (await refused(edited, "PUT", ONE, {"healthmonitor": {field: value}})).startswith(said)


async def test_a_pool_has_one_health_monitor_at_most(edited: Client, world: World) -> None:
    wanted = body(world, type="TCP", pool_id=WEB_ID)
    said = await refused(edited, "POST", f"{P1}/healthmonitors", wanted, status=409)
    assert said.startswith("pool 'web' already has a health monitor, 'web-http'")


async def test_a_pool_of_another_project_is_not_there(edited: Client, world: World) -> None:
    wanted = body(world, type="TCP")
    await refused(edited, "POST", f"{P2}/healthmonitors", wanted, status=404)
    await refused(edited, "GET", f"{P2}/pools/{WEB_ID}/members", status=404)


async def test_members_say_how_they_are_and_why(world: World, edited: Client) -> None:
    world.record("web-http", "10.0.0.1:80", times=3)
    world.record("web-http", "10.0.0.1:80", Reason.TIMEOUT)
    facts: dict[str, FactValue] = {"http_status_code": 503}
    world.record("web-http", "10.0.0.2:80", Reason.UNEXPECTED_STATUS, times=5, facts=facts)
    world.record("web-http", "[2001:db8::3]:80", Reason.REFUSED, times=5)
    answer = await ask(edited, "GET", f"{P1}/pools/{WEB_ID}/members")
    assert answer["page_info"]["current_count"] == 4
    assert [
        (each["name"], each["ip_version"], each["operating_status"], each["reason"])
        for each in answer["members"]
    ] == [
        ("", "v4", "ONLINE", None),
        (
            "two",
            "v4",
            "OFFLINE",
            {
                "reason_code": "RESPONSE_MISMATCH",
                "expected_response": "200-204,300-302,401",
                "healthcheck_response": "503",
            },
        ),
        (
            "",
            "v6",
            "OFFLINE",
            {
                "reason_code": "CONNECT_REFUSED",
                "expected_response": None,
                "healthcheck_response": None,
            },
        ),
        ("", None, "INITIAL", None),
    ]
    one = answer["members"][1]
    path = f"{P1}/pools/{WEB_ID}/members"
    assert (await ask(edited, "GET", f"{path}/{one['id']}"))["member"] == one
    offline = await ask(edited, "GET", f"{path}?operating_status=OFFLINE&protocol_port=80")
    assert [each["name"] for each in offline["members"]] == ["two", ""]


async def test_a_member_without_conclusive_results_is_unknown(world: World, edited: Client) -> None:
    world.record("web-http", "10.0.0.1:80", times=3)
    world.wait(3600)
    world.record("web-http", "10.0.0.1:80", Reason.NO_ROUTE)
    answer = await ask(edited, "GET", f"{P1}/pools/{WEB_ID}/members?address=10.0.0.1")
    assert answer["members"][0]["operating_status"] == "UNKNOWN"


async def test_pools_and_the_tree_of_statuses(world: World, edited: Client) -> None:
    pools = (await ask(edited, "GET", f"{P1}/pools"))["pools"]
    assert [(each["name"], each["protocol"]) for each in pools] == [
        ("web", "HTTP"),
        ("spare", "TCP"),
    ]
    assert (await ask(edited, "GET", f"{P1}/pools/{WEB_ID}"))["pool"] == pools[0]
    world.record("web-http", "10.0.0.2:80", Reason.REFUSED, times=5)
    answer = await ask(edited, "GET", f"{P1}/loadbalancers/{LoadBalancer('lb-1', []).id}/statuses")
    tree = answer["statuses"]["loadbalancer"]
    assert (tree["name"], tree["operating_status"]) == ("lb-1", "UNKNOWN")
    web, spare = tree["pools"]
    assert web["healthmonitor"]["id"] == HTTP_ID
    assert [each["operating_status"] for each in web["members"]] == [
        "INITIAL",
        "OFFLINE",
        "INITIAL",
        "INITIAL",
    ]
    assert spare["operating_status"] == "NO_MONITOR"
