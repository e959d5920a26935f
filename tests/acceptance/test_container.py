"""The real Dockerfile, built and run: what the image holds, and how its container behaves."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT
from tests.acceptance.base_image import NoBaseError, write_base
from tests.running import PATIENCE

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

IMAGE = "localhost/prober"
HARDENED = (
    *("--network=none", "--read-only", "--read-only-tmpfs=false", "--cap-drop=all"),
    *("--security-opt=no-new-privileges", "--ulimit=nofile=1024:4096", "--ulimit=nproc=512:512"),
    "--no-healthcheck",  # podman's own timer for it is one of systemd's
)
NOT_OF_ROOT = """\
import pathlib
paths = [path.lstat() for path in pathlib.Path("/opt/prober").rglob("*")]
assert len(paths) > 100
print([each for each in paths if each.st_uid])
"""
KEPT = """\
import os
assert os.stat("/var/lib/prober").st_mode & 0o777 == 0o700
assert os.stat("/var/lib/prober/prober.db").st_size
"""
INSTALLED = """\
import json
from importlib.metadata import distributions
found = {each.metadata["Name"]: each.version for each in distributions()}
print(json.dumps({name: found[name] for name in found if name != "prober-healthcheck"}))
"""
PACKAGES = "import os; print(*os.listdir('/var/lib/dpkg/status.d'))"
AT_HAND = """\
import asyncio, ctypes, json, lzma, multiprocessing, sqlite3, ssl, uuid, zoneinfo
assert ssl.create_default_context().cert_store_stats()["x509_ca"] > 50
zoneinfo.ZoneInfo("Europe/Berlin")
"""
NAME = "prober-healthcheck"
LARGEST = 120_000_000
"""Bytes that the image may have, uncompressed."""
ITSELF = {"name": "itself", "type": "TCP", "targets": ["127.0.0.1:7762"], "fast_interval": "100ms"}


def wait_until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.1)):
        if condition():
            return
        pause.wait(0.1)
    raise AssertionError(f"waited in vain for {condition}")


class Podman:
    """A container engine with a store of its own."""

    def __init__(self, folder: Path) -> None:
        self._environment = {**os.environ, "STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}
        self._store = [f"--root={folder}/store", f"--runroot={folder}/run"]
        self._engine = ["--cgroup-manager=cgroupfs", "--runtime=runc", f"--tmpdir={folder}/tmp"]

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of podman to its end."""
        return self._run("podman", *self._store, *self._engine, *arguments)

    def ask(self, *arguments: str) -> str:
        """Return what a command of podman prints that succeeds."""
        return self._output(self.run(*arguments))

    def build(self, *arguments: str) -> str:
        """Build an image."""
        return self._output(self._run("buildah", *self._store, "build", *arguments))

    def _run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=10 * PATIENCE,
            check=False,
        )

    @staticmethod
    def _output(done: "subprocess.CompletedProcess[str]") -> str:
        assert done.returncode == 0, (done.args, done.stdout, done.stderr)
        return done.stdout.strip()


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """An engine that has the image, on a base that is made of this machine's own packages."""
    if os.geteuid() != 0:
        pytest.skip("only root can build here")
    for program in ("buildah", "podman", "runc"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    folder = tmp_path_factory.mktemp("containers")
    engine = Podman(folder)
    try:
        write_base(folder / "base.tar")
    except NoBaseError as error:
        pytest.skip(f"no base image can be made: {error}")
    engine.ask("import", str(folder / "base.tar"), "localhost/base")
    engine.build(
        *("--pull-never", "--format=docker", f"--tag={IMAGE}", f"--file={ROOT}/Dockerfile"),
        *("--build-arg=BASE=localhost/base", "--build-arg=VERSION=9.9", str(ROOT)),
    )
    yield engine
    engine.run("rm", "--force", "--all", "--volumes")
    _leave_nothing(folder)


def _leave_nothing(folder: Path) -> None:
    """Remove the mounts and control groups that podman leaves behind.

    It tidies up itself in the background after a container has ended, and mounts anew for that.
    """

    def is_gone() -> bool:
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            if (place := line.split()[1]).startswith(f"{folder}/"):
                subprocess.run(["umount", "--lazy", place], check=False)
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()

    wait_until(is_gone)
    for parent in Path("/sys/fs/cgroup").glob("**/libpod_parent"):
        for group in (*sorted(parent.rglob("*/"), reverse=True), parent):
            with suppress(OSError):
                group.rmdir()


class Container:
    """A running prober."""

    def __init__(self, engine: Podman, folder: Path) -> None:
        self._engine = engine
        self.folder = folder
        self.name = engine.ask(
            *("run", "--detach", *HARDENED, f"--volume={folder}:/etc/prober:ro", IMAGE)
        )
        wait_until(lambda: self.events("ready") != [])

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return what has been logged of an event."""
        done = self._engine.run("logs", self.name)
        lines = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
        return [line for line in lines if line["event"] == name]

    def exec(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in the container to its end."""
        return self._engine.run("exec", self.name, *command)

    def signal(self, name: str) -> None:
        """Send a signal to its first process."""
        self._engine.ask("kill", f"--signal={name}", self.name)

    def stop(self) -> int:
        """Stop it as `docker stop` does; return its exit status."""
        self._engine.ask("stop", "--time=10", self.name)
        return int(self._engine.ask("inspect", "--format={{.State.ExitCode}}", self.name))


def configure(folder: Path, *monitors: object) -> None:
    folder.chmod(0o755)
    (folder / "prober.yaml").write_text(json.dumps({"monitors": monitors}))


@pytest.fixture
def container(podman: Podman, tmp_path: Path) -> Container:
    """A container that probes itself."""
    configure(tmp_path, ITSELF)
    return Container(podman, tmp_path)


def test_the_image_says_what_it_is_and_how_it_is_run(podman: Podman) -> None:
    (image,) = json.loads(podman.ask("image", "inspect", IMAGE))
    config = image["Config"]
    assert config["User"] == "65532:65532"
    assert (config["Entrypoint"], config["Cmd"]) == (["prober"], ["run"])
    assert (config["StopSignal"], list(config["ExposedPorts"])) == ("SIGTERM", ["7762/tcp"])
    assert list(config["Volumes"]) == ["/var/lib/prober"]
    assert image["Healthcheck"]["Test"] == ["CMD", "prober", "health"]
    labels = {name.rpartition(".")[2]: text for name, text in config["Labels"].items()}
    assert (labels["title"], labels["version"]) == ("prober", "9.9")


def test_the_image_is_small(podman: Podman) -> None:
    (image,) = json.loads(podman.ask("image", "inspect", IMAGE))
    assert 30_000_000 < image["Size"] < LARGEST


def test_the_image_says_what_it_contains(container: Container) -> None:
    shown = container.exec("python3", "-c", "print(open('/opt/prober/sbom.cdx.json').read())")
    bill = json.loads(shown.stdout)
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", NAME)
    components = {each["name"]: each["version"] for each in bill["components"]}
    installed = json.loads(container.exec("python3", "-c", INSTALLED).stdout)
    assert components == installed
    assert {"aiohttp", "PyYAML", "bcrypt"} <= components.keys()
    packages = container.exec("python3", "-c", PACKAGES)
    assert {"libc6", "libssl3", "tzdata"} <= set(packages.stdout.split())


def test_certificates_and_time_zones_are_there(container: Container) -> None:
    done = container.exec("python3", "-c", AT_HAND)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_container_without_rights_probes_and_is_healthy(container: Container) -> None:
    wait_until(lambda: container.events("status_changed") != [])
    assert container.events("status_changed")[0]["to"] == "OK"
    assert container.exec("prober", "health").returncode == 0
    assert container.exec("prober", "status").returncode == 0
    assert container.exec("python3", "-c", KEPT).returncode == 0


def test_nothing_is_left_of_what_built_it(container: Container) -> None:
    for left in ("sh", "pip", "cat"):
        assert container.exec(left).returncode == 127, left
    assert container.exec("python3", "-c", "open('/src')").returncode != 0
    assert container.exec("/opt/prober/bin/python", "-m", "pip").returncode != 0
    others = container.exec("/opt/prober/bin/python", "-c", NOT_OF_ROOT)
    assert (others.returncode, others.stdout.strip()) == (0, "[]")


def test_it_reloads_on_a_signal_to_its_first_process(container: Container) -> None:
    configure(container.folder, ITSELF, {**ITSELF, "name": "twice"})
    container.signal("HUP")
    wait_until(lambda: container.events("config_reloaded") != [])
    assert container.events("config_reloaded")[0]["added"] == 1


def test_a_stop_is_clean(container: Container) -> None:
    assert container.stop() == 0
    assert container.events("stopping") != []


def test_without_a_configuration_it_says_where_one_is_looked_for(podman: Podman) -> None:
    done = podman.run("run", "--rm", *HARDENED, IMAGE)
    assert done.returncode == 2
    assert "/etc/prober/prober.yaml" in done.stderr


def test_every_command_is_there(podman: Podman) -> None:
    done = podman.run("run", "--rm", *HARDENED, IMAGE, "probe", "TCP", "127.0.0.1:1")
    assert done.returncode == 2
    assert "CONNECT_FAILED" in done.stdout
