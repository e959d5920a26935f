"""Everything that can be wrong with a target, at once in one daemon.

Each fault is the target's, and is named; none of them reaches the healthy neighbours.
"""

import gzip
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
import trustme

from tests.engine.conftest import Certificates
from tests.engine.targets import (
    Script,
    answers,
    close,
    endless,
    hold,
    listening,
    over_tls,
    reset,
    says,
)
from tests.faults import watching
from tests.faults.watching import (
    EVERY_RESULT,
    blamed,
    bugs,
    check,
    metric,
    open_descriptors,
    probes,
    resident_bytes,
)
from tests.ports import free_port
from tests.running import Daemon, daemon

MEBIBYTE = 1 << 20
OK = b"HTTP/1.1 200 OK\r\n"
CONTENT = OK + b"Content-Length: 1000\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"
GOAWAY = b"\0\0\x08\7\0\0\0\0\0\0\0\0\0\0\0\0\2"


def monitor(name: str, kind: str, target: int | str, **options: object) -> dict[str, object]:
    """Return a monitor of one target."""
    return watching.monitor(name, kind, target, **{**CALM, **options})


def drips(content: bytes, head: bytes = b"") -> Script:
    """Return a script that answers with one byte after the other, for as long as somebody hears."""

    def script(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(head)
        pause = threading.Event()
        while True:
            for byte in content:
                connection.sendall(bytes([byte]))
                pause.wait(0.02)

    return script


@cache
def bomb() -> bytes:
    """Return an answer whose body is two hundred times as long as it comes."""
    content = gzip.compress(bytes(100 * MEBIBYTE), compresslevel=1)
    return OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(content) + content


def explodes(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(bomb())


OFTEN: dict[str, object] = {"interval": "200ms", "fast_interval": "200ms"}
NEVER: dict[str, object] = {"body_regex": "never"}
SILENT: dict[str, object] = {"timeout": "3s"}
"""The verdict comes at the deadline; were it shorter, a busy machine would make it doubtful."""
CALM: dict[str, object] = {"interval": "1s", "fast_interval": "1s"}
"""There are so many targets that a slow machine could not keep up with them."""

SCRIPTED: dict[str, tuple[str, Script, dict[str, object], str, str]] = {
    # name: type, what the target does, options, status, reason
    "accepts_and_hangs_tcp": ("TCP", hold, {}, "OK", "ok"),
    "accepts_and_hangs_http": ("HTTP", hold, SILENT, "CRITICAL", "timeout"),
    "accepts_and_hangs_tls": ("TLS", hold, SILENT, "CRITICAL", "timeout"),
    "accepts_and_hangs_grpc": ("GRPC", hold, SILENT, "CRITICAL", "timeout"),
    "drips_its_head": ("HTTP", drips(b"X", OK), SILENT, "CRITICAL", "timeout"),
    "drips_its_body": (
        "HTTP",
        drips(b"x", OK + b"\r\n"),
        {**NEVER, **SILENT},
        "CRITICAL",
        "payload_mismatch",
    ),
    "endless_body": ("HTTP", endless(b"x" * 99, OK + b"\r\n"), OFTEN, "OK", "ok"),
    "endless_head": ("HTTP", endless(b"X: y\r\n", OK), {}, "CRITICAL", "bad_response"),
    "endless_interim_answers": (
        "HTTP",
        endless(b"HTTP/1.1 102 Processing\r\n\r\n"),
        {},
        "CRITICAL",
        "bad_response",
    ),
    "huge_header": (
        "HTTP",
        answers(OK + b"X: " + b"y" * MEBIBYTE + b"\r\n\r\n"),
        {},
        "CRITICAL",
        "bad_response",
    ),
    "gzip_bomb": ("HTTP", explodes, NEVER, "CRITICAL", "payload_mismatch"),
    "speaks_ssh": ("HTTP", says(b"SSH-2.0-OpenSSH_9.2\r\n"), {}, "CRITICAL", "bad_response"),
    "speaks_binary": ("HTTP", says(bytes(range(256))), {}, "CRITICAL", "bad_response"),
    "speaks_http_0_9": (
        "HTTP",
        answers(b"<html>fine</html>\n", then=close),
        {},
        "CRITICAL",
        "bad_response",
    ),
    "impossible_status": (
        "HTTP",
        answers(b"HTTP/1.1 99999 OK\r\n\r\n"),
        {},
        "CRITICAL",
        "bad_response",
    ),
    "two_lengths": (
        "HTTP",
        answers(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        {},
        "CRITICAL",
        "bad_response",
    ),
    "redirects_to_itself": (
        "HTTP",
        answers(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"),
        {},
        "CRITICAL",
        "unexpected_status",
    ),
    "ends_before_its_answer": ("HTTP", answers(then=close), {}, "CRITICAL", "closed"),
    "resets_before_its_answer": ("HTTP", answers(then=reset), {}, "CRITICAL", "reset"),
    "resets_amid_a_body_nobody_needs": (
        "HTTP",
        answers(CONTENT + b"x", then=reset),
        {},
        "OK",
        "ok",
    ),
    "resets_amid_a_body_that_matters": (
        "HTTP",
        answers(CONTENT + b"x", then=reset),
        NEVER,
        "CRITICAL",
        "reset",
    ),
    "ends_amid_its_body": (
        "HTTP",
        answers(CONTENT + b"x", then=close),
        NEVER,
        "CRITICAL",
        "closed",
    ),
    "speaks_no_tls": ("TLS", says(b"220 hello\r\n"), {}, "CRITICAL", "tls_handshake"),
    "closes_instead_of_tls": ("TLS", answers(then=close), {}, "CRITICAL", "closed"),
    "resets_instead_of_tls": ("TLS", answers(then=reset), {}, "CRITICAL", "reset"),
    "speaks_http_1_not_grpc": (
        "GRPC",
        answers(OK + b"Content-Length: 0\r\n\r\n"),
        {},
        "CRITICAL",
        "bad_response",
    ),
    "says_goaway": ("GRPC", answers(SETTINGS + GOAWAY), {}, "CRITICAL", "closed"),
    "resets_grpc": ("GRPC", answers(SETTINGS, then=reset), {}, "CRITICAL", "reset"),
    "greets_wrongly": (
        "TCP",
        says(b"554 go away\r\n", then=close),
        {"expect": {"text": "220 "}},
        "CRITICAL",
        "payload_mismatch",
    ),
}


def certified(name: str, folder: Path) -> tuple[ssl.SSLContext, dict[str, object]]:
    """Return a server that has something wrong with its certificate, and how it is probed."""
    authority = Certificates(trustme.CA(), folder / name)
    authority.folder.mkdir()
    tls: dict[str, object] = {"verify": True, "ca_file": authority.ca_file}
    now = datetime.now(UTC)
    dates = {"not_before": now - timedelta(days=2), "not_after": now - timedelta(days=1)}
    if name == "expired":
        return authority.server(authority.issue("127.0.0.1", **dates)), tls
    if name == "expired_unverified":
        return authority.server(authority.issue("127.0.0.1", **dates)), {}
    if name == "wrong_host":
        return authority.server(authority.issue("192.0.2.1")), tls
    if name == "untrusted":
        return Certificates(trustme.CA(), folder).server(), tls
    return authority.asking_server(), tls


CERTIFIED = {
    "expired": ("CRITICAL", "tls_expired"),
    "expired_unverified": ("OK", "ok"),
    "wrong_host": ("CRITICAL", "tls_hostname"),
    "untrusted": ("CRITICAL", "tls_untrusted"),
    "wants_our_certificate": ("CRITICAL", "tls_alert"),
}
UDP = {"interval": "1.2s", "fast_interval": "1.2s", "timeout": "500ms", "rise": 1, "fall": 2}
EXPECTS: dict[str, object] = {"expect": {"text": "pong"}}
SLOWLY: dict[str, object] = {**EXPECTS, **SILENT}
DATAGRAMS: dict[str, tuple[Callable[[bytes], bytes] | None, dict[str, object], str, str]] = {
    "udp_silent": (lambda _: b"", {}, "OK", "silent"),
    "udp_silent_though_expected": (lambda _: b"", EXPECTS, "CRITICAL", "timeout"),
    "udp_wrong_reply": (lambda asked: asked[::-1], SLOWLY, "CRITICAL", "payload_mismatch"),
    "udp_refused": (None, {}, "CRITICAL", "refused"),
}
EXPECTED = {
    **{name: (status, reason) for name, (*_, status, reason) in SCRIPTED.items()},
    **CERTIFIED,
    **{name: (status, reason) for name, (*_, status, reason) in DATAGRAMS.items()},
    "refused": ("CRITICAL", "refused"),
    "syn_unanswered": ("CRITICAL", "timeout"),
    "neighbour_tcp": ("OK", "ok"),
    "neighbour_http": ("OK", "ok"),
}


def datagrams(stack: ExitStack, host: str, reply: Callable[[bytes], bytes]) -> int:
    """Answer datagrams, or take them in silence where the reply is empty."""
    sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sock.bind((host, 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                asked, peer = sock.recvfrom(2048)
                if not asked:
                    return
                if answer := reply(asked):
                    sock.sendto(answer, peer)

    thread = threading.Thread(target=serve)
    thread.start()
    stack.callback(thread.join)
    stack.callback(sock.sendto, b"", sock.getsockname())
    return int(sock.getsockname()[1])


def full_backlog(stack: ExitStack) -> int:
    """Return a port whose kernel answers no SYN any more, as behind a firewall that drops."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
    for _ in range(3):
        waiting = stack.enter_context(socket.socket())
        waiting.setblocking(False)
        waiting.connect_ex(listener.getsockname())
    return int(listener.getsockname()[1])


pytestmark = pytest.mark.xdist_group("targets")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that has every sort of trouble with its targets."""
    folder = tmp_path_factory.mktemp("targets")
    with ExitStack() as stack:
        monitors = [
            monitor(name, kind, stack.enter_context(listening(script)), **options)
            for name, (kind, script, options, *_) in SCRIPTED.items()
        ]
        for name in CERTIFIED:
            context, tls = certified(name, folder)
            port = stack.enter_context(listening(over_tls(context)))
            monitors.append(monitor(name, "TLS", port, **({"tls": tls} if tls else {})))
        for number, (name, (reply, options, *_)) in enumerate(DATAGRAMS.items()):
            host = f"127.0.1.{number}"
            port = datagrams(stack, host, reply) if reply else free_port(socket.SOCK_DGRAM, host)
            monitors.append(monitor(name, "UDP_CONNECT", f"{host}:{port}", **{**UDP, **options}))
        good = stack.enter_context(listening(answers(OK + b"Content-Length: 0\r\n\r\n")))
        monitors += [
            monitor("refused", "TCP", free_port()),
            monitor("syn_unanswered", "TCP", full_backlog(stack), **SILENT),
            monitor("neighbour_tcp", "TCP", good),
            monitor("neighbour_http", "HTTP", good),
        ]
        yield stack.enter_context(daemon({"monitors": monitors}, folder, *EVERY_RESULT))


@pytest.fixture(scope="module")
def settled(running: Daemon) -> dict[object, list[dict[str, object]]]:
    """The changes of each check until all are decided."""
    found: dict[object, list[dict[str, object]]] = {}
    while len(found) < len(EXPECTED):
        line = running.wait_for("status_changed")
        found.setdefault(line["monitor"], []).append(line)
    return found


@pytest.mark.parametrize("name", EXPECTED)
def test_a_fault_of_a_target_is_named(
    settled: dict[object, list[dict[str, object]]], name: str
) -> None:
    status, reason = EXPECTED[name]
    line, *later = settled[name]
    assert (line["to"], line["reason"]) == (status, reason), line["cause"]
    falls = UDP["fall"] if name.startswith("udp") else 3
    assert line["streak"] == -falls if status == "CRITICAL" else line["streak"] > 0  # type: ignore[operator]
    assert {each["to"] for each in later} <= {"UNKNOWN", status}  # this machine may be busy


@pytest.mark.usefixtures("settled")
def test_what_is_not_http_has_no_status_code(running: Daemon) -> None:
    for name, (*_, reason) in SCRIPTED.items():
        if reason == "bad_response":
            assert "http_status_code" not in check(running, name)["last"]


@pytest.mark.usefixtures("settled")
def test_a_certificate_nobody_verifies_still_shows_its_end(running: Daemon) -> None:
    probes(running, 1, monitor="expired_unverified", result="OK")
    name = "expired_unverified"
    labels = {"monitor": name, "pool": name, "target": check(running, name)["backend"]}
    end = metric(running, "probe_ssl_earliest_cert_expiry", kind="TLS", **labels)
    assert 0 < end < datetime.now(UTC).timestamp()


@pytest.mark.usefixtures("settled")
def test_nobody_else_notices_and_nothing_grows(running: Daemon) -> None:
    probes(running, 10, monitor="endless_body")
    memory, descriptors = resident_bytes(running), open_descriptors(running)
    probes(running, 30, monitor="endless_body")
    assert resident_bytes(running) - memory < 4 * MEBIBYTE
    assert memory < 96 * MEBIBYTE
    assert open_descriptors(running) - descriptors < len(EXPECTED)
    healthy = {name for name, (status, _) in EXPECTED.items() if status == "OK"}
    assert not [each for each in blamed(running.lines) if each[0] in healthy]
    assert not bugs(running.lines)
    for reason in ("internal", "no_descriptors", "no_ports", "no_memory", "not_permitted"):
        assert metric(running, "prober_local_errors_total", reason=reason) == 0
