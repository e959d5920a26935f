"""Answers that come while the request is still being sent (RFC 9112, section 9.3)."""

import socket
import ssl

import pytest

from prober.model.file_kinds import Secret
from prober.model.kinds import Codes
from prober.model.probe import Probe
from prober.model.status import Reason
from prober.probes.http import HttpProbe, HttpsProbe
from prober.probes.tcp import TcpProbe
from tests.engine.conftest import Certificates, Serve
from tests.engine.targets import Script, close, find, hold, over_tls, reset

LARGE = Secret("x" * 16 * 1024 * 1024, masked=False)
POST = {"http_method": "POST", "body": LARGE}
TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"


def early(reply: bytes, then: Script) -> Script:
    """Return a script that answers after the first bytes of a request and reads no more."""

    def script(connection: socket.socket) -> None:
        assert connection.recv(1000)
        if reply:
            connection.sendall(reply)
        then(connection)

    return script


@pytest.mark.parametrize("then", [hold, close, reset], ids=["reads on", "closes", "resets"])
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
async def test_an_answer_to_a_large_body_is_the_result(
    serve: Serve, certificates: Certificates, secure: bool, then: Script
) -> None:
    script = early(TOO_LARGE, hold if secure and then is reset else then)
    probe: HttpProbe = HttpsProbe(**POST) if secure else HttpProbe(**POST)  # type: ignore[arg-type]  # a dict of any
    context: ssl.SSLContext = certificates.server()
    port = serve(over_tls(context, script) if secure else script)
    found = await find(probe, port)
    assert (found.reason, found.facts and found.facts["http_status_code"]) == (
        Reason.UNEXPECTED_STATUS,
        413,
    )


async def test_the_body_of_an_early_answer_is_searched(serve: Serve) -> None:
    codes = Codes("413", frozenset({413}))
    probe = HttpProbe(http_method="POST", body=LARGE, body_regex="^no$", expected_codes=codes)
    assert (await find(probe, serve(early(TOO_LARGE, hold)))).reason is Reason.OK


@pytest.mark.parametrize(
    "probe",
    [
        HttpProbe(http_method="POST", body=LARGE),
        TcpProbe(send=b"x" * 16 * 1024 * 1024, expect=b"y"),
        TcpProbe(send=b"x" * 16 * 1024 * 1024),
    ],
    ids=["http", "tcp with expect", "tcp"],
)
async def test_a_reset_without_an_answer_is_a_reset(serve: Serve, probe: Probe) -> None:
    assert (await find(probe, serve(early(b"", reset)))).reason in (Reason.RESET, Reason.CLOSED)


async def test_what_is_to_be_sent_whole_is_not_sent_if_the_peer_resets(serve: Serve) -> None:
    probe = TcpProbe(send=b"x" * 16 * 1024 * 1024)
    found = await find(probe, serve(early(b"220 hello\r\n", reset)))
    assert found.reason in (Reason.RESET, Reason.CLOSED)


async def test_an_early_answer_to_a_tcp_probe_is_searched(serve: Serve) -> None:
    probe = TcpProbe(send=b"x" * 16 * 1024 * 1024, expect=b"220 hello")
    assert (await find(probe, serve(early(b"220 hello\r\n", close)))).reason is Reason.OK
