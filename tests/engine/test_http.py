"""HTTP probes against real sockets."""

import socket

import pytest

from prober import __version__
from prober.model.file_kinds import Secret
from prober.model.kinds import Codes, Frozen
from prober.model.status import Reason, Result
from prober.probes.http import HttpProbe
from tests.engine.by_hand import ByHand, accept
from tests.engine.conftest import Serve
from tests.engine.targets import PATIENCE, Script, answers, close, find, hold, phases, reset
from tests.ports import free_port

OK = b"HTTP/1.1 200 OK\r\n"
TEN = OK + b"Content-Length: 10\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
WHOLE = {"connect", "send", "first_byte", "transfer"}
BODY = HttpProbe(body_regex="ready")


def endless(head: bytes, unit: bytes) -> Script:
    """Return a script that goes on with the same bytes for as long as somebody takes them."""

    def script(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(head)
        while True:
            connection.sendall(unit)

    return script


@pytest.mark.parametrize(
    ("script", "reason", "status"),
    [
        (answers(OK + b"\r\n"), Reason.OK, 200),
        (answers(OK + b"\r\n", then=close), Reason.OK, 200),
        (answers(b"HTTP/1.0 200\r\n\r\n"), Reason.OK, 200),
        (answers(b"HTTP/1.1 200 OK\nServer: bare line feeds\n\n"), Reason.OK, 200),
        (answers(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"), Reason.UNEXPECTED_STATUS, 503),
        (answers(b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"), Reason.UNEXPECTED_STATUS, 302),
        (answers(b"HTTP/1.1 102 Processing\r\n\r\n" * 3 + OK + b"\r\n"), Reason.OK, 200),
        (answers(b"HTTP/1.1 100 Continue\r\n\r\n", OK, b"\r\n"), Reason.OK, 200),
        (endless(OK + b"\r\n", b"x" * 4096), Reason.OK, 200),
        (answers(TEN + b"short", then=reset), Reason.OK, 200),
        (answers(TEN + b"short", then=close), Reason.OK, 200),
        (answers(*(bytes([byte]) for byte in OK + b"\r\n")), Reason.OK, 200),
    ],
)
async def test_the_status_decides(
    serve: Serve, script: Script, reason: Reason, status: int
) -> None:
    found = await find(HttpProbe(), serve(script))
    assert found.reason is reason
    assert found.facts is not None
    assert found.facts["http_status_code"] == status
    assert phases(found) == WHOLE


@pytest.mark.parametrize(
    ("script", "reason", "detail"),
    [
        (answers(then=close), Reason.CLOSED, "closed without a reply"),
        (answers(then=reset), Reason.RESET, "connection reset by peer"),
        (answers(OK, then=close), Reason.CLOSED, "closed after 17 bytes of the head"),
        (answers(OK, then=reset), Reason.RESET, "connection reset by peer"),
        (answers(b"SSH-2.0-OpenSSH_9.2\r\n"), Reason.BAD_RESPONSE, "it starts with b'SSH-2.0-"),
        (answers(bytes(range(256))), Reason.BAD_RESPONSE, "it starts with"),
        (answers(b"HTTP/1.1 99999 no\r\n\r\n"), Reason.BAD_RESPONSE, "malformed head"),
        (endless(OK, b"X-Padding: x\r\n" * 100), Reason.BAD_RESPONSE, "longer than 32768 bytes"),
        (answers(OK + b"A: b\r\n" * 500 + b"\r\n"), Reason.BAD_RESPONSE, "more than 256 headers"),
        (hold, Reason.TIMEOUT, "no reply within 0.5 s"),
        (answers(OK), Reason.TIMEOUT, "no complete reply within 0.5 s"),
        (answers(b"HTTP/1.1 102 Processing\r\n\r\n"), Reason.TIMEOUT, "no complete reply"),
    ],
)
async def test_a_reply_without_a_status_has_none(
    serve: Serve, script: Script, reason: Reason, detail: str
) -> None:
    timeout = 0.5 if reason is Reason.TIMEOUT else PATIENCE
    found = await find(HttpProbe(), serve(script), timeout=timeout)
    assert found.reason is reason
    assert detail in found.detail
    assert found.facts is None
    assert phases(found) >= {"connect", "send", "first_byte"}
    assert reason is not Reason.TIMEOUT or found.seconds >= 0.5


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (answers(OK + b"\r\nready", then=close), Reason.OK),
        (answers(TEN + b"not ", b"ready!"), Reason.OK),
        (answers(CHUNKED + b"5\r\nnot r\r\n", b"5\r\neady!\r\n0\r\n\r\n"), Reason.OK),
        (answers(TEN + b"read not y"), Reason.PAYLOAD_MISMATCH),
        (answers(OK + b"\r\nreadiness", then=close), Reason.PAYLOAD_MISMATCH),
        (endless(OK + b"\r\n", b"x" * 4096), Reason.PAYLOAD_MISMATCH),
        (endless(CHUNKED, b"1\r\nx\r\n" * 500), Reason.PAYLOAD_MISMATCH),
        (answers(TEN + b"short", then=close), Reason.CLOSED),
        (answers(CHUNKED + b"5\r\nshort\r\n", then=close), Reason.CLOSED),
        (answers(TEN + b"short", then=reset), Reason.RESET),
        (answers(CHUNKED + b"what\r\n"), Reason.BAD_RESPONSE),
    ],
)
async def test_the_body_decides_if_it_is_asked_for(
    serve: Serve, script: Script, reason: Reason
) -> None:
    found = await find(BODY, serve(script))
    assert found.reason is reason, found
    assert found.facts == {"http_status_code": 200, "http_version": 1.1}
    assert phases(found) == WHOLE


async def test_a_body_of_which_nothing_more_comes_is_judged_at_the_deadline(serve: Serve) -> None:
    port = serve(answers(OK + b"\r\nnothing more comes"))
    found = await find(BODY, port, timeout=0.5)
    assert found.reason is Reason.PAYLOAD_MISMATCH
    assert phases(found) == WHOLE


async def test_the_request_is_sent_byte_for_byte(serve: Serve) -> None:
    heard: list[bytes] = []
    probe = HttpProbe(
        http_method="POST",
        url_path="/healthz?full=1",
        domain_name="example.org",
        headers=Frozen({"X-Token": Secret("s3cret", masked=True), "accept": Secret("a/b", False)}),
        body=Secret('{"né": 1}', masked=False),
        http_version="1.0",
        expected_codes=Codes("200,404", frozenset({200, 404})),
    )
    found = await find(probe, serve(answers(b"HTTP/1.0 404 x\r\n\r\n", heard=heard)))
    assert found.result is Result.OK
    assert heard == [
        (
            "POST /healthz?full=1 HTTP/1.0\r\n"
            "Host: example.org\r\n"
            f"User-Agent: prober/{__version__}\r\n"
            "accept: a/b\r\n"
            "Accept-Encoding: identity\r\n"
            "Connection: close\r\n"
            "Content-Length: 10\r\n"
            "X-Token: s3cret\r\n"
            "\r\n"
            '{"né": 1}'
        ).encode()
    ]


async def test_the_default_request_names_the_target(serve: Serve) -> None:
    heard: list[bytes] = []
    port = serve(answers(OK + b"\r\n", heard=heard), host="::1")
    assert (await find(HttpProbe(), port, host="::1")).reason is Reason.OK
    lines = heard[0].decode().split("\r\n")
    assert lines[:2] == ["GET / HTTP/1.1", f"Host: [::1]:{port}"]
    assert lines[-2:] == ["", ""]


async def test_a_closed_port_is_refused() -> None:
    found = await find(HttpProbe(), free_port())
    assert found.reason is Reason.REFUSED
    assert phases(found) == {"connect"}


def test_one_deadline_holds_for_a_reply_in_drips(by_hand: ByHand, listener: socket.socket) -> None:
    by_hand.start(listener.getsockname()[1], HttpProbe(), timeout=2.0)
    by_hand.drain()
    with accept(listener) as connection:
        for byte in OK:
            connection.send(bytes([byte]))
            by_hand.drain()
            by_hand.clock.advance(0.1)
        assert not by_hand.outcomes
        by_hand.clock.advance(0.5)
    (found,) = by_hand.outcomes
    assert found.reason is Reason.TIMEOUT
    assert 2.0 <= found.seconds < 2.05
