"""One probe from the command line: what it is read from, how it is judged and told."""

import json
from typing import Any

import pytest

from prober.cli import single_probe
from prober.cli.single_probe import Shown
from prober.model.monitor import Check, Model, Monitor
from prober.model.option import Complaint, Rejected
from prober.model.pool import Backend, Pool
from prober.model.status import FactValue, Outcome, Reason, Status
from prober.probes.tcp import TcpProbe

NOW = 1_800_000_000.0
ESC = "\x1b"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("no", False),
        ("5", 5),
        ("0.5", 0.5),
        ("500ms", "500ms"),
        ("200,202", "200,202"),
        ("200-204,301", "200-204,301"),
        ("null", None),
        ("", ""),
        ("2026-01-31", "2026-01-31"),
        ("status: up", "status: up"),
        ("a # b", "a # b"),
        ("^[a-z]+$", "^[a-z]+$"),
        ("[a-z]+", "[a-z]+"),
        ("*", "*"),
        ("=", "="),
        ('"5"', "5"),
        ("[a:1, b:2]", ["a:1", "b:2"]),
        ('{"text": "PING\\r\\n"}', {"text": "PING\r\n"}),
    ],
)
def test_a_setting_is_a_scalar_as_in_yaml_or_json(text: str, value: object) -> None:
    assert single_probe.setting_value(text) == value


def test_dots_in_a_setting_go_deeper() -> None:
    pairs = ["tls.verify=true", "headers.X-Token=a=b", "tls.alpn=[h2]", "rise=1"]
    assert single_probe.settings(pairs) == {
        "tls": {"verify": True, "alpn": ["h2"]},
        "headers": {"X-Token": "a=b"},
        "rise": 1,
    }


@pytest.mark.parametrize("pairs", [["rise"], ["=1"], ["tls.=1"], [".a=1"], ["tls=1", "tls.a=1"]])
def test_what_is_no_setting_is_refused(pairs: list[str]) -> None:
    with pytest.raises(Rejected):
        single_probe.settings(pairs)


def refusing(*complaints: Complaint) -> Any:
    def read(_: object) -> Monitor:
        raise Rejected(*complaints)

    return read


@pytest.mark.parametrize(
    ("kind", "target", "complaint", "message"),
    [
        ("TCP", "a:1", Complaint((), "wrong"), "wrong"),
        ("TCP", "a:1", Complaint(("type",), "wrong"), "TYPE: wrong"),
        ("TCP", "a:1", Complaint(("tls", "verify"), "wrong"), "--set tls.verify: wrong"),
        ("TCP", "a", Complaint(("targets", 0), "wrong"), "TARGET: wrong"),
        ("HTTP", "a", Complaint(("targets", 0), "wrong"), "TARGET: wrong; for example, a:80"),
        ("TLS", "a", Complaint(("targets", 0), "wrong"), "TARGET: wrong; for example, a:443"),
        ("TLS", "a:b", Complaint(("targets", 0), "wrong"), "TARGET: wrong"),
        (
            "HTTP",
            "https://a.b/c",
            Complaint(("targets", 0), "wrong"),
            "TARGET: wrong; instead of a URL, write HTTPS a.b:443 --set url_path=/c",
        ),
        ("HTTP", "http://[x/", Complaint(("targets", 0), "wrong"), "TARGET: wrong"),
    ],
)
def test_complaints_say_where_on_the_command_line_they_belong(
    kind: str, target: str, complaint: Complaint, message: str
) -> None:
    with pytest.raises(Rejected) as rejected:
        single_probe.checks_of(kind, target, {}, refusing(complaint))
    assert str(rejected.value) == message


def test_the_command_line_is_read_as_a_monitor_of_the_configuration() -> None:
    given: list[object] = []

    def read(value: object) -> Monitor:
        given.append(value)
        return a_monitor()

    [check] = single_probe.checks_of("TCP", "10.0.0.3:80", {"rise": 1}, read)
    target = "10.0.0.3:80"
    assert given == [{"name": f"TCP {target}", "type": "TCP", "targets": [target], "rise": 1}]
    assert str(check.target) == "10.0.0.3:80"


def a_monitor(**changes: Any) -> Monitor:
    options = {
        "name": "m",
        "type": "TCP",
        "targets": (Backend(address="10.0.0.3", port=80),),
        "probe": TcpProbe(),
    }
    return Monitor(**{**options, **changes})


def test_a_monitor_is_found_by_its_name() -> None:
    backends = (Backend(address="10.0.0.3", port=80), Backend(address="10.0.0.4", port=80))
    pool = Pool(name="web", backends=backends)
    monitors = (a_monitor(name="web-tcp", targets=(), pool="web"), a_monitor())
    model = Model(monitors, (pool, Pool(name="m", backends=backends[:1])))
    assert [check.backend for check in single_probe.named_checks(model, "web-tcp")] == [*backends]
    with pytest.raises(Rejected, match="did you mean 'web-tcp'"):
        single_probe.named_checks(model, "webtcp")


def an_outcome(reason: Reason, **facts: FactValue) -> Outcome:
    return Outcome(reason, f"found {reason}", facts, at=NOW, seconds=0.25)


async def test_each_step_of_a_probe_is_printed_with_its_time() -> None:
    async def probe(_: Check, trace: single_probe.Trace) -> Outcome:
        trace("resolve", 0.0, "10.0.0.3 (literal)")
        trace("first_byte", 0.012345, f"x{ESC}")
        trace("send", 1.5, "")
        return an_outcome(Reason.REFUSED)

    monitor = a_monitor()
    check = Check(monitor, Pool(name="m"), monitor.targets[0])
    written: list[str] = []
    assert await single_probe.run([check], probe, Shown(written.append)) is Status.CRITICAL
    assert written == [
        "    0.000 ms  resolve     10.0.0.3 (literal)",
        "   12.345 ms  first byte  x\\x1b",
        " 1500.000 ms  send",
        "CRITICAL  CONNECT_FAILED (refused): found refused, in 250.0 ms",
    ]


async def test_of_several_backends_the_worst_counts() -> None:
    async def probe(check: Check, _: single_probe.Trace) -> Outcome:
        return an_outcome(Reason.OK if check.backend.port == 80 else Reason.REFUSED)

    backends = [Backend(address="10.0.0.3", port=port) for port in (80, 81)]
    checks = [Check(a_monitor(), Pool(name="m"), backend) for backend in backends]
    written: list[str] = []
    assert (
        await single_probe.run(checks, probe, Shown(written.append, colour=True)) is Status.CRITICAL
    )
    assert written[0] == "m on 10.0.0.3:80"
    assert written[1].startswith(f"{ESC}[32mOK{ESC}[0m  found ok, in ")
    assert written[3].startswith(f"{ESC}[1;31mCRITICAL{ESC}[0m  CONNECT_FAILED (refused): ")


async def test_quiet_is_the_verdict_alone_and_json_one_document_in_the_words_of_the_api() -> None:
    async def probe(_: Check, trace: single_probe.Trace) -> Outcome:
        trace("send", 0.5, "")
        outcome = an_outcome(Reason.UNEXPECTED_STATUS, http_status_code=503)
        return outcome._replace(phases=(None, 0.1, None, None, 0.2, None), source_ip="10.0.0.1")

    monitor = a_monitor()
    check = Check(monitor, Pool(name="m"), monitor.targets[0])
    quiet: list[str] = []
    await single_probe.run([check], probe, Shown(quiet.append, quiet=True))
    assert quiet == [
        "CRITICAL  INVALID_STATUS_CODE (unexpected_status): found unexpected_status, in 250.0 ms"
    ]
    written: list[str] = []
    status = await single_probe.run([check], probe, Shown(written.append, as_json=True))
    assert status is Status.CRITICAL
    assert [json.loads(each) for each in written] == [
        {
            "probes": [
                {
                    "monitor": monitor.name,
                    "backend": check.backend.key,
                    "status": "CRITICAL",
                    "result": "INVALID_STATUS_CODE",
                    "reason": "unexpected_status",
                    "detail": "found unexpected_status",
                    "duration_seconds": 0.25,
                    "phases": {"connect": 0.1, "first_byte": 0.2},
                    "source_ip": "10.0.0.1",
                    "http_status_code": 503,
                }
            ]
        }
    ]
