"""The Debian package under a real systemd: installed, upgraded, removed and purged."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import ROOT
from tests.acceptance.machine import Machine, NoMachineError, machine

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

UNIT = "prober.service"
PYTHON = "/usr/bin/python3"
CONFIG = "etc/prober/prober.yaml"
EARLIER = "0.0.9"


def missing() -> str | None:
    """Return what keeps the package from being built or installed here."""
    if os.geteuid() != 0:
        return "only root can boot a systemd"
    for program in ("/lib/systemd/systemd", "/usr/bin/dpkg-deb", PYTHON):
        if not Path(program).exists():
            return f"there is no {program}"
    needed = [PYTHON, "-c", "import pip, venv"]
    if subprocess.run(needed, check=False, stderr=subprocess.DEVNULL).returncode:
        return f"{PYTHON} has no pip or no venv"
    return None


def repacked(package: Path, version: str) -> Path:
    """Return a package with the same files and another version."""
    files = package.with_suffix("")
    subprocess.run(["dpkg-deb", "-R", str(package), str(files)], check=True)
    control = files / "DEBIAN/control"
    lines = control.read_text().splitlines(keepends=True)
    control.write_text(
        "".join(f"Version: {version}\n" if each.startswith("Version:") else each for each in lines)
    )
    other = package.with_name("earlier.deb")
    build = ["dpkg-deb", "--root-owner-group", "--build", str(files), str(other)]
    subprocess.run(build, check=True, capture_output=True)
    return other


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built from a copy of the source."""
    if why := missing():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("deb")
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    built = subprocess.run(
        [source / "packaging/deb", PYTHON, folder / "dist"],
        check=True,
        capture_output=True,
        text=True,
    )
    return Path(built.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def booted(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine that has the packages as files, and nothing of prober."""
    files = tmp_path_factory.mktemp("files") / "root"  # its mode becomes that of /
    (files / "srv").mkdir(parents=True)
    shutil.copy(package, files / "srv/prober.deb")
    shutil.copy(repacked(package, EARLIER), files / "srv/earlier.deb")
    try:
        with machine(tmp_path_factory.mktemp("machine"), files) as running:
            yield running
    except NoMachineError as error:
        pytest.skip(f"no systemd can be booted here: {error}")


def test_the_package_is_installed_upgraded_removed_and_purged(booted: Machine) -> None:
    (booted.root / "usr/sbin/policy-rc.d").unlink(missing_ok=True)  # of a container's image
    booted.ask("dpkg", "--install", "/srv/earlier.deb")
    assert booted.state(UNIT) == "active", booted.run("journalctl", "--unit", UNIT).stdout
    assert booted.ask("systemctl", "is-enabled", UNIT) == "enabled"
    assert "web" in booted.run("prober", "status").stdout
    (booted.root / CONFIG).write_text("monitors: []\n# mine\n")
    before = booted.show(UNIT, "MainPID")

    booted.ask("dpkg", "--install", "--force-confold", "/srv/prober.deb")
    assert booted.state(UNIT) == "active"
    assert booted.show(UNIT, "MainPID") != before
    assert "# mine" in (booted.root / CONFIG).read_text()
    assert booted.ask("dpkg-query", "--show", "--showformat=${Version}", "prober") != EARLIER

    booted.ask("dpkg", "--remove", "prober")
    assert booted.state(UNIT) == "inactive"
    assert (booted.root / CONFIG).exists()
    assert not (booted.root / "usr/lib/prober").exists()

    booted.ask("dpkg", "--purge", "prober")
    for path in ("etc/prober", "var/lib/private/prober"):
        assert not (booted.root / path).exists()


@pytest.mark.skipif(shutil.which("lintian") is None, reason="lintian is not installed")
def test_the_package_follows_the_policy_of_debian(package: Path) -> None:
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error,warning", str(package)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
