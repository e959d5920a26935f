"""Probes of one type in simulated time, of real targets in another process."""

import multiprocessing
import select
import selectors
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import trustme
from hpack import Encoder

from bench.targets import addresses
from tests.fuzz.life import Life

CHECKS = 200
FEWER = {"TLS": 40}
"""The number of checks of types that take longer."""
INTERVAL = 2
"""Simulated seconds; with less than the pace of UDP, every probe would be put off."""
PATIENCE = 60.0
HEADERS = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Tue, 01 Dec 2026 10:00:00 GMT\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
)
DATAGRAMS = ("UDP_CONNECT", "DNS")
MONITORS: dict[str, dict[str, object]] = {
    "TCP": {},
    "HTTP": {},
    "UDP_CONNECT": {"expect": {"text": "pong"}},
    "DNS": {"query_name": "example.test"},
    "ICMP": {},
    "GRPC": {},
    "TLS": {},
}
"""The options of the monitor of each type."""


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _grpc_reply() -> bytes:
    encoder = Encoder()
    head = encoder.encode([(":status", "200"), ("content-type", "application/grpc")])
    trailers = encoder.encode([("grpc-status", "0")])
    return (
        _frame(4, 0, 0)
        + _frame(4, 1, 0)
        + _frame(1, 4, 1, head)
        + _frame(0, 0, 1, b"\0\0\0\0\2\x08\x01")
        + _frame(1, 5, 1, trailers)
    )


REPLIES: dict[str, bytes] = {"TCP": b"", "HTTP": HEADERS, "GRPC": _grpc_reply()}
"""What the targets of each type answer to the first bytes of a connection."""


def serve_stream(listener: socket.socket, reply: bytes) -> None:
    """Answer the first bytes of each connection."""
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                if sock is listener:
                    selector.register(sock.accept()[0], selectors.EVENT_READ, reply)
                    continue
                try:
                    received = sock.recv(4096)
                    if received and key.data:
                        sock.send(reply)
                        selector.modify(sock, selectors.EVENT_READ, b"")
                    if received:
                        continue
                except OSError:
                    pass
                selector.unregister(sock)
                sock.close()


def serve_tls(listener: socket.socket, _: bytes) -> None:
    """Shake hands with each connection, in a thread of its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)

    def shake(sock: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(sock, server_side=True) as tls:
            while tls.recv(4096):
                pass

    while True:
        threading.Thread(target=shake, args=(listener.accept()[0],), daemon=True).start()


def serve_datagrams(sock: socket.socket, answer: Callable[[bytes], bytes]) -> None:
    """Answer each datagram, from the address that it was sent to."""
    sock.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
    while True:
        content, control, _, peer = sock.recvmsg(4096, 256)
        sock.sendmsg([answer(content)], control, 0, peer)


def pong(_: bytes) -> bytes:
    """Return the answer to any datagram."""
    return b"pong"


def answered(query: bytes) -> bytes:
    """Return the reply to a DNS query with one question: its name is at 127.0.0.1."""
    end = query.index(b"\0", 12) + 5
    head = query[:2] + struct.pack(">5H", 0x8400, 1, 1, 0, 0)
    record = struct.pack(">3HIH4s", 0xC00C, 1, 1, 60, 4, bytes((127, 0, 0, 1)))
    return head + query[12:end] + record


@contextmanager
def targets(name: str) -> Iterator[int]:
    """Run the targets of a type in another process, and return their port; the kernel pongs."""
    kind = socket.SOCK_DGRAM if name in DATAGRAMS else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("0.0.0.0", 0))
        port = sock.getsockname()[1]
        if name in DATAGRAMS:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            reply = answered if name == "DNS" else pong
            server = multiprocessing.Process(
                target=serve_datagrams, args=(sock, reply), daemon=True
            )
        else:
            sock.listen(4096)
            serve = serve_tls if name == "TLS" else serve_stream
            server = multiprocessing.Process(
                target=serve, args=(sock, REPLIES.get(name, b"")), daemon=True
            )
        server.start()
        try:
            yield port
        finally:
            server.kill()
            server.join()


def checks_of(name: str) -> int:
    """Return how many checks of a type are probed."""
    return FEWER.get(name, CHECKS)


class Run:
    """One prober in simulated time that probes all targets of a type once in INTERVAL."""

    def __init__(self, name: str, port: int) -> None:
        backends = [f"{address}:{port}" for address in addresses(checks_of(name))]
        monitor = {"name": "bench", "pool": "bench", "interval": f"{INTERVAL}s", "type": name}
        self._life = Life()
        self._life.begin([{"name": "bench", "backends": backends}], [{**monitor, **MONITORS[name]}])

    def advance(self, seconds: int) -> int:
        """Let time pass; return the number of good probes."""
        counters = self._life.prober.store.counters["bench"]
        before = counters.probes - counters.failures.total()
        for _ in range(seconds * 20):
            self._life.clock.advance(0.05)
            while self._life.prober.vitals.probes_in_flight:
                self._ready()
        return counters.probes - counters.failures.total() - before

    def _ready(self) -> None:
        readers = self._life.loop.readers
        for descriptor in select.select(list(readers), [], [], PATIENCE)[0]:
            readers[descriptor]()
