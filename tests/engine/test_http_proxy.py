"""Probes through forward proxies: tinyproxy, squid, and proxies that fail."""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prober.engine.attempt import Job
from prober.engine.target_policy import TargetPolicy
from prober.model.option import ReadContext, section
from prober.model.probe import Probe, Target
from prober.model.reach import TargetRules
from prober.model.status import Reason, Result
from prober.probes.http import HttpProbe, HttpsProbe
from prober.probes.tls import TlsProbe
from tests.engine.by_hand import ByHand
from tests.engine.conftest import Certificates, Serve
from tests.engine.targets import PATIENCE, answers, close, find, hold, over_tls, says
from tests.engine.test_real_servers import heard, program, running
from tests.ports import free_port

OUTSIDE = ReadContext("/", str, {"WORD": "s3cret"})
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready"
ESTABLISHED = b"HTTP/1.1 200 OK\r\n\r\n"
AUTH = {"proxy_auth": {"username": "u", "password": {"env": "WORD"}}}


def through(port: int, kind: type[Probe], **options: Any) -> Probe:
    return section(kind).read({"proxy": f"http://127.0.0.1:{port}", **options}, OUTSIDE)


TINYPROXY = """
Port {port}
Listen 127.0.0.1
Timeout 600
BasicAuth u s3cret
DisableViaHeader Yes
"""


@pytest.fixture
def tinyproxy(tmp_path: Path) -> Iterator[int]:
    """Return the port of a tinyproxy that wants a password."""
    path, port = program("tinyproxy"), free_port()
    config = tmp_path / "tinyproxy.conf"
    config.write_text(TINYPROXY.format(port=port))
    command = (path, "-d", "-c", str(config))
    with running(*command, log=tmp_path / "log", stdout=subprocess.PIPE) as server:
        heard(server, r".*(Accepting connections)\.")
        yield port


async def test_tinyproxy(tinyproxy: int, serve: Serve, certificates: Certificates) -> None:
    heard_requests: list[bytes] = []
    clear = serve(answers(OK, heard=heard_requests))
    secured = serve(over_tls(certificates.server(), answers(OK)))
    for kind, port, options, reason in (
        (HttpProbe, clear, {**AUTH, "body_regex": "ready"}, Reason.OK),
        (HttpsProbe, secured, {**AUTH, "body_regex": "ready"}, Reason.OK),
        (TlsProbe, secured, AUTH, Reason.OK),
        (HttpProbe, clear, {}, Reason.PROXY_FAILED),
        (HttpsProbe, secured, {}, Reason.PROXY_FAILED),
        (TlsProbe, clear, AUTH, Reason.TLS_HANDSHAKE),
    ):
        found = await find(through(tinyproxy, kind, **options), port)
        assert found.reason is reason, (kind, options, found)
    assert b"\r\nHost: 127.0.0.1:%d\r\n" % clear in heard_requests[0]
    assert b"s3cret" not in heard_requests[0]
    assert b"Proxy-Authorization" not in heard_requests[0]


async def test_tinyproxy_cannot_reach_a_target(tinyproxy: int) -> None:
    for kind in (HttpsProbe, TlsProbe):
        found = await find(through(tinyproxy, kind, **AUTH), free_port())
        assert (found.result, found.reason) == (Result.CONNECT_FAILED, Reason.UNREACHABLE), found


# Proxies that fail


@pytest.mark.parametrize("kind", [HttpProbe, HttpsProbe, TlsProbe])
async def test_a_proxy_that_cannot_be_reached(kind: type[Probe]) -> None:
    port = free_port()
    found = await find(through(port, kind), 80)
    assert (found.result, found.reason) == (Result.UNKNOWN, Reason.PROXY_FAILED)
    assert found.detail == f"the proxy 127.0.0.1:{port}: connection refused"


@pytest.mark.parametrize("kind", [HttpProbe, HttpsProbe, TlsProbe])
async def test_a_proxy_that_says_nothing_or_nonsense(serve: Serve, kind: type[Probe]) -> None:
    for script, timeout in (
        (hold, 0.05),
        (close, 60),
        (says(b"SSH-2.0-x\r\n"), 60),
        (answers(b"HTTP/1.1 407 Who?\r\n\r\n"), 60),
    ):
        found = await find(through(serve(script), kind), 80, timeout=timeout)
        assert (found.result, found.reason) == (Result.UNKNOWN, Reason.PROXY_FAILED), found


async def test_what_comes_through_the_tunnel_is_the_targets(serve: Serve) -> None:
    def then(connection: socket.socket) -> None:
        connection.recv(65536)

    port = serve(answers(ESTABLISHED, then=then))
    found = await find(through(port, HttpsProbe), 443)
    assert found.reason in (Reason.CLOSED, Reason.RESET), found


# What the API may reach


@pytest.mark.parametrize(
    ("host", "detail"),
    [
        ("169.254.169.254", "not allowed over the API: 169.254.169.254 is link-local"),
        ("a.example", "not allowed over the API: the proxy would look up a.example"),
    ],
)
def test_a_proxy_does_not_lead_around_the_target_policy(
    by_hand: ByHand, serve: Serve, host: str, detail: str
) -> None:
    policy, target = TargetPolicy(TargetRules()), Target(host, 80)
    job = Job(
        Target("127.0.0.1", serve(answers(OK))),
        through(1, HttpProbe).bind(target),
        timeout=PATIENCE,
        datagram=False,
        objection=policy.objection,
        beyond=target,
    )
    by_hand.engine.start(job, by_hand.outcomes.append)
    (found,) = by_hand.outcomes
    assert found.reason is Reason.NOT_PERMITTED
    assert found.detail.startswith(detail)


def test_a_redirect_through_a_proxy_is_judged_as_well(by_hand: ByHand, serve: Serve) -> None:
    policy, target = TargetPolicy(TargetRules()), Target("127.0.0.1", 80)
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n"
    job = Job(
        Target("127.0.0.1", serve(answers(moved))),
        through(1, HttpProbe, follow_redirects=True).bind(target),
        timeout=PATIENCE,
        datagram=False,
        objection=policy.objection,
        beyond=target,
    )
    by_hand.engine.start(job, by_hand.outcomes.append)
    assert by_hand.outcome().reason is Reason.NOT_PERMITTED
