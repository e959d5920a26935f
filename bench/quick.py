"""Detects regressions: CPU per probe relative to a bare loop of system calls.

    python -m bench.quick [--rounds 8]

The reference does in blocking Python what no probe can do without: open a socket, connect, send
and receive if it is HTTP, reset. It and the whole of engine, scheduler and state take turns in this
process, against one listener in another, so that the ratio moves less than the machine does.
Compare the ratio before a change with that after it.
"""

import argparse
import asyncio
import logging
import multiprocessing
import selectors
import socket
import statistics
import struct
import time
from pathlib import Path

import structlog

from bench.targets import addresses
from prober.config.configuration import Config
from prober.config.reader import parse
from prober.daemon.probing import Prober
from prober.model.option import ReadContext

CHECKS = 400
PORT = 18700
"""Outside the local port range, as the ports of most targets are."""
INTERVAL = 0.1
SECONDS = 1.0
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"
REQUEST = b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"
RESET = struct.pack("ii", 1, 0)


def serve(listener: socket.socket) -> None:
    """Answer every request with the same HTTP reply."""
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    selector.register(listener.accept()[0], selectors.EVENT_READ)
                    continue
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                try:
                    if connection.recv(4096):
                        connection.send(REPLY)
                        continue
                except OSError:
                    pass
                selector.unregister(connection)
                connection.close()


def bare(kind: str, port: int, count: int) -> float:
    """Return the CPU microseconds of the system calls of one probe."""
    hosts = addresses(CHECKS)
    begun = time.process_time()
    for i in range(count):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            sock.connect((hosts[i % CHECKS], port))
            if kind == "HTTP":
                sock.send(REQUEST)
                sock.recv(4096)
    return (time.process_time() - begun) / count * 1e6


def configuration(kind: str, port: int) -> Config:
    """Return a configuration of checks of one kind."""
    backends = ", ".join(f"'{address}:{port}'" for address in addresses(CHECKS))
    options = f"pool: bench, interval: {INTERVAL}, fast_interval: {INTERVAL}"
    text = f"""
      pools: [{{name: bench, backends: [{backends}]}}]
      monitors: [{{name: bench, type: {kind}, {options}}}]
    """
    outside = ReadContext(str(Path.cwd()), lambda name: Path(name).read_text(), {})
    return parse(text, source="bench", outside=outside)


async def whole(config: Config) -> tuple[float, int]:
    """Return the CPU microseconds of one probe of the engine, and how many there were."""
    loop = asyncio.get_running_loop()
    prober = Prober(config, loop=loop, limit=CHECKS)
    with prober.probing(config):
        await asyncio.sleep(3 * INTERVAL + CHECKS / 1000)
        failed = sum(each.failures.total() for each in prober.store.counters.values())
        begun, before = time.process_time(), _probes(prober)
        await asyncio.sleep(SECONDS)
        cpu, probes = time.process_time() - begun, _probes(prober) - before
        failures = sum(each.failures.total() for each in prober.store.counters.values()) - failed
    assert failures < probes / 100, f"{failures} of {probes} probes failed"
    return cpu / probes * 1e6, probes


def _probes(prober: Prober) -> int:
    return sum(counters.probes for counters in prober.store.counters.values())


def main() -> None:
    """Measure both in turn and print the ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=8)
    rounds = parser.parse_args().rounds
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with socket.create_server(("0.0.0.0", PORT), backlog=4096) as listener:
        server = multiprocessing.Process(target=serve, args=(listener,), daemon=True)
        server.start()
        port = listener.getsockname()[1]
        for kind in ("TCP", "HTTP"):
            config = configuration(kind, port)
            pairs = []
            for _ in range(rounds):
                cpu, probes = asyncio.run(whole(config))
                pairs.append((cpu, bare(kind, port, probes)))
            show(kind, "bare sockets", pairs)
        server.kill()


def show(kind: str, reference: str, pairs: list[tuple[float, float]]) -> None:
    """Print the ratio of pairs of CPU microseconds."""
    ratios = [ours / theirs for ours, theirs in pairs]
    ours, theirs = (statistics.median(each) for each in zip(*pairs, strict=True))
    spread = f"[{min(ratios):.2f} to {max(ratios):.2f}]"
    times = f"{ours:.0f} us against {theirs:.0f} us"
    print(f"{kind}: {statistics.median(ratios):.2f} x {reference} {spread}, {times}", flush=True)


if __name__ == "__main__":
    main()
