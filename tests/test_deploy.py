"""What is shipped to run prober elsewhere agrees with itself and with the program."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from prober import __version__
from prober.config.reader import parse
from prober.model.monitor import Model
from prober.model.option import ReadContext
from prober.state.heartbeat import HUNG
from prober.web.routes import ROUTES
from tests import ROOT
from tests.ports import free_port
from tests.running import daemon

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OLDEST_KUBERNETES = "1.29"

Document = dict[str, Any]


def documents(path: Path) -> list[Document]:
    return list(yaml.safe_load_all(path.read_text()))


def model_of(text: str) -> Model:
    outside = ReadContext("", lambda name: Path(name).read_text(), {})
    return parse(text, source="test", outside=outside).model


MANIFESTS = [
    (path.name, document)
    for path in sorted(KUBERNETES.glob("*.yaml"))
    for document in documents(path)
    if "apiVersion" in document
]
BUILT_IN = [each for each in MANIFESTS if each[1]["kind"] not in ("Kustomization", "PodMonitor")]
DEPLOYMENTS = [document for _, document in MANIFESTS if document["kind"] == "Deployment"]


def containers(deployment: Document) -> Iterator[Document]:
    pod = deployment["spec"]["template"]["spec"]
    yield from (*pod.get("initContainers", ()), *pod["containers"])


def probers() -> Iterator[Document]:
    """Yield the containers of prober itself."""
    for deployment in DEPLOYMENTS:
        yield from (each for each in containers(deployment) if each["name"] == "prober")


def named(kind: str) -> Document:
    (found,) = (document for _, document in MANIFESTS if document["kind"] == kind)
    return found


# Who may reach it


def test_only_named_pods_reach_the_service() -> None:
    policy, service = named("NetworkPolicy")["spec"], named("Service")["spec"]
    assert policy["podSelector"]["matchLabels"] == service["selector"]
    assert policy["policyTypes"] == ["Ingress"]
    (rule,) = policy["ingress"]
    assert all("podSelector" in source for source in rule["from"])
    (port,) = service["ports"]
    assert [each["port"] for each in rule["ports"]] == [port["targetPort"]]
    assert service.get("type", "ClusterIP") == "ClusterIP"


def test_the_policy_is_applied_with_the_rest() -> None:
    assert "networkpolicy.yaml" in named("Kustomization")["resources"]


def test_nothing_of_the_compose_file_has_a_password_that_everybody_knows() -> None:
    (compose,) = documents(DEPLOY / "compose.yaml")
    environment = compose["services"]["grafana"]["environment"]
    assert environment["GF_SECURITY_ADMIN_PASSWORD"].startswith("${GRAFANA_PASSWORD:?")
    for service in compose["services"].values():
        assert service["cap_drop"] == ["ALL"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])


# The image


def test_the_image_is_made_of_nothing_that_is_ignored() -> None:
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {pattern[1:] for pattern in patterns if pattern.startswith("!")}
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert {source for copy in copies for source in copy.split()} == allowed


def test_the_image_runs_as_the_user_of_the_manifests() -> None:
    (user,) = re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE)
    for deployment in DEPLOYMENTS:
        security = deployment["spec"]["template"]["spec"]["securityContext"]
        assert (security["runAsUser"], security["fsGroup"]) == (int(user), int(user))
        assert security["runAsNonRoot"] is True


HADOLINT = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin")


@pytest.mark.skipif(not HADOLINT, reason="hadolint is not installed")
def test_the_linter_finds_nothing_in_the_dockerfile() -> None:
    assert HADOLINT
    command = [HADOLINT, "--failure-threshold", "style", str(ROOT / "Dockerfile")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


# The document


INSTALL = (ROOT / "docs/install.md").read_text()


def table(heading: str) -> list[list[str]]:
    """Return what stands in backticks in each row of a table of docs/install.md."""
    lines = INSTALL.split(f"| {heading} |", 1)[1].splitlines()[2:]
    rows = lines[: next(i for i, line in enumerate(lines) if not line.startswith("|"))]
    return [re.findall(r"`([^`]+)`", row) for row in rows]


def test_the_document_names_the_variables_of_the_image() -> None:
    variables = re.findall(r"\b(PROBER_\w+)=(\S+)", DOCKERFILE)
    assert table("variable | value") == [[name, value] for name, value in variables]


def _in_quotes(path: str) -> str:
    """Return how a path begins a word of a command; one that ends in an ellipsis goes on."""
    return f'"{path[:-1]}' if path.endswith("…") else f'"{path}"'


def test_the_document_names_what_make_installs_where() -> None:
    done = subprocess.run(
        ["make", "--dry-run", "install", "PYTHON=/usr/bin/python3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [path for path, *_ in table("path | contents")]
    assert [path for path in paths if _in_quotes(path) not in done.stdout] == ["/var/lib/prober"]
    assert "StateDirectory=prober" in (ROOT / "systemd/prober.service").read_text()


def test_the_document_says_how_long_the_unit_may_hang() -> None:
    (seconds,) = re.findall(
        r"^WatchdogSec=(\d+)$", (ROOT / "systemd/prober.service").read_text(), re.MULTILINE
    )
    assert f"hangs for {seconds} s (`WatchdogSec`)" in INSTALL
    assert f"not advanced for {HUNG:g} s" in INSTALL.replace("\n", " ")


# Kubernetes


@pytest.mark.parametrize("version", [OLDEST_KUBERNETES, "1.33"])
@pytest.mark.parametrize(("name", "manifest"), BUILT_IN, ids=lambda value: str(value)[:20])
def test_a_manifest_is_what_kubernetes_expects(name: str, manifest: Document, version: str) -> None:
    validate = pytest.importorskip("kubernetes_validate").validate
    validate(manifest, version, strict=True)


def test_the_kustomization_names_the_files_that_there_are() -> None:
    kustomization = named("Kustomization")
    (generator,) = kustomization["configMapGenerator"]
    for name in (*kustomization["resources"], *generator["files"]):
        assert (KUBERNETES / name).is_file(), name
    (deployment,) = (each for each in DEPLOYMENTS if each["metadata"]["name"] == "prober")
    volumes = deployment["spec"]["template"]["spec"]["volumes"]
    assert {"name": generator["name"]} in [each.get("configMap") for each in volumes]


def test_the_images_are_of_this_version() -> None:
    (image,) = named("Kustomization")["images"]
    tags = {image["newTag"]}
    tags |= {each["image"].rpartition(":")[2] for each in probers() if ":" in each["image"]}
    assert tags == {__version__}


def test_every_container_has_no_more_rights_than_it_needs() -> None:
    for deployment in DEPLOYMENTS:
        for container in containers(deployment):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_the_probes_of_kubernetes_ask_for_routes_that_there_are() -> None:
    routes = {route.path for route in ROUTES}
    asked = set()
    for container in probers():
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            get = container[kind]["httpGet"]
            assert get["port"] in {port["name"] for port in container["ports"]}
            path = urlsplit(get["path"]).path
            asked.add(re.sub(r"^/health/pools/\w+$", "/health/pools/{name}", path))
    assert asked == {"/-/ready", "/-/healthy", "/health/pools/{name}"}
    assert asked <= routes


def test_the_sidecar_is_one_and_gates_on_a_pool_that_it_probes() -> None:
    (sidecar,) = (each for each in probers() if each.get("restartPolicy") == "Always")
    config = model_of(named("ConfigMap")["data"]["prober.yaml"])
    pool = sidecar["readinessProbe"]["httpGet"]["path"].removeprefix("/health/pools/")
    assert pool.partition("?")[0] in {each.name for each in config.pools}
    assert {each.address for pool in config.pools for each in pool.backends} == {"127.0.0.1"}


def test_the_pod_monitor_selects_both_kinds_of_pods() -> None:
    spec = named("PodMonitor")["spec"]
    (match,) = spec["selector"]["matchExpressions"]
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in DEPLOYMENTS]
    assert {each[match["key"]] for each in labels} == set(match["values"])
    ports = [port["name"] for container in probers() for port in container["ports"]]
    assert {each["port"] for each in spec["podMetricsEndpoints"]} == set(ports)


def test_a_config_map_that_is_swapped_is_reloaded(tmp_path: Path) -> None:
    """As kubelet does it: a new directory, a link to it that takes the old one's place."""

    def write(version: str, *ports: int) -> None:
        targets = [f"127.0.0.1:{port}" for port in ports]
        config = {
            "server": {"watch_config": True},
            "monitors": [{"name": "web", "type": "TCP", "targets": targets}],
        }
        (tmp_path / version).mkdir()
        (tmp_path / version / "prober.json").write_text(json.dumps(config))
        (tmp_path / "..data_tmp").symlink_to(version)
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")

    write("..2026_01", 1)
    (tmp_path / "prober.json").symlink_to("..data/prober.json")
    first = json.loads((tmp_path / "prober.json").read_text())
    with daemon(first, tmp_path) as running:
        write("..2026_02", 1, free_port())
        shutil.rmtree(tmp_path / "..2026_01")
        line = running.wait_for("config_reloaded")
        assert (line["added"], line["checks"]) == (1, 2)


# Compose

COMPOSE = documents(DEPLOY / "compose.yaml")[0]


def test_compose_mounts_what_there_is() -> None:
    for name, service in COMPOSE["services"].items():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            known = source in COMPOSE["volumes"] or (DEPLOY / source).is_dir()
            assert known, (name, volume)
    assert (DEPLOY / COMPOSE["services"]["prober"]["build"] / "Dockerfile").is_file()
    (dashboards,) = documents(DEPLOY / "grafana/provisioning/dashboards/prober.yaml")
    (provider,) = dashboards["providers"]
    assert (
        f"./grafana:{provider['options']['path']}:ro" in COMPOSE["services"]["grafana"]["volumes"]
    )


def test_the_services_of_compose_ask_each_other_where_they_are() -> None:
    ports = {
        f"{name}:{port.rpartition(':')[2]}"
        for name, service in COMPOSE["services"].items()
        for port in service["ports"]
    }
    (prometheus,) = documents(DEPLOY / "prometheus/compose.yml")
    (grafana,) = documents(DEPLOY / "grafana/provisioning/datasources/prometheus.yaml")
    config = model_of((DEPLOY / "compose/prober.yaml").read_text())
    asked = {each.key for pool in config.pools for each in pool.backends}
    asked |= {urlsplit(each["url"]).netloc for each in grafana["datasources"]}
    asked |= {
        target
        for job in prometheus["scrape_configs"]
        for static in job["static_configs"]
        for target in static["targets"]
    }
    assert asked == ports


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_prometheus_takes_its_configuration() -> None:
    command = ["promtool", "check", "config", str(DEPLOY / "prometheus/compose.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", ["kubernetes/prober.yaml", "compose/prober.yaml"])
def test_the_shipped_configurations_are_valid_and_watched(path: str) -> None:
    text = (DEPLOY / path).read_text()
    assert model_of(text).checks()
    assert yaml.safe_load(text)["server"]["watch_config"] is True
