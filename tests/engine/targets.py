"""Targets on loopback: each follows a script, in a thread of its own, on real sockets."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from prober.engine.once import probe_once
from prober.engine.resolver import Lookup, look_up
from prober.model.monitor import Check, Monitor
from prober.model.pool import Backend, Pool
from prober.model.probe import Probe
from prober.model.status import PHASES, Outcome, Reason

Script = Callable[[socket.socket], None]
"""What a target does with one connection; the connection is closed after it."""

PATIENCE = 60.0
"""Seconds after which a test that waits for an event has failed."""


def hold(connection: socket.socket) -> None:
    """Say nothing more, and stay until the prober has gone."""
    while connection.recv(65536):
        pass


def close(_: socket.socket) -> None:
    """End with a FIN, as the closing of a socket does whose bytes were all read."""


def reset(connection: socket.socket) -> None:
    """End with a RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def says(*parts: bytes, then: Script = hold) -> Script:
    """Return a script that sends these parts at once, each in a segment of its own."""

    def script(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            connection.sendall(part)
        then(connection)

    return script


def answers(*parts: bytes, then: Script = hold, heard: list[bytes] | None = None) -> Script:
    """Return a script that waits for a request, keeps it in `heard`, and answers it."""

    def script(connection: socket.socket) -> None:
        request = connection.recv(65536)
        if heard is not None:
            heard.append(request)
        says(*parts, then=then)(connection)

    return script


def endless(unit: bytes, head: bytes = b"") -> Script:
    """Return a script that answers until the prober has had enough."""

    def script(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(head)
        while True:
            connection.sendall(unit * 500)

    return script


def over_tls(context: ssl.SSLContext, script: Script = hold) -> Script:
    """Return a script that shakes hands as a TLS server and then follows another script."""

    def secured(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=True) as tls:
            script(tls)

    return secured


@contextmanager
def listening(script: Script, host: str = "127.0.0.1") -> Iterator[int]:
    """Yield the port of a target that follows the script with each connection, one by one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bugs: list[BaseException] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # it was shut down
                return
            with connection, suppress(OSError):  # the prober ends what it need not wait for
                try:
                    script(connection)
                except AssertionError as bug:
                    bugs.append(bug)

    with socket.create_server((host, 0), family=family) as listener:
        thread = threading.Thread(target=serve, name="target")
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE)
    assert not thread.is_alive(), "the target did not come to its end"
    assert not bugs, bugs


def check_of(
    probe: Probe, port: int, *, host: str = "127.0.0.1", timeout: float = PATIENCE
) -> Check:
    """Return the check of one backend by one probe."""
    backend = Backend(address=host, port=port)
    monitor = Monitor(name="m", type="any", pool="p", timeout=timeout, probe=probe)
    return Check(monitor, Pool(name="p", backends=(backend,)), backend)


async def find(
    probe: Probe,
    port: int,
    *,
    host: str = "127.0.0.1",
    timeout: float = PATIENCE,  # noqa: ASYNC109  (the probe's, not the caller's)
    look_up: Lookup = look_up,
) -> Outcome:
    """Probe once and return what was found; again if this machine stood still meanwhile."""
    check = check_of(probe, port, host=host, timeout=timeout)
    found = await probe_once(check, look_up=look_up)
    while found.reason is Reason.STALLED:
        found = await probe_once(check, look_up=look_up)
    return found


def phases(outcome: Outcome) -> set[str]:
    """Return the names of the phases that a probe had; none of them has a negative length."""
    had = {
        name: took for name, took in zip(PHASES, outcome.phases, strict=True) if took is not None
    }
    assert all(took >= 0 for took in had.values()), had
    assert sum(had.values()) <= outcome.seconds + 1e-6
    return set(had)
