"""The Helm chart: valid by helm's own word, true to the manifests beside it and to Kubernetes."""

import json
import re
import shutil
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from prober import __version__
from prober.config.reader import parse
from prober.model.option import ReadContext
from tests import ROOT
from tests.shipping import containers, of_kind

CHART = ROOT / "deploy/helm/prober"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
KUBERNETES = "1.29"
HELM = shutil.which("helm")
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
EVERYTHING: dict[str, Any] = {
    "image": {"digest": f"sha256:{'0' * 64}"},
    "imagePullSecrets": [{"name": "registry"}],
    "persistence": {"enabled": True, "storageClass": "fast"},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "podDisruptionBudget": {"enabled": True},
    "endpointSlices": {"namespaces": ["shop", "web"]},
    "env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "api", "key": "token"}}}],
    "extraVolumes": [{"name": "secrets", "secret": {"secretName": "api"}}],
    "extraVolumeMounts": [{"name": "secrets", "mountPath": "/run/secrets/prober"}],
    "podAnnotations": {"a": "b"},
    "podLabels": {"tier": "edge"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "priorityClassName": "high",
    "service": {"annotations": {"a": "b"}},
    "serviceAccount": {"annotations": {"a": "b"}},
}

Document = dict[str, Any]
needs_helm = pytest.mark.skipif(HELM is None, reason="helm is not installed")


def helm(*arguments: str, **values: Any) -> "subprocess.CompletedProcess[str]":
    assert HELM
    return subprocess.run(
        [HELM, *arguments, f"--kube-version={KUBERNETES}.0", "--values=-"],
        input=yaml.safe_dump(values),
        capture_output=True,
        text=True,
        check=False,
    )


def rendered(**values: Any) -> list[Document]:
    """Return what the chart makes of these values."""
    done = helm("template", "web", str(CHART), "--namespace", "monitoring", **values)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


@cache
def by_default() -> list[Document]:
    return rendered()


@cache
def with_everything() -> list[Document]:
    return rendered(**EVERYTHING)


def the(kind: str, documents: list[Document]) -> Document:
    (found,) = (each for each in documents if each["kind"] == kind)
    return found


def kinds(documents: list[Document]) -> list[str]:
    return sorted(each["kind"] for each in documents)


def config_of(documents: list[Document]) -> str:
    text: str = the("ConfigMap", documents)["data"]["prober.yaml"]
    return text


# What holds without helm


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert chart["description"] == project["description"]


def test_the_default_values_are_those_of_the_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(VALUES, SCHEMA)
    assert VALUES.keys() == SCHEMA["properties"].keys() - {"global"}


def test_the_chart_says_the_same_as_the_manifests() -> None:
    """Kustomize and helm give a container with the same rights, probes and limits."""
    (deployment,) = (each for each in of_kind("Deployment") if each["metadata"]["name"] == "prober")
    (container,) = containers(deployment)
    for key in (*PROBES, "resources", "securityContext"):
        assert VALUES[key] == container[key], key
    pod = deployment["spec"]["template"]["spec"]
    assert VALUES["podSecurityContext"] == pod["securityContext"]
    (policy,) = of_kind("NetworkPolicy")
    assert VALUES["networkPolicy"]["from"] == policy["spec"]["ingress"][0]["from"]
    shipped = yaml.safe_load((ROOT / "deploy/kubernetes/prober.yaml").read_text())
    assert VALUES["config"] == shipped


def values_of_the_document() -> str:
    """Return what docs/install.md says about helm."""
    return (ROOT / "docs/install.md").read_text().split("\n## With Helm\n")[1].split("\n## ")[0]


def test_the_document_names_values_that_there_are() -> None:
    rows = re.findall(r"^\| (`.+?) \|", values_of_the_document(), re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`([\w.]+)`", row)]
    assert len(names) > 5
    for name in names:
        value = VALUES
        for key in name.split("."):
            value = value[key]


# What helm says


@needs_helm
def test_the_values_of_the_document_are_accepted() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", values_of_the_document(), re.DOTALL)
    documents = rendered(**yaml.safe_load(text))
    assert "ServiceMonitor" in kinds(documents)
    assert "web.default.svc:80" in config_of(documents)


@needs_helm
def test_the_linter_of_helm_finds_nothing() -> None:
    for values in ({}, EVERYTHING):
        done = helm("lint", "--strict", "--quiet", str(CHART), **values)
        assert (done.returncode, done.stdout) == (0, ""), done.stdout


@needs_helm
@pytest.mark.parametrize("values", ["default", "everything"])
def test_everything_that_is_rendered_is_what_kubernetes_expects(values: str) -> None:
    validate = pytest.importorskip("kubernetes_validate").validate
    for document in by_default() if values == "default" else with_everything():
        if document["kind"] != "ServiceMonitor":
            validate(document, KUBERNETES, strict=True)


@needs_helm
def test_by_default_it_is_what_the_manifests_are() -> None:
    assert kinds(by_default()) == [
        *("ConfigMap", "Deployment", "NetworkPolicy", "Pod", "Service", "ServiceAccount"),
    ]
    spec = the("Deployment", by_default())["spec"]
    (other,) = (each for each in of_kind("Deployment") if each["metadata"]["name"] == "prober")
    pod, theirs = spec["template"]["spec"], other["spec"]["template"]["spec"]
    (container,), (their,) = pod["containers"], theirs["containers"]
    assert container["image"].endswith(f":{__version__}")
    own = {"image": their["image"]}
    assert {**container, **own} == {**their, "imagePullPolicy": "IfNotPresent"}
    assert spec["strategy"] == other["spec"]["strategy"]
    assert pod["automountServiceAccountToken"] is False
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()


@needs_helm
def test_service_monitor_and_policy_select_what_the_deployment_makes() -> None:
    documents = with_everything()
    labels = the("Deployment", documents)["spec"]["template"]["metadata"]["labels"]
    service = the("Service", documents)
    monitor = the("ServiceMonitor", documents)
    for kind, selector in (
        ("NetworkPolicy", the("NetworkPolicy", documents)["spec"]["podSelector"]["matchLabels"]),
        ("Budget", the("PodDisruptionBudget", documents)["spec"]["selector"]["matchLabels"]),
        ("Service", service["spec"]["selector"]),
    ):
        assert selector.items() <= labels.items(), kind
    selected = monitor["spec"]["selector"]["matchLabels"].items()
    assert selected <= service["metadata"]["labels"].items()
    ports = {each["name"] for each in service["spec"]["ports"]}
    assert {each["port"] for each in monitor["spec"]["endpoints"]} <= ports
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


@needs_helm
def test_the_configuration_of_the_values_is_the_one_that_prober_reads() -> None:
    config = {"monitors": [{"name": "on", "type": "HTTP", "targets": ["a.example:80"], "rise": 3}]}
    text = config_of(rendered(config=config))
    model = parse(
        text, source="test", outside=ReadContext("", lambda name: Path(name).read_text(), {})
    ).model
    assert [each.monitor.name for each in model.checks()] == ["on"]
    assert yaml.safe_load(text)["server"] == {"watch_config": True}


@needs_helm
def test_a_config_map_of_ones_own_is_used_instead() -> None:
    documents = rendered(existingConfigMap="mine")
    assert "ConfigMap" not in kinds(documents)
    volumes = the("Deployment", documents)["spec"]["template"]["spec"]["volumes"]
    assert {"name": "config", "configMap": {"name": "mine"}} in volumes


@needs_helm
def test_a_claim_keeps_the_state_and_outlives_the_release() -> None:
    documents = with_everything()
    claim = the("PersistentVolumeClaim", documents)
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    volumes = the("Deployment", documents)["spec"]["template"]["spec"]["volumes"]
    name = claim["metadata"]["name"]
    assert {"name": "state", "persistentVolumeClaim": {"claimName": name}} in volumes
    documents = rendered(persistence={"enabled": True, "existingClaim": "mine"})
    assert "PersistentVolumeClaim" not in kinds(documents)


@needs_helm
def test_the_token_is_there_only_for_endpoint_slices() -> None:
    pod = the("Deployment", with_everything())["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is True
    bindings = [each for each in with_everything() if each["kind"] == "RoleBinding"]
    assert {each["metadata"]["namespace"] for each in bindings} == {"shop", "web"}
    for each in bindings:
        (subject,) = each["subjects"]
        assert (subject["name"], subject["namespace"]) == (
            pod["serviceAccountName"],
            "monitoring",
        )


@needs_helm
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"replicas": 2, "persistence": {"enabled": True}}, "cannot share a state directory"),
        ({"replica": 2}, "replica"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"service": {"port": 77620}}, "port"),
        ({"networkPolicy": {"from": [{"pods": {}}]}}, "pods"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_values_that_make_no_sense_are_refused_by_name(values: Document, message: str) -> None:
    done = helm("template", "web", str(CHART), **values)
    assert done.returncode != 0
    assert message in done.stderr


@needs_helm
def test_nobody_is_admitted_when_the_list_is_empty() -> None:
    spec = the("NetworkPolicy", rendered(networkPolicy={"from": []}))["spec"]
    assert (spec["ingress"], spec["policyTypes"]) == ([], ["Ingress"])
