"""Odd replies, as other clients and balancers read them: real curl, HAProxy and nginx."""

import grp
import os
import pwd
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from prober.model.kinds import Codes
from prober.model.probe import Target
from prober.model.status import Reason
from prober.probes.http import HttpProbe
from tests import ROOT
from tests.engine.test_real_servers import program, running
from tests.probes.drive import END, judge
from tests.protocols.odd_replies import ODD_REPLIES, READERS, OddReply

BY_PATH = {f"/{number}": odd for number, odd in enumerate(ODD_REPLIES)}
NGINX = """
daemon off;
worker_processes 1;
user {user} {group};
pid {folder}/nginx.pid;
error_log stderr crit;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    add_header X-Through proxy always;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://127.0.0.1:{upstream}; proxy_http_version 1.1; }}
    }}
}}
"""
HAPROXY = """
defaults
    mode http
    timeout client 5s
    timeout server 5s
    timeout connect 5s
listen proxy
    bind fd@{number}
    http-response set-header X-Through proxy
    server target 127.0.0.1:{upstream}
"""


def asked(connection: socket.socket) -> str:
    """Read a request up to the end of its head; return its path."""
    request = b""
    while b"\r\n\r\n" not in request:
        request += connection.recv(65536) or b"\r\n\r\n"
    return request.split()[1].decode() if request.strip() else ""


def answer(connection: socket.socket) -> None:
    with connection, suppress(OSError):
        connection.settimeout(10)
        connection.sendall(BY_PATH[asked(connection)].content)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


@contextmanager
def odd_target() -> Iterator[int]:
    """Yield the port of a target that has an odd reply at each path."""
    threads = list[threading.Thread]()

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threads.append(threading.Thread(target=answer, args=(connection,)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        server = threading.Thread(target=serve)
        server.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        for thread in (server, *threads):
            thread.join()


@pytest.fixture(scope="module")
def upstream() -> Iterator[int]:
    with odd_target() as port:
        yield port


def of_version(name: str, option: str, version: str) -> str:
    """Return the path of a program; skip unless it is of the version that the table is about."""
    path = program(name)
    done = subprocess.run([path, option], capture_output=True, text=True, check=True)
    if f" {version}." not in (done.stdout + done.stderr).replace("/", " "):
        pytest.skip(f"the table is about {name} {version}")
    return path


def through(port: int, path: str) -> int:
    """Ask a proxy; return the status that it passes on, 0 if that is none."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        reply = b""
        with suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                reply += piece
    *heads, _ = re.split(rb"\r\n\r\n(?=HTTP/1\.[01] |(?:2\r\n)?ok)", reply)
    head = heads[-1] if heads else b""
    found = re.match(rb"HTTP/1\.[01] (\d{3})\b", head)
    return int(found[1]) if found and b"\r\nx-through: proxy" in head.lower() else 0


def differing(name: str, statuses: dict[str, int]) -> list[str]:
    """Return the rows whose status was read by one that is said not to, or the other way round."""
    return [
        odd.name
        for path, odd in BY_PATH.items()
        if (statuses[path] == odd.status) is not getattr(odd, name)
    ]


def test_the_table_is_true_of_curl(upstream: int) -> None:
    curl = of_version("curl", "--version", "7.88")
    command = [curl, "--silent", "--output", os.devnull, "--max-time", "20"]
    command += ["--write-out", "%{http_code} %{exitcode}\\n", "--noproxy", "*"]
    statuses = {}
    for path in BY_PATH:
        url = f"http://127.0.0.1:{upstream}{path}"
        done = subprocess.run([*command, url], capture_output=True, text=True, check=False)
        status, code = done.stdout.split()
        statuses[path] = 0 if int(code) else int(status)
    assert differing("curl", statuses) == []


def test_the_table_is_true_of_haproxy(upstream: int, tmp_path: Path) -> None:
    path = of_version("haproxy", "-v", "2.6")
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        number, port = listener.fileno(), listener.getsockname()[1]
        config = tmp_path / "haproxy.cfg"
        config.write_text(HAPROXY.format(number=number, upstream=upstream))
        command = (path, "-q", "-db", "-f", str(config))
        stack.enter_context(running(*command, log=tmp_path / "log", pass_fds=[number]))
        assert differing("haproxy", {each: through(port, each) for each in BY_PATH}) == []


def test_the_table_is_true_of_nginx(upstream: int, tmp_path: Path) -> None:
    path = of_version("nginx", "-v", "1.22")
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        number, port = listener.fileno(), listener.getsockname()[1]
        user, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
        config = tmp_path / "nginx.conf"
        config.write_text(
            NGINX.format(folder=tmp_path, user=user, group=group, port=port, upstream=upstream)
        )
        stack.enter_context(
            running(
                *(path, "-p", str(tmp_path), "-e", "stderr", "-c", str(config)),
                log=tmp_path / "log",
                pass_fds=[number],
                env={"NGINX": f"{number};"},  # as in a binary upgrade
            )
        )
        assert differing("nginx", {each: through(port, each) for each in BY_PATH}) == []


ANY = Codes("100-999", frozenset(range(100, 1000)))


@pytest.mark.parametrize("odd", ODD_REPLIES, ids=lambda odd: odd.name)
def test_what_all_of_them_read_is_read(odd: OddReply) -> None:
    start = HttpProbe(expected_codes=ANY, body_regex="^ok").bind(Target("h", 80))
    found = judge(start, odd.content, END)
    assert (found.reason is Reason.OK) is odd.prober, found
    if odd.prober:
        assert found.facts is not None
        assert found.facts["http_status_code"] == odd.status
    if odd.curl and odd.haproxy and odd.nginx:
        assert odd.prober


def test_the_page_has_this_table() -> None:
    rows = [
        f"| {odd.name} | " + " | ".join("yes" if each else "no" for each in odd[2:7]) + " |"
        for odd in ODD_REPLIES
    ]
    head = f"| a reply with | {' | '.join(READERS)} |"
    text = (ROOT / "docs" / "http-replies.md").read_text()
    assert "\n".join([head, "|---" * 6 + "|", *rows]) in text
