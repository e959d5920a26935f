"""Huawei Cloud's stock SDK, versions 2 and 3, and Open Telekom Cloud's extensions."""

import json
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest

from prober.web.dialects.huawei.huawei_v3_fields import LOAD_BALANCER_FORM, MEMBER_KEPT, POOL_FORM
from prober.web.dialects.lbaas.edit_requests import KeptFields
from tests.clients.serving import BULK, Prober
from tests.running import PATIENCE

pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries that are not ours

BULK_NAMES = [f"bulk-{number}-tcp" for number in range(BULK)]


class Sdk:
    """One version of the SDK, and clients of it."""

    def __init__(self, version: str) -> None:
        name = f"huaweicloudsdkelb.{version}"
        self.models: Any = pytest.importorskip(name, reason="huaweicloudsdkelb is not installed")

    def connect(self, prober: Prober, project: str) -> Any:
        name = "huaweicloudsdkcore.auth.credentials"
        core: Any = pytest.importorskip(name, reason="huaweicloudsdkcore is not installed")
        builder = self.models.ElbClient.new_builder()
        credentials = core.BasicCredentials("AK", "SK", project)
        return builder.with_credentials(credentials).with_endpoint(prober.url).build()


@pytest.fixture
def v2() -> Sdk:
    return Sdk("v2")


@pytest.fixture
def v3() -> Sdk:
    return Sdk("v3")


def test_version_3_pages_to_the_end_and_back(v3: Sdk, prober: Prober) -> None:
    client, seen, marker = v3.connect(prober, "bulk"), [], None
    pages = []
    while True:
        request = v3.models.ListHealthMonitorsRequest(limit=2, marker=marker)
        answer = client.list_health_monitors(request)
        marker = answer.page_info.next_marker
        if not marker:
            break
        pages.append(answer.page_info)
        seen += [each.name for each in answer.healthmonitors]
    assert seen == BULK_NAMES
    assert (answer.page_info.current_count, answer.healthmonitors) == (0, [])
    request = v3.models.ListHealthMonitorsRequest(
        limit=2, marker=pages[-1].previous_marker, page_reverse=True
    )
    assert [each.name for each in client.list_health_monitors(request).healthmonitors] == seen[2:4]


def test_version_3_sends_every_filter(v3: Sdk, prober: Prober) -> None:
    client = v3.connect(prober, "p1")
    (whole,) = client.list_health_monitors(v3.models.ListHealthMonitorsRequest()).healthmonitors
    request = v3.models.ListHealthMonitorsRequest(
        id=[whole.id],
        name=["web-http", "x"],
        delay=[1, 2],
        max_retries=[2],
        max_retries_down=[3],
        admin_state_up=True,
        timeout=2,
        type=["HTTP", "TCP"],
        expected_codes=["200-204, 301"],
        url_path=["/healthz"],
        http_method=["GET"],
        enterprise_project_id=["all_granted_eps"],
    )
    assert client.list_health_monitors(request).healthmonitors[0].name == "web-http"
    for other in ({"monitor_port": [80]}, {"domain_name": ["a.example"]}, {"timeout": 3}):
        request = v3.models.ListHealthMonitorsRequest(**other)
        assert client.list_health_monitors(request).healthmonitors == []


def test_version_3_edits(v3: Sdk, prober: Prober) -> None:
    client, models = v3.connect(prober, "p1"), v3.models
    pools = {each.name: each for each in client.list_pools(models.ListPoolsRequest()).pools}
    option = models.CreateHealthMonitorOption(
        pool_id=pools["spare"].id, type="HTTP", delay=5, timeout=3, max_retries=2, url_path="/x"
    )
    body = models.CreateHealthMonitorRequestBody(healthmonitor=option)
    made = client.create_health_monitor(models.CreateHealthMonitorRequest(body=body))
    assert made.request_id
    assert (made.healthmonitor.name, made.healthmonitor.max_retries_down) == ("", 3)
    name = {"healthmonitor_id": made.healthmonitor.id}
    option = models.UpdateHealthMonitorOption(delay=15, timeout=12, name="x", admin_state_up=False)
    body = models.UpdateHealthMonitorRequestBody(healthmonitor=option)
    changed = client.update_health_monitor(models.UpdateHealthMonitorRequest(**name, body=body))
    assert changed.healthmonitor.id == made.healthmonitor.id
    assert (changed.healthmonitor.delay, changed.healthmonitor.url_path) == (15, "/x")
    shown = client.show_health_monitor(models.ShowHealthMonitorRequest(**name))
    assert shown.healthmonitor.to_dict() == changed.healthmonitor.to_dict()
    client.delete_health_monitor(models.DeleteHealthMonitorRequest(**name))
    with pytest.raises(Exception, match="there is no health monitor") as caught:
        client.show_health_monitor(models.ShowHealthMonitorRequest(**name))
    error: Any = caught.value
    assert (error.status_code, error.error_code) == (404, "ELB.8904")
    assert len(error.request_id) == 36


def test_version_3_edits_many_members_at_once(v3: Sdk, prober: Prober) -> None:
    client, models = v3.connect(prober, "p1"), v3.models
    pools = {each.name: each for each in client.list_pools(models.ListPoolsRequest()).pools}
    spare = pools["spare"].id
    options = [
        models.BatchCreateMembersOption(address="127.0.0.1", protocol_port=port, weight=2)
        for port in (9, 10)
    ]
    body = models.BatchCreateMembersRequestBody(members=options)
    request: Any = models.BatchCreateMembersRequest(pool_id=spare, body=body)
    first, second = client.batch_create_members(request).members
    assert (first.ret_status, first.weight, second.protocol_port) == ("successful", 2, 10)
    option = models.BatchUpdateMembersOption(id=first.id, name="first", weight=5)
    body = models.BatchUpdateMembersRequestBody(members=[option])
    request = models.BatchUpdateMembersRequest(pool_id=spare, body=body)
    (changed,) = client.batch_update_members(request).members
    assert (changed.name, changed.weight) == ("first", 5)
    listed = client.list_all_members(models.ListAllMembersRequest(pool_id=[spare])).members
    assert len(listed) == 3
    option = models.BatchDeleteMembersOption(id=first.id)
    place = models.BatchDeleteMembersOption(address="127.0.0.1", protocol_port=11)
    body = models.BatchDeleteMembersRequestBody(members=[option, place])
    request = models.BatchDeleteMembersRequest(pool_id=spare, body=body)
    gone = client.batch_delete_members(request).members
    assert [each.ret_status for each in gone] == ["successful", "not found"]
    details = client.list_quota_details(models.ListQuotaDetailsRequest(quota_key=["member"]))
    assert [each.used for each in details.quotas] == [4]
    client.delete_pool_cascade(models.DeletePoolCascadeRequest(pool_id=spare))
    body = models.BatchDeletePoolsRequestBody(pools=[spare])
    answer = client.batch_delete_pools(models.BatchDeletePoolsRequest(body=body))
    assert [each.ret_status for each in answer.pools] == ["not found"]


def test_both_versions_tag_a_load_balancer(v2: Sdk, v3: Sdk, prober: Prober) -> None:
    client, models = v3.connect(prober, "p1"), v3.models
    tag = models.Tag(key="env", value="blue")
    option: Any = models.CreateLoadBalancerOption(
        name="tagged", availability_zone_list=["a"], tags=[tag]
    )
    body: Any = models.CreateLoadBalancerRequestBody(loadbalancer=option)
    made = client.create_load_balancer(models.CreateLoadBalancerRequest(body=body)).loadbalancer
    assert [(each.key, each.value) for each in made.tags] == [("env", "blue")]
    name = {"loadbalancer_id": made.id}
    option = models.ChangeResourceTagOption(key="env", value="red")
    body = models.ChangeLoadbalancerTagsRequestBody(action="create", tags=[option])
    client.change_loadbalancer_tags(models.ChangeLoadbalancerTagsRequest(**name, body=body))
    found = client.show_loadbalancer_tags(models.ShowLoadbalancerTagsRequest(**name)).tags
    assert [(each.key, each.value) for each in found] == [("env", "red")]
    listed = client.list_loadbalancer_tags(models.ListLoadbalancerTagsRequest()).tags
    assert [(each.key, each.values) for each in listed] == [("env", ["red"])]
    versions = client.list_api_versions(models.ListApiVersionsRequest()).versions
    assert [each.id for each in versions] == ["v3", "v2", "v2.0"]

    client, models = v2.connect(prober, "p1"), v2.models
    tag = models.ResourceTag(key="team", value="a")
    body = models.CreateLoadbalancerTagsRequestBody(tag=tag)
    client.create_loadbalancer_tags(models.CreateLoadbalancerTagsRequest(**name, body=body))
    shown = client.show_loadbalancer(models.ShowLoadbalancerRequest(**name)).loadbalancer
    assert shown.tags == ["env=red", "team=a"]
    wanted = models.ActionTag(key="team", values=["a", "b"])
    body = models.ListLoadbalancersByTagsRequestBody(action="filter", tags=[wanted])
    answer = client.list_loadbalancers_by_tags(models.ListLoadbalancersByTagsRequest(body=body))
    assert [each.resource_name for each in answer.resources] == ["tagged"]
    body = models.BatchDeleteLoadbalancerTagsRequestBody(action="delete", tags=[tag])
    request: Any = models.BatchDeleteLoadbalancerTagsRequest(**name, body=body)
    client.batch_delete_loadbalancer_tags(request)
    request = models.DeleteLoadbalancerTagsRequest(**name, key="env")
    client.delete_loadbalancer_tags(request)
    assert client.show_loadbalancer_tags(models.ShowLoadbalancerTagsRequest(**name)).tags == []
    assert client.list_listener_tags(models.ListListenerTagsRequest()).tags == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"delay": 51}, "delay: expected a whole number from 1 to 50, got 51"),
        ({"url_path": "x"}, "url_path: expected a path that starts with / and contains only "),
        ({"http_method": "PATCH"}, "http_method: expected one of GET, HEAD, POST"),
        ({"type": "UDP_CONNECT"}, "type: UDP_CONNECT does not fit a pool of protocol HTTP"),
    ],
)
def test_version_3_is_told_what_is_wrong(
    v3: Sdk, prober: Prober, wrong: dict[str, Any], said: str
) -> None:
    client, models = v3.connect(prober, "p1"), v3.models
    (found,) = client.list_health_monitors(models.ListHealthMonitorsRequest()).healthmonitors
    option = models.UpdateHealthMonitorOption(**wrong)
    body = models.UpdateHealthMonitorRequestBody(healthmonitor=option)
    request = models.UpdateHealthMonitorRequest(healthmonitor_id=found.id, body=body)
    with pytest.raises(Exception, match="status_code") as caught:
        client.update_health_monitor(request)
    error: Any = caught.value
    assert (error.status_code, error.error_msg.startswith(said)) == (400, True)


def test_version_3_reads_verdicts(v3: Sdk, prober: Prober) -> None:
    client, models = v3.connect(prober, "p1"), v3.models
    pools = {each.name: each for each in client.list_pools(models.ListPoolsRequest()).pools}
    request = models.ListMembersRequest(pool_id=pools["web"].id)
    live, dead = client.list_members(request).members
    assert (live.operating_status, live.reason) == ("ONLINE", None)
    assert (dead.operating_status, dead.reason.reason_code) == ("OFFLINE", "CONNECT_REFUSED")
    request = models.ListMembersRequest(pool_id=pools["spare"].id)
    assert client.list_members(request).members[0].operating_status == "NO_MONITOR"
    request = models.ShowLoadBalancerStatusRequest(loadbalancer_id=pools["web"].loadbalancers[0].id)
    tree = client.show_load_balancer_status(request).statuses.loadbalancer
    assert [each.operating_status for each in tree.pools] == ["ONLINE", "NO_MONITOR"]


def test_each_project_is_by_itself(v2: Sdk, v3: Sdk, prober: Prober) -> None:
    for project, names in {"p1": ["web-http"], "default": ["resolver"], "other": []}.items():
        request: Any = v3.models.ListHealthMonitorsRequest()
        found = v3.connect(prober, project).list_health_monitors(request).healthmonitors
        assert [each.name for each in found] == names
        request = v2.models.ListHealthmonitorsRequest()
        found = v2.connect(prober, project).list_healthmonitors(request).healthmonitors
        assert [each.name for each in found] == names


def test_version_2_pages_filters_edits_and_reads_verdicts(v2: Sdk, prober: Prober) -> None:
    client, models, seen, marker = v2.connect(prober, "bulk"), v2.models, [], None
    while found := client.list_healthmonitors(
        models.ListHealthmonitorsRequest(limit=2, marker=marker)
    ).healthmonitors:
        seen += [each.name for each in found]
        marker = found[-1].id
    assert seen == BULK_NAMES
    request = models.ListHealthmonitorsRequest(admin_state_up=True, type="TCP", name=seen[1])
    (one,) = client.list_healthmonitors(request).healthmonitors
    req = models.UpdateHealthmonitorReq(delay=9, monitor_port=81)
    body = models.UpdateHealthmonitorRequestBody(healthmonitor=req)
    request = models.UpdateHealthmonitorRequest(healthmonitor_id=one.id, body=body)
    changed = client.update_healthmonitor(request).healthmonitor
    assert (changed.delay, changed.monitor_port, changed.max_retries) == (9, 81, 2)
    client.delete_healthmonitor(models.DeleteHealthmonitorRequest(healthmonitor_id=one.id))
    with pytest.raises(Exception, match="there is no health monitor") as caught:
        client.show_healthmonitors(models.ShowHealthmonitorsRequest(healthmonitor_id=one.id))
    error: Any = caught.value
    assert (error.status_code, error.error_code) == (404, "ELB.8904")
    req = models.CreateHealthmonitorReq(
        pool_id=one.pools[0].id, type="TCP", delay=5, timeout=3, max_retries=2
    )
    body = models.CreateHealthmonitorRequestBody(healthmonitor=req)
    made = client.create_healthmonitor(models.CreateHealthmonitorRequest(body=body)).healthmonitor
    assert made.pools[0].id == one.pools[0].id
    members = client.list_members(models.ListMembersRequest(pool_id=one.pools[0].id)).members
    assert [each.operating_status in ("INITIAL", "ONLINE") for each in members] == [True]


OTC = """
import json, sys, openstack
from otcextensions import sdk
url = sys.argv[1]
connection = openstack.connect(
    load_yaml_config=False, load_envvars=False,
    auth_type="admin_token", auth={"endpoint": url, "token": "tok"},
    elb_endpoint_override=f"{url}/v2.0", elbv3_endpoint_override=f"{url}/v3/bulk",
)
sdk.register_otc_extensions(connection)
print(json.dumps([
    [each.name for each in connection.vlb.health_monitors(limit=2)],
    connection.vlb.find_health_monitor("bulk-3-tcp").delay,
    [each.name for each in connection.elb.health_monitors(type="HTTP")],
]))
"""


def test_otcextensions_reads_both_versions(prober: Prober) -> None:
    """In a process of its own: it changes openstacksdk for the whole process."""
    if find_spec("otcextensions") is None:
        pytest.skip("otcextensions is not installed")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OTC, prober.url],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert json.loads(done.stdout) == [BULK_NAMES, 5, ["web-http"]]


TAKEN = {
    *("project_id", "loadbalancer_id", "listener_id", "name", "admin_state_up"),
    *("address", "protocol_port", "weight"),
}
"""The fields of Huawei's objects that mean something to prober."""


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Pool", POOL_FORM.kept),
        ("Member", MEMBER_KEPT),
        ("LoadBalancer", LOAD_BALANCER_FORM.kept),
    ],
)
def test_every_field_that_the_sdk_can_write_is_known(v3: Sdk, name: str, kept: KeptFields) -> None:
    for verb in ("Create", "Update"):
        fields = getattr(v3.models, f"{verb}{name}Option").attribute_map.values()
        assert set(fields) <= kept.keys() | TAKEN
