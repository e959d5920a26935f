"""Network namespaces: hosts of their own, whose links, routes and limits a test may break."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_NEW_NETWORK = 0x40000000  # <linux/sched.h>: CLONE_NEWNET
_NUMBERS = count()


def missing(*programs: str) -> str:
    """Return why there can be no namespaces here, with these programs; nothing if there can."""
    if os.geteuid() != 0:
        return "needs root, to make network namespaces"
    absent = [name for name in ("ip", "nsenter", "unshare", *programs) if not shutil.which(name)]
    if absent:
        return f"{', '.join(absent)} not installed"
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        return "this kernel or container allows no network namespaces"
    return ""


def run(*command: str) -> None:
    """Run a command to its end, which is to be a good one."""
    subprocess.run(command, check=True, capture_output=True)


class Host:
    """A network namespace, with its loopback up."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = Path("/run/netns") / name

    @property
    def under(self) -> Sequence[str]:
        """The command that runs another one here."""
        return ("nsenter", f"--net={self.path}")

    def run(self, *command: str) -> None:
        """Run a command here."""
        run(*self.under, *command)

    def set(self, **values: str) -> None:
        """Write kernel settings of IPv4."""
        with self.entered():
            for name, value in values.items():
                Path(f"/proc/sys/net/ipv4/{name}").write_text(value)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Let this thread be here: sockets that it makes stay here."""
        with Path("/proc/thread-self/ns/net").open() as home, self.path.open() as here:
            _enter(here.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())


def _enter(descriptor: int) -> None:
    if _LIBC.setns(descriptor, _NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def host() -> Iterator[Host]:
    """Make a namespace for as long as the context lasts."""
    made = Host(f"prober-{os.getpid()}-{next(_NUMBERS)}")
    run("ip", "netns", "add", made.name)
    try:
        made.run("ip", "link", "set", "lo", "up")
        yield made
    finally:
        run("ip", "netns", "del", made.name)


@contextmanager
def linked() -> Iterator[tuple[Host, Host]]:
    """Make two hosts with a cable: the first is 10.9.0.1, the second 10.9.0.2."""
    with host() as near, host() as far:
        ends = ("ip", "link", "add", "cable", "type", "veth", "peer", "name", "cable")
        near.run(*ends, "netns", far.name)
        for end, address in ((near, "10.9.0.1/24"), (far, "10.9.0.2/24")):
            end.run("ip", "address", "add", address, "dev", "cable")
            end.run("ip", "link", "set", "cable", "up")
        yield near, far
