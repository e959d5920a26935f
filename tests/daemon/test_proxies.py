"""Behind real proxies, as docs/page.md configures them, and behind one that keeps the path."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urljoin
from urllib.request import HTTPRedirectHandler, Request, build_opener

import pytest

from tests import ROOT
from tests.ports import free_port
from tests.running import PATIENCE, Daemon, daemon, listener, program
from tests.web.reading import Reading

DOCS = (ROOT / "docs" / "page.md").read_text()
PLACES = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
NAME = "a/b {x}"
"""The name of a pool; nginx decodes the slash if it replaces the path."""
Start = Callable[[ExitStack, Path, str, str], int]


def block(language: str, number: int = 0) -> str:
    """Return a block of the documentation."""
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)
    return found[number]


def nginx(stack: ExitStack, folder: Path, where: str, text: str) -> int:
    port = free_port()
    parts = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{part}_temp_path {folder}/{part};" for part in parts)
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{}} http {{ access_log off; {paths}\n"
        f"server {{ listen 127.0.0.1:{port};\n{text.replace('127.0.0.1:7762', where)}\n}} }}"
    )
    path = shutil.which("nginx", path=PLACES)
    assert path
    stack.enter_context(program(path, "-p", str(folder), "-c", f"{folder}/nginx.conf", port=port))
    return port


def haproxy(stack: ExitStack, folder: Path, where: str, text: str) -> int:
    port = free_port()
    (folder / "haproxy.cfg").write_text(
        "defaults\n mode http\n timeout connect 60s\n timeout client 60s\n timeout server 60s\n"
        f"frontend front\n bind 127.0.0.1:{port}\n"
        " use_backend prober if { path_beg /prober/ }\n"
        f"{text.replace('127.0.0.1:7762', where)}"
    )
    path = shutil.which("haproxy", path=PLACES)
    assert path
    stack.enter_context(program(path, "-db", "-f", f"{folder}/haproxy.cfg", port=port))
    return port


def caddy(stack: ExitStack, folder: Path, where: str, text: str) -> int:
    port = free_port()
    (folder / "Caddyfile").write_text(
        "{\n admin off\n auto_https off\n persist_config off\n}\n"
        f"http://127.0.0.1:{port} {{\n{text.replace('127.0.0.1:7762', where)}\n}}\n"
    )
    path = shutil.which("caddy")
    assert path
    arguments = ("run", "--adapter", "caddyfile", "--config", f"{folder}/Caddyfile")
    stack.enter_context(program(path, *arguments, port=port))
    return port


def needs(name: str) -> pytest.MarkDecorator:
    there = shutil.which(name, path=PLACES) or shutil.which(name)
    return pytest.mark.skipif(not there, reason=f"{name} is not installed")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


class Stay(HTTPRedirectHandler):
    """Follows no redirection."""

    def redirect_request(self, *_: Any) -> None:
        return None


def answer(url: str, data: bytes | None = None, **headers: str) -> tuple[int, Any, str]:
    request = Request(url, data=data, headers={"Accept": "text/html", **headers})
    try:
        with build_opener(Stay).open(request, timeout=PATIENCE) as found:
            return found.status, found.headers, found.read().decode(errors="replace")
    except HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode(errors="replace")


def run(stack: ExitStack, folder: Path, name: str = NAME, **page: Any) -> Daemon:
    port = stack.enter_context(listener())
    config = {
        "server": {"writable": True},
        "page": page,
        "pools": [{"name": name, "backends": [f"127.0.0.1:{port}"]}],
        "monitors": [{"name": "m", "type": "TCP", "pool": name}],
    }
    return stack.enter_context(daemon(config, folder))


@pytest.mark.parametrize(
    ("start", "text", "page"),
    [
        pytest.param(nginx, block("nginx"), {}, id="nginx", marks=needs("nginx")),
        pytest.param(haproxy, block("haproxy"), {}, id="haproxy", marks=needs("haproxy")),
        pytest.param(caddy, block("caddy"), {}, id="caddy", marks=needs("caddy")),
        pytest.param(
            *(nginx, block("nginx", 1), {"base": "/prober"}),
            id="nginx-keeps-the-path",
            marks=needs("nginx"),
        ),
    ],
)
def test_the_page_works_behind_a_proxy(
    stack: ExitStack, tmp_path: Path, start: Start, text: str, page: dict[str, str]
) -> None:
    name = "b {x}" if text == block("nginx") else NAME
    running = run(stack, tmp_path, name, **page)
    port = start(stack, tmp_path, running.url.removeprefix("http://"), text)
    top = f"http://127.0.0.1:{port}/prober/"
    status, _, found = answer(top)
    assert status == 200
    first = Reading(found, top)
    for link in first.all("link"):
        assert answer(link.attributes["href"])[0] == 200
    pools = [e.attributes["href"] for e in first.all("a", "name")]
    assert pools == [f"{top}pools/{quote(name, safe='')}"]
    status, _, found = answer(pools[0])
    assert status == 200
    pool = Reading(found, pools[0])
    gate, *_ = [e.text for e in pool.all("code") if "health" in e.text]
    assert gate == f"{top}health/pools/{quote(name, safe='')}"
    assert answer(gate)[0] in (200, 503)
    (form,) = [e for e in pool.all("form", method="post") if "/admin" in e.attributes["action"]]
    fields = b"of=*&state=maintenance&until=1h&reason=work"
    origin = {"Origin": f"http://127.0.0.1:{port}"}
    status, headers, _ = answer(form.attributes["action"], fields, **origin)
    assert status == 303
    assert urljoin(form.attributes["action"], headers["Location"]) == pools[0]
    assert answer(form.attributes["action"], fields, Origin="http://evil.example")[0] == 403


def test_both_ways_work_where_a_base_is_set_and_its_own_paths_come_first(
    stack: ExitStack, tmp_path: Path
) -> None:
    running = run(stack, tmp_path, base="https://example.com/prober")
    for prefix in ("", "/prober"):
        for path in ("/", "/prober", "/api/v1/pools/a%2Fb%20%7Bx%7D", "/events?about=prober"):
            assert running.get(f"{prefix}{path}")[0] == 200, (prefix, path)
    assert running.get("/probers/api/v1/status")[0] == 404


@pytest.mark.parametrize("base", ["/api", "/api/v1"])
def test_a_base_above_its_own_paths_is_not_cut_off(
    stack: ExitStack, tmp_path: Path, base: str
) -> None:
    running = run(stack, tmp_path, base=base)
    assert running.get("/api/v1/status")[0] == 200
    assert running.get(f"{base}/events")[0] == (404 if base == "/api" else 200)
