"""OpenStack Octavia and Huawei v2: reading health monitors, pools, members, load balancers."""

import pytest

from prober.model.status import Reason
from prober.web.dialects.lbaas.project_view import LoadBalancer
from tests.web.conftest import Client
from tests.web.dialects.conftest import HTTP_ID, WEB_ID, ask, monitor_id, pool_id, refused
from tests.web.world import World

PATH = "/v2.0/lbaas/healthmonitors"
ALL = ["web-http", "names-udp", "alone", "calls"]


async def names(client: Client, query: str, path: str = PATH) -> list[str]:
    answer = await ask(client, "GET", path + query)
    assert list(answer)[-1] == path.rpartition("/")[2]
    return [each["name"] for each in next(reversed(answer.values()))]


async def test_a_health_monitor_has_every_field_that_the_clients_read(edited: Client) -> None:
    assert await ask(edited, "GET", f"{PATH}/{HTTP_ID}") == {
        "healthmonitor": {
            "id": HTTP_ID,
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
            "http_version": 1.1,
            "tags": ["rack=r1", "team=a"],
            "project_id": "p1",
            "tenant_id": "p1",
            "provisioning_status": "ACTIVE",
            "operating_status": "ONLINE",
            "created_at": "2027-01-15T08:00:00",
            "updated_at": None,
            "pools": [{"id": WEB_ID}],
        }
    }


async def test_what_a_type_does_not_have_is_null(world: World, edited: Client) -> None:
    answer = await ask(edited, "GET", f"{PATH}/{monitor_id(world, 'alone')}")
    shown = answer["healthmonitor"]
    fields = ("expected_codes", "url_path", "http_method", "http_version", "domain_name")
    assert [shown[name] for name in fields] == [None] * len(fields)
    assert shown["admin_state_up"] is False
    assert shown["operating_status"] == "OFFLINE"


@pytest.mark.parametrize("path", [PATH, "/v2/lbaas/healthmonitors"])
async def test_without_a_filter_everything_is_listed(edited: Client, path: str) -> None:
    answer = await ask(edited, "GET", path)
    assert list(answer) == ["healthmonitors"]
    assert [each["name"] for each in answer["healthmonitors"]] == ALL


@pytest.mark.parametrize(
    ("project", "found"), [("p1", ["web-http"]), ("default", ["alone", "calls"]), ("p3", [])]
)
async def test_the_path_of_the_huawei_sdk_shows_one_project(
    edited: Client, project: str, found: list[str]
) -> None:
    assert await names(edited, "", f"/v2/{project}/elb/healthmonitors") == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (f"id={HTTP_ID}", ["web-http"]),
        (f"id={HTTP_ID.replace('-', '').upper()}", ["web-http"]),
        ("id=web-http", []),
        ("tenant_id=p2", ["names-udp"]),
        ("project_id=p2", ["names-udp"]),
        ("name=calls", ["calls"]),
        ("name=calls&name=alone", ["alone", "calls"]),
        ("delay=1", ["web-http"]),
        ("delay=3600", ["calls"]),
        ("max_retries=3", ["web-http"]),
        ("max_retries_down=5", ["web-http"]),
        ("admin_state_up=false", ["alone"]),
        ("admin_state_up=True", ["web-http", "names-udp", "calls"]),
        ("timeout=10", ["web-http"]),
        ("type=HTTP", ["web-http"]),
        ("type=HTTP&type=GRPC", ["web-http", "calls"]),
        ("type=UDP_CONNECT", ["names-udp"]),
        ("type=UDP-CONNECT", ["names-udp"]),
        ("type=TLS-HELLO", ["alone"]),
        ("type=PING", []),
        ("monitor_port=5353", ["names-udp"]),
        ("expected_codes=200-204,300-302,401", ["web-http"]),
        ("expected_codes=200-204,+300-302,+401", ["web-http"]),
        ("expected_codes=0", ["calls"]),
        ("domain_name=www.test.com", ["web-http"]),
        ("url_path=/healthz", ["web-http"]),
        ("url_path=%2Fhealthz", ["web-http"]),
        ("http_method=GET", ["web-http"]),
        ("http_version=1.1", ["web-http"]),
        ("http_version=1", []),
        ("http_version=2", []),
        (f"pool_id={WEB_ID}", ["web-http"]),
        ("provisioning_status=ACTIVE", ALL),
        ("provisioning_status=ERROR", []),
        ("operating_status=OFFLINE", ["alone"]),
        ("created_at=2027-01-15T08:00:00", ALL),
        ("created_at=2017-05-11T23:53:47", []),
        ("limit=0", ALL),
        ("updated_at=2017-05-11T23:53:47", []),
        ("tags=rack=r1,team=a", ["web-http"]),
        ("tags=rack=r1,team=b", []),
        ("tags-any=rack=r1,team=b", ["web-http"]),
        ("not-tags=rack=r1,team=a", ["names-udp", "alone", "calls"]),
        ("not-tags=rack=r1,team=b", ALL),
        ("not-tags-any=rack=r1,team=b", ["names-udp", "alone", "calls"]),
        ("type=HTTP&delay=2", []),
        ("type=HTTP&delay=1&name=web-http", ["web-http"]),
    ],
)
async def test_a_filter_keeps_what_shows_the_value(
    edited: Client, query: str, found: list[str]
) -> None:
    assert await names(edited, f"?{query}") == found


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("delay=five", "parameter 'delay': expected a whole number, got 'five'"),
        ("monitor_port=", "parameter 'monitor_port': expected a whole number, got ''"),
        ("admin_state_up=1", "parameter 'admin_state_up': expected true or false, got '1'"),
        ("dellay=5", "unknown parameter 'dellay'; did you mean 'delay'?"),
        ("limit=-1", "parameter 'limit': expected a whole number from 0 to 1000000000, got '-1'"),
        ("limit=2&limit=3", "parameter 'limit' is given 2 times"),
        (
            "limit=1&marker=x",
            "parameter 'marker': expected the id of the last item of the previous page, got 'x'",
        ),
        (
            f"limit=1&marker={WEB_ID}",
            f"parameter 'marker': there is no object with the id '{WEB_ID}'",
        ),
        ("sort=nmae", "the list cannot be sorted by 'nmae'; did you mean 'name'?"),
        ("sort_key=name,tags", "the list cannot be sorted by 'tags'"),
        ("sort=name:up", "expected the direction asc or desc, got 'up'"),
        ("sort_key=name&sort_dir=down", "expected the direction asc or desc, got 'down'"),
        ("limit=1&page_reverse=no", "parameter 'page_reverse': expected true or false, got 'no'"),
    ],
)
async def test_a_bad_query_is_named(edited: Client, query: str, said: str) -> None:
    assert await refused(edited, "GET", f"{PATH}?{query}") == said


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("sort=name", ["alone", "calls", "names-udp", "web-http"]),
        ("sort=name:desc", ["web-http", "names-udp", "calls", "alone"]),
        ("sort=max_retries:desc,name:asc", ["web-http", "alone", "calls", "names-udp"]),
        ("sort_key=name", ["alone", "calls", "names-udp", "web-http"]),
        (
            "sort_key=max_retries,name&sort_dir=asc,desc",
            ["names-udp", "calls", "alone", "web-http"],
        ),
        ("sort_key=max_retries,name&sort_dir=desc", ["web-http", "alone", "calls", "names-udp"]),
        ("sort_key=monitor_port,name", ["alone", "calls", "web-http", "names-udp"]),
        ("sort_key=monitor_port,name&sort_dir=desc", ["names-udp", "alone", "calls", "web-http"]),
        ("sort=type&sort_key=name&sort_dir=desc", ["calls", "web-http", "alone", "names-udp"]),
    ],
)
async def test_a_list_is_sorted_and_so_are_its_pages(
    edited: Client, query: str, found: list[str]
) -> None:
    assert await names(edited, f"?{query}") == found
    path, seen = f"{PATH}?limit=1&{query}", list[str]()
    while path:
        answer = await ask(edited, "GET", path)
        seen += [each["name"] for each in answer["healthmonitors"]]
        following = [x["href"] for x in answer["healthmonitors_links"] if x["rel"] == "next"]
        path = following[0].split(str(edited.port))[1] if following else ""
    assert seen == found


async def test_objects_have_only_the_fields_that_are_asked_for(edited: Client) -> None:
    answer = await ask(edited, "GET", f"{PATH}?fields=name&fields=delay&limit=1")
    assert answer["healthmonitors"] == [{"name": "web-http", "delay": 1}]
    assert answer["healthmonitors_links"][0]["href"].endswith(f"marker={HTTP_ID}")
    answer = await ask(edited, "GET", f"{PATH}/{HTTP_ID}?fields=id,type&fields=nothing")
    assert answer == {"healthmonitor": {"type": "HTTP", "id": HTTP_ID}}
    for path in ("pools", "loadbalancers", f"pools/{WEB_ID}/members"):
        answer = await ask(edited, "GET", f"/v2.0/lbaas/{path}?fields=created_at&sort=created_at")
        ((_, found),) = answer.items()
        assert {"created_at": "2027-01-15T08:00:00"} in found


NONE = ("listeners", "l7policies", "flavors", "availabilityzones", f"l7policies/{WEB_ID}/rules")


@pytest.mark.parametrize("path", NONE)
async def test_what_prober_has_none_of_is_an_empty_list(edited: Client, path: str) -> None:
    path = f"/v2.0/lbaas/{path}"
    assert list((await ask(edited, "GET", path)).values()) == [[]]
    assert (await refused(edited, "GET", f"{path}/{WEB_ID}", status=404)).startswith("there is no ")
    said = await refused(edited, "POST", path, {}, status=501)
    assert said.startswith("Provider 'prober' does not support a requested action: it has no ")


async def test_clients_find_what_they_ask_for_on_their_way(edited: Client) -> None:
    found = await ask(edited, "GET", "/v2.0/lbaas/providers")
    assert [each["name"] for each in found["providers"]] == ["prober"]
    quotas = (await ask(edited, "GET", "/v2.0/lbaas/quotas"))["quotas"]
    assert [each["project_id"] for each in quotas] == ["p1", "p2", "default"]
    for path in ("lbaas/quotas/p1", "lbaas/quotas/defaults", "quotas/p1"):
        quota = (await ask(edited, "GET", f"/v2.0/{path}"))["quota"]
        assert (quota["pool"], quota["listener"]) == (-1, 0)
    path = f"/v2.0/lbaas/loadbalancers/{LoadBalancer('lb-1', []).id}"
    assert set((await ask(edited, "GET", f"{path}/stats"))["stats"].values()) == {0}
    await refused(edited, "PUT", f"{path}/failover", status=501)


async def test_pages_lead_to_the_end_and_back(edited: Client) -> None:
    path, seen = f"{PATH}?limit=3&provisioning_status=ACTIVE", []
    answer = await ask(edited, "GET", path)
    seen.append([each["name"] for each in answer["healthmonitors"]])
    (following,) = answer["healthmonitors_links"]
    assert following["rel"] == "next"
    assert following["href"].startswith(f"http://127.0.0.1:{edited.port}{PATH}?limit=3&")
    answer = await ask(edited, "GET", following["href"].split(str(edited.port))[1])
    seen.append([each["name"] for each in answer["healthmonitors"]])
    (previous,) = answer["healthmonitors_links"]
    assert previous["rel"] == "previous"
    answer = await ask(edited, "GET", previous["href"].split(str(edited.port))[1])
    assert seen == [ALL[:3], ALL[3:]]
    assert [each["name"] for each in answer["healthmonitors"]] == ALL[:3]
    assert [each["rel"] for each in answer["healthmonitors_links"]] == ["next"]


async def test_a_page_after_the_last_item_is_empty(world: World, edited: Client) -> None:
    answer = await ask(edited, "GET", f"{PATH}?limit=2&marker={monitor_id(world, 'calls')}")
    assert answer == {"healthmonitors_links": [], "healthmonitors": []}


async def test_pages_in_reverse_end_at_the_marker_or_the_end(world: World, edited: Client) -> None:
    last = monitor_id(world, "calls")
    assert await names(edited, f"?limit=2&page_reverse=true&marker={last}") == ALL[1:3]
    assert await names(edited, f"?limit=9&page_reverse=True&marker={last}") == ALL[:3]
    assert await names(edited, "?limit=3&page_reverse=true") == ALL[1:]
    assert await names(edited, f"?limit=1&page_reverse=false&marker={HTTP_ID}") == ALL[1:2]


async def test_marker_and_direction_have_no_effect_without_a_limit(edited: Client) -> None:
    assert await names(edited, f"?marker={HTTP_ID}&page_reverse=true") == ALL


async def test_links_name_the_prober_as_the_client_does(edited: Client) -> None:
    headers = {"Host": "prober.example"}
    async with edited.get(f"{PATH}?limit=1", headers=headers) as response:
        (link,) = (await response.json())["healthmonitors_links"]
    assert link["href"] == f"http://prober.example{PATH}?limit=1&marker={HTTP_ID}"


@pytest.mark.parametrize("text", ["web-http", "0", "%2F", "1b587819-d619-49c1-9101-fe72d8b361ee"])
async def test_what_is_no_id_of_a_monitor_is_not_found(edited: Client, text: str) -> None:
    said = await refused(edited, "GET", f"{PATH}/{text}", status=404)
    assert said.startswith("there is no health monitor with the id ")


async def test_ids_are_read_in_each_of_their_forms(edited: Client) -> None:
    answer = await ask(edited, "GET", f"{PATH}/{HTTP_ID.replace('-', '').upper()}")
    assert answer["healthmonitor"]["id"] == HTTP_ID


async def test_an_error_has_what_each_client_reads(edited: Client) -> None:
    async with edited.get("/v2.0/lbaas/nothing") as response:
        assert response.status == 404
        assert response.content_type == "application/json"
        own = response.headers["X-Request-Id"]
        assert response.headers["x-openstack-request-id"] == f"req-{own}"
        assert await response.json() == {
            "faultcode": "Client",
            "faultstring": "there is nothing at '/v2.0/lbaas/nothing'",
            "debuginfo": None,
            "error_code": "ELB.8904",
            "error_msg": "there is nothing at '/v2.0/lbaas/nothing'",
            "request_id": own,
        }
    answer = await ask(edited, "DELETE", "/v2.0/lbaas/pools", status=405)
    assert answer["faultstring"] == "DELETE is not allowed; allowed: GET, HEAD, POST"


async def test_a_pool_shows_its_monitor_members_and_status(world: World, edited: Client) -> None:
    for key, reason in (("10.0.0.1:80", Reason.OK), ("10.0.0.2:80", Reason.REFUSED)):
        world.record("web-http", key, reason, times=5)
    answer = await ask(edited, "GET", f"/v2.0/lbaas/pools/{WEB_ID}")
    pool = answer["pool"]
    members = (await ask(edited, "GET", f"/v2.0/lbaas/pools/{WEB_ID}/members"))["members"]
    assert pool["healthmonitor_id"] == HTTP_ID
    assert pool["protocol"] == "HTTP"
    assert pool["loadbalancers"] == [{"id": LoadBalancer("lb-1", []).id}]
    assert pool["members"] == [{"id": member["id"]} for member in members]
    assert pool["operating_status"] == "ERROR"
    assert [(each["address"], each["operating_status"]) for each in members] == [
        ("10.0.0.1", "ONLINE"),
        ("10.0.0.2", "ERROR"),
        ("2001:db8::3", "OFFLINE"),
        ("three.example", "OFFLINE"),
    ]
    one = await ask(edited, "GET", f"/v2.0/lbaas/pools/{WEB_ID}/members/{members[1]['id']}")
    assert one["member"] == members[1]
    assert (one["member"]["name"], one["member"]["tags"]) == ("two", ["rack=r2"])


@pytest.mark.parametrize("name", ["spare", "alone"])
async def test_what_nothing_probes_has_no_monitor(world: World, edited: Client, name: str) -> None:
    path = f"/v2.0/lbaas/pools/{pool_id(world, name)}"
    assert (await ask(edited, "GET", path))["pool"]["operating_status"] == "NO_MONITOR"
    (member,) = (await ask(edited, "GET", f"{path}/members"))["members"]
    assert member["operating_status"] == "NO_MONITOR"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/v2.0/lbaas/pools", ["web", "spare", "names", "alone", "calls"]),
        ("/v2.0/lbaas/pools?name=spare", ["spare"]),
        (f"/v2.0/lbaas/pools?id={WEB_ID}", ["web"]),
        (f"/v2.0/lbaas/pools?healthmonitor_id={HTTP_ID}", ["web"]),
        ("/v2.0/lbaas/pools?protocol=UDP", ["names"]),
        ("/v2.0/lbaas/pools?limit=1&page_reverse=true", ["calls"]),
        ("/v2/p1/elb/pools", ["web", "spare"]),
        (f"/v2.0/lbaas/pools/{WEB_ID}/members?address=10.0.0.2", ["two"]),
        (f"/v2.0/lbaas/pools/{WEB_ID}/members?protocol_port=81", []),
        ("/v2.0/lbaas/loadbalancers", ["lb-1", "default"]),
        ("/v2.0/lbaas/loadbalancers?name=lb-1", ["lb-1"]),
        ("/v2/p1/elb/loadbalancers", ["lb-1"]),
    ],
)
async def test_pools_members_and_load_balancers_are_listed(
    edited: Client, path: str, found: list[str]
) -> None:
    answer = await ask(edited, "GET", path)
    assert [each["name"] for each in next(reversed(answer.values()))] == found


@pytest.mark.parametrize("tree", ["status", "statuses"])
async def test_a_load_balancer_is_shown_alone_and_as_a_tree(
    world: World, edited: Client, tree: str
) -> None:
    for key in ("10.0.0.1:80", "10.0.0.2:80", "[2001:db8::3]:80", "three.example:80"):
        world.record("web-http", key, times=3)
    world.record("web-http", "10.0.0.2:80", Reason.TIMEOUT)
    path = f"/v2.0/lbaas/loadbalancers/{LoadBalancer('lb-1', []).id}"
    shown = (await ask(edited, "GET", path))["loadbalancer"]
    assert (shown["name"], shown["provisioning_status"]) == ("lb-1", "ACTIVE")
    assert shown["pools"] == [{"id": WEB_ID}, {"id": pool_id(world, "spare")}]
    statuses = (await ask(edited, "GET", f"{path}/{tree}"))["statuses"]["loadbalancer"]
    assert statuses["operating_status"] == shown["operating_status"] == "DEGRADED"
    web, spare = statuses["pools"]
    assert web["operating_status"] == "DEGRADED"
    assert web["health_monitor"]["id"] == HTTP_ID
    assert [each["operating_status"] for each in web["members"]] == [
        "ONLINE",
        "DEGRADED",
        "ONLINE",
        "ONLINE",
    ]
    assert spare["health_monitor"] is None


@pytest.mark.parametrize("noun", ["pools", "loadbalancers", "pools/{web}/members"])
async def test_an_unknown_pool_member_or_load_balancer_is_not_found(
    edited: Client, noun: str
) -> None:
    path = f"/v2.0/lbaas/{noun.format(web=WEB_ID)}/{HTTP_ID}"
    said = await refused(edited, "GET", path, status=404)
    assert said.endswith(f"with the id {HTTP_ID!r}")


async def test_another_project_sees_nothing(edited: Client) -> None:
    for path in (f"healthmonitors/{HTTP_ID}", f"pools/{WEB_ID}"):
        await refused(edited, "GET", f"/v2/p2/elb/{path}", status=404)


async def test_what_only_octavia_itself_has_is_empty_or_refused(edited: Client) -> None:
    for path in (
        "lbaas/providers/prober/flavor_capabilities",
        "lbaas/providers/prober/availability_zone_capabilities",
        "octavia/amphorae",
        "lbaas/whitelists",
    ):
        noun = path.rpartition("/")[2]
        assert await ask(edited, "GET", f"/v2.0/{path}") == {noun: []}
    await refused(edited, "GET", f"/v2/octavia/amphorae/{HTTP_ID}", status=404)
    quota = {"quota": {"pool": 3}}
    said = await refused(edited, "PUT", "/v2.0/lbaas/quotas/p1", quota, status=501)
    assert said.endswith("it has no limits")
    async with edited.delete("/v2.0/lbaas/quotas/p1") as response:
        assert response.status == 204
