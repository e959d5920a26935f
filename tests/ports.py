"""Ports for servers of the tests that come and go."""

import os
import socket
from itertools import count

# Below the ports that Linux gives to clients and to port 0 (ip_local_port_range begins at
# 32768): nobody takes such a port while its server is away.
_LOWEST, _COUNT = 10_240, 22_000
_numbers = count(os.getpid() * 7_919)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM, host: str = "127.0.0.1") -> int:
    """Return a port of a host that nobody listens on; each call gives another one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in _numbers:
        port = _LOWEST + number % _COUNT
        with socket.socket(family, kind) as sock:
            try:
                sock.bind((host, port))
            except OSError:
                continue
            return port
    raise AssertionError("unreachable: the numbers do not end")
