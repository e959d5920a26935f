"""What is shipped, as it is read by the systems that it is for: image, unit, manifests."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml

from tests import ROOT

Document = dict[str, Any]

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
DOCKERFILE = (ROOT / "Dockerfile").read_text()
UNIT = (ROOT / "systemd/prober.service").read_text()


# The image


def image_environment() -> dict[str, str]:
    """Return the variables of prober that the image sets."""
    return dict(re.findall(r"\b(PROBER_\w+)=(\S+)", DOCKERFILE))


def health_check() -> list[str]:
    """Return the command of the image's HEALTHCHECK."""
    (command,) = re.findall(r"^HEALTHCHECK .*CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    return list(json.loads(command))


# The unit


@cache
def under_the_unit() -> tuple[str, ...]:
    """Return a command that gives the command behind it the /proc that the unit gives; or nothing.

    It takes root and the programs of util-linux.
    """
    settings = dict(re.findall(r"^(\w+)=(.*)$", UNIT, re.MULTILINE))
    options = [f"hidepid={settings['ProtectProc']}"]
    if "ProcSubset" in settings:
        options.append(f"subset={settings['ProcSubset']}")
    mounted = f'mount -t proc -o {",".join(options)} proc /proc && exec "$@"'
    command = ("unshare", "--mount", "sh", "-c", mounted, "sh")
    if not shutil.which("unshare"):
        return ()
    done = subprocess.run([*command, "true"], capture_output=True, check=False)
    return () if done.returncode else command


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
