"""The daemon as a process, on real sockets: what operators do to it and see of it."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import ExitStack, suppress
from pathlib import Path
from subprocess import PIPE

import grpc
import pytest
import trustme
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tests.ports import free_port
from tests.running import PATIENCE, Daemon, connects, daemon, listener, prober, program, until

FAST = {"interval": "200ms", "fast_interval": "100ms", "timeout": "30s"}


def monitor(name: str, kind: str, port: int, **options: object) -> dict[str, object]:
    return {"name": name, "type": kind, "targets": [f"127.0.0.1:{port}"], **FAST, **options}


def probed(lines: list[dict[str, object]]) -> list[object]:
    return [line["result"] for line in lines if line["event"] == "probed"]


def test_exactly_fall_and_rise_probes_move_the_status(tmp_path: Path) -> None:
    config = {"monitors": [monitor("web", "TCP", free_port(), rise=3, fall=4)]}
    port = int(str(config["monitors"][0]["targets"][0]).rpartition(":")[2])  # type: ignore[index]
    with daemon(config, tmp_path, "--log-level", "debug") as running:
        down = running.wait_for("status_changed")
        assert (down["from"], down["to"], down["streak"]) == ("UNKNOWN", "CRITICAL", -4)
        assert (down["result"], down["reason"]) == ("CONNECT_FAILED", "refused")
        assert probed(running.lines) == ["CONNECT_FAILED"] * 4
        with listener(port):
            up = running.wait_for("status_changed")
            assert (up["from"], up["to"], up["streak"]) == ("CRITICAL", "OK", 3)
            assert probed(running.lines)[-3:] == ["OK"] * 3
            seen = len(running.lines)
        warning = running.wait_for("status_changed")
        assert (warning["from"], warning["to"], warning["streak"]) == ("OK", "WARNING", -1)
        again = running.wait_for("status_changed")
        assert (again["to"], again["streak"]) == ("CRITICAL", -4)
        assert [each for each in probed(running.lines[seen:]) if each != "OK"] == [
            "CONNECT_FAILED"
        ] * 4


STARTING = """
from prober.daemon.launch import load_first

def load():
    print("reads", flush=True)
    return input()

print("has read", load_first(load))
"""


@pytest.fixture
def starting() -> Iterator[subprocess.Popen[str]]:
    """A daemon that reads its configuration, as long as the test lets it."""
    command = [sys.executable, "-c", STARTING]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        yield process
        process.kill()


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_during_the_start_is_a_clean_one(
    number: int, starting: subprocess.Popen[str]
) -> None:
    assert read_line(starting) == "reads"

    def has_ended() -> bool:
        """Ask once more: Python sees a signal that came just before a read after that read only."""
        starting.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            starting.wait(1)
        return starting.poll() is not None

    until(has_ended)
    assert starting.returncode == 0


def test_a_reload_during_the_start_reads_once_more(starting: subprocess.Popen[str]) -> None:
    assert starting.stdin is not None
    assert read_line(starting) == "reads"
    starting.send_signal(signal.SIGHUP)
    starting.stdin.write("first\n")
    starting.stdin.flush()
    assert read_line(starting) == "reads"
    starting.stdin.write("second\n")
    starting.stdin.close()
    assert read_line(starting) == "has read second"
    assert starting.wait(PATIENCE) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_during_hanging_probes_invents_no_result(tmp_path: Path, number: int) -> None:
    hanging, release = threading.Semaphore(0), threading.Event()

    def hang(_: socket.socket) -> None:
        hanging.release()
        release.wait()

    with listener(serve=hang) as port:
        config = {"monitors": [monitor("web", "HTTP", port, timeout="1h")]}
        with daemon(config, tmp_path, "--log-level", "debug") as running:
            assert hanging.acquire(timeout=PATIENCE)
            running.process.send_signal(number)
            assert running.process.wait(PATIENCE) == 0
            lines = running.rest()
            assert "stopping" in [line["event"] for line in lines]
            assert probed(running.lines) == []
        release.set()


def test_a_reload_touches_only_what_changed(tmp_path: Path) -> None:
    with listener() as kept, listener() as added:
        config = {"monitors": [monitor("kept", "TCP", kept)]}
        with daemon(config, tmp_path) as running:
            running.wait_for("status_changed", monitor="kept", to="OK")
            before = running.json(f"/api/v1/checks/kept/127.0.0.1:{kept}")
            config["monitors"].append(monitor("added", "TCP", added))
            (tmp_path / "prober.json").write_text(json.dumps(config))
            running.process.send_signal(signal.SIGHUP)
            line = running.wait_for("config_reloaded")
            assert (line["added"], line["removed"], line["changed"]) == (1, 0, 0)
            running.wait_for("status_changed", monitor="added", to="OK")
            after = running.json(f"/api/v1/checks/kept/127.0.0.1:{kept}")
            assert after["since"] == before["since"]
            assert after["status"] == "OK"
            assert after["streak"] >= before["streak"]


def test_a_bad_reload_changes_nothing_and_says_why(tmp_path: Path) -> None:
    with (
        listener() as port,
        daemon({"monitors": [monitor("web", "TCP", port)]}, tmp_path) as running,
    ):
        running.wait_for("status_changed", to="OK")
        (tmp_path / "prober.json").write_text('{"monitors": [{"name": "web"}]}')
        status, body = running.get("/-/reload", "POST")
        assert status == 500
        assert "missing key 'type'" in body
        assert "prober_config_last_reload_successful 0.0" in running.get("/metrics")[1]
        assert running.json("/api/v1/status")["status"] == "OK"


def test_a_reload_that_drops_most_checks_must_be_asked_for_twice(tmp_path: Path) -> None:
    with listener() as port:
        targets = [f"127.0.0.{i}:{port}" for i in range(1, 5)]
        first = {**monitor("web", "TCP", port), "targets": targets}
        with daemon({"monitors": [first]}, tmp_path) as running:
            (tmp_path / "prober.json").write_text(json.dumps({"monitors": []}))
            status, body = running.get("/-/reload", "POST")
            assert status == 500
            assert "drop 4 of 4 checks" in body
            assert running.json("/api/v1/status")["prober"]["checks"] == 4
            assert running.get("/-/reload", "POST")[0] == 200
            assert running.json("/api/v1/status")["prober"]["checks"] == 0


def test_a_bad_configuration_ends_with_status_2_and_every_problem(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("monitors:\n  - name: web\n    type: HTPT\n    intervall: 5s\n")
    done = prober("run", "--config", str(path))
    assert done.returncode == 2
    assert f"{path}:3: monitors[0].type" in done.stderr
    assert f"{path}:4: monitors[0].intervall" in done.stderr


def test_an_address_in_use_is_said_and_ends_with_status_1(tmp_path: Path) -> None:
    path = tmp_path / "prober.yaml"
    path.write_text("monitors: []\n")
    with listener() as port:
        done = prober("run", "--config", str(path), "--listen", f"127.0.0.1:{port}")
    assert done.returncode == 1
    assert json.loads(done.stderr.splitlines()[-1])["event"] == "cannot_listen"


def test_the_clients_of_the_command_line_ask_a_running_daemon(tmp_path: Path) -> None:
    with (
        listener() as port,
        daemon({"monitors": [monitor("web", "TCP", port)]}, tmp_path) as running,
    ):
        running.wait_for("status_changed", to="OK")
        assert prober("health", "--url", running.url).returncode == 0
        status = prober("status", "--url", running.url)
        assert status.returncode == 0
        assert f"127.0.0.1:{port}" in status.stdout
        assert "OK" in status.stdout
    assert prober("health", "--url", running.url).returncode == 1
    assert prober("status", "--url", running.url).returncode == 3


# A configuration of every type against the real thing


def grpc_health(stack: ExitStack) -> tuple[int, health.HealthServicer]:
    server = grpc.server(futures.ThreadPoolExecutor(2))
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    stack.callback(lambda: server.stop(0).wait())
    return port, servicer


def silent_udp(stack: ExitStack) -> int:
    sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sock.bind(("127.0.0.1", 0))
    return int(sock.getsockname()[1])


def nginx(stack: ExitStack, folder: Path) -> int:
    port = free_port()
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        "events {}\n"
        f"http {{ access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};\n"
        f"fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{ return 200 'healthy'; }}\n"
        "location /broken { return 503; } } }\n"
    )
    path = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    assert path
    arguments = ("-c", str(folder / "nginx.conf"), "-p", str(folder))
    stack.enter_context(program(path, *arguments, "-e", str(folder / "error.log"), port=port))
    return port


def s_server(stack: ExitStack, folder: Path) -> int:
    port = free_port()
    certificate = trustme.CA().issue_cert("localhost")
    path = folder / "server.pem"
    path.write_bytes(certificate.private_key_pem.bytes() + certificate.cert_chain_pems[0].bytes())
    arguments = ("-accept", f"127.0.0.1:{port}", "-cert", str(path), "-quiet")
    stack.enter_context(program("openssl", "s_server", *arguments, port=port))
    return port


HAVE_NGINX = bool(shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"))


@pytest.mark.skipif(
    not (HAVE_NGINX and shutil.which("openssl")), reason="nginx and openssl are not installed"
)
def test_every_type_against_real_servers(tmp_path: Path) -> None:
    with ExitStack() as stack:
        web = nginx(stack, tmp_path)
        rpc, servicer = grpc_health(stack)
        servicer.set("orders", health_pb2.HealthCheckResponse.NOT_SERVING)
        monitors = [
            monitor("healthy", "HTTP", web, body_regex="^healthy$"),
            monitor("broken", "HTTP", web, url_path="/broken"),
            monitor("tls", "TLS", s_server(stack, tmp_path)),
            monitor("closed", "TCP", free_port()),
            monitor("silent", "UDP_CONNECT", silent_udp(stack), timeout="300ms"),
            monitor("rpc", "GRPC", rpc),
            monitor("orders", "GRPC", rpc, service="orders"),
        ]
        expected = {
            "healthy": ("OK", "ok"),
            "broken": ("CRITICAL", "unexpected_status"),
            "tls": ("OK", "ok"),
            "closed": ("CRITICAL", "refused"),
            "silent": ("OK", "silent"),
            "rpc": ("OK", "ok"),
            "orders": ("CRITICAL", "not_serving"),
        }
        running = stack.enter_context(daemon({"monitors": monitors}, tmp_path))
        settled: dict[object, object] = {}
        while settled != {name: status for name, (status, _) in expected.items()}:
            line = running.wait_for("status_changed")
            settled[line["monitor"]] = line["to"]
        checks = {each["monitor"]: each for each in running.json("/api/v1/checks")["checks"]}
        found = {name: (c["status"], c["last"]["reason"]) for name, c in checks.items()}
        assert found == expected
        assert checks["broken"]["last"]["http_status_code"] == 503
        assert checks["tls"]["last"]["tls_version"] == "TLSv1.3"
        assert checks["orders"]["last"]["grpc_serving_status"] == "NOT_SERVING"
        assert running.get("/health/pools/healthy")[0] == 200
        assert running.get("/health/pools/broken")[0] == 503


@pytest.mark.skipif(not shutil.which("prometheus"), reason="prometheus is not installed")
def test_prometheus_scrapes_the_daemon(tmp_path: Path) -> None:
    with listener() as port, ExitStack() as stack:
        config = {"monitors": [monitor("web", "TCP", port)]}
        running = stack.enter_context(daemon(config, tmp_path))
        running.wait_for("status_changed", to="OK")
        scrape = {
            "job_name": "prober",
            "scrape_interval": "1s",
            "static_configs": [{"targets": [running.url.removeprefix("http://")]}],
        }
        (tmp_path / "prometheus.yml").write_text(json.dumps({"scrape_configs": [scrape]}))
        own = free_port()
        stack.enter_context(
            program(
                "prometheus",
                f"--config.file={tmp_path}/prometheus.yml",
                f"--storage.tsdb.path={tmp_path}/tsdb",
                f"--web.listen-address=127.0.0.1:{own}",
                port=own,
            )
        )
        assert asked(own, 'probe_success{monitor="web"}', running) == "1"
        assert asked(own, 'prober_check_status{monitor="web"}', running) == "0"
        assert asked(own, "up", running) == "1"


def asked(port: int, query: str, running: Daemon) -> str:
    """Ask Prometheus until it has scraped."""
    pause = threading.Event()
    other = Daemon.__new__(Daemon)
    other.url = f"http://127.0.0.1:{port}"
    path = f"/api/v1/query?query={query.replace('{', '%7B').replace('}', '%7D')}"
    for _ in range(600):
        status, body = other.get(path.replace('"', "%22"))
        if status == 200 and (rows := json.loads(body)["data"]["result"]):
            return str(rows[0]["value"][1])
        assert connects(int(running.url.rpartition(":")[2]))
        pause.wait(0.05)
    raise AssertionError(f"Prometheus knows nothing of {query}")
