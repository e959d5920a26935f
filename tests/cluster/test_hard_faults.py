"""Real members in rarer trouble: a slow, full or compacted etcd, a zone, a clock, a vantage."""

import asyncio
import json
import signal
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.cluster.etcd_server import Etcd, etcd, needs_etcd, needs_etcdctl
from tests.cluster.real_members import configuration, group
from tests.cluster.test_edits_of_members import ask
from tests.faults import namespaces
from tests.running import PATIENCE, Daemon, daemon, listener, until

pytestmark = [needs_etcd, pytest.mark.xdist_group("members")]
FAKETIME = [*Path("/usr/lib").glob("*/faketime/libfaketime.so.1")]
LATE = 1.5
"""Seconds by which an etcd answers late."""
MANY = 20
"""Checks, so that each of two members has some in all likelihood."""


class Between:
    """Stands between members and an etcd: delays what is answered, and cuts connections.

    `late` is the delay in seconds; `delayed` counts what was delayed.
    """

    def __init__(self, server: Etcd) -> None:
        self.late = 0.0
        self.delayed = 0
        self._server = server
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        opened = asyncio.run_coroutine_threadsafe(self._open(), self._loop)
        self.url = f"http://127.0.0.1:{opened.result(PATIENCE)}"

    async def _open(self) -> int:
        self._listening = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._listening.sockets[0].getsockname()[1]
        return port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", self._server.port)
        self._writers |= {writer, forth}
        ways = self._pump(reader, forth, held=False), self._pump(back, writer, held=True)
        await asyncio.gather(*ways, return_exceptions=True)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, held: bool
    ) -> None:
        try:
            while data := await reader.read(65536):
                if held and self.late:
                    await asyncio.sleep(self.late)
                    self.delayed += 1
                writer.write(data)
        finally:
            writer.transport.abort()
            self._writers.discard(writer)

    def cut(self) -> None:
        """End all connections."""
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    async def _close(self) -> None:
        self._listening.close()
        self._cut()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def between(server: Etcd) -> Iterator[Between]:
    standing = Between(server)
    try:
        yield standing
    finally:
        standing.close()


def ask_etcd(server: Etcd, path: str, **body: object) -> dict[str, Any]:
    """Ask etcd something; raise HTTPError if it refuses."""
    request = Request(f"{server.url}/v3/{path}", data=json.dumps(body).encode())
    with urlopen(request, timeout=PATIENCE) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def fill(server: Etcd) -> None:
    """Write more than etcd takes."""
    value = b64encode(b"x" * 500_000).decode()
    for n in range(100):
        ask_etcd(server, "kv/put", key=b64encode(b"fill%d" % n).decode(), value=value)


def compact(server: Etcd) -> None:
    """Let etcd forget everything that has been changed since."""
    revision = ask_etcd(server, "kv/range", key=b64encode(b"x").decode())["header"]["revision"]
    ask_etcd(server, "kv/compaction", revision=revision, physical=True)


def test_with_a_slow_etcd_probing_continues_and_changes_reach_all_members(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "members"
    folder.mkdir()
    with (
        etcd(tmp_path) as server,
        between(server) as late,
        group(folder, [late.url], "a", "b", count=6, ttl="10s") as running,
    ):
        until(running.agrees_on_its_probers)
        before = running.all_changes()
        late.late = LATE
        until(lambda: late.delayed >= 2)
        running.targets.wait_for_probes()
        assert running.all_changes() == before
        (port, *_) = running.targets.ports
        running.targets.shut(port)
        running.all_show("CRITICAL", port)
        for name in "ab":
            assert running.changes(name)[len(before[name]) :] == [
                (f"127.0.0.1:{port}", "OK", "WARNING"),
                (f"127.0.0.1:{port}", "WARNING", "CRITICAL"),
            ]


@needs_etcdctl
def test_a_full_etcd_stops_what_is_told_and_edits_but_no_probe(tmp_path: Path) -> None:
    folder = tmp_path / "members"
    folder.mkdir()
    with (
        etcd(tmp_path, "--quota-backend-bytes", str(4 << 20)) as server,
        group(folder, [server.url], "a", "b", count=6) as running,
    ):
        until(running.agrees_on_its_probers)
        before = running.all_changes()
        with pytest.raises(HTTPError):
            fill(server)
        (port, *_) = running.targets.ports
        (owner,) = (n for n in "ab" if f"127.0.0.1:{port}" in running.keys_probed_by(n, through=n))
        running.targets.shut(port)
        running.all_show("CRITICAL", port, among=[owner])
        running.members[owner].wait_for("cluster_degraded", reason="no_space")
        assert running.members[owner].json("/api/v1/cluster")["state"] == "degraded"
        status, text = running.members[owner].get("/-/ready")
        assert status == 200
        assert text.startswith("Ready, but ")  # perhaps overloaded as well, on a busy machine
        assert "etcd is full" in text
        running.targets.wait_for_probes()
        (other,) = set("ab") - {owner}
        assert running.changes(other) == before[other]
        ask_etcd(
            server,
            "kv/deleterange",
            key=b64encode(b"fill").decode(),
            range_end=b64encode(b"film").decode(),
        )
        compact(server)
        server.control("defrag")
        server.control("alarm", "disarm")
        running.all_show("CRITICAL", port)
        running.members[owner].wait_for("cluster_restored")
        assert [to for _, _, to in running.changes(other)[len(before[other]) :]][-1] == "CRITICAL"


def test_what_was_compacted_while_a_member_was_paused_and_cut_off_is_read_anew(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "members"
    folder.mkdir()
    with (
        etcd(tmp_path) as server,
        between(server) as way,
        group(folder, [server.url], "a", count=MANY, ttl="60s") as running,
    ):
        paused = running.start("b", ttl="60s", etcd={"endpoints": [way.url]})
        running.all_show("OK")
        until(lambda: running.probed_by("b") > 0 and running.agrees_on_its_probers())
        ports = [int(key.rpartition(":")[2]) for key in running.keys_probed_by("a", through="a")]
        paused.process.send_signal(signal.SIGSTOP)
        way.cut()
        for port in ports:
            running.targets.shut(port)
        running.all_show("CRITICAL", *ports, among=["a"])
        compact(server)
        paused.process.send_signal(signal.SIGCONT)
        running.all_show("CRITICAL", *ports)


@pytest.mark.skipif(not FAKETIME, reason="libfaketime is not installed")
def test_a_member_whose_clock_is_a_day_ahead_shows_and_hands_over_the_truth(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "members"
    folder.mkdir()
    clock = ("env", f"LD_PRELOAD={FAKETIME[0]}", "FAKETIME=+1d", "DONT_FAKE_MONOTONIC=1")
    with etcd(tmp_path) as server, group(folder, [server.url], "a", count=MANY) as running:
        ahead = running.start("b", under=clock)
        running.all_show("OK")
        until(lambda: running.probed_by("b") > 0 and running.agrees_on_its_probers())
        before = running.all_changes()
        mine = running.keys_probed_by("b", through="a")
        port = int(min(mine).rpartition(":")[2])
        running.targets.shut(port)
        running.all_show("CRITICAL", port)
        running.targets.open(port)
        running.all_show("OK")
        seen = [
            ("OK", "WARNING"),
            ("WARNING", "CRITICAL"),
            ("CRITICAL", "WARNING"),
            ("WARNING", "OK"),
        ]
        for name in "ab":
            fresh = running.changes(name)[len(before[name]) :]
            assert [(was, now) for key, was, now in fresh if key == min(mine)][:2] == seen[:2]
            assert "UNKNOWN" not in [now for _, _, now in fresh]
        before = running.all_changes()
        running.members.pop("b")
        ahead.process.kill()
        running.members["a"].wait_for("member_left", member="b", cause="lost")
        running.targets.wait_for_probes()
        assert running.changes("a") == before["a"]
        assert running.probed_by("a") == len(running.targets.ports)


@pytest.mark.skipif(bool(namespaces.missing("nft")), reason=namespaces.missing("nft"))
def test_a_zone_that_is_cut_off_probes_on_and_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "members"
    folder.mkdir()
    everywhere = ("--listen-client-urls", "http://0.0.0.0:2379")
    with namespaces.host() as machine, machine.entered(), ExitStack() as stack:
        server = Etcd("alone", tmp_path / "etcd", 2379, 2380, everywhere)
        stack.callback(server.kill)
        server.start()
        server.wait()
        near = {"endpoints": ["http://127.0.0.1:2379"]}
        far = {"endpoints": ["http://127.0.0.2:2379"]}
        running = stack.enter_context(group(folder, [server.url], count=6))
        for name in "abcd":
            zone, shared = ("east", near) if name in "ab" else ("west", far)
            running.start(name, zone=zone, etcd=shared, vantages=2)
        running.all_show("OK")
        until(lambda: sum(map(running.probed_by, "abcd")) == 12)

        def zones() -> list[list[str]]:
            return [sorted(v["zone"] for v in c["votes"]) for c in running.checks("a").values()]

        until(lambda: zones() == [["east", "west"]] * 6)
        before = running.all_changes()
        shares = {name: running.probed_by(name) for name in "cd"}
        machine.run("nft", "add", "table", "inet", "cut")
        hook = "{ type filter hook output priority 0; }"
        machine.run("nft", "add", "chain", "inet", "cut", "out", hook)
        rule = ("nft", "add", "rule", "inet", "cut", "out")
        for way in ("daddr", "saddr"):
            machine.run(*rule, "ip", way, "127.0.0.2", "drop")
        for name in "cd":
            running.members[name].wait_for("cluster_degraded")
        until(lambda: [running.probed_by(name) for name in "ab"] == [6, 6])
        running.targets.wait_for_probes()
        assert {name: running.probed_by(name) for name in "cd"} == shares
        assert running.all_changes() == before
        machine.run("nft", "delete", "table", "inet", "cut")
        for name in "cd":
            running.members[name].wait_for("cluster_restored")
        until(lambda: zones() == [["east", "west"]] * 6)
        until(lambda: sum(map(running.probed_by, "abcd")) == 12)
        assert running.all_changes() == before


SHUNNED = "127.0.0.3"
"""The address of a vantage from which everything fails, as long as the targets shun it."""


class Vantages:
    """Members that all probe the same checks, of several pools; one of them from SHUNNED."""

    def __init__(self, stack: ExitStack, folder: Path, server: Etcd, ports: list[int]) -> None:
        self._ports = ports
        self.members: dict[str, Daemon] = {}
        for name in "abc":
            config = configuration([server.url], name, [], vantages=3, ttl="20s")
            source = {"source": SHUNNED} if name == "c" else {}
            config["monitors"] = [
                {"name": f"m{port}", "type": "HTTP", "interval": "1m", **source}
                | {"targets": [f"127.0.0.1:{port}"]}
                for port in ports
            ]
            (folder / name).mkdir()
            self.members[name] = stack.enter_context(daemon(config, folder / name))

    def probe(self, *names: str) -> None:
        """Probe all checks now, instead of waiting for their turn."""
        for name in names:
            for port in self._ports:
                path = f"/api/v1/checks/m{port}/127.0.0.1:{port}/probe"
                assert ask(self.members[name], "POST", path).status == 200

    def checks(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.members[name].json("/api/v1/checks")["checks"]
        return found

    def wait_for(self, status: str, *votes: str, among: str = "abc") -> None:
        """Wait until all checks have this status and these votes of a, b and c."""

        def holds() -> bool:
            return all(
                check["status"] == status
                and [(vote["member"], vote["status"]) for vote in sorted(check["votes"], key=_name)]
                == list(zip("abc", votes, strict=True))
                for name in among
                for check in self.checks(name)
            )

        until(holds)


def _name(vote: dict[str, Any]) -> str:
    return str(vote["member"])


def test_a_vantage_where_everything_fails_that_others_find_good_is_quarantined(
    tmp_path: Path,
) -> None:
    shuns = threading.Event()

    def serve(connection: socket.socket) -> None:
        if not (shuns.is_set() and connection.getpeername()[0] == SHUNNED):
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with etcd(tmp_path) as server, ExitStack() as stack:
        ports = [stack.enter_context(listener(serve=serve)) for _ in range(4)]
        running = Vantages(stack, tmp_path, server, ports)
        until(lambda: all(len(c["votes"]) == 3 for name in "abc" for c in running.checks(name)))
        running.probe(*"abc", *"abc")
        running.wait_for("OK", "OK", "OK", "OK")
        shuns.set()
        running.probe(*"ccc")
        running.wait_for("WARNING", "OK", "OK", "CRITICAL", among="ab")
        running.probe("a")  # which finds them good after they have failed at c
        running.members["c"].wait_for("quarantined")
        running.wait_for("OK", "OK", "OK", "UNKNOWN")
        shuns.clear()
        running.probe("c")
        running.members["c"].wait_for("quarantine_over")
        running.probe("c")
        running.wait_for("OK", "OK", "OK", "OK")
        for member in running.members.values():
            changes = member.json("/api/v1/events?kind=transition")["events"]
            assert "CRITICAL" not in [each["to"] for each in changes]
