"""Targets whose every byte the test decides, on real sockets of loopback, without a thread."""

import select
import socket
import struct
from contextlib import suppress
from enum import StrEnum

from prober.model.status import Result
from tests.ports import free_port

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n+PONG"
_RESET = struct.pack("ii", 1, 0)


class Act(StrEnum):
    """What a server does with a connection; what it HOLDs, it may end later in another way."""

    RESPOND = "respond"
    FAIL = "fail"
    GARBAGE = "garbage"
    CUT = "cut"
    RESET = "reset"
    HOLD = "hold"


FOUND = {
    "HTTP": {
        Act.RESPOND: Result.OK,
        Act.FAIL: Result.INVALID_STATUS_CODE,
        Act.GARBAGE: Result.HEALTH_PAYLOAD_MISMATCH,
        Act.CUT: Result.CONNECT_FAILED,
        Act.RESET: Result.CONNECT_FAILED,
        Act.HOLD: Result.TIMED_OUT,
    },
    "EXPECT": {
        Act.RESPOND: Result.OK,
        Act.FAIL: Result.HEALTH_PAYLOAD_MISMATCH,
        Act.GARBAGE: Result.HEALTH_PAYLOAD_MISMATCH,
        Act.CUT: Result.CONNECT_FAILED,
        Act.RESET: Result.CONNECT_FAILED,
        Act.HOLD: Result.TIMED_OUT,
    },
}
"""What a probe finds, by its kind; EXPECT is a TCP probe that waits for +PONG."""
_SAID = {
    Act.RESPOND: REPLY,
    Act.FAIL: b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
    Act.GARBAGE: b"\x16\x03\x01 nonsense \xff\r\n\r\n",
}


class Server:
    """One target: `act` is what the next connections get; `done` what the latest has got.

    Where it `is_asked`, it does nothing before a request has come.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.act = Act.RESPOND
        self.done: Act | None = None
        self.is_asked = False
        self._listener: socket.socket | None = None
        self._new: list[socket.socket] = []
        self._held: list[tuple[socket.socket, bytes]] = []
        self.listen()

    @property
    def listens(self) -> bool:
        """Whether connections are taken at all; else they are refused."""
        return self._listener is not None

    @property
    def holds(self) -> bool:
        """Whether a connection waits for it to do something."""
        return bool(self._held)

    def listen(self) -> None:
        """Take connections again."""
        if self._listener is None:
            self._listener = socket.create_server((self.host, self.port), backlog=64)
            self._listener.setblocking(False)

    def refuse(self) -> None:
        """Refuse connections from now on."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def close(self) -> None:
        """Give everything back."""
        self.refuse()
        for connection in (*self._new, *(held for held, _ in self._held)):
            connection.close()
        self._new.clear()
        self._held.clear()

    def descriptors(self) -> list[int]:
        """Return what to wait for."""
        connections = [*self._new, *(connection for connection, _ in self._held)]
        found = [connection.fileno() for connection in connections]
        return found + ([self._listener.fileno()] if self._listener else [])

    def go_on(self) -> bool:
        """Take what has come; return whether there was anything."""
        self._drop_the_dead()
        news = self._accept()
        for connection in self._new.copy():
            if not self.is_asked or _take(connection):
                news = True
                self._new.remove(connection)
                self._held.append((connection, REPLY))
                self.done = Act.HOLD
                if self.act is not Act.HOLD:
                    self.finish(self.act)
        return news

    def _accept(self) -> bool:
        before = len(self._new)
        with suppress(BlockingIOError):
            while self._listener is not None:
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.setblocking(False)
                self._new.append(connection)
        return len(self._new) > before

    def finish(self, act: Act) -> None:
        """End the held connections in this way."""
        for connection, left in self._held:
            with connection, suppress(OSError):
                if act is Act.RESET:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                elif act in _SAID:
                    connection.sendall(left if act is Act.RESPOND else _SAID[act])
            self.done = act
        self._held.clear()

    def drip(self) -> None:
        """Send one more byte of the reply on the held connections."""
        dripped = []
        for connection, left in self._held:
            with suppress(OSError):
                connection.send(left[:1])
            dripped.append((connection, left[1:] or left))
        self._held = dripped

    def _drop_the_dead(self) -> None:
        """Forget the connections that the prober has ended."""
        dead = {sock for sock in (*self._new, *(held for held, _ in self._held)) if _is_dead(sock)}
        self._new = [sock for sock in self._new if sock not in dead]
        self._held = [(sock, left) for sock, left in self._held if sock not in dead]
        for sock in dead:
            sock.close()


def _is_dead(connection: socket.socket) -> bool:
    poll = select.poll()
    poll.register(connection, 0)
    return bool(poll.poll(0))


def _take(connection: socket.socket) -> bool:
    """Read a request; return whether there was one."""
    try:
        return bool(connection.recv(65536))
    except BlockingIOError:
        return False


def servers(hosts: list[str]) -> list[Server]:
    """Return a server on each host, all on one port that is free on all of them."""
    while True:
        port = free_port(host=hosts[0])
        found: list[Server] = []
        try:
            for host in hosts:
                found.append(Server(host, port))  # noqa: PERF401  (those there are must be closed)
        except OSError:
            for server in found:
                server.close()
        else:
            return found
