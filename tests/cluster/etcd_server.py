"""Real servers of etcd, one or three, to be stopped, killed, wiped and filled."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from prober.cluster.etcd_gateway import EtcdGateway
from prober.cluster.key_store import Snapshot, StoreUnavailable
from tests.ports import free_port
from tests.running import PATIENCE, connects, until

needs_etcd = pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd is not installed")
needs_etcdctl = pytest.mark.skipif(shutil.which("etcdctl") is None, reason="etcdctl is missing")


@dataclass
class Etcd:
    """One server: `url` is where clients reach it."""

    name: str
    folder: Path
    port: int
    peer: int
    options: Sequence[str] = ()
    scheme: str = "http"
    cluster: str = ""
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def start(self) -> None:
        peer = f"http://127.0.0.1:{self.peer}"
        options = {
            "name": self.name,
            "data-dir": str(self.folder),
            "listen-client-urls": self.url,
            "advertise-client-urls": self.url,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": self.cluster or f"{self.name}={peer}",
            "logger": "zap",
            "log-level": "fatal",
            "heartbeat-interval": "100",
            "election-timeout": "1000",
        }
        flags = [part for key, value in options.items() for part in (f"--{key}", value)]
        self.process = subprocess.Popen(
            ["etcd", *flags, *self.options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def wait(self) -> None:
        """Wait until it serves, which it does when it has found the others."""

        def serves() -> bool:
            assert self.is_running, f"etcd {self.name} has ended: is port {self.port} taken?"
            return connects(self.port)

        until(serves)

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def pause(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)

    def wipe(self) -> None:
        """Kill it and start it again without its data."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)  # one that has failed to start has none
        self.start()
        self.wait()

    def clean(self) -> None:
        """Delete all keys; if a test has left it dead, start another one on other ports."""
        if not self.is_running:
            self.port, self.peer = free_port(), free_port()
            self.wipe()
        self.go_on()
        everything = b'{"key": "AA==", "range_end": "AA=="}'
        request = Request(f"{self.url}/v3/kv/deleterange", data=everything)
        with urlopen(request, timeout=PATIENCE):
            pass

    def control(self, *words: str, user: str | None = None) -> None:
        """Run a command of etcdctl."""
        who = ["--user", user] if user else []
        subprocess.run(
            ["etcdctl", "--endpoints", self.url, *who, *words],
            env={**os.environ, "ETCDCTL_API": "3"},
            capture_output=True,
            check=True,
        )

    def enable_authentication(self) -> None:
        """Let only `prober`, whose password is `sesame`, read and write below `/prober/`."""
        for words in (
            *("user add root:root", "user grant-role root root", "user add prober:sesame"),
            *("role add prober", "role grant-permission prober readwrite --prefix=true /prober/"),
            *("user grant-role prober prober", "auth enable"),
        ):
            self.control(*words.split())

    def leads(self) -> bool:
        """Return whether it is the leader; etcd leaves the field out while there is none."""
        request = Request(f"{self.url}/v3/maintenance/status", data=b"{}")
        with urlopen(request, timeout=PATIENCE) as answer:
            status = json.load(answer)
        return bool(status.get("leader") == status["header"]["member_id"])


@contextmanager
def etcd(folder: Path, *options: str, scheme: str = "http") -> Iterator[Etcd]:
    """Run one server of etcd."""
    server = Etcd("alone", folder / "etcd", free_port(), free_port(), options, scheme)
    try:
        server.start()
        server.wait()
        yield server
    finally:
        server.kill()


@contextmanager
def three_of_etcd(folder: Path) -> Iterator[list[Etcd]]:
    """Run three servers of etcd, which need two of them."""
    names = ("one", "two", "three")
    peers = {name: free_port() for name in names}
    cluster = ",".join(f"{name}=http://127.0.0.1:{port}" for name, port in peers.items())
    servers = [
        Etcd(name, folder / name, free_port(), peers[name], cluster=cluster) for name in names
    ]
    try:
        for server in servers:
            server.start()
        for server in servers:
            server.wait()
        yield servers
    finally:
        for server in servers:
            server.kill()


@asynccontextmanager
async def client(*urls: str, **options: Any) -> AsyncIterator[EtcdGateway]:
    """Make a client of these endpoints."""
    store = EtcdGateway(urls, **options)
    try:
        yield store
    finally:
        await store.close()


async def answering(store: EtcdGateway) -> Snapshot:
    """Ask until there is an answer."""
    for _ in range(int(PATIENCE / 0.02)):
        with suppress(StoreUnavailable):
            return await store.read("/prober/")
        await asyncio.sleep(0.02)
    raise AssertionError("etcd does not come back")
