"""What is shipped for Prometheus and Grafana: right by their own tools, true of a real daemon."""

import json
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import combinations
from pathlib import Path

import pytest
import trustme
import yaml

from tests import ROOT
from tests.asking_prometheus import VARIABLES, Prometheus
from tests.blackbox.targets import site
from tests.ports import free_port
from tests.running import Daemon, daemon, program, until
from tests.shipping import DASHBOARD, PANELS, rules

SHIPPED = ROOT / "deploy/prometheus"
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed"
)


# By themselves


@needs_promtool
@pytest.mark.parametrize(
    "command",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "config", "blackbox.yml"),
        ("check", "rules", "rules.yml"),
    ],
    ids=["config", "blackbox", "rules"],
)
def test_promtool_takes_what_is_shipped(command: tuple[str, ...]) -> None:
    done = subprocess.run(
        ["promtool", *command], cwd=SHIPPED, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_the_rules_pass_their_own_tests() -> None:
    done = subprocess.run(
        ["promtool", "test", "rules", "rules_test.yml"],
        cwd=SHIPPED,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_firing() -> None:
    tests = yaml.safe_load((SHIPPED / "rules_test.yml").read_text())["tests"]
    fires = {
        case["alertname"]
        for test in tests
        for case in test.get("alert_rule_test", ())
        if case.get("exp_alerts")
    }
    assert fires == {rule["alert"] for rule in rules("alert")}


def test_every_alert_says_what_is_wrong_and_where_to_read_on() -> None:
    page = (ROOT / "docs/alerts.md").read_text()
    headings = re.findall(r"^## (\w+)$", page, re.MULTILINE)
    of_the_output = {"PoolDegraded"}
    assert set(headings) == {rule["alert"] for rule in rules("alert")} | of_the_output
    for rule in rules("alert"):
        assert rule["annotations"].keys() == {"summary", "description", "runbook"}
        assert rule["annotations"]["runbook"] == f"docs/alerts.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_every_recording_rule_stands_in_the_documentation() -> None:
    page = (ROOT / "docs/prometheus.md").read_text()
    for rule in rules("record"):
        assert f"`{rule['record']}`" in page


def test_the_dashboard_names_no_data_source_of_its_own() -> None:
    used = {each["datasource"]["uid"] for panel in PANELS for each in (panel, *panel["targets"])}
    assert used == {"${datasource}"}
    assert "id" not in DASHBOARD
    names = [each["name"] for each in DASHBOARD["templating"]["list"]]
    assert names == ["datasource", "instance", "pool", "monitor"]


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for one, other in combinations((panel["gridPos"] for panel in DASHBOARD["panels"]), 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y
    assert all(panel["x"] + panel["w"] <= 24 for panel in (p["gridPos"] for p in PANELS))


def test_every_variable_of_the_dashboard_is_used_and_known() -> None:
    text = json.dumps(PANELS)
    known = {*VARIABLES, "${datasource}"}
    assert set(re.findall(r"\$\{?\w+\}?", text)) == known


# With a real daemon and a real Prometheus


class Setup(Prometheus):
    """A Prometheus, the daemon that it scrapes, and the backend that a test may end."""

    def __init__(self, url: str, prober: Daemon, backend: ExitStack, secure: str) -> None:
        super().__init__(url)
        self.prober = prober
        self.backend = backend
        self.secure = secure


def scraping(folder: Path, address: str, web: str) -> None:
    """Write the shipped configuration, pointed at a daemon and in a hurry."""
    config = yaml.safe_load((SHIPPED / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "300ms", "evaluation_interval": "500ms"}
    (job,) = config["scrape_configs"]
    assert job["job_name"] == "prober"
    job["static_configs"] = [{"targets": [address]}]
    to_prober = [
        {"source_labels": ["__address__"], "target_label": "__param_target"},
        {"source_labels": ["__param_target"], "target_label": "instance"},
        {"source_labels": ["__meta_prober_pool"], "target_label": "pool"},
        {"target_label": "__address__", "replacement": address},
    ]
    config["scrape_configs"] += [
        {
            "job_name": "discovered",
            "metrics_path": "/probe",
            "http_sd_configs": [
                {"url": f"http://{address}/sd?pool=web", "refresh_interval": "300ms"}
            ],
            "relabel_configs": to_prober,
        },
        {
            "job_name": "blackbox",
            "metrics_path": "/probe",
            "params": {"module": ["http_2xx"]},
            "static_configs": [{"targets": [f"http://{web}/ok"]}],
            "relabel_configs": to_prober,
        },
    ]
    (dashboards,) = yaml.safe_load((SHIPPED / "blackbox.yml").read_text())["scrape_configs"]
    dashboards["static_configs"] = [{"targets": [address]}]
    config["scrape_configs"].append({**dashboards, "job_name": "dashboards"})
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    rules = (SHIPPED / "rules.yml").read_text().replace("interval: 1m", "interval: 500ms")
    (folder / "rules.yml").write_text(rules)


pytestmark = pytest.mark.xdist_group("prometheus")


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    prometheus = shutil.which("prometheus")
    if prometheus is None:
        pytest.skip("prometheus is not installed")
    folder = tmp_path_factory.mktemp("prometheus")
    certificate = trustme.CA().issue_cert("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    with ExitStack() as stack, ExitStack() as backend:
        dying = f"127.0.0.1:{backend.enter_context(site())}"
        steady = f"127.0.0.1:{stack.enter_context(site())}"
        secure = f"127.0.0.1:{stack.enter_context(site(context))}"
        (folder / "modules.yml").write_text("modules: {http_2xx: {prober: http}}")
        (folder / "list.json").write_text(json.dumps([{"targets": [steady]}]))
        config = {
            "server": {"blackbox_modules": "modules.yml"},
            "defaults": {"interval": "200ms", "timeout": "30s", "rise": 2, "fall": 2},
            "pools": [{"name": "web", "backends": [dying, steady]}],
            "monitors": [
                {"name": "web", "type": "HTTP", "pool": "web"},
                {"name": "secure", "type": "HTTPS", "targets": [secure]},
                {"name": "missing", "type": "TCP", "targets": ["127.0.0.1:1"]},
                {"name": "listed", "type": "TCP", "targets_from": {"file": "list.json"}},
            ],
        }
        running = stack.enter_context(daemon(config, folder))
        scraping(folder, running.url.removeprefix("http://"), steady)
        port = free_port()
        address = f"127.0.0.1:{port}"
        command = [prometheus, f"--config.file={folder}/prometheus.yml"]
        options = [f"--storage.tsdb.path={folder}/data", f"--web.listen-address={address}"]
        stack.enter_context(program(*command, *options, port=port))
        found = Setup(f"http://{address}", running, backend, secure)
        found.wait_until_ready()
        yield found


def test_an_alert_fires_when_a_backend_dies_and_not_before(setup: Setup) -> None:
    def down() -> set[str]:
        return {
            alert["labels"]["pool"]
            for alert in setup.ask("alerts")["alerts"]
            if alert["labels"]["alertname"] == "BackendDown" and alert["state"] == "firing"
        }

    until(lambda: "missing" in down())  # a backend that never was
    assert "web" not in down()
    setup.backend.close()
    until(lambda: "web" in down())


def test_the_documented_job_for_other_dashboards_is_the_one_that_is_shipped() -> None:
    page = (ROOT / "docs/prometheus.md").read_text().split("## Dashboards made for", 1)[1]
    (shown, *_) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    shipped = yaml.safe_load((SHIPPED / "blackbox.yml").read_text())
    assert yaml.safe_load(shown) == shipped


OF_DASHBOARDS = (
    'probe_success{instance=~"$target"}',
    'probe_http_status_code{instance=~"$target"}',
    'probe_http_version{instance=~"$target"}',
    'probe_http_ssl{instance=~"$target"}',
    'probe_ssl_earliest_cert_expiry{instance=~"$target"} - time()',
    'probe_tls_version_info{instance=~"$target"}',
    'avg(probe_duration_seconds{instance=~"$target"})',
    'avg(probe_dns_lookup_time_seconds{instance=~"$target"})',
    'probe_http_duration_seconds{instance=~"$target",phase="connect"}',
    'sum by (instance, phase) (probe_http_duration_seconds{instance=~"$target"})',
)
"""What the most used dashboards for blackbox_exporter ask, with their variable `target`."""


@pytest.mark.parametrize("asked", OF_DASHBOARDS)
def test_what_dashboards_for_blackbox_exporter_ask_is_answered(setup: Setup, asked: str) -> None:
    of_us = asked.replace("{", '{job="dashboards",')
    setup.wait_for_samples(of_us.replace("$target", setup.secure))


def test_the_target_is_the_instance_as_dashboards_expect(setup: Setup) -> None:
    setup.wait_for_samples('probe_success{job="dashboards"}')
    found = setup.query('probe_success{job="dashboards"}')
    assert setup.secure in {each["metric"]["instance"] for each in found}
    assert all(each["metric"]["instance"] == each["metric"]["target"] for each in found)
    assert not setup.query('{job="dashboards",__name__=~"prober_.+"}')


def test_prometheus_finds_its_targets_at_sd(setup: Setup) -> None:
    def pools() -> list[str]:
        targets = setup.ask("targets", state="active")["activeTargets"]
        found = [each["labels"] for each in targets if each["scrapePool"] == "discovered"]
        return [labels["pool"] for labels in found]

    until(lambda: pools() == ["web", "web"])


def test_prometheus_probes_through_prober_with_nothing_else_changed(setup: Setup) -> None:
    def answers() -> list[str]:
        return [each["value"][1] for each in setup.query('probe_success{job="blackbox"}')]

    until(lambda: answers() == ["1"])
    (status,) = setup.query('probe_http_status_code{job="blackbox"}')
    assert status["value"][1] == "200"
