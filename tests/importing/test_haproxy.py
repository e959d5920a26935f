"""Importing HAProxy's configuration: each rule of a check, and HAProxy itself beside prober."""

import json
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from prober.importing.draft import Draft, Fate
from prober.importing.formats import import_from
from prober.importing.haproxy_file import proxies
from prober.importing.writer import keep_the_valid, written
from tests.ports import free_port
from tests.running import daemon, program

SNI = {"verify": False, "server_name": "a.b"}
NO_AGENT = "agent-check: prober asks no agent; it can be one (the output haproxy_agent)"
TOO_SHORT = "expected a duration from 100ms to 1d, got '10ms'"


def imported(text: str) -> tuple[dict[str, Any], Draft]:
    """Return the configuration, and the draft with its notes."""
    draft = import_from("haproxy", [("haproxy.cfg", text)])
    keep_the_valid(draft, lambda path: Path(path).read_text())
    return yaml.safe_load(written(draft, version="1", sources=["haproxy.cfg"])), draft


def monitor_of(*lines: str, server: str = "check") -> dict[str, Any]:
    """Return the monitor for a backend with these lines."""
    listed = "\n".join(f"  {line}" for line in lines)
    config, _ = imported(f"backend web\n{listed}\n  server one 127.0.0.1:80 {server}\n")
    monitor: dict[str, Any] = config["monitors"][0]
    return monitor


def left_out(draft: Draft) -> list[str]:
    return [
        f"{each.origin.line}: {each.text}" for each in draft.notes if each.fate is Fate.LEFT_OUT
    ]


@pytest.mark.parametrize(
    ("lines", "server", "keys"),
    [
        (["source 10.0.0.2"], "check", {"source": "10.0.0.2"}),
        (
            ["source 10.0.0.2:0 usesrc clientip interface eth1"],
            "check",
            {"source": "10.0.0.2", "interface": "eth1"},
        ),
        (["source 10.0.0.2", "source 10.0.0.3"], "check", {"source": "10.0.0.3"}),
        (
            ["source 10.0.0.2 interface eth1"],
            "check source 10.0.0.4",
            {"source": "10.0.0.4", "interface": None},
        ),
        (
            ["source 10.0.0.2", "default-server source 10.0.0.5"],
            "check",
            {"source": "10.0.0.5"},
        ),
        (["source 0.0.0.0 usesrc clientip"], "check", {"source": None}),
    ],
)
def test_checks_start_where_the_section_says_unless_the_server_does(
    lines: list[str], server: str, keys: dict[str, object]
) -> None:
    monitor = monitor_of(*lines, server=server)
    assert {key: monitor.get(key) for key in keys} == keys


def test_the_source_of_the_defaults_is_inherited() -> None:
    config, _ = imported(
        "defaults\n  source 10.0.0.2\nbackend web\n  server one 127.0.0.1:80 check\n"
    )
    assert config["monitors"][0]["source"] == "10.0.0.2"


def test_a_plain_check_has_the_defaults_of_haproxy() -> None:
    assert monitor_of() == {
        "name": "web",
        "pool": "web",
        "type": "TCP",
        "interval": "2s",
        "fast_interval": "2s",
        "timeout": "2s",
        "rise": 2,
        "fall": 3,
    }


@pytest.mark.parametrize(
    ("lines", "keys"),
    [
        (
            ["option httpchk"],
            {
                "type": "HTTP",
                "http_method": "OPTIONS",
                "url_path": "/",
                "http_version": "1.0",
                "expected_codes": "200-399",
            },
        ),
        (["option httpchk /up"], {"http_method": "OPTIONS", "url_path": "/up"}),
        (
            [r"option httpchk HEAD /up HTTP/1.1\r\nHost:\ www"],
            {"http_method": "HEAD", "http_version": "1.1", "domain_name": "www"},
        ),
        (
            [
                "option httpchk",
                "http-check send meth PUT uri /a ver HTTP/1.1 hdr Host b hdr X y body z",
            ],
            {
                "http_method": "PUT",
                "url_path": "/a",
                "http_version": "1.1",
                "domain_name": "b",
                "headers": {"X": "y"},
                "body": "z",
            },
        ),
        (
            ["option httpchk", "http-check expect status 200,204-206"],
            {"expected_codes": "200,204-206"},
        ),
        (["option httpchk", "http-check expect rstatus ^2[0-4]"], {"expected_codes": "200-249"}),
        (
            ["option httpchk", "http-check expect ! status 500-599"],
            {"expected_codes": "100-499"},
        ),
        (["option httpchk", "http-check expect string a.b"], {"body_regex": r"a\.b"}),
        (["option httpchk", 'http-check expect rstring "^a b"'], {"body_regex": "^a b"}),
        (["option ssl-hello-chk"], {"type": "TLS"}),
        (
            ["option tcp-check", r"tcp-check send PING\r\n", "tcp-check expect string +PONG"],
            {"send": {"text": "PING\r\n"}, "expect": {"text": "+PONG"}},
        ),
        (
            ["option tcp-check", "tcp-check connect", "tcp-check expect binary 0a0b"],
            {"expect": {"hex": "0a0b"}},
        ),
        (
            [
                *("option tcp-check", "tcp-check connect ssl", "tcp-check comment greeting"),
                *(r"tcp-check expect rstring '^\+OK'", r"tcp-check send ${x}\r\n"),
                *("tcp-check send-binary 0a0b", "tcp-check expect binary 00ff"),
                *("tcp-check expect string a", "tcp-check expect ! string b"),
            ],
            {
                "type": "TLS",
                "steps": [
                    {"expect_regex": r"^\+OK"},
                    {"send": {"text": "$${x}\r\n"}},
                    {"send": {"hex": "0a0b"}},
                    {"expect": {"hex": "00ff"}},
                    {"expect": {"text": "a"}},
                ],
            },
        ),
        (
            ["option httpchk", "http-check send body-lf %[x] meth PUT hdr Host a hdr X-B c"],
            {"http_method": "PUT", "domain_name": "a", "headers": {"X-B": "c"}, "body": None},
        ),
        (
            ["option httpchk", "http-check expect comment up ! string a.b"],
            {"reject_body_regex": r"a\.b", "body_regex": None},
        ),
        (
            ["option httpchk", "http-check expect min-recv 5 rstring a.b"],
            {"body_regex": "a.b", "reject_body_regex": None},
        ),
        (["option httpchk", "http-check expect string"], {"body_regex": None}),
        (["option smtpchk HELO mx"], {"type": "TCP", "preset": "smtp"}),
        (["option redis-check"], {"type": "TCP", "preset": "redis"}),
        (["timeout connect 1s", "timeout check 500"], {"timeout": "1.5s"}),
        (["timeout connect 9s", "timeout check 500"], {"timeout": "2.5s"}),
        (["option httpchk", "default-server proto h2"], {"http_version": "2"}),
        (["option httpchk", "default-server check-alpn h2"], {"http_version": "2"}),
        (["option httpchk", "default-server proto h1"], {"http_version": "1.0"}),
        (["default-server proto h2"], {"http_version": None}),
        (["default-server inter 5s rise 4 fall 6"], {"interval": "5s", "rise": 4, "fall": 6}),
    ],
)
def test_a_check_becomes_keys(lines: list[str], keys: dict[str, Any]) -> None:
    found = monitor_of(*lines)
    assert {key: found.get(key) for key in keys} == keys


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ("check inter 100 fastinter 200ms downinter 1m", {"interval": "100ms"}),
        ("check fastinter 200ms", {"fast_interval": "200ms"}),
        ("check downinter 1m", {"down_interval": "1m"}),
        ("check port 8080", {"port": 8080}),
        ("check ssl verify none", {"type": "TLS", "tls": {"verify": False}}),
        ("check ssl verify none port 81", {"type": "TCP"}),
        (
            "check check-ssl verify none check-sni a.b",
            {"tls": SNI},
        ),
        ("check ssl verify none sni str(a.b)", {"tls": SNI}),
        ("check send-proxy", {"send_proxy": "v1"}),
        ("check send-proxy-v2", {"send_proxy": "v2"}),
        ("check send-proxy port 81", {"send_proxy": None}),
        ("check send-proxy port 81 check-send-proxy", {"send_proxy": "v1"}),
    ],
)
def test_options_of_a_server_become_keys(options: str, keys: dict[str, Any]) -> None:
    found = monitor_of(server=options)
    assert {key: found.get(key) for key in keys} == keys


def test_servers_become_backends() -> None:
    config, draft = imported(
        "backend web\n"
        "  server a 127.0.0.1:80 check weight 10 backup\n"
        "  server b ipv6@[::1]:81 check disabled\n"
        "  server c.example c.example:82 check\n"
        "  server d 127.0.0.1:83\n"
        "  server e unix@/run/e check\n"
        "  server /run/f.sock /run/f.sock check backup\n"
        "  server g unix@run/g check\n"
        "  server h abns@h check\n"
        "  server unix:/run/i unix@/run/i check\n"
    )
    assert config["pools"][0]["backends"] == [
        {"address": "127.0.0.1", "port": 80, "name": "a", "weight": 10, "backup": True},
        {"address": "::1", "port": 81, "name": "b", "enabled": False},
        "c.example:82",
        {"address": "unix:/run/e", "name": "e"},
        {"address": "unix:/run/f.sock", "name": "/run/f.sock", "backup": True},
        "unix:/run/i",
    ]
    assert left_out(draft) == [
        "8: server g: the address unix@run/g",
        "9: server h: the address abns@h",
    ]


def test_a_socket_that_cannot_be_probed_so_is_left_out() -> None:
    config, draft = imported(
        "backend web\n  server a unix@/run/a check\n  server b unix@/run/b check send-proxy\n"
    )
    assert [each["backends"] for each in config["pools"]] == [
        [{"address": "unix:/run/a", "name": "a"}]
    ]
    (said,) = left_out(draft)
    assert "'unix:/run/b' is a Unix socket, where send_proxy has no meaning" in said


def test_servers_that_are_checked_in_other_ways_get_a_pool_of_their_own() -> None:
    config, _ = imported(
        "backend web\n  server a 127.0.0.1:80 check\n  server b 127.0.0.1:81 check inter 9s\n"
    )
    assert [pool["name"] for pool in config["pools"]] == ["web", "web-2"]
    assert [each["interval"] for each in config["monitors"]] == ["2s", "9s"]


def test_sections_inherit_from_defaults() -> None:
    config, _ = imported(
        "defaults plain\n  timeout check 9s\n"
        "defaults http from plain\n  option httpchk GET /d\n"
        "backend a from plain\n  server s 127.0.0.1:80 check\n"
        "listen b from http\n  bind :81\n  server s 127.0.0.1:80 check\n"
        "frontend f\n  bind :80\n  default_backend a\n"
    )
    assert [(each["type"], each["timeout"]) for each in config["monitors"]] == [
        ("TCP", "11s"),
        ("HTTP", "11s"),
    ]


def test_what_has_no_counterpart_is_named_with_its_line() -> None:
    config, draft = imported(
        "backend web\n"
        "  option httpchk\n"
        "  http-check disable-on-404\n"
        "  http-check expect fgrep x\n"
        "  server-template s 3 a.example:80 check\n"
        "  server one 127.0.0.1:80 check agent-check agent-port 9\n"
        "backend script\n"
        "  option external-check\n"
        "  server one 127.0.0.1:80 check\n"
        "backend off\n"
        "  server one 127.0.0.1:80\n"
    )
    assert len(config["monitors"]) == 1
    assert left_out(draft) == [
        "5: server-template s: a template has no addresses before HAProxy runs; use targets_from",
        "3: http-check disable-on-404: prober has no such check",
        "4: http-check expect fgrep x: prober has no such check",
        f"6: server one: {NO_AGENT}",
        "8: backend script: prober has no check like option external-check",
        "10: backend off: no server has check",
    ]


def test_what_a_configuration_cannot_contain_is_left_out() -> None:
    config, draft = imported("backend web\n  server a 127.0.0.1:80 check inter 10ms\n")
    assert config == {"monitors": []}
    (told,) = left_out(draft)
    assert told.startswith(f"1: monitor 'web': interval: {TOO_SHORT}; fast_interval: {TOO_SHORT}; ")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (r"a\ b c", ("a b", "c")),
        (r'"a b"c d', ("a bc", "d")),
        (r"'a\nb' # no", (r"a\nb",)),
        (r'"a\"b" \x41\#', ('a"b', "A#")),
        ('""', ("",)),
    ],
)
def test_lines_are_split_as_haproxy_does(line: str, words: tuple[str, ...]) -> None:
    (proxy,) = proxies(f"backend b\n{line}\n")
    assert [each.words for each in proxy.lines] == [words]


def test_a_quote_that_is_not_closed_is_said_with_its_line() -> None:
    with pytest.raises(ValueError, match="line 2: the quote ' is not closed"):
        list(proxies("backend b\n  option 'x\n"))


class Pages(BaseHTTPRequestHandler):
    """Answers as its path says."""

    def do_GET(self) -> None:
        self.send_response(500 if self.path == "/bad" else 200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def pages() -> Iterator[int]:
    """Serve HTTP while the context lasts, on the port that is yielded."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def verdicts_of_haproxy(socket_path: Path) -> dict[str, str]:
    """Return UP or DOWN for each backend, once every check has come to its end."""
    waited = threading.Event()
    for _ in range(600):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(socket_path))
            client.sendall(b"show stat\n")
            shown = client.makefile().read()
        head, *lines = shown.removeprefix("# ").splitlines()
        rows = [dict(zip(head.split(","), line.split(","), strict=True)) for line in lines if line]
        servers = [row for row in rows if row["svname"] == "s"]
        if all(row["check_status"].strip("* ") not in ("", "INI") for row in servers):
            return {row["pxname"]: row["status"] for row in servers}
        waited.wait(0.1)
    raise AssertionError(f"HAProxy is still undecided: {servers}")


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed")
def test_haproxy_and_prober_agree_on_the_same_targets(tmp_path: Path) -> None:
    """A backend that HAProxy calls UP is OK in what is imported, and one that is DOWN CRITICAL."""
    stats = tmp_path / "stats"
    with pages() as port:
        checks = {
            "plain": (port, []),
            "closed": (free_port(), []),
            "page": (port, ["option httpchk GET /"]),
            "failing": (port, ["option httpchk GET /bad"]),
            "found": (port, ["option httpchk GET /", "http-check expect string hell"]),
            "absent": (port, ["option httpchk GET /", "http-check expect rstring ^x"]),
            "other": (port, ["option httpchk GET /bad", "http-check expect status 500"]),
            "negated": (port, ["option httpchk GET /", "http-check expect ! rstatus ^5"]),
            "speaks": (port, ["option tcp-check", r"tcp-check send GET\ /\ HTTP/1.0\r\n\r\n",
                              "tcp-check expect string hello"]),
            "mute": (port, ["option tcp-check", r"tcp-check send GET\ /\ HTTP/1.0\r\n\r\n",
                            "tcp-check expect string bye"]),
        }  # fmt: skip
        config = f"global\n  stats socket {stats}\ndefaults\n  mode tcp\n  timeout connect 2s\n"
        config += "  timeout client 2s\n  timeout server 2s\n"
        config += "  default-server inter 300ms rise 1 fall 1\n"
        for name, (to, lines) in checks.items():
            listed = "\n".join(f"  {line}" for line in lines)
            config += f"backend {name}\n{listed}\n  server s 127.0.0.1:{to} check\n"
        (tmp_path / "haproxy.cfg").write_text(config)
        ours, draft = imported(config)
        assert left_out(draft) == []
        with program("haproxy", "-db", "-f", str(tmp_path / "haproxy.cfg")):
            waited = threading.Event()
            while not stats.exists():
                waited.wait(0.05)
            theirs = verdicts_of_haproxy(stats)
        with daemon(ours, tmp_path) as running:
            undecided = set(checks)
            while undecided:
                undecided.discard(running.wait_for("status_changed").get("pool"))
            pools = json.loads(running.get("/api/v1/pools")[1])["pools"]
    said = {"UP": "OK", "DOWN": "CRITICAL"}
    assert {each["name"]: each["status"] for each in pools} == {
        name: said[status] for name, status in theirs.items()
    }
    assert sorted(name for name, each in theirs.items() if each == "DOWN") == [
        *("absent", "closed", "failing", "mute"),
    ]
