"""The daemon's own endpoint as operators see it: tokens, TLS, limits, and what the log tells."""

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import trustme
import yaml

from prober.cli import main as cli
from prober.config.configuration import Config
from prober.config.settings import Server
from prober.daemon.access import allows_reload, connection_limits, is_exposed, why_locked
from prober.model.auth_settings import Auth, Role, Token
from prober.model.endpoint import CERTIFICATE_REQUIRED, Endpoint, TlsServer
from prober.model.file_kinds import Secret
from prober.model.kinds import Frozen
from prober.model.monitor import Model
from prober.model.probe import Target
from tests.running import PATIENCE, Daemon, daemon, prober

NO_MONITORS: dict[str, object] = {"monitors": []}
LOOPBACK = (Target("127.0.0.1", 1), Target("::1", 1), Target("localhost", 1))
AUTH = Auth(tokens=(Token(name="a", role=Role.READ, token=Secret("t", masked=True)),))
CERTIFICATES = Endpoint(
    tls_server_config=TlsServer(
        cert_file="c", key_file="k", client_ca_file="a", client_auth_type=CERTIFICATE_REQUIRED
    )
)


def config(*, lifecycle: bool | None = None, **more: object) -> Config:
    server = Server(lifecycle=lifecycle, auth=more.get("auth"))  # type: ignore[arg-type]
    endpoint = more.get("endpoint", Endpoint())
    return Config(server, Model((), ()), (), "", endpoint)  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "prober.example"])
def test_edits_are_locked_where_everybody_can_reach_the_api(host: str) -> None:
    addresses = (*LOOPBACK, Target(host, 1))
    assert "server.auth" in str(why_locked(config(), addresses))
    assert why_locked(config(), LOOPBACK) is None
    for identified in (
        config(auth=AUTH),
        config(endpoint=Endpoint(basic_auth_users=Frozen(anna="$2y$"))),
        config(endpoint=CERTIFICATES),
    ):
        assert why_locked(identified, addresses) is None
        assert not is_exposed(identified, addresses)
        assert allows_reload(identified, addresses)
    assert not allows_reload(config(), addresses)
    assert allows_reload(config(), LOOPBACK)
    assert allows_reload(config(lifecycle=True), addresses)
    assert not allows_reload(config(lifecycle=False, auth=AUTH), LOOPBACK)


@pytest.mark.parametrize(
    ("descriptors", "connections"),
    [(64, 8), (160, 8), (256, 32), (1024, 224), (1 << 20, 256), (resource.RLIM_INFINITY, 256)],
)
def test_connections_leave_descriptors_to_the_probes(descriptors: int, connections: int) -> None:
    assert connection_limits(descriptors).connections == connections


def asked(running: Daemon, path: str, token: str = "", method: str = "GET") -> int:
    request = Request(running.url + path, method=method)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urlopen(request, timeout=PATIENCE) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def test_a_token_is_renewed_without_a_restart(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("canary-1\n")
    tokens = [{"name": "deployment", "role": "write", "token": {"file": str(secret)}}]
    written = {**NO_MONITORS, "server": {"auth": {"tokens": tokens}}}
    with daemon(written, tmp_path, "--log-level", "debug") as running:
        assert asked(running, "/-/healthy") == 200
        assert asked(running, "/api/v1/status") == 401
        assert asked(running, "/api/v1/status", "canary-1") == 200
        secret.write_text("canary-2\n")
        assert asked(running, "/-/reload", "canary-1", "POST") == 200
        assert asked(running, "/api/v1/status", "canary-1") == 401
        assert asked(running, "/api/v1/status", "canary-2") == 200
        secret.write_text("\n")
        assert asked(running, "/-/reload", "canary-2", "POST") == 500
        rejected = running.wait_for("config_rejected")["problem"]
        assert "server.auth.tokens[0].token.file: the secret is empty" in rejected
        assert asked(running, "/metrics", "canary-2") == 200, "the old one is kept"
        pages = [running.get(path)[1] for path in ("/", "/metrics", "/api/v1/status")]
        assert running.stop() == 0
        running.rest()
    assert "canary" not in json.dumps([running.lines, pages])
    assert not [line for line in running.lines if line["event"] == "needs_restart"]


def test_a_stream_that_a_token_opened_ends_with_the_token(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("canary-1")
    tokens = [{"name": "page", "role": "write", "token": {"file": str(secret)}}]
    with daemon({**NO_MONITORS, "server": {"auth": {"tokens": tokens}}}, tmp_path) as running:
        request = Request(
            f"{running.url}/api/v1/events/stream", headers={"X-Auth-Token": "canary-1"}
        )
        with urlopen(request, timeout=PATIENCE) as stream:
            assert stream.readline() == b"retry: 2000\n"
            secret.write_text("canary-2")
            assert asked(running, "/-/reload", "canary-1", "POST") == 200
            while stream.readline():
                continue


def test_the_command_line_shows_its_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "token"
    secret.write_text("canary\n")
    tokens = [{"name": "cli", "role": "read", "token": {"file": str(secret)}}]
    with daemon({**NO_MONITORS, "server": {"auth": {"tokens": tokens}}}, tmp_path) as running:
        plan = ["plan", "--config", str(tmp_path / "prober.json"), "--url", running.url]
        assert cli.main(plan, {"PROBER_TOKEN_FILE": str(secret)}) == 0
        assert cli.main(["health", "--url", running.url, "--token-file", str(secret)], {}) == 0
        capsys.readouterr()
        status = ["status", "--json", "--url", running.url]
        cli.main([*status, "--token-file", str(secret)], {})
        assert json.loads(capsys.readouterr().out)["checks"] == []
        assert cli.main(status, {}) == 3
        assert "pass a valid token with --token-file" in capsys.readouterr().err
        assert cli.main([*status, "--token-file", str(tmp_path / "none")], {}) == 3
        assert "none': No such file or directory" in capsys.readouterr().err
        secret.write_text("two lines\nof text")
        assert cli.main([*status, "--token-file", str(secret)], {}) == 3
        said = capsys.readouterr().err
        assert "does not contain a token on a single line" in said
        assert "two lines" not in said


def test_beyond_loopback_without_credentials_there_is_a_warning(tmp_path: Path) -> None:
    with daemon(NO_MONITORS, tmp_path, "--listen", "0.0.0.0:0") as running:
        warned = next(line for line in running.lines if line["event"] == "open_to_everybody")
        assert (warned["level"], warned["key"]) == ("warning", "server.auth")
        assert asked(running, "/-/reload", method="POST") == 403


class Tls:
    """A web file with TLS and a user, in Prometheus' own format."""

    def __init__(self, folder: Path) -> None:
        bcrypt = pytest.importorskip("bcrypt")
        self.folder = folder
        self.authority = trustme.CA()
        self.authority.cert_pem.write_to_path(folder / "ca.pem")
        self.issue("first.example")
        client = self.authority.issue_cert("prometheus.example")
        client.private_key_and_cert_chain_pem.write_to_path(folder / "client.pem")
        self.web = folder / "web.yml"
        hashed = bcrypt.hashpw(b"canary", bcrypt.gensalt(4)).decode()
        self.write({"basic_auth_users": {"anna": hashed}})

    def issue(self, name: str) -> None:
        issued = self.authority.issue_cert("127.0.0.1", name)
        issued.cert_chain_pems[0].write_to_path(self.folder / "cert.pem")
        issued.private_key_pem.write_to_path(self.folder / "key.pem")

    def write(self, more: dict[str, object], **tls: object) -> None:
        files = {"cert_file": "cert.pem", "key_file": "key.pem", **tls}
        headers = {"headers": {"Strict-Transport-Security": "max-age=1"}}
        web = {"tls_server_config": files, "http_server_config": headers, **more}
        self.web.write_text(yaml.safe_dump(web))

    def curl(self, running: Daemon, *options: str, path: str = "/metrics") -> str:
        """Return what curl says of an answer: its status, or 000."""
        done = subprocess.run(
            [
                "curl",
                "-sS",
                "--cacert",
                str(self.folder / "ca.pem"),
                *options,
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                f"{running.url}{path}",
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        return done.stdout


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return Tls(tmp_path)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_gets_in_by_password_and_then_by_certificate(tls: Tls, tmp_path: Path) -> None:
    with daemon({**NO_MONITORS, "server": {"web_config_file": "web.yml"}}, tmp_path) as running:
        assert tls.curl(running, "-u", "anna:canary") == "200"
        assert tls.curl(running, "-u", "anna:wrong") == "401"
        assert tls.curl(running) == "401"
        assert tls.curl(running, path="/-/healthy") == "200"
        tls.write(
            {},
            client_auth_type=CERTIFICATE_REQUIRED,
            client_ca_file="ca.pem",
            client_allowed_sans=["prometheus.example"],
        )
        assert tls.curl(running, "-u", "anna:canary", "-X", "POST", path="/-/reload") == "200"
        assert tls.curl(running) == "000"
        assert tls.curl(running, "--cert", str(tmp_path / "client.pem")) == "200"
        assert running.stop() == 0
        running.rest()
    assert "canary" not in json.dumps(running.lines)
    assert not [line for line in running.lines if line["level"] == "error"]


def test_a_broken_web_file_keeps_the_old_one_and_names_the_line(tls: Tls, tmp_path: Path) -> None:
    with daemon({**NO_MONITORS, "server": {"web_config_file": "web.yml"}}, tmp_path) as running:
        tls.web.write_text("http_server_config:\n  http3: true\n")
        running.process.send_signal(1)
        problem = running.wait_for("config_rejected")["problem"]
        assert "web.yml:2: http_server_config.http3: unknown key" in problem
        in_clear = running.url.replace("https://", "http://")
        with pytest.raises(OSError, match=r"."), urlopen(in_clear, timeout=PATIENCE):
            pass  # it does not speak so all of a sudden


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_takes_the_same_web_file(tls: Tls, tmp_path: Path) -> None:
    command = ["promtool", "check", "web-config", str(tls.web)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (tmp_path / "prober.json").write_text(json.dumps({"server": {"web_config_file": "web.yml"}}))
    assert prober("check", "--config", str(tmp_path / "prober.json")).returncode == 0


def test_few_descriptors_do_not_shut_it_up(tmp_path: Path) -> None:
    (tmp_path / "prober.json").write_text(json.dumps(NO_MONITORS))
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40));"
        "from prober.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            code,
            "run",
            "--config",
            str(tmp_path / "prober.json"),
            "--listen",
            "127.0.0.1:0",
        ],
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    ) as process:
        assert process.stderr is not None
        try:
            running = Daemon(process, process.stderr)
            host, _, port = running.url.removeprefix("http://").rpartition(":")
            silent = [socket.create_connection((host, int(port))) for _ in range(100)]
            assert running.get("/-/healthy") == (200, "Healthy\n")
            for each in silent:
                each.close()
            assert running.stop() == 0
            lines = running.rest()
        finally:
            process.kill()
    assert [line["event"] for line in running.lines].count("too_many_connections") == 1
    assert not [line for line in lines if line["level"] == "error"]


def test_the_names_for_prober_take_effect_on_reload(tmp_path: Path) -> None:
    def status(running: Daemon) -> int:
        request = Request(f"{running.url}/metrics", headers={"Host": "other.example"})
        try:
            with urlopen(request, timeout=PATIENCE) as answer:
                return int(answer.status)
        except HTTPError as error:
            with error:
                return error.code

    content: dict[str, Any] = {"server": {"allowed_hosts": ["*.Prober.example."]}}
    with daemon(content, tmp_path) as running:
        assert status(running) == 403
        content["server"]["allowed_hosts"].append("other.example")
        (tmp_path / "prober.json").write_text(json.dumps(content))
        assert running.get("/-/reload", method="POST")[0] == 200
        assert status(running) == 200
        assert running.stop() == 0
