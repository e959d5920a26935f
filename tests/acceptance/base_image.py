"""A base image without a registry: made of the Debian packages that this machine has installed."""

import os
import re
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

PACKAGES = ("bash", "coreutils", "dash", "python3-venv", "tzdata")
"""What the Dockerfile asks of its base: a shell, `install`, and a Python that can make venvs."""
_ALSO = (
    *("/bin", "/lib", "/lib64", "/sbin", "/tmp"),
    *("/etc/ld.so.cache", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt"),
    "/var/lib/dpkg/status",
)
_DPKG = Path("/var/lib/dpkg")
_PASSWD = b"root:x:0:0:root:/root:/bin/sh\n"


class NoBaseError(Exception):
    """Here no base can be made; the message says why."""


def write_base(path: Path) -> None:
    """Write the file system of the base image as a tar file."""
    packages = _closure(PACKAGES)
    listed = {_real(name) for name in _files(packages)}
    listed |= {str(path) for name in packages for path in _DPKG.glob(f"info/{name}[:.]*list")}
    with tarfile.open(path, "w") as tar:
        for name in sorted(listed | {*_ALSO}):
            if os.path.lexists(name):
                tar.add(name, recursive=False)
        entry = tarfile.TarInfo("/etc/passwd")
        entry.size = len(_PASSWD)
        tar.addfile(entry, BytesIO(_PASSWD))


def _real(name: str) -> str:
    """Return where a file that a package lists really is; a link stays one."""
    path = Path(name)
    return str(path.parent.resolve() / path.name)


def _files(packages: set[str]) -> set[str]:
    listed = _query("--listfiles", *sorted(packages)).splitlines()
    return {line for line in listed if line.startswith("/") and line != "/."}


def _closure(names: tuple[str, ...]) -> set[str]:
    """Return these packages and all that they depend on, as far as that is installed."""
    shown = _query("--showformat=${Package}\\t${Pre-Depends}, ${Depends}\\n", "--show")
    rows = (line.partition("\t") for line in shown.splitlines())
    depends = {name: re.findall(r"[a-z0-9][a-z0-9+.-]+", _bare(text)) for name, _, text in rows}
    found, asked = set[str](), [*names]
    while asked:
        name = asked.pop()
        if name in depends and name not in found:
            found.add(name)
            asked += depends[name]
    if missing := set(names) - found:
        raise NoBaseError(f"these packages are not installed: {', '.join(sorted(missing))}")
    return found


def _bare(text: str) -> str:
    return re.sub(r"\([^)]*\)|:\w+", "", text)


def _query(*arguments: str) -> str:
    try:
        return subprocess.run(
            ["dpkg-query", *arguments], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoBaseError(f"this is no Debian: {error}") from None
