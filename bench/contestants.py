"""The checkers to measure: how to make each of them probe every target once a second."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from multiprocessing import Process
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from bench.targets import Ports, addresses, checker_core, compiled, free_port, wait_until_open

CALLS = 64  # connections that drive blackbox_exporter


class Kind(NamedTuple):
    """One kind of probe: its name, its targets, and its name in each checker.

    `targets` is how many any of the checkers can probe once a second on one core.
    """

    name: str
    port: Callable[[Ports], int]
    type: str
    haproxy: tuple[str, ...] | None = None
    blackbox: Mapping[str, object] | None = None
    limit: str = ""
    more: Mapping[str, object] = MappingProxyType({})
    interval: float = 1.0
    targets: int = 1000


_NO_PROOF = {"insecure_skip_verify": True}
_IP4: dict[str, object] = {"preferred_ip_protocol": "ip4"}
_CHECK = "check inter 1s fastinter 1s downinter 1s"
_TLS = f"{_CHECK} check-ssl verify none no-ssl-reuse"


def _plain(ports: Ports) -> int:
    return ports.plain


def _tls(name: str, port: Callable[[Ports], int]) -> Kind:
    blackbox = {"prober": "tcp", "tcp": {**_IP4, "tls": True, "tls_config": _NO_PROOF}}
    haproxy = ("option tcp-check", _TLS)
    return Kind(f"TLS, {name}", port, "TLS", haproxy, blackbox, "TLS", targets=300)


KINDS = (
    Kind("TCP", _plain, "TCP", ("", _CHECK), {"prober": "tcp", "tcp": _IP4}, "TCP"),
    Kind(
        "HTTP",
        _plain,
        "HTTP",
        ("option httpchk GET /", _CHECK),
        {"prober": "http", "http": _IP4},
        "HTTP",
    ),
    _tls("P-256", lambda ports: ports.p256),
    _tls("RSA-2048", lambda ports: ports.rsa),
    Kind(
        "HTTPS, P-256",
        lambda ports: ports.p256,
        "HTTPS",
        ("option httpchk GET /", _TLS),
        {"prober": "http", "http": {**_IP4, "fail_if_not_ssl": True, "tls_config": _NO_PROOF}},
        "HTTPS",
        targets=300,
    ),
    Kind(
        "GRPC",
        _plain,
        "GRPC",
        blackbox={"prober": "grpc", "grpc": {**_IP4, "tls": False}},
        limit="GRPC",
    ),
    Kind(
        "UDP",
        _plain,
        "UDP_CONNECT",
        limit="UDP",
        more={"send": {"text": "ping"}, "expect": {"text": "ping"}},
        interval=2.0,
    ),
)


class Turn(NamedTuple):
    """How to run a checker: its command, and its driver if it needs one."""

    command: list[str]
    driver: Process | None = None


Contestant = Callable[[Kind, Ports, int, Path], Turn | None]
"""Returns how to run a checker; None if it is not installed or has no such probe."""


def prober(kind: Kind, ports: Ports, count: int, folder: Path) -> Turn | None:
    """The daemon with its default settings."""
    config = folder / "prober.json"
    backends = [f"{address}:{kind.port(ports)}" for address in addresses(count)]
    monitor = {"name": "bench", "type": kind.type, "pool": "bench", "interval": kind.interval}
    pools = [{"name": "bench", "backends": backends}]
    config.write_text(json.dumps({"pools": pools, "monitors": [{**monitor, **kind.more}]}))
    return Turn(prober_command(config))


def prober_command(config: Path) -> list[str]:
    """Return the command that runs the daemon on a configuration."""
    command = [sys.executable, "-m", "prober", "run", "--config", str(config)]
    return [*command, "--listen", "127.0.0.1:0", "--log-level", "info"]


def haproxy(kind: Kind, ports: Ports, count: int, folder: Path) -> Turn | None:
    """HAProxy's checker, in one thread."""
    program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if not program or kind.haproxy is None:
        return None
    option, check = kind.haproxy
    lines = ["global", "  maxconn 100", "  nbthread 1", "defaults", "  timeout connect 2s"]
    lines += ["  timeout client 2s", "  timeout server 2s", "  timeout check 2s"]
    lines += ["frontend idle", f"  bind unix@{folder}/haproxy.sock", "backend bench", f"  {option}"]
    lines += [
        f"  server s{i} {address}:{kind.port(ports)} {check}"
        for i, address in enumerate(addresses(count))
    ]
    config = folder / "haproxy.cfg"
    config.write_text("\n".join([*lines, ""]))
    return Turn([program, "-f", str(config), "-db"])


def blackbox(kind: Kind, ports: Ports, count: int, folder: Path) -> Turn | None:
    """blackbox_exporter, scraped for each target once a second over kept connections."""
    program = shutil.which("prometheus-blackbox-exporter") or shutil.which("blackbox_exporter")
    if not program or kind.blackbox is None or count > 1000:
        return None
    config, port = folder / "blackbox.json", free_port()
    config.write_text(json.dumps({"modules": {"bench": {**kind.blackbox, "timeout": "2s"}}}))
    scheme = "https://" if kind.type == "HTTPS" else ""
    wanted = [f"{scheme}{address}:{kind.port(ports)}" for address in addresses(count)]
    driver = Process(target=_drive, args=(port, wanted), daemon=True)
    command = [program, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}"]
    return Turn([*command, "--log.level=error"], driver)


def _drive(port: int, wanted: list[str]) -> None:
    os.sched_setaffinity(0, set(os.sched_getaffinity(0)) - {checker_core()} or {0})
    wait_until_open(port)
    asyncio.run(_drive_all(port, wanted))


async def _drive_all(port: int, wanted: list[str]) -> None:
    shares = (wanted[i::CALLS] for i in range(CALLS))
    await asyncio.gather(*(_ask(port, share, i / CALLS) for i, share in enumerate(shares)))


async def _ask(port: int, share: list[str], phase: float) -> None:
    """Request a share of the targets, spread evenly over each second."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    loop = asyncio.get_running_loop()
    due, pause = loop.time() + phase / max(1, len(share)), 1.0 / max(1, len(share))
    while share:
        for target in share:
            await asyncio.sleep(max(0.0, due - loop.time()))
            due += pause
            query = f"GET /probe?module=bench&target={target} HTTP/1.1\r\nHost: bench\r\n\r\n"
            writer.write(query.encode())
            head = await reader.readuntil(b"\r\n\r\n")
            await _skip_body(reader, head.lower())


async def _skip_body(reader: asyncio.StreamReader, head: bytes) -> None:
    _, found, rest = head.partition(b"content-length: ")
    if found:
        await reader.readexactly(int(rest.split(b"\r\n", 1)[0]))
        return
    while size := int(await reader.readline(), 16):
        await reader.readexactly(size + 2)
    await reader.readline()


def limit(kind: Kind, ports: Ports, count: int, folder: Path) -> Turn | None:
    """The C program `limit.c`, which only probes."""
    program = folder / "limit"
    if not program.exists() and not compiled("limit", folder, "ssl", "crypto"):
        return None
    return Turn([str(program), kind.limit, str(kind.port(ports)), str(count)])


CONTESTANTS: dict[str, Contestant] = {
    "prober": prober,
    "HAProxy": haproxy,
    "blackbox_exporter": blackbox,
    "C, the limit": limit,
}
