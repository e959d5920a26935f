"""Huawei's tags of load balancers, which OpenStack shows as text."""

from typing import Any

import pytest

from tests.web.conftest import Client
from tests.web.dialects.conftest import WEB_ID, ask, refused
from tests.web.dialects.editing import FakeEditor
from tests.web.world import World

V2, V3, LBAAS = "/v2.0/p1", "/v3/p1", "/v2.0/lbaas"
BLUE, RED = {"key": "env", "value": "blue"}, {"key": "env", "value": "red"}
PLAIN = {"key": "plain", "value": ""}


async def balancer(client: Client, *, prefix: str = f"{V3}/elb", **fields: Any) -> dict[str, Any]:
    body = {"loadbalancer": {"name": "lb", "project_id": "p1", **fields}}
    made = await ask(client, "POST", f"{prefix}/loadbalancers", body, status=201)
    found: dict[str, Any] = made["loadbalancer"]
    return found


async def tags(client: Client, made: dict[str, Any], prefix: str = V2) -> list[dict[str, str]]:
    answer = await ask(client, "GET", f"{prefix}/loadbalancers/{made['id']}/tags")
    found: list[dict[str, str]] = answer["tags"]
    return found


async def send(client: Client, method: str, path: str, body: Any = None) -> None:
    async with client.request(method, path, json=body) as response:
        assert (response.status, await response.text()) == (204, "")


async def act(client: Client, path: str, action: str, *pairs: dict[str, str]) -> None:
    await send(client, "POST", f"{path}/tags/action", {"action": action, "tags": list(pairs)})


async def test_each_api_shows_tags_in_its_own_form(edited: Client) -> None:
    made = await balancer(edited, tags=[BLUE, PLAIN, {"key": "eq", "value": "a=b"}])
    assert made["tags"] == [BLUE, PLAIN, {"key": "eq", "value": "a=b"}]
    for prefix in (LBAAS, "/v2/p1/elb"):
        shown = await ask(edited, "GET", f"{prefix}/loadbalancers/{made['id']}")
        assert shown["loadbalancer"]["tags"] == ["env=blue", "plain", "eq=a=b"]
    found = await ask(edited, "GET", f"{LBAAS}/loadbalancers?tags=env=blue,plain")
    assert [each["id"] for each in found["loadbalancers"]] == [made["id"]]

    made = await balancer(edited, prefix=LBAAS, tags=["env=red", "x=", "=y", "plain"])
    assert made["tags"] == ["env=red", "x=", "=y", "plain"]
    path = f"{V3}/elb/loadbalancers/{made['id']}"
    expected = [RED, {"key": "x", "value": ""}, {"key": "=y", "value": ""}, PLAIN]
    shown = (await ask(edited, "GET", path))["loadbalancer"]
    assert shown["tags"] == expected == await tags(edited, made, V3)
    await ask(edited, "PUT", path, {"loadbalancer": {"tags": expected, "description": "d"}})
    shown = (await ask(edited, "GET", f"{LBAAS}/loadbalancers/{made['id']}"))["loadbalancer"]
    assert (shown["tags"], shown["description"]) == (["env=red", "x=", "=y", "plain"], "d")
    changed = await ask(edited, "PUT", path, {"loadbalancer": {"tags": [BLUE]}})
    assert changed["loadbalancer"]["tags"] == [BLUE]


async def test_a_pool_of_version_3_has_no_tags(edited: Client) -> None:
    assert "tags" not in (await ask(edited, "GET", f"{V3}/elb/pools/{WEB_ID}"))["pool"]
    assert (await ask(edited, "GET", f"{LBAAS}/pools/{WEB_ID}"))["pool"]["tags"] == []


@pytest.mark.parametrize("prefix", [V2, V3])
async def test_tags_are_set_and_deleted_together(edited: Client, prefix: str) -> None:
    made = await balancer(edited, tags=[PLAIN, BLUE])
    path = f"{prefix}/loadbalancers/{made['id']}"
    await act(edited, path, "create", RED, {"key": "new", "value": "1"})
    assert await tags(edited, made, prefix) == [PLAIN, RED, {"key": "new", "value": "1"}]
    await act(edited, path, "delete", BLUE, {"key": "new", "value": ""}, {"key": "absent"})
    assert await tags(edited, made, prefix) == [PLAIN, RED]
    await act(edited, path, "delete", RED)
    assert await tags(edited, made, prefix) == [PLAIN]


async def test_version_2_sets_and_deletes_one_tag(world: World, edited: Client) -> None:
    """Also of a load balancer that is in the configuration only."""
    (found,) = (await ask(edited, "GET", f"{V3}/elb/loadbalancers?name=lb-1"))["loadbalancers"]
    path = f"{V2}/loadbalancers/{found['id']}/tags"
    assert await tags(edited, found) == []
    await send(edited, "POST", path, {"tag": BLUE})
    await send(edited, "POST", path, {"tag": RED})
    assert await tags(edited, found) == [RED]
    world.wait(60)
    await send(edited, "POST", path, {"tag": RED})
    shown = (await ask(edited, "GET", f"{V3}/elb/loadbalancers/{found['id']}"))["loadbalancer"]
    assert (shown["tags"], shown["name"], len(shown["pools"])) == ([RED], "lb-1", 2)
    assert shown["updated_at"] == "2027-01-15T08:00:00Z"  # the same again is no change
    await send(edited, "DELETE", f"{path}/env")
    assert await tags(edited, found) == []
    said = await refused(edited, "DELETE", f"{path}/env", status=404)
    assert said == "load balancer 'lb-1' has no tag with the key 'env'"
    await send(edited, "POST", path, {"tag": {"key": "a/b ü", "value": "c"}})
    await send(edited, "DELETE", f"{path}/a%2Fb%20%C3%BC")
    assert await tags(edited, found) == []


@pytest.mark.parametrize("prefix", [V2, V3])
async def test_all_tags_are_listed_by_key(edited: Client, prefix: str) -> None:
    for pair in (BLUE, RED, BLUE):
        await balancer(edited, tags=[pair, PLAIN])
    await balancer(edited, prefix="/v3/p2/elb", project_id="p2", tags=[{"key": "other"}])
    listed = (await ask(edited, "GET", f"{prefix}/loadbalancers/tags"))["tags"]
    assert listed == [
        {"key": "env", "values": ["blue", "red"]},
        {"key": "plain", "values": [""]},
    ]


async def test_load_balancers_are_found_by_their_tags(edited: Client) -> None:
    named = {
        name: await balancer(edited, name=name, tags=pairs)
        for name, pairs in {"one": [BLUE, PLAIN], "two": [RED], "three": [PLAIN]}.items()
    }
    path = f"{V2}/loadbalancers/resource_instances/action"

    async def search(**body: Any) -> list[str]:
        answer = await ask(edited, "POST", path, {"action": "filter", **body})
        counted = {k: v for k, v in body.items() if k not in ("limit", "offset")}
        count = await ask(edited, "POST", path, {"action": "count", **counted})
        assert count == {"total_count": answer["total_count"]}
        return [each["resource_name"] for each in answer["resources"]]

    key, name, same = "env", "resource_name", "resource_id"
    assert await search() == ["lb-1", "one", "two", "three"]
    assert await search(limit=2, offset=1) == ["one", "two"]
    assert await search(tags=[{"key": key, "values": []}]) == ["one", "two"]
    assert await search(tags=[{"key": key, "values": ["red", "x"]}]) == ["two"]
    assert await search(tags=[{"key": key, "values": ["*lu"]}]) == ["one"]
    assert await search(tags=[{"key": key, "values": ["lu"]}]) == []
    assert await search(tags=[{"key": key}, {"key": "plain", "values": [""]}]) == ["one"]
    assert await search(matches=[{"key": name, "value": "o"}]) == ["one", "two"]
    assert await search(matches=[{"key": name, "value": ""}]) == []
    assert await search(matches=[{"key": same, "value": named["two"]["id"]}]) == ["two"]
    body = {"action": "filter", "tags": [{"key": "env", "values": ["red"]}]}
    (found,) = (await ask(edited, "POST", path, body))["resources"]
    assert found == {
        "resource_id": named["two"]["id"],
        "resource_name": "two",
        "resource_detail": "",
        "tags": [RED],
        "super_resource_id": None,
    }


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("tags", {"tag": {"value": "v"}}, "tag.key: missing required field"),
        ("tags", {"tag": {"key": "a=b"}}, "tag.key: expected text without =, got 'a=b'"),
        ("tags", {"tag": {"key": ""}}, "tag.key: expected text without =, got ''"),
        ("tags", {"tag": {"key": "a", "values": "b"}}, "tag.values: unknown field"),
        ("tags", {}, "tag: missing required field"),
        ("tags", [], "expected a mapping"),
        ("tags/action", {"tags": []}, "action: missing required field"),
        ("tags/action", {"action": "drop", "tags": []}, "action: expected one of create, delete"),
        ("tags/action", {"action": "create", "tags": [BLUE, RED]}, "tags: the key 'env' is given"),
        ("tags/action", {"action": "create", "tags": [{"key": 1}]}, "tags.0.key: expected text"),
    ],
)
async def test_a_wrong_tag_is_refused_and_changes_nothing(
    edited: Client, path: str, body: Any, said: str
) -> None:
    made = await balancer(edited, tags=[PLAIN])
    found = await refused(edited, "POST", f"{V2}/loadbalancers/{made['id']}/{path}", body)
    assert found.startswith(said)
    assert await tags(edited, made) == [PLAIN]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "action: missing required field"),
        ({"action": "filter", "limit": 0}, "limit: expected "),
        ({"action": "filter", "tags": [{"values": []}]}, "tags.0.key: missing required field"),
        ({"action": "filter", "matches": [{"key": "id", "value": ""}]}, "matches.0.key: expected"),
        ({"action": "filter", "match": []}, "match: unknown field; did you mean 'matches'?"),
    ],
)
async def test_a_wrong_search_is_refused(edited: Client, body: Any, said: str) -> None:
    for noun in ("loadbalancers", "listeners"):
        path = f"{V2}/{noun}/resource_instances/action"
        assert (await refused(edited, "POST", path, body)).startswith(said)


async def test_listeners_have_no_tags(edited: Client) -> None:
    for prefix in (V2, V3):
        assert await ask(edited, "GET", f"{prefix}/listeners/tags") == {"tags": []}
        await refused(edited, "GET", f"{prefix}/listeners/{WEB_ID}/tags", status=404)
        body = {"action": "create", "tags": []}
        path = f"{prefix}/listeners/{WEB_ID}/tags/action"
        assert "no listener" in await refused(edited, "POST", path, body, status=404)
    path = f"{V2}/listeners/resource_instances/action"
    found = await ask(edited, "POST", path, {"action": "filter"})
    assert found == {"resources": [], "total_count": 0}


async def test_tags_of_another_project_are_out_of_reach(edited: Client) -> None:
    made = await balancer(edited)
    for path in (f"/v2.0/p2/loadbalancers/{made['id']}", f"/v3/p2/loadbalancers/{made['id']}"):
        await refused(edited, "GET", f"{path}/tags", status=404)
        body = {"action": "create", "tags": [BLUE]}
        await refused(edited, "POST", f"{path}/tags/action", body, status=404)


async def test_a_prober_that_cannot_be_edited_keeps_its_tags(
    edited: Client, editor: FakeEditor
) -> None:
    editor.locked = "edits are disabled"
    (found,) = (await ask(edited, "GET", f"{V3}/elb/loadbalancers?name=lb-1"))["loadbalancers"]
    path = f"{V2}/loadbalancers/{found['id']}/tags"
    await refused(edited, "POST", path, {"tag": BLUE}, status=403)
    await refused(edited, "DELETE", f"{path}/env", status=403)
    await refused(edited, "POST", f"{path}/action", {"action": "create", "tags": []}, status=403)


async def test_the_versions_are_listed(client: Client) -> None:
    found = (await ask(client, "GET", "/versions"))["versions"]
    assert [(each["id"], each["status"]) for each in found] == [
        ("v3", "CURRENT"),
        ("v2", "STABLE"),
        ("v2.0", "STABLE"),
    ]


async def test_what_only_a_load_balancer_does_is_refused(edited: Client) -> None:
    (found,) = (await ask(edited, "GET", f"{V3}/elb/loadbalancers?name=lb-1"))["loadbalancers"]
    for path in ("batch-create", "batch-delete", f"{found['id']}/availability-zone/batch-add"):
        said = await refused(edited, "POST", f"{V3}/elb/loadbalancers/{path}", {}, status=501)
        assert said.startswith("Provider 'prober' does not support a requested action")
