"""The native API: what each route answers."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from prober.model.delay import Delay
from prober.model.file_kinds import Secret
from prober.model.kernel_view import KernelView
from prober.model.kinds import Frozen
from prober.model.pool import Backend, Pool
from prober.model.status import FactValue, Reason
from prober.model.tls_settings import TlsSettings
from prober.probes.http import HttpProbe, HttpsProbe
from prober.probes.tcp import TcpProbe
from tests.web.conftest import Client
from tests.web.world import HOSTILE, NOW, World, backends, monitor

ONE = "10.0.0.1:80"
TWO = "10.0.0.2:80"
SIX = "[2001:db8::7]:80"


async def get(client: Client, path: str, status: int = 200) -> Any:
    """Return a JSON answer, with no number in it that JSON does not know."""
    response = await client.get(path)
    text = await response.text()
    assert response.status == status, text
    assert response.content_type == "application/json"
    return json.loads(text, parse_constant=pytest.fail)


async def test_a_new_check_has_no_last_result_and_is_neither_online_nor_offline(
    world: World, client: Client
) -> None:
    world.configure(monitor("web", ONE, labels=Frozen(team="a")))
    assert (await get(client, "/api/v1/checks"))["checks"] == [
        {
            "monitor": "web",
            "pool": "web",
            "load_balancer": "default",
            "backend": ONE,
            "backend_name": None,
            "type": "HTTP",
            "status": "UNKNOWN",
            "online": None,
            "streak": 0,
            "rise": 2,
            "fall": 3,
            "worst_case_detection_seconds": 13.0,
            "since": NOW,
            "next_probe_at": None,
            "labels": {"team": "a"},
            "admin": None,
            "last": None,
        }
    ]


async def test_a_result_shows_its_phases_and_what_its_type_found(
    world: World, client: Client
) -> None:
    world.configure(monitor("web", ONE))
    facts: dict[str, FactValue] = {
        "http_status_code": 503,
        "tls_not_after": 1_900_000_000.0,
        "tls_version": "TLSv1.3",
    }
    phases = (None, 0.001, 0.0123456789, None, 0.5, None)
    world.record(
        "web", ONE, Reason.UNEXPECTED_STATUS, facts=facts, phases=phases, detail="HTTP 503"
    )
    [check] = (await get(client, "/api/v1/checks"))["checks"]
    assert check["last"] == {
        "result": "INVALID_STATUS_CODE",
        "reason": "unexpected_status",
        "detail": "HTTP 503",
        "at": NOW,
        "duration_seconds": 0.125,
        "phases": {"connect": 0.001, "tls": 0.012346, "first_byte": 0.5},
        "source_ip": None,
        "attempts_skipped": 0,
        "http_status_code": 503,
        "tls_not_after": "2030-03-17T17:46:40.000Z",
        "tls_version": "TLSv1.3",
    }


async def test_a_failure_shows_what_the_kernel_knows_and_nothing_else(
    world: World, client: Client
) -> None:
    world.configure(monitor("web", ONE))
    for kernel, shown in (
        (KernelView(3, 2), {"syn_sent": 3, "retransmits": 2}),
        (
            KernelView(1, 0, 0.0123, 0, "192.0.2.254"),
            {
                "syn_sent": 1,
                "retransmits": 0,
                "rtt_seconds": 0.0123,
                "unacked": 0,
                "reported_by": "192.0.2.254",
            },
        ),
    ):
        world.record("web", ONE, Reason.TIMEOUT, kernel=kernel)
        [check] = (await get(client, "/api/v1/checks"))["checks"]
        assert check["last"]["kernel"] == shown
    world.record("web", ONE)
    [check] = (await get(client, "/api/v1/checks"))["checks"]
    assert "kernel" not in check["last"]


@pytest.mark.parametrize(
    ("reason", "times", "shown"),
    [
        (Reason.OK, 1, (None, 1, "UNKNOWN")),
        (Reason.OK, 2, (True, 2, "OK")),
        (Reason.REFUSED, 2, (None, -2, "UNKNOWN")),
        (Reason.REFUSED, 3, (False, -3, "CRITICAL")),
        (Reason.NO_ROUTE, 3, (None, 0, "UNKNOWN")),
    ],
)
async def test_online_and_streak_follow_rise_and_fall(
    world: World,
    client: Client,
    reason: Reason,
    times: int,
    shown: tuple[bool | None, int, str],
) -> None:
    world.configure(monitor("web", ONE))
    world.record("web", ONE, reason, times=times)
    check = await get(client, f"/api/v1/checks/web/{ONE}")
    assert (check["online"], check["streak"], check["status"]) == shown


async def test_a_disabled_check_says_so_and_nothing_else(world: World, client: Client) -> None:
    world.configure(monitor("web", ONE))
    world.record("web", ONE, times=2)
    world.configure(monitor("web", ONE, enabled=False))
    state = world.store.get(("web", ONE))
    assert state is not None
    state.next_due = 1001.0
    check = await get(client, f"/api/v1/checks/web/{ONE}")
    assert check["last"] == {"result": "UNKNOWN", "reason": "disabled"}
    assert (check["status"], check["online"], check["next_probe_at"]) == ("UNKNOWN", None, None)
    assert check["explain"] == "disabled: not probed"


async def test_the_next_probe_is_told_in_wall_time(world: World, client: Client) -> None:
    world.configure(monitor("web", ONE))
    state = world.store.get(("web", ONE))
    assert state is not None
    state.next_due = world.clock + 1.5
    check = await get(client, f"/api/v1/checks/web/{ONE}")
    assert check["next_probe_at"] == "2027-01-15T08:00:01.750Z"
    assert check["explain"].endswith("; next probe in 1.5 s")


async def test_a_check_in_full_has_its_last_hundred_results_newest_first(
    world: World, client: Client
) -> None:
    world.configure(monitor("web", ONE, type="GRPC"))
    world.record("web", ONE, Reason.REFUSED, times=98)
    world.record("web", ONE, facts={"http_status_code": 200}, phases=(None, 0.25) + (None,) * 4)
    world.record("web", ONE, Reason.UNEXPECTED_STATUS, facts={"http_status_code": 503})
    world.wall += 1
    world.record("web", ONE, Reason.NOT_SERVING, facts={"grpc_status_code": 0})
    recent = (await get(client, f"/api/v1/checks/web/{ONE}"))["recent"]
    assert len(recent) == 100
    assert [each["detail"] for each in recent[:4]] == [
        "gRPC code 0",
        "HTTP 503",
        "HTTP 200",
        "the target refused the connection",
    ]
    assert recent[0]["grpc_status_code"] == 0
    assert recent[0]["at"] == "2027-01-15T08:00:01.250Z"
    assert recent[1]["http_status_code"] == 503
    assert recent[2] == {
        "result": "OK",
        "reason": "ok",
        "detail": "HTTP 200",
        "at": NOW,
        "duration_seconds": 0.125,
        "phases": {"connect": 0.25},
        "http_status_code": 200,
    }


async def test_explain_says_what_would_change_the_status(world: World, client: Client) -> None:
    world.configure(monitor("web", ONE))
    world.record("web", ONE, Reason.REFUSED, times=3)
    explain = (await get(client, f"/api/v1/checks/web/{ONE}"))["explain"]
    assert (
        explain
        == "offline: 2 more good in a row make it OK; a probe is in flight or not scheduled yet"
    )


async def test_explain_tells_a_stale_check_from_an_online_one(world: World, client: Client) -> None:
    world.configure(monitor("web", ONE))
    world.record("web", ONE, times=2)
    world.clock += 60
    world.record("web", ONE, Reason.NO_ROUTE)
    check = await get(client, f"/api/v1/checks/web/{ONE}")
    assert (check["status"], check["online"]) == ("UNKNOWN", True)
    assert check["explain"].startswith("stale: no conclusive result for 17 s, the next one decides")


@pytest.mark.parametrize("written", [SIX, "[2001:DB8:0:0::7]:80"])
async def test_an_ipv6_backend_is_found_however_it_is_written(
    world: World, client: Client, written: str
) -> None:
    world.configure(monitor("web", SIX))
    for path in (written, quote(written, safe="")):
        assert (await get(client, f"/api/v1/checks/web/{path}"))["backend"] == SIX
        [check] = (await get(client, f"/api/v1/checks?backend={path}"))["checks"]
        assert check["backend"] == SIX


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/checks/web/10.0.0.9:80",
        "/api/v1/checks/no/x",
        "/api/v1/monitors/no",
        "/api/v1/pools/no",
        "/health/pools/no",
    ],
)
async def test_what_does_not_exist_is_not_found(world: World, client: Client, path: str) -> None:
    world.configure(monitor("web", ONE))
    answer = await get(client, path, 404)
    assert answer["code"] == "not_found"
    assert answer["message"].startswith("there is no ")


@pytest.mark.parametrize("name", [HOSTILE, "a/b", "%", "%2F", "a b+c", "{name}", "...", "ü"])
async def test_a_name_may_hold_any_character(world: World, client: Client, name: str) -> None:
    world.configure(monitor(name, ONE))
    path = quote(name, safe="")
    assert (await get(client, f"/api/v1/monitors/{path}"))["name"] == name
    assert (await get(client, f"/api/v1/pools/{path}"))["name"] == name
    assert (await get(client, f"/api/v1/checks/{path}/{ONE}"))["monitor"] == name
    assert (await get(client, f"/health/pools/{path}", 503))["pool"] == name
    assert len((await get(client, f"/api/v1/checks?monitor={path}&pool={path}"))["checks"]) == 1


async def test_filters_mean_or_within_one_and_and_between_them(
    world: World, client: Client
) -> None:
    world.configure(monitor("a", ONE, TWO), monitor("b", ONE, TWO), monitor("c", ONE))
    world.record("a", ONE, times=2)
    world.record("b", ONE, Reason.REFUSED, times=3)

    async def found(query: str) -> list[tuple[str, str]]:
        checks = (await get(client, f"/api/v1/checks?{query}"))["checks"]
        return [(check["monitor"], check["backend"]) for check in checks]

    assert await found("") == [("a", ONE), ("a", TWO), ("b", ONE), ("b", TWO), ("c", ONE)]
    assert await found("status=OK&status=CRITICAL") == [("a", ONE), ("b", ONE)]
    assert await found("status=UNKNOWN&monitor=a") == [("a", TWO)]
    assert await found(f"backend={ONE}&pool=b&pool=c") == [("b", ONE), ("c", ONE)]
    assert await found("monitor=nobody") == []


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "status=ok",
            (
                "parameter 'status': expected one of OK, WARNING, CRITICAL, UNKNOWN, got 'ok'; "
                "did you mean 'OK'?"
            ),
        ),
        ("limit=0", "parameter 'limit': expected a whole number from 1 to 1000, got '0'"),
        ("limit=1001", "parameter 'limit': expected a whole number from 1 to 1000, got '1001'"),
        ("limit=-1", "parameter 'limit': expected a whole number from 1 to 1000, got '-1'"),
        ("limit=", "parameter 'limit': expected a whole number from 1 to 1000, got ''"),
        ("limit=%D9%A1", "parameter 'limit': expected a whole number from 1 to 1000, got '\u0661'"),
        ("limit=1&limit=2", "parameter 'limit' is given 2 times"),
        ("statsu=OK", "unknown parameter 'statsu'; did you mean 'status'?"),
        (
            "backend=10.0.0.1:",
            (
                "parameter 'backend': expected host:port, with an IPv6 address in brackets, "
                "got '10.0.0.1:'"
            ),
        ),
        (
            "marker=x",
            "parameter 'marker': expected the next_marker of an earlier answer, got 'x'",
        ),
        (
            "marker=WzFd",
            "parameter 'marker': expected the next_marker of an earlier answer, got 'WzFd'",
        ),
    ],
)
async def test_a_wrong_parameter_is_named_with_its_value(
    client: Client, query: str, message: str
) -> None:
    answer = await get(client, f"/api/v1/checks?{query}", 400)
    assert answer == {"code": "bad_request", "message": message}


@pytest.mark.parametrize("marker", ["WyJ" * 2000, "W1tb" * 1500, "bnVsbA", "%FF", "é", "MWUzOTk"])
async def test_no_marker_whatever_it_holds_breaks_the_prober(client: Client, marker: str) -> None:
    await get(client, f"/api/v1/checks?marker={marker}", 400)
    await get(client, f"/api/v1/events?marker={marker}", 400)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/status",
        "/api/v1/monitors",
        "/api/v1/monitors/web",
        "/api/v1/pools",
        "/api/v1/pools/web",
        "/api/v1/checks/web/10.0.0.1:80",
        "/api/v1/events",
        "/api/v1/events/stream",
        "/api/v1/openapi.json",
        "/health/pools/web",
    ],
)
async def test_every_route_refuses_parameters_that_it_does_not_know(
    world: World, client: Client, path: str
) -> None:
    world.configure(monitor("web", ONE))
    answer = await get(client, f"{path}?nonsense=1", 400)
    assert answer["message"].startswith("unknown parameter 'nonsense'")


async def test_paging_goes_to_the_end_while_checks_come_and_go(
    world: World, client: Client
) -> None:
    keys = [f"10.0.0.{number}:80" for number in range(10, 20)]
    world.configure(monitor("web", *keys))
    seen: list[str] = []
    path = "/api/v1/checks?limit=3"
    answer = await get(client, path)
    seen += [check["backend"] for check in answer["checks"]]
    gone = {seen[-1], "10.0.0.14:80"}  # the very one that the marker names, and one to come
    rest = [key for key in keys if key not in gone]
    world.configure(monitor("web", *rest, "10.0.0.11:81", "10.0.0.99:80"))
    while answer["next_marker"]:
        answer = await get(client, f"{path}&marker={answer['next_marker']}")
        seen += [check["backend"] for check in answer["checks"]]
    assert seen == [*keys[:4], *keys[5:], "10.0.0.99:80"]


async def test_a_page_that_is_just_full_is_the_last(world: World, client: Client) -> None:
    world.configure(monitor("web", ONE, TWO))
    assert (await get(client, "/api/v1/checks?limit=2"))["next_marker"] is None


async def test_the_overview_counts_enabled_checks_and_sums_up(world: World, client: Client) -> None:
    world.configure(
        monitor("a", ONE, TWO),
        monitor("b", pool="p"),
        monitor("off", ONE, enabled=False),
        pools=(Pool(name="p", load_balancer="lb", backends=backends(ONE)),),
    )
    world.record("a", ONE, times=2)
    world.record("b", ONE, Reason.REFUSED, times=3)
    world.vitals.config_hash = "abc"
    world.vitals.loop_lag = 0.001
    assert await get(client, "/api/v1/status") == {
        "status": "CRITICAL",
        "counts": {"OK": 1, "WARNING": 0, "CRITICAL": 1, "UNKNOWN": 1},
        "load_balancers": [
            {"name": "lb", "status": "CRITICAL"},
            {"name": "default", "status": "WARNING"},
        ],
        "pools": [
            {
                "name": "p",
                "load_balancer": "lb",
                "status": "CRITICAL",
                "counts": {"OK": 0, "WARNING": 0, "CRITICAL": 1, "UNKNOWN": 0},
            },
            {
                "name": "a",
                "load_balancer": "default",
                "status": "WARNING",
                "counts": {"OK": 1, "WARNING": 0, "CRITICAL": 0, "UNKNOWN": 1},
            },
            {
                "name": "off",
                "load_balancer": "default",
                "status": "UNKNOWN",
                "counts": {"OK": 0, "WARNING": 0, "CRITICAL": 0, "UNKNOWN": 0},
            },
        ],
        "prober": {
            "name": "here",
            "version": "1.2.3",
            "started_at": "2027-01-15T07:59:00.250Z",
            "config_hash": "abc",
            "checks": 4,
            "probes_in_flight": 0,
            "loop_lag_seconds": 0.001,
            "overloaded": False,
            "overload": None,
            "state_trouble": None,
        },
    }


async def test_with_nothing_configured_every_list_is_empty(client: Client) -> None:
    assert (await get(client, "/api/v1/status"))["status"] == "UNKNOWN"
    assert await get(client, "/api/v1/checks") == {"next_marker": None, "checks": []}
    assert await get(client, "/api/v1/events") == {"next_marker": None, "events": []}
    assert await get(client, "/api/v1/monitors") == {"monitors": []}
    assert await get(client, "/api/v1/pools") == {"pools": []}


async def test_a_monitor_shows_its_effective_configuration_without_secrets(
    world: World, client: Client
) -> None:
    headers = Frozen(Authorization=Secret("Bearer s3cr3t", masked=True))
    world.configure(
        monitor("web", ONE, probe=HttpProbe(headers=headers)),
        monitor("tls", pool="web", type="HTTPS", probe=HttpsProbe(tls=TlsSettings(verify=True))),
        monitor("tcp", pool="web", type="TCP", probe=TcpProbe(send=b"\x00")),
    )
    response = await client.get("/api/v1/monitors")
    assert "s3cr3t" not in await response.text()
    web, tls, tcp = (await response.json())["monitors"]
    assert web["headers"] == {"Authorization": "<secret>"}
    assert web["targets"] == [
        {
            "address": "10.0.0.1",
            "port": 80,
            "labels": {},
            "enabled": True,
            "weight": 1,
            "backup": False,
        }
    ]
    assert "pool" not in web
    assert (web["fast_interval"], web["expected_codes"]) == (1.0, "200")
    assert tls["pool"] == "web"
    assert "targets" not in tls
    assert tls["tls"]["verify"] is True
    assert tcp["send"] == {"hex": "00"}
    assert await get(client, "/api/v1/monitors/web") == web


async def test_a_pool_shows_its_backends_with_their_checks(world: World, client: Client) -> None:
    named = Backend(address="10.0.0.2", port=80, name="two")
    pool = Pool(name="p", backends=(*backends(ONE), named))
    world.configure(monitor("a", pool="p"), monitor("off", pool="p", enabled=False), pools=(pool,))
    world.record("a", ONE, times=2)
    answer = await get(client, "/api/v1/pools/p")
    off = {"monitor": "off", "type": "HTTP", "status": "UNKNOWN"}
    assert answer["backends"] == [
        {
            "backend": ONE,
            "name": None,
            "status": "OK",
            "admin": None,
            "checks": [{"monitor": "a", "type": "HTTP", "status": "OK"}, off],
        },
        {
            "backend": TWO,
            "name": "two",
            "status": "UNKNOWN",
            "admin": None,
            "checks": [{"monitor": "a", "type": "HTTP", "status": "UNKNOWN"}, off],
        },
    ]
    assert (answer["status"], answer["id"]) == ("WARNING", pool.id)
    assert answer["counts"] == {"OK": 1, "WARNING": 0, "CRITICAL": 0, "UNKNOWN": 1}
    assert await get(client, "/api/v1/pools") == {"pools": [answer]}


async def test_events_come_newest_first_with_both_statuses_and_the_cause(
    world: World, client: Client
) -> None:
    world.configure(monitor("web", ONE))
    world.record("web", ONE, times=2)
    world.record("web", ONE, Reason.REFUSED)
    newest, oldest = (await get(client, "/api/v1/events"))["events"]
    assert newest == {
        "id": 2,
        "kind": "transition",
        "at": NOW,
        "monitor": "web",
        "pool": "web",
        "backend": ONE,
        "from": "OK",
        "to": "WARNING",
        "result": "CONNECT_FAILED",
        "reason": "refused",
        "cause": "1 bad in a row, last CONNECT_FAILED (refused): the target refused the connection",
    }
    assert (oldest["id"], oldest["from"], oldest["to"]) == (1, "UNKNOWN", "OK")


def flap(world: World, times: int) -> None:
    """Make events, one a second."""
    world.configure(monitor("web", ONE, rise=1, fall=1))
    for number in range(times):
        world.wall += 1
        world.record("web", ONE, Reason.REFUSED if number % 2 else Reason.OK)


@pytest.mark.parametrize(
    ("since", "ids"),
    [
        ("3", [5, 4]),
        ("0", [5, 4, 3, 2, 1]),
        ("99", []),
        ("2027-01-15T08:00:04.250Z", [5, 4]),
        ("2027-01-15T09:00:04.250%2B01:00", [5, 4]),
        ("2027-01-15T09:00:04.250+01:00", [5, 4]),
        ("2028-01-01T00:00:00Z", []),
    ],
)
async def test_since_is_an_event_or_a_time(
    world: World, client: Client, since: str, ids: list[int]
) -> None:
    flap(world, 5)
    response = await client.get(f"/api/v1/events?since={since}")
    assert [event["id"] for event in (await response.json())["events"]] == ids


@pytest.mark.parametrize(
    "since",
    [
        "",
        "-1",
        "yesterday",
        "2027-01-15T08:00:00",
        "2027-01-15",
        "9" * 19,
        "2027-13-01T00:00:00Z",
    ],
)
async def test_a_time_without_its_zone_is_refused(client: Client, since: str) -> None:
    answer = await get(client, f"/api/v1/events?since={since}", 400)
    assert answer["message"].startswith("parameter 'since': expected an event id or a time such as")


async def test_the_first_and_the_last_instant_are_times_too(world: World, client: Client) -> None:
    flap(world, 1)
    assert (await get(client, "/api/v1/events?since=0001-01-01T00:00:00%2B23:59"))["events"]
    assert not (await get(client, "/api/v1/events?since=9999-12-31T23:59:59-23:59"))["events"]


async def test_events_are_paged_to_the_end_while_new_ones_come(
    world: World, client: Client
) -> None:
    flap(world, 7)
    answer = await get(client, "/api/v1/events?limit=3&since=1")
    ids = [event["id"] for event in answer["events"]]
    world.record("web", ONE, Reason.REFUSED)
    while answer["next_marker"]:
        marker = answer["next_marker"]
        answer = await get(client, f"/api/v1/events?limit=3&since=1&marker={marker}")
        ids += [event["id"] for event in answer["events"]]
    assert ids == [7, 6, 5, 4, 3, 2]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", [4, 3, 2, 1]),
        ("?kind=reload", [4]),
        ("?kind=reload&kind=transition", [4, 3, 2, 1]),
        ("?to=WARNING", [3]),
        ("?to=WARNING&to=OK", [3, 2, 1]),
        ("?monitor=web", [3, 1]),
        (f"?backend={ONE}&monitor=tls", [2]),
        ("?pool=nowhere", []),
        ("?monitor=web&since=1", [3]),
    ],
)
async def test_events_can_be_filtered(
    world: World, client: Client, query: str, ids: list[int]
) -> None:
    world.configure(monitor("web", ONE), monitor("tls", ONE))
    world.record("web", ONE, times=2)
    world.record("tls", ONE, times=2)
    world.record("web", ONE, Reason.REFUSED)
    world.store.note("reload", "2 checks added")
    answer = await get(client, f"/api/v1/events{query}")
    assert [event["id"] for event in answer["events"]] == ids


@pytest.mark.parametrize(
    ("query", "status", "enough"),
    [
        ("", 200, 1),
        ("?min_healthy=2", 200, 2),
        ("?min_healthy=3", 503, 3),
        ("?min_healthy=0", 200, 0),
    ],
)
async def test_the_gate_opens_when_enough_backends_are_healthy(
    world: World, client: Client, query: str, status: int, enough: int
) -> None:
    world.configure(monitor("web", ONE, TWO, SIX))
    world.record("web", ONE, times=2)
    world.record("web", TWO, times=2)
    world.record("web", TWO, Reason.REFUSED)  # WARNING is still healthy
    assert await get(client, f"/health/pools/web{query}", status) == {
        "pool": "web",
        "status": "WARNING",
        "healthy": 2,
        "backends": 3,
        "min_healthy": enough,
    }


@pytest.mark.parametrize("value", ["-1", "one", "", "1.5"])
async def test_the_gate_refuses_what_is_no_number(world: World, client: Client, value: str) -> None:
    world.configure(monitor("web", ONE))
    answer = await get(client, f"/health/pools/web?min_healthy={value}", 400)
    assert repr(value) in answer["message"]


async def test_healthy_and_ready_are_one_line_of_plain_text(world: World, client: Client) -> None:
    response = await client.get("/-/healthy")
    assert (response.status, await response.text()) == (200, "Healthy\n")
    response = await client.get("/-/ready")
    assert (response.status, await response.text()) == (503, "Not ready\n")
    world.vitals.ready = True
    response = await client.get("/-/ready")
    assert (response.status, await response.text()) == (200, "Ready\n")
    assert response.content_type == "text/plain"


async def test_an_overloaded_prober_is_ready_and_says_what_it_cannot_keep_up_with(
    world: World, client: Client
) -> None:
    world.vitals.ready = True
    for second in range(4):
        world.vitals.load.saw_starts(second, 1, [Delay.PLACES])
    response = await client.get("/-/ready")
    assert response.status == 200
    assert (await response.text()).startswith("Ready, but overloaded: 100% of the probes")
    shown = (await get(client, "/api/v1/status"))["prober"]
    assert shown["overloaded"] is True
    assert Delay.PLACES.sentence in shown["overload"]
    assert "prober_overloaded 1.0" in await (await client.get("/metrics")).text()


async def test_a_prober_that_does_not_advance_is_not_healthy(world: World, client: Client) -> None:
    world.vitals.overdue = lambda: 7.5
    response = await client.get("/-/healthy")
    assert response.status == 503
    assert await response.text() == (
        "Unhealthy: the schedule does not advance: something has been overdue for 7.5 s\n"
    )
