"""HTTP/2 at its own door: no answer to a call costs more steps than its limits allow."""

import pytest
from hpack import Encoder

from prober.protocols.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    HEADERS,
    PING,
    SETTINGS,
    Http2Error,
    write_frame,
)
from prober.protocols.http2_call import FIELDS_LIMIT, HEADERS_LIMIT, Call
from tests.protocols.work import steps

HELLO = write_frame(SETTINGS)
STEPS = 30_000
"""Calls that the worst answer may cost: some 5 ms."""


def headers(block: bytes) -> bytes:
    return write_frame(HEADERS, END_HEADERS, 1, block)


def feed(content: bytes) -> Call:
    call = Call()
    for start in range(0, len(content), 16384):
        call.feed(content[start : start + 16384])
        if call.ended:
            break
    return call


STARTED = headers(Encoder().encode([(":status", "200")]))
CONTINUED = write_frame(CONTINUATION, 0, 1, b"\x82")
HOSTILE = {
    "pings": write_frame(PING, payload=b"12345678") * 100_000,
    "settings": HELLO * 200_000,
    "empty data": STARTED + write_frame(DATA, 0, 1) * 200_000,
    "data of one byte": STARTED + write_frame(DATA, 0, 1, b"x") * 100_000,
    "large blocks of indexed headers": headers(b"\x82" * 1500) * 1000,
    "small blocks of indexed headers": headers(b"\x82" * 30) * 10_000,
    "empty blocks": headers(b"") * 200_000,
    "literals": headers(b"\x00\x01a\x01b" * 3276),
    "literals to remember": headers(b"\x40\x01a\x01b" * 3276),
    "sizes of the table": headers(b"\x20\x3f\x01" * 5000),
    "a block in pieces": write_frame(HEADERS, 0, 1, b"\x82") + CONTINUED * 100_000,
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_no_answer_costs_more_than_its_limits_allow(content: bytes) -> None:
    def read() -> None:
        with pytest.raises(Http2Error):
            feed(HELLO + content)

    assert steps(read) < STEPS


def test_as_many_headers_as_the_limits_allow_are_read() -> None:
    assert len(feed(HELLO + headers(b"\x82" * 100) * 5).headers) == 500 < FIELDS_LIMIT
    long = Encoder().encode([(f"x-{number}", "~" * 1000) for number in range(9)])
    assert len(long) < HEADERS_LIMIT
    assert len(feed(HELLO + headers(long)).headers) == 9
