"""HTTP2_PING: what is sent, and which answers are good."""

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection

from prober.model.probe import Target
from prober.model.status import Reason
from prober.model.tls_settings import TlsSettings
from prober.probes.http2_ping import Http2PingProbe
from prober.protocols.http2 import GOAWAY, HEADERS, PING, SETTINGS, write_frame
from tests.probes.drive import DEADLINE, END, RESET, SESSION, Event, cut_off, drive, judge

TARGET = Target("192.0.2.80", 8080)
PLAIN = Http2PingProbe().bind(TARGET)
HELLO = write_frame(SETTINGS)
ANSWER = write_frame(PING, 1, 0, b"prober/1")
BROKEN, CLOSED = Reason.BAD_RESPONSE, Reason.CLOSED


def test_a_real_http_2_server_answers_it() -> None:
    server = H2Connection(H2Configuration(client_side=False))
    server.initiate_connection()
    server.receive_data(drive(PLAIN, DEADLINE).sent)
    run = drive(PLAIN, server.data_to_send())
    assert run.verdict == (Reason.OK, "PING answered", None)


def test_what_a_server_asks_meanwhile_is_answered() -> None:
    asked = HELLO + write_frame(PING, payload=b"12345678")
    run = drive(PLAIN, asked, ANSWER)
    assert run.verdict.reason is Reason.OK
    assert run.sent.endswith(write_frame(SETTINGS, 1) + write_frame(PING, 1, 0, b"12345678"))


def test_over_tls_the_server_must_choose_h2() -> None:
    start = Http2PingProbe(tls=TlsSettings(), domain_name="a.example").bind(TARGET)
    run = drive(start, SESSION, HELLO + ANSWER)
    assert run.verdict.reason is Reason.OK
    assert [(each.server_name, each.alpn) for each in run.handshakes] == [("a.example", ("h2",))]
    run = drive(start, SESSION._replace(alpn=None))
    assert run.verdict.reason is BROKEN


@pytest.mark.parametrize(
    ("content", "reason", "detail"),
    [
        (b"HTTP/1.1 400 X\r\n\r\n", BROKEN, "the server speaks HTTP/1, it starts with"),
        (ANSWER, BROKEN, "its first frame is not SETTINGS"),
        (HELLO + write_frame(PING, 1, 0, b"87654321"), BROKEN, "it answers the PING with b'8765"),
        (HELLO + write_frame(HEADERS, 4, 1, b"\x88"), BROKEN, "a frame for call 1, which was not"),
        (HELLO * 65, BROKEN, "more than 64 frames"),
        (
            HELLO + write_frame(GOAWAY, 0, 0, b"\0\0\0\0\0\0\0\x0b"),
            CLOSED,
            "the server sent GOAWAY, HTTP/2 error 11 (ENHANCE_YOUR_CALM)",
        ),
        (HELLO + write_frame(GOAWAY, 0, 0, bytes(8)) + ANSWER, Reason.OK, "PING answered"),
    ],
)
def test_answers(content: bytes, reason: Reason, detail: str) -> None:
    verdict = drive(PLAIN, content, END).verdict
    assert verdict.reason is reason
    assert detail in verdict.detail
    judge(PLAIN, content)


@pytest.mark.parametrize(
    ("end", "reason"), [(END, CLOSED), (RESET, Reason.RESET), (DEADLINE, Reason.TIMEOUT)]
)
def test_an_answer_may_not_come(end: Event, reason: Reason) -> None:
    assert set(cut_off(PLAIN, HELLO + ANSWER, end)) == {reason}
