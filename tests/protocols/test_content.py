"""Bodies as text: codings undone, charsets decoded, and no more than the limit of either."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.protocols.content import PLAIN, Content, Text, content_of, text_of

LIMIT = 65536
START = b"HTTP/1.1 200 OK\r\n"


def head(*lines: bytes) -> bytes:
    return START + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


@pytest.mark.parametrize(
    ("lines", "content"),
    [
        ((), PLAIN),
        ((b"Content-Type: text/plain",), PLAIN),
        ((b"Transfer-Encoding: chunked",), PLAIN),
        ((b"Content-Encoding: identity",), Content()),
        ((b"CONTENT-ENCODING: GZIP, br",), Content(("gzip", "br"))),
        ((b"Content-Encoding: gzip", b"content-encoding: x-gzip"), Content(("gzip", "x-gzip"))),
        ((b"Transfer-Encoding: gzip, chunked",), Content(("gzip",))),
        ((b"transfer-encoding: deflate", b"Content-Encoding: br"), Content(("br", "deflate"))),
        ((b"Content-Type: text/html",), Content((), " text/html")),
    ],
)
def test_what_a_head_says_of_the_body(lines: tuple[bytes, ...], content: Content) -> None:
    assert content_of(head(*lines)) == content


@pytest.mark.parametrize(
    ("codings", "coded"),
    [
        ((), b"all ready"),
        (("gzip",), gzip.compress(b"all ready")),
        (("x-gzip",), gzip.compress(b"all ready")),
        (("deflate",), zlib.compress(b"all ready")),
        (("deflate",), raw_deflate(b"all ready")),
        (("deflate", "gzip"), gzip.compress(zlib.compress(b"all ready"))),
    ],
)
def test_codings_are_undone(codings: tuple[str, ...], coded: bytes) -> None:
    assert text_of(coded, Content(codings), LIMIT) == Text("all ready", 9)


def test_what_is_there_of_a_coded_body_is_decoded() -> None:
    coded = gzip.compress(b"all ready")
    assert text_of(coded[:-9], Content(("gzip",)), LIMIT).text.startswith("all")


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip", "x\x01y"])
def test_a_coding_that_cannot_be_undone_is_named(coding: str) -> None:
    found = text_of(b"\x8b ready", Content((coding,)), LIMIT)
    assert "ready" in found.text
    assert found.flaw == f"coded as {coding!a}"
    assert found.flaw.isprintable()


def test_a_bomb_is_not_unpacked_beyond_the_limit() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert text_of(bomb, Content(("gzip",)), LIMIT).size == LIMIT
    twice = gzip.compress(bomb)
    assert text_of(twice, Content(("gzip", "gzip")), LIMIT).size <= LIMIT
    assert "coded 9 times" in text_of(twice, Content(("gzip",) * 9), LIMIT).flaw


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("text/plain; charset=iso-8859-1", b"pr\xeat", "prêt"),
        ("text/html; charset=gb2312", "正常".encode("gbk"), "正常"),
        ('text/html; charset="Shift_JIS"', "正常".encode("cp932"), "正常"),
        ("text/html; charset=iso-2022-jp", "正常".encode("iso2022_jp"), "正常"),
        ("text/plain; charset=utf-16", "prêt".encode("utf-16-le"), "prêt"),
        ("text/plain; charset=x", b"\xff\xfe" + "prêt".encode("utf-16-le"), "prêt"),
        ("text/html", b'<meta charset="windows-1251">\xe4\xe0', '<meta charset="windows-1251">да'),
        ("text/html; charset=iso-8859-1", "prêt".encode(), "prêt"),
        ("text/html", b"\xef\xbb\xbfok", "ok"),
        ("", b"pr\xeat", "pr\ufffdt"),
    ],
)
def test_charsets_are_decoded(kind: str, body: bytes, text: str) -> None:
    assert text_of(body, Content((), kind), LIMIT) == Text(text, len(body))


@pytest.mark.parametrize(
    "label", ["idna", "punycode", "zip", "rot13", "unicode_escape", "utf-7", "x"]
)
def test_a_charset_that_is_none_is_named(label: str) -> None:
    found = text_of(b"ready\xff", Content((), f"text/html; charset={label}"), LIMIT)
    assert "ready" in found.text
    assert found.flaw == f"in the unknown charset {label!a}"


@given(st.binary(max_size=300), st.binary(max_size=80), st.binary(max_size=80))
def test_nothing_makes_it_raise(body: bytes, encoding: bytes, kind: bytes) -> None:
    lines = (b"Content-Encoding: " + encoding, b"Content-Type: html;charset=" + kind)
    found = text_of(body, content_of(head(*lines)), LIMIT)
    assert found.flaw.isprintable()
