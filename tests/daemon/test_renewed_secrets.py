"""Secrets and certificates are followed when their files change, without a reload."""

import json
import queue
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import trustme

from tests.running import PATIENCE, Daemon, daemon


class Heard(queue.SimpleQueue[tuple[str, Any]]):
    """What callers showed: the header Authorization, and the certificate."""

    accepted: str | None = None  # the only header that is accepted

    def wait_for(self, wanted: object) -> None:
        while wanted not in self.get(timeout=PATIENCE):
            pass


@contextmanager
def hearing(context: ssl.SSLContext | None = None) -> Iterator[tuple[int, Heard]]:
    """Serve, and tell who calls."""
    heard = Heard()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown = None
            if isinstance(self.connection, ssl.SSLSocket):
                shown = (self.connection.getpeercert() or {}).get("serialNumber")
            heard.put((self.headers.get("Authorization", ""), shown))
            content = b"[]" if self.path == "/list" else b"ok"
            known = heard.accepted in (None, self.headers.get("Authorization"))
            self.send_response(200 if known else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_port, heard
        finally:
            server.shutdown()
            thread.join(PATIENCE)


def status_with(running: Daemon, token: str) -> int:
    request = Request(f"{running.url}/api/v1/status", headers={"Authorization": f"Bearer {token}"})
    try:
        with urlopen(request, timeout=PATIENCE) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


OFTEN = {"interval": "200ms", "fast_interval": "200ms", "timeout": "30s"}


def test_tokens_are_renewed_wherever_they_are_used(tmp_path: Path) -> None:
    for name in ("probe", "list", "api"):
        (tmp_path / name).write_text(f"old-{name}\n")
    with ExitStack() as stack:
        (web, by_probe), (lists, by_list) = (stack.enter_context(hearing()) for _ in range(2))
        header = {"Authorization": {"file": "probe"}}
        listed = {"url": f"http://127.0.0.1:{lists}/list", "token": {"file": "list"}}
        config = {
            "server": {"auth": {"tokens": [_token("api")]}},
            "monitors": [
                {"name": "web", "type": "HTTP", "targets": [f"127.0.0.1:{web}"], **OFTEN}
                | {"headers": header},
                {"name": "listed", "type": "TCP", "targets_from": {**listed, "interval": "1s"}},
            ],
        }
        running = stack.enter_context(daemon(config, tmp_path))
        by_probe.wait_for("old-probe")
        by_list.wait_for("Bearer old-list")
        assert [status_with(running, f"{age}-api") for age in ("old", "new")] == [200, 401]
        changed = running.wait_for("status_changed", monitor="web")
        assert changed["to"] == "OK"
        for name in ("probe", "list", "api"):
            (tmp_path / f"{name}.new").write_text(f"new-{name}\n")
            (tmp_path / f"{name}.new").rename(tmp_path / name)
        by_probe.wait_for("new-probe")
        by_list.wait_for("Bearer new-list")
        while status_with(running, "new-api") != 200:
            running.wait_for("config_reloaded")
        assert status_with(running, "old-api") == 401
        assert not [line for line in running.lines if line.get("from") == "OK"]


def _token(file: str) -> dict[str, Any]:
    return {"name": "api", "role": "read", "token": {"file": file}}


def test_certificates_of_probes_are_renewed(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    own = tmp_path / "own.pem"

    def renew() -> str:
        leaf = authority.issue_cert("prober.example")
        leaf.private_key_and_cert_chain_pem.write_to_path(tmp_path / "new.pem")
        (tmp_path / "new.pem").rename(own)
        found: Any = ssl._ssl._test_decode_cert(str(own))  # type: ignore[attr-defined]
        return str(found["serialNumber"])

    first = renew()
    with hearing(context) as (port, heard):
        tls = {"cert_file": "own.pem", "key_file": "own.pem"}
        monitor = {"name": "web", "type": "HTTPS", "targets": [f"127.0.0.1:{port}"], "tls": tls}
        with daemon({"monitors": [{**monitor, **OFTEN}]}, tmp_path):
            heard.wait_for(first)
            heard.wait_for(renew())


def test_a_target_that_knows_only_the_new_token_is_not_bad_meanwhile(tmp_path: Path) -> None:
    """The daemon reads the new one within seconds; until then, every probe sends the old one."""
    (tmp_path / "token").write_text("old")
    with hearing() as (port, heard):
        monitor = {"name": "web", "type": "HTTP", "targets": [f"127.0.0.1:{port}"], "fall": 1}
        monitor |= {"bearer": {"file": "token"}, **OFTEN}
        with daemon({"monitors": [monitor]}, tmp_path) as running:
            assert running.wait_for("status_changed", monitor="web")["to"] == "OK"
            (tmp_path / "new").write_text("new")
            (tmp_path / "new").rename(tmp_path / "token")
            heard.accepted = "Bearer new"
            running.wait_for("config_reloaded")
            heard.wait_for("Bearer new")
            changes = [line for line in running.lines if line["event"] == "status_changed"]
            assert [change["to"] for change in changes] == ["OK"]
            with urlopen(f"{running.url}/metrics", timeout=PATIENCE) as answer:
                counted = answer.read().decode()
    assert 'reason="stale_secret"' in counted


def test_a_secret_waits_while_the_configuration_has_changed_too(tmp_path: Path) -> None:
    (tmp_path / "api").write_text("old-api")
    server = {"auth": {"tokens": [_token("api")]}}
    with daemon({"server": server}, tmp_path) as running:
        (tmp_path / "prober.json").write_text(
            json.dumps({"server": server, "page": {"title": "x"}})
        )
        (tmp_path / "api").write_text("new-api")
        assert running.wait_for("secret_not_renewed")["files"] == [str(tmp_path / "api")]
        assert status_with(running, "old-api") == 200
        running.process.send_signal(1)
        running.wait_for("config_reloaded")
        assert [status_with(running, f"{age}-api") for age in ("old", "new")] == [401, 200]


def test_a_secret_that_cannot_be_used_keeps_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "api").write_text("old-api")
    with daemon({"server": {"auth": {"tokens": [_token("api")]}}}, tmp_path) as running:
        (tmp_path / "api").write_text("")
        assert "the secret is empty" in running.wait_for("config_rejected")["problem"]
        assert status_with(running, "old-api") == 200
        (tmp_path / "api").write_text("new-api")
        running.wait_for("config_reloaded")
        assert status_with(running, "new-api") == 200
