"""Replies that bend HTTP/1, and who reads them: the table of docs/http-replies.md.

curl, HAProxy and nginx are asked in test_other_readers.py. Envoy's column is from its source: the
checks of source/common/http/http1/balsa_parser.cc and codec_impl.cc at their defaults.
"""

from typing import NamedTuple

READERS = ("curl 7.88", "HAProxy 2.6", "nginx 1.22", "Envoy", "prober")


class OddReply(NamedTuple):
    """A reply, what is odd about it, and whether each of READERS reads its status."""

    name: str
    content: bytes
    curl: bool
    haproxy: bool
    nginx: bool
    envoy: bool
    prober: bool
    status: int = 200


def _odd(name: str, readers: str, content: bytes, status: int = 200) -> OddReply:
    """Write a row; of the readers, `+` reads it, `-` does not."""
    assert set(readers) <= {"+", "-"}
    curl, haproxy, nginx, envoy, prober = (each == "+" for each in readers)
    return OddReply(name, content, curl, haproxy, nginx, envoy, prober, status)


def _line(line: bytes) -> bytes:
    return line + b"\r\nContent-Length: 2\r\n\r\nok"


def _header(header: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + header + b"\r\nContent-Length: 2\r\n\r\nok"


def _framed(header: bytes, body: bytes = b"ok") -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + header + b"\r\n\r\n" + body


_PLAIN = _header(b"Server: any")
_CHUNKS = b"2\r\nok\r\n0\r\n\r\n"
_TE = b"Transfer-Encoding: chunked"

ODD_REPLIES = (
    _odd("a status line that ends after the code", "+++++", _line(b"HTTP/1.1 200")),
    _odd("bytes beyond ASCII in the reason phrase", "+++++", _line(b"HTTP/1.1 200 \xe0 voil\xe0")),
    _odd("two blanks after the version", "+++++", _line(b"HTTP/1.1  200 OK")),
    _odd("a tab after the version", "-+-+-", _line(b"HTTP/1.1\t200 OK")),
    _odd("two blanks after the code", "+++++", _line(b"HTTP/1.1 200  OK")),
    _odd("a tab after the code", "++-+-", _line(b"HTTP/1.1 200\tOK")),
    _odd("a control character in the reason phrase", "+++-+", _line(b"HTTP/1.1 200 O\x01K")),
    _odd("a second carriage return in the status line", "+--+-", _line(b"HTTP/1.1 200 OK\r")),
    _odd("`HTTP/2.0` as version", "+++++", _line(b"HTTP/2.0 200 OK")),
    _odd("`HTTP/1.2` as version", "-+++-", _line(b"HTTP/1.2 200 OK")),
    _odd("`HTTP/1` as version", "-----", _line(b"HTTP/1 200 OK")),
    _odd("`http/1.1` in lower case", "+----", _line(b"http/1.1 200 OK")),
    _odd("`ICY` instead of a version", "-----", _line(b"ICY 200 OK")),
    _odd("a reply without a status line", "-----", b"<html>ok</html>"),
    _odd("an empty line before the status line", "-+---", b"\r\n" + _line(b"HTTP/1.1 200 OK")),
    _odd("a blank before the status line", "-----", b" " + _line(b"HTTP/1.1 200 OK")),
    _odd("a code of two digits", "-----", _line(b"HTTP/1.1 20 OK"), 20),
    _odd("a code of four digits", "-----", _line(b"HTTP/1.1 2000 OK"), 2000),
    _odd("a code above 599", "+++++", _line(b"HTTP/1.1 999 Odd"), 999),
    _odd("line feeds without carriage returns", "+++++", _PLAIN.replace(b"\r\n", b"\n")),
    _odd("carriage returns without line feeds", "-----", _PLAIN.replace(b"\r\n", b"\r")),
    _odd("a carriage return within a header", "+----", _header(b"X-A: a\rb")),
    _odd("a folded header", "++-++", _header(b"X-A: a\r\n b")),
    _odd("a header folded with a tab", "++-++", _header(b"X-A: a\r\n\tb")),
    _odd("a folded line before the first header", "-----", _header(b" X-A: a")),
    _odd("a blank before the colon", "+----", _header(b"X-A : a")),
    _odd("no blank after the colon", "+++++", _header(b"X-A:a")),
    _odd("a header without a value", "+++++", _header(b"X-A:")),
    _odd("a header without a colon", "--+--", _header(b"X-A")),
    _odd("a header without a name", "+----", _header(b": a")),
    _odd("brackets in a header's name", "+-+--", _header(b"X[A]: a")),
    _odd("an underscore in a header's name", "+++++", _header(b"X_A: a")),
    _odd("bytes beyond ASCII in a header", "+++++", _header(b"X-A: \xe9")),
    _odd("a control character in a header", "+++-+", _header(b"X-A: a\x01b")),
    _odd("a NUL in a header", "-+---", _header(b"X-A: a\x00b")),
    _odd("Content-Length twice, the same", "+++-+", _header(b"Content-Length: 2")),
    _odd("Content-Length twice, `2` and `02`", "+++-+", _header(b"Content-Length: 02")),
    _odd("Content-Length twice, different", "+-+--", _header(b"Content-Length: 1")),
    _odd("Content-Length as a list of the same", "+++-+", _framed(b"Content-Length: 2, 2")),
    _odd("Content-Length with a sign", "+-+--", _framed(b"Content-Length: +2")),
    _odd("an empty Content-Length", "--+--", _framed(b"Content-Length:")),
    _odd("Content-Length with a unit", "+-+--", _framed(b"Content-Length: 2 bytes")),
    _odd("Content-Length and chunks", "+++-+", _framed(b"Content-Length: 9\r\n" + _TE, _CHUNKS)),
    _odd("`chunked,` as transfer coding", "+++-+", _framed(_TE + b",", _CHUNKS)),
    _odd("`Chunked` with a capital", "+++++", _framed(b"transfer-encoding: Chunked", _CHUNKS)),
    _odd("`chunked` in HTTP/1.0", "+++++", _framed(_TE, _CHUNKS).replace(b"/1.1", b"/1.0")),
    _odd("`identity` as transfer coding", "+-+-+", _header(b"Transfer-Encoding: identity")),
    _odd("a transfer coding that nobody knows", "--+-+", _framed(b"Transfer-Encoding: foo")),
    _odd("an extension of a chunk", "+++++", _framed(_TE, _CHUNKS.replace(b"2", b"2;a=b"))),
    _odd("a blank after the size of a chunk", "+++++", _framed(_TE, b"2 " + _CHUNKS[1:])),
    _odd("a blank before the size of a chunk", "-----", _framed(_TE, b" " + _CHUNKS)),
    _odd(
        "a trailer after the last chunk",
        "+++++",
        _framed(_TE, _CHUNKS[:-2] + b"A: b\r\n\r\n"),
    ),
    _odd("an interim reply before the final one", "++-++", b"HTTP/1.1 103 Hi\r\n\r\n" + _PLAIN),
    _odd("20 interim replies", "++-++", b"HTTP/1.1 100 Go\r\n\r\n" * 20 + _PLAIN),
)
