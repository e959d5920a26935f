"""What is shipped for clusters: manifests, compose, a drop-in of systemd, `make run-cluster`."""

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from prober import __version__
from prober.config.configuration import Config
from prober.config.reader import parse
from prober.model.option import ReadContext
from tests import ROOT
from tests.test_deploy import OLDEST_KUBERNETES, containers, documents

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes/cluster"
MANIFESTS = {
    f"{each['kind']} {each['metadata']['name']}": each
    for path in sorted(KUBERNETES.glob("*.yaml"))
    for each in documents(path)
    if "metadata" in each
}
SET = MANIFESTS["StatefulSet prober-cluster"]
POD = SET["spec"]["template"]
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose/cluster.yaml").read_text())


def config_in(path: Path) -> Config:
    outside = ReadContext("", lambda name: Path(name).read_text(), {})
    return parse(path.read_text(), source=str(path), outside=outside)


@pytest.mark.parametrize("version", [OLDEST_KUBERNETES, "1.33"])
@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_is_what_kubernetes_expects(name: str, version: str) -> None:
    validate = pytest.importorskip("kubernetes_validate").validate
    validate(MANIFESTS[name], version, strict=True)


def test_the_kustomization_has_all_files_and_this_version() -> None:
    (kustomization,) = documents(KUBERNETES / "kustomization.yaml")
    (generator,) = kustomization["configMapGenerator"]
    named = {*kustomization["resources"], *generator["files"], "kustomization.yaml"}
    assert named == {path.name for path in KUBERNETES.iterdir()}
    assert {"name": generator["name"]} in [v.get("configMap") for v in POD["spec"]["volumes"]]
    assert [image["newTag"] for image in kustomization["images"]] == [__version__]


def test_everything_selects_the_pods_of_the_set() -> None:
    labels = POD["metadata"]["labels"]
    affinity = POD["spec"]["affinity"]["podAntiAffinity"]
    (zone,) = affinity["preferredDuringSchedulingIgnoredDuringExecution"]
    (node,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]
    assert zone["podAffinityTerm"]["topologyKey"] == "topology.kubernetes.io/zone"
    policy = MANIFESTS["NetworkPolicy prober-cluster"]["spec"]
    for selector in (
        *(SET["spec"]["selector"], zone["podAffinityTerm"]["labelSelector"], node["labelSelector"]),
        MANIFESTS["PodDisruptionBudget prober-cluster"]["spec"]["selector"],
        *(policy["podSelector"], policy["ingress"][0]["from"][0]["podSelector"]),
    ):
        assert selector["matchLabels"] == labels
    for name in ("prober-cluster", "prober-cluster-members"):
        assert MANIFESTS[f"Service {name}"]["spec"]["selector"] == labels
    assert f"Service {SET['spec']['serviceName']}" in MANIFESTS


def test_a_pod_has_no_more_rights_than_it_needs_and_tells_others_its_address() -> None:
    (container,) = containers(SET)
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    values = {each["name"]: each.get("value") for each in container["env"]}
    (port,) = container["ports"]
    assert values["PROBER_LISTEN"] == f"$(POD_IP):{port['containerPort']}"


@pytest.mark.parametrize("path", ["kubernetes/cluster/prober.yaml", "compose/cluster/prober.yaml"])
def test_the_shipped_configurations_are_valid_and_watched(path: str) -> None:
    config = config_in(DEPLOY / path)
    assert config.cluster is not None
    assert config.cluster.member == ""
    assert config.server.watch_config
    assert config.model.checks()


def test_the_members_of_compose_probe_each_other_and_find_etcd() -> None:
    services = COMPOSE["services"]
    config = config_in(DEPLOY / "compose/cluster/prober.yaml")
    members = {name for name, service in services.items() if service.get("image") == "prober"}
    assert members == {service["hostname"] for name, service in services.items() if name in members}
    assert len(members) == 3
    hosts = {check.key[1].rpartition(":")[0] for check in config.model.checks()}
    assert hosts == {*members, "etcd"}
    assert config.cluster is not None
    assert config.cluster.etcd.endpoints == ("http://etcd:2379",)
    for name in members:
        (volume,) = services[name]["volumes"]
        assert (DEPLOY / "compose" / volume.split(":")[0]).is_dir()
        assert (DEPLOY / "compose" / services[name]["build"] / "Dockerfile").is_file()


def test_the_drop_in_gives_the_password_where_its_comment_says() -> None:
    text = (ROOT / "systemd/cluster.conf").read_text()
    (credential,) = re.findall(r"^LoadCredential=(\w+):", text, re.MULTILINE)
    assert f"/run/credentials/prober.service/{credential}" in text


@pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd is not installed")
@pytest.mark.xdist_group("members")
def test_make_run_cluster_starts_three_members_and_says_where() -> None:
    command = [str(DEPLOY / "cluster/run"), sys.executable]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(5)]
        finally:
            process.send_signal(signal.SIGTERM)
    pages = [line.split()[2] for line in said if line.startswith("member ")]
    assert pages == [f"http://127.0.0.1:{port}/" for port in (7771, 7772, 7773)]


def test_make_run_cluster_says_that_etcd_is_missing(tmp_path: Path) -> None:
    bash = shutil.which("bash") or "bash"
    done = subprocess.run(
        [bash, str(DEPLOY / "cluster/run"), sys.executable],
        capture_output=True,
        text=True,
        env={"PATH": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "etcd is not installed: apt-get install etcd-server\n"
