"""HTTP/1 at its own door: heads and bodies, and that no reply costs more than its size allows."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.protocols.http1 import (
    CHUNK_SIZE,
    CHUNKS_LIMIT,
    HEAD_LIMIT,
    INTERIM_LIMIT,
    ChunkedBody,
    CutOffError,
    Head,
    HeadReader,
    Http1Error,
    read_fields,
)
from tests.protocols.work import steps

OK = b"HTTP/1.1 200 OK\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
PACKET = 16384
STEPS = 30_000
"""Calls that the worst reply may cost: some 5 ms."""


def head_of(content: bytes) -> Head:
    head = HeadReader().feed(content)
    assert head is not None
    return head


def packets(content: bytes, size: int = PACKET) -> Iterable[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


def body(content: bytes, limit: int = 65536, size: int = PACKET) -> ChunkedBody:
    found = ChunkedBody(limit)
    for packet in packets(content, size):
        if not found.complete:
            found.feed(packet)
    return found


# Heads


@pytest.mark.parametrize("fold", [b"\r\n ", b"\r\n\t", b"\n  \t "])
def test_a_folded_header_is_one_line(fold: bytes) -> None:
    head = head_of(OK + b"X: a" + fold + b"b\r\nContent-Length:" + fold + b"5\r\n\r\n")
    assert head.length == 5
    assert read_fields(head.content) == [("X", "a b"), ("Content-Length", "5")]


@pytest.mark.parametrize(
    ("lengths", "length"),
    [
        (b"2\r\nContent-Length: 2", 2),
        (b"2, 2,2", 2),
        (b"2 ,\t02", 2),
        (b"7\r\ncontent-length: 7, 7", 7),
    ],
)
def test_a_length_may_be_repeated(lengths: bytes, length: int) -> None:
    assert head_of(OK + b"Content-Length: " + lengths + b"\r\n\r\n").length == length


@pytest.mark.parametrize(
    "lengths",
    [b"2\r\nContent-Length: 3", b"2, 3", b"2,", b",2", b"2,,2", b"2 2", b"2, x", b"x", b""],
)
def test_lengths_that_differ_or_are_none_are_refused(lengths: bytes) -> None:
    with pytest.raises(Http1Error, match="content-length is ambiguous"):
        head_of(OK + b"Content-Length: " + lengths + b"\r\n\r\n")


def test_empty_members_of_the_transfer_coding_do_not_count() -> None:
    assert head_of(OK + b"Transfer-Encoding: , chunked, ,\r\nTransfer-Encoding: \r\n\r\n").chunked


def test_the_line_that_cannot_be_read_is_named() -> None:
    with pytest.raises(Http1Error, match=r"malformed head, b'X Y: a'"):
        head_of(OK + b"A: b\r\n c\r\nX Y: a\r\nB: c\r\n\r\n")
    with pytest.raises(Http1Error, match=r"malformed head, b'HTTP/1.1 2OO OK'"):
        head_of(b"HTTP/1.1 2OO OK\r\nA: b\r\n\r\n")


@pytest.mark.parametrize("size", [PACKET, 7, 1])
def test_interim_heads_are_passed_over_up_to_a_limit(size: int) -> None:
    def read(content: bytes) -> Head | None:
        reader = HeadReader()
        return next(filter(None, map(reader.feed, packets(content, size))), None)

    head = read(CONTINUE * INTERIM_LIMIT + OK + b"\r\n")
    assert head is not None
    assert head.status == 200
    with pytest.raises(Http1Error, match="more than 100 interim heads"):
        read(CONTINUE * (INTERIM_LIMIT + 1) + OK + b"\r\n")


def test_all_heads_together_are_limited() -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: %s\r\n\r\n" % (b"x" * 8000)
    assert HeadReader().feed(hint * 3 + OK + b"\r\n")
    with pytest.raises(Http1Error, match=f"longer than {HEAD_LIMIT} bytes"):
        HeadReader().feed(hint * 5)


# Chunks


@given(st.lists(st.binary(min_size=1, max_size=3), max_size=300), st.integers(1, 50))
def test_any_chunks_are_the_body(chunks: list[bytes], size: int) -> None:
    found = body(chunked(*chunks), size=size)
    assert found.complete
    assert bytes(found.content) == b"".join(chunks)


def test_chunks_of_one_byte_are_read_up_to_the_limit_of_the_body() -> None:
    content = bytes(number % 251 for number in range(70_000))
    found = body(chunked(*(content[number : number + 1] for number in range(len(content)))))
    assert (found.complete, found.was_cut) == (True, False)
    assert bytes(found.content[:65536]) == content[:65536]


@pytest.mark.parametrize(("limit", "read"), [(65536, CHUNKS_LIMIT), (2**24, 2**24 // CHUNK_SIZE)])
def test_more_chunks_than_the_limit_are_not_read(limit: int, read: int) -> None:
    content = chunked(*[b"ab", b"c"] * read)
    found = body(content, limit)
    assert found.complete
    assert found.was_cut
    assert len(found.content) == read // 2 * 3


def test_a_body_that_ends_early_is_cut_off() -> None:
    found = body(chunked(b"ab")[:-5])
    with pytest.raises(CutOffError, match="closed after 2 bytes of the body"):
        found.end()


# Work


CHUNKS = {
    "of one byte": b"1\r\nx\r\n",
    "of one and two bytes": b"1\r\nx\r\n2\r\nxy\r\n",
    "of line ends": b"2\r\n\r\n\r\n",
    "with extensions": b"1;a\r\nx\r\n",
    "with bare line feeds": b"1\nx\n",
}


@pytest.mark.parametrize("chunk", CHUNKS.values(), ids=CHUNKS)
def test_no_chunks_cost_more_than_their_limit_allows(chunk: bytes) -> None:
    content = chunk * (2 * 1024 * 1024 // len(chunk))
    assert steps(lambda: body(content)) < STEPS


def read_heads(content: bytes, size: int = PACKET) -> None:
    reader = HeadReader()
    try:
        for packet in packets(content, size):
            if reader.feed(packet):
                return
    except Http1Error:
        pass


HEADS = {
    "interim heads without end": CONTINUE * 80_000,
    "the smallest interim heads": b"HTTP/1.1 100\n\n" * 150_000,
    "long interim heads": (b"HTTP/1.1 100\n" + b"a:\n" * 255 + b"\n") * 2000,
    "a list of lengths": OK + b"Content-Length: " + b"2," * 16000 + b"2\r\n\r\n",
    "headers without end": OK + b"a:\n" * 700_000,
    "folds without end": OK + b"a:\r\n" + b" \n" * 1_000_000,
    "blanks after the version": b"HTTP/1.1" + b" " * 2_000_000,
}


@pytest.mark.parametrize("content", HEADS.values(), ids=HEADS)
def test_no_head_costs_more_than_its_limit_allows(content: bytes) -> None:
    assert steps(lambda: read_heads(content)) < STEPS


def test_a_head_that_drips_is_not_searched_from_its_beginning() -> None:
    """Each byte is a step, but none goes through what was there before."""
    short, long = (OK + b"X: " + b"x" * length for length in (1000, 30_000))
    assert steps(lambda: read_heads(long, 1)) < 31 * steps(lambda: read_heads(short, 1))


def test_blanks_around_a_value_are_looked_at_once() -> None:
    value = b" " * 15_000 + b"x" + b" " * 15_000
    head = head_of(OK + b"X:" + value + b"\r\n\r\n")
    assert read_fields(head.content) == [("X", "x")]
