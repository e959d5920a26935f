"""Probes against the servers that they will meet: nginx, HAProxy, OpenSSL's."""

import asyncio
import grp
import os
import pwd
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from prober.model.kinds import Codes
from prober.model.option import ReadContext, section
from prober.model.probe import Probe
from prober.model.status import Reason, Result
from prober.model.tls_settings import TlsSettings
from prober.probes.grpc import GrpcProbe
from prober.probes.http import HttpProbe, HttpsProbe
from prober.probes.http2_ping import Http2PingProbe
from prober.probes.tcp import TcpProbe
from prober.probes.tls import TlsProbe
from tests.engine.conftest import Certificates
from tests.engine.targets import find, phases

SEARCHED = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


def program(name: str) -> str:
    """Return the path of a program, or skip the test."""
    path = shutil.which(name, path=SEARCHED)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


@contextmanager
def running(*command: str, log: Path, **options: object) -> Iterator[subprocess.Popen[str]]:
    """Run a server for as long as the context lasts; fail with its log if it ends before."""
    with (
        log.open("w") as errors,
        subprocess.Popen(command, text=True, stderr=errors, **options) as server,  # type: ignore[call-overload]  # its options are passed on
    ):
        try:
            yield server
        finally:
            ended = server.poll()
            server.terminate()
    assert not ended, f"{command[0]} ended with {ended}: {log.read_text()}"


@pytest.fixture
def inherited() -> Iterator[Callable[[], socket.socket]]:
    """Return listening sockets for servers to inherit: none has to be waited for."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(socket.create_server(("127.0.0.1", 0)))


NGINX_HEAD = """
daemon off;
worker_processes 1;
user {user} {group};
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
"""
"""How the configuration of an nginx begins that runs alone in `folder`; http is still open."""

NGINX = (
    NGINX_HEAD
    + """\
    server {{
        listen 127.0.0.1:{clear};
        listen 127.0.0.1:{tls} ssl;
        server_name localhost;
        ssl_certificate {pem};
        ssl_certificate_key {pem};
        root {folder};
        listen 127.0.0.1:{http2} http2;
        listen 127.0.0.1:{http2_tls} ssl http2;
        location = /moved {{ return 301 /; }}
        location = /loop {{ return 302 /loop; }}
        location = /secure {{ return 302 https://localhost:{tls}/; }}
        location = /json {{ default_type application/json; return 200 '{{"status": "ok"}}'; }}
        location = /to-json {{ return 307 json; }}
        location = /private {{ auth_basic x; auth_basic_user_file {folder}/users; }}
        location = /bearer {{
            if ($http_authorization != "Bearer s3cret") {{ return 401; }}
            return 200;
        }}
    }}
    server {{
        listen 127.0.0.1:{proxied} proxy_protocol;
        return 200 "$proxy_protocol_addr:$proxy_protocol_port\n";
    }}
    server {{
        listen 127.0.0.1:{tls} ssl default_server;
        ssl_reject_handshake on;
    }}
}}
"""
)


NGINX_PORTS = ("clear", "tls", "proxied", "http2", "http2_tls")


@pytest.fixture
def nginx(
    tmp_path: Path, certificates: Certificates, inherited: Callable[[], socket.socket]
) -> Iterator[dict[str, int]]:
    """Return the ports of an nginx."""
    path = program("nginx")
    listeners = {name: inherited() for name in NGINX_PORTS}
    ports = {name: each.getsockname()[1] for name, each in listeners.items()}
    (tmp_path / "index.html").write_text("<p>all systems ready</p>\n" * 4000)
    (tmp_path / "users").write_text("u:{PLAIN}s3cret\n")
    (tmp_path / "private").write_text("in")
    config = tmp_path / "nginx.conf"
    pem = certificates.file("localhost")
    user, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
    config.write_text(NGINX.format(folder=tmp_path, pem=pem, user=user, group=group, **ports))
    numbers = [each.fileno() for each in listeners.values()]
    with running(
        *(path, "-p", str(tmp_path), "-e", "stderr", "-c", str(config)),
        log=tmp_path / "log",
        pass_fds=numbers,
        env={"NGINX": "".join(f"{number};" for number in numbers)},  # as in a binary upgrade
    ):
        yield ports


@pytest.mark.parametrize(
    ("probe", "reason", "status"),
    [
        (HttpProbe(), Reason.OK, 200),
        (HttpProbe(http_method="HEAD"), Reason.OK, 200),
        (HttpProbe(http_version="1.0"), Reason.OK, 200),
        (HttpProbe(body_regex=r"systems (ready|steady)"), Reason.OK, 200),
        (HttpProbe(http_version="1.0", body_regex="ready"), Reason.OK, 200),
        (HttpProbe(body_regex="not there", body_limit=100), Reason.PAYLOAD_MISMATCH, 200),
        (HttpProbe(url_path="/missing"), Reason.UNEXPECTED_STATUS, 404),
        (HttpProbe(url_path="/moved"), Reason.UNEXPECTED_STATUS, 301),
        (HttpProbe(http_method="POST"), Reason.UNEXPECTED_STATUS, 405),
        (
            HttpProbe(http_method="TRACE", expected_codes=Codes("405", frozenset({405}))),
            Reason.OK,
            405,
        ),
    ],
)
async def test_nginx_over_http(
    nginx: dict[str, int], probe: HttpProbe, reason: Reason, status: int
) -> None:
    found = await find(probe, nginx["clear"])
    assert (found.reason, found.facts) == (
        reason,
        {"http_status_code": status, "http_version": 1.1},
    )


async def test_nginx_over_tls(nginx: dict[str, int], certificates: Certificates) -> None:
    settings = TlsSettings(verify=True, ca_file=certificates.ca_file)
    for probe in (
        HttpsProbe(tls=settings),
        HttpsProbe(tls=settings, body_regex="ready"),
        TlsProbe(tls=settings),
        TlsProbe(tls=TlsSettings(alpn=("http/1.1",))),
    ):
        found = await find(probe, nginx["tls"], host="localhost")
        assert found.reason is Reason.OK, found


@pytest.mark.parametrize("probe", [TlsProbe(domain_name="b.example"), HttpsProbe()])
async def test_nginx_refuses_names_that_it_does_not_serve(
    nginx: dict[str, int], probe: Probe
) -> None:
    found = await find(probe, nginx["tls"])
    assert (found.reason, found.detail) == (Reason.TLS_ALERT, "TLS alert: unrecognized name")


async def test_nginx_answers_plain_http_on_its_tls_port(nginx: dict[str, int]) -> None:
    found = await find(HttpProbe(), nginx["tls"])
    assert found.facts == {"http_status_code": 400, "http_version": 1.1}


async def test_nginx_speaks_http_2_only_over_tls(nginx: dict[str, int]) -> None:
    found = await find(GrpcProbe(), nginx["clear"])
    assert (found.result, found.reason) == (Result.HEALTH_PAYLOAD_MISMATCH, Reason.BAD_RESPONSE)


HAPROXY = """
defaults
    mode http
    timeout client 5s
    timeout server 5s
    timeout connect 5s
frontend clear
    bind fd@{clear}
    http-request return status 200 content-type text/plain string ready if {{ path / }}
    http-request return status 503
frontend tls
    bind fd@{tls} ssl crt {pem} alpn h2,http/1.1
    http-request return status 200 content-type text/plain string ready
frontend proxied
    bind fd@{proxied} accept-proxy
    http-request return status 200 content-type text/plain lf-string "%[src]:%[src_port]"
frontend proxied_tls
    bind fd@{proxied_tls} accept-proxy ssl crt {pem} alpn h2,http/1.1
    http-request return status 200 content-type text/plain lf-string "%[src]:%[src_port]"
frontend guarded
    bind fd@{guarded} ssl crt {pem} ca-file {ca} verify required
    http-request return status 200
frontend closed
    mode tcp
    bind fd@{closed}
    tcp-request connection reject
"""


@pytest.fixture
def haproxy(
    tmp_path: Path, certificates: Certificates, inherited: Callable[[], socket.socket]
) -> Iterator[dict[str, int]]:
    """Return the ports of an HAProxy."""
    path = program("haproxy")
    names = ("clear", "tls", "proxied", "proxied_tls", "guarded", "closed")
    listeners = {name: inherited() for name in names}
    numbers = {name: each.fileno() for name, each in listeners.items()}
    config = tmp_path / "haproxy.cfg"
    pem, ca = certificates.file("localhost"), certificates.ca_file
    config.write_text(HAPROXY.format(pem=pem, ca=ca, **numbers))
    with running(
        *(path, "-q", "-db", "-f", str(config)), log=tmp_path / "log", pass_fds=numbers.values()
    ):
        yield {name: each.getsockname()[1] for name, each in listeners.items()}


async def test_haproxy(haproxy: dict[str, int], certificates: Certificates) -> None:
    own = TlsSettings(cert_file=certificates.file("client.example"))
    expected: list[tuple[Probe, str, Reason]] = [
        (TcpProbe(), "clear", Reason.OK),
        (HttpProbe(body_regex="^ready$"), "clear", Reason.OK),
        (HttpProbe(url_path="/other"), "clear", Reason.UNEXPECTED_STATUS),
        (TcpProbe(), "closed", Reason.OK),
        (HttpProbe(), "closed", Reason.RESET),
        (HttpsProbe(body_regex="^ready$"), "tls", Reason.OK),
        (TlsProbe(tls=TlsSettings(alpn=("h2",))), "tls", Reason.OK),
        (GrpcProbe(tls=TlsSettings()), "tls", Reason.BAD_RESPONSE),
        (TlsProbe(), "guarded", Reason.TLS_ALERT),
        (HttpsProbe(), "guarded", Reason.TLS_ALERT),
        (TlsProbe(tls=own), "guarded", Reason.OK),
        (HttpsProbe(tls=own), "guarded", Reason.OK),
    ]
    for probe, name, reason in expected:
        found = await find(probe, haproxy[name], host="localhost")
        assert found.reason is reason, (probe, name, found)


@pytest.mark.parametrize("form", ["v1", "v2", "v2_proxy"])
async def test_haproxy_behind_another_proxy(haproxy: dict[str, int], form: str) -> None:
    for probe, name in (
        (HttpProbe(send_proxy=form, body_regex=r"^127\.0\.0\.1:\d+$"), "proxied"),
        (HttpsProbe(send_proxy=form, body_regex=r"^127\.0\.0\.1:\d+$"), "proxied_tls"),
        (TlsProbe(send_proxy=form), "proxied_tls"),
        (TcpProbe(send_proxy=form), "proxied"),
        (TcpProbe(send_proxy=form, send=b"GET / HTTP/1.0\r\n\r\n", expect=b"200"), "proxied"),
    ):
        found = await find(probe, haproxy[name])
        assert found.reason is Reason.OK, (probe, found)
        assert phases(found)
    found = await find(HttpProbe(), haproxy["proxied"])
    assert found.reason is not Reason.OK


@pytest.mark.parametrize(
    ("form", "said"), [("v1", r"127\.0\.0\.1:\d+"), ("v2_proxy", r"127\.0\.0\.1:\d+"), ("v2", ":")]
)
async def test_nginx_behind_another_proxy(nginx: dict[str, int], form: str, said: str) -> None:
    probe = HttpProbe(send_proxy=form, body_regex=f"^{said}$")
    found = await find(probe, nginx["proxied"])
    assert found.reason is Reason.OK, found


@contextmanager
def s_server(
    certificates: Certificates, folder: Path, *options: str
) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Run OpenSSL's test server; yield its port, and the program."""
    command = [program("openssl"), "s_server", "-accept", "127.0.0.1:0", "-naccept", "10"]
    command += ["-cert", certificates.file("localhost"), *options]
    with running(
        *command, log=folder / "log", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        yield int(heard(server, r"ACCEPT .*:(\d+)")), server


def heard(server: subprocess.Popen[str], pattern: str) -> str:
    """Wait for a line that the server writes; return what the pattern's group is in it."""
    assert server.stdout is not None
    for line in server.stdout:
        if found := re.fullmatch(pattern, line.strip()):
            return found[1]
    pytest.fail(f"no line was {pattern}")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_openssl(certificates: Certificates, tmp_path: Path, version: str) -> None:
    with s_server(certificates, tmp_path, version, "-www") as (port, _):
        assert (await find(TlsProbe(), port)).reason is Reason.OK
        found = await find(HttpsProbe(body_regex="s_server"), port)
        assert (found.reason, found.detail) == (Reason.OK, "HTTP 200, body_regex matched")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_openssl_that_requires_a_certificate(
    certificates: Certificates, tmp_path: Path, version: str
) -> None:
    asking = ("-Verify", "1", "-verify_return_error", "-CAfile", certificates.ca_file)
    with s_server(certificates, tmp_path, version, "-www", *asking) as (port, _):
        for kind in (TlsProbe, HttpsProbe):
            if kind is HttpsProbe or version == "-tls1_2":  # a slow one is taken for silent consent
                assert (await find(kind(), port)).reason is Reason.TLS_ALERT
            own = TlsSettings(cert_file=certificates.file("client.example"))
            assert (await find(kind(tls=own), port)).reason is Reason.OK


async def test_openssl_that_renegotiates(certificates: Certificates, tmp_path: Path) -> None:
    def converse(server: subprocess.Popen[str]) -> None:
        assert server.stdin is not None
        heard(server, "(Connection: close)")
        server.stdin.write("r\n")  # its command for that
        server.stdin.flush()
        heard(server, "(Read BLOCK)")  # the answer to it has come
        server.stdin.write("HTTP/1.1 200 OK\n\n")
        server.stdin.flush()

    with s_server(certificates, tmp_path, "-tls1_2", "-naccept", "1") as (port, server):
        talk = asyncio.create_task(asyncio.to_thread(converse, server))
        found = await find(HttpsProbe(), port)
        await talk
        assert heard(server, "(.) server accepts that finished") == "2"
    assert found.reason is Reason.OK


def http(kind: type[HttpProbe] = HttpProbe, **options: object) -> HttpProbe:
    outside = ReadContext("/", str, {"KEY": "s3cret"})
    return section(kind).read(options, outside)


async def test_http_2(nginx: dict[str, int], haproxy: dict[str, int]) -> None:
    status = {"path": "$.status", "equals": "ok"}
    for options, port, reason, code in (
        ({"expect_headers": {"server": "nginx"}}, nginx["http2"], Reason.OK, 200),
        ({"http_method": "HEAD"}, nginx["http2"], Reason.OK, 200),
        ({"body_regex": "ready</p>\n$", "body_limit": 200_000}, nginx["http2"], Reason.OK, 200),
        ({"url_path": "/missing"}, nginx["http2"], Reason.UNEXPECTED_STATUS, 404),
        (
            {"http_method": "POST", "body": "x" * 300_000, "expected_codes": "405"},
            nginx["http2"],
            Reason.OK,
            405,
        ),
        ({"url_path": "/moved", "follow_redirects": True}, nginx["http2_tls"], Reason.OK, 200),
        ({"url_path": "/json", "expect_json": [status]}, nginx["http2_tls"], Reason.OK, 200),
        ({"body_regex": "^ready$"}, haproxy["tls"], Reason.OK, 200),
    ):
        secured = port != nginx["http2"]
        found = await find(
            http(HttpsProbe if secured else HttpProbe, http_version=2, **options),
            port,
            host="localhost",
        )
        facts = found.facts or {}
        assert (found.reason, facts["http_status_code"], facts["http_version"]) == (reason, code, 2)


async def test_http_2_servers_answer_a_ping(nginx: dict[str, int], haproxy: dict[str, int]) -> None:
    secured = Http2PingProbe(tls=TlsSettings())
    for probe, port, reason in (
        (Http2PingProbe(), nginx["http2"], Reason.OK),
        (secured, nginx["http2_tls"], Reason.OK),
        (secured, haproxy["tls"], Reason.OK),
        (Http2PingProbe(), nginx["clear"], Reason.BAD_RESPONSE),
        (secured, haproxy["guarded"], Reason.BAD_RESPONSE),
    ):
        found = await find(probe, port, host="localhost")
        assert found.reason is reason, (port, found)


async def test_servers_without_http_2(nginx: dict[str, int], haproxy: dict[str, int]) -> None:
    for kind, port, detail in (
        (HttpProbe, nginx["clear"], "not a valid HTTP/2 reply: the server speaks HTTP/1, "),
        (HttpProbe, haproxy["closed"], ""),
        (HttpsProbe, nginx["tls"], "TLS alert: no application protocol: the server does not "),
        (HttpsProbe, haproxy["guarded"], "the server does not speak HTTP/2 over TLS: it chose no "),
    ):
        found = await find(http(kind, http_version=2), port, host="localhost")
        assert found.result in (Result.HEALTH_PAYLOAD_MISMATCH, Result.CONNECT_FAILED), found
        assert found.detail.startswith(detail), found


async def test_nginx_redirects_and_answers_in_json(nginx: dict[str, int]) -> None:
    status = {"path": "$.status", "equals": "ok"}
    for probe, reason, facts in (
        (http(url_path="/moved", follow_redirects=True), Reason.OK, (200, 1)),
        (http(url_path="/loop", follow_redirects=3), Reason.UNEXPECTED_STATUS, (302, 3)),
        (http(url_path="/json", follow_redirects=1, expect_json=[status]), Reason.OK, (200, 0)),
        (http(url_path="/to-json", follow_redirects=1, expect_json=[status]), Reason.OK, (200, 1)),
        (
            http(url_path="/", follow_redirects=1, expect_json=[status]),
            Reason.PAYLOAD_MISMATCH,
            (200, 0),
        ),
    ):
        found = await find(probe, nginx["clear"])
        code, followed = facts
        expected = {"http_status_code": code, "http_version": 1.1, "http_redirects": followed}
        assert (found.reason, found.facts) == (reason, expected), found
        assert phases(found) == {"connect", "send", "first_byte", "transfer"}


async def test_nginx_redirects_to_https(nginx: dict[str, int], certificates: Certificates) -> None:
    for follow_redirects, reason in ((True, Reason.OK), (False, Reason.UNEXPECTED_STATUS)):
        probe = http(url_path="/secure", follow_redirects=follow_redirects)
        found = await find(probe, nginx["clear"], host="localhost")
        assert found.reason is reason, found
        assert ("tls_version" in (found.facts or {})) == follow_redirects


async def test_nginx_headers_and_credentials(nginx: dict[str, int]) -> None:
    password = {"env": "KEY"}
    for probe, reason in (
        (http(url_path="/json", expect_headers={"content-type": "^application/json$"}), Reason.OK),
        (http(expect_headers={"X-None": "."}), Reason.PAYLOAD_MISMATCH),
        (http(reject_headers={"Server": "^nginx"}), Reason.PAYLOAD_MISMATCH),
        (http(reject_body_regex="steady"), Reason.OK),
        (http(reject_body_regex="ready"), Reason.PAYLOAD_MISMATCH),
        (http(url_path="/private", basic_auth={"username": "u", "password": password}), Reason.OK),
        (http(url_path="/private"), Reason.UNEXPECTED_STATUS),
        (http(url_path="/bearer", bearer=password), Reason.OK),
        (http(url_path="/bearer"), Reason.UNEXPECTED_STATUS),
    ):
        found = await find(probe, nginx["clear"])
        assert found.reason is reason, (probe, found)
