"""A name server that answers as a test says, on port 53 of the host where it is made."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

SERVFAIL = 2
NXDOMAIN = 3
Service = tuple[int, str]
"""The port and the host of a server."""
Said = str | tuple[str, ...] | list[Service] | int | None
Says = Callable[[str], Said]
"""What is said of a name: IPv4 addresses, servers, an error code, or None for silence."""

_A, _SRV = 1, 33


def reply(query: bytes, says: Says) -> bytes | None:
    """Return the reply to a query of one name."""
    labels, end = [], 12
    while length := query[end]:
        labels.append(query[end + 1 : end + 1 + length].decode())
        end += 1 + length
    question = query[12 : end + 5]
    (kind,) = struct.unpack_from(">H", query, end + 1)
    said = says(".".join(labels))
    if said is None:
        return None
    code = said if isinstance(said, int) else 0
    records = [
        struct.pack(">HHHLH", 0xC00C, kind, 1, 0, len(each)) + each for each in rdata(said, kind)
    ]
    head = struct.pack(">HHHHH", 0x8180 | code, 1, len(records), 0, 0)
    return query[:2] + head + question + b"".join(records)


def rdata(said: Said, kind: int) -> list[bytes]:
    """Return the contents of the records of a kind."""
    if isinstance(said, list) and kind == _SRV:
        return [
            struct.pack(">HHH", 0, 0, port)
            + b"".join(bytes([len(each)]) + each.encode() for each in host.split("."))
            + b"\0"
            for port, host in said
        ]
    if kind != _A or isinstance(said, int | list | None):
        return []
    return [socket.inet_aton(each) for each in ((said,) if isinstance(said, str) else said)]


@contextmanager
def name_server(says: Says) -> Iterator[None]:
    """Answer on 127.0.0.1:53 for as long as the context lasts."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 53))
        sock.settimeout(0.1)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                with suppress(TimeoutError):
                    query, peer = sock.recvfrom(512)
                    if answer := reply(query, says):
                        sock.sendto(answer, peer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
