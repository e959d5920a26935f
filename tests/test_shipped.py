"""What is shipped works together: image, manifests and documents speak of one and the same prober.

Each container of prober in the manifests is run as Kubernetes would run it: with the environment
of the image and of the container, the files of its ConfigMap, and nowhere to write but its volumes.
`tests/acceptance/test_as_shipped.py` asks the unit and the image, with a Prometheus beside them.
"""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import yaml

from tests import ROOT, forking
from tests.blackbox.targets import site
from tests.ports import free_port
from tests.running import Daemon, prober
from tests.shipping import (
    DOCKERFILE,
    Document,
    config_map,
    containers,
    health_check,
    image_environment,
    of_kind,
)

PODS = [
    (deployment["metadata"]["name"], deployment, container)
    for deployment in of_kind("Deployment")
    for container in containers(deployment)
    if container["name"] == "prober"
]
NAMES = [name for name, _, _ in PODS]
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


class Pod(NamedTuple):
    """A container of prober that runs, and what its manifest says of it."""

    container: Document
    environment: dict[str, str]
    running: Daemon


def environment_of(container: Document) -> dict[str, str]:
    """Return the variables of a container."""
    own = {each["name"]: each["value"] for each in container.get("env", ())}
    return {**image_environment(), **own}


def mounted(container: Document, deployment: Document, folder: Path) -> dict[str, Path]:
    """Make the volumes of a container; return where each path in it is here."""
    volumes = {each["name"]: each for each in deployment["spec"]["template"]["spec"]["volumes"]}
    found = {}
    for mount in container["volumeMounts"]:
        place = found[mount["mountPath"]] = folder / mount["name"]
        place.mkdir()
        volume = volumes[mount["name"]]
        if "configMap" in volume:
            for name, text in config_map(volume["configMap"]["name"]).items():
                (place / name).write_text(text)
    return found


def here(path: str, places: dict[str, Path]) -> str:
    """Return where a path of a container is here: below one of its volumes."""
    for mount, place in places.items():
        if path == mount or path.startswith(f"{mount}/"):
            return f"{place}{path.removeprefix(mount)}"
    raise AssertionError(f"{path} is not in a volume, and nothing else can be written")


def pointed_at(port: int, path: Path) -> None:
    """Let every monitor of a configuration probe a server of the test."""
    config = yaml.safe_load(path.read_text())
    for monitor in config["monitors"]:
        monitor["targets"] = [f"127.0.0.1:{port}"]
    path.write_text(yaml.safe_dump(config))


@pytest.fixture(scope="module", params=PODS, ids=NAMES)
def pod(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    _, deployment, container = request.param
    places = mounted(container, deployment, tmp_path_factory.mktemp("pod"))
    environment = environment_of(container)
    for name in ("PROBER_CONFIG", "PROBER_STATE_DIR"):
        environment[name] = here(environment[name], places)
    environment["PROBER_LISTEN"] = re.sub(r"\d+$", str(free_port()), environment["PROBER_LISTEN"])
    arguments = container.get("args") or ["run"]
    with ExitStack() as stack:
        pointed_at(stack.enter_context(site()), Path(environment["PROBER_CONFIG"]))
        reading, writing = os.pipe()
        log = stack.enter_context(os.fdopen(reading, "rb"))
        whole = {**os.environ, **environment}
        process = forking.start("prober", arguments, environment=whole, stderr=writing)
        os.close(writing)
        stack.enter_context(process)
        stack.callback(process.kill)
        yield Pod(container, environment, stack.enter_context(closing(Daemon(process, log))))


# A container that runs


def test_every_probe_of_kubernetes_is_answered(pod: Pod) -> None:
    if "/health/" in pod.container["readinessProbe"]["httpGet"]["path"]:
        pod.running.wait_for_any("status_changed", to="OK")
    for kind in PROBES:
        path = pod.container[kind]["httpGet"]["path"]
        assert pod.running.get(path)[0] == 200, (kind, path)


def test_the_health_check_of_the_image_finds_it(pod: Pod) -> None:
    program, *arguments = health_check()
    assert program == "prober"
    assert prober(*arguments, **pod.environment).returncode == 0
    elsewhere = {**pod.environment, "PROBER_LISTEN": f"127.0.0.1:{free_port()}"}
    assert prober(*arguments, **elsewhere).returncode == 1


def test_it_keeps_its_state_in_its_volume(pod: Pod) -> None:
    assert (Path(pod.environment["PROBER_STATE_DIR"]) / "prober.db").exists()
    assert not [line for line in pod.running.lines if line["event"].startswith("state_")]


def test_prometheus_finds_metrics_where_the_pod_monitor_says(pod: Pod) -> None:
    (monitor,) = of_kind("PodMonitor")
    for endpoint in monitor["spec"]["podMetricsEndpoints"]:
        assert endpoint["port"] in [each["name"] for each in pod.container["ports"]]
        assert "prober_checks" in pod.running.get(endpoint.get("path", "/metrics"))[1]


# What all of them call it


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def test_all_speak_of_one_port() -> None:
    (exposed,) = re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.MULTILINE)
    ports = {int(exposed), port_of(image_environment()["PROBER_LISTEN"])}
    for _, _, container in PODS:
        (named,) = container["ports"]
        ports |= {named["containerPort"], port_of(environment_of(container)["PROBER_LISTEN"])}
        assert {container[kind]["httpGet"]["port"] for kind in PROBES} == {named["name"]}
    assert ports == {7762}
    (service,) = of_kind("Service")
    assert [each["targetPort"] for each in service["spec"]["ports"]] == ["http"]


def test_a_sidecar_probes_a_port_of_its_pod() -> None:
    _, deployment, _ = next(each for each in PODS if each[0] == "shop")
    text = config_map("shop-prober")["prober.yaml"]
    probed = {port_of(one) for each in yaml.safe_load(text)["monitors"] for one in each["targets"]}
    others = [each for each in containers(deployment) if each["name"] != "prober"]
    assert probed == {port["containerPort"] for each in others for port in each["ports"]}


def words_of_the_document() -> set[str]:
    """Return what docs/install.md has in backticks about Kubernetes."""
    text = (ROOT / "docs/install.md").read_text()
    part = text.split("## In Kubernetes\n", 1)[1].split("\n## ", 1)[0]
    return set(re.findall(r"`([^`\n]+)`", part))


def keys_of(value: Any) -> Iterator[str]:
    """Yield every key and every text in a document, and `key: text`."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from (str(key), f"{key}: {each}", f'{key}: "{each}"')
            yield from keys_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from keys_of(each)
    else:
        yield str(value)


def allowed(path: str) -> tuple[int, ...]:
    """Return what a container may answer to a path in the document."""
    if "/pools/" in path:
        return (200, 404)  # it is of one container only
    return (200, 403) if path == "/-/reload" else (200,)


def test_the_document_names_what_is_in_the_manifests(pod: Pod) -> None:
    known: set[str] = {"prober.yaml", "kustomization.yaml", "httpHeaders"}
    for kind in ("Deployment", "Service", "NetworkPolicy", "PodMonitor", "Kustomization"):
        for each in of_kind(kind):
            known |= set(keys_of(each))
    for word in words_of_the_document():
        method, _, path = word.rpartition(" ")
        if path.startswith("/"):
            assert pod.running.get(path, method or "GET")[0] in allowed(path), word
        elif word.startswith("kubectl "):
            assert set(re.findall(r"\bdeploy/(\w+)", word)) <= set(NAMES), word
        elif word.startswith("prober_"):
            assert word in pod.running.get("/metrics")[1], word
        elif word.startswith("server."):
            config = yaml.safe_load(Path(pod.environment["PROBER_CONFIG"]).read_text())
            assert word.removeprefix("server.") in config["server"], word
        else:
            assert word in known, word


def test_the_gate_of_the_document_is_that_of_the_sidecar() -> None:
    gates = {word for word in words_of_the_document() if word.startswith("/health/")}
    asked = {container["readinessProbe"]["httpGet"]["path"] for _, _, container in PODS}
    assert gates == {path for path in asked if urlsplit(path).path.startswith("/health/")}
