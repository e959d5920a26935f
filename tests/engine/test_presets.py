"""Presets against the servers that they are for, each a process of its own on loopback."""

import grp
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from prober.model.status import Reason
from prober.model.tls_settings import TlsSettings
from prober.probes.presets import PRESETS
from prober.probes.tcp import TcpProbe
from prober.probes.tls import TlsProbe
from tests.engine.conftest import Certificates, Serve
from tests.engine.targets import PATIENCE, answers, close, find, says
from tests.engine.test_real_servers import SEARCHED, program
from tests.ports import free_port
from tests.running import connects

ROOT = os.geteuid() == 0
OTHER = pwd.getpwnam("nobody") if ROOT else pwd.getpwuid(os.geteuid())
"""Whom servers run as; several refuse to run as root."""
AS_OTHER: dict[str, Any] = (
    {"user": OTHER.pw_uid, "group": OTHER.pw_gid, "extra_groups": []} if ROOT else {}
)


@pytest.fixture
def folder(certificates: Certificates) -> Iterator[Path]:
    """Return a folder of the servers' user, with a certificate and its key in `pem`."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        shutil.copy(certificates.file("localhost"), path / "pem")
        (path / "pem").chmod(0o600)
        for each in (path, path / "pem"):
            os.chown(each, OTHER.pw_uid, OTHER.pw_gid)
        yield path


@contextmanager
def serving(folder: Path, *command: str, port: int, also: Iterable[int] = ()) -> Iterator[None]:
    """Run a server as long as the context lasts; it is there when `port` can be connected to.

    `also` are other ports that it opens, in any order.
    """
    log = folder / "log of the test"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env={"PATH": SEARCHED, "HOME": str(folder)},
            start_new_session=True,
            **AS_OTHER,
        )
    try:
        waited = threading.Event()
        for _ in range(int(PATIENCE / 0.02)):
            if all(map(connects, (port, *also))):
                break
            assert process.poll() is None, log.read_text(errors="replace")
            waited.wait(0.02)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def write(path: Path, text: str) -> str:
    """Write a file of the servers' user, and return its path."""
    path.write_text(text)
    os.chown(path, OTHER.pw_uid, OTHER.pw_gid)
    return str(path)


async def is_good(preset: str, port: int, *, inside_tls: bool = False) -> None:
    """Assert that a probe finds the server good, inside TLS or in clear, twice."""
    probe = TlsProbe(preset=preset) if inside_tls else TcpProbe(preset=preset)
    for _ in range(2):
        found = await find(probe, port)
        assert (found.reason, found.detail) == (Reason.OK, f"speaks {preset}")


EXIM = """
spool_directory = {folder}
log_file_path = {folder}/%slog
pid_file_path = {folder}/pid
exim_user = {user}
exim_group = {group}
primary_hostname = mx.example
keep_environment =
rfc1413_query_timeout = 0s
local_interfaces = 127.0.0.1
daemon_smtp_ports = {clear} : {tls}
tls_on_connect_ports = {tls}
tls_advertise_hosts = *
tls_certificate = {folder}/pem
"""


async def test_exim(folder: Path, certificates: Certificates) -> None:
    path, clear, tls = program("exim4"), free_port(), free_port()
    text = EXIM.format(folder=folder, clear=clear, tls=tls, user=OTHER.pw_uid, group=OTHER.pw_gid)
    (config := folder / "exim.conf").write_text(text)  # Exim trusts one of root's
    with serving(folder, path, "-C", str(config), "-bdf", port=tls):
        await is_good("smtp", clear)
        await is_good("smtp", tls, inside_tls=True)
        verified = TlsSettings(verify=True, ca_file=certificates.ca_file)
        for settings in (None, verified):
            found = await find(
                TcpProbe(preset="smtp_starttls", tls=settings), clear, host="localhost"
            )
            assert found.detail == "speaks smtp_starttls"
            assert found.facts is not None
            assert found.facts["tls_version"] in ("TLSv1.2", "TLSv1.3")
        found = await find(TcpProbe(preset="smtp_starttls", tls=TlsSettings(verify=True)), clear)
        assert found.reason is Reason.TLS_UNTRUSTED


DOVECOT = """
base_dir = {folder}/run
log_path = {folder}/dovecot.log
protocols = imap pop3
listen = 127.0.0.1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
disable_plaintext_auth = yes
ssl = yes
ssl_cert = <{folder}/pem
ssl_key = <{folder}/pem
passdb {{
  driver = static
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
  }}
}}
"""


async def test_dovecot(folder: Path) -> None:
    path = program("dovecot")
    ports = {name: free_port() for name in ("imap", "imaps", "pop3", "pop3s")}
    group = grp.getgrgid(OTHER.pw_gid).gr_name
    text = DOVECOT.format(folder=folder, user=OTHER.pw_name, group=group, **ports)
    config = write(folder / "dovecot.conf", text)
    with serving(folder, path, "-F", "-c", config, port=ports["pop3s"], also=ports.values()):
        await is_good("imap", ports["imap"])
        await is_good("imap", ports["imaps"], inside_tls=True)
        await is_good("pop3", ports["pop3"])
        await is_good("pop3", ports["pop3s"], inside_tls=True)


async def test_vsftpd(folder: Path) -> None:
    path, port = program("vsftpd"), free_port()
    config = write(
        folder / "vsftpd.conf",
        f"listen=YES\nlisten_address=127.0.0.1\nlisten_port={port}\nbackground=NO\n"
        f"run_as_launching_user=YES\nseccomp_sandbox=NO\nsecure_chroot_dir={folder}\n",
    )
    with serving(folder, path, config, port=port):
        await is_good("ftp", port)


@pytest.mark.parametrize("rule", ["", "disallow bind_anon"])
async def test_openldap(folder: Path, rule: str) -> None:
    path, clear, tls = program("slapd"), free_port(), free_port()
    pem = f"TLSCertificateFile {folder}/pem\nTLSCertificateKeyFile {folder}/pem\n"
    config = write(folder / "slapd.conf", f"pidfile {folder}/pid\n{pem}{rule}\n")
    urls = f"ldap://127.0.0.1:{clear} ldaps://127.0.0.1:{tls}"
    with serving(folder, path, "-d", "0", "-h", urls, "-f", config, port=tls):
        await is_good("ldap", clear)
        await is_good("ldap", tls, inside_tls=True)


@pytest.fixture
def postgresql(folder: Path) -> str:
    """Return the path of PostgreSQL's server, with a database in `data`."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        pytest.skip("postgresql is not installed")
    made = (found[-1].with_name("initdb"), "-D", "data", "-N", "-A", "trust", "-U", "x")
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL, cwd=folder, **AS_OTHER)
    return str(found[-1])


async def test_postgresql(folder: Path, postgresql: str) -> None:
    port = free_port()
    options = ["-D", "data", "-k", "", "-h", "127.0.0.1", "-p", str(port)]
    with serving(folder, postgresql, *options, port=port):
        await is_good("postgres", port)


async def test_mariadb(folder: Path) -> None:
    path, port = program("mariadbd"), free_port()
    data = folder / "data"
    data.mkdir()
    os.chown(data, OTHER.pw_uid, OTHER.pw_gid)
    options = [
        *("--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1"),
        *(f"--socket={folder}/s", f"--pid-file={folder}/pid", "--skip-networking=0"),
        *("--skip-grant-tables", "--innodb-fast-shutdown=3"),
    ]
    with serving(folder, path, *options, port=port):
        await is_good("mysql", port)


@pytest.mark.parametrize("password", ["", "secret"])
async def test_redis(folder: Path, password: str) -> None:
    path, clear, tls = program("redis-server"), free_port(), free_port()
    options = [
        *("--bind", "127.0.0.1", "--port", str(clear), "--save", "", "--requirepass", password),
        *("--tls-port", str(tls), "--tls-cert-file", "pem", "--tls-key-file", "pem"),
        *("--tls-ca-cert-file", "pem", "--tls-auth-clients", "no"),
    ]
    with serving(folder, path, *options, port=clear):
        await is_good("redis", clear)
        await is_good("redis", tls, inside_tls=True)


@pytest.mark.parametrize("asks", [False, True])
async def test_memcached(folder: Path, *, asks: bool) -> None:
    path, port = program("memcached"), free_port()
    users = write(folder / "users", "u:secret\n")
    options = ["-Y", users] if asks else []
    with serving(folder, path, "-l", "127.0.0.1", "-p", str(port), *options, port=port):
        await is_good("memcached", port)


@pytest.fixture
def key(folder: Path) -> Path:
    """Return the path of a new key of a host."""
    command = (program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", "key")
    subprocess.run(command, check=True, cwd=folder, **AS_OTHER)
    return folder / "key"


async def test_openssh(folder: Path, key: Path) -> None:
    path, port = program("sshd"), free_port()
    config = write(
        folder / "sshd_config",
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {key}\nPidFile none\nUsePAM no\n",
    )
    with serving(folder, path, "-D", "-e", "-f", config, port=port):
        await is_good("ssh", port)


async def test_mosquitto(folder: Path) -> None:
    path = program("mosquitto")
    clear, tls, asking = free_port(), free_port(), free_port()
    config = write(
        folder / "mosquitto.conf",
        f"per_listener_settings true\nlistener {clear} 127.0.0.1\nallow_anonymous true\n"
        f"listener {tls} 127.0.0.1\nallow_anonymous true\ncertfile pem\nkeyfile pem\n"
        f"listener {asking} 127.0.0.1\nallow_anonymous false\n",
    )
    with serving(folder, path, "-c", config, port=asking):
        await is_good("mqtt", clear)
        await is_good("mqtt", tls, inside_tls=True)
        await is_good("mqtt", asking)


HTTP = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("preset", PRESETS)
async def test_a_server_of_http_in_its_place_is_bad(serve: Serve, preset: str) -> None:
    """It answers the first bytes; if none come, it loses its patience."""
    speaks_first = "send" not in PRESETS[preset].steps[0]
    port = serve((says if speaks_first else answers)(HTTP, then=close))
    found = await find(TcpProbe(preset=preset), port)
    assert found.reason is Reason.PAYLOAD_MISMATCH, found
    assert "HTTP/1.1 400 Bad Request" in found.detail
