"""systemd's notification protocol, sd_notify(3): the messages, and the socket to send them."""

import socket
from collections.abc import Mapping
from typing import Final

ALIVE: Final = "WATCHDOG=1"
STOPPING: Final = "STOPPING=1\nSTATUS=stopping"
PATIENCE: Final = 0.5
"""Seconds to wait for a systemd whose queue is full, if a message must arrive."""


def ready(status: str) -> str:
    """Return the message that the service is ready, after a start or a reload."""
    return f"READY=1\n{status_is(status)}"


def reloading(now: float) -> str:
    """Return the message that a reload starts at `now`, in seconds of CLOCK_MONOTONIC.

    systemd 253 and later needs the time; older versions ignore it.
    """
    return f"RELOADING=1\nMONOTONIC_USEC={int(now * 1e6)}"


def status_is(status: str) -> str:
    """Return the message with the state of the service, in one line for people."""
    return f"STATUS={status}"


def watchdog_seconds(environment: Mapping[str, str], pid: int) -> float | None:
    """Return the watchdog interval in seconds that systemd asks for, or None."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    meant = environment.get("WATCHDOG_PID", str(pid))
    if meant != str(pid) or not (microseconds.isascii() and microseconds.isdigit()):
        return None
    return int(microseconds) / 1e6 or None


class Notifier:
    """Sends messages to systemd's socket; without one, it does nothing.

    Args:
        address: The value of `$NOTIFY_SOCKET`: a path, or `@` and an abstract name.
    """

    def __init__(self, address: str | None) -> None:
        self._address = f"\0{address[1:]}" if address and address[0] == "@" else address or ""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None

    @property
    def is_heard(self) -> bool:
        """Whether there is a socket."""
        return self._socket is not None

    def say(self, message: str, *, wait: float = 0.0) -> bool:
        """Send a message; return whether it was sent, waiting for at most this many seconds."""
        if self._socket is None:
            return False
        self._socket.settimeout(wait)
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
