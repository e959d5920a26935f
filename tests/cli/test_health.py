"""`prober health` beside a daemon: it asks where the daemon's environment says that it listens."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests import forking
from tests.ports import free_port
from tests.running import Daemon, prober


@contextmanager
def listening(folder: Path, address: str) -> Iterator[Daemon]:
    """Run a daemon that only its environment tells where to listen."""
    (folder / "prober.json").write_text("{}")
    environment = {
        **os.environ,
        "PROBER_CONFIG": str(folder / "prober.json"),
        "PROBER_LISTEN": address,
    }
    reading, writing = os.pipe()
    with open(reading, "rb") as log:  # noqa: PTH123  (it has no path)
        process = forking.start("prober", ["run"], environment=environment, stderr=writing)
        os.close(writing)
        with process:
            try:
                with closing(Daemon(process, log)) as running:
                    yield running
            finally:
                process.kill()


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this host has no IPv6")


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.2", pytest.param("[::]", marks=needs_ipv6)])
def test_it_asks_where_the_daemon_listens(tmp_path: Path, host: str) -> None:
    address = f"{host}:{free_port()}"
    with listening(tmp_path, address):
        done = prober("health", PROBER_LISTEN=address)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert prober("health", "--url", f"http://127.0.0.1:{free_port()}").returncode == 1
    assert prober("health", PROBER_LISTEN=address).returncode == 1


@needs_ipv6
def test_the_address_of_all_ipv6_takes_ipv4_as_well(tmp_path: Path) -> None:
    port = free_port()
    with listening(tmp_path, f"[::]:{port}") as running:
        for host in ("127.0.0.1", "[::1]"):
            running.url = f"http://{host}:{port}"
            assert running.get("/-/healthy")[0] == 200
