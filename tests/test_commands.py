"""Every command in the documents is run as it stands there.

The addresses of examples become those of servers on loopback, and the daemon of the page is one of
the test: `SUBSTITUTIONS` has all that is changed. `tests/commands.py` has what is not run here.
"""

import json
import re
import shutil
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import socket
from typing import NamedTuple

import pytest
import trustme

from tests import ROOT
from tests.commands import NOT_HERE, PATH, Command, commands_of, run, why_not
from tests.running import Daemon, daemon, listener, until

PAGES = [
    path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if [*commands_of(path.read_text())]
]
SUBSTITUTIONS = {
    "the program of a clone": (r"\.venv/bin/prober", "prober"),
    "a daemon on another host": (r"https://prober\.example(:7762)?", "{url}"),
    "and its address": (r"prober\.example:7762", "{daemon}"),
    "the daemon on its usual port": (r"127\.0\.0\.1:7762", "{daemon}"),
    "the API of a cloud": (r"https://(octavia|elb|iaas)\.[\w.]+(:\d+)?", "{url}"),
    "its project or compartment": (r"\b(PROJECT|COMPARTMENT)\b", "default"),
    "a backend": (r"\b10\.0\.0\.\d+(:\d+)?\b", "{plain}"),
    "a backend of the README": (r"127\.0\.0\.1:8080", "{plain}"),
    "a backend with TLS": (r"example\.com:443|127\.0\.0\.1:8443", "localhost:{tls}"),
    "the configuration of HAProxy": (r"/etc/haproxy/haproxy\.cfg", "haproxy.cfg"),
    "the configuration of the service": (r"/etc/prober/prober\.yaml", "prober.yaml"),
    "a time that is to come": (r"20\d\d-\d\d-\d\dT\d\d:00:00Z", "{tomorrow}"),
}
"""All that is changed in a command, by the name of what stands in its place."""
MAY_END_WITH = {
    r"prober status|prober explain": {0, 1, 2},  # as the targets are
    r"prober plan": {0, 3},
    r"prober members": {0, 3},  # the daemon is no member of a cluster, and says so
    r"prober doctor": {0, 1},  # as this host is
}
"""The exit statuses of commands that say something by them; others end with 0."""
FILES = {
    "config.yaml": "tests/importing/peers/gatus.yaml",
    "backup.json": "tests/importing/peers/uptime-kuma.json",
    "deployment.yaml": "tests/importing/peers/kubernetes.yaml",
    "blackbox.yml": "tests/importing/peers/blackbox.yml",
    "prometheus.yml": "tests/importing/peers/prometheus.yml",
}


class Stage(NamedTuple):
    """What the commands act on."""

    running: Daemon
    plain: int
    tls: int
    config: dict[str, object]
    authority: trustme.CA

    def here(self, text: str) -> str:
        """Return a command with everything substituted."""
        known = {
            "url": self.running.url,
            "daemon": self.running.url.removeprefix("http://"),
            "plain": f"127.0.0.1:{self.plain}",
            "tls": self.tls,
            "tomorrow": f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:00:00Z}",
        }
        for pattern, replacement in SUBSTITUTIONS.values():
            text = re.sub(pattern, replacement.format(**known), text)
        return text


def answer(connection: socket) -> None:
    """Answer HTTP, and PING as Redis does."""
    asked = connection.recv(4096)
    connection.sendall(
        b"+PONG\r\n" if asked == b"PING\r\n" else b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    )


def over_tls(context: ssl.SSLContext, connection: socket) -> None:
    with context.wrap_socket(connection, server_side=True) as secured:
        answer(secured)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    with ExitStack() as stack:
        plain = stack.enter_context(listener(serve=answer))
        tls = stack.enter_context(listener(serve=lambda each: over_tls(context, each)))
        backends = [f"127.0.0.1:{plain}", f"localhost:{plain}"]
        config: dict[str, object] = {
            "server": {"writable": True},
            "page": {"public": True},
            "pools": [
                {"name": "web", "backends": backends},
                {"name": "needs", "backends": backends},
            ],
            "monitors": [
                {"name": "web-http", "type": "HTTP", "pool": "web", "rise": 1},
                {"name": "app", "type": "TCP", "pool": "needs", "rise": 1},
            ],
        }
        folder = tmp_path_factory.mktemp("stage")
        running = stack.enter_context(daemon(config, folder))
        until(lambda: running.json("/api/v1/status")["status"] == "OK")
        yield Stage(running, plain, tls, config, authority)


@pytest.fixture
def folder(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with every file that the documents speak of."""
    config = {**stage.config, "server": {}}
    for name in ("prober.yaml", "config/prober.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(config))
    for name, source in FILES.items():
        shutil.copy(ROOT / source, tmp_path / name)
    (tmp_path / "haproxy.cfg").write_text(
        f"backend web\n  option httpchk\n  server a 127.0.0.1:{stage.plain} check\n"
    )
    (tmp_path / "values.yaml").write_text("image: {repository: registry.example/prober}\n")
    (tmp_path / "read-token").write_text("secret\n")
    (tmp_path / "pop.yml").write_text("[]\n")
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    stage.authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    stage.authority.cert_pem.write_to_path(str(tmp_path / "cert.pem"))
    for name in (".zfunc", ".config/fish/completions"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def own_configuration(page: str) -> str | None:
    """Return the configuration that a page lets its readers write."""
    texts = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    return next((text for text in texts if text.startswith("pools:")), None)


def program(command: str) -> str:
    words = command.replace(". <(", "").split()
    return next(word for word in words if "=" not in word).removeprefix(".venv/bin/")


def faults(command: Command, stage: Stage, environment: dict[str, str]) -> Iterator[str]:
    """Run a command and yield what is wrong with it."""
    text = stage.here(command.text)
    done = run(text, environment)
    allowed = next((codes for start, codes in MAY_END_WITH.items() if re.match(start, text)), {0})
    said = f"{done.out}\n{done.err}"
    if done.status not in allowed or "Traceback" in said or "usage: prober" in done.err:
        yield f"{text}\n  ended with {done.status}: {said.strip()[-600:]}"
    if command.printed and command.text == "prober check" and done.out.strip() != command.printed:
        yield f"{text}\n  printed {done.out!r}, not {command.printed!r}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_of_a_page_works(path: Path, stage: Stage, folder: Path) -> None:
    page = path.read_text()
    if written := own_configuration(page):
        (folder / "prober.yaml").write_text(written)
    environment = {
        "HOME": str(folder),
        "ROOT": str(ROOT),
        "PROBER_URL": stage.running.url,
        "SSL_CERT_FILE": str(folder / "ca.pem"),
    }
    wrong, missing = list[str](), set[str]()
    for command in commands_of(page):
        if why_not(command.text):
            continue
        if not shutil.which(name := program(command.text), path=PATH):
            missing.add(name)
        else:
            asked = re.findall(r"env: (\w+)", (folder / "prober.yaml").read_text())
            secrets = dict.fromkeys(asked, "secret")  # imports refer to them
            wrong += faults(command, stage, {**environment, **secrets})
    assert not wrong, "\n".join(wrong)
    if missing:
        pytest.skip(f"not installed: {', '.join(sorted(missing))}")


def test_the_commands_are_found() -> None:
    found = [command for path in PAGES for command in commands_of(path.read_text())]
    texts = {command.text for command in found}
    assert len(found) > 60
    assert {"make run", "prober check", "prober run", "prober status --watch"} <= texts
    assert "helm lint deploy/helm/prober --values values.yaml" in texts
    assert any(text.startswith("curl -X PATCH") and "-d '{" in text for text in texts)
    assert "prober check --without-secrets" in texts


def test_what_is_not_run_is_a_short_list_and_is_run_elsewhere() -> None:
    every = {command.text for path in PAGES for command in commands_of(path.read_text())}
    for start, why in NOT_HERE.items():
        assert any(re.match(start, text) for text in every), f"{start} has no command any more"
        for named in re.findall(r"tests/[\w/.]+", why):
            assert (ROOT / named).exists(), named
    left_out = [text for text in every if why_not(text)]
    assert len(left_out) < len(every) / 2
    assert not [text for text in left_out if text.startswith("prober ")]
