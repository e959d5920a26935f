"""Edits of health checkers: what they change, what they leave, and what they refuse."""

import asyncio
import json
from base64 import b64encode
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st

from prober.model.monitor import Monitor
from prober.model.option import Complaint, Rejected
from prober.probes import PROBE_TYPES
from prober.web.dialects.oracle import ledger as oracle_ledger
from prober.web.dialects.oracle.checker import LB_CHECKER, NLB_CHECKER
from prober.web.server.request_body import BODY_LIMIT
from tests.web.conftest import Client
from tests.web.dialects.editing import FakeEditor
from tests.web.dialects.oracle.conftest import oracle_world
from tests.web.world import World

WEB = "/20170115/loadBalancers/lb/backendSets/web/healthChecker"
WEB_NLB = "/20200501/networkLoadBalancers/lb/backendSets/web/healthChecker"
DNS = "dns%2Fa%20b%252F"
DNS_NLB = f"/20200501/networkLoadBalancers/lb/backendSets/{DNS}/healthChecker"
SHOWN = {
    "protocol": "HTTP",
    "urlPath": "/healthz",
    "port": 0,
    "returnCode": 200,
    "retries": 3,
    "timeoutInMillis": 2500,
    "intervalInMillis": 7000,
    "responseBodyRegex": "",
    "isForcePlainText": False,
}
NLB_SHOWN = {
    **{name: value for name, value in SHOWN.items() if name != "isForcePlainText"},
    "protocol": "HTTPS",
    "requestData": None,
    "responseData": None,
    "dns": None,
}


async def put(client: Client, path: str, body: object, **headers: str) -> Any:
    """Send an edit and return its answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = await client.put(path, data=content, headers=named)
    await response.read()
    return response


async def refused(client: Client, path: str, body: object, **headers: str) -> tuple[int, str, str]:
    """Send an edit and return status, code and message of its refusal."""
    response = await put(client, path, body, **headers)
    answer = await response.json()
    return response.status, answer["code"], answer["message"]


def web_http(world: World) -> Monitor:
    return world.store.monitors["web-http"]


async def test_a_monitor_is_shown_as_a_health_checker(client: Client) -> None:
    assert await (await client.get(WEB)).json() == SHOWN
    assert await (await client.get(WEB_NLB)).json() == NLB_SHOWN
    assert await (await client.get(DNS_NLB)).json() == {
        "protocol": "UDP",
        "port": 0,
        "retries": 3,
        "timeoutInMillis": 2000,
        "intervalInMillis": 5000,
        "urlPath": None,
        "returnCode": None,
        "responseBodyRegex": None,
        "requestData": "aGk=",
        "responseData": None,
        "dns": None,
    }


@pytest.mark.parametrize(("path", "status"), [(WEB, 204), (WEB_NLB, 202)])
async def test_what_was_got_can_be_put_back_and_changes_nothing(
    world: World, client: Client, editor: FakeEditor, path: str, status: int
) -> None:
    before = web_http(world)
    etag = (await client.get(path)).headers["etag"]
    response = await put(client, path, await (await client.get(path)).json())
    assert (response.status, response.headers["etag"]) == (status, etag)
    assert editor.patches == []
    assert web_http(world) is before


async def test_an_edit_changes_what_it_says_and_leaves_the_rest(
    world: World, client: Client
) -> None:
    before = web_http(world)
    body = {
        "protocol": "HTTP",
        "urlPath": "/x?y=1",
        "port": 8080,
        "returnCode": 204,
        "retries": 5,
        "timeoutInMillis": 3000,
        "intervalInMillis": 10000,
        "responseBodyRegex": "^ok$",
        "isForcePlainText": False,
    }
    assert (await put(client, WEB, body)).status == 204
    assert await (await client.get(WEB)).json() == body
    after = web_http(world)
    kept = ("name", "id", "type", "pool", "rise", "labels", "enabled")
    assert [getattr(after, key) for key in kept] == [getattr(before, key) for key in kept]
    changed: Any = after.probe
    assert changed == replace(
        before.probe,  # type: ignore[type-var]  # every probe is a dataclass
        url_path="/x?y=1",
        expected_codes=changed.expected_codes,
        body_regex="^ok$",
    )
    assert (after.port, after.fall, after.timeout, after.interval) == (8080, 5, 3.0, 10.0)


async def test_a_range_of_codes_survives_unless_another_code_is_asked_for(
    world: World, client: Client
) -> None:
    assert (await put(client, WEB, {**SHOWN, "retries": 9})).status == 204
    probe: Any = web_http(world).probe
    assert probe.expected_codes.written == "200-204,301"
    assert (await put(client, WEB, {**SHOWN, "retries": 9, "returnCode": 301})).status == 204
    probe = web_http(world).probe
    assert probe.expected_codes.written == "301"


async def test_a_monitor_becomes_one_of_a_name_server(world: World, client: Client) -> None:
    query = {"domainName": "a.example", "queryType": "TXT", "rcodes": ["NOERROR", "NXDOMAIN"]}
    assert (await put(client, DNS_NLB, {"protocol": "DNS", "dns": query})).status == 202
    probe: Any = world.store.monitors["dns-udp"].probe
    assert (probe.query_name, probe.query_type, probe.transport) == ("a.example", "TXT", "udp")
    shown = await (await client.get(DNS_NLB)).json()
    assert shown["protocol"] == "DNS"
    assert shown["dns"] == {**query, "transportProtocol": "UDP", "queryClass": "IN"}
    change = {"dns": {**shown["dns"], "transportProtocol": "TCP"}}
    assert (await put(client, DNS_NLB, change)).status == 202
    probe = world.store.monitors["dns-udp"].probe
    assert (probe.transport, probe.expected_rcodes) == ("tcp", ("NOERROR", "NXDOMAIN"))


async def test_a_name_server_is_asked_for_a_name(client: Client) -> None:
    assert await refused(client, WEB_NLB, {"protocol": "DNS"}) == (
        *(400, "MissingParameter"),
        "missing dns",
    )


async def test_a_query_over_tls_stays_one_whatever_else_changes(
    world: World, client: Client, editor: FakeEditor
) -> None:
    keys = {"type": "DNS", "query_name": "a.example", "query_type": "SOA", "transport": "tls"}
    await editor.change_monitor(world.store.monitors["dns-udp"], keys)
    shown = await (await client.get(DNS_NLB)).json()
    assert shown["dns"]["transportProtocol"] == "TCP"
    body = {**shown, "dns": {**shown["dns"], "domainName": "b.example"}}
    assert (await put(client, DNS_NLB, body)).status == 202
    probe: Any = world.store.monitors["dns-udp"].probe
    assert (probe.query_name, probe.query_type, probe.transport) == ("b.example", "SOA", "tls")


async def test_an_interval_that_oracle_does_not_know_survives(
    world: World, client: Client, editor: FakeEditor
) -> None:
    await editor.change_monitor(web_http(world), {"interval": 0.5})
    shown = {**SHOWN, "intervalInMillis": 500}
    assert await (await client.get(WEB)).json() == shown
    assert (await put(client, WEB, {**shown, "retries": 9})).status == 204
    assert web_http(world).interval == 0.5
    message = "intervalInMillis: expected a whole number from 1000 to 1800000, got 600"
    assert await refused(client, WEB, {**shown, "intervalInMillis": 600}) == (
        400,
        "InvalidParameter",
        message,
    )


async def test_port_0_and_an_empty_pattern_remove_them(world: World, client: Client) -> None:
    assert (await put(client, WEB, {**SHOWN, "port": 81, "responseBodyRegex": ".*"})).status == 204
    assert web_http(world).port == 81
    assert (await put(client, WEB, SHOWN)).status == 204
    probe: Any = web_http(world).probe
    assert (web_http(world).port, probe.body_regex) == (None, None)


@pytest.mark.parametrize(
    ("body", "type_name"),
    [
        ({"protocol": "HTTP"}, "HTTPS"),
        ({"protocol": "HTTP", "isForcePlainText": False}, "HTTPS"),
        ({"protocol": "HTTP", "isForcePlainText": True}, "HTTP"),
        ({"protocol": "TCP"}, "TCP"),
    ],
)
async def test_the_protocol_of_the_load_balancer_service(
    world: World, client: Client, body: dict[str, object], type_name: str
) -> None:
    plain = {name: value for name, value in SHOWN.items() if name != "isForcePlainText"}
    assert (await put(client, WEB, {**plain, **body})).status == 204
    after = web_http(world)
    assert (after.type, after.rise, after.labels) == (type_name, 4, {"rack": "r1"})
    probe: Any = after.probe
    if type_name != "TCP":
        assert probe.expected_codes.written == "200-204,301"
        assert "X-Token" in probe.headers


async def test_a_set_that_was_tcp_takes_what_http_needs(world: World, client: Client) -> None:
    assert (await put(client, WEB, {**SHOWN, "protocol": "TCP"})).status == 204
    body = {**SHOWN, "urlPath": "/y", "responseBodyRegex": "y"}
    assert await (await client.get(WEB)).json() == {**SHOWN, "protocol": "TCP", "urlPath": None}
    assert (await put(client, WEB, body)).status == 204
    probe: Any = web_http(world).probe
    assert web_http(world).type == "HTTP"
    assert (probe.url_path, probe.body_regex) == ("/y", "y")
    assert probe.expected_codes.written == "200"


@pytest.mark.parametrize("type_name", ["TLS", "GRPC"])
async def test_a_type_that_oracle_does_not_know_survives(
    world: World, client: Client, editor: FakeEditor, type_name: str
) -> None:
    await editor.change_monitor(web_http(world), {"type": type_name, "expected_codes": None})
    shown = await (await client.get(WEB)).json()
    assert shown["protocol"] == "TCP"
    assert (await put(client, WEB, {**shown, "retries": 9})).status == 204
    assert (web_http(world).type, web_http(world).fall) == (type_name, 9)


@pytest.mark.parametrize(
    ("protocol", "type_name"),
    [("HTTP", "HTTP"), ("HTTPS", "HTTPS"), ("TCP", "TCP"), ("UDP", "UDP_CONNECT")],
)
async def test_the_protocol_of_the_network_load_balancer_service(
    world: World, client: Client, protocol: str, type_name: str
) -> None:
    assert (await put(client, WEB_NLB, {"protocol": protocol})).status == 202
    assert web_http(world).type == type_name
    assert (await (await client.get(WEB_NLB)).json())["protocol"] == protocol


async def test_payloads_of_the_network_load_balancer_service(world: World, client: Client) -> None:
    body = {"requestData": b64encode(b"\x00\xff").decode(), "responseData": "b2s="}
    assert (await put(client, DNS_NLB, body)).status == 202
    probe: Any = world.store.monitors["dns-udp"].probe
    assert (probe.send, probe.expect) == (b"\x00\xff", b"ok")
    assert (await put(client, DNS_NLB, {"requestData": "", "retries": 9})).status == 202
    probe = world.store.monitors["dns-udp"].probe
    assert (probe.send, probe.expect) == (None, b"ok")


@pytest.mark.parametrize(
    ("path", "change", "message"),
    [
        (WEB, {"port": -1}, "port: expected a whole number from 0 to 65535, got -1"),
        (WEB, {"port": "80"}, "port: expected a whole number from 0 to 65535, got '80'"),
        (WEB, {"port": 80.5}, "port: expected a whole number from 0 to 65535, got 80.5"),
        (WEB, {"port": False}, "port: expected a whole number from 0 to 65535, got the boolean "),
        (WEB, {"retries": 0}, "retries: expected a whole number from 1 to 100, got 0"),
        (WEB, {"timeoutInMillis": 49}, "timeoutInMillis: expected a whole number from 50 to "),
        (WEB, {"returnCode": 99}, "returnCode: expected a whole number from 100 to 599, got 99"),
        (WEB, {"protocol": "HTTPS"}, "protocol: expected one of HTTP, TCP, got 'HTTPS'; did you "),
        (WEB, {"protocol": ["TCP"]}, "protocol: expected one of HTTP, TCP, got a list"),
        (
            WEB,
            {"urlPath": "x"},
            "urlPath: expected a path that starts with / and contains no spaces",
        ),
        (WEB, {"urlPath": "/a b"}, "urlPath: expected a path that starts with / and contains no "),
        (WEB, {"responseBodyRegex": "("}, "responseBodyRegex: not a regular expression: missing )"),
        (WEB, {"responseBodyRegex": 1}, "responseBodyRegex: expected a regular expression, got 1"),
        (
            WEB,
            {"responseBodyRegex": "a{999999}"},
            "responseBodyRegex: expected a regular expression ",
        ),
        (WEB, {"isForcePlainText": 1}, "isForcePlainText: expected true or false, got 1"),
        (WEB, {"retrys": 1}, "retrys: unknown key; did you mean 'retries'?"),
        (WEB, {"dns": {}}, "dns: unknown key"),
        (WEB, {"port": -1, "retries": "x"}, "port: expected a whole number from 0 to 65535, got "),
        (WEB_NLB, {"protocol": "SCTP"}, "protocol: expected one of HTTP, HTTPS, TCP, UDP, DNS"),
        (
            WEB_NLB,
            {"protocol": "tcp"},
            "protocol: expected one of HTTP, HTTPS, TCP, UDP, DNS, got 'tcp'",
        ),
        (WEB_NLB, {"dns": {"domainName": 1}}, "dns.domainName: expected a domain name"),
        (WEB_NLB, {"dns": {"queryType": "A"}}, "dns.domainName: missing"),
        (WEB_NLB, {"dns": {"domainName": "x", "what": 1}}, "dns.what: unknown key"),
        (WEB_NLB, {"dns": {"domainName": "x", "rcodes": "OK"}}, "dns.rcodes: expected a list"),
        (WEB_NLB, {"requestData": "aGk="}, "requestData: does not apply to HTTPS, got 'aGk='"),
        (WEB_NLB, {"isForcePlainText": True}, "isForcePlainText: unknown key"),
        (DNS_NLB, {"requestData": "!"}, "requestData: expected text in base64, got '!'"),
        (DNS_NLB, {"requestData": 1}, "requestData: expected text in base64, got 1"),
        (DNS_NLB, {"responseData": "é"}, "responseData: expected text in base64, got 'é'"),
        (
            DNS_NLB,
            {"responseData": b64encode(b"x" * 1025).decode()},
            "responseData: expected at most 1024 bytes, got 1025",
        ),
    ],
)
async def test_a_value_that_cannot_be_is_refused_and_nothing_is_changed(
    world: World, client: Client, path: str, change: dict[str, object], message: str
) -> None:
    model = world.store.model
    body = {**(SHOWN if path is WEB else {}), "retries": 7, **change}
    status, code, found = await refused(client, path, body)
    assert (status, code) == (400, "InvalidParameter")
    assert found.startswith(message)
    assert world.store.model is model


async def test_all_that_is_wrong_is_told_at_once(client: Client) -> None:
    _, _, message = await refused(client, WEB, {**SHOWN, "port": -1, "retries": "x"})
    assert [part.split(":")[0] for part in message.split("; ")] == ["port", "retries"]


async def test_many_unknown_members_are_not_all_told(client: Client) -> None:
    body = {f"{'x' * 200}{number}": 0 for number in range(100)}
    _, _, message = await refused(client, WEB, body)
    assert message == "; ".join([f"{'x' * 100}: unknown key"] * 10)


@pytest.mark.parametrize("name", [n for n, member in LB_CHECKER.members.items() if member.required])
@pytest.mark.parametrize("absent", [True, False], ids=["absent", "null"])
async def test_the_load_balancer_service_requires_most_members(
    client: Client, name: str, absent: bool
) -> None:
    body = {key: value for key, value in SHOWN.items() if key != name}
    body |= {} if absent else {name: None}
    assert await refused(client, WEB, body) == (400, "MissingParameter", f"missing {name}")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b'{"port": NaN}',
        b'{"port": 1e999}',
        b'{"urlPath": "/\\ud800"}',
        b"[" * 30000,
        b'{"port": ' + b"9" * 5000 + b"}",
        b"[]",
        b"null",
        b'"x"',
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(client: Client, body: bytes) -> None:
    status, code, _ = await refused(client, WEB, body)
    assert (status, code) == (400, "CannotParseRequest")


async def test_a_body_that_is_too_large_is_refused(client: Client) -> None:
    body = BytesIO(b" " * (BODY_LIMIT + 1))
    async with client.put(WEB, data=body) as answer:
        assert (answer.status, (await answer.json())["code"]) == (413, "PayloadTooLarge")


async def test_what_the_configuration_does_not_allow_is_said_in_oracles_words(
    world: World, client: Client, editor: FakeEditor
) -> None:
    await editor.change_monitor(web_http(world), {"http_method": "HEAD"})
    model = world.store.model
    assert await refused(client, WEB, {**SHOWN, "responseBodyRegex": "x"}) == (
        400,
        "InvalidParameter",
        "responseBodyRegex: the reply to HEAD has no body",
    )
    assert world.store.model is model


def test_a_complaint_about_a_key_that_oracle_has_no_word_for_keeps_its_name() -> None:
    rejected = Rejected(Complaint(("tls", "ca_file"), "no"), Complaint((), "so"))
    assert str(NLB_CHECKER.refusal(rejected)) == "tls.ca_file: no; so"


async def test_an_edit_where_edits_are_off_is_not_authorized(
    world: World, client: Client, editor: FakeEditor
) -> None:
    editor.locked = "edits are off: set server.writable"
    assert await refused(client, WEB, SHOWN) == (403, "NotAuthorized", editor.locked)
    async with TestClient(TestServer(world.app())) as other:
        assert (await refused(other, WEB, SHOWN))[:2] == (403, "NotAuthorized")


async def test_an_edit_that_does_not_last_says_so(client: Client, editor: FakeEditor) -> None:
    editor.lasting = False
    assert "is lost" in (await put(client, WEB, SHOWN)).headers["Warning"]


async def test_an_edit_of_another_version_is_refused(
    world: World, client: Client, editor: FakeEditor
) -> None:
    etag = (await client.get(WEB)).headers["etag"]
    first = await put(client, WEB, {**SHOWN, "retries": 7}, if_match=etag)
    assert first.status == 204
    assert first.headers["etag"] != etag
    status, code, _ = await refused(client, WEB, {**SHOWN, "retries": 8}, if_match=etag)
    assert (status, code) == (412, "NoEtagMatch")
    assert web_http(world).fall == 7
    again = await put(client, WEB, {**SHOWN, "retries": 8}, if_match=first.headers["etag"])
    assert again.status == 204


class _Interfering(FakeEditor):
    """Another edit comes first, each time."""

    async def change_monitor(self, monitor: Monitor, patch: Any) -> Monitor:
        await super().change_monitor(monitor, {"rise": monitor.rise + 1})
        return await super().change_monitor(monitor, patch)


async def test_an_edit_that_another_one_overtook_is_a_conflict(
    world: World, client: Client, editor: FakeEditor
) -> None:
    editor.__class__ = _Interfering
    status, code, message = await refused(client, WEB, {**SHOWN, "retries": 7})
    assert (status, code) == (409, "IncorrectState")
    assert message == "monitor 'web-http' was changed meanwhile"
    assert web_http(world).fall == 3


async def test_a_repeated_token_does_not_edit_again(
    world: World, client: Client, editor: FakeEditor
) -> None:
    etag = (await client.get(WEB)).headers["etag"]
    body = {**SHOWN, "retries": 7}
    first = await put(client, WEB, body, opc_retry_token="t", if_match=etag)
    await editor.change_monitor(web_http(world), {"fall": 9})
    again = await put(client, WEB, body, opc_retry_token="t", if_match=etag)
    assert (first.status, again.status) == (204, 204)
    assert first.headers["opc-work-request-id"] == again.headers["opc-work-request-id"]
    assert web_http(world).fall == 9
    other = await put(client, WEB, body, opc_retry_token="u")
    assert other.headers["opc-work-request-id"] != first.headers["opc-work-request-id"]
    assert web_http(world).fall == 7


async def test_a_token_of_another_request_is_refused(client: Client) -> None:
    assert (await put(client, WEB, SHOWN, opc_retry_token="t")).status == 204
    for path, body in ((WEB, {**SHOWN, "retries": 7}), (WEB.replace("web", DNS), SHOWN)):
        status, code, message = await refused(client, path, body, opc_retry_token="t")
        assert (status, code) == (409, "InvalidatedRetryToken")
        assert message == "opc-retry-token 't' was used for a different request"


async def test_a_token_of_an_edit_that_failed_may_be_used_again(
    world: World, client: Client
) -> None:
    assert (await refused(client, WEB, {**SHOWN, "port": -1}, opc_retry_token="t"))[0] == 400
    assert (await put(client, WEB, {**SHOWN, "retries": 7}, opc_retry_token="t")).status == 204
    assert web_http(world).fall == 7


async def test_a_token_is_forgotten_after_a_day(world: World, client: Client) -> None:
    first = await put(client, WEB, SHOWN, opc_retry_token="t")
    world.wait(86401)
    again = await put(client, WEB, SHOWN, opc_retry_token="t")
    assert again.headers["opc-work-request-id"] != first.headers["opc-work-request-id"]


@pytest.mark.parametrize("token", ["", "x" * 65])
async def test_a_token_has_at_most_64_characters(client: Client, token: str) -> None:
    assert await refused(client, WEB, SHOWN, opc_retry_token=token) == (
        400,
        "InvalidParameter",
        f"opc-retry-token: expected 1 to 64 characters, got {len(token)}",
    )


async def test_a_token_whose_edit_is_under_way_is_to_be_sent_later() -> None:
    ledger, started, go = oracle_ledger.Ledger(), asyncio.Event(), asyncio.Event()
    work = oracle_ledger.WorkRequest(
        "w", oracle_ledger.Work.UPDATE_SET, "lb", "c1", "web", 0.0, 0.0
    )

    async def edit() -> oracle_ledger.WorkRequest:
        started.set()
        await go.wait()
        return work

    first = asyncio.create_task(ledger.once("t", "r", 0.0, edit))
    await started.wait()
    with pytest.raises(Exception, match="in progress"):
        await ledger.once("t", "r", 0.0, edit)
    go.set()
    assert await first is work
    assert await ledger.once("t", "r", 0.0, edit) is work


async def test_only_so_many_edits_are_remembered() -> None:
    ledger, kept = oracle_ledger.Ledger(), oracle_ledger.KEPT

    async def edit() -> oracle_ledger.WorkRequest:
        return oracle_ledger.WorkRequest(
            f"w{number}", oracle_ledger.Work.UPDATE_SET, "lb", "c1", "web", 0.0, 0.0
        )

    for number in range(kept + 5):
        await ledger.once(f"t{number}", "r", 0.0, edit)
    assert ledger.find("w4") is None
    assert ledger.find("w5")
    assert len(list(ledger)) == len(ledger._uses) == kept


async def test_an_edit_is_a_work_request_that_succeeded(world: World, client: Client) -> None:
    first = (await put(client, WEB, SHOWN)).headers["opc-work-request-id"]
    work = await (await client.get(f"/20170115/loadBalancerWorkRequests/{first}")).json()
    assert (work["id"], work["loadBalancerId"], work["lifecycleState"]) == (
        first,
        "lb",
        "SUCCEEDED",
    )
    for balancer, ids in (("lb", [first]), ("other", [])):
        path = f"/20170115/loadBalancers/{balancer}/workRequests"
        assert [each["id"] for each in await (await client.get(path)).json()] == ids
    second = (await put(client, WEB_NLB, {"retries": 7})).headers["opc-work-request-id"]
    work = await (await client.get(f"/20200501/workRequests/{second}")).json()
    assert (work["id"], work["status"], work["percentComplete"]) == (second, "SUCCEEDED", 100.0)
    for compartment, ids in (("c1", [second]), ("c2", [])):
        path = f"/20200501/workRequests?compartmentId={compartment}"
        assert [each["id"] for each in (await (await client.get(path)).json())["items"]] == ids


NAMES = sorted({*LB_CHECKER.members, *NLB_CHECKER.members, "other"})
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2_000_000)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["HTTP", "HTTPS", "TCP", "UDP", "DNS", "/", "^ok$", "aGk=", "200"])
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(), st.integers(), max_size=2)
)
BODIES = st.dictionaries(st.sampled_from(NAMES), VALUES) | VALUES


@given(bodies=st.lists(st.tuples(st.booleans(), st.booleans(), BODIES), min_size=1, max_size=6))
async def test_whatever_is_put_is_done_or_refused_and_never_half_done(
    bodies: list[tuple[bool, bool, object]],
) -> None:
    world = World()
    editor = oracle_world(world)
    async with TestClient(TestServer(world.app(editor=editor))) as client:
        for is_nlb, is_full, body in bodies:
            path = WEB_NLB if is_nlb else WEB
            shown = await (await client.get(path)).json()
            if is_full and isinstance(body, dict):
                body = {**shown, **body}  # noqa: PLW2901  (what a client would send)
            model = world.store.model
            response = await put(client, path, body)
            if response.status < 300:
                assert isinstance(body, dict)
                now = await (await client.get(path)).json()
                wanted = {**shown, **{k: v for k, v in body.items() if v is not None}}
                for name in ("port", "retries", "timeoutInMillis", "intervalInMillis"):
                    assert now[name] == wanted[name]
                assert web_http(world).type in PROBE_TYPES
            else:
                assert response.status == 400
                assert (await response.json()).keys() == {"code", "message"}
                assert world.store.model is model
