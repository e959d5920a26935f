"""Real members of a cluster: daemons that share a real etcd, and the targets that they probe."""

import json
import selectors
import signal
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.ports import free_port
from tests.running import PATIENCE, Daemon, daemon, until

INTERVAL = 0.5
TTL = 3.0
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Targets:
    """Ports that answer HTTP and note when: `seen` has monotonic times by port."""

    def __init__(self, count: int) -> None:
        self.seen: dict[int, list[float]] = defaultdict(list)
        self._selector = selectors.DefaultSelector()
        self._sockets: dict[int, socket.socket] = {}
        for _ in range(count):
            self.open(free_port())
        self.ports = list(self._sockets)
        self._ended = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def open(self, port: int) -> None:
        """Listen on a port."""
        listening = socket.create_server(("127.0.0.1", port), backlog=128)
        listening.setblocking(False)
        self._sockets[port] = listening
        self._selector.register(listening, selectors.EVENT_READ)

    def shut(self, port: int) -> None:
        """Refuse connections to a port."""
        listening = self._sockets.pop(port)
        self._selector.unregister(listening)
        listening.close()

    def _work(self) -> None:
        while not self._ended:
            for key, _ in self._selector.select(0.1):
                listening = key.fileobj
                assert isinstance(listening, socket.socket)
                try:
                    port = listening.getsockname()[1]
                    connection, _ = listening.accept()
                except OSError:
                    continue  # it was shut meanwhile
                # A member that is stopped may have connected and not asked yet: others go on.
                threading.Thread(target=self._answer, args=(connection, port), daemon=True).start()

    def _answer(self, connection: socket.socket, port: int) -> None:
        with connection, suppress(OSError):  # its caller may have gone
            connection.settimeout(PATIENCE)
            connection.recv(4096)
            connection.sendall(_ANSWER)
            self.seen[port].append(time.monotonic())

    def close(self) -> None:
        self._ended = True
        self._thread.join()
        for listening in self._sockets.values():
            listening.close()
        self._selector.close()

    def counts(self) -> dict[int, int]:
        """Return how often each was probed so far."""
        return {port: len(self.seen[port]) for port in self.ports}

    def wait_for_probes(self, more: int = 2) -> None:
        """Wait until each open port was probed some more times."""
        before = self.counts()
        until(lambda: all(len(self.seen[p]) >= before[p] + more for p in list(self._sockets)))

    def longest_gap(self, start: float) -> float:
        """Return the longest time without a probe of any open port since a monotonic time."""
        now, longest = time.monotonic(), 0.0
        for port in self._sockets:
            times = [start, *(at for at in self.seen[port] if at > start), now]
            longest = max(longest, *(b - a for a, b in pairwise(times)))
        return longest


@contextmanager
def targets(count: int) -> Iterator[Targets]:
    """Run some targets."""
    made = Targets(count)
    try:
        yield made
    finally:
        made.close()


def configuration(
    endpoints: Sequence[str], name: str, ports: Sequence[int], **more: Any
) -> dict[str, Any]:
    """Return the configuration of a member; `more` is added to its cluster section."""
    return {
        "cluster": {
            "name": "test",
            "etcd": {"endpoints": list(endpoints)},
            "member": name,
            "ttl": f"{TTL:g}s",
            **more,
        },
        "monitors": [
            {
                "name": "web",
                "type": "HTTP",
                "interval": f"{INTERVAL}s",
                "timeout": "30s",
                "targets": [f"127.0.0.1:{port}" for port in ports],
            }
        ],
    }


class Group:
    """Members that run, by name, and how to start more."""

    def __init__(self, stack: ExitStack, folder: Path, etcd: Sequence[str], found: Targets) -> None:
        self._stack = stack
        self._folder = folder
        self._etcd = etcd
        self.targets = found
        self.members: dict[str, Daemon] = {}
        self._folders: dict[str, Path] = {}

    def start(self, name: str, *, under: Sequence[str] = (), **more: Any) -> Daemon:
        """Start a member."""
        folder = self._folder / f"{name}-{len(list(self._folder.iterdir()))}"
        folder.mkdir()
        self._folders[name] = folder
        config = configuration(self._etcd, name, self.targets.ports, **more)
        started = self._stack.enter_context(daemon(config, folder, under=under))
        self.members[name] = started
        return started

    def reconfigure(self, name: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Let a member reload its configuration with a change of its only monitor."""
        path = self._folders[name] / "prober.json"
        config = json.loads(path.read_text())
        change(config["monitors"][0])
        path.write_text(json.dumps(config))
        self.members[name].process.send_signal(signal.SIGHUP)
        self.members[name].wait_for("config_reloaded")

    def checks(self, name: str) -> Mapping[str, dict[str, Any]]:
        """Return what a member shows of all checks, by backend."""
        found = self.members[name].json("/api/v1/checks")["checks"]
        return {check["backend"]: check for check in found}

    def all_show(self, status: str, *ports: int, among: Sequence[str] = ()) -> None:
        """Wait until all members show the checks of these ports, or all, in this status."""
        wanted = [f"127.0.0.1:{port}" for port in ports or self.targets.ports]
        for name in among or self.members:

            def holds(name: str = name) -> bool:
                checks = self.checks(name)
                return all(checks[key]["status"] == status for key in wanted)

            until(holds)

    def changes(self, name: str) -> list[tuple[str, str, str]]:
        """Return the changes of status in a member's events, oldest first."""
        events = self.members[name].json("/api/v1/events?kind=transition&limit=1000")["events"]
        return [(each["backend"], each["from"], each["to"]) for each in reversed(events)]

    def all_changes(self) -> dict[str, list[tuple[str, str, str]]]:
        """Return the changes of status in the events of each member."""
        return {name: self.changes(name) for name in self.members}

    def keys_probed_by(self, name: str, *, through: str) -> set[str]:
        """Return the backends of the checks that a member probes, as another one sees it."""
        checks = self.checks(through).values()
        return {
            check["backend"] for check in checks if name in [v["member"] for v in check["votes"]]
        }

    def agrees_on_its_probers(self) -> bool:
        """Return whether all members name the same one member for each check."""
        seen = [
            {key: [vote["member"] for vote in check["votes"]] for key, check in checks.items()}
            for checks in map(self.checks, self.members)
        ]
        found = set(map(len, seen[0].values()))
        probing = sum(map(self.probed_by, self.members))
        return found == {1} and probing == len(seen[0]) and all(one == seen[0] for one in seen)

    def probed_by(self, name: str) -> int:
        """Return how many checks a member probes, as it says itself."""
        text = self.members[name].get("/metrics")[1]
        line = next(x for x in text.splitlines() if x.startswith("prober_cluster_checks_owned "))
        return int(float(line.split()[1]))


@contextmanager
def group(
    folder: Path, etcd: Sequence[str], *names: str, count: int = 24, **more: Any
) -> Iterator[Group]:
    """Run members on this host until every check has a status on all of them.

    There are so many targets that each of three members has some, whatever their ports are.
    """
    with targets(count) as found, ExitStack() as stack:
        running = Group(stack, folder, etcd, found)
        for name in names:
            running.start(name, **more)
        running.all_show("OK")
        yield running
