"""Real receivers beside a real daemon: HAProxy, Alertmanager, a webhook, files."""

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests import ROOT
from tests.outputs.serving import Receiver, receiving
from tests.ports import free_port
from tests.running import PATIENCE, Daemon, connects, daemon, listener, prober, program

MONITOR = {
    "type": "TCP",
    "interval": 0.2,
    "fast_interval": 0.2,
    "timeout": 30,
    "rise": 1,
    "fall": 1,
}


def eventually(found: Callable[[], bool], what: str) -> None:
    """Wait until something is so."""
    waited = threading.Event()
    for _ in range(int(PATIENCE / 0.05)):
        if found():
            return
        waited.wait(0.05)
    raise AssertionError(f"never: {what}")


class Backends:
    """Three ports that listen, or do not."""

    def __init__(self) -> None:
        self.ports = [free_port() for _ in range(3)]
        self._stacks: dict[int, ExitStack] = {}

    def start(self, *numbers: int) -> None:
        for number in numbers:
            stack = self._stacks[number] = ExitStack()
            stack.enter_context(listener(self.ports[number]))

    def stop(self, *numbers: int) -> None:
        for number in numbers:
            self._stacks.pop(number).close()

    @property
    def keys(self) -> list[str]:
        return [f"127.0.0.1:{port}" for port in self.ports]


@pytest.fixture
def backends() -> Iterator[Backends]:
    found = Backends()
    found.start(0, 1, 2)
    yield found
    found.stop(*found._stacks)


def config(backends: Backends, *outputs: dict[str, Any], **server: Any) -> dict[str, Any]:
    return {
        "server": server,
        "pools": [{"name": "web", "backends": backends.keys}],
        "monitors": [{"name": "m", "pool": "web", **MONITOR}],
        "outputs": list(outputs),
    }


def status_of(running: Daemon, key: str) -> str:
    found = running.json("/api/v1/pools/web")["backends"]
    return next(str(each["status"]) for each in found if each["backend"] == key)


def servers_of(path: Path) -> dict[str, str]:
    """Return the status of each server in HAProxy's statistics."""
    with socket.socket(socket.AF_UNIX) as stats:
        stats.connect(str(path))
        stats.sendall(b"show stat\n")
        rows = [line.split(",") for line in stats.makefile().read().splitlines()]
    return {row[1]: row[17] for row in rows if len(row) > 17 and row[0] == "web"}


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed")
def test_haproxy_takes_out_what_prober_calls_critical_and_keeps_the_rest(
    tmp_path: Path, backends: Backends
) -> None:
    port, stats = free_port(), tmp_path / "stats"
    servers = "\n".join(
        f"  server s{i} {key} agent-check agent-addr 127.0.0.1 agent-port {port} "
        f'agent-inter 200ms agent-send "web/{key}\\n"'
        for i, key in enumerate(backends.keys)
    )
    (tmp_path / "haproxy.cfg").write_text(
        f"global\n  stats socket {stats}\ndefaults\n  mode tcp\n  timeout connect 1s\n"
        f"  timeout client 5s\n  timeout server 5s\nbackend web\n{servers}\n"
        f"frontend f\n  bind 127.0.0.1:{free_port()}\n  default_backend web\n"
    )
    output = {"name": "agent", "type": "haproxy_agent", "listen": [f"127.0.0.1:{port}"]}
    with program("haproxy", "-db", "-f", str(tmp_path / "haproxy.cfg")):
        with daemon(config(backends, output), tmp_path) as running:
            running.wait_for("output_listening")
            eventually(lambda: stats.exists() and len(servers_of(stats)) == 4, "HAProxy serves")
            eventually(lambda: status_of(running, backends.keys[2]) == "OK", "all are OK")
            backends.stop(0)
            eventually(lambda: servers_of(stats)["s0"].startswith("DOWN"), "s0 leaves")
            assert servers_of(stats)["s1"] in ("UP", "no check")
            backends.stop(1, 2)
            running.wait_for("output_held", pool="web")
            down = [s for s in servers_of(stats).values() if s.startswith("DOWN")]
            assert len(down) == 1, "half of the pool is never taken out"
            backends.start(0, 1, 2)
            eventually(lambda: servers_of(stats)["s0"] in ("UP", "no check"), "s0 is back")
            backends.stop(1)
            eventually(lambda: servers_of(stats)["s1"].startswith("DOWN"), "s1 leaves")
            before = servers_of(stats)
        assert {**servers_of(stats), "s1": before["s1"]} == before, "a dead prober changes nothing"


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def test_webhook_files_envoy_and_gates_follow_one_verdict_also_over_a_restart(
    tmp_path: Path, backends: Backends, hook: Receiver
) -> None:
    path, key = tmp_path / "up.txt", backends.keys[1]
    outputs: list[dict[str, Any]] = [
        {"name": "hook", "type": "webhook", "url": hook.url, "group_wait": 0.05},
        {"name": "up", "type": "file", "format": "lines", "path": str(path)},
        {"name": "eds", "type": "envoy_eds"},
    ]
    given = config(backends, *outputs, state_dir=str(tmp_path / "state"))
    gate = f"/health/backends/web/{key}"
    with daemon(given, tmp_path) as running:
        eventually(path.exists, "the file is written")
        assert path.read_text().splitlines() == backends.keys
        assert running.get(gate)[0] == 200
        backends.stop(1)
        running.wait_for("status_changed", backend=key, to="CRITICAL")
        eventually(lambda: len(hook.taken) == 1, "the webhook is called")
        eventually(lambda: key not in path.read_text(), "the file is written anew")
        assert running.get(gate)[0] == 503
        request = Request(
            f"{running.url}/v3/discovery:endpoints", b'{"resource_names": ["web"]}', method="POST"
        )
        with urlopen(request, timeout=PATIENCE) as answer:
            (resource,) = json.load(answer)["resources"]
        healths = {
            each["endpoint"]["address"]["socket_address"]["port_value"]: each["health_status"]
            for each in resource["endpoints"][0]["lb_endpoints"]
        }
        assert healths[backends.ports[1]] == "UNHEALTHY"
        sent = 'prober_output_sent_total{output="hook"} 1'
        eventually(lambda: sent in running.get("/metrics")[1], "it is counted")
        assert running.stop() == 0
    assert {change["kind"] for change in hook.taken[0]["changes"]} == {"backend", "pool"}
    with daemon(given, tmp_path) as running:
        running.wait_for("ready")
        backends.start(1)
        running.wait_for("status_changed", backend=key, to="OK")
        eventually(lambda: len(hook.taken) == 2, "the webhook is called again")
        assert {change["to"] for change in hook.taken[1]["changes"]} == {"OK"}
        eventually(lambda: key in path.read_text(), "the file has it again")


def test_the_last_known_status_survives_a_restart_without_new_results(
    tmp_path: Path, backends: Backends
) -> None:
    given = config(backends, state_dir=str(tmp_path / "state"))
    with daemon(given, tmp_path) as running:
        for key in backends.keys:
            running.wait_for_any("status_changed", backend=key, to="OK")
        assert running.stop() == 0
    given["monitors"][0]["enabled"] = False
    with daemon(given, tmp_path) as running:
        request = Request(f"{running.url}/health/backends/web/{key}")
        with urlopen(request, timeout=PATIENCE) as answer:
            assert answer.headers["X-Prober-Held"] == "true"
            assert json.load(answer)["status"] == "UNKNOWN"


needs_alertmanager = pytest.mark.skipif(
    shutil.which("prometheus-alertmanager") is None, reason="prometheus-alertmanager is absent"
)


@needs_alertmanager
def test_alertmanager_is_told_of_what_is_down_and_of_its_end(
    tmp_path: Path, backends: Backends
) -> None:
    port = free_port()
    (tmp_path / "am.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    command = (
        "prometheus-alertmanager",
        *(f"--config.file={tmp_path}/am.yml", f"--storage.path={tmp_path}/am"),
        *(f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="),
    )
    url = f"http://127.0.0.1:{port}"
    output = {"name": "am", "type": "alertmanager", "urls": [url], "labels": {"site": "fra"}}
    given = config(backends, output, state_dir=str(tmp_path / "state"))

    def firing() -> set[tuple[str, str]]:
        with urlopen(f"{url}/api/v2/alerts?active=true", timeout=PATIENCE) as answer:
            found = [each["labels"] for each in json.load(answer)]
        assert all(each["site"] == "fra" for each in found)
        return {(each["alertname"], each.get("backend", "")) for each in found}

    with program(*command, port=port):
        eventually(lambda: connects(port), "Alertmanager serves")
        with daemon(given, tmp_path) as running:
            for _ in backends.keys:
                running.wait_for("status_changed", to="OK")
            assert firing() == set()
            backends.stop(0)
            down = {("BackendDown", backends.keys[0]), ("PoolDegraded", "")}
            eventually(lambda: firing() == down, "the backend is down")
            assert running.stop() == 0
        assert firing() == down, "SIGTERM resolves nothing"
        backends.start(0)
        with daemon(given, tmp_path) as running:
            running.wait_for("status_changed", to="OK")
            eventually(lambda: firing() == set(), "what recovered is resolved")


def test_the_balancer_that_is_shipped_is_valid_for_prober_and_haproxy() -> None:
    shipped = ROOT / "deploy/haproxy"
    done = prober("check", "--config", str(shipped / "prober.yaml"))
    assert done.returncode == 0, done.stdout
    if shutil.which("haproxy") is None:
        pytest.skip("haproxy is not installed")
    command = ["haproxy", "-c", "-f", str(shipped / "haproxy.cfg")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
