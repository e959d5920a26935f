"""Counts the instructions of a probe: a guard against decay that does not depend on the machine.

    python -m bench.instructions [--check] [--write] [TYPE ...]

Callgrind counts the user instructions of the engine, scheduler and state together, in simulated
time, while real targets in another process answer. Figures belong to one build of Python, so
`results/instructions.json` has them by its version; `--check` fails if one is more than TOLERANCE
above the stored one, and says so if there is none. The kernel's share is not counted.
"""

import argparse
import json
import logging
import multiprocessing
import os
import platform
import re
import select
import selectors
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from hpack import Encoder

from bench.targets import addresses
from prober.model.build import BUILD
from tests.fuzz.life import Life

TOLERANCE = 0.05
"""A fraction; runs differ by less than 1 %, depending on how many replies come together."""
CHECKS = 200
SECONDS = 4
"""Simulated seconds to count; each check is probed once in each."""
WARM = 3
PATIENCE = 60.0
RESULTS = Path(__file__).parent / "results" / "instructions.json"
HEADERS = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Tue, 01 Dec 2026 10:00:00 GMT\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
)


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


REPLIES: dict[str, bytes] = {"TCP": b"", "HTTP": HEADERS, "UDP": b"pong", "GRPC": _grpc_reply()}
"""What the targets of each type answer to the first bytes that they get."""
MONITORS: dict[str, dict[str, object]] = {
    "TCP": {"type": "TCP"},
    "HTTP": {"type": "HTTP"},
    "UDP": {"type": "UDP_CONNECT", "expect": {"text": "pong"}},
    "GRPC": {"type": "GRPC"},
}


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


def serve_datagrams(sock: socket.socket, reply: bytes) -> None:
    """Answer each datagram, from the address that it was sent to."""
    sock.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
    while True:
        _, control, _, peer = sock.recvmsg(4096, 256)
        sock.sendmsg([reply], control, 0, peer)


@contextmanager
def targets(name: str) -> Iterator[int]:
    """Run the targets of a type in another process, and return their port."""
    datagrams = name == "UDP"
    kind = socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("0.0.0.0", 0))
        if not datagrams:
            sock.listen(4096)
        serve: Callable[..., None] = serve_datagrams if datagrams else serve_stream
        server = multiprocessing.Process(target=serve, args=(sock, REPLIES[name]), daemon=True)
        server.start()
        try:
            yield sock.getsockname()[1]
        finally:
            server.kill()
            server.join()


class Run:
    """One prober in simulated time that probes CHECKS targets once a second."""

    def __init__(self, name: str, port: int) -> None:
        backends = [f"{address}:{port}" for address in addresses(CHECKS)]
        monitor = {"name": "bench", "pool": "bench", "interval": "1s", **MONITORS[name]}
        self._life = Life()
        self._life.begin([{"name": "bench", "backends": backends}], [monitor])

    def advance(self, seconds: int) -> int:
        """Let time pass; return the number of good probes, of which each check has one a second."""
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


def child(name: str, port: int) -> None:
    """Run the probes: those from the line that is read on are counted."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    run = Run(name, port)
    run.advance(WARM)
    print("ready", flush=True)
    sys.stdin.readline()
    print(run.advance(SECONDS), flush=True)
    os._exit(0)


def count(name: str) -> int:
    """Return the user instructions of one probe of a type."""
    with targets(name) as port, tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind"
        callgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no"]
        callgrind += [f"--callgrind-out-file={out}"]
        probing = [sys.executable, "-m", "bench.instructions", "--child", name, str(port)]
        with subprocess.Popen(
            [*callgrind, *probing],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            text=True,
        ) as process:
            assert process.stdin
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            switch = ["callgrind_control", "-i", "on", str(process.pid)]
            subprocess.run(switch, check=True, capture_output=True)
            process.stdin.write("go\n")
            process.stdin.flush()
            good = int(process.stdout.readline())
            process.stdin.close()
        assert good == CHECKS * SECONDS, f"{good} good probes of {CHECKS * SECONDS}"
        total = re.search(r"^(?:totals|summary): (\d+)", out.read_text("utf-8"), re.MULTILINE)
        assert total
        return round(int(total[1]) / good)


def _python() -> str:
    """Return what the figures depend on beside the code."""
    return f"{platform.machine()}, Python {platform.python_version()}, {platform.python_compiler()}"


def main() -> int:
    """Count, print, and compare; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("types", nargs="*", metavar="TYPE", help=f"{', '.join(MONITORS)}")
    parser.add_argument("--check", action="store_true", help="fail if a figure has risen")
    parser.add_argument("--write", action="store_true", help="store the figures")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], int(options.child[1]))
        return 0
    if not shutil.which("callgrind_control"):
        print("skipped: valgrind is not installed")
        return 0
    stored = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    known = stored.setdefault(_python(), {}).setdefault(BUILD, {})
    risen = False
    for name in options.types or MONITORS:
        found, before = count(name), known.get(name)
        against = f"{found / before - 1:+.1%} against {before:,}" if before else "none is stored"
        print(f"{name:5} {found:9,} instructions a probe ({BUILD}), {against}", flush=True)
        risen = risen or (before is not None and found > before * (1 + TOLERANCE))
        if options.write:
            known[name] = found
    if options.write:
        RESULTS.write_text(json.dumps(stored, indent=2) + "\n", "utf-8")
    return int(options.check and risen)


if __name__ == "__main__":
    sys.exit(main())
