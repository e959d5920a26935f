"""Oracle's clients manage backend sets: the SDKs for Python, Go and TypeScript, the command line.

All of them talk to a daemon that verifies what they sign.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests import ROOT
from tests.clients.go_client import built, steps
from tests.clients.oracle import FINGERPRINT, KEY_ID, TENANCY, USER
from tests.clients.serving import configuration
from tests.running import PATIENCE, Daemon, daemon

GO = Path(__file__).with_name("oci_go")
TYPESCRIPT = Path(__file__).with_name("oci_ts")


class Signed(NamedTuple):
    """A daemon that verifies signatures, and where the key of its client is."""

    daemon: Daemon
    key: Path

    @property
    def url(self) -> str:
        return str(self.daemon.url)


@pytest.fixture
def signed(tmp_path: Path) -> Iterator[Signed]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private = key.private_bytes(encoding, form, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(private)
    (tmp_path / "key.pem").chmod(0o600)
    public = key.public_key().public_bytes(
        encoding, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "public.pem").write_bytes(public)
    trusted = {"key_id": KEY_ID, "role": "write"}
    keys = [{**trusted, "public_key": str(tmp_path / "public.pem")}]
    server = {"writable": True, "auth": {"oracle_keys": keys}}
    with daemon({**configuration(), "server": server}, tmp_path) as running:
        yield Signed(running, tmp_path / "key.pem")


# The SDK for Python


@pytest.fixture
def sdk(signed: Signed, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("OCI_SDK_DEFAULT_CIRCUITBREAKER_ENABLED", "false")
    pytest.importorskip("oci", reason="the SDK oci is not installed")
    return {
        "user": USER,
        "tenancy": TENANCY,
        "fingerprint": FINGERPRINT,
        "region": "us-ashburn-1",
        "key_file": str(signed.key),
    }


def test_the_sdk_waits_for_what_it_creates(signed: Signed, sdk: dict[str, str]) -> None:
    lb: Any = pytest.importorskip("oci.load_balancer")
    models = lb.models
    client = lb.LoadBalancerClient(sdk, service_endpoint=signed.url)
    both = lb.LoadBalancerClientCompositeOperations(client)
    done = ["SUCCEEDED"]
    checker = models.HealthCheckerDetails(protocol="TCP", port=0)
    backend = models.BackendDetails(ip_address="127.0.0.1", port=9, weight=2)
    made = models.CreateBackendSetDetails(
        name="py", policy="IP_HASH", health_checker=checker, backends=[backend]
    )
    both.create_backend_set_and_wait_for_state(made, "lb-1", done)
    found = client.get_backend_set("lb-1", "py").data
    assert (found.policy, found.health_checker.protocol) == ("IP_HASH", "TCP")
    assert [(each.name, each.weight, each.drain) for each in found.backends] == [
        ("127.0.0.1:9", 2, False)
    ]
    new = models.CreateBackendDetails(ip_address="127.0.0.1", port=10, backup=True)
    both.create_backend_and_wait_for_state(new, "lb-1", "py", done)
    change = models.UpdateBackendDetails(weight=1, backup=True, drain=True, offline=False)
    both.update_backend_and_wait_for_state(change, "lb-1", "py", "127.0.0.1:10", done)
    found = client.get_backend("lb-1", "py", "127.0.0.1:10").data
    assert (found.weight, found.backup, found.drain, found.offline) == (1, True, True, False)
    both.delete_backend_and_wait_for_state("lb-1", "py", "127.0.0.1:9", done)
    assert [each.name for each in client.list_backends("lb-1", "py").data] == ["127.0.0.1:10"]
    both.delete_backend_set_and_wait_for_state("lb-1", "py", done)
    assert "py" not in [each.name for each in client.list_backend_sets("lb-1").data]
    client.base_client.session.close()


def test_the_sdk_of_the_network_service_waits_too(signed: Signed, sdk: dict[str, str]) -> None:
    nlb: Any = pytest.importorskip("oci.network_load_balancer")
    models = nlb.models
    client = nlb.NetworkLoadBalancerClient(sdk, service_endpoint=signed.url)
    both = nlb.NetworkLoadBalancerClientCompositeOperations(client)
    done = ["SUCCEEDED"]
    details = models.CreateNetworkLoadBalancerDetails(
        compartment_id="c1", display_name="py-nlb", subnet_id="s"
    )
    assert client.create_network_load_balancer(details).data.id == "py-nlb"
    checker = models.HealthCheckerDetails(protocol="UDP", port=53, request_data="aGk=")
    made = models.CreateBackendSetDetails(
        name="py", policy="TWO_TUPLE", is_preserve_source=True, health_checker=checker
    )
    both.create_backend_set_and_wait_for_state("py-nlb", made, done)
    found = client.get_backend_set("py-nlb", "py").data
    assert (found.policy, found.is_preserve_source, found.health_checker.request_data) == (
        *("TWO_TUPLE", True),
        "aGk=",
    )
    new = models.CreateBackendDetails(ip_address="127.0.0.1", port=9, is_offline=True)
    both.create_backend_and_wait_for_state("py-nlb", new, "py", done)
    assert client.get_backend("py-nlb", "py", "127.0.0.1:9").data.is_offline
    change = models.UpdateBackendDetails(is_offline=False)
    both.update_backend_and_wait_for_state("py-nlb", change, "py", "127.0.0.1:9", done)
    assert not client.get_backend("py-nlb", "py", "127.0.0.1:9").data.is_offline
    both.delete_backend_set_and_wait_for_state("py-nlb", "py", done)
    client.delete_network_load_balancer("py-nlb")
    listed = client.list_network_load_balancers("c1").data.items
    assert "py-nlb" not in [each.display_name for each in listed]
    client.base_client.session.close()


# The command line


class Shell:
    """Oracle's command line, with a configuration file of its own."""

    def __init__(self, program: str, signed: Signed, folder: Path) -> None:
        self._program = [program, "--config-file", str(folder / "oci.cfg")]
        self._program += ["--endpoint", signed.url]
        self._environment = {
            **os.environ,
            "OCI_CLI_SUPPRESS_FILE_PERMISSIONS_WARNING": "True",
            "HOME": str(folder),
        }
        lines = {"user": USER, "tenancy": TENANCY, "fingerprint": FINGERPRINT}
        lines |= {"region": "us-ashburn-1", "key_file": str(signed.key)}
        text = "".join(f"{name}={value}\n" for name, value in lines.items())
        (folder / "oci.cfg").write_text(f"[DEFAULT]\n{text}")

    def run(self, *arguments: str) -> Any:
        """Run one command, and return what it prints."""
        done = subprocess.run(
            [*self._program, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert not done.returncode, done.stderr
        return json.loads(done.stdout)["data"] if done.stdout.strip() else None


@pytest.fixture
def shell(signed: Signed, tmp_path: Path) -> Shell:
    own = ROOT / ".venv/oci-cli/bin/oci"
    program = str(own) if own.exists() else shutil.which("oci")
    if program is None:
        pytest.skip("oci-cli is not installed")
    return Shell(program, signed, tmp_path)


def test_the_command_line_manages_backends(shell: Shell) -> None:
    in_lb = ("--load-balancer-id", "lb-1")
    in_set = ("--backend-set-name", "cli", *in_lb)
    wait = ("--wait-for-state", "SUCCEEDED", "--wait-interval-seconds", "1")
    checker = ("--health-checker-protocol", "HTTP", "--health-checker-url-path", "/x")
    shell.run(
        *("lb", "backend-set", "create", "--name", "cli", "--policy", "ROUND_ROBIN"),
        *(*in_lb, *checker, *wait),
    )
    shell.run(
        *("lb", "backend", "create", "--ip-address", "127.0.0.1", "--port", "9", *in_set, *wait)
    )
    flags = ("--weight", "2", "--backup", "false", "--drain", "true", "--offline", "false")
    shell.run("lb", "backend", "update", "--backend-name", "127.0.0.1:9", *flags, *in_set, *wait)
    found = shell.run("lb", "backend", "get", "--backend-name", "127.0.0.1:9", *in_set)
    assert (found["weight"], found["drain"]) == (2, True)
    found = shell.run("lb", "backend-set", "get", *in_set)
    assert found["health-checker"]["url-path"] == "/x"
    shell.run("lb", "backend", "delete", "--backend-name", "127.0.0.1:9", *in_set, "--force", *wait)
    shell.run("lb", "backend-set", "delete", *in_set, "--force", *wait)
    names = [each["name"] for each in shell.run("lb", "backend-set", "list", *in_lb)]
    assert "cli" not in names


# The SDK for Go


def test_the_sdk_for_go_walks_both_services(signed: Signed, tmp_path: Path, go_cache: Path) -> None:
    program = built(GO, "oracle", tmp_path, go_cache)
    found = steps(program, signed.url, TENANCY, USER, FINGERPRINT, str(signed.key))
    assert found["create load balancer"]["loadBalancerId"] == "go-lb"
    shown = found["show set"]
    assert (shown["policy"], shown["healthChecker"]["returnCode"]) == ("LEAST_CONNECTIONS", 204)
    assert [(each["weight"], each["drain"]) for each in shown["backends"]] == [(4, True)]
    changed = found["changed set"]
    assert (changed["policy"], changed["backends"]) == ("ROUND_ROBIN", [])
    assert changed["healthChecker"]["retries"] == 5
    assert found["create listener"] == [501, "MethodNotImplemented"]
    assert found["delete load balancer"]
    assert found["create network load balancer"]["displayName"] == "go-nlb"
    shown = found["show network set"]
    assert (shown["policy"], shown["isPreserveSource"]) == ("TWO_TUPLE", True)
    assert shown["healthChecker"]["dns"]["domainName"] == "a.example"
    assert shown["backends"][0]["isOffline"]
    kinds = {each["operationType"] for each in found["list work requests"]}
    assert {"CREATE_NETWORK_LOAD_BALANCER", "CREATE_BACKENDSET", "CREATE_BACKEND"} <= kinds
    assert found["delete network load balancer"]


# The SDK for TypeScript


def test_the_sdk_for_typescript_walks_both_services(signed: Signed) -> None:
    packages, node = ROOT / ".venv/oci-ts", shutil.which("node")
    if node is None or not (packages / "node_modules/oci-loadbalancer").exists():
        pytest.skip("oci-loadbalancer or Node.js is not installed: make .venv/oci-ts/node_modules")
    found = steps(
        Path(node),
        *(str(TYPESCRIPT / "walk.cjs"), str(packages)),
        *(signed.url, TENANCY, USER, FINGERPRINT, str(signed.key)),
    )
    assert found["create load balancer"]["loadBalancerId"] == "ts-lb"
    shown = found["show set"]
    assert (shown["policy"], shown["healthChecker"]["returnCode"]) == ("IP_HASH", 204)
    assert [(each["weight"], each["drain"]) for each in shown["backends"]] == [(4, True)]
    backend = found["show backend"]
    assert (backend["weight"], backend["backup"], backend["drain"]) == (2, True, False)
    assert found["show health"]["totalBackendCount"] == 1
    assert {"name": "IP_HASH"} in found["list policies"]
    assert found["create listener"] == [501, "MethodNotImplemented"]
    assert found["load balancer is gone"] == [404, "NotAuthorizedOrNotFound"]
    shown = found["show network set"]
    assert (shown["policy"], shown["healthChecker"]["requestData"]) == ("TWO_TUPLE", "aGk=")
    assert shown["backends"][0]["isOffline"]
    (entry,) = found["list logs"]
    assert entry["message"] == "the backend set 'ts-network-set' has been created"
    assert found["list errors"] == []
    assert found["show operational status"] == {"status": "UNKNOWN"}
    assert found["network load balancer is gone"] == [404, "NotAuthorizedOrNotFound"]
