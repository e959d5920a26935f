"""The real image, and containers of it: what they are told and say."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests import ROOT
from tests.acceptance.base_image import NoBaseError, write_base
from tests.running import PATIENCE, until

IMAGE = "localhost/prober"
HARDENED = (
    *("--network=none", "--read-only", "--read-only-tmpfs=false", "--cap-drop=all"),
    *("--security-opt=no-new-privileges", "--ulimit=nofile=1024:4096", "--ulimit=nproc=512:512"),
    "--no-healthcheck",  # podman's own timer for it is one of systemd's
)


class NoEngineError(Exception):
    """Here no image can be built; the message says why."""


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


@contextmanager
def podman(folder: Path) -> Iterator[Podman]:
    """Build the image, on a base that is made of this machine's own packages.

    Raise `NoEngineError` where that cannot be.
    """
    if os.geteuid() != 0:
        raise NoEngineError("only root can build here")
    for program in ("buildah", "podman", "runc"):
        if not shutil.which(program):
            raise NoEngineError(f"{program} is not installed")
    engine = Podman(folder)
    try:
        write_base(folder / "base.tar")
    except NoBaseError as error:
        raise NoEngineError(f"no base image can be made: {error}") from None
    engine.ask("import", str(folder / "base.tar"), "localhost/base")
    engine.build(
        *("--pull-never", "--format=docker", f"--tag={IMAGE}", f"--file={ROOT}/Dockerfile"),
        *("--build-arg=BASE=localhost/base", "--build-arg=VERSION=9.9", str(ROOT)),
    )
    try:
        yield engine
    finally:
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

    until(is_gone)
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
        until(lambda: self.events("ready") != [])

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return what has been logged of an event."""
        done = self._engine.run("logs", self.name)
        lines = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
        return [line for line in lines if line["event"] == name]

    @property
    def process(self) -> int:
        """The number of its first process, here."""
        return int(self._engine.ask("inspect", "--format={{.State.Pid}}", self.name))

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
