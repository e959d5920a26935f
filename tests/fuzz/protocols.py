"""Formats at their own door: whatever comes, a value or the one error that a reader raises."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import NamedTuple
from zlib import crc32

from prometheus_client.parser import text_string_to_metric_families

from prober.blackbox.chain import Certificate, read_certificate
from prober.probes.dns import SEARCHED
from prober.protocols.der import public_key_of, read_value, read_values, write_object_id
from prober.protocols.dns_message import (
    DnsMessageError,
    fits,
    read_reply,
    serial_of,
    texts_of,
)
from prober.protocols.exposition import write_head, write_labels
from prober.protocols.http1 import (
    HEAD_LIMIT,
    CutOffError,
    Head,
    HeadReader,
    Http1Error,
    body_of,
    read_fields,
    write_request,
)
from prober.protocols.http2 import (
    FRAME_LIMIT,
    PREFACE,
    Frame,
    FrameReader,
    GoAwayError,
    Http2Error,
    StreamResetError,
    write_frame,
)
from prober.protocols.http2_call import REPLY_LIMIT, Call, PingCall, head_of
from prober.protocols.icmp_echo import error_words, read_request, without_ip_header
from prober.protocols.icmp_echo import read_reply as read_echo_reply
from prober.protocols.icmp_echo import write_request as write_echo_request
from tests.fuzz.subject import Feed, Subject
from tests.probes.drive import pieces

BODY_LIMIT = 1000
MOST_PIECES = 200


class Found(NamedTuple):
    """What a reader made of its input: the error that it raised, or what it read."""

    error: type[Exception] | None
    value: object = None


def in_pieces(content: bytes) -> list[bytes]:
    """Cut an input into pieces whose size depends on it."""
    step = max(1, len(content) // MOST_PIECES, crc32(content) % 7)
    return pieces(content, range(step, len(content), step))


def _twice(read: Callable[[list[bytes]], Found]) -> Callable[[], AbstractContextManager[Feed]]:
    """Return what reads each input as a whole and in pieces, and sees that both give the same."""

    def feed(content: bytes) -> None:
        whole = read([content] if content else [])
        again = read(in_pieces(content))
        assert again == whole, (whole, again)

    @contextmanager
    def opened() -> Iterator[Feed]:
        yield feed

    return opened


def _reply(parts: list[bytes]) -> Found:
    """Read a reply of HTTP/1 up to its end."""
    reader, left = HeadReader(), iter(parts)
    try:
        head = next(filter(None, map(reader.feed, left)), None)
        if head is None:
            assert isinstance(reader.end(), CutOffError)
            assert len(reader.rest) <= HEAD_LIMIT
            return Found(None)
        return Found(None, (head, *_body(head, reader.rest, left)))
    except Http1Error:
        return Found(Http1Error)


def _body(head: Head, rest: bytes, left: Iterator[bytes]) -> tuple[bytes, type[Exception] | None]:
    assert head.is_final
    assert len(head.content) <= HEAD_LIMIT
    assert head.length is None or not head.chunked
    body, error = body_of(head, BODY_LIMIT), None
    try:
        body.feed(rest)
        for part in left:
            if body.complete:
                break
            body.feed(part)
        if not body.complete:
            body.end()
    except (Http1Error, CutOffError) as raised:
        error = type(raised)
    return bytes(body.content[:BODY_LIMIT]), error


def _call(parts: list[bytes]) -> Found:
    """Read the answer to a call of HTTP/2 up to its end."""
    call = Call()
    try:
        for part in parts:
            call.feed(part)
            if call.ended:
                break
    except (Http2Error, StreamResetError, GoAwayError) as error:
        return Found(type(error))
    assert len(call.body) <= REPLY_LIMIT
    return Found(None, (call.status, call.headers, bytes(call.body), call.ended))


def _reply_2(parts: list[bytes]) -> Found:
    """Read a reply over HTTP/2 up to the end of its head, and then up to a part of its body."""
    call, left, head = Call(b"x" * BODY_LIMIT, wanted=0), iter(parts), None
    try:
        while not call.is_enough and (part := next(left, b"")):
            call.feed(part)
        if not call.is_enough:
            return Found(None)
        head = head_of(call)
        assert read_fields(head.content) == [
            (name.decode(), value.decode(errors="surrogateescape").strip(" \t"))
            for name, value in call.head or ()
            if not name.startswith(b":")
        ]
        call.wanted, part = BODY_LIMIT, b""
        while not call.is_enough:
            call.feed(part)
            if not call.is_enough and not (part := next(left, b"")):
                break
    except (Http2Error, StreamResetError, GoAwayError) as error:
        return Found(type(error), head)
    return Found(None, (head, bytes(call.body[:BODY_LIMIT])))


def _ping(parts: list[bytes]) -> Found:
    """Read the answer to a PING."""
    ping = PingCall()
    try:
        for part in parts:
            ping.feed(part)
            if ping.ended:
                break
    except (Http2Error, GoAwayError) as error:
        return Found(type(error))
    return Found(None, ping.ended)


def _frames(parts: list[bytes]) -> Found:
    """Read the frames of a client, and see that to write them gives what was read."""
    reader, content, frames = FrameReader(preface=PREFACE), b"".join(parts), list[Frame]()
    try:
        for part in parts:
            frames += reader.feed(part)
    except Http2Error:
        return Found(Http2Error)
    assert all(len(frame.payload) <= FRAME_LIMIT for frame in frames)
    assert all(frame.stream < 1 << 31 for frame in frames)
    first = write_frame(*frames[0]) if frames else b""
    assert content[len(PREFACE) + 9 :].startswith(first[9:])
    return Found(None, frames)


@contextmanager
def _values() -> Iterator[Feed]:
    """Yield what reads DER, and a certificate in it."""

    def feed(content: bytes) -> None:
        found = read_certificate(content)
        key = public_key_of(content)
        assert key is None or key in content
        try:
            _, value, rest = read_value(memoryview(content))
        except (IndexError, ValueError):
            assert found is None
            return
        assert bytes(value) in content
        assert content.endswith(bytes(rest))
        assert found is None or isinstance(found, Certificate)
        with suppress(IndexError, ValueError):
            inside = list(read_values(value))
            assert sum(len(each) + 2 for _, each in inside) <= len(value)
        if value:
            with suppress(ValueError):
                assert all(map(str.isdigit, write_object_id(bytes(value[:60])).split(".")))

    yield feed


@contextmanager
def _labels() -> Iterator[Feed]:
    """Yield what writes labels and has another's parser read them."""

    def feed(content: bytes) -> None:
        values = content.decode(errors="replace").split("\x00")[:20]
        labels = [(f"l{number}", value) for number, value in enumerate(values)]
        head = write_head("up", "gauge", values[0].replace("\n", " "))
        text = f"{head}up{{{write_labels(labels)}}} 1.0\n"
        assert text.count("\n") == 3
        (family,) = text_string_to_metric_families(text)
        (sample,) = family.samples
        assert sample.labels == dict(labels)

    yield feed


@contextmanager
def _requests() -> Iterator[Feed]:
    """Yield what writes a request; its head has the lines that were asked for, and the body."""

    def feed(content: bytes) -> None:
        value, _, body = content.partition(b"\r\n\r\n")
        header = "".join(c if c.isprintable() else "?" for c in value.decode(errors="replace"))
        written = write_request("GET", "/", {"Host": "h"}, {"X-Any": header}, body)
        head, separator, sent = written.partition(b"\r\n\r\n")
        assert separator
        assert sent == body
        assert head.count(b"\r\n") == 3 + bool(body)
        assert f"X-Any: {header}".encode() in head.split(b"\r\n")

    yield feed


@contextmanager
def _replies() -> Iterator[Feed]:
    """Yield what reads a DNS reply, and writes its answers as text."""

    def feed(content: bytes) -> None:
        if not fits(content, int.from_bytes(content[:2]), content[12:29]):
            return
        try:
            found = read_reply(content)
            serial_of(found)
            texts = list(texts_of(content, found.answers[:SEARCHED]))
        except DnsMessageError:
            return
        assert len(texts) == min(len(found.answers), SEARCHED)
        records = [*found.answers, *found.authority, *found.additional]
        assert all(each.start + each.length <= len(content) for each in records)

    yield feed


@contextmanager
def _echoes() -> Iterator[Feed]:
    """Yield what reads an ICMP message or a packet; what is read and written is the same."""

    def feed(content: bytes) -> None:
        message = without_ip_header(content) or content
        assert content.endswith(message)
        for version in (4, 6):
            if (echo := read_request(message, version)) is not None:
                written = write_echo_request(echo, version)
                assert written[:2] + written[4:] == message[:2] + message[4:]
                assert read_echo_reply(message, version) is None
            if (echo := read_echo_reply(message, version)) is not None:
                assert message.endswith(echo[2])
        assert len(error_words(4, len(content) % 256, sum(content) % 256, 0)) < 100

    yield feed


SUBJECTS = (
    Subject("dns", _replies),
    Subject("http1", _twice(_reply)),
    Subject("http1_request", _requests),
    Subject("http2", _twice(_call)),
    Subject("http2_reply", _twice(_reply_2)),
    Subject("http2_ping", _twice(_ping)),
    Subject("http2_frames", _twice(_frames)),
    Subject("der", _values),
    Subject("exposition", _labels),
    Subject("icmp", _echoes),
)
