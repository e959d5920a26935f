"""systemd's notification protocol: what is said, how it is sent, and when nothing is."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from prober.systemd import notify
from prober.systemd.notify import Notifier
from tests.running import PATIENCE


@pytest.fixture(params=["a path", "an abstract name"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket that hears, and its `$NOTIFY_SOCKET`."""
    name = str(tmp_path / "notify") if request.param == "a path" else f"@{tmp_path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(name.replace("@", "\0", 1))
        sock.settimeout(PATIENCE)
        yield sock, name


def test_a_message_is_one_datagram(systemd: tuple[socket.socket, str]) -> None:
    sock, address = systemd
    notifier = Notifier(address)
    assert notifier.is_heard
    assert notifier.say(notify.reloading(12.5), wait=1.0)
    assert notifier.say(notify.ready("2 OK, probing 2 checks"))
    assert sock.recv(4096) == b"RELOADING=1\nMONOTONIC_USEC=12500000"
    assert sock.recv(4096) == b"READY=1\nSTATUS=2 OK, probing 2 checks"
    notifier.close()
    assert not notifier.say(notify.ALIVE)


@pytest.mark.parametrize("address", [None, ""])
def test_without_systemd_nothing_is_said(address: str | None) -> None:
    notifier = Notifier(address)
    assert not notifier.is_heard
    assert not notifier.say(notify.ALIVE)
    notifier.close()


@pytest.mark.parametrize(
    "address", ["/nowhere/notify", "@nobody-listens", "vsock:2:1234", "x" * 200]
)
def test_a_socket_that_cannot_be_reached_stops_nothing(address: str) -> None:
    notifier = Notifier(address)
    assert not notifier.say(notify.ALIVE)
    notifier.close()


def test_a_queue_that_is_full_does_not_hold_the_daemon_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        notifier = Notifier(str(tmp_path / "notify"))
        said = 0
        while notifier.say(notify.ALIVE):
            said += 1
        assert said
        assert not notifier.say(notify.ALIVE, wait=0.001)
        sock.recv(4096)
        assert notifier.say(notify.ALIVE)
        notifier.close()


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "42"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "43"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_PID": "42"}, None),
    ],
)
def test_the_watchdog_is_fed_if_it_is_ours(
    environment: dict[str, str], seconds: float | None
) -> None:
    assert notify.watchdog_seconds(environment, 42) == seconds
