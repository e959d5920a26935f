"""OpenStack Octavia and Huawei v2: creating, changing and deleting health monitors."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.edits.contract import Conflict
from prober.model.option import Rejected
from prober.probes import PROBE_TYPES
from prober.web.dialects.lbaas.monitor_edits import new_monitor, patch_of
from prober.web.dialects.lbaas.monitor_format import OCTAVIA
from prober.web.dialects.lbaas.project_view import ProjectView
from prober.web.dialects.openstack.octavia import FORMAT
from prober.web.server.errors import Refused
from tests.web.conftest import Client
from tests.web.dialects.conftest import (
    DOCUMENT,
    HTTP_ID,
    WEB_ID,
    ask,
    monitor_id,
    pool_id,
    refused,
)
from tests.web.dialects.editing import FakeEditor
from tests.web.world import World

PATH = "/v2.0/lbaas/healthmonitors"
ONE = f"{PATH}/{HTTP_ID}"


async def change(client: Client, path: str = ONE, /, **fields: Any) -> dict[str, Any]:
    answer = await ask(client, "PUT", path, {"healthmonitor": fields})
    changed: dict[str, Any] = answer["healthmonitor"]
    return changed


async def create(client: Client, world: World, **fields: object) -> dict[str, Any]:
    body = {"pool_id": pool_id(world, "spare"), "delay": 5, "timeout": 3, "max_retries": 2}
    answer = await ask(client, "POST", PATH, {"healthmonitor": {**body, **fields}}, status=201)
    made: dict[str, Any] = answer["healthmonitor"]
    return made


async def test_a_health_monitor_is_created_with_what_is_given(world: World, edited: Client) -> None:
    made = await create(
        edited,
        world,
        name="hm",
        type="HTTPS",
        max_retries_down=4,
        admin_state_up=False,
        monitor_port=8443,
        domain_name="a.example",
        expected_codes="200,202",
        url_path="/x?y=1",
        http_method="HEAD",
        http_version=1.0,
        tags=["rack=r9"],
        project_id="p1",
    )
    monitor = world.store.monitors["hm"]
    assert made["id"] == monitor.id
    assert made["pools"] == [{"id": pool_id(world, "spare")}]
    assert (monitor.type, monitor.pool, monitor.port) == ("HTTPS", "spare", 8443)
    assert (monitor.interval, monitor.timeout, monitor.rise, monitor.fall) == (5, 3, 2, 4)
    assert not monitor.enabled
    assert monitor.labels == {"rack": "r9"}
    shown = {**made, "updated_at": made["created_at"]}  # it has come into force
    assert await ask(edited, "GET", f"{PATH}/{made['id']}") == {"healthmonitor": shown}


async def test_what_is_left_out_or_null_is_the_default(world: World, edited: Client) -> None:
    made = await create(edited, world, type="HTTP", url_path=None, max_retries_down=None)
    expected = {
        "name": "",
        "admin_state_up": True,
        "max_retries_down": 3,
        "http_version": 1.0,
        "url_path": "/",
        "http_method": "GET",
        "expected_codes": "200",
        "monitor_port": None,
        "domain_name": None,
        "tags": [],
    }
    assert {name: made[name] for name in expected} == expected


async def test_with_a_domain_name_the_version_is_one_that_has_it(
    world: World, edited: Client
) -> None:
    assert (await create(edited, world, type="HTTP", domain_name="a.de"))["http_version"] == 1.1


@pytest.mark.parametrize("version", [1, 1.0, "1.0"])
async def test_clients_in_go_write_the_version_as_a_whole_number(
    world: World, edited: Client, version: object
) -> None:
    assert (await create(edited, world, type="HTTP", http_version=version))["http_version"] == 1.0
    answer = await ask(edited, "GET", f"{PATH}?http_version=1")
    assert [each["http_version"] for each in answer["healthmonitors"]] == [1.0]


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ("TCP", "TCP"),
        ("HTTP", "HTTP"),
        ("HTTPS", "HTTPS"),
        ("UDP_CONNECT", "UDP_CONNECT"),
        ("UDP-CONNECT", "UDP_CONNECT"),
        ("TLS", "TLS"),
        ("TLS-HELLO", "TLS"),
        ("GRPC", "GRPC"),
    ],
)
async def test_a_type_is_shown_in_the_spelling_in_which_it_was_written(
    world: World, edited: Client, asked: str, made: str
) -> None:
    shown = await create(edited, world, type=asked)
    assert shown["type"] == asked
    assert world.store.monitors["spare-" + made.lower()].type == made
    for spelling in {asked, made}:
        answer = await ask(edited, "GET", f"{PATH}?type={spelling}&id={shown['id']}")
        assert [each["type"] for each in answer["healthmonitors"]] == [asked]
    path = f"/v3/p1/elb/healthmonitors/{shown['id']}"
    assert (await ask(edited, "GET", path))["healthmonitor"]["type"] == made
    changed = await change(edited, f"{PATH}/{shown['id']}", type=made)
    assert changed["type"] == made


@pytest.mark.parametrize("name", ["", "web-http", "spare-tcp"])
async def test_a_name_may_be_empty_or_taken_and_is_unique_in_prober(
    world: World, edited: Client, name: str
) -> None:
    await change(edited, name="spare-tcp")
    shown = await create(edited, world, type="TCP", name=name)
    assert shown["name"] == name
    own = {"": "spare-tcp-2", "web-http": "web-http", "spare-tcp": "spare-tcp-2"}[name]
    assert world.store.monitors[own].id == shown["id"]
    assert (await change(edited, f"{PATH}/{shown['id']}", name="spare-tcp"))["name"] == "spare-tcp"
    assert world.store.monitors["spare-tcp-2"].id == shown["id"]


async def test_tags_are_any_text_and_some_are_labels(world: World, edited: Client) -> None:
    tags = ["blue", "rack=r9", "a-b=c", "rack=r8", "=", "ü" * 255, "pool=x"]
    shown = await create(edited, world, type="TCP", name="hm", tags=tags)
    assert shown["tags"] == tags
    assert world.store.monitors["hm"].labels == {"rack": "r9"}
    answer = await ask(edited, "GET", f"{PATH}?tags=blue,rack=r9")
    assert [each["id"] for each in answer["healthmonitors"]] == [shown["id"]]
    path = f"{PATH}/{shown['id']}"
    assert (await change(edited, path, tags=["green"]))["tags"] == ["green"]
    assert not world.store.monitors["hm"].labels
    assert (await change(edited, path, tags=None))["tags"] == []


async def test_a_ping_sends_icmp_echo_requests(world: World, edited: Client) -> None:
    shown = await create(edited, world, type="PING", name="hm")
    assert shown["type"] == "PING"
    assert world.store.monitors["hm"].type == "ICMP"


async def test_labels_that_are_set_elsewhere_are_tags_too(
    world: World, edited: Client, editor: FakeEditor
) -> None:
    shown = await create(edited, world, type="TCP", name="hm", tags=["blue", "rack=r9"])
    await editor.change_monitor(world.store.monitors["hm"], {"labels": {"team": "a"}})
    answer = await ask(edited, "GET", f"{PATH}/{shown['id']}")
    assert answer["healthmonitor"]["tags"] == ["blue", "team=a"]


async def test_the_times_of_a_monitor_are_those_of_its_edits(world: World, edited: Client) -> None:
    world.wait(60)
    shown = await create(edited, world, type="TCP", name="hm")
    assert (shown["created_at"], shown["updated_at"]) == ("2027-01-15T08:01:00", None)
    world.wait(60)
    path = f"{PATH}/{shown['id']}"
    for fields in ({"delay": 7}, {"delay": 7}, {"name": "hm"}):
        changed = await change(edited, path, **fields)
        assert changed["updated_at"] == "2027-01-15T08:02:00"
        world.wait(60)
    assert changed["created_at"] == shown["created_at"]
    huawei = (await ask(edited, "GET", f"/v3/p1/elb/healthmonitors/{shown['id']}"))["healthmonitor"]
    assert huawei["created_at"] == "2027-01-15T08:01:00Z"
    assert huawei["updated_at"] == "2027-01-15T08:02:00Z"


REQUIRED = "; ".join(
    f"{name}: missing required field" for name in ("pool_id", "type", "delay", "max_retries")
)


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"type": "SCTP"}, 501, "type: 'SCTP' is not supported: prober does not support SCTP; "),
        ({"type": "http"}, 400, "type: expected one of TCP, UDP_CONNECT, HTTP, HTTPS, TLS, GRPC"),
        ({"type": 5}, 400, "type: expected one of TCP, "),
        ({"type": None}, 400, "type: missing required field"),
        ({"delay": None}, 400, "delay: missing required field"),
        ({"pool_id": "spare"}, 400, "pool_id: expected the id of a pool, got 'spare'"),
        ({"pool_id": 7}, 400, "pool_id: expected the id of a pool, got 7"),
        ({"pool_id": HTTP_ID}, 404, f"there is no pool with the id '{HTTP_ID}'"),
        ({"pool_id": WEB_ID}, 409, "pool 'web' already has a health monitor, 'web-http'"),
        ({"project_id": "p2"}, 400, "project_id: the pool belongs to 'p1', not to 'p2'"),
        ({"tenant_id": "p2"}, 400, "tenant_id: the pool belongs to 'p1', not to 'p2'"),
        ({"url_paht": "/"}, 400, "url_paht: unknown field; did you mean 'url_path'?"),
        ({"url_path": "/"}, 400, "url_path: does not apply to the type TCP"),
        (
            {"delay": 0, "timeout": "3"},
            400,
            "delay: expected a whole number from 1 to 86400, got 0; ",
        ),
    ],
)
async def test_what_cannot_be_created_is_refused(
    world: World, edited: Client, fields: dict[str, Any], status: int, said: str
) -> None:
    body = {
        "pool_id": pool_id(world, "spare"),
        "type": "TCP",
        "delay": 5,
        "timeout": 3,
        "max_retries": 2,
        **fields,
    }
    before = world.store.model
    found = await refused(edited, "POST", PATH, {"healthmonitor": body}, status=status)
    assert found.startswith(said)
    assert world.store.model is before


async def test_all_that_is_missing_is_named_at_once(edited: Client) -> None:
    said = await refused(edited, "POST", PATH, {"healthmonitor": {}})
    assert said == f"{REQUIRED}; timeout: missing required field"


async def test_an_update_changes_only_what_it_names(
    world: World, edited: Client, editor: FakeEditor
) -> None:
    before = world.store.monitors["web-http"]
    changed = await change(edited, delay=15, timeout=12)
    after = world.store.monitors["web-http"]
    assert (changed["delay"], changed["timeout"]) == (15, 12)
    assert editor.patches == [{"interval": 15, "timeout": 12}]
    assert (after.probe, after.labels, after.id) == (before.probe, before.labels, before.id)


async def test_what_is_written_back_as_it_was_read_changes_nothing(
    world: World, edited: Client, editor: FakeEditor
) -> None:
    before = world.store.model
    shown = (await ask(edited, "GET", ONE))["healthmonitor"]
    assert await change(edited, **shown, pool_id=WEB_ID) == shown
    assert world.store.model is before
    await change(edited, **{**shown, "max_retries": 7})
    assert editor.patches == [{"rise": 7}]
    assert world.store.monitors["web-http"].interval == 0.5


async def test_null_for_what_cannot_be_changed_means_nothing(
    edited: Client, editor: FakeEditor
) -> None:
    await change(edited, pool_id=None, project_id=None, delay=2)
    assert editor.patches == [{"interval": 2}]


async def test_null_takes_a_field_back_to_its_default(world: World, edited: Client) -> None:
    names = ("url_path", "expected_codes", "domain_name", "max_retries_down", "tags", "http_method")
    changed = await change(edited, **dict.fromkeys(names))
    assert [changed[name] for name in names] == ["/", "200", None, 3, [], "GET"]
    assert world.store.monitors["web-http"].interval == 0.5


async def test_null_for_what_has_no_default_is_refused(edited: Client) -> None:
    names = ("delay", "timeout", "max_retries", "type")
    body = {"healthmonitor": dict.fromkeys(names)}
    assert await refused(edited, "PUT", ONE, body) == "; ".join(
        f"{name}: cannot be null" for name in names
    )


async def test_a_monitor_keeps_its_id_when_it_is_renamed(world: World, edited: Client) -> None:
    path = f"{PATH}/{monitor_id(world, 'names-udp')}"
    changed = await change(edited, path, name="health-xx")
    assert (changed["name"], f"{PATH}/{changed['id']}") == ("health-xx", path)
    for nothing in (None, "", None):
        changed = await change(edited, path, name=nothing)
        assert (changed["name"], f"{PATH}/{changed['id']}") == ("", path)
        assert "names-udp_connect" in world.store.monitors


async def test_the_type_can_be_changed_and_takes_new_fields(world: World, edited: Client) -> None:
    changed = await change(edited, type="TCP")
    assert (changed["type"], changed["url_path"]) == ("TCP", None)
    changed = await change(edited, type="HTTPS", url_path="/")
    assert (changed["type"], changed["url_path"]) == ("HTTPS", "/")
    assert world.store.monitors["web-http"].interval == 0.5


@pytest.mark.parametrize(
    ("name", "type_name", "said"),
    [
        (
            "web-http",
            "UDP_CONNECT",
            (
                "type: UDP_CONNECT does not fit a pool of protocol HTTP, "
                "which takes TCP, HTTP, HTTPS, TLS, GRPC, ICMP"
            ),
        ),
        (
            "names-udp",
            "HTTPS",
            "type: HTTPS does not fit a pool of protocol UDP, which takes TCP, UDP_CONNECT, HTTP",
        ),
    ],
)
async def test_a_type_must_fit_the_protocol_of_the_pool(
    world: World, edited: Client, name: str, type_name: str, said: str
) -> None:
    body = {"healthmonitor": {"type": type_name}}
    assert await refused(edited, "PUT", f"{PATH}/{monitor_id(world, name)}", body) == said


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("delay", 0, "delay: expected a whole number from 1 to 86400, got 0"),
        ("delay", 86401, "delay: expected a whole number from 1 to 86400, got 86401"),
        ("delay", 1.5, "delay: expected a whole number from 1 to 86400, got 1.5"),
        ("delay", "5", "delay: expected a whole number from 1 to 86400, got '5'"),
        ("delay", True, "delay: expected a whole number from 1 to 86400, got the boolean true"),
        ("timeout", 3601, "timeout: expected a whole number from 1 to 3600, got 3601"),
        ("max_retries", 0, "max_retries: expected a whole number from 1 to 10, got 0"),
        ("max_retries", 11, "max_retries: expected a whole number from 1 to 10, got 11"),
        ("max_retries_down", 11, "max_retries_down: expected a whole number from 1 to 10, got 11"),
        ("admin_state_up", "false", "admin_state_up: expected true or false, got 'false'"),
        ("monitor_port", 0, "monitor_port: expected a whole number from 1 to 65535, got 0"),
        ("monitor_port", 65536, "monitor_port: expected a whole number from 1 to 65535, got 65536"),
        ("name", "x" * 256, "name: expected 0 to 255 characters, got 256"),
        ("name", 5, "name: expected text, got 5"),
        ("name", "a\nb", "name: control characters are not allowed, got 'a\\nb'"),
        ("expected_codes", "2xx", "expected_codes: expected codes from 100 to 599 such as 200, "),
        ("expected_codes", "99", "expected_codes: expected codes from 100 to 599 such as 200, "),
        ("expected_codes", 200, "expected_codes: expected text, got 200"),
        ("expected_codes", "200," * 16 + "200", "expected_codes: expected 1 to 64 characters, "),
        ("domain_name", "", "domain_name: expected digits, letters, hyphens and periods, "),
        ("domain_name", "-a.example", "domain_name: expected digits, letters, "),
        ("domain_name", "a_b.example", "domain_name: expected digits, letters, "),
        ("domain_name", "a" * 256, "domain_name: expected at most 255 characters, got 256"),
        ("domain_name", "akik..un.com", "domain_name: expected a host name, got 'akik..un.com'"),
        (
            "url_path",
            "test",
            "url_path: expected a path that starts with / and contains no spaces, ",
        ),
        (
            "url_path",
            "/a b",
            "url_path: expected a path that starts with / and contains no spaces, ",
        ),
        ("url_path", "/" + "a" * 255, "url_path: expected at most 255 characters, got 256"),
        ("http_method", "get", "http_method: expected one of GET, HEAD, POST, PUT, DELETE, "),
        ("http_method", "CONNECT", "http_method: CONNECT cannot be probed, it requests a "),
        ("http_method", "HEAD", "body_regex: the reply to HEAD has no body"),
        ("http_version", True, "http_version: expected one of 1.0, 1.1, got the boolean true"),
        ("http_version", 2, "http_version: expected one of 1.0, 1.1, got 2"),
        ("tags", "a=b", "tags: expected a list"),
        ("tags", ["a" * 256], "tags.0: expected 0 to 255 characters, got 256"),
        ("pool_id", HTTP_ID, f"pool_id: cannot be changed, got '{HTTP_ID}'"),
        ("id", WEB_ID, f"id: cannot be changed, got '{WEB_ID}'"),
        ("project_id", "p2", "project_id: cannot be changed, got 'p2'"),
        ("pools", [], "pools: cannot be changed, got a list"),
        ("delayy", 5, "delayy: unknown field; did you mean 'delay'?"),
        ("operating_status", "ERROR", "operating_status: cannot be changed, got 'ERROR'"),
    ],
)
async def test_a_wrong_field_is_named_with_its_value(
    world: World, edited: Client, field: str, value: object, said: str
) -> None:
    before = world.store.model
    body = {"healthmonitor": {"max_retries": 4, field: value}}
    found = await refused(edited, "PUT", ONE, body)
    assert found.startswith(said)
    assert world.store.model is before


@pytest.mark.parametrize("field", ["max_retries", "delay", "timeout", "url_path", "name"])
async def test_the_ends_of_a_range_are_in_it(world: World, edited: Client, field: str) -> None:
    ends = {
        "max_retries": (1, 10),
        "delay": (1, 60, 86400),
        "timeout": (1, 60, 3600),
        "url_path": ("/", "/" + "a" * 254),
        "name": ("x", "x" * 255),
    }
    for end in ends[field]:
        assert (await change(edited, **{field: end}))[field] == end


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "the body is not valid JSON"),
        (b"{", "the body is not valid JSON"),
        (b"\xff", "the body is not valid JSON"),
        (b"[" * 60000, "the body is not valid JSON"),
        (b"5", "expected an object with one member, 'healthmonitor', got 5"),
        (b"[]", "expected an object with one member, 'healthmonitor', got a list"),
        (b"{}", "expected an object with one member, 'healthmonitor', got a mapping"),
        (
            b'{"healthmonitor": {}, "x": 1}',
            (
                "expected an object with one member, 'healthmonitor', "
                "got the members 'healthmonitor', 'x'"
            ),
        ),
        (b'{"healthmonitor": null}', "healthmonitor: expected a mapping, got nothing"),
        (b'{"healthmonitor": {"delay": NaN}}', "the body is not valid JSON"),
        (b'{"healthmonitor": {"\\ud800": 1}}', "the body is not valid JSON"),
    ],
)
async def test_a_body_that_is_none_is_refused(edited: Client, body: bytes, said: str) -> None:
    async with edited.put(ONE, data=body) as response:
        assert response.status == 400
        assert (await response.json())["faultstring"].startswith(said)


async def test_a_health_monitor_is_deleted_once(world: World, edited: Client) -> None:
    async with edited.delete(ONE) as response:
        assert response.status == 204
        assert await response.read() == b""
    assert "web-http" not in world.store.monitors
    for method in ("GET", "PUT", "DELETE"):
        await refused(edited, method, ONE, {"healthmonitor": {}}, status=404)


async def test_edits_are_refused_where_they_are_off(edited: Client, editor: FakeEditor) -> None:
    editor.locked = "edits are off; server.writable: true turns them on"
    for method, path in (("POST", PATH), ("PUT", ONE), ("DELETE", ONE)):
        body: dict[str, object] = {"healthmonitor": {}}
        assert await refused(edited, method, path, body, status=403) == editor.locked


async def test_an_edit_that_is_lost_with_the_process_says_so(
    edited: Client, editor: FakeEditor
) -> None:
    editor.lasting = False
    async with edited.put(ONE, json={"healthmonitor": {"delay": 2}}) as response:
        assert "server.state_dir" in response.headers["Warning"]


async def test_an_edit_that_is_not_on_disk_says_so(edited: Client, editor: FakeEditor) -> None:
    async with edited.put(ONE, json={"healthmonitor": {"delay": 2}}) as response:
        assert "Warning" not in response.headers
    editor.writes = False
    async with edited.put(ONE, json={"healthmonitor": {"delay": 3}}) as response:
        assert "not stored yet" in response.headers["Warning"]


async def test_another_project_cannot_edit(edited: Client) -> None:
    body = {"healthmonitor": {"delay": 2}}
    await refused(edited, "PUT", f"/v2/p2/elb/healthmonitors/{HTTP_ID}", body, status=404)
    await ask(edited, "PUT", f"/v2/p1/elb/healthmonitors/{HTTP_ID}", body)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
VALUES = SCALARS | st.lists(SCALARS) | st.dictionaries(st.text(), SCALARS)
FIELDS = st.sampled_from([*OCTAVIA, "id", "pool_id", "pools", "project_id", "strange"])


@given(st.dictionaries(FIELDS, VALUES))
def test_whatever_an_update_holds_it_is_taken_or_refused_whole(fields: dict[str, object]) -> None:
    world = World()
    editor = FakeEditor(world, DOCUMENT)
    before, visible = world.store.model, ProjectView(world.store, None)
    monitor, pool = visible.monitor(HTTP_ID)
    try:
        patch = patch_of(fields, FORMAT, visible, monitor, pool)
        asyncio.run(editor.change_monitor(monitor, patch))
    except (Refused, Rejected):
        assert world.store.model is before


@given(st.dictionaries(FIELDS, VALUES), st.sampled_from(list(PROBE_TYPES)))
def test_whatever_a_creation_holds_it_is_taken_or_refused_whole(
    fields: dict[str, object], type_name: str
) -> None:
    world = World()
    editor = FakeEditor(world, DOCUMENT)
    before, visible = world.store.model, ProjectView(world.store, None)
    needed = {"type": type_name, "pool_id": pool_id(world, "spare"), "delay": 1, "timeout": 1}
    try:
        definition, _ = new_monitor({"max_retries": 1, **fields, **needed}, FORMAT, visible)
        asyncio.run(editor.create_monitor(definition))
    except (Refused, Rejected, Conflict):
        assert world.store.model is before
