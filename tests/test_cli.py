"""The command line: flags and variables, exit codes, what is printed."""

import io
import json
import os
import socket
import subprocess
import sys
import threading
from argparse import ArgumentTypeError, Namespace
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
import yaml

from prober import __version__, cli, flags, overview, trial
from prober.client import Unanswered
from prober.flags import Flag
from prober.model.kinds import Frozen, Secret
from prober.model.monitor import Check, Model, Monitor
from prober.model.option import Complaint, Rejected
from prober.model.pool import Backend, Pool
from prober.model.status import Fact, Outcome, Reason, Status
from prober.model.tls import TlsSettings
from prober.model.wording import clean, progress, result_words, span, took
from prober.probes.http import HttpProbe
from prober.probes.tcp import TcpProbe
from prober.probes.tls import TlsProbe
from prober.probes.udp import UdpProbe
from prober.surprises import surprises
from prober.terminal import columns, cut, table, wants_colour
from tests.running import prober

NOW = 1_800_000_000.0
ESC = "\x1b"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


# Flags and variables


def read(flag: Flag, given: object, environment: Mapping[str, str]) -> object:
    options = Namespace(**{flag.key: given})
    flags.complete(options, [flag], environment)
    return getattr(options, flag.key)


@pytest.mark.parametrize(
    ("given", "environment", "value"),
    [
        (None, {}, "info"),
        (None, {"PROBER_LOG_LEVEL": ""}, "info"),
        (None, {"PROBER_LOG_LEVEL": "debug"}, "debug"),
        ("error", {"PROBER_LOG_LEVEL": "debug"}, "error"),
    ],
)
def test_a_flag_beats_its_variable_and_the_variable_the_default(
    given: str | None, environment: Mapping[str, str], value: str
) -> None:
    assert read(cli.LOG_LEVEL, given, environment) == value


def test_a_variable_may_hold_several_values() -> None:
    found: Any = read(cli.LISTEN, None, {"PROBER_LISTEN": "127.0.0.1:1, [::1]:2,"})
    assert [str(each) for each in found] == ["127.0.0.1:1", "[::1]:2"]
    pairs = read(cli.SET, None, {"PROBER_SET": "expected_codes=200,204\ntls.verify=true"})
    assert pairs == ["expected_codes=200,204", "tls.verify=true"]


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("TRUE", True), ("on", True), ("0", False), ("No", False)]
)
def test_a_switch_is_set_by_a_word(text: str, value: bool) -> None:
    assert read(cli.WATCH, None, {"PROBER_WATCH": text}) is value


def test_a_switch_on_the_command_line_beats_one_in_the_environment() -> None:
    assert read(cli.WATCH, False, {"PROBER_WATCH": "1"}) is False


@pytest.mark.parametrize(
    ("arguments", "variable", "text"),
    [
        (["run"], "PROBER_LISTEN", "7762"),
        (["run"], "PROBER_LOG_FORMAT", "xml"),
        (["run"], "PROBER_LOG_LEVEL", "loud"),
        (["run"], "PROBER_ALLOW_SHRINK", "maybe"),
        (["status"], "PROBER_INTERVAL", "nan"),
        (["health"], "PROBER_URL", "ftp://a"),
    ],
)
def test_a_wrong_variable_is_bad_usage_that_names_it(
    arguments: list[str], variable: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments, {variable: text})
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert variable in error
    assert repr(text) in error


def test_a_variable_of_another_command_does_not_matter(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["health", "--url", "http://127.0.0.1:1"], {"PROBER_INTERVAL": "nan"}) == 1
    assert "refused" in capsys.readouterr().err


def test_a_file_without_its_flag_is_told_the_flag(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, hint in (
        (["check", "a.yaml"], "unrecognized arguments: a.yaml; did you mean --config a.yaml?\n"),
        (["check", "--a"], "unrecognized arguments: --a\n"),
        (["health", "a.yaml"], "unrecognized arguments: a.yaml\n"),
        (["probe", "tcp", "a:1", "b:1"], "unrecognized arguments: b:1\n"),
    ):
        with pytest.raises(SystemExit) as stop:
            cli.main(arguments, {})
        assert stop.value.code == 2
        shown = capsys.readouterr().err
        assert shown.startswith(f"usage: prober {arguments[0]} [")
        assert shown.endswith(hint)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["unknown"],
        ["run", "--listen", "7762"],
        ["run", "--listen", "::1:7762"],
        ["run", "--listen", "a:65536"],
        ["run", "--log", "json"],
        ["status", "--interval", "0"],
        ["status", "--url", "http://a b"],
        ["probe"],
        ["probe", "TCP"],
        ["probe", "TCP", "a:1", "--monitor", "m"],
        ["probe", "--monitor", "m", "--set", "a=b"],
    ],
)
def test_bad_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments, {})
    assert stop.value.code == 2
    assert "usage: prober" in capsys.readouterr().err


def test_the_monitor_of_the_environment_gives_way_to_a_target() -> None:
    _, options = cli._parse(["probe", "tcp", "a:1"], {"PROBER_MONITOR": "m"})
    assert (options.type, options.target) == ("TCP", "a:1")
    _, options = cli._parse(["probe"], {"PROBER_MONITOR": "m"})
    assert (options.type, options.monitor) == (None, "m")


COMMANDS = {
    "run": "--config --listen --state-dir --log-format --log-level --allow-shrink",
    "demo": "--listen --log-format --log-level",
    "check": "--config",
    "plan": "--config --url --json",
    "schema": "",
    "probe": "--set --monitor --config",
    "status": "--url --json --watch --interval --pool --monitor",
    "health": "--url",
}


@pytest.mark.parametrize(("name", "names"), COMMANDS.items())
def test_the_help_of_a_command_names_its_flags_and_their_variables(
    name: str, names: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main([name, "--help"], {})
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    for flag in names.split():
        assert flag in shown
        assert f"PROBER_{flag[2:].replace('-', '_').upper()}]" in shown


def test_the_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"], {})
    shown = capsys.readouterr().out
    assert [command.name for command in cli.COMMANDS] == list(COMMANDS)
    assert all(f"    {command.name} " in shown for command in cli.COMMANDS)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("127.0.0.1:7762", "http://127.0.0.1:7762"),
        ("https://prober.example/base/", "https://prober.example/base"),
        ("[::1]:7762", "http://[::1]:7762"),
    ],
)
def test_a_url_may_leave_out_its_scheme(text: str, url: str) -> None:
    assert flags.daemon_url(text) == url


@pytest.mark.parametrize("text", ["", "http://", "a:b:c", "http://a:99999", "file:///etc/passwd"])
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        flags.daemon_url(text)


# The process


def python(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["health", "--url", "http://127.0.0.1:1"]]
)
def test_what_must_start_fast_loads_nothing_but_the_standard_library(arguments: list[str]) -> None:
    done = python(f"""
import sys
before = set(sys.modules)
from prober.cli import main
try:
    main({arguments!r}, {{}})
except SystemExit:
    pass
loaded = {{name for name in set(sys.modules) - before if not name.startswith("_")}}
own = {{name for name in loaded if name.split(".")[0] == "prober"}}
strange = {{name.split(".")[0] for name in loaded - own}} - sys.stdlib_module_names
print(sorted(strange), sorted(own), file=sys.stderr)
""")
    strange, own = done.stderr.splitlines()[-1].split("] [")
    assert strange == "["
    allowed = {"", ".cli", ".client", ".flags", ".terminal"}
    allowed |= {".model", ".model.status", ".model.wording"}
    assert {f"prober{name}" for name in allowed} >= set(own.strip("]").replace("'", "").split(", "))


def test_the_daemon_starts_without_the_authorities_of_this_system() -> None:
    done = python("""
import os
os.environ["SSL_CERT_FILE"] = "/somewhere"
before = dict(os.environ)
from prober import cli
assert cli.main(["run", "--config", "/nowhere"], {}) == 2
assert os.environ == before
from aiohttp import connector
print(connector._SSL_CONTEXT_VERIFIED.cert_store_stats()["x509_ca"])
""")
    assert done.stdout == "0\n", done.stderr


def test_the_version_is_printed() -> None:
    module = "runpy.run_module('prober', run_name='__main__')"
    done = python(f"import runpy, sys; sys.argv[1:] = ['--version']; {module}")
    assert done.stdout == f"prober {__version__}\n"


def test_a_reader_that_leaves_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    code = "import sys; from prober.cli import main; sys.exit(main(['--help']))"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdout=writing,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": ""},
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_changes_no_exit_code_and_becomes_no_socket(closed: str) -> None:
    code = """
import os, sys
from prober.cli import main
code = main(["check", "--config", "/nowhere"])
sys.exit(code if os.open(os.devnull, os.O_RDONLY) > 2 else 1)
"""
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", code]
    done = subprocess.run(shell, capture_output=True, timeout=60, check=False)
    assert (done.returncode, b"Traceback" in done.stderr) == (2, False)


def test_what_an_encoding_does_not_know_is_printed_in_escapes(tmp_path: Path) -> None:
    path = tmp_path / "prober.yaml"
    path.write_text("monitors:\n  - {name: a, type: TCP, pool: w\u00ebb}\n", "utf-8")
    done = prober("check", "--config", str(path), PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert done.stdout == f"{path}:2: monitors[0].pool: unknown pool 'w\\xebb'\n"
    assert done.stderr == ""


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
        "prober status: cannot ask the daemon: http://127.0.0.1:1: connection refused\n"
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
        ({"reason": "ok", "grpc_status_code": 0, "grpc_serving_status": "SERVING"}, "gRPC SERVING"),
        ({"reason": "unexpected_status", "grpc_status_code": 12}, "gRPC code 12 in 12 ms"),
        ({"reason": "expires_soon", "tls_version": "TLSv1.3"}, "TLSv1.3 (expires soon) in 12 ms"),
    ],
)
def test_the_last_result_is_written_as_haproxy_writes_it(
    last: dict[str, Any] | None, text: str
) -> None:
    check = a_check("m", last=last and {"duration_seconds": 0.0121, **last})
    assert overview.row(check, NOW).last.startswith(text)


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


def a_view(*checks: dict[str, Any]) -> overview.View:
    return overview.View("vantage-1, prober 0.1.0", checks)


def test_nothing_from_outside_reaches_the_terminal_raw() -> None:
    nasty = f"a{ESC}[2J\x07\n\x7f\x9b\u2028\u202eb"
    last = {"reason": f"x{ESC}c", "duration_seconds": 1.0}
    view = a_view(a_check(nasty, backend=nasty, last=last))
    shown = overview.lines(view, now=NOW, width=None, colour=False)
    assert all(line.isprintable() for line in shown)
    assert "a\\x1b[2J\\x07\\n\\x7f\\x9b\\u2028\\u202eb" in shown[-1]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_table_fits_the_width_and_keeps_statuses_whole(width: int) -> None:
    view = a_view(a_check("m" * 255, "CRITICAL", backend="h" * 253 + ":80"), a_check("n" * 40))
    shown = overview.lines(view, now=NOW, width=width, colour=False)
    assert max(map(columns, shown)) <= width
    assert " CRITICAL " in shown[-2]
    assert "…" in shown[-2]


def test_what_was_found_is_cut_before_what_it_was_found_of() -> None:
    backend = "name-of-some-length.example:8080"
    check = a_check("web-http", backend=backend, last=a_check("a")["last"])
    check["last"] |= {"reason": "x" * 40}
    narrow = overview.lines(a_view(check), now=NOW, width=85, colour=False)[-1]
    assert narrow.startswith(f"web-http  {backend}  OK ")
    assert "…" in narrow


def test_wide_characters_keep_their_columns() -> None:
    shown = table([("主机组", "a"), ("web", "b"), ("e\u0301", "c")], width=None, colour=False)
    assert [columns(line.rpartition("  ")[0]) for line in shown] == [6, 6, 6]
    assert cut("主机组", 4) == "主…"


def test_a_status_has_its_colour_and_stays_a_word() -> None:
    view = a_view(a_check("m", "CRITICAL"))
    shown = overview.lines(view, now=NOW, width=None, colour=True)
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
        (Reason.OK, {"http_status_code": 204}, "HTTP 204 in 3.3 ms"),
        (Reason.UNEXPECTED_STATUS, {"http_status_code": 503}, "HTTP 503 in 3.3 ms"),
        (Reason.SLOW, {"http_status_code": 200}, "HTTP 200 (slow) in 3.3 ms"),
        (Reason.TLS_HANDSHAKE, {}, "TLS handshake failed in 3.3 ms"),
        (Reason.EXPIRES_SOON, {"tls_version": "TLSv1.3"}, "TLSv1.3 (expires soon) in 3.3 ms"),
    ],
)
def test_a_result_in_words_does_not_sound_like_another(
    reason: Reason, facts: Mapping[str, object], words: str
) -> None:
    assert result_words(reason, facts, 0.0033) == words


def test_text_that_prints_is_left_alone() -> None:
    assert clean("web-1 主机 é") == "web-1 主机 é"


# Watching


def watch(out: io.StringIO, *looks: object, as_json: bool = False) -> Status:
    """Watch what each look gives or raises, then press Ctrl-C."""
    remaining = iter(looks)
    slept: list[float] = []

    def look() -> overview.View:
        found = next(remaining)
        if isinstance(found, overview.View):
            return found
        raise Unanswered(str(found))

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == len(looks):
            raise KeyboardInterrupt

    screen = overview.Screen(out, colour=False, as_json=as_json, wall=lambda: NOW)
    status = overview.watch(look, screen, interval=1.5, sleep=sleep)
    assert set(slept) == {1.5}
    return status


def test_watching_outlives_the_daemon_and_keeps_what_it_said_last() -> None:
    out = io.StringIO()
    view = a_view(a_check("m", "WARNING"))
    assert watch(out, "connection refused", view, f"gone{ESC}") is Status.WARNING
    away = "cannot ask the daemon, trying again: "
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


# One probe


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("no", False),
        ("5", 5),
        ("0.5", 0.5),
        ("500ms", "500ms"),
        ("200,202", "200,202"),
        ("200-204,301", "200-204,301"),
        ("null", None),
        ("", ""),
        ("2026-01-31", "2026-01-31"),
        ("status: up", "status: up"),
        ("a # b", "a # b"),
        ("^[a-z]+$", "^[a-z]+$"),
        ("[a-z]+", "[a-z]+"),
        ("*", "*"),
        ("=", "="),
        ('"5"', "5"),
        ("[a:1, b:2]", ["a:1", "b:2"]),
        ('{"text": "PING\\r\\n"}', {"text": "PING\r\n"}),
    ],
)
def test_a_setting_is_a_scalar_as_in_yaml_or_json(text: str, value: object) -> None:
    assert trial.setting_value(text) == value


def test_dots_in_a_setting_go_deeper() -> None:
    pairs = ["tls.verify=true", "headers.X-Token=a=b", "tls.alpn=[h2]", "rise=1"]
    assert trial.settings(pairs) == {
        "tls": {"verify": True, "alpn": ["h2"]},
        "headers": {"X-Token": "a=b"},
        "rise": 1,
    }


@pytest.mark.parametrize("pairs", [["rise"], ["=1"], ["tls.=1"], [".a=1"], ["tls=1", "tls.a=1"]])
def test_what_is_no_setting_is_refused(pairs: list[str]) -> None:
    with pytest.raises(Rejected):
        trial.settings(pairs)


def refusing(*complaints: Complaint) -> Any:
    def read(_: object) -> Monitor:
        raise Rejected(*complaints)

    return read


@pytest.mark.parametrize(
    ("kind", "target", "complaint", "message"),
    [
        ("TCP", "a:1", Complaint((), "wrong"), "wrong"),
        ("TCP", "a:1", Complaint(("type",), "wrong"), "TYPE: wrong"),
        ("TCP", "a:1", Complaint(("tls", "verify"), "wrong"), "--set tls.verify: wrong"),
        ("TCP", "a", Complaint(("targets", 0), "wrong"), "TARGET: wrong"),
        ("HTTP", "a", Complaint(("targets", 0), "wrong"), "TARGET: wrong; say, a:80"),
        ("TLS", "a", Complaint(("targets", 0), "wrong"), "TARGET: wrong; say, a:443"),
        ("TLS", "a:b", Complaint(("targets", 0), "wrong"), "TARGET: wrong"),
        (
            "HTTP",
            "https://a.b/c",
            Complaint(("targets", 0), "wrong"),
            "TARGET: wrong; not a URL but, say, HTTPS a.b:443 --set url_path=/c",
        ),
        ("HTTP", "http://[x/", Complaint(("targets", 0), "wrong"), "TARGET: wrong"),
    ],
)
def test_complaints_say_where_on_the_command_line_they_belong(
    kind: str, target: str, complaint: Complaint, message: str
) -> None:
    with pytest.raises(Rejected) as rejected:
        trial.checks_of(kind, target, {}, refusing(complaint))
    assert str(rejected.value) == message


def test_the_command_line_is_read_as_a_monitor_of_the_configuration() -> None:
    given: list[object] = []

    def read(value: object) -> Monitor:
        given.append(value)
        return a_monitor()

    [check] = trial.checks_of("TCP", "10.0.0.3:80", {"rise": 1}, read)
    target = "10.0.0.3:80"
    assert given == [{"name": f"TCP {target}", "type": "TCP", "targets": [target], "rise": 1}]
    assert str(check.target) == "10.0.0.3:80"


def a_monitor(**changes: Any) -> Monitor:
    options = {
        "name": "m",
        "type": "TCP",
        "targets": (Backend(address="10.0.0.3", port=80),),
        "probe": TcpProbe(),
    }
    return Monitor(**{**options, **changes})


def test_a_monitor_is_found_by_its_name() -> None:
    backends = (Backend(address="10.0.0.3", port=80), Backend(address="10.0.0.4", port=80))
    pool = Pool(name="web", backends=backends)
    monitors = (a_monitor(name="web-tcp", targets=(), pool="web"), a_monitor())
    model = Model(monitors, (pool, Pool(name="m", backends=backends[:1])))
    assert [check.backend for check in trial.named_checks(model, "web-tcp")] == [*backends]
    with pytest.raises(Rejected, match="did you mean 'web-tcp'"):
        trial.named_checks(model, "webtcp")


def an_outcome(reason: Reason, **facts: Fact) -> Outcome:
    return Outcome(reason, f"found {reason}", facts, at=NOW, seconds=0.25)


@pytest.mark.parametrize(
    ("outcome", "changes", "status"),
    [
        (an_outcome(Reason.OK), {}, Status.OK),
        (an_outcome(Reason.SILENT), {}, Status.OK),
        (an_outcome(Reason.OK), {"slow": 0.2}, Status.WARNING),
        (an_outcome(Reason.OK), {"slow": 0.3}, Status.OK),
        (an_outcome(Reason.REFUSED), {"slow": 0.2}, Status.CRITICAL),
        (an_outcome(Reason.NO_DESCRIPTORS), {}, Status.UNKNOWN),
        (
            an_outcome(Reason.OK, tls_not_after=NOW + 86400),
            {"probe": TlsProbe(tls=TlsSettings(expires_within=2 * 86400))},
            Status.WARNING,
        ),
    ],
)
def test_one_probe_is_judged_by_itself(
    outcome: Outcome, changes: dict[str, Any], status: Status
) -> None:
    assert trial.judge(a_monitor(**changes), outcome)[0] is status


async def test_each_step_of_a_probe_is_printed_with_its_time() -> None:
    async def probe(_: Check, trace: trial.Trace) -> Outcome:
        trace("resolve", 0.0, "10.0.0.3 (literal)")
        trace("first_byte", 0.012345, f"x{ESC}")
        trace("send", 1.5, "")
        return an_outcome(Reason.REFUSED)

    monitor = a_monitor()
    check = Check(monitor, Pool(name="m"), monitor.targets[0])
    written: list[str] = []
    assert await trial.run([check], probe, written.append, colour=False) is Status.CRITICAL
    assert written == [
        "    0.000 ms  resolve     10.0.0.3 (literal)",
        "   12.345 ms  first byte  x\\x1b",
        " 1500.000 ms  send",
        "CRITICAL  CONNECT_FAILED (refused): found refused, in 250.0 ms",
    ]


async def test_of_several_backends_the_worst_counts() -> None:
    async def probe(check: Check, _: trial.Trace) -> Outcome:
        return an_outcome(Reason.OK if check.backend.port == 80 else Reason.REFUSED)

    backends = [Backend(address="10.0.0.3", port=port) for port in (80, 81)]
    checks = [Check(a_monitor(), Pool(name="m"), backend) for backend in backends]
    written: list[str] = []
    assert await trial.run(checks, probe, written.append, colour=True) is Status.CRITICAL
    assert written[0] == "m on 10.0.0.3:80"
    assert written[1].startswith(f"{ESC}[32mOK{ESC}[0m  found ok, in ")
    assert written[3].startswith(f"{ESC}[1;31mCRITICAL{ESC}[0m  CONNECT_FAILED (refused): ")


# Commands that read a configuration

ready = pytest.mark.skipif(
    not (find_spec("prober.config") and find_spec("prober.engine")),
    reason="the floors below are not there yet",
)

GOOD = """\
server: {state_dir: /var/lib/prober}
monitors:
  - {name: web, type: TCP, targets: ["10.0.0.3:80", "10.0.0.4:80"], interval: 4s, timeout: 5s}
"""
BAD = """\
monitors:
  - name: web
    type: TPC
    targets: ["10.0.0.3:80"]
  - {name: web2, type: TCP, targets: ["10.0.0.3:80"], intervall: 5s}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        file = tmp_path / "prober.yaml"
        file.write_text(text, encoding="utf-8")
        return str(file)

    return write


@ready
def test_check_prints_every_problem(
    write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(BAD)
    assert cli.main(["check", "--config", path], {}) == 2
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{path}:3: monitors[0].type: ")
    assert second.startswith(f"{path}:5: monitors[1].intervall: unknown key")


@ready
def test_check_sums_up_and_warns(
    write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(GOOD)
    assert cli.main(["check"], {"PROBER_CONFIG": path}) == 0
    warning, summary = capsys.readouterr().out.splitlines()
    assert warning.startswith("warning: monitor 'web': timeout 5s is longer than interval 4s")
    assert summary == f"{path}: 1 monitor, 1 pool, 2 checks, 0.5 probes per second"


@ready
def test_without_a_configuration_it_says_where_one_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.path.exists", lambda _: False)
    assert cli.main(["check"], {}) == 2
    shown = capsys.readouterr().out
    assert "config/prober.yaml" in shown
    assert "/etc/prober/prober.yaml" in shown
    assert "--config" in shown


@ready
def test_run_logs_each_problem_and_exits_with_2(write: Callable[[str], str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prober", "run", "--config", write(BAD)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert (done.returncode, done.stdout) == (2, "")
    assert [line["event"] for line in lines] == ["config_rejected", "config_rejected"]
    assert "prober.yaml:3: monitors[0].type: " in lines[0]["problem"]


def test_the_schema_tells_an_editor_what_check_would(
    write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["schema"], {}) == 0
    schema = json.loads(capsys.readouterr().out)
    wrong = GOOD.replace("interval", "intervall")
    jsonschema.validate(yaml.safe_load(GOOD), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(wrong), schema)
    assert cli.main(["check", "--config", write(GOOD)], {}) == 0
    assert cli.main(["check", "--config", write(wrong)], {}) == 2


class FakeDaemon:
    """Stands for prober.daemon, and remembers how it was run."""

    def __init__(self) -> None:
        self.config: Any = None
        self.options: dict[str, Any] = {}

    async def run(self, config: object, **options: object) -> int:
        """Remember, and end at once."""
        self.config, self.options = config, options
        return 7


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> FakeDaemon:
    fake = FakeDaemon()
    monkeypatch.setitem(sys.modules, "prober.daemon", fake)
    monkeypatch.setattr("prober.daemon", fake, raising=False)
    monkeypatch.setattr("prober.logs.configure", lambda **_: None)
    return fake


@ready
def test_run_hands_its_flags_to_the_daemon(write: Callable[[str], str], daemon: FakeDaemon) -> None:
    flags_given = ["--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--allow-shrink"]
    arguments = ["run", "--config", write(GOOD), "--state-dir", "/srv/state", *flags_given]
    assert cli.main(arguments, {}) == 7
    assert [str(each) for each in daemon.options["listen"]] == ["127.0.0.1:0", "[::1]:0"]
    assert daemon.options["allow_shrink"] is True
    assert daemon.config.server.state_dir == "/srv/state"
    assert daemon.options["source"].load() == daemon.config


@ready
def test_run_without_flags_leaves_it_to_the_file(
    write: Callable[[str], str], daemon: FakeDaemon
) -> None:
    assert cli.main(["run", "--config", write(GOOD)], {}) == 7
    assert not daemon.options["listen"]
    assert daemon.options["allow_shrink"] is False
    assert daemon.config.server.state_dir == "/var/lib/prober"


@ready
def test_the_demonstration_needs_no_file(daemon: FakeDaemon) -> None:
    assert cli.main(["demo", "--listen", "127.0.0.1:0"], {"PROBER_CONFIG": "/nowhere"}) == 7
    assert [str(each) for each in daemon.options["listen"]] == ["127.0.0.1:0"]
    assert len(daemon.config.model.checks()) > 10


@ready
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["TPC", "10.0.0.3:80"], 2, "TYPE: expected one of TCP"),
        (["HTTP", "10.0.0.3"], 2, "TARGET: expected host:port"),
        (
            ["TCP", "10.0.0.3:1", "--set", "expect.text=400"],
            2,
            "--set expect.text: expected text, got 400; as text, say, --set 'expect.text=\"...\"'",
        ),
        (["TCP", "10.0.0.3:80", "--set", "rise=0"], 2, "--set rise: expected a whole number"),
        (["TCP", "10.0.0.3:80", "--set", "tls.verify=true"], 2, "--set tls: belongs to HTTPS"),
        (["TLS", "a:1", "--set", "tls.verfy=true"], 2, "--set tls.verfy: unknown key; did you"),
        (["--monitor", "wed"], 2, "no monitor is called 'wed'; did you mean 'web'?"),
        (["--monitor", "web", "--config", "/nowhere"], 3, "/nowhere: cannot read"),
    ],
)
def test_what_cannot_be_probed_is_said(
    arguments: list[str],
    code: int,
    words: str,
    write: Callable[[str], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["probe", *arguments], {"PROBER_CONFIG": write(GOOD)}) == code
    shown = capsys.readouterr()
    assert words in shown.err
    assert shown.out == ""


@ready
def test_probe_probes(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{server.getsockname()[1]}"
        assert cli.main(["probe", "tcp", target], {}) == 2
        assert "\nCRITICAL  CONNECT_FAILED (refused): " in capsys.readouterr().out
        server.listen()
        assert cli.main(["probe", "tcp", target], {}) == 0
        *steps, verdict = capsys.readouterr().out.splitlines()
    assert any(" ms  connect " in step for step in steps)
    assert verdict.startswith("OK  connected, in ")


# What may surprise


def udp(port: int, **changes: Any) -> Monitor:
    targets = (Backend(address="10.0.0.53", port=port),)
    options = {"name": f"u{port}", "type": "UDP_CONNECT", "targets": targets, "probe": UdpProbe()}
    return a_monitor(**{**options, **changes})


def with_header(name: str, *, masked: bool) -> Monitor:
    return a_monitor(probe=HttpProbe(headers=Frozen({name: Secret("x", masked=masked)})))


@pytest.mark.parametrize(
    ("monitors", "words"),
    [
        ([a_monitor()], []),
        ([a_monitor(timeout=5.0, interval=5.0)], []),
        ([a_monitor(timeout=6.0, interval=5.0)], ["'m': timeout 6s is longer than interval 5s"]),
        ([a_monitor(slow=1.9, timeout=2.0)], []),
        ([a_monitor(slow=2.0, timeout=2.0)], ["'m': slow 2s is not shorter than timeout 2s"]),
        (
            [with_header("X-Api-Key", masked=False)],
            ["header X-Api-Key stands in the"],
        ),
        ([with_header("X-Api-Key", masked=True)], []),
        ([with_header("X-Shop", masked=False)], []),
        ([a_monitor(enabled=False)], ["pool 'm' is probed by no enabled monitor"]),
        ([udp(53, interval=1.1, timeout=1.0)], []),
        ([udp(53, interval=1.0, timeout=1.0)], ["host 10.0.0.53: 1 UDP probes per second"]),
        ([udp(53, interval=2.2), udp(54, interval=2.2)], []),
        ([udp(53, interval=2.1), udp(54, interval=2.1)], ["each is probed about every 2.2 s"]),
        ([udp(53, interval=0.5, timeout=0.1, enabled=False)], ["probed by no enabled monitor"]),
    ],
)
def test_what_is_allowed_but_likely_not_meant_is_said(
    monitors: list[Monitor], words: list[str]
) -> None:
    pools = tuple(Pool(name=each.name, backends=each.targets) for each in monitors)
    found = [*surprises(Model(tuple(monitors), pools))]
    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))


def test_a_pool_without_backends_is_said() -> None:
    [sentence] = surprises(Model((), (Pool(name="empty"),)))
    assert sentence == "pool 'empty' has no backends: its status will be UNKNOWN"
