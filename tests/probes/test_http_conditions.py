"""HTTP: conditions on headers and bodies, credentials, and redirects."""

import gzip
import json

import pytest

from prober.model.option import ReadContext, Rejected, section, show_options
from prober.model.probe import Probe, Reconnect, Target
from prober.model.status import Reason
from prober.probes.http import HttpProbe, HttpsProbe
from tests.probes.drive import DEADLINE, END, SESSION, Event, Run, drive, judge

TARGET = Target("192.0.2.80", 8080)
OUTSIDE = ReadContext("/", {"/token": "t0p\n"}.__getitem__, {"KEY": "s3cret", "LINES": "a\nb"})
OK, MISMATCH, BROKEN = Reason.OK, Reason.PAYLOAD_MISMATCH, Reason.BAD_RESPONSE
UNEXPECTED = Reason.UNEXPECTED_STATUS


def probe(**options: object) -> Probe:
    return section(HttpProbe).read(options, OUTSIDE)


def https(**options: object) -> Probe:
    return section(HttpsProbe).read(options, OUTSIDE)


def reply(body: bytes = b"", status: int = 200, **headers: str) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode() + body


# Headers


@pytest.mark.parametrize(
    ("options", "detail"),
    [
        ({"expect_headers": {"X-Up": "^yes$"}}, ""),
        ({"expect_headers": {"x-up": "^yes$"}}, ""),
        ({"expect_headers": {"X-Up": "no"}}, "header X-Up does not match 'no'"),
        ({"expect_headers": {"X-Down": "."}}, "header X-Down is absent"),
        ({"expect_headers": {"Set-Cookie": "^b="}}, ""),
        ({"reject_headers": {"X-Up": "no"}}, ""),
        ({"reject_headers": {"X-Up": "yes"}}, "header X-Up matches 'yes'"),
        ({"reject_headers": {"X-Down": "."}}, ""),
        ({"reject_headers": {"Set-Cookie": "^b="}}, "header Set-Cookie matches '^b='"),
    ],
)
def test_headers_are_judged_by_pattern(options: dict[str, object], detail: str) -> None:
    content = reply(b"ok", X_Up="yes").replace(
        b"\r\n\r\n", b"\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n", 1
    )
    verdict = judge(probe(**options).bind(TARGET), content)
    assert verdict.reason is (MISMATCH if detail else OK)
    assert verdict.detail == (f"HTTP 200, {detail}" if detail else "HTTP 200")
    assert verdict.facts == {"http_status_code": 200, "http_version": 1.1}


def test_the_code_is_judged_before_the_headers() -> None:
    asked = probe(expect_headers={"X": "."})
    assert judge(asked.bind(TARGET), reply(status=503)).reason is UNEXPECTED


# Bodies


@pytest.mark.parametrize(
    ("options", "detail"),
    [
        ({"reject_body_regex": "error"}, ""),
        ({"reject_body_regex": "fine"}, "reject_body_regex matched in 8 bytes"),
        ({"body_regex": "fine", "reject_body_regex": "error"}, ""),
        (
            {"body_regex": "good", "reject_body_regex": "error"},
            "body_regex did not match in 8 bytes",
        ),
    ],
)
def test_bodies_must_not_match(options: dict[str, object], detail: str) -> None:
    verdict = judge(probe(**options).bind(TARGET), reply(b"all fine"))
    assert verdict.reason is (MISMATCH if detail else OK)
    assert verdict.detail == f"HTTP 200, {detail or 'as expected'}"


def test_json_is_judged_at_once_if_it_is_short_and_else_in_a_thread() -> None:
    asked = probe(expect_json=[{"path": "$.status", "equals": "ok"}])
    for size, threads in ((10, 0), (100_000, 1)):
        body = json.dumps({"status": "ok", "more": "x" * size}).encode()
        run = drive(asked.bind(TARGET), reply(body))
        assert (run.verdict.reason, run.in_threads) == (OK, threads)
    verdict = judge(asked.bind(TARGET), reply(b'{"status": "bad"}'))
    assert verdict.reason is MISMATCH
    assert verdict.detail == 'HTTP 200, $.status is "bad", expected "ok"'


def test_json_is_decoded_as_any_body() -> None:
    asked = probe(expect_json=[{"path": "$.a", "equals": "é"}])
    body = '{"a": "é"}'.encode()
    assert drive(asked.bind(TARGET), reply(body)).verdict.reason is OK
    zipped = reply(gzip.compress(body), Content_Encoding="gzip")
    assert drive(asked.bind(TARGET), zipped).verdict.reason is OK
    latin = reply('{"a": "é"}'.encode("latin-1"), Content_Type="text/plain; charset=latin-1")
    assert drive(asked.bind(TARGET), latin).verdict.reason is OK


@pytest.mark.parametrize(("limit", "longer"), [(12, False), (11, True)])
def test_a_longer_body_is_not_judged_as_json(limit: int, longer: bool) -> None:
    asked = probe(expect_json=[{"path": "$.a", "equals": "abcd"}], body_limit=limit)
    verdict = drive(asked.bind(TARGET), reply(b'{"a":"abcd"}')).verdict
    assert verdict.reason is (MISMATCH if longer else OK)
    assert verdict.detail.endswith(f"longer than {limit} bytes" if longer else "as expected")


def test_the_limit_of_the_body_depends_on_what_is_asked_of_it() -> None:
    assert show_options(probe())["body_limit"] == 65536
    assert show_options(probe(expect_json=[{"path": "$", "exists": True}]))["body_limit"] == 1 << 20


@pytest.mark.parametrize(
    ("end", "reason"), [(DEADLINE, MISMATCH), (END, Reason.CLOSED)], ids=["late", "closed"]
)
def test_a_body_that_is_not_whole_is_bad(end: Event, reason: Reason) -> None:
    asked = probe(expect_json=[{"path": "$.a", "equals": 1}])
    run = drive(asked.bind(TARGET), reply(b'{"a": 1}')[:-3], end)
    assert run.verdict.reason is reason


# Credentials


def test_credentials_are_sent_in_the_header_for_them() -> None:
    basic = probe(basic_auth={"username": "Aladdin", "password": {"env": "KEY"}})
    assert b"\r\nAuthorization: Basic QWxhZGRpbjpzM2NyZXQ=\r\n" in sent(basic)
    assert b"\r\nAuthorization: Bearer t0p\r\n" in sent(probe(bearer={"file": "token"}))


def sent(asked: Probe) -> bytes:
    return drive(asked.bind(TARGET), reply(b"ok")).sent


def test_credentials_are_never_shown() -> None:
    basic = probe(basic_auth={"username": "u", "password": {"env": "KEY"}})
    shown = json.dumps([show_options(basic), show_options(probe(bearer={"env": "KEY"}))])
    assert "s3cret" not in shown + repr(basic)
    assert shown.count("<secret>") == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"basic_auth": {"username": "u", "password": "clear"}}, "must not be written here"),
        ({"bearer": "clear"}, "must not be written here"),
        ({"bearer": {"env": "LINES"}}, "cannot contain control characters"),
        ({"basic_auth": {"username": "a:b", "password": {"env": "KEY"}}}, "without colons"),
        ({"basic_auth": {"username": "a"}}, "missing key 'password'"),
        (
            {"basic_auth": {"username": "u", "password": {"env": "KEY"}}, "bearer": {"env": "KEY"}},
            "cannot be sent together with basic_auth",
        ),
        (
            {"bearer": {"env": "KEY"}, "headers": {"authorization": {"env": "KEY"}}},
            "headers has an Authorization header as well",
        ),
        ({"expect_headers": {"a b": "."}}, "expected a header name"),
        ({"expect_headers": {"A": "."} | {"a": "."}}, "the same as 'A'"),
        ({"reject_headers": {"A": "("}}, "not a regular expression"),
        ({"reject_body_regex": "x", "http_method": "HEAD"}, "the reply to HEAD has no body"),
        (
            {"expect_json": [{"path": "$", "exists": True}], "http_method": "HEAD"},
            "the reply to HEAD has no body",
        ),
        ({"follow_redirects": 21}, "expected a whole number from 0 to 20"),
        ({"follow_redirects": "yes"}, "expected a whole number from 0 to 20"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(Rejected, match=message):
        probe(**options)


# Redirects


def moved(to: str, status: int = 302) -> bytes:
    return reply(b"gone", status, Location=to)


def follow(asked: Probe, *replies: bytes | object, target: Target = TARGET) -> Run:
    return drive(asked.bind(target), *replies)  # type: ignore[arg-type]  # bytes or sessions


def requests(run: Run) -> list[str]:
    """Return the request lines with the Host headers that were sent."""
    heads = run.sent.decode().split("\r\n\r\n")
    return [
        f"{head.splitlines()[0]} {next(line for line in head.splitlines() if 'Host:' in line)}"
        for head in heads
        if " HTTP/1" in head
    ]


def test_a_redirect_is_not_followed_unless_it_is_asked_for() -> None:
    assert follow(probe(), moved("/b")).verdict.reason is UNEXPECTED
    assert follow(probe(follow_redirects=False), moved("/b")).verdict.reason is UNEXPECTED


def test_a_redirect_within_the_host_stays_at_the_target() -> None:
    asked = probe(follow_redirects=True, domain_name="shop.example", url_path="/a/b?q")
    replies = [moved("c"), moved("//shop.example/d?x=1#f"), moved("http://Shop.example:80/e")]
    run = follow(asked, *replies, reply(b"ok"))
    assert run.verdict.detail == "HTTP 200"
    assert run.verdict.facts == {
        "http_status_code": 200,
        "http_version": 1.1,
        "http_redirects": 3,
    }
    assert run.reconnects == [Reconnect()] * 3
    assert requests(run) == [
        "GET /a/b?q HTTP/1.1 Host: shop.example",
        "GET /a/c HTTP/1.1 Host: shop.example",
        "GET /d?x=1 HTTP/1.1 Host: shop.example",
        "GET /e HTTP/1.1 Host: shop.example",
    ]


@pytest.mark.parametrize("host", ["0", "not a host", "[::1", "a..b", "-", "Shop.Example:99999"])
def test_whatever_the_host_header_is_a_relative_redirect_stays_at_the_target(host: str) -> None:
    run = follow(probe(follow_redirects=1, headers={"Host": host}), moved("/b"), reply())
    assert run.reconnects == [Reconnect()]
    assert requests(run)[1] == f"GET /b HTTP/1.1 Host: {host}"


def test_a_redirect_to_another_host_goes_there_and_may_come_back() -> None:
    asked = probe(follow_redirects=5, domain_name="shop.example")
    replies = [moved("http://other.example/x"), moved("y"), moved("http://shop.example/z")]
    run = follow(asked, *replies, reply(b"ok"))
    assert run.reconnects == [
        Reconnect(Target("other.example", 80)),
        Reconnect(),
        Reconnect(TARGET),
    ]
    assert requests(run)[1:] == [
        "GET /x HTTP/1.1 Host: other.example",
        "GET /y HTTP/1.1 Host: other.example",
        "GET /z HTTP/1.1 Host: shop.example",
    ]


def test_a_redirect_to_https_shakes_hands_with_the_other_name() -> None:
    run = follow(probe(follow_redirects=1), moved("https://shop.example/"), SESSION, reply(b"ok"))
    assert run.verdict.reason is OK
    assert [each.server_name for each in run.handshakes] == ["shop.example"]
    assert run.reconnects == [Reconnect(Target("shop.example", 443))]


def test_elsewhere_the_tls_settings_have_no_name_and_no_client_certificate() -> None:
    asked = https(
        follow_redirects=2,
        domain_name="shop.example",
        tls={"verify": True, "server_name": "front.example"},
    )
    replies = [SESSION, moved("/b"), SESSION, moved("https://other.example/"), SESSION, reply()]
    run = follow(asked, *replies)
    names = [each.server_name for each in run.handshakes]
    assert names == ["front.example", "front.example", "other.example"]
    assert all(each.settings.verify for each in run.handshakes)


def test_secrets_stay_with_their_host() -> None:
    asked = probe(
        follow_redirects=2,
        domain_name="shop.example",
        headers={"X-Plain": "seen", "X-Api-Key": "k3y", "X-Hidden": {"env": "KEY"}},
        bearer={"env": "KEY"},
    )
    run = follow(asked, moved("/b"), moved("http://other.example/"), reply())
    first, second, third, _ = run.sent.decode().split("\r\n\r\n")
    for request in (first, second):
        assert "Bearer s3cret" in request
        assert "X-Api-Key: k3y" in request
        assert "X-Hidden: s3cret" in request
    assert "s3cret" not in third
    assert "k3y" not in third
    assert "X-Plain: seen" in third


def test_a_secret_body_is_not_sent_to_another_host() -> None:
    asked = probe(follow_redirects=1, http_method="POST", body={"env": "KEY"})
    run = follow(asked, moved("http://other.example/", 307))
    assert run.verdict.reason is UNEXPECTED
    assert "a secret body is not sent" in run.verdict.detail
    run = follow(asked, moved("http://other.example/", 303), reply())
    assert run.verdict.reason is OK
    assert run.sent.count(b"s3cret") == 1


@pytest.mark.parametrize(
    ("method", "status", "second"),
    [
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("POST", 303, "GET"),
        ("PUT", 303, "GET"),
        ("HEAD", 303, "HEAD"),
        ("POST", 307, "POST"),
        ("POST", 308, "POST"),
        ("PUT", 302, "PUT"),
    ],
)
def test_a_redirect_may_change_the_method(method: str, status: int, second: str) -> None:
    asked = probe(follow_redirects=1, http_method=method, body="a=1")
    run = follow(asked, moved("/b", status), reply())
    assert f"a=1{second} /b HTTP/1.1\r\n".encode() in run.sent
    assert run.sent.count(b"a=1") == 1 + (second == method)


@pytest.mark.parametrize(
    ("replies", "detail", "followed"),
    [
        ([moved("/b"), moved("/c"), moved("/d")], "a redirect after 2 others, the limit", 2),
        ([moved("/b"), reply(status=503)], "HTTP 503, expected 200", 1),
        ([reply(status=302)], "HTTP 302, expected 200", 0),
        ([reply(status=304, Location="/x")], "HTTP 304, expected 200", 0),
    ],
)
def test_the_last_reply_is_judged(replies: list[bytes], detail: str, followed: int) -> None:
    run = follow(probe(follow_redirects=2), *replies)
    assert run.verdict.reason is UNEXPECTED
    assert detail in run.verdict.detail
    assert run.verdict.facts
    assert run.verdict.facts["http_redirects"] == followed


def test_https_is_not_left_for_http() -> None:
    asked = https(follow_redirects=True)
    run = follow(asked, SESSION, moved("http://192.0.2.80:8080/"))
    assert run.verdict.reason is UNEXPECTED
    assert "from https to http, which is not followed" in run.verdict.detail


@pytest.mark.parametrize(
    "location",
    ["ftp://a/", "http://[::1/", "mailto:a@b", "http://a:99999/", "//a..b/"],
)
def test_a_redirect_to_no_url_is_a_broken_reply(location: str) -> None:
    run = follow(probe(follow_redirects=True), moved(location))
    assert run.verdict.reason is BROKEN


def test_each_connection_of_a_chain_begins_with_the_header_of_the_proxy_protocol() -> None:
    asked = probe(follow_redirects=True, send_proxy="v1")
    run = follow(asked, moved("/b"), reply())
    assert run.sent.count(b"PROXY TCP4 ") == 2
