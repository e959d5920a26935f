"""The daemon and the commands, on real sockets, with every type of the demonstration and one more.

The targets are those of the demonstration and one for the type that is made up, which only the
tests know. They are served from a thread of this process.
"""

import asyncio
import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import jsonschema  # type: ignore[import-untyped]  # it has no types
import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker
from prometheus_client.parser import text_string_to_metric_families

from prober.demo import embedded
from prober.model.wording import time_text
from prober.probes import PROBE_TYPES
from tests.contract.made_up import NAME, NUMBER_SAID, PASSWORD, TIME_SAID, TYPES, Parrot
from tests.running import PATIENCE, Daemon, daemon, prober, until

pytestmark = pytest.mark.xdist_group("contract")

COMMAND = "tests.contract"
"""The module that is the command `prober` with the type that is made up."""
FAST = {"interval": "200ms", "fast_interval": "200ms", "timeout": "30s", "rise": 1, "fall": 1}

prober_with_it = partial(prober, module=COMMAND, PASSWORD=PASSWORD)


@contextmanager
def served(opened: Callable[[AsyncExitStack], Any]) -> Iterator[Any]:
    """Run an event loop in a thread with what is opened there; yield what that gave."""
    loop = asyncio.new_event_loop()
    stack = AsyncExitStack()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(PATIENCE)

    try:
        yield run(opened(stack))
    finally:
        run(stack.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


async def serve(stack: AsyncExitStack, target: Callable[[], asyncio.DatagramProtocol]) -> int:
    """Serve a target over UDP; return its port."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(target, local_addr=("127.0.0.4", 0))
    stack.callback(transport.close)
    return int(transport.get_extra_info("sockname")[1])


def made_up(name: str, port: int, **options: object) -> dict[str, object]:
    """Return a monitor of the type that is made up."""
    targets = [f"127.0.0.4:{port}"]
    return {"name": name, "type": NAME, "targets": targets, "word": "hello", **FAST, **options}


async def targets(stack: AsyncExitStack) -> dict[str, Any]:
    """Serve everything; return the configuration that probes it."""
    ports = await embedded.open_targets(stack, asyncio.get_running_loop().time)
    config: dict[str, Any] = yaml.safe_load(embedded.CONFIGURATION.substitute(ports))
    config["defaults"]["timeout"] = "30s"  # every target answers, however busy the machine is
    port, silent = await serve(stack, Parrot), await serve(stack, asyncio.DatagramProtocol)
    config["monitors"] += [
        made_up("made-up", port, password={"env": "PASSWORD"}),
        made_up("made-up-wrong", port, word="xx"),
        made_up("made-up-silent", silent, timeout="2s"),
    ]
    return config


@pytest.fixture(scope="module")
def config() -> Iterator[dict[str, Any]]:
    with served(targets) as config:
        yield config


@pytest.fixture(scope="module")
def written(config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("written") / "prober.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


Checks = list[dict[str, Any]]


def have_begun(checks: Checks) -> bool:
    """Return whether every check has a result, and one of every type is in service."""
    good = {each["type"] for each in checks if each["status"] in ("OK", "WARNING")}
    return good >= {each["type"] for each in checks} and all(
        each["last"] and each["last"]["result"] != "UNKNOWN" for each in checks
    )


def settled(running: Daemon, are_there: Callable[[Checks], bool]) -> Checks:
    """Return the checks as soon as they are as they must be."""
    waiting = threading.Event()
    for _ in range(int(PATIENCE / 0.1)):
        checks: Checks = running.json("/api/v1/checks")["checks"]
        if are_there(checks):
            return checks
        waiting.wait(0.1)
    raise AssertionError(f"not there yet: {checks}")


@pytest.fixture(scope="module")
def running(config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Yield a daemon that has probed every check."""
    folder = tmp_path_factory.mktemp("running")
    server = {"state_dir": str(folder / "state"), "writable": True}
    environment = {"PASSWORD": PASSWORD}
    whole = {"server": server, **config}
    with daemon(whole, folder, module=COMMAND, environment=environment) as running:
        settled(running, have_begun)
        yield running


# The commands


def test_check_takes_it_and_says_nothing_of_a_pace(written: Path) -> None:
    done = prober_with_it("check", "--config", str(written))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "UDP probes" not in done.stdout


def test_check_names_what_is_wrong_with_it(tmp_path: Path) -> None:
    path = tmp_path / "prober.yaml"
    monitor = {"name": "m", "type": NAME, "targets": ["h:1"], "url_path": "/", "times": 9}
    path.write_text(json.dumps({"monitors": [monitor]}))
    done = prober_with_it("check", "--config", str(path))
    assert done.returncode == 2
    assert "missing key 'word'" in done.stdout
    assert f"url_path: belongs to HTTP and HTTPS monitors, not to {NAME}" in done.stdout
    assert "times: expected a whole number from 1 to 3, got 9" in done.stdout


def test_schema_describes_it(written: Path) -> None:
    schema = json.loads(prober_with_it("schema").stdout)
    jsonschema.validate(yaml.safe_load(written.read_text()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(
            yaml.safe_load(written.read_text()), json.loads(prober("schema").stdout)
        )


def test_the_help_of_probe_names_it() -> None:
    assert NAME in prober_with_it("probe", "--help").stdout
    assert NAME not in prober("probe", "--help").stdout


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        (["word=hello"], 0, "said 'hello'"),
        (["word=xx"], 2, "INVALID_STATUS_CODE (unexpected_status): said 'wrong', expected 'xx'"),
        ([], 2, "missing key 'word'"),
    ],
)
def test_probe_asks_once(written: Path, settings: list[str], code: int, words: str) -> None:
    monitors = yaml.safe_load(written.read_text())["monitors"]
    (target,) = next(each["targets"] for each in monitors if each["name"] == "made-up")
    flags = [flag for each in settings for flag in ("--set", each)]
    done = prober_with_it("probe", NAME, target, *flags)
    assert done.returncode == code, done
    assert words in done.stdout + done.stderr


def test_silence_is_bad_for_it(written: Path) -> None:
    for _ in range(10):
        done = prober_with_it("probe", "--monitor", "made-up-silent", "--config", str(written))
        if "prober was paused" not in done.stdout:  # by a busy machine: then it says nothing of it
            break
    assert (done.returncode, "TIMED_OUT (timeout): no reply" in done.stdout) == (2, True), done


@pytest.mark.parametrize("kind", PROBE_TYPES)
def test_probe_asks_every_type_of_the_demonstration(written: Path, kind: str) -> None:
    monitors = yaml.safe_load(written.read_text())["monitors"]
    for monitor in monitors:
        if monitor["type"] == kind:
            done = prober_with_it("probe", "--monitor", monitor["name"], "--config", str(written))
            assert done.returncode in (0, 1, 2), done


def test_status_says_its_fact_and_a_version_without_the_type_its_reason(running: Daemon) -> None:
    flags = ("--url", running.url, "--monitor", "made-up")
    assert "said hello in " in prober_with_it("status", *flags).stdout
    other = prober("status", *flags)
    assert "ok in " in other.stdout
    assert other.returncode == 0


# What the daemon answers


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_is_probed_and_tells_only_what_it_declares(running: Daemon, kind: str) -> None:
    found = [each for each in running.json("/api/v1/checks")["checks"] if each["type"] == kind]
    assert found or TYPES[kind].not_in_demo
    all_facts = {fact.name for cls in TYPES.values() for fact in cls.facts}
    for check in found:
        assert check["last"].keys() & all_facts <= {fact.name for fact in TYPES[kind].facts}


def test_the_facts_of_the_made_up_type_come_as_they_are_declared(running: Daemon) -> None:
    checks = {each["monitor"]: each for each in running.json("/api/v1/checks")["checks"]}
    facts = {"made_up_number": NUMBER_SAID, "made_up_time": time_text(TIME_SAID)}
    good = {"made_up_word": "hello", "reason": "ok", **facts}
    wrong = {"made_up_word": "wrong", "reason": "unexpected_status", **facts}
    assert good.items() <= checks["made-up"]["last"].items()
    assert wrong.items() <= checks["made-up-wrong"]["last"].items()
    assert checks["made-up-silent"]["status"] == "CRITICAL"
    assert not any(name.startswith("made_up") for name in checks["made-up-silent"]["last"])


def test_real_results_are_as_the_api_describes_them(running: Daemon) -> None:
    description = running.json("/api/v1/openapi.json")
    reference = {"$ref": "#/components/schemas/CheckInFull"}
    judge = Draft202012Validator(
        {**reference, "components": description["components"]}, format_checker=FormatChecker()
    )
    for check in running.json("/api/v1/checks")["checks"]:
        judge.validate(running.json(f"/api/v1/checks/{check['monitor']}/{check['backend']}"))


def test_the_metrics_have_its_gauge_and_its_counters(running: Daemon) -> None:
    def values(name: str) -> dict[str, float]:
        families = text_string_to_metric_families(running.get("/metrics")[1])
        (samples,) = (each.samples for each in families if each.name == name)
        return {
            each.labels["monitor"]: each.value for each in samples if each.labels["kind"] == NAME
        }

    by_name = {"made-up": NUMBER_SAID, "made-up-wrong": NUMBER_SAID, "made-up-silent": -1.0}
    until(lambda: values("probe_made_up_number") == by_name)  # a busy machine may hide a result
    success = {"made-up": 1, "made-up-wrong": 0, "made-up-silent": 0}
    until(lambda: values("probe_success") == success)
    assert set(values("prober_probes")) == set(by_name)
    assert set(values("prober_probe_latency_seconds")) == set(by_name)


def test_its_changes_are_events(running: Daemon) -> None:
    events = running.json("/api/v1/events?monitor=made-up-wrong")["events"]
    assert events
    assert {each["reason"] for each in events} == {"unexpected_status"}
    assert "said 'wrong', expected 'xx'" in events[0]["cause"]


def test_its_secret_is_shown_nowhere(running: Daemon) -> None:
    (check,) = running.json("/api/v1/checks?monitor=made-up")["checks"]
    target = check["backend"]
    shown = [
        running.get(path)[1]
        for path in (
            "/",
            f"/checks/made-up/{target}",
            "/api/v1/monitors",
            f"/api/v1/checks/made-up/{target}",
            "/metrics",
            "/v2.0/lbaas/healthmonitors",
            "/20170115/loadBalancers?compartmentId=default",
        )
    ]
    assert not [text for text in shown if PASSWORD in text]
    assert running.json("/api/v1/monitors/made-up")["password"] == "<secret>"
    assert PASSWORD not in json.dumps(running.lines)


# Edits


def sent(running: Daemon, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """Send JSON and return the status and the JSON of the answer."""
    content = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = Request(running.url + path, method=method, data=content, headers=headers)
    try:
        with urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"null")


@pytest.mark.parametrize("kind", TYPES)
def test_a_monitor_of_every_type_is_made_changed_and_deleted_over_the_api(
    running: Daemon, kind: str
) -> None:
    path = f"/api/v1/monitors/new-{kind}"
    body = {"type": kind, "targets": ["127.0.0.1:1"], "enabled": False, **TYPES[kind].example}
    schemas = running.json("/api/v1/openapi.json")["components"]
    definition = {"$ref": f"#/components/schemas/MonitorDefinition_{kind}", "components": schemas}
    Draft202012Validator(definition).validate(body)
    status, made = sent(running, "PUT", path, body)
    assert (status, made["type"]) == (201, kind), made
    shown = {"$ref": f"#/components/schemas/Monitor_{kind}", "components": schemas}
    Draft202012Validator(shown, format_checker=FormatChecker()).validate(made)
    assert sent(running, "PATCH", path, {"interval": "9s"})[1]["interval"] == 9
    status, problem = sent(running, "PATCH", path, {"no_such_key": 1})
    assert status == 400
    assert "no_such_key" in json.dumps(problem)
    assert sent(running, "DELETE", path)[0] == 204


def test_an_edit_keeps_its_secret_and_takes_effect_at_once(
    config: dict[str, Any], tmp_path: Path
) -> None:
    (monitor,) = (each for each in config["monitors"] if each["name"] == "made-up")
    monitor = {**monitor, "password": {"file": "password"}}
    (tmp_path / "password").write_text(PASSWORD)
    server = {"state_dir": str(tmp_path / "state"), "writable": True}
    with daemon({"server": server, "monitors": [monitor]}, tmp_path, module=COMMAND) as running:
        running.wait_for("status_changed", to="OK")
        path = "/api/v1/monitors/made-up"
        shown = running.json(path)
        status, changed = sent(running, "PATCH", path, {"word": "xx", "password": "<secret>"})
        assert (status, changed["password"]) == (200, shown["password"]), changed
        running.wait_for("status_changed", to="CRITICAL", reason="unexpected_status")
        (edit,) = running.json("/api/v1/edits")["edits"]
        assert edit["content"] == {"word": "xx", "password": "<secret>"}
        assert PASSWORD not in json.dumps([running.lines, running.json("/api/v1/edits")])


# Reload and restart


def test_a_reload_and_a_restart_go_on_with_it(config: dict[str, Any], tmp_path: Path) -> None:
    (monitor,) = (each for each in config["monitors"] if each["name"] == "made-up-wrong")
    whole = {"server": {"state_dir": str(tmp_path / "state")}, "monitors": [monitor]}
    with daemon(whole, tmp_path, module=COMMAND) as running:
        running.wait_for("status_changed", to="CRITICAL")
        (tmp_path / "prober.json").write_text(
            json.dumps({**whole, "monitors": [{**monitor, "word": "hello"}]})
        )
        running.process.send_signal(signal.SIGHUP)
        running.wait_for("config_reloaded")
        running.wait_for("status_changed", to="OK")
        (before,) = settled(running, lambda checks: checks[0]["status"] == "OK")
        assert running.stop() == 0
    whole["monitors"] = [{**monitor, "word": "hello", "interval": "1d", "fast_interval": "1d"}]
    with daemon(whole, tmp_path, module=COMMAND) as running:
        (check,) = running.json("/api/v1/checks")["checks"]
        assert check["status"] == "OK"
        assert check["since"] == before["since"]
        assert check["last"]["made_up_word"] == "hello"
        assert check["last"]["made_up_number"] == NUMBER_SAID
        assert check["last"]["made_up_time"] == time_text(TIME_SAID)
        assert running.stop() == 0
