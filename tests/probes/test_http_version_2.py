"""HTTP over HTTP/2: the same conditions, judged by hand-made frames and by a real HTTP/2 stack."""

import struct
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded
from hpack import Encoder, NeverIndexedHeaderTuple

from prober import __version__
from prober.model.option import ReadContext, Rejected, section
from prober.model.probe import ENDS, RECEIVE, InThread, Probe, Reconnect, Send, Target
from prober.model.status import Reason, Verdict
from prober.probes.http import HttpProbe, HttpsProbe
from tests.probes.drive import DEADLINE, END, RESET, SESSION, Event, drive, in_thread, judge, pieces

TARGET = Target("192.0.2.80", 8080)
OUTSIDE = ReadContext("/", {"/token": "t0p\n", "/long": "x" * 200_000}.__getitem__, {})
OK, MISMATCH, BROKEN = Reason.OK, Reason.PAYLOAD_MISMATCH, Reason.BAD_RESPONSE
UNEXPECTED, CLOSED = Reason.UNEXPECTED_STATUS, Reason.CLOSED
FOUND = {"http_status_code": 200, "http_version": 2.0}
DATA, HEADERS, _, RST_STREAM, SETTINGS, _, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED = 0x1, 0x4, 0x8


def probe(**options: object) -> Probe:
    return section(HttpProbe).read({"http_version": "2", **options}, OUTSIDE)


def https(**options: object) -> Probe:
    return section(HttpsProbe).read({"http_version": 2, **options}, OUTSIDE)


def frame(kind: int, flags: int = 0, stream: int = 1, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + struct.pack(">BBI", kind, flags, stream) + payload


def block(*headers: tuple[str, str]) -> bytes:
    return Encoder().encode(headers)


HELLO = frame(SETTINGS, 0, 0)


def head(status: int = 200, *headers: tuple[str, str], end: bool = False) -> bytes:
    flags = END_HEADERS | (END_STREAM if end else 0)
    return frame(HEADERS, flags, 1, block((":status", str(status)), *headers))


def reply(body: bytes = b"", status: int = 200, **headers: str) -> bytes:
    fields = [(name.lower().replace("_", "-"), value) for name, value in headers.items()]
    return HELLO + head(status, *fields) + frame(DATA, END_STREAM, 1, body)


# What is sent, as a real HTTP/2 server understands it


class Server:
    """An HTTP/2 server that gives room for more as it reads, and answers nothing by itself."""

    def __init__(self) -> None:
        self.http = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self.http.initiate_connection()
        self.headers: list[Any] = []
        self.body = b""
        self.is_asked = False

    def receive(self, content: bytes) -> None:
        """Take what the probe sent, or raise h2's error if it may not be sent."""
        for event in self.http.receive_data(content):
            if isinstance(event, RequestReceived):
                self.headers = list(event.headers)
            elif isinstance(event, DataReceived):
                self.body += event.data
                self.http.acknowledge_received_data(event.flow_controlled_length, 1)
            elif isinstance(event, StreamEnded):
                self.is_asked = True

    @property
    def fields(self) -> dict[str, str]:
        """The headers of the request."""
        return {name.decode(): value.decode() for name, value in self.headers}


def asked(probe: Probe, target: Target = TARGET, *events: Event) -> Server:
    """Return a server that has seen the probe's request."""
    server = Server()
    server.receive(drive(probe.bind(target), *events, DEADLINE).sent)
    return server


def talk(probe: Probe, answer: list[tuple[bytes, bytes]], body: bytes) -> tuple[Verdict, Server]:
    """Let the probe and a real HTTP/2 stack talk; return the verdict."""
    start = probe.bind(TARGET)
    assert not isinstance(start, Verdict)
    server, steps, left, begun = Server(), start(), body, False
    wish: object = next(steps)
    try:
        while True:
            if isinstance(wish, Send):
                server.receive(wish.content)
                wish = steps.send(None)
                continue
            if isinstance(wish, InThread):
                wish = steps.send(in_thread(wish))
                continue
            assert wish is RECEIVE
            if server.is_asked and not begun:
                server.http.send_headers(1, answer)
                begun = True
            while begun and left and (room := server.http.local_flow_control_window(1)):
                size = min(room, 16384, len(left))
                server.http.send_data(1, left[:size], end_stream=size == len(left))
                left = left[size:]
            content = server.http.data_to_send()
            assert content, "nobody has anything to say"
            wish = steps.send(content)
    except StopIteration as stop:
        return stop.value, server


def test_the_request_has_the_headers_of_http_1_in_the_form_of_http_2() -> None:
    server = asked(probe(url_path="/a?b=é#c", domain_name="www.example"))
    assert server.is_asked
    assert server.fields == {
        ":method": "GET",
        ":scheme": "http",
        ":authority": "www.example",
        ":path": "/a?b=%C3%A9",
        "user-agent": f"prober/{__version__}",
        "accept": "*/*",
        "accept-encoding": "identity",
    }


def test_over_tls_h2_is_offered_and_the_scheme_is_https() -> None:
    run = drive(https().bind(Target("a.example", 443)), SESSION, DEADLINE)
    assert [each.alpn for each in run.handshakes] == [("h2",)]
    fields = asked(https(), Target("a.example", 443), SESSION).fields
    assert (fields[":scheme"], fields[":authority"]) == ("https", "a.example")


@pytest.mark.parametrize(
    ("options", "body", "length"),
    [
        ({"http_method": "POST", "body": "é"}, "é".encode(), "2"),
        ({"http_method": "POST"}, b"", "0"),
        ({"http_method": "HEAD"}, b"", None),
    ],
)
def test_a_body_is_announced(options: dict[str, object], body: bytes, length: str | None) -> None:
    server = asked(probe(**options))
    assert (server.body, server.fields.get("content-length")) == (body, length)
    assert server.is_asked


def test_headers_of_the_user_replace_those_of_the_probe() -> None:
    own = {"HOST": "a.example", "User-Agent": " me/1 ", "X-Rack": "é", "TE": "trailers"}
    fields = asked(probe(headers=own)).fields
    sent = {":authority": "a.example", "user-agent": "me/1", "x-rack": "é"}
    assert fields.items() >= sent.items()
    assert "host" not in fields


def test_no_table_keeps_credentials() -> None:
    server = asked(probe(bearer={"file": "/token"}, headers={"Cookie": {"file": "/token"}}))
    kept = [each[0] for each in server.headers if not isinstance(each, NeverIndexedHeaderTuple)]
    assert server.fields["authorization"] == "Bearer t0p"
    assert not {b"authorization", b"cookie"} & set(kept)


def test_many_headers_are_sent_in_several_frames() -> None:
    own = {f"x-{number}": "~\x7e!" * 300 for number in range(60)}
    assert asked(probe(headers=own)).fields.items() >= own.items()


@pytest.mark.parametrize(
    ("name", "value"), [("Upgrade", "h2c"), ("Keep-Alive", "1"), ("TE", "gzip")]
)
def test_headers_that_http_2_does_not_have_are_rejected(name: str, value: str) -> None:
    with pytest.raises(Rejected, match="HTTP/2 ") as rejected:
        probe(headers={name: value})
    assert [each.path for each in rejected.value.complaints] == [("headers", name)]


# Heads


@pytest.mark.parametrize(
    ("options", "content", "verdict"),
    [
        ({}, reply(), Verdict(OK, "HTTP 200", FOUND)),
        ({}, HELLO + head(end=True), Verdict(OK, "HTTP 200", FOUND)),
        ({}, HELLO + head(103, ("link", "x")) + head(), Verdict(OK, "HTTP 200", FOUND)),
        ({}, HELLO + head() + frame(RST_STREAM, 0, 1, b"\0\0\0\2"), Verdict(OK, "HTTP 200", FOUND)),
        (
            {"expected_codes": "201-204"},
            reply(),
            Verdict(UNEXPECTED, "HTTP 200, expected 201-204", FOUND),
        ),
        (
            {"expect_headers": {"X-Up": "^yes$"}},
            reply(X_Up="no"),
            Verdict(MISMATCH, "HTTP 200, header X-Up does not match '^yes$'", FOUND),
        ),
        ({"expect_headers": {"x-up": "^yes$"}}, reply(X_Up="yes"), Verdict(OK, "HTTP 200", FOUND)),
        (
            {"reject_headers": {"server": "."}},
            reply(server="x"),
            Verdict(MISMATCH, "HTTP 200, header server matches '.'", FOUND),
        ),
    ],
)
def test_heads_are_judged(options: dict[str, object], content: bytes, verdict: Verdict) -> None:
    assert judge(probe(**options).bind(TARGET), content) == verdict


@pytest.mark.parametrize(
    ("detail", "content"),
    [
        (
            "the server speaks HTTP/1, it starts with b'HTTP/1.1 400 Bad'",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
        ),
        ("its first frame is not SETTINGS", head()),
        ("it has the header b'X-Up'", HELLO + head(200, ("X-Up", "1"))),
        ("it has the header b'connection'", HELLO + head(200, ("connection", "close"))),
        ("its header x-up has a line break", HELLO + head(200, ("x-up", "a\r\nb: c"))),
        ("its content-length is b'x'", HELLO + head(200, ("content-length", "x"))),
        ("its :status is b'2000'", HELLO + frame(HEADERS, 4, 1, block((":status", "2000")))),
        ("it ends without a final status", HELLO + head(100, end=True)),
        ("it ends without a final status", HELLO + frame(HEADERS, 5, 1, block(("a", "b")))),
        ("its body comes before its head", HELLO + frame(DATA, 0, 1, b"x")),
        ("its headers are malformed", HELLO + frame(HEADERS, 4, 1, b"\xff\xff\xff\xff\xff")),
        ("it pushes although push is disabled", HELLO + frame(5, 4, 1, b"\0\0\0\2")),
    ],
)
def test_what_breaks_the_protocol_is_a_bad_response(detail: str, content: bytes) -> None:
    verdict = drive(probe().bind(TARGET), content, END).verdict
    assert verdict == (BROKEN, f"not a valid HTTP/2 reply: {detail}", None)
    judge(probe().bind(TARGET), content)


@pytest.mark.parametrize(
    ("events", "reason", "detail"),
    [
        ([END], CLOSED, "closed before the head of the reply"),
        ([HELLO, END], CLOSED, "closed before the head of the reply"),
        ([HELLO, RESET], Reason.RESET, "the connection was reset"),
        ([HELLO, DEADLINE], Reason.TIMEOUT, "no verdict before the deadline"),
        (
            [HELLO + frame(RST_STREAM, 0, 1, b"\0\0\0\x0d")],
            Reason.RESET,
            "the server reset the call, HTTP/2 error 13 (HTTP_1_1_REQUIRED)",
        ),
        (
            [HELLO + frame(GOAWAY, 0, 0, struct.pack(">II", 0, 11))],
            CLOSED,
            "the server sent GOAWAY, HTTP/2 error 11 (ENHANCE_YOUR_CALM)",
        ),
    ],
)
def test_a_call_may_end_without_a_reply(events: list[Event], reason: Reason, detail: str) -> None:
    assert drive(probe().bind(TARGET), *events).verdict[:2] == (reason, detail)


def test_a_server_that_goes_away_after_this_call_answers_it() -> None:
    leaves = frame(GOAWAY, 0, 0, struct.pack(">II", 1, 0))
    assert judge(probe().bind(TARGET), HELLO + leaves + reply()).reason is OK


def test_a_server_that_does_not_choose_h2_is_bad() -> None:
    for chosen, words in (("http/1.1", "chose http/1.1"), (None, "chose no protocol")):
        run = drive(https().bind(TARGET), SESSION._replace(alpn=chosen))
        detail = f"the server does not speak HTTP/2 over TLS: it {words} (ALPN)"
        assert run.verdict[:2] == (BROKEN, detail)


def test_pings_and_settings_are_answered() -> None:
    run = drive(probe().bind(TARGET), HELLO + frame(PING, 0, 0, b"12345678"), DEADLINE)
    assert run.sent.endswith(frame(SETTINGS, 1, 0) + frame(PING, 1, 0, b"12345678"))


# Bodies


@pytest.mark.parametrize(
    ("options", "body", "reason"),
    [
        ({"body_regex": "fine$"}, b"all fine", OK),
        ({"body_regex": "fine$", "body_limit": 5}, b"all fine", MISMATCH),
        ({"reject_body_regex": "fine$"}, b"all fine", MISMATCH),
        ({"expect_json": [{"path": "$.a", "equals": 1}]}, b'{"a": 1}', OK),
        ({"expect_json": [{"path": "$.a", "equals": 2}]}, b'{"a": 1}', MISMATCH),
        ({"expect_json": [{"path": "$.a", "equals": 1}], "body_limit": 7}, b'{"a": 1}', MISMATCH),
    ],
)
def test_bodies_are_judged(options: dict[str, object], body: bytes, reason: Reason) -> None:
    start = probe(**options).bind(TARGET)
    for content in (
        reply(body),
        reply(body, content_length=str(len(body))),
        HELLO + head() + frame(DATA, 0, 1, body) + frame(HEADERS, 5, 1, block(("grpc", "0"))),
        HELLO + head() + frame(DATA, PADDED | 1, 1, b"\4" + body + b"\0" * 4),
        HELLO
        + head()
        + b"".join(frame(DATA, 0, 1, part) for part in pieces(body, range(9)))
        + frame(DATA, END_STREAM),
    ):
        verdict = judge(start, content)
        assert (verdict.reason, verdict.facts) == (reason, FOUND), verdict


@pytest.mark.parametrize(
    ("end", "reason", "detail"),
    [
        (END, CLOSED, "closed after 4 bytes of the body"),
        (RESET, Reason.RESET, "the connection was reset"),
        (DEADLINE, MISMATCH, "HTTP 200, body_regex did not match in 4 bytes"),
        (frame(DATA, END_STREAM, 1), BROKEN, "its body has 4 bytes, its content-length is 9"),
        (frame(RST_STREAM, 0, 1, b"\0\0\0\0"), Reason.RESET, "HTTP/2 error 0 (NO_ERROR)"),
    ],
)
def test_a_body_may_be_cut_off(end: Event, reason: Reason, detail: str) -> None:
    begun = HELLO + head(200, ("content-length", "9")) + frame(DATA, 0, 1, b"fine")
    verdict = drive(probe(body_regex="x").bind(TARGET), begun, end).verdict
    assert (verdict.reason, verdict.facts) == (reason, FOUND)
    assert verdict.detail.endswith(detail)


def test_bodies_longer_than_a_window_come_through_in_both_directions() -> None:
    wanted = probe(
        http_method="POST",
        body={"file": "/long"},
        body_limit=1_000_000,
        body_regex="yz$",
    )
    verdict, server = talk(wanted, [(b":status", b"200")], b"y" * 500_000 + b"z")
    assert verdict == (OK, "HTTP 200, as expected", FOUND)
    assert server.body == b"x" * 200_000


def test_a_server_may_give_less_room_than_usual() -> None:
    start = probe(http_method="POST", body={"file": "/long"}).bind(TARGET)
    small = frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 100))
    more = b"".join(frame(WINDOW, 0, stream, struct.pack(">I", 100_000)) for stream in (0, 1))
    before = len(drive(start, small, DEADLINE).sent)
    sent = len(drive(start, small + more, DEADLINE).sent) - before
    assert sent - 3 * 9 == 100_000 - (65_535 - 100)  # three frames


def test_an_answer_may_come_before_the_end_of_the_request() -> None:
    start = probe(http_method="POST", body={"file": "/long"}, expected_codes="413").bind(TARGET)
    assert drive(start, reply(status=413)).verdict.reason is OK


# Redirects


def test_a_redirect_is_followed_over_http_2() -> None:
    start = probe(follow_redirects=True, headers={"X-Own": {"file": "/token"}}).bind(TARGET)
    moved = HELLO + head(302, ("location", "https://b.example/x"), end=True)
    run = drive(start, moved, SESSION, reply())
    assert run.verdict == (OK, "HTTP 200", {**FOUND, "http_redirects": 1})
    assert run.reconnects == [Reconnect(Target("b.example", 443))]
    assert [each.alpn for each in run.handshakes] == [("h2",)]
    second = Server()
    second.receive(run.sent[run.sent.rindex(b"PRI * ") :])
    assert second.fields.items() >= {":scheme": "https", ":path": "/x"}.items()
    assert "x-own" not in second.fields


def test_a_proxy_header_comes_first() -> None:
    start = probe(send_proxy="v1").bind(TARGET)
    assert not isinstance(start, Verdict)
    assert next(start()) is ENDS
    assert drive(start, DEADLINE).sent.startswith(b"PROXY TCP4 ")
