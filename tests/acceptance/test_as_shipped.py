"""What is shipped speaks of one and the same prober: unit, image, rules, dashboard, manifests.

The service that `make install` installs and a container of the image both run, in turn, with the
monitors of every configuration that is shipped. What rules, dashboard, manifests and chart ask of a
prober is asked of them, so that nothing speaks of what the unit or the image hides.
"""

import json
import re
import shutil
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import trustme
import yaml

from tests import ROOT
from tests.acceptance.installed import PROBER, Installed
from tests.acceptance.podman import Container
from tests.asking_prometheus import Prometheus
from tests.blackbox.targets import site
from tests.faults.namespaces import Host
from tests.running import PATIENCE, program, until
from tests.shipping import (
    DEPLOY,
    DOCKERFILE,
    PANELS,
    config_map,
    expressions,
    health_check,
    metrics_asked_for,
    rules,
)

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

UNIT = (ROOT / "systemd/prober.service").read_text()
TEXTS = {
    str(path.relative_to(ROOT)): re.sub(r"(?m)(^|\s)#.*$", "", path.read_text())
    for path in (ROOT / "Dockerfile", *(ROOT / "systemd").iterdir(), *DEPLOY.rglob("*"))
    if path.is_file()
}
"""Everything that says how prober is run, without its comments."""
CONFIGURATIONS = [
    *((DEPLOY / name).read_text() for name in ("kubernetes/prober.yaml", "compose/prober.yaml")),
    *(path.read_text() for path in DEPLOY.glob("*/cluster/prober.yaml")),
    (DEPLOY / "haproxy/prober.yaml").read_text(),
    config_map("shop-prober")["prober.yaml"],
]
PORT = 9090
"""Where Prometheus listens, in a network that it shares with one prober."""
MAY_BE_EMPTY = {"Local errors"}
"""Panels that show nothing as long as all is well with the prober."""


class ShippedProber(NamedTuple):
    """A prober that runs as it is shipped."""

    network: Host
    command: Callable[..., CompletedProcess[str]]
    """Runs a command of prober beside it: its arguments, and variables by keyword."""

    def get(self, path: str, port: int = 7762) -> tuple[int, str]:
        """Return the status and the body of its answer."""
        with self.network.entered():
            try:
                with urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
                    return answer.status, answer.read().decode()
            except HTTPError as error:
                with error:
                    return error.code, error.read().decode()

    def statuses(self) -> set[str]:
        """Return the statuses of its checks."""
        return {check["status"] for check in json.loads(self.get("/api/v1/checks")[1])["checks"]}


def everything(plain: int, tls: int) -> dict[str, Any]:
    """Return the monitors and pools of all that is shipped, with targets that are here."""
    found: dict[str, dict[str, Any]] = {"monitors": {}, "pools": {}}
    for text in CONFIGURATIONS:
        config = yaml.safe_load(text)
        for sort, known in found.items():
            known |= {each["name"]: each for each in config.get(sort, ())}
    for monitor in found["monitors"].values():
        monitor |= {"interval": "500ms", "timeout": "30s", "rise": 1}  # they answer, at some time
        if "targets" in monitor:
            monitor["targets"] = [f"127.0.0.1:{tls if monitor['type'] == 'TLS' else plain}"]
    for pool in found["pools"].values():
        pool["backends"] = [f"127.0.0.1:{plain}"]
    listed = {"name": "listed", "type": "TCP", "targets_from": {"file": "list.json"}}
    found["monitors"]["listed"] = listed  # a panel is about lists
    return {sort: [*known.values()] for sort, known in found.items()}


@contextmanager
def installed(
    request: pytest.FixtureRequest,
) -> Iterator[tuple[ShippedProber, Path, Callable[[], object]]]:
    """Start the unit as `make install` leaves it."""
    service = Installed(request.getfixturevalue("booted"))
    machine = service.machine

    def command(*arguments: str, **variables: str) -> CompletedProcess[str]:
        given = [f"{name}={value}" for name, value in variables.items()]
        return machine.run("env", *given, PROBER, *arguments)

    service.start()
    network = Host(str(machine.process / "ns/net"))
    config = machine.root / "etc/prober/prober.yaml"
    try:
        yield (
            ShippedProber(network, command),
            config,
            lambda: machine.ask("systemctl", "reload", "prober"),
        )
    finally:
        service.end()


@contextmanager
def contained(
    request: pytest.FixtureRequest,
) -> Iterator[tuple[ShippedProber, Path, Callable[[], object]]]:
    """Start a container of the image."""
    engine = request.getfixturevalue("podman")
    folder = request.getfixturevalue("tmp_path_factory").mktemp("etc")
    folder.chmod(0o755)
    (folder / "prober.yaml").write_text("monitors: []\n")
    container = Container(engine, folder)

    def command(*arguments: str, **variables: str) -> CompletedProcess[str]:
        given = [f"--env={name}={value}" for name, value in variables.items()]
        done: CompletedProcess[str] = engine.run(
            "exec", *given, container.name, "prober", *arguments
        )
        return done

    network = Host(f"/proc/{container.process}/ns/net")
    try:
        yield (
            ShippedProber(network, command),
            folder / "prober.yaml",
            lambda: container.signal("HUP"),
        )
    finally:
        container.stop()


@pytest.fixture(scope="module", params=[installed, contained], ids=["unit", "image"])
def live(request: pytest.FixtureRequest) -> Iterator[ShippedProber]:
    """Yield a prober that has probed everything once."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with ExitStack() as stack:
        live, config, reload = stack.enter_context(request.param(request))
        with live.network.entered():
            plain, tls = (stack.enter_context(site(each)) for each in (None, context))
        (config.parent / "list.json").write_text(json.dumps([{"targets": [f"127.0.0.1:{plain}"]}]))
        config.write_text(yaml.safe_dump(everything(plain, tls)))
        reload()
        until(lambda: {"OK"} <= live.statuses() <= {"OK", "WARNING", "CRITICAL"})
        yield live


@pytest.fixture(scope="module")
def prometheus(
    live: ShippedProber, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """Yield a Prometheus with the shipped configuration and rules, in a hurry."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed")
    folder = tmp_path_factory.mktemp("prometheus")
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "300ms", "evaluation_interval": "500ms"}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    text = (DEPLOY / "prometheus/rules.yml").read_text()
    (folder / "rules.yml").write_text(text.replace("interval: 1m", "interval: 500ms"))
    options = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    address = f"127.0.0.1:{PORT}"
    with (
        program(*live.network.under, "prometheus", *options, f"--web.listen-address={address}"),
        live.network.entered(),
    ):
        asked = Prometheus(f"http://{address}")
        asked.wait_until_ready()
        yield asked


# Rules and dashboard


def test_every_metric_that_rules_and_dashboard_name_is_exposed(prometheus: Prometheus) -> None:
    assert len(metrics_asked_for()) > 15

    def hidden() -> set[str]:
        return metrics_asked_for() - {*prometheus.ask("label/__name__/values")}

    prometheus.wait_for_samples("prober_build_info")
    assert hidden() == set()


def test_every_panel_shows_something(prometheus: Prometheus) -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            if panel["title"] in MAY_BE_EMPTY:
                prometheus.query(target["expr"])
            else:
                prometheus.wait_for_samples(target["expr"])


def test_the_lists_to_choose_from_are_filled(prometheus: Prometheus) -> None:
    found = [re.fullmatch(r"label_values\((.+), (\w+)\)", each) for each in expressions()]
    assert any(found)
    for choice in filter(None, found):
        prometheus.wait_for_samples(f"count by ({choice[2]}) ({choice[1]}) and on() vector(1)")


def test_every_rule_can_be_evaluated_and_every_recording_has_samples(
    prometheus: Prometheus,
) -> None:
    for rule in rules("record"):
        prometheus.wait_for_samples(rule["record"])
    for group in prometheus.ask("rules")["groups"]:
        for rule in group["rules"]:
            assert rule["health"] in ("ok", "unknown"), rule


# Unit, image, manifests and chart


def named(pattern: str) -> dict[str, str]:
    """Return what a pattern finds in all that says how prober is run, and where."""
    return {found: path for path, text in TEXTS.items() for found in re.findall(pattern, text)}


def test_every_path_that_is_asked_is_answered(live: ShippedProber) -> None:
    asked = named(r'httpGet: \{path: "?([^,"}]+)') | named(r"(?m)^\s*path: (/[\w-]+)$")
    assert {"/-/ready", "/-/healthy", "/metrics", "/health/pools/shop?min_healthy=1"} <= {*asked}
    for path, where in asked.items():
        assert live.get(path)[0] == 200, (path, where)


def test_every_port_is_the_one_that_it_listens_on(live: ShippedProber) -> None:
    ports = (
        named(r"EXPOSE (\d+)")
        | named(r"name: http, containerPort: (\d+)")
        | named(r"PROBER_LISTEN\W[^\n]*?:(\d+)\b")
        | named(r'static_configs:\n\s+- targets: \["[\w.]+:(\d+)"\]')
        | named(r"(?s)^service:\n.*?  port: (\d+)")
        | named(r"(?s)kind: Service\n.*\bport: (\d+)")
    )
    assert ports
    for port, where in ports.items():
        assert live.get("/-/healthy", int(port))[0] == 200, (port, where)


def commands() -> Iterator[list[str]]:
    """Yield the commands of prober in image, unit and chart."""
    yield health_check()[1:]
    for listed in re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE):
        yield json.loads(listed)
    for line in re.findall(r"^ExecStart=\S+ (.*)$", UNIT, re.MULTILINE):
        yield line.split()
    for listed in named(r"\bargs: \[(.*)\]"):
        yield listed.split(", ")


def test_every_command_and_flag_is_known(live: ShippedProber) -> None:
    asked = [*commands()]
    assert {words[0] for words in asked} == {"run", "health"}
    for name, *rest in asked:
        shown = live.command(name, "--help").stdout
        for flag in (word for word in rest if word.startswith("-")):
            assert f"{flag} " in shown, (name, flag)


def test_every_variable_is_read(live: ShippedProber) -> None:
    shown = live.command("run", "--help").stdout
    variables = named(r"\bPROBER_[A-Z_]+\b")
    assert {"PROBER_CONFIG", "PROBER_LISTEN", "PROBER_STATE_DIR"} <= {*variables}
    for name, where in variables.items():
        assert name in shown, (name, where)


def test_every_health_check_finds_it_and_nothing_else(live: ShippedProber) -> None:
    checks = [words for words in commands() if words[0] == "health"]
    assert len(checks) > 1
    for words in checks:
        here = ["http://127.0.0.1:7762" if "http://" in word else word for word in words]
        assert live.command(*here).returncode == 0, words
    assert live.command(*health_check()[1:], PROBER_LISTEN="127.0.0.1:1").returncode == 1
