"""Pools, members and load balancers over the APIs of OpenStack and Huawei."""

from typing import Any

import pytest

from prober.model.admin import BACKENDS, POOLS, AdminEntry, AdminState
from tests.web.conftest import Client
from tests.web.dialects.conftest import HTTP_ID, WEB_ID, ask, monitor_id, pool_id, refused
from tests.web.dialects.editing import FakeEditor
from tests.web.world import World

V2, V3 = "/v2.0/lbaas", "/v3/p1/elb"
MEMBERS = f"{V2}/pools/{WEB_ID}/members"


async def create(client: Client, path: str, noun: str, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = (await ask(client, "POST", path, {noun: fields}, status=201))[noun]
    return made


async def change(client: Client, path: str, noun: str, **fields: Any) -> dict[str, Any]:
    changed: dict[str, Any] = (await ask(client, "PUT", path, {noun: fields}))[noun]
    return changed


async def delete(client: Client, path: str) -> None:
    async with client.delete(path) as response:
        assert response.status == 204, await response.text()


async def balancer(client: Client, prefix: str = V2, **more: Any) -> dict[str, Any]:
    return await create(client, f"{prefix}/loadbalancers", "loadbalancer", name="lb", **more)


def admin(world: World, key: tuple[str, str]) -> AdminEntry | None:
    return world.store.admin.entries.get(key)


async def test_a_load_balancer_is_there_without_pools(world: World, edited: Client) -> None:
    world.wait(60)
    made = await balancer(edited, vip_subnet_id="s", description="d", tags=["a"], project_id="p1")
    assert (made["name"], made["provisioning_status"]) == ("lb", "ACTIVE")
    assert (made["project_id"], made["pools"], made["vip_subnet_id"]) == ("p1", [], "s")
    assert (made["created_at"], made["updated_at"]) == ("2027-01-15T08:01:00", None)
    path = f"{V2}/loadbalancers/{made['id']}"
    shown = (await ask(edited, "GET", path))["loadbalancer"]
    assert shown == {**made, "updated_at": "2027-01-15T08:01:00"}
    assert (await ask(edited, "GET", f"{V3}/loadbalancers/{made['id']}"))["loadbalancer"]
    await refused(edited, "GET", f"/v3/p2/elb/loadbalancers/{made['id']}", status=404)
    again = await balancer(edited)
    assert (again["name"], again["id"] != made["id"]) == ("lb", True)
    changed = await change(edited, path, "loadbalancer", name="other", admin_state_up=False)
    assert (changed["name"], changed["admin_state_up"], changed["id"]) == (
        "other",
        False,
        made["id"],
    )
    said = await refused(edited, "PUT", path, {"loadbalancer": {"vip_address": "10.0.0.9"}})
    assert said == "vip_address: cannot be changed, got '10.0.0.9'"
    await delete(edited, path)
    await refused(edited, "GET", path, status=404)


async def test_a_load_balancer_with_pools_goes_with_them_or_stays(
    world: World, edited: Client
) -> None:
    found = (await ask(edited, "GET", f"{V2}/loadbalancers?name=lb-1"))["loadbalancers"][0]
    path = f"{V2}/loadbalancers/{found['id']}"
    assert "has pools" in await refused(edited, "DELETE", path, status=409)
    await delete(edited, f"{path}?cascade=true")
    assert not {"web", "spare"} & world.store.pools.keys()
    assert "web-http" not in world.store.monitors


async def test_a_pool_is_created_shown_changed_and_deleted(world: World, edited: Client) -> None:
    parent = await balancer(edited, project_id="p7")
    made = await create(
        edited,
        f"{V2}/pools",
        "pool",
        name="web",
        loadbalancer_id=parent["id"],
        protocol="HTTPS",
        lb_algorithm="LEAST_CONNECTIONS",
        session_persistence={"type": "HTTP_COOKIE"},
        tags=["blue"],
    )
    pool = next(each for each in world.store.pools.values() if each.id == made["id"])
    assert (pool.name, pool.project_id, pool.load_balancer) == ("web-2", "p7", "lb")
    expected = {
        "name": "web",
        "protocol": "HTTPS",
        "lb_algorithm": "LEAST_CONNECTIONS",
        "session_persistence": {"type": "HTTP_COOKIE"},
        "tags": ["blue"],
        "description": "",
        "admin_state_up": True,
        "project_id": "p7",
        "operating_status": "OFFLINE",
        "loadbalancers": [{"id": parent["id"]}],
        "members": [],
    }
    assert {name: made[name] for name in expected} == expected
    path = f"{V2}/pools/{made['id']}"
    changed = await change(edited, path, "pool", name="", description="x", admin_state_up=False)
    assert (changed["name"], changed["description"]) == ("", "x")
    assert (entry := admin(world, (POOLS, "web-2")))
    assert (entry.state, entry.until, entry.by) == (AdminState.MAINTENANCE, None, "octavia")
    assert (await change(edited, path, "pool", admin_state_up=True))["admin_state_up"]
    assert admin(world, (POOLS, "web-2")) is None
    await delete(edited, path)
    await refused(edited, "GET", path, status=404)


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"loadbalancer_id": None}, 400, "loadbalancer_id: missing required field"),
        ({"loadbalancer_id": WEB_ID}, 404, "there is no load balancer with the id"),
        ({"listener_id": WEB_ID}, 404, "there is no listener with the id"),
        ({"protocol": None}, 400, "protocol: missing required field"),
        ({"protocol": "FTP"}, 400, "protocol: expected one of HTTP, HTTPS, "),
        ({"lb_algorithm": None}, 400, "lb_algorithm: missing required field"),
        ({"colour": "red"}, 400, "colour: unknown field"),
        ({"project_id": "p2"}, 400, "project_id: the load balancer belongs to "),
        ({"session_persistence": {}}, 400, "session_persistence: expected a mapping with a type"),
        ({"name": "."}, 400, "name: '.' is not a usable name"),
    ],
)
async def test_a_pool_that_cannot_be_created_is_refused(
    world: World, edited: Client, fields: dict[str, Any], status: int, said: str
) -> None:
    parent = await balancer(edited)
    body = {"loadbalancer_id": parent["id"], "protocol": "TCP", "lb_algorithm": "SOURCE_IP"}
    before = world.store.model
    found = await refused(
        edited, "POST", f"{V2}/pools", {"pool": {**body, **fields}}, status=status
    )
    assert found.startswith(said)
    assert world.store.model is before


async def test_the_monitor_of_a_pool_fits_its_protocol(edited: Client) -> None:
    parent = await balancer(edited, project_id="p1")
    for protocol, lbaas, elb in (("UDP", 201, 400), ("TCP", 201, 201)):
        for prefix, status in ((V2, lbaas), (V3, elb)):
            pool = await create(
                edited,
                f"{prefix}/pools",
                "pool",
                loadbalancer_id=parent["id"],
                protocol=protocol,
                lb_algorithm="ROUND_ROBIN",
            )
            timing = {"pool_id": pool["id"], "delay": 5, "timeout": 3, "max_retries": 2}
            body = {"healthmonitor": {**timing, "type": "TCP"}}
            await ask(edited, "POST", f"{prefix}/healthmonitors", body, status=status)


async def test_the_pool_of_own_targets_is_deleted_with_its_monitor(
    world: World, edited: Client
) -> None:
    await delete(edited, f"{V2}/pools/{pool_id(world, 'alone')}")
    assert "alone" not in world.store.monitors


async def test_a_member_is_created_changed_and_deleted(world: World, edited: Client) -> None:
    made = await create(
        edited,
        MEMBERS,
        "member",
        address="2001:db8:0::9",
        protocol_port=80,
        name="nine",
        weight=5,
        backup=True,
        monitor_address="192.0.2.9",
        monitor_port=8081,
        subnet_id="s",
        tags=["rack=r9", "blue"],
    )
    backend = world.store.pools["web"].backends[-1]
    assert (backend.key, backend.name, backend.weight, backend.backup) == (
        "[2001:db8::9]:80",
        "nine",
        5,
        True,
    )
    assert (str(backend.target(80)), backend.labels) == ("192.0.2.9:8081", {"rack": "r9"})
    assert (made["subnet_id"], made["tags"]) == ("s", ["rack=r9", "blue"])
    path = f"{MEMBERS}/{made['id']}"
    shown = (await ask(edited, "GET", path))["member"]
    assert {**shown, "updated_at": None} == made
    changed = await change(edited, path, "member", name="", weight=7, monitor_port=None, tags=[])
    assert changed == {
        **shown,
        "name": "",
        "weight": 7,
        "monitor_port": None,
        "tags": [],
        "operating_status": changed["operating_status"],
    }
    assert str(world.store.pools["web"].backends[-1].target(None)) == "192.0.2.9:80"
    await delete(edited, path)
    assert len(world.store.pools["web"].backends) == 4
    await refused(edited, "GET", path, status=404)


@pytest.mark.parametrize("prefix", [V2, V3])
async def test_what_is_written_back_as_it_was_read_changes_nothing(
    world: World, edited: Client, editor: FakeEditor, prefix: str
) -> None:
    for path, noun in (
        (f"{prefix}/pools/{WEB_ID}/members", "member"),
        (f"{prefix}/pools", "pool"),
        (f"{prefix}/loadbalancers", "loadbalancer"),
    ):
        for shown in (await ask(edited, "GET", path))[f"{noun}s"]:
            assert await change(edited, f"{path}/{shown['id']}", noun, **shown) == shown
    assert not editor.patches
    assert not world.store.admin.entries


async def test_what_is_changed_first_over_an_api_stays_as_old_as_it_was(
    world: World, edited: Client
) -> None:
    world.wait(60)
    member = (await ask(edited, "GET", MEMBERS))["members"][0]
    found = (await ask(edited, "GET", f"{V2}/loadbalancers"))["loadbalancers"][0]
    for path, noun in (
        (f"{MEMBERS}/{member['id']}", "member"),
        (f"{V2}/loadbalancers/{found['id']}", "loadbalancer"),
        (f"{V2}/pools/{WEB_ID}", "pool"),
    ):
        changed = await change(edited, path, noun, name="other", tags=["a"])
        assert (changed["name"], changed["tags"]) == ("other", ["a"])
        times = changed["created_at"], changed["updated_at"]
        assert times == ("2027-01-15T08:00:00", "2027-01-15T08:01:00")


async def test_what_is_only_shown_cannot_be_changed(edited: Client) -> None:
    body = {"pool": {"operating_status": "ONLINE", "colour": 1, "protocol": "UDP"}}
    said = await refused(edited, "PUT", f"{V2}/pools/{WEB_ID}", body)
    assert said == (
        "operating_status: cannot be changed, got 'ONLINE'; colour: unknown field; "
        "protocol: cannot be changed, got 'UDP'"
    )


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"address": None}, 400, "address: missing required field"),
        ({"address": "a b"}, 400, "address: expected an IP address or a host name"),
        ({"protocol_port": 0}, 400, "protocol_port: expected a whole number from 1 to 65535"),
        ({"weight": 257}, 400, "weight: expected a whole number from 0 to 256, got 257"),
        ({"monitor_port": 0}, 400, "monitor_port: expected a whole number from 1 to 65535"),
        ({"colour": "red"}, 400, "colour: unknown field"),
        ({"address": "10.0.0.1"}, 409, "pool 'web' already has a member at 10.0.0.1 port 80"),
        ({"project_id": "p2"}, 400, "project_id: the pool belongs to 'p1', not to 'p2'"),
    ],
)
async def test_a_member_that_cannot_be_created_is_refused(
    world: World, edited: Client, fields: dict[str, Any], status: int, said: str
) -> None:
    before = world.store.model
    body = {"member": {"address": "10.0.0.9", "protocol_port": 80, **fields}}
    assert (await refused(edited, "POST", MEMBERS, body, status=status)).startswith(said)
    assert world.store.model is before


async def test_a_member_keeps_its_address_and_port(edited: Client) -> None:
    member = (await ask(edited, "GET", MEMBERS))["members"][0]
    body = {"member": {"address": "10.0.0.9", "protocol_port": 81}}
    said = await refused(edited, "PUT", f"{MEMBERS}/{member['id']}", body)
    assert said == (
        "address: cannot be changed, got '10.0.0.9'; protocol_port: cannot be changed, got 81"
    )


async def test_members_of_a_monitors_own_targets_are_edited_there(
    world: World, edited: Client
) -> None:
    path = f"{V2}/pools/{pool_id(world, 'alone')}/members"
    made = await create(edited, path, "member", address="10.0.3.2", protocol_port=443)
    keys = [each.key for each in world.store.monitors["alone"].targets]
    assert keys == ["10.0.3.1:443", "10.0.3.2:443"]
    await delete(edited, f"{path}/{made['id']}")
    assert len(world.store.monitors["alone"].targets) == 1


KEY = (BACKENDS, "web/10.0.0.1:80")


async def test_weight_and_admin_state_up_are_admin_states(world: World, edited: Client) -> None:
    member = (await ask(edited, "GET", MEMBERS))["members"][0]
    path = f"{MEMBERS}/{member['id']}"
    steps: list[tuple[dict[str, Any], AdminState | None, tuple[object, ...]]] = [
        ({"weight": 0}, AdminState.DRAIN, (True, 0, "DRAINING")),
        ({"name": "x"}, AdminState.DRAIN, (True, 0, "DRAINING")),
        ({"admin_state_up": False}, AdminState.MAINTENANCE, (False, 0, "OFFLINE")),
        ({"admin_state_up": True}, AdminState.DRAIN, (True, 0, "DRAINING")),
        ({"weight": 3}, None, (True, 3, "OFFLINE")),
        ({"admin_state_up": False}, AdminState.MAINTENANCE, (False, 3, "OFFLINE")),
        ({"weight": 4}, AdminState.MAINTENANCE, (False, 4, "OFFLINE")),
        ({"admin_state_up": None}, None, (True, 4, "OFFLINE")),
    ]
    for fields, state, shown in steps:
        changed = await change(edited, path, "member", **fields)
        names = ("admin_state_up", "weight", "operating_status")
        assert tuple(changed[name] for name in names) == shown, fields
        entry = admin(world, KEY)
        assert (entry and entry.state) == state, fields
    huawei = f"{V3}/pools/{WEB_ID}/members/{member['id']}"
    assert (await change(edited, huawei, "member", weight=0))["operating_status"] == "OFFLINE"
    assert (entry := admin(world, KEY))
    assert (entry.state, entry.until, entry.by) == (AdminState.DRAIN, None, "huawei_v3")


async def test_states_that_the_clouds_have_no_words_for_stay(world: World, edited: Client) -> None:
    member = (await ask(edited, "GET", MEMBERS))["members"][0]
    forced = AdminEntry(AdminState.FORCED_DOWN, None, "why", "ann", world.wall)
    world.store.admin.put(KEY, forced)
    changed = await change(edited, f"{MEMBERS}/{member['id']}", "member", weight=0)
    assert (changed["weight"], admin(world, KEY)) == (1, forced)


async def test_a_backend_that_the_file_disables_can_be_enabled(
    world: World, edited: Client, editor: FakeEditor
) -> None:
    backends = [{"address": "10.0.1.1", "port": 80, "enabled": False}]
    await editor.change_pool(world.store.pools["spare"], {"backends": backends})
    path = f"{V2}/pools/{pool_id(world, 'spare')}/members"
    (member,) = (await ask(edited, "GET", path))["members"]
    assert not member["admin_state_up"]
    changed = await change(edited, f"{path}/{member['id']}", "member", admin_state_up=True)
    assert changed["admin_state_up"]
    assert world.store.pools["spare"].backends[0].enabled


async def put_members(client: Client, members: object, query: str = "", status: int = 202) -> str:
    async with client.put(MEMBERS + query, json={"members": members}) as response:
        text = await response.text()
        assert response.status == status, text
    return text


async def test_all_members_are_replaced_or_some_are_added(world: World, edited: Client) -> None:
    one = {"address": "10.0.0.1", "protocol_port": 80, "weight": 9}
    new = {"address": "10.0.0.9", "protocol_port": 80, "name": "nine", "weight": 0}
    await put_members(edited, [one, new], "?additive_only=True")
    assert [each.weight for each in world.store.pools["web"].backends] == [9, 1, 1, 1, 1]
    assert admin(world, (BACKENDS, "web/10.0.0.9:80"))
    await put_members(edited, [{**new, "weight": 2}])
    (left,) = world.store.pools["web"].backends
    assert (left.key, left.name, left.weight) == ("10.0.0.9:80", "nine", 2)
    assert not world.store.admin.entries
    assert "given twice" in await put_members(edited, [one, one], status=409)
    assert "expected a list of mappings" in await put_members(edited, {}, status=400)
    await put_members(edited, [])
    assert not world.store.pools["web"].backends


async def test_edits_are_refused_where_they_are_off(
    world: World, edited: Client, editor: FakeEditor
) -> None:
    editor.locked = "edits are off"
    found = (await ask(edited, "GET", f"{V2}/loadbalancers"))["loadbalancers"][0]
    member = (await ask(edited, "GET", MEMBERS))["members"][0]
    for noun, path in (
        ("pool", f"pools/{WEB_ID}"),
        ("loadbalancer", f"loadbalancers/{found['id']}"),
        ("member", f"pools/{WEB_ID}/members/{member['id']}"),
    ):
        fields = {"name": "x"} if noun != "member" else {"address": "10.0.0.9", "protocol_port": 1}
        if noun == "pool":
            fields = {
                "loadbalancer_id": found["id"],
                "protocol": "TCP",
                "lb_algorithm": "SOURCE_IP",
            }
        for method, where, body in (
            ("POST", path.rpartition("/")[0], {noun: fields}),
            ("PUT", path, {noun: {"name": "y"}}),
            ("DELETE", path, None),
        ):
            said = await refused(edited, method, f"{V2}/{where}", body, status=403)
            assert said == "edits are off"
    assert not world.store.admin.entries


async def test_a_pool_of_another_project_is_not_there(world: World, edited: Client) -> None:
    body = {"member": {"address": "10.0.0.9", "protocol_port": 80}}
    await refused(edited, "POST", f"/v3/p2/elb/pools/{WEB_ID}/members", body, status=404)
    await refused(edited, "DELETE", f"/v3/p2/elb/pools/{WEB_ID}", status=404)
    assert monitor_id(world, "web-http") == HTTP_ID


VALUES: list[Any] = [None, 5, -1, 1.5, True, "", "x", "a\0b", [], [{}], {}, {"a": [1]}, 10**30]


@pytest.mark.parametrize("prefix", [V2, V3])
@pytest.mark.parametrize("noun", ["pool", "member", "loadbalancer"])
async def test_whatever_a_field_holds_it_is_taken_or_refused(
    edited: Client, prefix: str, noun: str
) -> None:
    path = f"{prefix}/pools/{WEB_ID}/members" if noun == "member" else f"{prefix}/{noun}s"
    shown = (await ask(edited, "GET", path))[f"{noun}s"][0]
    for name in {*shown, "loadbalancer_id", "listener_id", "tenant_id", "strange"}:
        for value in VALUES:
            place = {"address": "192.0.2.7", "protocol_port": 80} if noun == "member" else {}
            for method, where, given in (
                ("POST", path, {**place, name: value}),
                ("PUT", f"{path}/{shown['id']}", {name: value}),
            ):
                async with edited.request(method, where, json={noun: given}) as response:
                    told = method, name, value, await response.text()
                    assert response.status in (200, 201, 400, 404, 409), told
