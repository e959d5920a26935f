"""Probing on demand: headers and URLs reach the target as the bytes that were meant."""

import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
import yaml

from prober.blackbox.http_module import parse_url
from tests.engine.targets import Script, listening
from tests.running import Daemon, daemon

WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}
MODULES = {
    "http_2xx": {"prober": "http"},
    "websocket": {
        "prober": "http",
        "http": {"headers": WEBSOCKET, "valid_status_codes": [101]},
    },
    "header": {
        "prober": "http",
        "http": {"fail_if_header_not_matches": [{"header": "X-Word", "regexp": "^prêt$"}]},
    },
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder: Path = tmp_path_factory.mktemp("header_bytes")
    (folder / "modules.yml").write_text(yaml.safe_dump({"modules": MODULES}))
    with daemon({"server": {"blackbox_modules": "modules.yml"}}, folder) as process:
        yield process
        assert process.stop() == 0


def replying(replies: list[bytes], heard: list[bytes]) -> Script:
    """Return a script that answers each connection with the next of some replies."""
    left = iter(replies)

    def script(connection: socket.socket) -> None:
        heard.append(connection.recv(65536))
        connection.sendall(next(left, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
        while connection.recv(65536):
            pass

    return script


@contextmanager
def target(*replies: bytes) -> Iterator[tuple[str, list[bytes]]]:
    heard: list[bytes] = []
    with listening(replying(list(replies), heard)) as port:
        yield f"127.0.0.1:{port}", heard


def ask(running: Daemon, url: str, module: str = "http_2xx") -> str:
    asked = urlencode({"target": url, "module": module, "debug": "true"})
    status, text = running.get(f"/probe?{asked}")
    assert status == 200
    return text


def moved(location: bytes) -> bytes:
    return b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/caf\u00e9?q=\u00fc".encode(), b"/caf%C3%A9?q=%C3%BC"),
        (b"/caf%C3%A9", b"/caf%C3%A9"),
        (b"/caf\xe9", b"/caf%E9"),
        (b"/a b", b"/a%20b"),
        (b"/a#there", b"/a"),
        (b'/a"<>\\^`{|}', b"/a%22%3C%3E%5C%5E%60%7B%7C%7D"),
        (b"/100%?q=5%", b"/100%25?q=5%25"),
    ],
)
def test_a_location_is_asked_for_as_its_bytes(
    running: Daemon, location: bytes, path: bytes
) -> None:
    with target(moved(location)) as (url, heard):
        assert "\nprobe_success 1.0\n" in ask(running, url)
    assert [request.split()[1] for request in heard] == [b"/", path]


def test_a_location_with_a_control_character_is_not_followed(running: Daemon) -> None:
    with target(moved(b"/a\tb")) as (url, heard):
        text = ask(running, url)
    assert "invalid control character in URL" in text
    assert len(heard) == 1


def test_a_cookie_comes_back_as_its_bytes(running: Daemon) -> None:
    reply = b"HTTP/1.1 302 Found\r\nLocation: /b\r\nSet-Cookie: a=\xe9\xc3\xa9\r\n\r\n"
    with target(reply) as (url, heard):
        ask(running, url)
    assert b"\r\nCookie: a=\xe9\xc3\xa9\r\n" in heard[1]


def test_a_pattern_sees_a_header_as_text(running: Daemon) -> None:
    reply = "HTTP/1.1 200 OK\r\nX-Word: pr\u00eat\r\nContent-Length: 0\r\n\r\n".encode()
    with target(reply) as (url, _):
        assert "\nprobe_success 1.0\n" in ask(running, url, "header")


def test_credentials_in_a_url_are_sent_as_their_bytes(running: Daemon) -> None:
    with target() as (url, heard):
        ask(running, f"http://us%E9r:p%C3%A9@{url}/")
    assert b64encode(b"us\xe9r:p\xc3\xa9") in heard[0]


def test_the_connection_header_of_a_module_is_sent(running: Daemon) -> None:
    reply = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with target(reply) as (url, heard):
        assert "\nprobe_success 1.0\n" in ask(running, url, "websocket")
    lines = heard[0].split(b"\r\n")
    assert [line for line in lines if line.lower().startswith(b"connection:")] == [
        b"Connection: Upgrade"
    ]
    assert b"Sec-Websocket-Key: dGhlIHNhbXBsZSBub25jZQ==" in lines


def test_a_host_header_is_in_ascii() -> None:
    place = parse_url("http://b\u00fccher.example:8080/")
    assert place.host == "xn--bcher-kva.example"
    assert place.netloc == "xn--bcher-kva.example:8080"
    assert parse_url("http://user@B\u00dcCHER.example/").netloc == "xn--bcher-kva.example"


def test_a_host_of_any_length_is_judged_at_once() -> None:
    with pytest.raises(ValueError, match="is neither an IP address nor a host name"):
        parse_url("http://" + "\u00e9." * 16000 + "/")
