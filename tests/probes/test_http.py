"""HTTP: the request that is sent, the reply that is read, and what is made of it."""

import gzip
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober import __version__
from prober.model.option import ReadContext, Rejected, section, show_options
from prober.model.probe import Target, TlsSession
from prober.model.status import Reason, Result
from prober.probes.http import HttpProbe, HttpsProbe
from prober.probes.http_request import METHODS
from prober.protocols.http1 import HEAD_LIMIT, HEADERS_LIMIT
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
FOUND = {"http_status_code": 200, "http_version": 1.1}
CLOSED = Reason.CLOSED
TIMEOUT = Reason.TIMEOUT
BROKEN = Reason.BAD_RESPONSE
MISMATCH = Reason.PAYLOAD_MISMATCH
UNEXPECTED = Reason.UNEXPECTED_STATUS

TARGET = Target("10.0.0.3", 8080)
OUTSIDE = ReadContext("/etc/prober", {"/etc/prober/token": "t0p\n"}.__getitem__, {"KEY": "s3cret"})
A_PATH = "a path that starts with / and contains no spaces"
READ = section(HttpProbe).read


def probe(**options: object) -> HttpProbe:
    """Return the probe that a monitor with these keys has."""
    return READ(options, OUTSIDE)


def start(**options: object) -> Start:
    return probe(**options).bind(TARGET)


PLAIN = start()
READY = start(body_regex="^ready$")


# What is sent


def request(target: Target, **options: object) -> str:
    return drive(probe(**options).bind(target), DEADLINE).sent.decode()


def test_the_whole_default_request() -> None:
    assert request(TARGET) == (
        "GET / HTTP/1.1\r\n"
        "Host: 10.0.0.3:8080\r\n"
        f"User-Agent: prober/{__version__}\r\n"
        "Accept: */*\r\n"
        "Accept-Encoding: identity\r\n"
        "Connection: close\r\n"
        "\r\n"
    )


@pytest.mark.parametrize("method", METHODS)
def test_method_path_and_version_make_the_first_line(method: str) -> None:
    sent = request(TARGET, http_method=method, url_path="/a%20b?c=é", http_version="1.0")
    assert sent.startswith(f"{method} /a%20b?c=%C3%A9 HTTP/1.0\r\n")


@pytest.mark.parametrize(
    ("url_path", "asked"),
    [
        ("/caf\u00e9?q=\u6b63", "/caf%C3%A9?q=%E6%AD%A3"),
        ("/a%20b/%C3%A9", "/a%20b/%C3%A9"),
        ("/100%/5%zz", "/100%25/5%25zz"),
        ('/a[1]={|}\\^`"<>', "/a%5B1%5D=%7B%7C%7D%5C%5E%60%22%3C%3E"),
        ("/a#there?b", "/a"),
        ("/-._~!$&'()*+,;=:@/?", "/-._~!$&'()*+,;=:@/?"),
        ("/\u00a0\u2028\U0001f600", "/%C2%A0%E2%80%A8%F0%9F%98%80"),
    ],
)
def test_a_path_is_asked_for_as_a_request_target_may_be_written(url_path: str, asked: str) -> None:
    assert request(TARGET, url_path=url_path).startswith(f"GET {asked} HTTP/1.1\r\n")
    assert probe(url_path=url_path).url_path == url_path


@pytest.mark.parametrize(
    ("host", "port", "domain_name", "written"),
    [
        ("10.0.0.3", 80, None, "10.0.0.3"),
        ("10.0.0.3", 443, None, "10.0.0.3:443"),
        ("10.0.0.3", 8080, None, "10.0.0.3:8080"),
        ("2001:db8::80", 80, None, "[2001:db8::80]"),
        ("2001:db8::80", 8080, None, "[2001:db8::80]:8080"),
        ("10.0.0.3", 8080, "www.example.org", "www.example.org"),
    ],
)
def test_the_host_header_names_the_port_unless_it_is_the_default(
    host: str, port: int, domain_name: str | None, written: str
) -> None:
    options = {"domain_name": domain_name} if domain_name else {}
    assert f"\r\nHost: {written}\r\n" in request(Target(host, port), **options)


def test_the_default_port_of_https_is_443() -> None:
    sent = drive(HttpsProbe().bind(Target("h", 443)), SESSION, DEADLINE).sent
    assert b"\r\nHost: h\r\n" in sent
    sent = drive(HttpsProbe().bind(Target("h", 80)), SESSION, DEADLINE).sent
    assert b"\r\nHost: h:80\r\n" in sent


def test_headers_of_the_user_replace_those_of_the_probe() -> None:
    own = {"HOST": "a.example", "user-agent": "me/1", "Accept": "text/plain", "X-Rack": "é"}
    lines = request(TARGET, headers=own).split("\r\n")[1:-2]
    assert lines == [
        "HOST: a.example",
        "user-agent: me/1",
        "Accept: text/plain",
        "Accept-Encoding: identity",
        "Connection: close",
        "X-Rack: é",
    ]


@pytest.mark.parametrize(
    ("method", "body", "end"),
    [
        ("POST", "é", "\r\nContent-Length: 2\r\n\r\né"),
        ("POST", None, "\r\nContent-Length: 0\r\n\r\n"),
        ("PUT", None, "\r\nContent-Length: 0\r\n\r\n"),
        ("PATCH", "", "\r\nContent-Length: 0\r\n\r\n"),
        ("GET", "a\r\nb", "\r\nContent-Length: 4\r\n\r\na\r\nb"),
        ("GET", None, "\r\nConnection: close\r\n\r\n"),
        ("DELETE", None, "\r\nConnection: close\r\n\r\n"),
    ],
)
def test_the_body_is_announced(method: str, body: str | None, end: str) -> None:
    options = {} if body is None else {"body": body}
    assert request(TARGET, http_method=method, **options).endswith(end)


def test_secrets_are_sent_and_not_shown() -> None:
    options: dict[str, Any] = {
        "headers": {
            "X-Key": {"env": "KEY"},
            "X-File": {"file": "token"},
            "Proxy-Authorization": "Basic eA==",
            "X_Api_Key": "k",
            "Set-Cookie": "c",
            "X-Rack": "r1",
        },
        "body": {"env": "KEY"},
    }
    sent = request(TARGET, **options)
    assert "\r\nX-Key: s3cret\r\nX-File: t0p\r\nProxy-Authorization: Basic eA==\r\n" in sent
    assert sent.endswith("\r\n\r\ns3cret")
    shown = show_options(probe(**options))
    assert shown["body"] == "<secret>"
    assert shown["headers"] == {
        "X-Key": "<secret>",
        "X-File": "<secret>",
        "Proxy-Authorization": "<secret>",
        "X_Api_Key": "<secret>",
        "Set-Cookie": "<secret>",
        "X-Rack": "r1",
    }
    assert "s3cret" not in repr(probe(**options))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            {"url_path": "/a HTTP/1.1\r\nHost: b"},
            (
                ("url_path",),
                f"expected {A_PATH}, got '/a HTTP/1.1\\r\\nHost: b'",
            ),
        ),
        (
            {"url_path": "x"},
            (("url_path",), f"expected {A_PATH}, got 'x'"),
        ),
        ({"url_path": "/\udce9"}, (("url_path",), "not UTF-8 text")),
        (
            {"headers": {"X": "a\r\nEvil: b"}},
            (("headers", "X"), "a header value cannot contain line breaks"),
        ),
        (
            {"headers": {"X": "a\0b"}},
            (("headers", "X"), "a header value cannot contain line breaks"),
        ),
        (
            {"headers": {"X: y\r\nEvil": "b"}},
            (("headers", "X: y\r\nEvil"), "expected a header name"),
        ),
        (
            {"headers": {"X-Key": "a", "x-key": "b"}},
            (("headers", "x-key"), "the same as 'X-Key', which is given as well"),
        ),
        ({"headers": {"": "b"}}, (("headers", ""), "expected a header name")),
        (
            {"headers": {"Content-length": "5"}},
            (("headers", "Content-length"), "the probe sets this header itself"),
        ),
        (
            {"domain_name": "a\r\nb"},
            (("domain_name",), r"expected a host name, got 'a\r\nb'"),
        ),
        (
            {"http_method": "HEDA"},
            (
                ("http_method",),
                f"expected one of {', '.join(METHODS)}, got 'HEDA'; did you mean 'HEAD'?",
            ),
        ),
        (
            {"http_method": "CONNECT"},
            (
                ("http_method",),
                "CONNECT cannot be probed, it requests a tunnel; probe the port with TCP",
            ),
        ),
        (
            {"http_version": "3"},
            (("http_version",), "expected one of 1.0, 1.1, 2, got '3'"),
        ),
        (
            {"expected_codes": "600"},
            (
                ("expected_codes",),
                "expected codes from 100 to 599 such as 200, 200,202 or 200-204,301, got '600'",
            ),
        ),
        (
            {"body_regex": "("},
            (("body_regex",), "not a regular expression: missing ) at position 1"),
        ),
        ({"body_regex": ""}, (("body_regex",), "expected a regular expression, got ''")),
        (
            {"body_limit": 2**20 + 1},
            (("body_limit",), "expected a whole number from 1 to 1048576, got 1048577"),
        ),
        (
            {"http_method": "HEAD", "body_regex": "x"},
            (("body_regex",), "the reply to HEAD has no body"),
        ),
        ({"url-path": "/"}, (("url-path",), "unknown key; did you mean 'url_path'?")),
    ],
)
def test_options_that_cannot_be_sent_or_met_are_rejected(
    options: dict[str, object], complaint: tuple[tuple[str, ...], str]
) -> None:
    with pytest.raises(Rejected) as rejected:
        probe(**options)
    assert rejected.value.complaints == (complaint,)


def test_a_pattern_nested_too_deeply_is_rejected() -> None:
    with pytest.raises(Rejected, match="not a regular expression"):
        probe(body_regex="(" * 5000 + ")" * 5000)


@pytest.mark.parametrize(
    "pattern",
    [
        "a{1000000}",
        "(?:ab){1000000}",
        "(?:" * 25 + "a" + ")+" * 25,  # each + doubles what it repeats
        "(?:" * 20 + "a" + "{1,99})" * 20,
        "(?x)" + "(" * 9 + "a" + ") # )\n {9}" * 9,
        "([)]" * 9 + "a" + "){9}" * 9,
        "a" * 30000,
    ],
)
def test_a_pattern_that_would_fill_the_memory_when_compiled_is_rejected(pattern: str) -> None:
    with pytest.raises(Rejected, match="with fewer repetitions, got '"):
        probe(body_regex=pattern)


@pytest.mark.parametrize(
    "pattern",
    [r"^((?!false).|\s)*$", r"^(\d{1,3}\.){3}\d{1,3}$", r'"status"\s*:\s*"(?:UP|OK)+"', "a{999}"],
)
def test_a_pattern_that_repeats_as_much_as_people_need_is_taken(pattern: str) -> None:
    assert probe(body_regex=pattern).body_regex == pattern


@pytest.mark.parametrize("version", ["1.0", "1.1", "2", 1.0, 1.1, 2])
def test_the_version_may_be_a_number_as_yaml_reads_it(version: object) -> None:
    assert probe(http_version=version).http_version == str(version)


# Heads: what the status says


@pytest.mark.parametrize(
    ("expected_codes", "status", "reason"),
    [
        ("200", 200, OK),
        ("200", 201, UNEXPECTED),
        ("200", 301, UNEXPECTED),
        ("301", 301, OK),
        ("200-204,301", 204, OK),
        ("200-204,301", 205, UNEXPECTED),
        ("200-204,301", 301, OK),
        ("200-204,301", 199 + 101, UNEXPECTED),
        ("100-599", 599, OK),
        ("100-599", 600, UNEXPECTED),
        ("100-599", 999, UNEXPECTED),
        ("101", 101, OK),
        ("200", 101, UNEXPECTED),
    ],
)
def test_the_status_is_compared_with_the_expected_codes(
    expected_codes: str, status: int, reason: Reason
) -> None:
    reply = b"HTTP/1.1 %d Word\r\nLocation: /elsewhere\r\n\r\n" % status
    verdict = judge(start(expected_codes=expected_codes), reply)
    assert verdict.reason is reason
    assert verdict.facts == {"http_status_code": status, "http_version": 1.1}


def test_a_redirect_is_not_followed() -> None:
    run = drive(PLAIN, b"HTTP/1.1 302 Found\r\nLocation: /b\r\n\r\n")
    assert run.verdict.detail == "HTTP 302, expected 200"
    assert run.sent.count(b"HTTP/1.1\r\n") == 1


HEADS = {
    "usual": b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\n",
    "no headers": b"HTTP/1.1 200 OK\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\nServer: x\n\n",
    "mixed line ends": b"HTTP/1.1 200 OK\r\nServer: x\n\r\n",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n",
    "no reason phrase": b"HTTP/1.1 200\r\n\r\n",
    "empty reason phrase": b"HTTP/1.1 200 \r\n\r\n",
    "reason phrase in Latin-1": b"HTTP/1.1 200 Tr\xe8s bien\r\n\r\n",
    "empty header": b"HTTP/1.1 200 OK\r\nX:\r\n\r\n",
    "header in Latin-1": b"HTTP/1.1 200 OK\r\nX: \xe9\xff\t\x01\r\n\r\n",
    "after 100": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    "after 102 and 103": (
        b"HTTP/1.1 102 Processing\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\n\r\n"
    ),
    "both framings": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    ),
    "two spaces": b"HTTP/1.1  200 OK\r\n\r\n",
    "folded header": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
    "length twice": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n",
    "list of lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n",
    "most headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * HEADERS_LIMIT + b"\r\n",
    "longest head": b"HTTP/1.1 200 OK\r\nX: ".ljust(HEAD_LIMIT - 4, b"y") + b"\r\n\r\n",
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_good_head_is_good_whatever_follows(head: bytes) -> None:
    assert judge(PLAIN, head).reason is OK
    assert judge(PLAIN, head + b"\0\r\n\r\nHTTP/1.1 500 No\r\n\r\n").reason is OK


@pytest.mark.parametrize("end", [END, RESET, DEADLINE], ids=["end", "reset", "deadline"])
@pytest.mark.parametrize("name", [name for name in HEADS if len(HEADS[name]) < 1000])
def test_a_head_cut_off_anywhere_is_no_verdict_of_the_target(name: str, end: Event) -> None:
    means = {END: CLOSED, RESET: Reason.RESET, DEADLINE: TIMEOUT}[end]
    assert cut_off(PLAIN, HEADS[name], end) == [means] * len(HEADS[name])


def test_after_the_head_no_reset_can_change_the_verdict() -> None:
    run = drive(PLAIN, HEADS["usual"], RESET)
    assert run.verdict.reason is OK
    assert run.left == [RESET]


NOT_HTTP = {
    "SSH banner": b"SSH-2.0-OpenSSH_9.2\r\n",
    "SMTP banner": b"220 mail.example ESMTP\r\n",
    "HTTP/0.9": b"<html><body>it works</body></html>\r\n",
    "other HTTP": b"HTTP/2 200\r\n\r\n",
    "lower case": b"http/1.1 200 OK\r\n\r\n",
    "Icecast": b"ICY 200 OK\r\n\r\n",
    "blank line first": b"\r\nHTTP/1.1 200 OK\r\n\r\n",
    "binary": bytes(range(256)),
    "zeros": b"\0" * 100,
    "HTTP/2 SETTINGS": b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\xff\xff",
    "TLS alert": b"\x15\x03\x01\x00\x02\x02\x46",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\n\r\n",
    "status too long": b"HTTP/1.1 99999 OK\r\n\r\n",
    "status too short": b"HTTP/1.1 20 OK\r\n\r\n",
    "status too low": b"HTTP/1.1 099 OK\r\n\r\n",
    "status not a number": b"HTTP/1.1 2O0 OK\r\n\r\n",
    "no status": b"HTTP/1.1\r\n\r\n",
    "NUL in the status line": b"HTTP/1.1 200 O\0K\r\n\r\n",
    "NUL in a header": b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
    "CR in a header": b"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
    "no colon": b"HTTP/1.1 200 OK\r\nServer\r\n\r\n",
    "no header name": b"HTTP/1.1 200 OK\r\n: x\r\n\r\n",
    "blank before the colon": b"HTTP/1.1 200 OK\r\nServer : x\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 3\r\n\r\n",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n",
    "signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n",
    "hexadecimal length": b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\n",
    "no length": b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
    "endless length": b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "one header too many": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * (HEADERS_LIMIT + 1) + b"\r\n"),
    "500 headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
    "head too long": b"HTTP/1.1 200 OK\r\nX: ".ljust(HEAD_LIMIT - 3, b"y") + b"\r\n\r\n",
    "broken after 100": b"HTTP/1.1 100 Continue\r\n\r\nSSH-2.0-x\r\n",
    "blanks in a length": b"HTTP/1.1 200 OK\r\nContent-Length: 2" + b" " * 32000 + b"x\r\n\r\n",
}


@pytest.mark.parametrize("reply", NOT_HTTP.values(), ids=NOT_HTTP)
def test_what_is_not_http_is_a_bad_response_without_a_status(reply: bytes) -> None:
    verdict = judge(PLAIN, reply)
    assert verdict.reason is BROKEN
    assert verdict.reason.result is Result.HEALTH_PAYLOAD_MISMATCH
    assert verdict.facts is None


@pytest.mark.parametrize("name", [name for name in NOT_HTTP if len(NOT_HTTP[name]) < 300])
def test_what_is_not_http_and_is_cut_off_is_never_good(name: str) -> None:
    assert set(cut_off(PLAIN, NOT_HTTP[name], END)) <= {CLOSED, BROKEN}
    assert set(cut_off(PLAIN, NOT_HTTP[name], DEADLINE)) <= {TIMEOUT, BROKEN}


def test_a_refusal_to_read_on_shows_how_the_reply_starts() -> None:
    assert judge(PLAIN, b"SSH-2.0-x\r\n").detail == (
        r"not a valid HTTP reply: it starts with b'SSH-2.0-x\r\n'"
    )
    assert judge(PLAIN, b"HTTP/1.1 2O0 OK\r\nX: y\r\n\r\n").detail == (
        "not a valid HTTP reply: malformed head, b'HTTP/1.1 2O0 OK'"
    )


@pytest.mark.parametrize("start_of_head", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 "])
def test_a_head_of_a_megabyte_is_not_read_to_its_end(start_of_head: bytes) -> None:
    run = drive(PLAIN, start_of_head, *[b"x" * 4096] * 256)
    assert run.verdict.reason is BROKEN
    assert len(run.left) == 256 - HEAD_LIMIT // 4096


def test_interim_heads_without_end_are_a_bad_response() -> None:
    flood = b"HTTP/1.1 100 Continue\r\n\r\n" * 160
    verdict = drive(PLAIN, flood).verdict
    assert verdict.reason is BROKEN
    assert verdict.detail == "not a valid HTTP reply: more than 100 interim heads"


def test_the_reply_to_head_ends_with_its_head() -> None:
    run = drive(start(http_method="HEAD"), b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", END)
    assert run.verdict.reason is OK
    assert run.left == [END]


# Bodies: what body_regex says

HEAD_200 = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD_200 + b"Transfer-Encoding: chunked\r\n\r\n"
FRAMED = {
    "sized": HEAD_200 + b"Content-Length: 5\r\n\r\nready",
    "sized, blanks around": HEAD_200 + b"content-LENGTH: \t005 \t\r\n\r\nready",
    "sized, more follows": HEAD_200 + b"Content-Length: 5\r\n\r\nready or not",
    "chunked": CHUNKED + b"5\r\nready\r\n0\r\n\r\n",
    "chunked, in parts": CHUNKED + b"1\r\nr\r\n3\r\nead\r\n1\r\ny\r\n0\r\n\r\n",
    "chunked, bare line feeds": CHUNKED + b"3\nrea\n2\ndy\n0\n\n",
    "chunked, extensions": CHUNKED + b'5;a=b ;c="d"\r\nready\r\n0;z\r\n\r\n',
    "chunked, blanks": CHUNKED + b"5 \t\r\nready\r\n0\r\n\r\n",
    "chunked, zeros": CHUNKED + b"0005\r\nready\r\n0000\r\n\r\n",
    "chunked, trailers": CHUNKED + b"5\r\nready\r\n0\r\nExpires: never\r\n\r\n",
    "chunked, coded before": HEAD_200
    + b"Transfer-Encoding: x , Chunked \r\n\r\n5\r\nready\r\n0\r\n",
    "chunked in two headers": (
        HEAD_200 + b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nready\r\n0\r\n"
    ),
    "chunked and sized": (
        HEAD_200 + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nready\r\n0\r\n"
    ),
}
UNFRAMED = {
    "until the end": HEAD_200 + b"\r\nready",
    "until the end, HTTP/1.0": b"HTTP/1.0 200 OK\n\nready",
    "until the end, after an interim head": (
        b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD_200 + b"\r\nready"
    ),
    "another coding and sized": (
        HEAD_200 + b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nready"
    ),
}
BODIES = FRAMED | UNFRAMED


@pytest.mark.parametrize("reply", BODIES.values(), ids=BODIES)
def test_the_body_is_found_however_it_is_framed(reply: bytes) -> None:
    verdict = judge(READY, reply)
    found = {**FOUND, "http_version": float(reply[5:8])}
    assert verdict == (OK, "HTTP 200, body_regex matched", found)
    verdict = judge(start(body_regex="^steady$"), reply)
    assert verdict.reason is MISMATCH
    assert verdict.detail.startswith("HTTP 200, body_regex did not match in 5 bytes")
    assert verdict.facts == found


@pytest.mark.parametrize("reply", FRAMED.values(), ids=FRAMED)
def test_a_framed_body_cut_off_by_the_end_is_closed(reply: bytes) -> None:
    assert set(cut_off(READY, reply, END)) == {CLOSED}


@pytest.mark.parametrize("reply", UNFRAMED.values(), ids=UNFRAMED)
def test_an_unframed_body_is_what_came_before_the_end(reply: bytes) -> None:
    head = len(reply) - len(b"ready")
    assert cut_off(READY, reply, END) == [CLOSED] * head + [MISMATCH] * len(b"ready")


@pytest.mark.parametrize("reply", BODIES.values(), ids=BODIES)
def test_a_body_cut_off_by_the_deadline_is_judged_as_far_as_it_came(reply: bytes) -> None:
    first, *rest = cut_off(READY, reply, DEADLINE)
    assert first is TIMEOUT
    found = rest.index(OK) if OK in rest else len(rest)
    assert set(rest[:found]) == {MISMATCH}
    assert set(rest[found:]) <= {OK}


@pytest.mark.parametrize("reply", BODIES.values(), ids=BODIES)
def test_a_body_cut_off_by_a_reset_is_a_reset(reply: bytes) -> None:
    assert set(cut_off(READY, reply, RESET)) == {Reason.RESET}


def test_a_body_cut_off_still_has_its_status() -> None:
    for end in (END, RESET, DEADLINE):
        verdict = judge(READY, HEAD_200 + b"Content-Length: 5\r\n\r\nrea", end)
        assert verdict.facts == FOUND


@pytest.mark.parametrize(
    "chunks",
    [
        b"ready",
        b"\r\n",
        b"5\r\nready0\r\n\r\n",
        b"5\r\nready\rX0\r\n\r\n",
        b"-5\r\nready\r\n",
        b"+5\r\nready\r\n",
        b"0x5\r\nready\r\n",
        b"5_0\r\nready\r\n",
        b" 5\r\nready\r\n",
        b"5 5\r\nready\r\n",
        b"00000000000000005\r\nready\r\n0\r\n\r\n",
        b"5;" + b"x" * 2000 + b"\r\nready\r\n0\r\n\r\n",
        b"5" * 2000,
    ],
)
def test_malformed_chunks_are_a_bad_response(chunks: bytes) -> None:
    # 'ready\n' makes a cut-off line whole, so that the line and not its lack is judged
    assert judge(READY, CHUNKED + chunks + b"\n").reason is BROKEN


def test_an_unexpected_status_is_the_verdict_before_any_body() -> None:
    run = drive(READY, b"HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\n", END)
    assert run.verdict.reason is UNEXPECTED
    assert run.left == [END]


@pytest.mark.parametrize("status", [101, 204, 304])
def test_replies_that_have_no_body_are_judged_without_one(status: int) -> None:
    reply = b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\nready" % status
    run = drive(start(expected_codes=str(status), body_regex="ready"), reply, END)
    assert run.verdict.reason is MISMATCH
    assert run.left == [END]


LIMITED = start(body_regex="ready", body_limit=8)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"...ready", OK),
        (b"....ready", MISMATCH),
        (b"ready" + b"." * 100, OK),
        (b"." * 8, MISMATCH),
        (b"." * 100 + b"ready", MISMATCH),
    ],
)
@pytest.mark.parametrize("framing", ["until the end", "sized", "one chunk", "chunks of one"])
def test_only_the_first_body_limit_bytes_count(framing: str, body: bytes, reason: Reason) -> None:
    replies = {
        "until the end": HEAD_200 + b"\r\n" + body,
        "sized": HEAD_200 + b"Content-Length: %d\r\n\r\n" % len(body) + body,
        "one chunk": CHUNKED + b"%X\r\n" % len(body) + body,
        "chunks of one": CHUNKED + b"".join(b"1\r\n%c\r\n" % each for each in body),
    }
    assert judge(LIMITED, replies[framing], DEADLINE).reason is reason


@pytest.mark.parametrize(
    ("head", "size"),
    [(b"\r\n", 2049), (b"Content-Encoding: gzip\r\n\r\n", 10)],
    ids=["long", "compressed"],
)
@pytest.mark.parametrize("more", [{}, {"expect_headers": {"X-Up": "^yes$"}}])
def test_a_late_body_that_needs_a_thread_is_not_searched_any_more(
    head: bytes, size: int, more: dict[str, object]
) -> None:
    asked = start(body_regex="ready", **more)
    verdict = drive(asked, HEAD_200 + b"X-Up: yes\r\n" + head + b"." * size, DEADLINE).verdict
    assert verdict.reason is MISMATCH
    assert verdict.detail == "HTTP 200, the timeout expired before the body ended"


@pytest.mark.parametrize(
    "endless",
    [
        HEAD_200 + b"\r\n",
        CHUNKED + b"FFFFFFFFFFFFFFFF\r\n",
        HEAD_200 + b"Content-Length: 9999999\r\n\r\n",
    ],
)
def test_an_endless_body_is_read_up_to_the_limit(endless: bytes) -> None:
    run = drive(READY, endless, *[b"x" * 4096] * 100)
    assert run.verdict.reason is MISMATCH
    assert len(run.left) == 100 - 65536 // 4096


def test_a_chunked_body_that_ends_at_the_limit_needs_no_last_chunk() -> None:
    run = drive(LIMITED, CHUNKED + b"8\r\n...ready", END)
    assert run.verdict.reason is OK
    assert run.left == [END]


def test_an_empty_body_can_be_expected() -> None:
    assert judge(start(body_regex="^$"), HEAD_200 + b"Content-Length: 0\r\n\r\n").reason is OK
    assert judge(start(body_regex="^$"), CHUNKED + b"0\r\n\r\n").reason is OK
    assert judge(start(body_regex="^$"), HEAD_200 + b"\r\n").reason is OK


def test_a_body_that_is_not_utf_8_is_searched_all_the_same() -> None:
    assert judge(start(body_regex="re.dy"), HEAD_200 + b"\r\n\xff\xfe re\xe4dy").reason is OK


def test_a_pattern_that_runs_away_is_stopped() -> None:
    verdict = drive(
        start(body_regex="(a|aa)+$"), HEAD_200 + b"\r\n" + b"a" * 5000 + b"b", END
    ).verdict
    assert verdict.reason is Reason.REGEX_TIMEOUT
    assert verdict.facts == FOUND


@pytest.mark.parametrize(
    ("pattern", "body", "in_threads"),
    [
        ("ready", b"ready", 0),
        ("re+ady", b"ready" + b"." * 2000, 0),
        ("ready", b"." * 2044 + b"ready", 1),
        ("(?:a+)+$x", b"a" * 2000 + b"!", 1),
    ],
)
def test_only_what_is_quick_is_searched_at_once(pattern: str, body: bytes, in_threads: int) -> None:
    assert drive(start(body_regex=pattern), HEAD_200 + b"\r\n" + body, END).in_threads == in_threads


def test_a_coded_body_is_decoded_in_a_thread() -> None:
    coded = HEAD_200 + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"ready")
    run = drive(READY, coded, END)
    assert (run.verdict.reason, run.in_threads) == (OK, 1)


def test_what_could_not_be_decoded_is_named() -> None:
    for name, header in (
        ("br", b"Content-Encoding: br"),
        ("x-none", b"Content-Type: a; charset=x-none"),
    ):
        verdict = judge(READY, HEAD_200 + header + b"\r\n\r\n\x8b\x01")
        assert verdict.reason is MISMATCH
        assert name in verdict.detail


# HTTPS


@pytest.mark.parametrize("session", [SESSION, SESSION._replace(alpn=None)])
def test_https_is_http_after_a_handshake(session: TlsSession) -> None:
    run = drive(HttpsProbe().bind(Target("h", 443)), session, HEADS["usual"])
    assert run.verdict.reason is OK
    assert run.sent.startswith(b"GET / HTTP/1.1\r\nHost: h\r\n")


def test_https_sends_nothing_when_the_handshake_fails() -> None:
    run = drive(HttpsProbe().bind(Target("h", 443)), RESET)
    assert run.verdict.reason is Reason.RESET
    assert run.sent == b""


# Whatever comes

PARTS = st.sampled_from(
    b"HTTP/1.1 |200| OK|\r\n|\n|\r\n\r\n|Content-Length: |5|0|Transfer-Encoding: chunked|ready|;| "
    b"|\0|100|HTTP/1.1 100\r\n\r\n".split(b"|")
)
REPLIES = st.sampled_from([*BODIES.values(), HEADS["usual"], HEADS["after 100"]])


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Draw a valid reply with up to three places changed."""
    reply = draw(REPLIES)
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(reply)))
        gone = draw(st.integers(0, 8))
        reply = (
            reply[:place] + draw(st.one_of(PARTS, st.binary(max_size=4))) + reply[place + gone :]
        )
    return reply


JUNK = st.one_of(mutated(), st.binary(max_size=60), st.lists(PARTS, max_size=12).map(b"".join))


@given(reply=JUNK, cuts=st.sets(st.integers(0, 150)), end=st.sampled_from([END, DEADLINE, RESET]))
def test_any_bytes_lead_to_a_verdict_that_their_packets_do_not_change(
    reply: bytes, cuts: set[int], end: Event
) -> None:
    for each in (PLAIN, READY, LIMITED):
        verdict = judge(each, reply, end)
        split = drive(each, *pieces(reply, cuts), end).verdict
        assert (split.reason, split.facts) == (verdict.reason, verdict.facts)
        assert verdict.detail.isprintable()
