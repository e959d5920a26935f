"""What is probed: a small C program, and nginx for TLS and HTTPS; all on the first core."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_connection, create_server
from typing import NamedTuple

HERE = Path(__file__).parent
CURVES = {"P-256": ("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), "RSA-2048": ("rsa:2048",)}
NGINX = """
worker_processes 1; worker_cpu_affinity 1; daemon off; pid {folder}/nginx.pid; error_log /dev/null;
events {{ worker_connections 20000; }}
http {{
  access_log off; ssl_session_cache off; ssl_session_tickets off; keepalive_timeout 0;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {servers}
}}
"""
SERVER = """server {{
    listen {port} ssl backlog=16384; ssl_certificate {name}.pem; ssl_certificate_key {name}.key;
    location / {{ return 200 "ok\\n"; }}
  }}"""


class Ports(NamedTuple):
    """The port of each kind of target, on every address of 127.0.0.0/8; 0: none."""

    plain: int
    p256: int
    rsa: int


def addresses(count: int) -> list[str]:
    """Return loopback addresses, one for each check."""
    return [f"127.{1 + (i >> 16)}.{i >> 8 & 255}.{i & 255}" for i in range(count)]


def checker_core() -> int:
    """Return the core that checkers run on: the last; the targets have the first."""
    return max(os.sched_getaffinity(0))


def on_core(core: int, command: list[str]) -> list[str]:
    """Return a command that runs another one on one core."""
    return ["taskset", "--cpu-list", str(core), *command]


def compiled(name: str, folder: Path, *libraries: str) -> Path | None:
    """Compile a program of this folder; return None if there is no compiler."""
    compiler, program = shutil.which("cc"), folder / name
    if not compiler:
        return None
    command = [compiler, "-O2", "-o", str(program), str(HERE / f"{name}.c")]
    command += [f"-l{each}" for each in libraries]
    done = subprocess.run(command, capture_output=True, check=False)
    return program if done.returncode == 0 else None


def free_port() -> int:
    """Return a port on which nothing listens."""
    with create_server(("0.0.0.0", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def targets(folder: Path) -> Iterator[Ports]:
    """Run the targets while the context lasts."""
    sink = compiled("sink", folder)
    if not sink:
        raise SystemExit("bench: a C compiler is needed for the targets (Debian: gcc libc6-dev)")
    first = min(os.sched_getaffinity(0))
    command = on_core(first, [str(sink)])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        plain = int(process.stdout.readline())
        try:
            with _nginx(folder) as (p256, rsa):
                yield Ports(plain, p256, rsa)
        finally:
            process.kill()


@contextmanager
def _nginx(folder: Path) -> Iterator[tuple[int, int]]:
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if not nginx or not shutil.which("openssl"):
        yield 0, 0
        return
    ports = []
    for name, key in CURVES.items():
        _make_certificate(folder / name, key)
        ports.append(free_port())
    servers = (
        SERVER.format(port=port, name=folder / name)
        for port, name in zip(ports, CURVES, strict=True)
    )
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, servers="\n  ".join(servers)))
    with subprocess.Popen([nginx, "-c", str(config), "-p", str(folder)]) as process:
        for port in ports:
            wait_until_open(port)
        try:
            yield ports[0], ports[1]
        finally:
            process.terminate()


def _make_certificate(path: Path, key: tuple[str, ...]) -> None:
    command = ["openssl", "req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=bench"]
    command += ["-newkey", *key, "-out", f"{path}.pem", "-keyout", f"{path}.key"]
    subprocess.run(command, check=True, capture_output=True)


def wait_until_open(port: int, seconds: float = 10.0) -> None:
    """Wait until a port of 127.0.0.1 accepts connections."""
    until = time.monotonic() + seconds
    while True:
        try:
            create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return
