"""Where a secret of a file could be seen beside the files: the log, `/proc`, core dumps."""

import json
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.running import PATIENCE, Daemon, daemon, listener

SECRETS = ("token", "header", "body", "hook")


def configuration(folder: Path, port: int, hook: int) -> dict[str, Any]:
    for secret in SECRETS:
        (folder / secret).write_text(f"canary-{secret}")
    header = {"X-Key": {"file": "header"}}
    return {
        "server": {
            "state_dir": str(folder / "state"),
            "writable": True,
            "auth": {"tokens": [{"name": "w", "role": "write", "token": {"file": SECRETS[0]}}]},
        },
        "monitors": [
            {
                "name": "m",
                "type": "HTTP",
                "targets": [f"127.0.0.1:{port}"],
                "headers": header,
                "http_method": "POST",
                "body": {"file": "body"},
                "interval": "100ms",
                "timeout": "100ms",
            }
        ],
        "outputs": [
            {
                "name": "chat",
                "type": "webhook",
                "url": f"http://127.0.0.1:{hook}/",
                "secret": {"file": "hook"},
            }
        ],
    }


def ask(running: Daemon, path: str, token: str, method: str = "GET", body: bytes = b"") -> str:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = Request(running.url + path, body or None, headers, method=method)
    try:
        with urlopen(request, timeout=PATIENCE) as answer:
            return str(answer.read().decode())
    except HTTPError as error:
        with error:
            return error.read().decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_the_log_of_level_debug_the_api_and_proc_show_no_secret_of_a_file(folder: Path) -> None:
    seen: list[str] = []
    with listener() as port, listener() as hook:
        config = configuration(folder, port, hook)
        with daemon(config, folder, "--log-level", "debug") as running:
            running.wait_for("probed")
            token = f"canary-{SECRETS[0]}"
            paths = ("/", "/metrics", "/api/v1/monitors", "/prober", "/checks/m/127.0.0.1:1")
            seen += [ask(running, path, token) for path in paths]
            ask(running, "/api/v1/status", f"{token}-wrong")
            seen.append(ask(running, "/api/v1/monitors/m", token, "PATCH", b'{"interval": "1s"}'))
            bad = json.dumps({"type": "HTTP", "headers": {"X-Key": 5}}).encode()
            seen.append(ask(running, "/api/v1/monitors/n", token, "PUT", bad))
            running.wait_for("credentials_refused")
            place = Path(f"/proc/{running.process.pid}")
            files = (place / "cmdline", place / "environ")
            seen += [each.read_bytes().decode(errors="replace") for each in files]
            tasks = place / "task"
            seen += [(each / "comm").read_text() for each in tasks.iterdir() if each.exists()]
            assert running.stop() == 0
            running.rest()
    assert "canary" not in json.dumps([running.lines, seen])
    kept = b"".join(path.read_bytes() for path in (folder / "state").iterdir())
    assert b"canary" not in kept
