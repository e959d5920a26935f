"""How the daemon ages: `python -m bench.soak --hours H` against targets that fail, flap and hang.

Meanwhile it is scraped, looked at, reloaded with other checks and followed live. A line every so
often says what it holds; at the end, what grew since it was warm. Nothing may grow for ever.
"""

import argparse
import asyncio
import itertools
import json
import multiprocessing
import random
import re
import signal
import socket
import struct
import tempfile
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

from bench.contestants import Turn, prober_command
from bench.measure import Buckets, Running, buckets, cpu_seconds, quantiles, resident, running
from bench.targets import addresses

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"
BAD = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
FLAP = 20.0
"""Seconds between two changes of a flapping target."""
BETWEEN_RELOADS = 15.0
WARM_UP = 60.0
_RESET = struct.pack("ii", 1, 0)
_PROBES = re.compile(r"^prober_probes_total\{.*\} (\S+)$", re.MULTILINE)

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


async def _healthy(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(GOOD)


async def _failing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(BAD)


async def _flapping(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(GOOD if time.monotonic() // FLAP % 2 else BAD)


async def _hanging(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def _dripping(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in itertools.cycle(b"HTTP/1.1 200 OK\r\nX: "):
        writer.write(bytes((byte,)))
        await writer.drain()
        await asyncio.sleep(0.05)


async def _endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def _resetting(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


async def _nonsense(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(random.randbytes(random.randrange(1, 4096)))


ANSWERS: dict[str, Answer] = {
    "healthy": _healthy,
    "failing": _failing,
    "flapping": _flapping,
    "hanging": _hanging,
    "dripping": _dripping,
    "endless": _endless,
    "resetting": _resetting,
    "nonsense": _nonsense,
}


def _serve(listeners: dict[str, socket.socket]) -> None:
    """Serve all targets until killed."""

    def handler(answer: Answer) -> Answer:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                if await reader.read(65536):
                    await answer(reader, writer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

        return handle

    async def serve() -> None:
        for name, listener in listeners.items():
            await asyncio.start_server(handler(ANSWERS[name]), sock=listener)
        await asyncio.Event().wait()

    asyncio.run(serve())


class Plan:
    """The configuration: each time with other pools."""

    def __init__(self, path: Path, ports: dict[str, int], checks: int) -> None:
        self._path = path
        self._ports = {**ports, "refused": _unused_port()}
        self._hosts = addresses(max(1, checks // (2 * len(self._ports))))
        self._random = random.Random(1)

    def write(self) -> None:
        """Write the next configuration."""
        pools, monitors = [], []
        for name, port in self._ports.items():
            hosts = [host for host in self._hosts if self._random.random() < 0.9]
            pools.append({"name": name, "backends": [f"{host}:{port}" for host in hosts]})
            common = {"pool": name, "interval": 1, "timeout": 0.8}
            monitors.append({"name": f"{name}-http", "type": "HTTP", **common})
            of_body = {"type": "HTTP", "body_regex": "ok", "rise": self._random.randint(1, 3)}
            monitors.append({"name": f"{name}-body", **of_body, **common})
        unknown = {"name": "no-such-name", "type": "TCP", "targets": ["no-such-name.invalid:80"]}
        udp = {"name": "udp", "type": "UDP_CONNECT", "targets": [f"127.0.0.1:{_unused_port()}"]}
        server = {"state_dir": str(self._path.parent / "state")}
        document = {"server": server, "pools": pools, "monitors": [*monitors, unknown, udp]}
        written = self._path.with_suffix(".new")
        written.write_text(json.dumps(document))
        written.rename(self._path)


def _unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Sample(NamedTuple):
    """The resources of the daemon at one time."""

    seconds: float
    probes: float
    cpu: float
    memory: float
    descriptors: int
    threads: int
    stored: float
    lags: Buckets


def _sample(it: Running, url: str, begun: float, state: Path) -> Sample:
    pid = it.process.pid
    with urlopen(f"{url}/metrics") as answer:
        probes = sum(map(float, _PROBES.findall(answer.read().decode())))
    return Sample(
        time.monotonic() - begun,
        probes,
        cpu_seconds(pid),
        resident(pid),
        len(list(Path(f"/proc/{pid}/fd").iterdir())),
        len(list(Path(f"/proc/{pid}/task").iterdir())),
        sum(file.stat().st_size for file in state.iterdir()) / 2**20,
        buckets(url),
    )


def _line(before: Sample, now: Sample) -> str:
    took = now.seconds - before.seconds
    schedule = quantiles(before.lags, now.lags, "prober_schedule_lag_seconds")
    loop = quantiles(before.lags, now.lags, "prober_loop_lag_seconds")
    return (
        f"{now.seconds:8.0f} s  {(now.cpu - before.cpu) / took:4.0%} CPU  {now.memory:6.1f} MiB  "
        f"{now.descriptors:5} descriptors  {now.threads:3} threads  {now.stored:6.1f} MiB stored  "
        f"lag p99 {schedule['p99']:g} ms, loop {loop['p99']:g} ms, most {loop['max']:g} ms"
    )


def soak(it: Running, plan: Plan, asked: argparse.Namespace, state: Path) -> list[Sample]:
    """Run the daemon; return the readings."""
    url, begun = it.url(), time.monotonic()
    host, _, port = url.removeprefix("http://").rpartition(":")
    end, reload_at, look_at = begun + asked.hours * 3600, begun + BETWEEN_RELOADS, begun
    samples: list[Sample] = []
    with socket.create_connection((host, int(port))) as follower:
        follower.sendall(b"GET /api/v1/events/stream HTTP/1.1\r\nHost: soak\r\n\r\n")
        follower.setblocking(False)
        while time.monotonic() < end and it.process.poll() is None:
            with suppress(BlockingIOError):
                while follower.recv(2**20):
                    pass
            if time.monotonic() >= reload_at:
                reload_at += BETWEEN_RELOADS
                plan.write()
                it.process.send_signal(signal.SIGHUP)
            for path in ("/", "/api/v1/checks", "/api/v1/events?limit=1000", "/metrics"):
                with urlopen(url + path) as answer:
                    answer.read()
            if time.monotonic() >= look_at:
                look_at += asked.every
                samples.append(_sample(it, url, begun, state))
                if len(samples) > 1:
                    print(_line(*samples[-2:]), flush=True)
            time.sleep(1.0)
    return samples


def main() -> None:
    """Start targets and daemon, read its resources, and report growth."""
    parser = argparse.ArgumentParser(prog="bench.soak", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--checks", type=int, default=500, help="about so many")
    parser.add_argument("--every", type=float, default=30.0, help="seconds between two lines")
    asked = parser.parse_args()
    listeners = {name: socket.create_server(("0.0.0.0", 0), backlog=4096) for name in ANSWERS}
    targets = multiprocessing.Process(target=_serve, args=(listeners,), daemon=True)
    targets.start()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ports = {each: listener.getsockname()[1] for each, listener in listeners.items()}
        plan = Plan(folder / "soak.json", ports, asked.checks)
        plan.write()
        with running(Turn(prober_command(folder / "soak.json")), folder) as it:
            samples = soak(it, plan, asked, folder / "state")
            ended = it.process.poll()
        log = (folder / "checker.log").read_text().splitlines()
    targets.kill()
    if ended is not None:
        raise SystemExit(f"soak: the daemon ended with {ended}: {log[-3:]}")
    bad = [line for line in log if '"internal_error"' in line or '"request_failed"' in line]
    warm = next((each for each in samples if each.seconds >= WARM_UP), samples[0])
    last = samples[-1]
    print(
        f"since it was warm, {last.seconds - warm.seconds:.0f} s: "
        f"{last.probes:.0f} probes counted, memory {last.memory - warm.memory:+.1f} MiB, "
        f"descriptors {last.descriptors - warm.descriptors:+}, "
        f"threads {last.threads - warm.threads:+}; bugs in the log: {len(bad)}"
    )
    if bad:
        raise SystemExit("\n".join(bad[:10]))


if __name__ == "__main__":
    main()
