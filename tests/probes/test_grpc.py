"""GRPC: a health check call over HTTP/2, judged by hand-made frames and by a real HTTP/2 stack."""

import struct

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    PingAckReceived,
    RequestReceived,
    SettingsAcknowledged,
    StreamEnded,
)
from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st

from prober import __version__
from prober.model.option import ReadContext, Rejected, section, show_options
from prober.model.probe import RECEIVE, Send, Target
from prober.model.status import Reason
from prober.model.tls_settings import TlsSettings
from prober.probes.grpc import GrpcProbe
from tests.probes.drive import (
    DEADLINE,
    END,
    RESET,
    SESSION,
    Event,
    Start,
    cut_off,
    drive,
    judge,
    pieces,
)

OK = Reason.OK
BROKEN = Reason.BAD_RESPONSE
CLOSED = Reason.CLOSED
TIMEOUT = Reason.TIMEOUT
NOT_SERVING = Reason.NOT_SERVING
UNEXPECTED = Reason.UNEXPECTED_STATUS

TARGET = Target("10.0.0.3", 50051)
NOWHERE = ReadContext("/", str, {})

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20


def start(**options: object) -> Start:
    return section(GrpcProbe).read(options, NOWHERE).bind(TARGET)


PLAIN = start()


# What a server sends


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + struct.pack(">BBI", kind, flags, stream) + payload


def block(*headers: tuple[str, str]) -> bytes:
    return Encoder().encode(headers)


def head(*headers: tuple[str, str], end: bool = False) -> bytes:
    return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), 1, block(*headers))


def message(content: bytes, flag: int = 0) -> bytes:
    return struct.pack(">BI", flag, len(content)) + content


def data(content: bytes, *, end: bool = False) -> bytes:
    return frame(DATA, END_STREAM if end else 0, 1, content)


def goaway(last: int, code: int) -> bytes:
    return frame(GOAWAY, 0, 0, struct.pack(">II", last, code))


HELLO = frame(SETTINGS, 0, 0, b"\0\x03\0\0\0\x64") + frame(SETTINGS, ACK)
STARTED = head((":status", "200"), ("content-type", "application/grpc"))
TRAILERS = head(("grpc-status", "0"), end=True)
SERVING = message(b"\x08\x01")


def answer(content: bytes) -> bytes:
    """Return the whole reply that carries this gRPC message."""
    return HELLO + STARTED + data(content) + TRAILERS


def refusal(code: object, *more: tuple[str, str]) -> bytes:
    """Return the whole reply that is trailers only, as servers refuse a call."""
    return HELLO + head((":status", "200"), ("grpc-status", str(code)), *more, end=True)


# What is sent, as a real HTTP/2 server understands it


class Server:
    """An HTTP/2 server that answers nothing by itself."""

    def __init__(self) -> None:
        self.http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.http.initiate_connection()
        self.headers: dict[str, str] = {}
        self.body = b""
        self.seen: list[type] = []

    def receive(self, content: bytes) -> None:
        """Take what the probe sent, or raise h2's error if it may not be sent."""
        for event in self.http.receive_data(content):
            self.seen.append(type(event))
            if isinstance(event, RequestReceived):
                self.headers = {str(name): str(value) for name, value in event.headers}
            elif isinstance(event, DataReceived):
                self.body += event.data


def call(probe: GrpcProbe, target: Target = TARGET) -> Server:
    """Return a server that has seen the probe's call."""
    events: list[Event] = [SESSION, DEADLINE] if probe.tls else [DEADLINE]
    server = Server()
    server.receive(drive(probe.bind(target), *events).sent)
    assert server.seen.count(StreamEnded) == 1
    return server


def test_the_call_is_a_grpc_health_check() -> None:
    server = call(GrpcProbe())
    assert server.headers == {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/grpc.health.v1.Health/Check",
        ":authority": "10.0.0.3:50051",
        "te": "trailers",
        "content-type": "application/grpc",
        "user-agent": f"prober/{__version__}",
    }
    assert server.body == message(b"")
    assert not server.http.remote_settings.enable_push


@pytest.mark.parametrize(
    ("probe", "target", "scheme", "authority"),
    [
        (GrpcProbe(), Target("2001:db8::7", 80), "http", "[2001:db8::7]:80"),
        (GrpcProbe(authority="a.example"), TARGET, "http", "a.example"),
        (GrpcProbe(tls=TlsSettings()), TARGET, "https", "10.0.0.3:50051"),
    ],
)
def test_scheme_and_authority_follow_the_options(
    probe: GrpcProbe, target: Target, scheme: str, authority: str
) -> None:
    headers = call(probe, target).headers
    assert (headers[":scheme"], headers[":authority"]) == (scheme, authority)


@pytest.mark.parametrize("service", ["a", "my.Service", "é", "x" * 127, "x" * 128, "x" * 255])
def test_the_service_is_field_1_of_the_request(service: str) -> None:
    from grpc_health.v1 import health_pb2  # noqa: PLC0415  (slow to import, wanted here only)

    body = call(GrpcProbe(service=service)).body
    request = health_pb2.HealthCheckRequest.FromString(body[5:])
    assert request.service == service
    assert body[:5] == struct.pack(">BI", 0, len(body) - 5)


def test_a_real_http_2_server_and_the_probe_understand_each_other() -> None:
    server, steps = Server(), GrpcProbe().bind(TARGET)()
    request = next(steps)
    assert isinstance(request, Send)
    server.receive(request.content)
    server.http.ping(b"12345678")
    answer = steps.send(None)
    assert answer is RECEIVE
    answer = steps.send(server.http.data_to_send())
    assert isinstance(answer, Send)
    server.receive(answer.content)
    assert SettingsAcknowledged in server.seen
    assert PingAckReceived in server.seen
    assert steps.send(None) is RECEIVE
    server.http.send_headers(1, [(":status", "200"), ("content-type", "application/grpc")])
    server.http.send_data(1, SERVING, pad_length=7)
    server.http.send_headers(1, [("grpc-status", "0")], end_stream=True)
    with pytest.raises(StopIteration) as stop:
        steps.send(server.http.data_to_send())
    assert stop.value.value.reason is OK


def test_metadata_are_headers_of_the_call() -> None:
    outside = ReadContext("/", str, {"KEY": "s3cret"})
    read = section(GrpcProbe).read
    probe = read({"metadata": {"x-tenant": "a b", "authorization": {"env": "KEY"}}}, outside)
    headers = call(probe).headers
    assert (headers["x-tenant"], headers["authorization"]) == ("a b", "s3cret")
    assert show_options(probe)["metadata"] == {"x-tenant": "a b", "authorization": "<secret>"}


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ({"X-Tenant": "a"}, "lower-case"),
        ({":path": "/"}, "lower-case"),
        ({"grpc-timeout": "1S"}, "the call sets this itself"),
        ({"te": "x"}, "the call sets this itself"),
        ({"a": "é"}, "expected ASCII"),
        ({"a": "b\nc"}, "expected ASCII"),
    ],
)
def test_metadata_that_cannot_be_sent_are_refused(metadata: dict[str, str], problem: str) -> None:
    with pytest.raises(Rejected, match=problem):
        section(GrpcProbe).read({"metadata": metadata}, ReadContext("/", str, {}))


@pytest.mark.parametrize(
    ("chosen", "offered", "reason"),
    [
        ("h2", None, OK),
        (None, None, Reason.BAD_RESPONSE),
        ("http/1.1", None, Reason.BAD_RESPONSE),
        (None, ("own",), OK),
    ],
)
def test_over_tls_the_server_must_choose_http_2_unless_it_was_not_offered(
    chosen: str | None, offered: tuple[str, ...] | None, reason: Reason
) -> None:
    probe = GrpcProbe(tls=TlsSettings(alpn=offered))
    run = drive(probe.bind(TARGET), SESSION._replace(alpn=chosen), DEADLINE)
    assert run.verdict.reason is (Reason.TIMEOUT if reason is OK else reason)
    assert bool(run.sent) == (reason is OK)


# What is made of the answer


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (b"\x08\x01", "SERVING", OK),
        (b"\x08\x02", "NOT_SERVING", NOT_SERVING),
        (b"\x08\x00", "UNKNOWN", NOT_SERVING),
        (b"", "UNKNOWN", NOT_SERVING),
        (b"\x08\x03", "SERVICE_UNKNOWN", NOT_SERVING),
        (b"\x08\x04", "4", NOT_SERVING),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "18446744073709551615", NOT_SERVING),
        (b"\x08\x02\x08\x01", "SERVING", OK),
        (b"\x08\x81\x00", "SERVING", OK),
        (b"\x10\x02\x08\x01\x18\x02", "SERVING", OK),
        (b"\x12\x02\x08\x02\x08\x01", "SERVING", OK),
        (b"\x11\xff\xff\xff\xff\xff\xff\xff\xff\x08\x01", "SERVING", OK),
        (b"\x15\xff\xff\xff\xff\x08\x01", "SERVING", OK),
    ],
)
def test_code_0_is_good_only_with_serving(content: bytes, name: str, reason: Reason) -> None:
    verdict = judge(PLAIN, answer(message(content)))
    assert verdict == (
        reason,
        f"gRPC {name}",
        {"grpc_status_code": 0, "grpc_serving_status": name},
    )


@pytest.mark.parametrize(
    ("expected_codes", "code", "reason"),
    [
        ("0", 5, UNEXPECTED),
        ("0", 12, UNEXPECTED),
        ("12", 12, OK),
        ("0,5", 5, OK),
        ("0,5", 12, UNEXPECTED),
        ("0-99", 99, OK),
    ],
)
def test_other_codes_are_compared_with_the_expected_ones(
    expected_codes: str, code: int, reason: Reason
) -> None:
    verdict = judge(start(expected_codes=expected_codes), refusal(code))
    assert verdict.reason is reason
    assert verdict.facts == {"grpc_status_code": code}


def test_code_0_is_bad_when_another_is_expected() -> None:
    verdict = judge(start(expected_codes="12"), answer(SERVING))
    assert (verdict.reason, verdict.detail) == (UNEXPECTED, "gRPC code 0, expected 12")


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("unknown service", "unknown service"),
        ("caf%C3%A9 100%25", "café 100%"),
        ("bad %zz %", "bad %zz %"),
        ("%1B[31m%0Ared%E2%80%A8", "\ufffd[31m\ufffdred\ufffd"),
        ("%FF", "\ufffd"),
        ("x" * 300, "x" * 200),
    ],
)
def test_the_servers_words_are_shown_decoded_and_harmless(words: str, shown: str) -> None:
    verdict = judge(PLAIN, refusal(5, ("grpc-message", words)))
    assert verdict.detail == f"gRPC code 5: {shown}, expected 0"


@pytest.mark.parametrize(
    ("status", "more"),
    [(404, data(b"<html>", end=True)), (503, data(b"", end=True)), (301, data(b"x", end=True))],
)
def test_a_proxy_that_answers_in_http_is_judged_by_its_status(status: int, more: bytes) -> None:
    reply = HELLO + head((":status", str(status)), ("content-type", "text/html")) + more
    verdict = judge(PLAIN, reply)
    assert verdict == (
        UNEXPECTED,
        f"HTTP {status} instead of a gRPC answer",
        {"http_status_code": status},
    )


def test_a_grpc_status_counts_more_than_the_http_status() -> None:
    reply = HELLO + head((":status", "503"), ("grpc-status", "14"), end=True)
    assert judge(PLAIN, reply).facts == {"grpc_status_code": 14}


SERVING_BLOCK = block((":status", "200"), ("content-type", "application/grpc"))
SERVING_DATA = data(SERVING)
ONE_ENCODER = Encoder()
UNUSUAL = {
    "headers that refer to earlier ones": (
        HELLO
        + frame(HEADERS, END_HEADERS, 1, ONE_ENCODER.encode([(":status", "200"), ("a", "b")]))
        + SERVING_DATA
        + frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            1,
            ONE_ENCODER.encode([("a", "b"), ("grpc-status", "0")]),
        )
    ),
    "no frames around": answer(SERVING),
    "SETTINGS without content": frame(SETTINGS) + STARTED + SERVING_DATA + TRAILERS,
    "SETTINGS again": HELLO + frame(SETTINGS) + STARTED + SERVING_DATA + TRAILERS,
    "padding": (
        HELLO
        + frame(HEADERS, END_HEADERS | PADDED, 1, b"\x03" + SERVING_BLOCK + b"\0\0\0")
        + frame(DATA, PADDED, 1, b"\x05" + SERVING + b"\0" * 5)
        + frame(DATA, PADDED, 1, b"\x05" + b"\0" * 5)
        + TRAILERS
    ),
    "priority": (
        HELLO
        + frame(HEADERS, END_HEADERS | WITH_PRIORITY, 1, b"\0\0\0\0\x10" + SERVING_BLOCK)
        + frame(PRIORITY, 0, 1, b"\0\0\0\0\x10")
        + SERVING_DATA
        + TRAILERS
    ),
    "padding and priority": (
        HELLO
        + frame(
            HEADERS,
            END_HEADERS | WITH_PRIORITY | PADDED,
            1,
            b"\x01" + b"\0\0\0\0\x10" + SERVING_BLOCK + b"\0",
        )
        + SERVING_DATA
        + TRAILERS
    ),
    "CONTINUATION": (
        HELLO
        + frame(HEADERS, 0, 1, SERVING_BLOCK[:3])
        + frame(CONTINUATION, 0, 1, SERVING_BLOCK[3:4])
        + frame(CONTINUATION, 0, 1)
        + frame(CONTINUATION, END_HEADERS, 1, SERVING_BLOCK[4:])
        + SERVING_DATA
        + TRAILERS
    ),
    "CONTINUATION of trailers": (
        HELLO
        + STARTED
        + SERVING_DATA
        + frame(HEADERS, END_STREAM, 1, block(("grpc-status", "0")))
        + frame(CONTINUATION, END_HEADERS, 1)
    ),
    "message in pieces": (
        HELLO + STARTED + b"".join(data(SERVING[i : i + 1]) for i in range(7)) + TRAILERS
    ),
    "interim head": HELLO + head((":status", "103")) + STARTED + SERVING_DATA + TRAILERS,
    "header not in UTF-8": (
        HELLO
        + frame(HEADERS, END_HEADERS, 1, SERVING_BLOCK + b"\x00\x01x\x02\xe9\xff")
        + SERVING_DATA
        + TRAILERS
    ),
    "WINDOW_UPDATE": (
        HELLO
        + frame(WINDOW, 0, 0, b"\0\1\0\0")
        + STARTED
        + frame(WINDOW, 0, 1, b"\0\1\0\0")
        + SERVING_DATA
        + TRAILERS
    ),
    "unknown frames": (HELLO + frame(0xFA, 0xFF, 9, b"grease") + STARTED + SERVING_DATA + TRAILERS),
    "reserved bit": (HELLO + STARTED + frame(DATA, 0, 1 | 1 << 31, SERVING) + TRAILERS),
    "going away after this call": (
        HELLO + goaway(2**31 - 1, 0) + STARTED + goaway(1, 0) + SERVING_DATA + TRAILERS
    ),
}


@pytest.mark.parametrize("reply", UNUSUAL.values(), ids=UNUSUAL)
def test_an_answer_is_found_in_whatever_frames_it_comes(reply: bytes) -> None:
    assert judge(PLAIN, reply).detail == "gRPC SERVING"


@pytest.mark.parametrize("end", [END, RESET, DEADLINE], ids=["end", "reset", "deadline"])
@pytest.mark.parametrize("reply", UNUSUAL.values(), ids=UNUSUAL)
def test_an_answer_cut_off_anywhere_is_no_verdict_of_the_target(reply: bytes, end: Event) -> None:
    means = {END: CLOSED, RESET: Reason.RESET, DEADLINE: TIMEOUT}[end]
    assert cut_off(PLAIN, reply, end) == [means] * len(reply)


def test_what_follows_the_answer_does_not_matter() -> None:
    assert judge(PLAIN, answer(SERVING) + goaway(1, 11) + b"\xff" * 20).reason is OK


def test_settings_and_pings_are_acknowledged() -> None:
    request = drive(PLAIN, DEADLINE).sent
    frames = HELLO + frame(PING, 0, 0, b"12345678") + frame(PING, ACK, 0, b"abcdefgh")
    answers = drive(PLAIN, frames, DEADLINE).sent.removeprefix(request)
    assert answers == frame(SETTINGS, ACK) + frame(PING, ACK, 0, b"12345678")


def test_nothing_is_sent_once_the_answer_is_complete() -> None:
    request = drive(PLAIN, DEADLINE).sent
    assert drive(PLAIN, answer(SERVING)).sent == request


@pytest.mark.parametrize(
    ("reply", "reason", "detail"),
    [
        (HELLO + goaway(0, 0), CLOSED, "the server sent GOAWAY, HTTP/2 error 0 (NO_ERROR)"),
        (
            HELLO + goaway(2**31 - 1, 2),
            CLOSED,
            "the server sent GOAWAY, HTTP/2 error 2 (INTERNAL_ERROR)",
        ),
        (
            HELLO + STARTED + goaway(1, 11),
            CLOSED,
            "the server sent GOAWAY, HTTP/2 error 11 (ENHANCE_YOUR_CALM)",
        ),
        (HELLO + frame(GOAWAY), CLOSED, "the server sent GOAWAY, HTTP/2 error 4294967295"),
        (
            HELLO + frame(RST_STREAM, 0, 1, b"\0\0\0\x07"),
            Reason.RESET,
            "the server reset the call, HTTP/2 error 7 (REFUSED_STREAM)",
        ),
        (
            HELLO + frame(RST_STREAM, 0, 1, b"\xff" * 16384),
            Reason.RESET,
            "the server reset the call, HTTP/2 error 4294967295",
        ),
        (HELLO + goaway(1, 0), CLOSED, "closed before the answer to the call"),
        (b"", CLOSED, "closed before the answer to the call"),
    ],
)
def test_a_call_that_the_server_drops_is_closed_or_reset(
    reply: bytes, reason: Reason, detail: str
) -> None:
    assert judge(PLAIN, reply) == (reason, detail, None)


def broken(what: str) -> str:
    return f"not a valid gRPC reply: {what}"


OK_HEAD = (":status", "200")
BROKEN_REPLIES = {
    "its first frame is not SETTINGS": [
        STARTED + SERVING_DATA + TRAILERS,
        frame(PING, 0, 0, b"12345678"),
        b"\0" * 9,
    ],
    "the server speaks HTTP/1, it starts with b'HTTP/1.1 400 Bad'": [
        b"HTTP/1.1 400 Bad Request\r\n\r\n"
    ],
    "it starts with b'SSH-2.0-x\\r\\n'": [b"SSH-2.0-x\r\n"],
    r"it starts with b'\x15\x03\x01\x00\x02\x02F'": [b"\x15\x03\x01\0\x02\x02\x46"],
    "a frame of 16385 bytes": [
        frame(SETTINGS, 0, 0, b"\0" * 16385),
        HELLO + frame(DATA, 0, 1, b"\0" * 16385),
    ],
    "a header block is not finished": [
        HELLO + frame(HEADERS, 0, 1, SERVING_BLOCK) + SERVING_DATA,
        HELLO + frame(HEADERS, 0, 1, SERVING_BLOCK) + frame(PING, 0, 0, b"12345678"),
        HELLO + frame(HEADERS, 0, 1, SERVING_BLOCK) + STARTED,
    ],
    "a CONTINUATION frame without HEADERS": [
        HELLO + frame(CONTINUATION, END_HEADERS, 1, SERVING_BLOCK),
        HELLO + STARTED + frame(CONTINUATION, END_HEADERS, 1, SERVING_BLOCK),
    ],
    "a frame for call 3, which was not made": [
        HELLO + frame(HEADERS, END_HEADERS, 3, SERVING_BLOCK),
        HELLO + frame(DATA, 0, 3, SERVING),
        HELLO + frame(RST_STREAM, 0, 3, b"\0\0\0\0"),
        HELLO + frame(HEADERS, 0, 1) + frame(CONTINUATION, END_HEADERS, 3, SERVING_BLOCK),
    ],
    "more than 1024 frames": [
        HELLO + frame(PING, 0, 0, b"12345678") * 1100,
        HELLO + frame(0x20) * 1100,
        HELLO + frame(HEADERS, 0, 1) + frame(CONTINUATION, 0, 1) * 1100,
    ],
    "it pushes although push is disabled": [HELLO + frame(PUSH, END_HEADERS, 1, b"\0\0\0\x02")],
    "its padding is longer than the frame": [
        HELLO + frame(DATA, PADDED, 1),
        HELLO + frame(DATA, PADDED, 1, b"\x01"),
        HELLO + frame(HEADERS, PADDED | END_HEADERS, 1, b"\xff" + SERVING_BLOCK),
        HELLO + frame(HEADERS, WITH_PRIORITY | END_HEADERS, 1, b"\0\0\0\0"),
        HELLO + frame(HEADERS, WITH_PRIORITY | PADDED | END_HEADERS, 1, b"\x01" + b"\0" * 5),
    ],
    "its headers are malformed": [
        HELLO + frame(HEADERS, END_HEADERS, 1, b"\xff" * 20),
        HELLO + frame(HEADERS, END_HEADERS, 1, b"\x80"),
        HELLO + frame(HEADERS, END_HEADERS, 1, b"\x40\x83\xff\xff\xff\x00"),
        HELLO + frame(HEADERS, END_HEADERS, 1, b"\x3f" + b"\xff" * 16000),
        HELLO + frame(HEADERS, END_HEADERS, 1, b"\x82" * 16384),
    ],
    "its headers are longer than 16384 bytes": [
        HELLO + frame(HEADERS, 0, 1, b"\0" * 16384) + frame(CONTINUATION, 0, 1, b"\0"),
    ],
    "more than 512 headers": [HELLO + frame(HEADERS, END_HEADERS, 1, b"\x88" * 100) * 6],
    "its message has more than 1000 fields": [
        HELLO + STARTED + data(message(b"\x10\x00" * 1001)) + TRAILERS
    ],
    "its message is longer than 65536 bytes": [HELLO + STARTED + data(b"\0" * 16384) * 5],
    "it has no :status": [
        HELLO + head(("grpc-status", "0"), end=True),
        HELLO + data(SERVING) + TRAILERS,
        HELLO + data(b"", end=True),
    ],
    "its :status is b'2OO'": [HELLO + head((":status", "2OO"))],
    "its :status is b'9999999999999999'": [HELLO + head((":status", "9" * 5000))],
    "its grpc-status is b'OK'": [refusal("OK")],
    "its grpc-status is b'-1'": [refusal("-1")],
    "its grpc-status is b''": [refusal("")],
    "its grpc-status is b'100'": [refusal("100")],
    r"its grpc-status is b'\xd9\xa1'": [refusal("\u0661")],
    "the call ended without a grpc-status": [
        HELLO + STARTED + data(SERVING, end=True),
        HELLO + STARTED + SERVING_DATA + head(("x", "y"), end=True),
        HELLO + head(OK_HEAD, end=True),
    ],
    "code 0 without a message": [refusal(0), answer(b""), answer(b"\0\0\0\0")],
    "expected exactly one uncompressed message": [
        answer(message(b"\x08\x01", flag=1)),
        answer(SERVING * 2),
        answer(SERVING[:-1]),
        answer(SERVING + b"\0"),
    ],
    "its message is truncated": [
        answer(message(b"\x08")),
        answer(message(b"\x08\x81")),
        answer(message(b"\x08" + b"\xff" * 20)),
        answer(message(b"\x08\x01\x12\x05")),
        answer(message(b"\x08\x01\x11\x05")),
        answer(message(b"\x08\x01\x15\x05")),
        answer(message(b"\x12" + b"\xff" * 9 + b"\x01")),
    ],
    "its message is malformed": [answer(message(b"\x0b")), answer(message(b"\x0f"))],
}


@pytest.mark.parametrize(
    ("what", "reply"),
    [(what, reply) for what, replies in BROKEN_REPLIES.items() for reply in replies],
)
def test_what_breaks_the_protocol_is_a_bad_response(what: str, reply: bytes) -> None:
    verdict = drive(PLAIN, reply, END).verdict
    assert verdict == (BROKEN, broken(what), None)
    assert drive(PLAIN, *pieces(reply, range(0, len(reply), 7)), END).verdict.reason is BROKEN


@pytest.mark.parametrize(
    "reply", [replies[0] for replies in BROKEN_REPLIES.values() if len(replies[0]) < 300]
)
def test_what_breaks_the_protocol_and_is_cut_off_is_never_good(reply: bytes) -> None:
    assert set(cut_off(PLAIN, reply, END)) == {CLOSED}
    assert set(cut_off(PLAIN, reply, DEADLINE)) == {TIMEOUT}


def test_an_endless_message_is_not_read_to_its_end() -> None:
    run = drive(PLAIN, HELLO + STARTED, *[data(b"\0" * 4096)] * 100)
    assert run.verdict.reason is BROKEN
    assert len(run.left) == 83


def test_endless_headers_are_not_read_to_their_end() -> None:
    more = frame(CONTINUATION, 0, 1, b"\0" * 4096)
    run = drive(PLAIN, HELLO + frame(HEADERS, 0, 1), *[more] * 100)
    assert run.verdict.reason is BROKEN
    assert len(run.left) == 95


def test_with_tls_the_call_comes_after_the_handshake() -> None:
    secure = start(tls={})
    assert drive(secure, SESSION, answer(SERVING)).verdict.reason is OK
    run = drive(secure, RESET)
    assert (run.verdict.reason, run.sent) == (Reason.RESET, b"")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"service": "a\nb"}, r"control characters are not allowed, got 'a\nb'"),
        ({"service": "x" * 256}, "expected 0 to 255 characters, got 256"),
        ({"authority": "a b"}, "expected a host, or host:port, got 'a b'"),
        (
            {"expected_codes": 100},
            "expected codes from 0 to 99 such as",
        ),
    ],
)
def test_options_that_cannot_be_sent_or_met_are_rejected(
    options: dict[str, object], message: str
) -> None:
    with pytest.raises(Rejected) as rejected:
        start(**options)
    assert message in str(rejected.value)


# Whatever comes

FRAMES = st.builds(
    frame,
    st.integers(0, 10),
    st.integers(0, 255) | st.sampled_from([END_HEADERS, END_HEADERS | END_STREAM, END_STREAM]),
    st.sampled_from([0, 1, 1, 1, 3]),
    st.one_of(
        st.binary(max_size=20),
        st.just(SERVING_BLOCK),
        st.just(block(("grpc-status", "0"))),
        st.just(SERVING),
    ),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Draw a valid reply with up to three places changed."""
    reply = draw(st.sampled_from([*UNUSUAL.values(), refusal(5, ("grpc-message", "no%20"))]))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(reply)))
        new = draw(st.one_of(FRAMES, st.binary(max_size=4)))
        reply = reply[:place] + new + reply[place + draw(st.integers(0, 8)) :]
    return reply


@given(
    reply=st.one_of(
        mutated(),
        st.lists(FRAMES, max_size=8).map(lambda frames: HELLO + b"".join(frames)),
        st.binary(max_size=60),
    ),
    cuts=st.sets(st.integers(0, 150)),
    end=st.sampled_from([END, DEADLINE, RESET]),
)
def test_any_bytes_lead_to_a_verdict_that_their_packets_do_not_change(
    reply: bytes, cuts: set[int], end: Event
) -> None:
    verdict = judge(PLAIN, reply, end)
    split = drive(PLAIN, *pieces(reply, cuts), end).verdict
    assert (split.reason, split.facts) == (verdict.reason, verdict.facts)
    assert verdict.detail.isprintable()
