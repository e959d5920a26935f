"""Huawei's edits of many objects at once: batches of members and pools, and cascades."""

from typing import Any

import pytest

from prober.model.admin import BACKENDS, AdminState
from tests.web.conftest import Client
from tests.web.dialects.conftest import WEB_ID, ask, pool_id, refused
from tests.web.dialects.editing import FakeEditor
from tests.web.world import World

V3 = "/v3/p1/elb"
MEMBERS = f"{V3}/pools/{WEB_ID}/members"


async def batch(client: Client, verb: str, *members: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await ask(client, "POST", f"{MEMBERS}/batch-{verb}", {"members": list(members)})
    assert len(answer["request_id"]) == 36
    found: list[dict[str, Any]] = answer["members"]
    return found


def keys(world: World) -> list[str]:
    return [each.key for each in world.store.pools["web"].backends]


async def test_members_are_added_at_once_and_those_that_are_there_stay(
    world: World, edited: Client, editor: FakeEditor
) -> None:
    new = {"address": "10.0.0.9", "protocol_port": 80, "name": "nine", "weight": 0}
    added = await batch(
        edited,
        "add",
        new,
        {"address": "10.0.0.1", "protocol_port": 80, "weight": 9, "name": "one"},
        {**new, "name": "again"},
        {"address": "10.0.0.10", "protocol_port": 80, "subnet_cidr_id": "s"},
    )
    assert [each["ret_status"] for each in added] == [
        *("successful", "existed", "existed", "successful")
    ]
    assert [(each["address"], each["weight"], each["name"]) for each in added] == [
        ("10.0.0.9", 0, "nine"),
        ("10.0.0.1", 1, ""),
        ("10.0.0.9", 0, "nine"),
        ("10.0.0.10", 1, ""),
    ]
    assert added[3]["subnet_cidr_id"] == "s"
    assert keys(world)[-2:] == ["10.0.0.9:80", "10.0.0.10:80"]
    entry = world.store.admin.entries[BACKENDS, "web/10.0.0.9:80"]
    assert entry.state is AdminState.DRAIN
    assert len(editor.patches) == 1
    assert (await batch(edited, "add", new))[0]["ret_status"] == "existed"
    assert len(editor.patches) == 1


async def test_members_are_changed_at_once(
    world: World, edited: Client, editor: FakeEditor
) -> None:
    first, second, *_ = (await ask(edited, "GET", MEMBERS))["members"]
    changed = await batch(
        edited,
        "update",
        {"id": second["id"], "weight": 7, "protocol_port": 80},
        {"id": first["id"], "name": "one", "admin_state_up": False},
    )
    assert [(each["id"], each["weight"], each["name"]) for each in changed] == [
        (second["id"], 7, "two"),
        (first["id"], 1, "one"),
    ]
    assert (changed[1]["admin_state_up"], len(editor.patches)) == (False, 1)
    assert world.store.pools["web"].backends[1].weight == 7
    body = {"members": [{"id": first["id"], "weight": 3}, {"id": WEB_ID, "weight": 3}]}
    await refused(edited, "POST", f"{MEMBERS}/batch-update", body, status=404)
    assert len(editor.patches) == 1


async def test_members_are_deleted_at_once_by_id_or_by_place(world: World, edited: Client) -> None:
    first, second, *_ = (await ask(edited, "GET", MEMBERS))["members"]
    deleted = await batch(
        edited,
        "delete",
        {"id": first["id"]},
        {"address": "10.0.0.2", "protocol_port": 80},
        {"id": WEB_ID},
        {"address": "10.0.0.2", "protocol_port": 81},
    )
    assert deleted == [
        {"id": first["id"], "ret_status": "successful"},
        {"id": second["id"], "ret_status": "successful"},
        {"id": WEB_ID, "ret_status": "not found"},
        {"id": None, "ret_status": "not found"},
    ]
    assert keys(world) == ["[2001:db8::3]:80", "three.example:80"]


GOOD = {"address": "10.0.0.9", "protocol_port": 80}


@pytest.mark.parametrize(
    ("verb", "members", "said"),
    [
        ("add", [GOOD, {**GOOD, "weight": 101}], "members.1.weight: expected a whole number from"),
        ("add", [GOOD, {"address": "10.0.0.9"}], "members.1.protocol_port: missing required field"),
        ("add", [GOOD, {**GOOD, "colour": 1}], "members.1.colour: unknown field"),
        ("add", [GOOD] * 201, "members: expected at most 200, got 201"),
        ("add", [1], "members: expected a list of mappings"),
        ("update", [{"weight": 3}], "members.0.id: missing required field"),
        ("delete", [{"id": WEB_ID, **GOOD}], "members.0: expected id, or address and protocol_"),
        ("delete", [{"address": "10.0.0.1"}], "members.0: expected id, or address and protocol_"),
        ("delete", [{**GOOD, "protocol_port": "80"}], "members.0: expected a whole number from 0"),
    ],
)
async def test_one_wrong_member_refuses_the_batch(
    world: World, edited: Client, verb: str, members: list[Any], said: str
) -> None:
    before = world.store.model
    path = f"{MEMBERS}/batch-{verb}"
    assert (await refused(edited, "POST", path, {"members": members})).startswith(said)
    assert world.store.model is before


async def test_a_member_named_twice_is_not_changed(world: World, edited: Client) -> None:
    member = (await ask(edited, "GET", MEMBERS))["members"][0]
    twice = [{"id": member["id"], "weight": 3}, {"id": member["id"], "weight": 4}]
    said = await refused(edited, "POST", f"{MEMBERS}/batch-update", {"members": twice})
    assert said == "members: a member is given twice"


async def test_pools_are_deleted_one_by_one(world: World, edited: Client) -> None:
    spare = pool_id(world, "spare")
    elsewhere = pool_id(world, "names")
    answer = await ask(
        edited, "POST", f"{V3}/pools/batch-delete", {"pools": [spare, elsewhere, WEB_ID, spare]}
    )
    assert answer["pools"] == [
        {"id": spare, "ret_status": "successful"},
        {"id": elsewhere, "ret_status": "not found", "ret_code": "ELB.404"},
        {"id": WEB_ID, "ret_status": "successful"},
        {"id": spare, "ret_status": "not found", "ret_code": "ELB.404"},
    ]
    assert {"spare", "web"}.isdisjoint(world.store.pools)
    assert "names" in world.store.pools
    said = await refused(edited, "POST", f"{V3}/pools/batch-delete", {"pools": [1]})
    assert said.startswith("pools: expected a list of ids")


async def test_a_cascade_deletes_what_belongs_to_it(world: World, edited: Client) -> None:
    async with edited.delete(f"{V3}/pools/{WEB_ID}/delete-cascade") as response:
        assert response.status == 204
    assert "web-http" not in world.store.monitors
    found = (await ask(edited, "GET", f"{V3}/loadbalancers?name=lb-1"))["loadbalancers"][0]
    path = f"{V3}/loadbalancers/{found['id']}"
    body = {"loadbalancer": {"unbounded_pool": False, "public_ip": True}}
    said = await refused(edited, "POST", f"{path}/delete-cascade", body)
    assert said.startswith("unbounded_pool: expected true")
    async with edited.post(f"{path}/delete-cascade", json={"loadbalancer": {}}) as response:
        assert response.status == 204
    assert "spare" not in world.store.pools
    await refused(edited, "DELETE", f"{path}/force-elb", status=404)


async def test_a_load_balancer_is_deleted_by_force_with_its_pools(
    world: World, edited: Client
) -> None:
    found = (await ask(edited, "GET", f"{V3}/loadbalancers?name=lb-1"))["loadbalancers"][0]
    async with edited.delete(f"{V3}/loadbalancers/{found['id']}/force-elb") as response:
        assert response.status == 204
    assert {"spare", "web"}.isdisjoint(world.store.pools)


async def test_all_members_are_listed_with_their_pools(world: World, edited: Client) -> None:
    spare = pool_id(world, "spare")
    every = (await ask(edited, "GET", f"{V3}/members"))["members"]
    assert len(every) == 5
    (one,) = (await ask(edited, "GET", f"{V3}/members?pool_id={spare}"))["members"]
    assert (one["address"], one["pool_id"]) == ("10.0.1.1", spare)
    path = f"{V3}/members?loadbalancer_id={one['loadbalancer_id']}&weight=1&ip_version=v4"
    assert len((await ask(edited, "GET", path))["members"]) == 3


async def test_the_quota_says_what_is_used(edited: Client) -> None:
    found = (await ask(edited, "GET", f"{V3}/quotas/details"))["quotas"]
    assert {each["quota_key"]: each["used"] for each in found} == {
        "loadbalancer": 1,
        "pool": 2,
        "member": 5,
        "healthmonitor": 1,
        "listener": 0,
        "l7policy": 0,
        "certificate": 0,
    }
    path = f"{V3}/quotas/details?quota_key=pool&quota_key=member"
    assert [each["quota_key"] for each in (await ask(edited, "GET", path))["quotas"]] == [
        *("pool", "member")
    ]


async def test_pools_and_load_balancers_are_found_by_what_they_show(
    world: World, edited: Client
) -> None:
    found = (await ask(edited, "GET", f"{V3}/loadbalancers"))["loadbalancers"][0]
    for path, names in (
        (f"pools?loadbalancer_id={found['id']}&enterprise_project_id=0", ["web", "spare"]),
        ("pools?listener_id=x", []),
        ("pools?lb_algorithm=ROUND_ROBIN&protocol=HTTP&admin_state_up=true", ["web"]),
        ("loadbalancers?guaranteed=true&enterprise_project_id=all_granted_eps", ["lb-1"]),
        ("loadbalancers?vip_address=10.0.0.9", []),
        ("master-slave-pools", []),
    ):
        noun = path.split("?")[0].removeprefix("master-slave-")
        listed = (await ask(edited, "GET", f"{V3}/{path}"))[noun]
        assert [each["name"] for each in listed] == names, path
