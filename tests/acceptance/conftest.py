"""What is costly to make: a machine on which prober is installed, and its image."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from subprocess import DEVNULL

import pytest

from tests import ROOT
from tests.acceptance import podman as engine
from tests.acceptance.machine import Machine, NoMachineError, machine

PYTHON = "/usr/bin/python3"
BACKEND = f"""\
[Service]
ExecStart={PYTHON} -m http.server --bind 127.0.0.1 --directory /usr/share/doc 8080
"""


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make install` puts on a machine, and a backend to probe."""
    if os.geteuid() != 0:
        pytest.skip("only root can boot a systemd")
    for program in ("/lib/systemd/systemd", PYTHON):
        if not Path(program).exists():
            pytest.skip(f"there is no {program}")
    if subprocess.run([PYTHON, "-c", "import pip, venv"], check=False, stderr=DEVNULL).returncode:
        pytest.skip(f"{PYTHON} has no pip or no venv")
    folder = tmp_path_factory.mktemp("files")
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    dest = folder / "dest"
    (dest / "usr/local/lib").mkdir(parents=True)
    unit = dest / "etc/systemd/system/backend.service"
    unit.parent.mkdir(parents=True)
    unit.write_text(BACKEND)
    subprocess.run(
        ["make", "--silent", "install", f"PYTHON={PYTHON}", f"DESTDIR={dest}"],
        cwd=source,
        umask=0o077,
        check=True,
    )
    return dest


@pytest.fixture(scope="session")
def booted(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with prober installed and a backend that answers."""
    try:
        with machine(tmp_path_factory.mktemp("machine"), files) as running:
            running.ask("systemctl", "start", "backend")
            yield running
    except NoMachineError as error:
        pytest.skip(f"no systemd can be booted here: {error}")


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[engine.Podman]:
    """An engine that has the image."""
    try:
        with engine.podman(tmp_path_factory.mktemp("containers")) as made:
            yield made
    except engine.NoEngineError as error:
        pytest.skip(str(error))
