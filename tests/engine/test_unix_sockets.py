"""Probes of Unix sockets: of servers that listen there, and of paths where nobody does."""

import grp
import os
import pwd
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prober.engine.attempt import Job
from prober.engine.once import probe_once
from prober.engine.target_policy import TargetPolicy
from prober.model.monitor import Check, Monitor
from prober.model.option import ReadContext, Rejected, section
from prober.model.pool import Backend, Pool, parse_place
from prober.model.probe import Probe, Target
from prober.model.reach import TargetRules
from prober.model.status import Outcome, Reason, Result
from prober.model.tls_settings import TlsSettings
from prober.probes.dns import DnsProbe
from prober.probes.grpc import GrpcProbe
from prober.probes.http import HttpProbe, HttpsProbe
from prober.probes.http2_ping import Http2PingProbe
from prober.probes.tcp import TcpProbe
from prober.probes.tls import TlsProbe
from prober.probes.udp import UdpProbe
from tests.engine.by_hand import ByHand
from tests.engine.conftest import Certificates
from tests.engine.targets import PATIENCE, Script, hold, over_tls, phases
from tests.engine.test_real_servers import NGINX_HEAD, program, running

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready"


def answers(*replies: bytes, heard: list[bytes] | None = None) -> Script:
    """Return a script that answers the request of each connection in turn."""
    left = list(replies)

    def script(connection: socket.socket) -> None:
        request = connection.recv(65536)
        if heard is not None:
            heard.append(request)
        if left:
            connection.sendall(left.pop(0) if len(left) > 1 else left[0])
            hold(connection)

    return script


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be a user to whom permissions of files apply."""
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        yield
    finally:
        os.seteuid(user)


@contextmanager
def listening_at(path: Path, script: Script) -> Iterator[None]:
    """Serve at a path: the script for each connection, one by one."""

    def serve() -> None:
        with suppress(OSError):  # it was shut down
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    script(connection)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE)


def monitor(probe: Probe, path: Path | str, kind: str = "any", **more: Any) -> Monitor:
    backend = Backend(address=f"unix:{path}")
    return Monitor(name="m", type=kind, targets=(backend,), probe=probe, timeout=PATIENCE, **more)


async def find(probe: Probe, path: Path) -> Outcome:
    made = monitor(probe, path)
    (backend,) = made.targets
    return await probe_once(Check(made, Pool(name="m", backends=made.targets), backend))


@pytest.mark.parametrize(
    ("probe", "script", "reason"),
    [
        (TcpProbe(), hold, Reason.OK),
        (TcpProbe(send=b"PING", expect=b"PONG"), answers(b"+PONG"), Reason.OK),
        (HttpProbe(body_regex="ready"), answers(OK), Reason.OK),
        (
            HttpProbe(expected_codes=HttpProbe().expected_codes),
            answers(b"HTTP/1.1 503 X\r\n\r\n"),
            Reason.UNEXPECTED_STATUS,
        ),
        (HttpProbe(), answers(), Reason.CLOSED),
        (GrpcProbe(), answers(b"HTTP/1.1 400 X\r\n\r\n"), Reason.BAD_RESPONSE),
    ],
)
async def test_a_server_at_a_path(
    tmp_path: Path, probe: Probe, script: Script, reason: Reason
) -> None:
    with listening_at(tmp_path / "a.sock", script):
        for _ in range(2):
            found = await find(probe, tmp_path / "a.sock")
            assert found.reason is reason, found
            assert "connect" in phases(found)


async def test_the_request_names_localhost(tmp_path: Path) -> None:
    heard: list[bytes] = []
    with listening_at(tmp_path / "a.sock", answers(OK, heard=heard)):
        await find(HttpProbe(follow_redirects=1), tmp_path / "a.sock")
    assert b"\r\nHost: localhost\r\n" in heard[0]


async def test_a_redirect_at_the_socket_stays_there(tmp_path: Path) -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n"
    with listening_at(tmp_path / "a.sock", answers(moved, OK)):
        found = await find(HttpProbe(follow_redirects=1), tmp_path / "a.sock")
    assert (found.reason, (found.facts or {})["http_redirects"]) == (Reason.OK, 1)


def over_tls_at(path: Path, certificates: Certificates) -> AbstractContextManager[None]:
    return listening_at(path, over_tls(certificates.server(), answers(OK)))


@pytest.mark.parametrize("kind", [TlsProbe, HttpsProbe])
@pytest.mark.parametrize("ocsp", [None, "ask"])
async def test_the_certificate_of_a_server_at_a_path_is_for_localhost_or_the_name_that_is_given(
    tmp_path: Path, certificates: Certificates, kind: type[TlsProbe | HttpsProbe], ocsp: str | None
) -> None:
    path = tmp_path / "a.sock"
    tls = TlsSettings(verify=True, ca_file=certificates.ca_file, ocsp=ocsp)
    with over_tls_at(path, certificates):
        found = await find(kind(tls=tls), path)
        assert found.reason is Reason.OK
        assert {"connect", "tls"} <= phases(found)
        named = kind(tls=tls, domain_name="shop.example")
        assert (await find(named, path)).reason is Reason.TLS_HOSTNAME
        named = kind(tls=replace(tls, server_name="localhost"), domain_name="shop.example")
        assert (await find(named, path)).reason is Reason.OK


async def test_a_path_where_no_tls_is_spoken(tmp_path: Path) -> None:
    with listening_at(tmp_path / "a.sock", answers(OK)):
        found = await find(TlsProbe(), tmp_path / "a.sock")
    assert found.reason is Reason.TLS_HANDSHAKE
    assert "does not speak TLS here, but HTTP" in found.detail


async def test_starttls_at_a_path(tmp_path: Path, certificates: Certificates) -> None:
    def greet(connection: socket.socket) -> None:
        connection.sendall(b"hello")
        hold(connection)

    inside = over_tls(certificates.server(), greet)

    def script(connection: socket.socket) -> None:
        assert connection.recv(100) == b"STARTTLS"
        connection.sendall(b"go")
        inside(connection)

    steps = [{"send": {"text": "STARTTLS"}}, {"expect": {"text": "go"}}, {"starttls": {}}]
    steps += [{"expect": {"text": "hello"}}]
    tls = {"verify": True, "ca_file": certificates.ca_file}
    outside = ReadContext("", lambda path: Path(path).read_text(), {})
    probe = section(TcpProbe).read({"steps": steps, "tls": tls}, outside)
    with listening_at(tmp_path / "a.sock", script):
        assert (await find(probe, tmp_path / "a.sock")).reason is Reason.OK


NGINX = (
    NGINX_HEAD
    + """\
    ssl_certificate {pem};
    ssl_certificate_key {pem};
    server {{ listen unix:{clear}; return 200 "$host"; }}
    server {{ listen unix:{tls} ssl http2; return 200 "$host $ssl_server_name"; }}
}}
"""
)


async def test_nginx_at_paths(tmp_path: Path, certificates: Certificates) -> None:
    program_path, pem = program("nginx"), certificates.file("localhost")
    clear, tls = tmp_path / "clear.sock", tmp_path / "tls.sock"
    user, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
    names = {"user": user, "group": group, "folder": tmp_path, "pem": pem}
    (tmp_path / "nginx.conf").write_text(NGINX.format(clear=clear, tls=tls, **names))
    with ExitStack() as stack:
        numbers = []
        for path in (clear, tls):
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(path))
            listener.listen()
            numbers.append(listener.fileno())
        command = (program_path, "-p", str(tmp_path), "-e", "stderr", "-c", "nginx.conf")
        inherited = "".join(f"{number};" for number in numbers)  # as in a binary upgrade
        options = {"pass_fds": numbers, "env": {"NGINX": inherited}}
        stack.enter_context(running(*command, log=tmp_path / "log", **options))
        verified = TlsSettings(verify=True, ca_file=certificates.ca_file)
        for probe, path in (
            (HttpProbe(body_regex="^localhost$"), clear),
            (TlsProbe(tls=verified), tls),
            (HttpsProbe(tls=verified, body_regex="^localhost localhost$"), tls),
            (HttpsProbe(tls=verified, http_version="2", body_regex="^localhost "), tls),
            (Http2PingProbe(tls=verified), tls),
        ):
            found = await find(probe, path)
            assert found.reason is Reason.OK, found
        found = await find(HttpsProbe(tls=verified, domain_name="shop.example"), tls)
        assert found.reason is Reason.TLS_HOSTNAME


async def test_paths_where_nobody_listens(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "left"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(str(tmp_path / "datagrams"))
        for name, detail in (
            ("absent", "no such file or directory"),
            ("file", "connection refused"),
            ("left", "connection refused"),
            ("datagrams", "protocol wrong type for socket"),
            ("file/below", "not a directory"),
        ):
            found = await find(TcpProbe(), tmp_path / name)
            assert (found.result, found.reason) == (Result.CONNECT_FAILED, Reason.REFUSED)
            assert found.detail == detail


def test_what_the_api_may_reach(by_hand: ByHand, tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    for allowed, reason in (
        ((), Reason.NOT_PERMITTED),
        ((str(path),), Reason.OK),
        ((f"{tmp_path}/",), Reason.OK),
        ((str(tmp_path),), Reason.NOT_PERMITTED),
    ):
        policy = TargetPolicy(TargetRules(unix_sockets=allowed))
        with listening_at(path, hold):
            job = Job(
                Target(f"unix:{path}", 0),
                TcpProbe().bind(Target(f"unix:{path}", 0)),
                timeout=PATIENCE,
                datagram=False,
                objection=policy.objection,
            )
            by_hand.outcomes.clear()
            by_hand.engine.start(job, by_hand.outcomes.append)
            assert by_hand.outcome().reason is reason
        path.unlink()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("unix:relative", "a whole path"),
        ("unix:/a/../b", "without . and .."),
        ("unix:/a//b", "without . and .."),
        ("unix:/", "a whole path"),
        ("unix:/a\nb", "a whole path"),
        (f"unix:/{'x' * 107}", "at most 107 ASCII characters"),
    ],
)
def test_paths_that_cannot_be_probed_are_rejected(given: str, message: str) -> None:
    with pytest.raises(Rejected, match=message):
        parse_place(given)


@pytest.mark.parametrize(
    ("probe", "kind", "message"),
    [
        (UdpProbe(), "UDP_CONNECT", "is a Unix socket, which UDP_CONNECT monitors cannot probe"),
        (
            DnsProbe(query_name="a.example"),
            "DNS",
            "is a Unix socket, which DNS monitors cannot probe",
        ),
        (TlsProbe(send_proxy="v2"), "TLS", "is a Unix socket, where send_proxy has no meaning"),
        (TcpProbe(send_proxy="v1"), "TCP", "is a Unix socket, where send_proxy has no meaning"),
    ],
)
def test_monitors_that_cannot_probe_a_path_are_rejected(
    probe: Probe, kind: str, message: str
) -> None:
    with pytest.raises(Rejected, match=message):
        monitor(probe, "/a", kind)


def test_a_path_that_may_not_be_opened_is_not_permitted(by_hand: ByHand, tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with listening_at(path, hold):
        path.chmod(0)
        target = Target(f"unix:{path}", 0)
        job = Job(target, TcpProbe().bind(target), timeout=PATIENCE, datagram=False)
        with unprivileged():
            by_hand.engine.start(job, by_hand.outcomes.append)
        found = by_hand.outcome()
    assert (found.result, found.reason) == (Result.UNKNOWN, Reason.NOT_PERMITTED)
    assert found.detail == "permission denied"


def test_a_path_is_probed_after_a_reload_as_before(by_hand: ByHand, tmp_path: Path) -> None:
    target = Target(f"unix:{tmp_path}/a.sock", 0)
    job = Job(target, TcpProbe().bind(target), timeout=PATIENCE, datagram=False)
    job.source_due = 0.0  # as the scheduler sets it, since local ports may have changed
    with listening_at(tmp_path / "a.sock", hold):
        by_hand.engine.start(job, by_hand.outcomes.append)
        assert by_hand.outcome().reason is Reason.OK


def test_nothing_is_bound_for_a_path() -> None:
    with pytest.raises(Rejected, match="where source has no meaning"):
        monitor(TcpProbe(), "/a", source="127.0.0.1")


def test_a_path_has_no_port() -> None:
    assert Backend(address="unix:/a").key == "unix:/a"
    assert monitor(TcpProbe(), "/a", port=80).targets[0].target(80) == Target("unix:/a", 0)
    with pytest.raises(Rejected, match="a Unix socket has no port"):
        Backend(address="unix:/a", port=80)
