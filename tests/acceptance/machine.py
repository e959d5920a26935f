"""A real systemd, booted over a copy-on-write view of this machine: what it is told and says."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.running import PATIENCE

_SCRIPT = Path(__file__).with_name("machine.sh")
_TARGET = "[Unit]\nRequires=sysinit.target\nAfter=sysinit.target\nAllowIsolate=yes\n"


class Machine:
    """A machine that has booted: its first process in /proc here, and its file system at `root`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._pause = threading.Event()
        self._init = ""
        self.wait_for(self._has_booted)
        self.process = Path(f"/proc/{self._init}")
        self.root = self.process / "root"

    def _has_booted(self) -> bool:
        if self._process.poll() is not None:
            assert self._process.stderr is not None
            raise NoMachineError(self._process.stderr.read().strip())
        self._init = _youngest(str(self._process.pid))
        return _name(self._init) == "systemd" and self.state("machine.target") == "active"

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in the machine to its end."""
        return subprocess.run(
            ["nsenter", "--target", self._init, "--all", *command],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def ask(self, *command: str) -> str:
        """Return what a command prints that succeeds."""
        done = self.run(*command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout.strip()

    def show(self, unit: str, name: str) -> str:
        """Return a property of a unit."""
        return self.ask("systemctl", "show", "--value", f"--property={name}", unit)

    def state(self, unit: str) -> str:
        """Return whether a unit is active."""
        return self.run("systemctl", "is-active", unit).stdout.strip()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so."""
        for _ in range(int(PATIENCE / 0.05)):
            if condition():
                return
            self._pause.wait(0.05)
        raise AssertionError(f"waited in vain for {condition}")

    def power_off(self) -> None:
        """End everything that runs in the machine."""
        if _name(self._init) == "systemd":
            subprocess.run(["kill", "-KILL", self._init], check=False)
        self._process.communicate(timeout=PATIENCE)


class NoMachineError(Exception):
    """Here no systemd can be booted; the message says why."""


@contextmanager
def machine(folder: Path, files: Path) -> Iterator[Machine]:
    """Boot a machine with these files on it; raise `NoMachineError` where that cannot be."""
    target = files / "etc/systemd/system/machine.target"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(_TARGET)
    with subprocess.Popen(
        [str(_SCRIPT), str(folder), str(files)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        booted = Machine(process)
        try:
            yield booted
        finally:
            booted.power_off()


def _youngest(pid: str) -> str:
    """Return the last of a process, its child, its child's child and so on."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return pid
    return _youngest(children[0]) if children and _name(pid) != "systemd" else pid


def _name(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
