"""How a cluster takes over, what it costs, and how it shares: `python -m bench.cluster MODE`.

`kills` kills one of three members again and again, and measures at the targets how long the
longest check was not probed. `load` runs checks on one prober alone, on three static shards and on
three members, and measures processor time, memory, probes, and what is written into etcd at rest.
`flips` lets every second check of three members fail at once, and measures when all members show it
and what etcd took. `share` computes, without a network, who probes what in a large cluster. Needs
etcd; everything runs on loopback.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from socket import SHUT_RDWR, create_server
from statistics import quantiles
from threading import Thread
from urllib.parse import quote
from urllib.request import Request, urlopen

from bench.measure import cpu_seconds, resident
from bench.targets import addresses, free_port
from prober.cluster.records import pack_lines, vote_line
from prober.cluster.sharing import BUCKETS, Peer, Sharing
from prober.model.ballot import Vote
from prober.model.health import Health
from prober.model.schedule import spread
from prober.model.status import Outcome, Reason, Status
from tests.cluster.etcd_server import Etcd, etcd
from tests.cluster.real_members import INTERVAL, Group, group
from tests.running import Daemon, daemon, until

Config = dict[str, object]
NAMES = ("a", "b", "c")


def kills(ttl: int, count: int) -> None:
    """Print how long the longest check was not probed after each kill."""
    longest: list[float] = []
    with tempfile.TemporaryDirectory() as folder, etcd(Path(folder)) as server:
        place = Path(folder) / "members"
        place.mkdir()
        with group(place, [server.url]) as running:
            for name in NAMES:
                running.start(name, ttl=f"{ttl}s")
            checks = len(running.targets.ports)
            for number in range(count):
                until(partial(_probe_all, running, NAMES, checks))
                time.sleep(random.uniform(0.5, 0.5 + ttl / 3))
                victim = NAMES[number % len(NAMES)]
                killed = time.monotonic()
                running.members[victim].process.kill()
                others = [name for name in NAMES if name != victim]
                until(partial(_probe_all, running, others, checks))
                running.targets.wait_for_probes(1)
                longest.append(running.targets.longest_gap(killed - INTERVAL))
                running.start(victim, ttl=f"{ttl}s")
    cuts = quantiles(longest, n=100, method="inclusive")
    print(
        f"ttl {ttl} s, interval {INTERVAL:g} s, {count} kills: longest time without a probe "
        f"p50 {cuts[49]:.1f} s, p99 {cuts[98]:.1f} s, max {max(longest):.1f} s"
    )


def _probe_all(running: Group, names: Sequence[str], checks: int) -> bool:
    return sum(map(running.probed_by, names)) == checks


def load(checks: int, interval: float, seconds: float) -> None:
    """Print what members and etcd do with many checks, and what one prober does alone."""
    with tempfile.TemporaryDirectory() as name, etcd(Path(name)) as server:
        folder = Path(name)
        config = _configuration(checks, interval)
        alone = _static(folder, config, seconds, 1)
        shards = _static(folder, config, seconds, len(NAMES))
        with ExitStack() as stack:
            members = [stack.enter_context(_member(folder, each, server, config)) for each in NAMES]
            until(lambda: all(map(_is_known, members)))
            before = list(map(_probes, members))
            writes, cost = _revision(server), _cpu(members)
            time.sleep(seconds)
            cost = (_cpu(members) - cost) / seconds
            rates = [
                (probes - probes_before) / (at - at_before)
                for (at_before, probes_before), (at, probes) in zip(
                    before, map(_probes, members), strict=True
                )
            ]
            ratio = sum(rates) * interval / checks
            rest = (_revision(server) - writes) / seconds
            sizes = ", ".join(f"{resident(each.process.pid):.0f}" for each in members)
            print(f"{checks} checks at {interval:g} s; {seconds:g} s measured")
            print(f"one prober alone: {alone:.3f} cores")
            print(f"three static shards: {shards:.3f} cores, {shards / alone:.2f} times")
            print(
                f"three members together: {cost:.3f} cores, {cost / alone:.2f} times; {sizes} MiB"
            )
            print(f"etcd at rest: {rest:.1f} writes a second; {ratio:.3f} probes for each one due")


def _configuration(checks: int, interval: float, port: int = 1) -> Config:
    """Return checks that are refused, so that no target takes processor time.

    Every second one is of another port, which may be open for a while.
    """
    monitor = {"name": "web", "type": "TCP", "interval": f"{interval:g}s"}
    rest = {"fast_interval": f"{interval:g}s", "fall": 1, "rise": 1}
    targets = [f"{a}:{(1, port)[n % 2]}" for n, a in enumerate(addresses(checks))]
    return {"monitors": [{**monitor, **rest, "targets": targets}]}


def _static(folder: Path, config: Config, seconds: float, shards: int) -> float:
    """Return the cores that probers without a cluster take, each with its share of the checks."""
    with ExitStack() as stack:
        running = []
        for number in range(shards):
            place = folder / f"{number}-of-{shards}"
            place.mkdir()
            shard = {"PROBER_SHARD": f"{number}/{shards}"}
            running.append(stack.enter_context(daemon(config, place, environment=shard)))
        until(lambda: all(map(_is_known, running)))
        before = _cpu(running)
        time.sleep(seconds)
        return (_cpu(running) - before) / seconds


def _member(
    folder: Path, name: str, server: Etcd, config: Config
) -> AbstractContextManager[Daemon]:
    place = folder / name
    place.mkdir()
    section = {"name": "bench", "etcd": {"endpoints": [server.url]}, "member": name}
    return daemon({**config, "cluster": section}, place)


def _is_known(running: Daemon) -> bool:
    """Return whether every check has a status."""
    counts = _counts(running)
    return counts["UNKNOWN"] == 0 < counts["CRITICAL"]


def _counts(running: Daemon) -> dict[str, int]:
    [pool] = running.json("/api/v1/status")["pools"]
    counts: dict[str, int] = pool["counts"]
    return counts


def _cpu(running: Sequence[Daemon]) -> float:
    return sum(cpu_seconds(each.process.pid) for each in running)


def _probes(running: Daemon) -> tuple[float, float]:
    """Return when a member was asked, and how many probes it has completed by then."""
    began = time.monotonic()
    lines = running.get("/metrics")[1].splitlines()
    counts = (line for line in lines if line.startswith("prober_probes_total{"))
    return (began + time.monotonic()) / 2, sum(float(line.split()[-1]) for line in counts)


def _revision(server: Etcd) -> int:
    request = Request(f"{server.url}/v3/kv/range", data=b'{"key": "AA=="}')
    with urlopen(request, timeout=10) as answer:
        return int(json.load(answer)["header"]["revision"])


def flips(checks: int, interval: float, count: int) -> None:
    """Print how long after the last change at its owner all members show every change."""
    with tempfile.TemporaryDirectory() as name, etcd(Path(name)) as server, ExitStack() as stack:
        port = free_port()
        config = _configuration(checks, interval, port)
        members = [stack.enter_context(_member(Path(name), each, server, config)) for each in NAMES]
        until(lambda: all(map(_is_known, members)))
        for number in range(count):
            before = _last_events(members)
            with closing(_Door(port)):
                _time_of_flip(f"{number + 1}: to OK", members, server, before, checks // 2)
                before = _last_events(members)
            _time_of_flip(f"{number + 1}: to CRITICAL", members, server, before, -(checks // 2))


class _Door:
    """Accepts connections on a port of every loopback address until it is closed."""

    def __init__(self, port: int) -> None:
        self._server = create_server(("0.0.0.0", port), backlog=4096)
        self._thread = Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self._server.accept()[0].close()

    def close(self) -> None:
        self._server.shutdown(SHUT_RDWR)
        self._server.close()
        self._thread.join()


def _last_events(members: Sequence[Daemon]) -> list[int]:
    """Return the id of the last event of each member, which costs it next to nothing."""
    newest = (each.json("/api/v1/events?limit=1")["events"] for each in members)
    return [events[0]["id"] if events else 0 for events in newest]


def _time_of_flip(
    name: str, members: Sequence[Daemon], server: Etcd, before: Sequence[int], more: int
) -> None:
    """Print when each member shows so many more checks as OK, after they were by their owners."""
    writes, sent, cost = _revision(server), _received(server), _cpu(members)
    shown: dict[int, float] = {}
    while len(shown) < len(members):
        for number, (event, member) in enumerate(zip(_last_events(members), members, strict=True)):
            has_all = number not in shown and event - before[number] >= abs(more)
            if has_all and _counts(member)["OK"] == max(0, more):
                shown[number] = time.time()
        time.sleep(0.1)
    seconds = max(shown.values()) - _last_change(members[0])
    print(
        f"{name}: all members show it {seconds:.1f} s after the last change; "
        f"{_revision(server) - writes} writes, {(_received(server) - sent) / 2**20:.1f} MiB, "
        f"{_cpu(members) - cost:.1f} s of processor time",
        flush=True,
    )


def _last_change(member: Daemon) -> float:
    """Return when the last check changed its status, in unix seconds."""
    last, marker = 0.0, ""
    while marker is not None:
        found = member.json(
            f"/api/v1/checks?limit=1000&marker={quote(marker)}".removesuffix("&marker=")
        )
        last = max(
            last, *(datetime.fromisoformat(each["since"]).timestamp() for each in found["checks"])
        )
        marker = found["next_marker"]
    return last


def _received(server: Etcd) -> float:
    """Return the bytes that etcd has received from its clients."""
    with urlopen(f"{server.url}/metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith("etcd_network_client_grpc_received_bytes_total "):
                return float(line.split()[1])
    return 0.0


def share(members: int, checks: int) -> None:
    """Print how a large cluster shares its checks, and what moves when a member leaves."""
    numbers = [spread(f"m\0{i}") for i in range(checks)]
    peers = [Peer(f"member-{i}", f"zone-{i % 3}") for i in range(members)]
    started = time.perf_counter()
    owners = Sharing(peers)
    before = [owners.owners(number)[0] for number in numbers]
    computed = time.perf_counter() - started
    after = Sharing(peers[1:])
    moved = sum(one != after.owners(number)[0] for one, number in zip(before, numbers, strict=True))
    shares = [before.count(peer.name) for peer in peers]
    keys = BUCKETS * members
    sample = pack_lines(vote_line(number, _vote()) for number in numbers[: checks // keys])
    print(
        f"{members} members, {checks} checks: computed in {computed:.2f} s; shares from "
        f"{min(shares)} to {max(shares)}; {moved} checks move when one leaves "
        f"({moved / checks:.2%}); about {len(sample) * keys / 2**20:.0f} MiB in etcd, "
        f"{len(sample) / 1024:.1f} KiB a key"
    )


def _vote() -> Vote:
    at = 1.8e9 + random.random() * 1e6
    seconds = random.random() / 100
    outcome = Outcome(Reason.OK, "HTTP 200", None, at, seconds, source_ip="192.0.2.1")
    return Vote(Status.OK, Health(online=True, streak=2), at, degraded=False, last=outcome)


def main() -> None:
    """Measure what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("mode", choices=["kills", "load", "flips", "share"])
    parser.add_argument("--ttl", type=int, default=5)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--checks", type=int, default=10_000)
    parser.add_argument("--interval", type=float, default=5.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--flips", type=int, default=3)
    parser.add_argument("--members", type=int, default=100)
    options = parser.parse_args()
    if options.mode == "kills":
        kills(options.ttl, options.kills)
    elif options.mode == "load":
        load(options.checks, options.interval, options.seconds)
    elif options.mode == "flips":
        flips(options.checks, options.interval, options.flips)
    else:
        share(options.members, options.checks)


if __name__ == "__main__":
    main()
