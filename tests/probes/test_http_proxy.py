"""Probes through a forward proxy: what is asked of it, and whose fault it is if that goes wrong."""

from typing import Any

import pytest

from prober.model.option import ReadContext, Rejected, section, show_options
from prober.model.probe import Probe, Reconnect, Target, Trouble
from prober.model.status import Reason
from prober.probes.http import HttpProbe, HttpsProbe
from prober.probes.tls import TlsProbe
from tests.probes.drive import DEADLINE, END, RESET, SESSION, Event, drive

TARGET = Target("192.0.2.80", 8080)
SECURE = Target("2001:db8::80", 443)
OUTSIDE = ReadContext("/", {"/word": "s3cret\n"}.__getitem__, {})
PROXY = {"proxy": "http://127.0.0.1:3128"}
AUTH: dict[str, Any] = {"proxy_auth": {"username": "u", "password": {"file": "/word"}}}
BASIC = "Proxy-Authorization: Basic dTpzM2NyZXQ=\r\n"
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n\r\n"
FAILED = Reason.PROXY_FAILED


def probe(kind: type[Probe] = HttpProbe, /, **options: Any) -> Probe:
    return section(kind).read({**PROXY, **options}, OUTSIDE)


def test_the_proxy_is_where_connections_go() -> None:
    for kind in (HttpProbe, HttpsProbe, TlsProbe):
        assert probe(kind).proxy == Target("127.0.0.1", 3128)
        assert kind().proxy is None
        assert show_options(probe(kind))["proxy"] == "http://127.0.0.1:3128"
    assert probe(proxy="http://[::1]:80/").proxy == Target("::1", 80)


@pytest.mark.parametrize(
    ("options", "key", "message"),
    [
        ({"proxy": "https://a:1"}, "proxy", "no other kind of proxy is supported"),
        ({"proxy": "socks5://a:1"}, "proxy", "no other kind of proxy is supported"),
        ({"proxy": "http://u:p@a:1"}, "proxy", "set proxy_auth"),
        ({"proxy": "a:1"}, "proxy", "expected a proxy such as"),
        ({"proxy": "http://a:1/path"}, "proxy", "expected a proxy such as"),
        ({"proxy": "http://a"}, "proxy", "the port is missing"),
        ({"proxy": 1}, "proxy", "expected a proxy such as"),
        ({"send_proxy": "v1"}, "send_proxy", "does not reach the target through a proxy"),
        ({"domain_name": "a"}, "domain_name", "does not reach the target through a proxy"),
        ({"headers": {"HOST": "a"}}, "headers", "does not reach the target through a proxy"),
        ({"http_version": 2}, "http_version", "does not reach the target through a proxy"),
    ],
)
def test_what_does_not_fit_is_rejected(options: dict[str, Any], key: str, message: str) -> None:
    with pytest.raises(Rejected) as rejected:
        probe(**options)
    ((path, said),) = rejected.value.complaints
    assert (path, message in said) == ((key,), True), said


@pytest.mark.parametrize("kind", [HttpProbe, TlsProbe])
def test_credentials_without_a_proxy_are_rejected(kind: type[Probe]) -> None:
    with pytest.raises(Rejected, match="has no effect without proxy"):
        section(kind).read(AUTH, OUTSIDE)


def test_a_password_in_plain_text_is_rejected() -> None:
    with pytest.raises(Rejected, match="must not be written here"):
        probe(proxy_auth={"username": "u", "password": "s3cret"})


# In clear, the proxy is sent the whole URL


def test_the_proxy_is_sent_the_url_and_the_credentials() -> None:
    run = drive(probe(**AUTH, url_path="/a?b").bind(TARGET), OK)
    assert run.verdict[:2] == (Reason.OK, "HTTP 200")
    assert run.sent.startswith(
        b"GET http://192.0.2.80:8080/a?b HTTP/1.1\r\nHost: 192.0.2.80:8080\r"
    )
    assert BASIC.encode() in run.sent


@pytest.mark.parametrize(
    ("events", "reason", "detail"),
    [
        ([b"HTTP/1.1 503 Down\r\n\r\n"], Reason.UNEXPECTED_STATUS, "HTTP 503, expected 200"),
        ([b"HTTP/1.1 407 Who?\r\n\r\n"], FAILED, "the proxy answers 407 Who?"),
        ([b"SSH-2.0-x\r\n", END], FAILED, "the proxy: not a valid HTTP reply: it starts with"),
        ([END], FAILED, "the proxy: closed without a reply"),
        ([RESET], FAILED, "the proxy: the connection was reset"),
        ([DEADLINE], FAILED, "the proxy: no verdict before the deadline"),
        ([Trouble(Reason.STALLED, "paused")], Reason.STALLED, "paused"),
    ],
)
def test_what_the_proxy_itself_says(events: list[Event], reason: Reason, detail: str) -> None:
    verdict = drive(probe().bind(TARGET), *events).verdict
    assert verdict.reason is reason
    assert verdict.detail.startswith(detail)


def test_the_body_is_the_targets() -> None:
    start = probe(body_regex="x").bind(TARGET)
    verdict = drive(start, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", END).verdict
    assert verdict.reason is Reason.CLOSED


# For TLS, the proxy connects to the target


@pytest.mark.parametrize("kind", [HttpsProbe, TlsProbe])
def test_the_proxy_is_asked_to_connect(kind: type[Probe]) -> None:
    start = probe(kind, **AUTH, domain_name="a.example").bind(SECURE)
    run = drive(start, ESTABLISHED, SESSION, OK)
    head, _, inside = run.sent.decode().partition("\r\n\r\n")
    assert run.verdict.reason is Reason.OK
    assert head.startswith("CONNECT [2001:db8::80]:443 HTTP/1.1\r\nHost: [2001:db8::80]:443\r\n")
    assert BASIC in f"{head}\r\n"
    assert BASIC not in inside
    assert [each.server_name for each in run.handshakes] == ["a.example"]


@pytest.mark.parametrize(
    ("events", "reason", "detail"),
    [
        (
            [b"HTTP/1.1 502 Bad Gateway\r\n\r\n"],
            Reason.UNREACHABLE,
            "the proxy answers 502 Bad Gateway to CONNECT",
        ),
        (
            [b"HTTP/1.1 500 Unable to connect\r\n\r\n"],
            Reason.UNREACHABLE,
            "the proxy answers 500 Unable to connect to CONNECT",
        ),
        ([b"HTTP/1.1 500 Oops\r\n\r\n"], FAILED, "the proxy answers 500 Oops to CONNECT"),
        ([b"HTTP/1.0 503\r\n\r\n"], Reason.UNREACHABLE, "the proxy answers 503 to CONNECT"),
        ([b"HTTP/1.0 504 \x1b\r\n\r\n"], Reason.UNREACHABLE, "the proxy answers 504 \ufffd to"),
        ([b"HTTP/1.1 407 Who?\r\n\r\n"], FAILED, "the proxy answers 407 Who? to CONNECT"),
        ([b"HTTP/1.1 403 No\r\n\r\n"], FAILED, "the proxy answers 403 No to CONNECT"),
        ([b"HTTP/1.1 302 x\r\n\r\n"], FAILED, "the proxy answers 302 x to CONNECT"),
        ([ESTABLISHED + b"220 hello"], FAILED, "the proxy goes on with b'220 hello' after 200 "),
        ([b"\x15\x03\x01\0\2", END], FAILED, "the proxy: not a valid HTTP reply"),
        ([END], FAILED, "the proxy: closed without a reply"),
        ([DEADLINE], FAILED, "the proxy: no verdict before the deadline"),
        ([ESTABLISHED, RESET], Reason.RESET, "the connection was reset"),
        ([ESTABLISHED, DEADLINE], Reason.TIMEOUT, "no verdict before the deadline"),
        ([ESTABLISHED, SESSION, END], Reason.CLOSED, "closed without a reply"),
        ([ESTABLISHED, SESSION, b"SSH-2.0-x", END], Reason.BAD_RESPONSE, "not a valid HTTP reply"),
    ],
)
def test_a_failure_is_the_fault_of_the_proxy_or_of_the_target(
    events: list[Event], reason: Reason, detail: str
) -> None:
    verdict = drive(probe(HttpsProbe).bind(SECURE), *events).verdict
    assert verdict.reason is reason
    assert verdict.detail.startswith(detail), verdict


def test_http_2_goes_through_a_tunnel() -> None:
    run = drive(probe(HttpsProbe, http_version=2).bind(SECURE), ESTABLISHED, SESSION, DEADLINE)
    assert [each.alpn for each in run.handshakes] == [("h2",)]
    assert b"\r\n\r\nPRI * HTTP/2.0\r\n" in run.sent


# Redirects


def test_redirects_go_through_the_proxy_too() -> None:
    start = probe(follow_redirects=True, **AUTH, bearer={"file": "/word"}).bind(TARGET)
    run = drive(
        start,
        b"HTTP/1.1 302 Found\r\nLocation: http://b.example/x\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: https://c.example/y\r\n\r\n",
        ESTABLISHED,
        SESSION,
        OK,
    )
    assert run.verdict.reason is Reason.OK
    assert run.reconnects == [
        Reconnect(beyond=Target("b.example", 80)),
        Reconnect(beyond=Target("c.example", 443)),
    ]
    first, second, tunnel, inside = run.sent.decode().split("\r\n\r\n")[:4]
    assert "Authorization: Bearer s3cret" in first
    assert second.startswith("GET http://b.example/x HTTP/1.1\r\n")
    assert "Bearer" not in second
    assert BASIC in f"{second}\r\n"
    assert tunnel.startswith("CONNECT c.example:443 HTTP/1.1\r\n")
    assert inside.startswith("GET /y HTTP/1.1\r\nHost: c.example\r\n")
    assert "Proxy-Authorization" not in inside


def test_a_redirect_at_the_target_asks_the_proxy_anew() -> None:
    start = probe(HttpsProbe, follow_redirects=True).bind(SECURE)
    moved = b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n"
    run = drive(start, ESTABLISHED, SESSION, moved, ESTABLISHED, SESSION, OK)
    assert run.verdict.reason is Reason.OK
    assert run.reconnects == [Reconnect(beyond=SECURE)]
    assert run.sent.count(b"CONNECT [2001:db8::80]:443 ") == 2
