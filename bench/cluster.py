"""How a cluster takes over, what it costs, and how it shares: `python -m bench.cluster MODE`.

`kills` kills one of three members again and again, and measures at the targets how long the
longest check was not probed. `load` runs checks on one prober alone and on three members, and
measures processor time, memory, and what is written into etcd at rest. `share` computes, without a
network, who probes what in a large cluster. Needs etcd; everything runs on loopback.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from statistics import quantiles
from urllib.request import Request, urlopen

from bench.measure import cpu_seconds, resident
from bench.targets import addresses
from prober.cluster.records import pack_votes
from prober.cluster.sharing import SHARDS, Peer, Sharing
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
        alone = _alone(folder, config, seconds)
        with ExitStack() as stack:
            members = [stack.enter_context(_member(folder, each, server, config)) for each in NAMES]
            until(lambda: all(map(_is_known, members)))
            writes, cost = _revision(server), _cpu(members)
            time.sleep(seconds)
            cost = (_cpu(members) - cost) / seconds
            rest = (_revision(server) - writes) / seconds
            sizes = ", ".join(f"{resident(each.process.pid):.0f}" for each in members)
            print(f"{checks} checks at {interval:g} s; {seconds:g} s measured")
            print(f"one prober alone: {alone:.3f} cores")
            print(
                f"three members together: {cost:.3f} cores, {cost / alone:.2f} times; {sizes} MiB"
            )
            print(f"etcd at rest: {rest:.1f} writes a second")


def _configuration(checks: int, interval: float) -> Config:
    """Return checks that are refused, so that no target takes processor time."""
    monitor = {"name": "web", "type": "TCP", "interval": f"{interval:g}s"}
    rest = {"fast_interval": f"{interval:g}s", "fall": 1, "rise": 1}
    return {"monitors": [{**monitor, **rest, "targets": [f"{a}:1" for a in addresses(checks)]}]}


def _alone(folder: Path, config: Config, seconds: float) -> float:
    place = folder / "alone"
    place.mkdir()
    with daemon(config, place) as running:
        until(lambda: _is_known(running))
        before = _cpu([running])
        time.sleep(seconds)
        return (_cpu([running]) - before) / seconds


def _member(
    folder: Path, name: str, server: Etcd, config: Config
) -> AbstractContextManager[Daemon]:
    place = folder / name
    place.mkdir()
    section = {"name": "bench", "etcd": {"endpoints": [server.url]}, "member": name}
    return daemon({**config, "cluster": section}, place)


def _is_known(running: Daemon) -> bool:
    """Return whether every check has a status."""
    [pool] = running.json("/api/v1/status")["pools"]
    return bool(pool["counts"]["UNKNOWN"] == 0 < pool["counts"]["CRITICAL"])


def _cpu(running: Sequence[Daemon]) -> float:
    return sum(cpu_seconds(each.process.pid) for each in running)


def _revision(server: Etcd) -> int:
    request = Request(f"{server.url}/v3/kv/range", data=b'{"key": "AA=="}')
    with urlopen(request, timeout=10) as answer:
        return int(json.load(answer)["header"]["revision"])


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
    sample = pack_votes({number: _vote() for number in numbers[: checks // SHARDS]})
    print(
        f"{members} members, {checks} checks: computed in {computed:.2f} s; shares from "
        f"{min(shares)} to {max(shares)}; {moved} checks move when one leaves "
        f"({moved / checks:.2%}); about {len(sample) * SHARDS / 2**20:.0f} MiB in etcd, "
        f"{len(sample) / 1024:.0f} KiB a key"
    )


def _vote() -> Vote:
    at = 1.8e9 + random.random() * 1e6
    seconds = random.random() / 100
    outcome = Outcome(Reason.OK, "HTTP 200", None, at, seconds, source_ip="192.0.2.1")
    return Vote(Status.OK, Health(online=True, streak=2), at, degraded=False, last=outcome)


def main() -> None:
    """Measure what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("mode", choices=["kills", "load", "share"])
    parser.add_argument("--ttl", type=int, default=5)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--checks", type=int, default=10_000)
    parser.add_argument("--interval", type=float, default=5.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--members", type=int, default=100)
    options = parser.parse_args()
    if options.mode == "kills":
        kills(options.ttl, options.kills)
    elif options.mode == "load":
        load(options.checks, options.interval, options.seconds)
    else:
        share(options.members, options.checks)


if __name__ == "__main__":
    main()
