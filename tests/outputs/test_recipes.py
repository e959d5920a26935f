"""Every recipe in docs/outputs.md, run as it is written beside the real receivers.

Only addresses, ports and paths are replaced, because nothing outside of this machine is contacted.
"""

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import kubernetes_validate
import pytest
import yaml

from tests import ROOT
from tests.outputs.test_real_balancers import MONITOR, eventually, servers_of
from tests.ports import free_port
from tests.running import PATIENCE, Daemon, daemon, listener, program

TEXT = (ROOT / "docs/outputs.md").read_text()
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def recipes(heading: str) -> list[str]:
    """Return the code blocks below a heading of the page."""
    (section,) = re.findall(rf"^##+ {heading}\n(.*?)(?=^##+ |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    return [content for _, content in _BLOCK.findall(section)]


def with_places(recipe: str, places: Mapping[str, str]) -> str:
    """Replace the addresses and paths of a recipe; each has to be there."""
    for written, place in places.items():
        assert written in recipe, f"{written} is not in {recipe}"
        recipe = recipe.replace(written, place)
    return recipe


def asked(url: str) -> Any:
    """Return the JSON at a URL; None while the server is not ready."""
    try:
        with urlopen(url, timeout=PATIENCE) as found:
            return json.load(found)
    except HTTPError as error:
        error.close()
        if error.code != 503:
            raise
        return None


def needs(name: str) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")


def answer(connection: socket.socket) -> None:
    if connection.recv(65536):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")


class Web:
    """The pool `web`: two backends, of which a test may end the first."""

    def __init__(self, stack: ExitStack) -> None:
        self.first = stack.enter_context(ExitStack())
        self.ports = [
            self.first.enter_context(listener(serve=answer)),
            stack.enter_context(listener(serve=answer)),
        ]
        self.keys = [f"127.0.0.1:{port}" for port in self.ports]

    def config(self, recipe: str, **more: Any) -> dict[str, Any]:
        """Return a configuration with the outputs of a recipe."""
        return {
            "pools": [{"name": "web", "backends": self.keys}],
            "monitors": [{"name": "m", "pool": "web", **MONITOR}],
            **yaml.safe_load(recipe),
            **more,
        }


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


@pytest.fixture
def web(stack: ExitStack) -> Web:
    return Web(stack)


def test_the_page_has_a_recipe_for_each_receiver() -> None:
    for heading in ("HAProxy", "Envoy", "Files", "nginx", "Prometheus", "Kubernetes"):
        assert recipes(heading), heading
    assert recipes("Alertmanager")


def test_haproxy(tmp_path: Path, stack: ExitStack, web: Web) -> None:
    needs("haproxy")
    port, stats = free_port(), tmp_path / "stats"
    prober, balancer = recipes("HAProxy")
    server = with_places(
        balancer, {"10.0.0.3:8080": web.keys[0], "agent-port 7763": f"agent-port {port}"}
    )
    other = server.splitlines()[1].replace("s1", "s2").replace(web.keys[0], web.keys[1])
    (tmp_path / "haproxy.cfg").write_text(
        f"global\n  stats socket {stats}\ndefaults\n  mode http\n  timeout connect 1s\n"
        f"  timeout client 5s\n  timeout server 5s\n{server}{other}\n"
    )
    config = web.config(with_places(prober, {"127.0.0.1:7763": f"127.0.0.1:{port}"}))
    running = stack.enter_context(daemon(config, tmp_path))
    running.wait_for("output_listening")
    stack.enter_context(program("haproxy", "-db", "-f", str(tmp_path / "haproxy.cfg")))
    eventually(lambda: stats.exists() and "s1" in servers_of(stats), "HAProxy serves")
    web.first.close()
    eventually(lambda: servers_of(stats)["s1"].startswith("DOWN"), "the backend leaves")
    assert servers_of(stats)["s2"] in ("UP", "no check")


def ask_as_envoy(cluster: Any, eds: Any) -> Any:
    """Return what Envoy with this configuration gets for a cluster that uses EDS; None: nothing."""
    (source,) = eds.eds_cluster_config.eds_config.api_config_source.cluster_names
    assert cluster.name == source
    (locality,) = cluster.load_assignment.endpoints
    address = locality.lb_endpoints[0].endpoint.address.socket_address
    url = f"http://{address.address}:{address.port_value}/v3/discovery:endpoints"
    body = json.dumps({"resource_names": [eds.name]}).encode()
    with urlopen(Request(url, body, method="POST"), timeout=PATIENCE) as found:
        resources = json.load(found)["resources"]  # none until something is known of the pool
    return resources[0] if resources else None


def test_envoy(tmp_path: Path, stack: ExitStack, web: Web) -> None:
    json_format = pytest.importorskip("google.protobuf.json_format")
    bootstrap = pytest.importorskip("envoy.config.bootstrap.v3.bootstrap_pb2")
    endpoint = pytest.importorskip("envoy.config.endpoint.v3.endpoint_pb2")
    prober, envoy = recipes("Envoy")
    running = stack.enter_context(daemon(web.config(prober), tmp_path))
    port = running.url.rpartition(":")[2]
    written = with_places(envoy, {"port_value: 7762": f"port_value: {port}"})
    parsed = json_format.ParseDict(yaml.safe_load(written), bootstrap.Bootstrap())
    cluster, eds = parsed.static_resources.clusters
    web.first.close()

    def healths() -> list[str]:
        resource = ask_as_envoy(cluster, eds)
        if resource is None:
            return []
        found = json_format.ParseDict(
            {key: each for key, each in resource.items() if key != "@type"},
            endpoint.ClusterLoadAssignment(),
        )
        shown = json_format.MessageToDict(found)["endpoints"][0]["lbEndpoints"]
        return [str(each["healthStatus"]) for each in shown]

    eventually(lambda: healths() == ["UNHEALTHY", "HEALTHY"], "Envoy hears of the backend")


@pytest.fixture
def files(tmp_path: Path, stack: ExitStack, web: Web) -> Daemon:
    """A daemon with the outputs of the recipe for files, which are written."""
    (prober,) = recipes("Files")
    config = web.config(with_places(prober, {"/run/prober": str(tmp_path)}))
    running = stack.enter_context(daemon(config, tmp_path))
    eventually((tmp_path / "web.conf").exists, "the file for nginx is written")
    eventually((tmp_path / "web.json").exists, "the file for Prometheus is written")
    return running


@pytest.mark.usefixtures("files")
def test_nginx(tmp_path: Path, stack: ExitStack, web: Web) -> None:
    needs("nginx")
    port = free_port()
    block, unit = recipes("nginx")
    assert "PathChanged=/run/prober/web.conf" in unit
    places = {"/run/prober": str(tmp_path), "127.0.0.1:8000": f"127.0.0.1:{port}"}
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; pid {tmp_path}/pid; error_log stderr; events {{}}\n"
        f"http {{\naccess_log off;\n{with_places(block, places)}}}\n"
    )
    nginx = ("nginx", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"))
    stack.enter_context(program(*nginx, port=port))

    def get() -> str:
        with urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE) as found:
            return str(found.read().decode())

    assert get() == "ok"
    web.first.close()
    down = f"server {web.keys[0]} down;"
    eventually(lambda: down in (tmp_path / "web.conf").read_text(), "the file says so")
    done = subprocess.run([*nginx, "-s", "reload"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert get() == "ok"


@pytest.mark.usefixtures("files")
def test_prometheus(tmp_path: Path, stack: ExitStack, web: Web) -> None:
    needs("prometheus")
    port = free_port()
    (recipe,) = recipes("Prometheus")
    (tmp_path / "prometheus.yml").write_text(with_places(recipe, {"/run/prober": str(tmp_path)}))
    options = (f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data")
    address = f"127.0.0.1:{port}"
    stack.enter_context(
        program("prometheus", *options, f"--web.listen-address={address}", port=port)
    )

    def targets() -> set[str]:
        found = asked(f"http://{address}/api/v1/targets?state=active")
        active = found["data"]["activeTargets"] if found else []
        assert all(each["labels"]["pool"] == "web" for each in active)
        return {each["labels"]["instance"] for each in active}

    eventually(lambda: targets() == set(web.keys), "Prometheus has both targets")
    web.first.close()
    eventually(lambda: targets() == {web.keys[1]}, "Prometheus drops the target")


def test_alertmanager(tmp_path: Path, stack: ExitStack, web: Web) -> None:
    needs("prometheus-alertmanager")
    port = free_port()
    (tmp_path / "am.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    options = [f"--config.file={tmp_path}/am.yml", f"--storage.path={tmp_path}/am"]
    options += [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    stack.enter_context(program("prometheus-alertmanager", *options, port=port))
    (recipe,) = recipes("Alertmanager")
    config = web.config(with_places(recipe, {"127.0.0.1:9093": f"127.0.0.1:{port}"}))
    running = stack.enter_context(daemon(config, tmp_path))
    for _ in web.keys:
        running.wait_for("status_changed", to="OK")
    web.first.close()

    def firing() -> set[tuple[str, str, str]]:
        found = asked(f"http://127.0.0.1:{port}/api/v2/alerts?active=true")
        labels = [each["labels"] for each in found or ()]
        return {(each["alertname"], each.get("backend", ""), each["site"]) for each in labels}

    down = {("BackendDown", web.keys[0], "fra"), ("PoolDegraded", "", "fra")}
    eventually(lambda: firing() == down, "Alertmanager has the alerts")


def test_kubernetes() -> None:
    """A real API server (1.34) took these manifests, and the slices that prober wrote with them."""
    prober, manifests = recipes("Kubernetes")
    (output,) = yaml.safe_load(prober)["outputs"]
    service, role = yaml.safe_load_all(manifests)
    for each in (service, role):
        kubernetes_validate.validate(each, "1.33", strict=True)
        assert each["metadata"]["namespace"] == output["namespace"]
    assert "selector" not in service["spec"]
    (rule,) = role["rules"]
    assert set(rule["verbs"]) >= {"create", "patch"}  # server-side apply
