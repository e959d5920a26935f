"""Asking a daemon: `status` and `health`, the table, watching."""

import io
import json
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from prober.cli import main as cli
from prober.cli import status_view
from prober.cli.client import Unanswered
from prober.cli.terminal import columns, cut, table, wants_colour
from prober.model.status import Reason, Status
from prober.model.wording import clean, progress, result_words, span, took

NOW = 1_800_000_000.0
ESC = "\x1b"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


# Asking a daemon


def a_check(monitor: str, status: str = "OK", **changes: Any) -> dict[str, Any]:
    """Return a check as the API gives it."""
    last = {"result": "OK", "reason": "ok", "detail": "HTTP 200", "duration_seconds": 0.012}
    return {
        "monitor": monitor,
        "pool": "web",
        "load_balancer": "default",
        "backend": "10.0.0.3:80",
        "type": "HTTP",
        "status": status,
        "online": {"CRITICAL": False, "UNKNOWN": None}.get(status, True),
        "streak": 5,
        "rise": 2,
        "fall": 3,
        "since": "2027-01-15T07:56:48.000Z",
        "last": {**last, "http_status_code": 200},
        **changes,
    }


DISABLED = a_check("off", "UNKNOWN", streak=0, last={"result": "UNKNOWN", "reason": "disabled"})


def test_names_and_admin_states_are_shown() -> None:
    check = a_check("m", backend_name="one", admin={"state": "drain"})
    shown = status_view.row(check, 0.0)
    assert shown.backend == "10.0.0.3:80 (one)"
    assert shown.last == "drain; HTTP 200 in 12 ms"


class Api:
    """A daemon's API on a port of its own, and what it was asked."""

    def __init__(self) -> None:
        self.pages: list[list[dict[str, Any]]] = [[]]
        self.replies: dict[str, tuple[int, bytes]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.headers: Mapping[str, str] = {}
        self.url = ""

    def answer(self, target: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Return status and body for a request."""
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query))
        self.asked.append((parts.path, query))
        self.headers = headers
        if parts.path in self.replies:
            return self.replies[parts.path]
        if parts.path == "/-/healthy":
            return 200, b"ok\n"
        if parts.path == "/api/v1/status":
            itself = {"name": "vantage-1", "version": "0.1.0"}
            return 200, json.dumps({"status": "OK", "prober": itself}).encode()
        number = int(query.get("marker", "0"))
        following = str(number + 1) if number + 1 < len(self.pages) else None
        page = {"checks": self.pages[number], "next_marker": following}
        return 200, json.dumps(page).encode()


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = api.answer(self.path, dict(self.headers))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        api.url = f"http://127.0.0.1:{server.server_port}"
        yield api
        server.shutdown()
        thread.join()


def test_health_says_nothing_if_all_is_well(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["health"], {"PROBER_URL": api.url}) == 0
    assert capsys.readouterr() == ("", "")
    assert api.asked == [("/-/healthy", {})]


def test_health_says_what_is_wrong(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.replies["/-/healthy"] = 503, b"stalled"
    assert cli.main(["health", "--url", api.url], {}) == 1
    assert "/-/healthy: HTTP 503 Service Unavailable: stalled\n" in capsys.readouterr().err


def test_a_proxy_of_the_environment_is_not_used(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert cli.main(["health", "--url", api.url], {}) == 0


def test_a_password_in_the_url_is_sent_and_never_shown(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    api.replies["/-/healthy"] = 401, b""
    url = api.url.replace("http://", "http://me:s%40crecy@")
    assert cli.main(["health", "--url", url], {}) == 1
    assert api.headers["Authorization"] == f"Basic {b64encode(b'me:s@crecy').decode()}"
    assert "crecy" not in capsys.readouterr().err


def test_status_shows_problems_first(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.pages = [
        [a_check("b"), a_check("a"), a_check("u", "UNKNOWN", streak=-1)],
        [a_check("w", "WARNING", streak=-2), a_check("c", "CRITICAL", streak=1), DISABLED],
    ]
    assert cli.main(["status", "--url", api.url], {}) == 2
    title, gap, head, *rows = capsys.readouterr().out.splitlines()
    counts = "1 CRITICAL, 1 WARNING, 1 UNKNOWN, 2 OK, 1 disabled"
    assert title == f"CRITICAL  {counts}  (vantage-1, prober 0.1.0)"
    assert gap == ""
    assert head.split() == ["MONITOR", "BACKEND", "STATUS", "LAST", "RISE/FALL", "SINCE"]
    assert [row.split()[0] for row in rows] == ["c", "w", "off", "u", "a", "b"]
    assert "failing 2/3" in rows[1]
    assert len({row.index("10.0.0.3:80") for row in rows}) == 1


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["OK", "OK"], 0),
        (["OK", "WARNING", "UNKNOWN"], 1),
        (["WARNING", "CRITICAL", "UNKNOWN"], 2),
        (["OK", "UNKNOWN"], 3),
        ([], 3),
    ],
)
def test_status_exits_with_the_worst(api: Api, statuses: list[str], code: int) -> None:
    api.pages = [[a_check(f"m{i}", status) for i, status in enumerate(statuses)]]
    assert cli.main(["status", "--url", api.url], {}) == code
    assert cli.main(["status", "--url", api.url, "--json"], {}) == code


def test_a_disabled_check_is_shown_but_not_judged(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    api.pages = [[a_check("m"), DISABLED]]
    assert cli.main(["status", "--url", api.url], {}) == 0
    assert "disabled" in capsys.readouterr().out


def test_status_asks_for_one_pool_and_one_monitor(api: Api) -> None:
    api.pages = [[a_check("m")], [a_check("n")]]
    cli.main(["status", "--url", api.url, "--pool", "a b", "--monitor", "m&n"], {})
    wanted = {"pool": "a b", "monitor": "m&n"}
    assert api.asked[1:] == [
        ("/api/v1/checks", wanted),
        ("/api/v1/checks", {**wanted, "marker": "1"}),
    ]


def test_status_names_what_has_no_checks(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.pages = [[]]
    assert cli.main(["status", "--url", api.url, "--pool", "nope"], {}) == 3
    assert capsys.readouterr().out.startswith("UNKNOWN  no checks of pool 'nope'  (")


def test_status_prints_the_checks_as_the_api_gives_them(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    api.pages = [[a_check("m")], [a_check("n\x7f\x1b")]]
    assert cli.main(["status", "--json"], {"PROBER_URL": api.url}) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"checks": [*api.pages[0], *api.pages[1]]}
    assert printed.rstrip("\n").isprintable()


@pytest.mark.parametrize(
    ("path", "reply", "message"),
    [
        ("/api/v1/status", (404, b""), "HTTP 404"),
        ("/api/v1/status", (200, b"<html>"), "not JSON"),
        ("/api/v1/status", (200, b"[]"), "is this a prober?"),
        ("/api/v1/status", (200, b'{"prober": {}}'), "is this a prober?"),
        ("/api/v1/checks", (200, b"{}"), "is this a prober?"),
        ("/api/v1/checks", (200, b'{"checks": [{"monitor": 1}]}'), "is this a prober?"),
        ("/api/v1/checks", (500, b""), "HTTP 500"),
    ],
)
def test_what_does_not_answer_as_a_daemon_is_unknown(
    api: Api, path: str, reply: tuple[int, bytes], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    api.replies[path] = reply
    assert cli.main(["status", "--url", api.url], {}) == 3
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""


def test_a_daemon_that_is_away_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--url", "127.0.0.1:1"], {}) == 3
    assert capsys.readouterr().err == (
        "prober status: cannot reach the daemon: http://127.0.0.1:1: connection refused; "
        "is prober running? --url says where to look\n"
    )


def test_paging_ends_even_if_the_marker_never_does(api: Api) -> None:
    page = {"checks": [a_check("m")], "next_marker": "again"}
    api.replies["/api/v1/checks"] = 200, json.dumps(page).encode()
    assert cli.main(["status", "--url", api.url], {}) == 0


# The table


@pytest.mark.parametrize(
    ("last", "text"),
    [
        (None, "not probed yet"),
        ({"reason": "disabled"}, "disabled"),
        ({"reason": "unexpected_status", "http_status_code": 503}, "HTTP 503 in 12 ms"),
        ({"reason": "slow", "http_status_code": 200}, "HTTP 200 (slow) in 12 ms"),
        ({"reason": "refused"}, "refused in 12 ms"),
        ({"reason": "ok"}, "ok in 12 ms"),
        ({"reason": "ok", "of_another_version": 7}, "ok in 12 ms"),
    ],
)
def test_the_last_result_is_written_as_haproxy_writes_it(
    last: dict[str, Any] | None, text: str
) -> None:
    check = a_check("m", last=last and {"duration_seconds": 0.0121, **last})
    assert status_view.row(check, NOW).last.startswith(text)


@pytest.mark.parametrize(
    ("type_name", "last", "text"),
    [
        ("GRPC", {"grpc_status_code": 0, "grpc_serving_status": "SERVING"}, "gRPC SERVING"),
        ("GRPC", {"grpc_status_code": 12, "tls_version": "TLSv1.3"}, "gRPC code 12 in 12 ms"),
        ("TLS", {"tls_version": "TLSv1.3"}, "TLSv1.3 in 12 ms"),
        ("OF_ANOTHER_VERSION", {"tls_version": "TLSv1.3"}, "ok in 12 ms"),
    ],
)
def test_each_type_says_its_most_telling_fact(
    type_name: str, last: dict[str, Any], text: str
) -> None:
    check = a_check("m", type=type_name, last={"reason": "ok", "duration_seconds": 0.0121, **last})
    assert status_view.row(check, NOW).last.startswith(text)


@pytest.mark.parametrize(
    ("online", "streak", "text"),
    [
        (True, 5, ""),
        (True, -2, "failing 2/3"),
        (False, -9, ""),
        (False, 1, "rising 1/2"),
        (None, 0, ""),
        (None, 1, "rising 1/2"),
        (None, -1, "failing 1/3"),
    ],
)
def test_progress_is_how_far_a_check_is_on_its_way(
    online: bool | None, streak: int, text: str
) -> None:
    assert progress(online=online, streak=streak, rise=2, fall=3) == text


def a_view(*checks: dict[str, Any]) -> status_view.StatusView:
    return status_view.StatusView("vantage-1, prober 0.1.0", checks)


def test_nothing_from_outside_reaches_the_terminal_raw() -> None:
    nasty = f"a{ESC}[2J\x07\n\x7f\x9b\u2028\u202eb"
    last = {"reason": f"x{ESC}c", "duration_seconds": 1.0}
    view = a_view(a_check(nasty, backend=nasty, last=last))
    shown = status_view.lines(view, now=NOW, width=None, colour=False)
    assert all(line.isprintable() for line in shown)
    assert "a\\x1b[2J\\x07\\n\\x7f\\x9b\\u2028\\u202eb" in shown[-1]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_table_fits_the_width_and_keeps_statuses_whole(width: int) -> None:
    view = a_view(a_check("m" * 255, "CRITICAL", backend="h" * 253 + ":80"), a_check("n" * 40))
    shown = status_view.lines(view, now=NOW, width=width, colour=False)
    assert max(map(columns, shown)) <= width
    assert " CRITICAL " in shown[-2]
    assert "…" in shown[-2]


def test_a_result_is_cut_before_its_monitor_and_backend() -> None:
    backend = "name-of-some-length.example:8080"
    check = a_check("web-http", backend=backend, last=a_check("a")["last"])
    check["last"] |= {"reason": "x" * 40}
    narrow = status_view.lines(a_view(check), now=NOW, width=85, colour=False)[-1]
    assert narrow.startswith(f"web-http  {backend}  OK ")
    assert "…" in narrow


def test_wide_characters_keep_their_columns() -> None:
    shown = table([("主机组", "a"), ("web", "b"), ("e\u0301", "c")], width=None, colour=False)
    assert [columns(line.rpartition("  ")[0]) for line in shown] == [6, 6, 6]
    assert cut("主机组", 4) == "主…"


def test_a_status_has_its_colour_and_stays_a_word() -> None:
    view = a_view(a_check("m", "CRITICAL"))
    shown = status_view.lines(view, now=NOW, width=None, colour=True)
    assert shown[0].startswith(f"{ESC}[1;31mCRITICAL{ESC}[0m  1 CRITICAL")
    assert f"{ESC}[1;31mCRITICAL{ESC}[0m" in shown[-1]


@pytest.mark.parametrize(
    ("stream", "environment", "wanted"),
    [
        (io.StringIO(), {}, False),
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
    ],
)
def test_colours_need_a_terminal_and_nobody_who_declines(
    stream: io.StringIO, environment: Mapping[str, str], wanted: bool
) -> None:
    assert wants_colour(stream, environment) is wanted


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0s"), (12.9, "12s"), (192, "3m12s"), (7500, "2h05m"), (356400, "4d03h")],
)
def test_a_span_is_written_for_a_glance(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0004, "0.4 ms"), (0.0123, "12 ms"), (0.5, "500 ms"), (2, "2.0 s")]
)
def test_a_duration_has_a_unit(seconds: float, text: str) -> None:
    assert took(seconds) == text


@pytest.mark.parametrize(
    ("reason", "facts", "words"),
    [
        (Reason.OK, "HTTP 204", "HTTP 204 in 3.3 ms"),
        (Reason.UNEXPECTED_STATUS, "HTTP 503", "HTTP 503 in 3.3 ms"),
        (Reason.SLOW, "HTTP 200", "HTTP 200 (slow) in 3.3 ms"),
        (Reason.TLS_HANDSHAKE, "", "TLS handshake failed in 3.3 ms"),
        (Reason.EXPIRES_SOON, "TLSv1.3", "TLSv1.3 (expires soon) in 3.3 ms"),
        ("of_another_version", "", "of another version in 3.3 ms"),
    ],
)
def test_a_result_in_words_does_not_sound_like_another(reason: str, facts: str, words: str) -> None:
    assert result_words(reason, facts, 0.0033) == words


def test_text_that_prints_is_left_alone() -> None:
    assert clean("web-1 主机 é") == "web-1 主机 é"


# Watching


def watch(out: io.StringIO, *looks: object, as_json: bool = False) -> Status:
    """Watch what each look gives or raises, then press Ctrl-C."""
    remaining = iter(looks)
    slept: list[float] = []

    def look() -> status_view.StatusView:
        found = next(remaining)
        if isinstance(found, status_view.StatusView):
            return found
        raise Unanswered(str(found))

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == len(looks):
            raise KeyboardInterrupt

    screen = status_view.Screen(out, colour=False, as_json=as_json, wall=lambda: NOW)
    status = status_view.watch(look, screen, interval=1.5, sleep=sleep)
    assert set(slept) == {1.5}
    return status


def test_watching_outlives_the_daemon_and_keeps_what_it_said_last() -> None:
    out = io.StringIO()
    view = a_view(a_check("m", "WARNING"))
    assert watch(out, "connection refused", view, f"gone{ESC}") is Status.WARNING
    away = "cannot reach the daemon, retrying: "
    first, *seen, last = out.getvalue().split(away)
    assert first == ""
    assert seen[0].startswith("connection refused\nWARNING  0 CRITICAL, 1 WARNING")
    assert last.startswith("gone\\x1b\nWARNING  ")


def test_watching_what_never_answers_ends_unknown() -> None:
    assert watch(io.StringIO(), "connection refused") is Status.UNKNOWN


def test_a_terminal_is_redrawn_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "5")
    out = Terminal()
    checks = [a_check(f"monitor-{i}") for i in range(9)]
    assert watch(out, a_view(*checks), a_view(*checks)) is Status.OK
    frames = out.getvalue().split(f"{ESC}[H")[1:]
    assert len(frames) == 2
    assert frames[0].count("\n") == 4
    assert frames[0].endswith(f"... 8 more{ESC}[K{ESC}[J{ESC}[?7h{ESC}[?7l")
    assert frames[1].endswith(f"{ESC}[0m{ESC}[?7h\n")


def test_watching_as_json_gives_one_line_for_each_look() -> None:
    out = io.StringIO()
    watch(out, a_view(a_check("m")), "connection refused", as_json=True)
    first, second = map(json.loads, out.getvalue().splitlines())
    assert first["checks"][0]["monitor"] == "m"
    assert "connection refused" in second["error"]
