"""Processes of prober that start at once: forked from one that has imported everything already.

Importing is most of what a short life of prober costs, and the tests start hundreds of them. What
is forked is a process like any other: with its own arguments, environment, working directory,
signals, files and exit status, and with no descriptor but the standard streams. It is in the
network namespace of the thread that starts it.

    python -m tests.forking DESCRIPTOR

runs the process that forks. It takes each order from a socket: a JSON object and the descriptors
of the new process, of its network, and of a socket that hears its number and, when it has ended,
its status.
"""

import atexit
import ctypes
import gc
import json
import os
import random
import resource
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from tests import ROOT

_ORDER_LIMIT = 1 << 20
_STANDARD = 3  # descriptors
_LIBC = ctypes.CDLL(None, use_errno=True)
_NEW_MOUNTS, _NEW_NETWORK = 0x20000, 0x40000000  # <linux/sched.h>
_BIND, _PRIVATE = 0x1000, 0x4000 | 0x40000  # <linux/mount.h>: the second with MS_REC


class Forked:
    """A process that was forked, with what tests use of `subprocess.Popen`."""

    def __init__(self, pid: int, pidfd: int, ear: socket.socket) -> None:
        self.pid = pid
        self._pidfd = pidfd
        self.returncode: int | None = None
        self._ear = ear
        self._listening = threading.Lock()

    def poll(self) -> int | None:
        """Return the exit status, or None as long as it runs."""
        return self._hear(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit status; a negative one is the number of a signal."""
        status = self._hear(timeout)
        if status is None:
            raise subprocess.TimeoutExpired("prober", timeout or 0.0)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.wait()
        self._ear.close()
        os.close(self._pidfd)

    def _hear(self, seconds: float | None) -> int | None:
        with self._listening:
            if self.returncode is None:
                self._ear.settimeout(seconds)
                try:
                    self.returncode = _status_of(self._ear.recv(64))
                except (BlockingIOError, TimeoutError):
                    return None
            return self.returncode


def _status_of(message: bytes) -> int:
    assert message, "the process that forks has ended"
    return int(message)


class _Forker:
    """Gives orders to the process that forks."""

    def __init__(self) -> None:
        self.namespaces = _namespaces()
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forking", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
            )
        atexit.register(self.close)

    def close(self) -> None:
        """Let it end, when what it forked has ended."""
        self._orders.close()
        self._process.wait()

    def start(self, order: Mapping[str, object], stdout: int, stderr: int) -> Forked:
        """Start a process with these streams."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        network = Path("/proc/thread-self/ns/net")
        with theirs, Path(os.devnull).open() as nothing, network.open() as here:
            streams = [nothing.fileno(), stdout, stderr, here.fileno(), theirs.fileno()]
            socket.send_fds(self._orders, [json.dumps(order).encode()], streams)
        message, (pidfd,), *_ = socket.recv_fds(ours, 64, 1)
        return Forked(_status_of(message), pidfd, ours)


@cache
def _forker() -> _Forker:
    return _Forker()


def _namespaces() -> list[str]:
    """Return the namespaces of this thread, without its network."""
    every = sorted(Path("/proc/thread-self/ns").iterdir())
    return [str(each.readlink()) for each in every if each.name != "net"]


def can_start(environment: Mapping[str, str]) -> bool:
    """Return whether what is forked is as if it were started here, with this added environment.

    But for the network, it has the namespaces of the first one who asks. What Python itself reads,
    it has read.
    """
    is_read = any(name.startswith("PYTHON") for name in environment)
    return not is_read and _forker().namespaces == _namespaces()


def start(
    module: str,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    stdout: int = 1,
    stderr: int = 2,
    descriptors: int | None = None,
    resolv_conf: Path | None = None,
) -> Forked:
    """Start `python -m module arguments` with these streams in the current directory.

    It can have at most so many descriptors, and reads this file in place of /etc/resolv.conf.
    """
    order = {
        "module": module,
        "arguments": list(arguments),
        "environment": dict(environment),
        "folder": os.getcwd(),  # noqa: PTH109  (a text)
        "descriptors": descriptors,
        "resolv_conf": resolv_conf and str(resolv_conf),
    }
    return _forker().start(order, stdout, stderr)


# The process that forks


class _Ears:
    """Sockets that hear when a process has ended."""

    def __init__(self, orders: socket.socket) -> None:
        self.waiting = selectors.DefaultSelector()
        self.waiting.register(orders, selectors.EVENT_READ)

    def add(self, pid: int, ear: socket.socket) -> None:
        pidfd = os.pidfd_open(pid)
        socket.send_fds(ear, [str(pid).encode()], [pidfd])
        self.waiting.register(pidfd, selectors.EVENT_READ, (pid, ear))

    def tell(self, pidfd: int, pid: int, ear: socket.socket) -> None:
        self.waiting.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        with ear:
            ear.send(str(os.waitstatus_to_exitcode(status)).encode())


def _next_life(orders: socket.socket) -> dict[str, Any]:
    """Fork as ordered, and return in each new process with its order."""
    ears = _Ears(orders)
    while True:
        for key, _ in ears.waiting.select():
            if key.fileobj is not orders:
                assert isinstance(key.fileobj, int)
                ears.tell(key.fileobj, *key.data)
                continue
            message, given, *_ = socket.recv_fds(orders, _ORDER_LIMIT, _STANDARD + 2)
            if not message:
                ears.waiting.unregister(orders)
                continue
            ear = socket.socket(fileno=given[-1])
            pid = os.fork()
            if not pid:
                for number, descriptor in enumerate(given[:_STANDARD]):
                    os.dup2(descriptor, number)
                _enter(given[_STANDARD])
                ear.detach()
                orders.detach()
                ears.waiting.close()
                os.closerange(_STANDARD, os.sysconf("SC_OPEN_MAX"))
                order: dict[str, Any] = json.loads(message)
                return order
            for descriptor in given[:-1]:
                os.close(descriptor)
            ears.add(pid, ear)
        if not ears.waiting.get_map():
            sys.exit(0)


def _check(result: int, what: str) -> None:
    if result:
        raise OSError(ctypes.get_errno(), what)


def _enter(network: int) -> None:
    """Be in a network, which needs root unless this process is in it already."""
    if os.fstat(network).st_ino != Path("/proc/self/ns/net").stat().st_ino:
        _check(_LIBC.setns(network, _NEW_NETWORK), "setns")


def _resolve_by(path: str) -> None:
    """Have a file in place of /etc/resolv.conf, in this process only."""
    _check(_LIBC.unshare(_NEW_MOUNTS), "unshare")
    _check(_LIBC.mount(None, b"/", None, _PRIVATE, None), "mount")
    _check(_LIBC.mount(path.encode(), b"/etc/resolv.conf", None, _BIND, None), "mount")


def _live(order: Mapping[str, Any]) -> NoReturn:
    """Be what was ordered."""
    if path := order["resolv_conf"]:
        _resolve_by(path)
    if limit := order["descriptors"]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    random.seed()
    # The streams before have asked what they are: a terminal or a file.
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = [order["module"], *order["arguments"]]
    sys.path[0] = order["folder"]
    runpy.run_module(order["module"], run_name="__main__", alter_sys=True)
    sys.exit(0)


def _main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all
    from prober.daemon import launch  # noqa: PLC0415  (the tests do not import it here)

    launch.import_aiohttp()
    import prober.cli.main  # noqa: PLC0415
    import prober.daemon.serve  # noqa: PLC0415
    import prober.logs.setup  # noqa: F401, PLC0415

    gc.collect()
    gc.freeze()  # or each new process looks through all modules when it ends, on pages of its own
    _live(_next_life(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    _main()
