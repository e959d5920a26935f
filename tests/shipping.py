"""What is shipped, as it is read by the systems that it is for: image, dashboard, manifests."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests import ROOT

Document = dict[str, Any]

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
DOCKERFILE = (ROOT / "Dockerfile").read_text()


# The image


def image_environment() -> dict[str, str]:
    """Return the variables of prober that the image sets."""
    return dict(re.findall(r"\b(PROBER_\w+)=(\S+)", DOCKERFILE))


def health_check() -> list[str]:
    """Return the command of the image's HEALTHCHECK."""
    (command,) = re.findall(r"^HEALTHCHECK .*CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    return list(json.loads(command))


# Rules and dashboard

RULES = yaml.safe_load((DEPLOY / "prometheus/rules.yml").read_text())
DASHBOARD = json.loads((DEPLOY / "grafana/prober.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
METRIC = re.compile(r"\b(?:prober|probe|process)_[a-z_]+\b(?!:)")


def rules(sort: str) -> list[dict[str, Any]]:
    """Return the rules that record, or those that alert."""
    return [rule for group in RULES["groups"] for rule in group["rules"] if sort in rule]


def expressions() -> list[str]:
    """Return every expression of rules, dashboard and its variables."""
    shown = [target["expr"] for panel in PANELS for target in panel["targets"]]
    variables = [each.get("definition", "") for each in DASHBOARD["templating"]["list"]]
    return [rule["expr"] for rule in (*rules("record"), *rules("alert"))] + shown + variables


def metrics_asked_for() -> set[str]:
    """Return the metrics that rules and dashboard ask for, as they name them."""
    return {name for each in expressions() for name in METRIC.findall(each)}


# The manifests


def manifests() -> Iterator[tuple[str, Document]]:
    """Yield the objects in the manifests, with the names of their files."""
    for path in sorted(KUBERNETES.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if "apiVersion" in document:
                yield path.name, document


def of_kind(kind: str) -> list[Document]:
    """Return the objects of a kind."""
    return [document for _, document in manifests() if document["kind"] == kind]


def containers(deployment: Document) -> Iterator[Document]:
    """Yield the containers of a Deployment's pods."""
    pod = deployment["spec"]["template"]["spec"]
    yield from (*pod.get("initContainers", ()), *pod["containers"])


def config_map(name: str) -> dict[str, str]:
    """Return the files of a ConfigMap, written out or generated."""
    for each in of_kind("ConfigMap"):
        if each["metadata"]["name"] == name:
            return dict(each["data"])
    (kustomization,) = of_kind("Kustomization")
    (generator,) = kustomization["configMapGenerator"]
    assert generator["name"] == name, f"no ConfigMap {name}"
    return {file: (KUBERNETES / file).read_text() for file in generator["files"]}
