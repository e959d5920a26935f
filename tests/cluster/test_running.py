"""Real members, a real etcd, real faults: judged at the targets, by every API and log."""

import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.etcd_server import Etcd, etcd, needs_etcd, needs_etcdctl, three_of_etcd
from tests.cluster.real_members import Group, group
from tests.faults import namespaces
from tests.ports import free_port
from tests.running import PATIENCE, Daemon, prober, until

pytestmark = [needs_etcd, pytest.mark.xdist_group("members")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    with etcd(tmp_path_factory.mktemp("etcd")) as running:
        yield running


@pytest.fixture
def three(tmp_path: Path, server: Etcd) -> Iterator[Group]:
    """Three members that share the checks; each test has a clean etcd."""
    server.clean()
    with group(tmp_path, [server.url], "a", "b", "c") as running:
        until(running.agrees_on_its_probers)
        running.all_show("OK")
        yield running


def assert_undisturbed(running: Group, before: dict[str, list[tuple[str, str, str]]]) -> None:
    """No check has changed its status meanwhile, on any member."""
    for name in running.members:
        assert running.changes(name) == before[name]


def is_alone(member: Daemon) -> bool:
    return "prober_cluster_up 0.0" in member.get("/metrics")[1]


def test_every_member_answers_for_the_whole_cluster(three: Group) -> None:
    view = three.members["b"].json("/api/v1/cluster")
    assert (view["name"], view["member"], view["state"]) == ("test", "b", "joined")
    assert [each["name"] for each in view["members"]] == ["a", "b", "c"]
    assert view["etcd"]["up"]
    assert not view["configurations_differ"]
    key = next(iter(three.keys_probed_by("a", through="b")))
    check = three.members["b"].json(f"/api/v1/checks/web/{key}")
    assert [vote["member"] for vote in check["votes"]] == ["a"]
    assert len(check["recent"]) > 1  # from the owner
    assert "as_of" not in check
    assert "Members of test" in three.members["b"].get("/prober")[1]
    assert "<h2>Votes</h2>" in three.members["b"].get(f"/checks/web/{key}")[1]
    series = f'target="{key}"'
    assert series in three.members["a"].get("/metrics")[1].split("prober_check_vote")[-1]
    lines = three.members["b"].get("/metrics")[1].splitlines()
    assert not [line for line in lines if series in line and "prober_check_" in line]
    done = prober("members", "--url", three.members["b"].url)
    assert (done.returncode, done.stderr) == (0, "")
    head, _, *rows = done.stdout.splitlines()
    assert head == "cluster test, seen by b: 3 members"
    assert [row.split()[0] for row in rows] == ["a", "b", "c"]


def test_sigterm_hands_over(three: Group) -> None:
    before = three.all_changes()
    leaving = three.members.pop("a")
    assert leaving.stop(signal.SIGTERM) == 0
    three.targets.wait_for_probes()
    assert_undisturbed(three, before)
    assert three.members["b"].wait_for("member_left")["cause"] == "left"
    said = [line["event"] for line in leaving.rest()]
    assert set(said[said.index("stopping") + 1 :]) == {"shards_released"}


def test_sigkill_carries_status_streak_and_since_over(three: Group) -> None:
    before = three.all_changes()
    since = {key: check["since"] for key, check in three.checks("b").items()}
    three.members.pop("a").process.kill()
    three.members["b"].wait_for("member_left", member="a", cause="lost")
    three.targets.wait_for_probes()
    assert_undisturbed(three, before)
    assert {key: check["since"] for key, check in three.checks("b").items()} == since
    (port, *_) = three.targets.ports
    three.targets.shut(port)
    three.all_show("CRITICAL", port)
    assert three.all_changes() == {
        name: [
            *before[name],
            (f"127.0.0.1:{port}", "OK", "WARNING"),
            (f"127.0.0.1:{port}", "WARNING", "CRITICAL"),
        ]
        for name in three.members
    }


def test_a_member_that_was_stopped_says_nothing_of_what_it_lost(three: Group) -> None:
    stopped = three.members.pop("a")
    mine = three.keys_probed_by("a", through="b")
    stopped.process.send_signal(signal.SIGSTOP)
    three.members["b"].wait_for("member_left", member="a", cause="lost")
    three.targets.wait_for_probes()
    ports = [int(key.rpartition(":")[2]) for key in mine]
    for port in ports:
        three.targets.shut(port)
    three.all_show("CRITICAL", *ports)
    seen = len(stopped.lines)
    stopped.process.send_signal(signal.SIGCONT)
    three.members["a"] = stopped
    three.all_show("CRITICAL", *ports, among=["a"])
    joined = stopped.wait_for("member_joined", member="a")
    lines = stopped.lines[seen : stopped.lines.index(joined)]
    assert "status_changed" not in [line["event"] for line in lines]
    until(lambda: three.keys_probed_by("a", through="b") == mine)
    for port in ports:
        three.targets.open(port)
    three.all_show("OK")


def test_without_etcd_all_go_on_and_nothing_moves_when_it_is_back(
    three: Group, server: Etcd
) -> None:
    before = three.all_changes()
    shares = {name: three.keys_probed_by(name, through="a") for name in "abc"}
    server.kill()
    for name in "abc":
        three.members[name].wait_for("cluster_degraded")
        assert is_alone(three.members[name])
        status, text = three.members[name].get("/-/ready")
        assert status == 200
        assert text.startswith("Ready, but ")  # perhaps overloaded as well, on a busy machine
        assert "etcd is away" in text
    three.targets.wait_for_probes(8)
    assert_undisturbed(three, before)
    three.members["a"].process.send_signal(signal.SIGSTOP)
    check = three.members["b"].json(f"/api/v1/checks/web/{min(shares['a'])}")
    assert check["as_of"] == check["last"]["at"]
    three.members["a"].process.send_signal(signal.SIGCONT)
    server.start()
    for name in "abc":
        three.members[name].wait_for("cluster_restored")
    three.targets.wait_for_probes(8)
    assert {name: three.keys_probed_by(name, through="a") for name in "abc"} == shares
    assert_undisturbed(three, before)


def test_wiped_data_is_written_anew(three: Group, server: Etcd) -> None:
    before = three.all_changes()
    shares = {name: three.keys_probed_by(name, through="a") for name in "abc"}
    server.wipe()
    until(lambda: all(three.keys_probed_by(n, through="a") == shares[n] for n in "abc"))
    three.targets.wait_for_probes()
    assert_undisturbed(three, before)
    fresh = three.start("d")
    three.all_show("OK", among=["d"])
    assert [to for _, _, to in three.changes("d")] == []
    assert fresh.stop(signal.SIGTERM) == 0


def test_a_second_member_of_a_name_exits_and_says_who_has_it(three: Group) -> None:
    holder = three.members["a"]
    second = three.start("a")
    three.members["a"] = holder
    line = second.wait_for("name_taken")
    assert (line["member"], line["url"]) == ("a", holder.url)
    assert second.process.wait(PATIENCE) == 1
    three.targets.wait_for_probes()


def test_after_a_crash_the_same_name_joins_again(three: Group) -> None:
    before = three.all_changes()
    three.members["a"].process.kill()
    again = three.start("a")
    again.wait_for("member_joined", member="a")
    three.targets.wait_for_probes()
    assert three.changes("b") == before["b"]
    assert three.changes("a") == []


def test_a_rolling_restart_disturbs_nothing(three: Group) -> None:
    before = three.all_changes()
    for name in "abc":
        assert three.members[name].stop(signal.SIGTERM) == 0
        three.start(name).wait_for_any("ready")
        three.targets.wait_for_probes()
        before[name] = []
        assert_undisturbed(three, before)


def test_a_configuration_is_changed_on_one_member_after_the_other(three: Group) -> None:
    gone, *kept = three.targets.ports

    def drop_one(monitor: dict[str, Any]) -> None:
        monitor["targets"].remove(f"127.0.0.1:{gone}")

    def differ() -> bool:
        return bool(three.members["c"].json("/api/v1/cluster")["configurations_differ"])

    three.reconfigure("a", drop_one)
    until(differ)
    three.targets.wait_for_probes()
    assert f"127.0.0.1:{gone}" not in three.checks("a")
    for name in "bc":
        three.reconfigure(name, drop_one)
    until(lambda: not differ())
    until(lambda: sum(three.probed_by(name) for name in "abc") == len(kept))
    for name in "abc":
        three.reconfigure(name, lambda monitor: monitor.update(enabled=False))
    until(lambda: sum(three.probed_by(name) for name in "abc") == 0)
    three.all_show("UNKNOWN", *kept)
    for name in "abc":
        three.reconfigure(name, lambda monitor: monitor.update(enabled=True))
    three.all_show("OK", *kept)
    until(lambda: sum(three.probed_by(name) for name in "abc") == len(kept))


def test_a_start_without_etcd_probes_everything_and_joins_later(
    tmp_path: Path, server: Etcd
) -> None:
    server.clean()
    server.kill()
    try:
        with group(tmp_path, [server.url], "a") as running:
            running.members["a"].wait_for_any("cluster_degraded")
            running.targets.wait_for_probes()
            server.start()
            running.members["a"].wait_for("cluster_restored")
            running.start("b")
            running.all_show("OK")
            until(lambda: 0 < running.probed_by("b") < len(running.targets.ports))
    finally:
        server.kill()


def test_three_servers_of_etcd_may_lose_one_and_then_their_quorum(tmp_path: Path) -> None:
    folder = tmp_path / "members"
    folder.mkdir()
    with (
        three_of_etcd(tmp_path) as servers,
        group(folder, [each.url for each in servers], "a", "b") as running,
    ):
        before = running.all_changes()
        start = time.monotonic()
        servers[0].kill()
        running.targets.wait_for_probes(8)
        servers[1].pause()
        for name in "ab":
            running.members[name].wait_for("cluster_degraded")
        running.targets.wait_for_probes(4)
        servers[1].go_on()
        for name in "ab":
            running.members[name].wait_for("cluster_restored")
        running.targets.wait_for_probes(4)
        assert_undisturbed(running, before)
        assert running.targets.longest_gap(start) < time.monotonic() - start


def test_a_leader_of_etcd_that_is_stopped_disturbs_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "members"
    folder.mkdir()
    with (
        three_of_etcd(tmp_path) as servers,
        group(folder, [each.url for each in servers], "a", "b", ttl="10s") as running,
    ):
        until(running.agrees_on_its_probers)
        before = running.all_changes()
        leader = next(each for each in servers if each.leads())
        others = [each for each in servers if each is not leader]
        leader.pause()
        until(lambda: any(each.leads() for each in others))
        (port, *_) = running.targets.ports
        running.targets.shut(port)
        running.all_show("CRITICAL", port)  # what one has found reaches the other
        key = f"127.0.0.1:{port}"
        for name in "ab":
            fresh = running.changes(name)[len(before[name]) :]
            assert fresh == [(key, "OK", "WARNING"), (key, "WARNING", "CRITICAL")]


@needs_etcdctl
def test_with_a_wrong_password_a_member_probes_everything_and_says_why(tmp_path: Path) -> None:
    folder, password = tmp_path / "members", tmp_path / "password"
    folder.mkdir()
    password.write_text("wrong")
    with etcd(tmp_path) as server:
        server.enable_authentication()
        user = {"username": "prober", "password": {"file": str(password)}}
        shared = {"endpoints": [server.url], **user}
        with group(folder, [server.url]) as running:
            running.start("a", etcd=shared)
            running.all_show("OK")
            degraded = running.members["a"].wait_for_any("cluster_degraded")
            assert degraded["reason"] == "unauthorized"
            assert running.probed_by("a") == len(running.targets.ports)
            assert is_alone(running.members["a"])


def test_two_vantages_vote_and_go_on_when_one_is_gone(tmp_path: Path, server: Etcd) -> None:
    server.clean()
    with group(tmp_path, [server.url], "a", "b", "c", vantages=2) as running:
        count = len(running.targets.ports)
        until(lambda: sum(running.probed_by(name) for name in "abc") == 2 * count)
        until(lambda: all(len(check["votes"]) == 2 for check in running.checks("a").values()))
        before = running.all_changes()
        running.members.pop("c").process.kill()
        running.members["a"].wait_for("member_left", member="c")
        until(lambda: all(running.probed_by(name) == count for name in "ab"))
        running.targets.wait_for_probes(4)
        assert_undisturbed(running, before)
        (port, *_) = running.targets.ports
        running.targets.shut(port)
        running.all_show("CRITICAL", port)
        key = f"127.0.0.1:{port}"
        for name in "ab":
            votes = running.checks(name)[key]["votes"]
            assert sorted((vote["member"], vote["status"]) for vote in votes) == [
                ("a", "CRITICAL"),
                ("b", "CRITICAL"),
            ]
            assert [to for at, _, to in running.changes(name) if at == key][-1] == "CRITICAL"
        running.targets.open(port)
        running.all_show("OK")


@pytest.mark.skipif(shutil.which("nft") is None, reason="nftables is not installed")
@pytest.mark.skipif(bool(namespaces.missing()), reason=namespaces.missing())
def test_a_member_that_is_cut_off_from_etcd_goes_on_and_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "members"
    folder.mkdir()
    with namespaces.host() as machine, machine.entered():
        port = free_port()
        everywhere = ("--listen-client-urls", f"http://0.0.0.0:{port}")
        alone = Etcd("alone", tmp_path / "etcd", port, free_port(), everywhere)
        try:
            alone.start()
            alone.wait()
            with group(folder, [alone.url], "a", "b") as running:
                cut_off = running.start("c", etcd={"endpoints": [f"http://127.0.0.2:{port}"]})
                running.all_show("OK")
                until(lambda: all(running.probed_by(name) for name in "abc"))
                until(running.agrees_on_its_probers)
                before = running.all_changes()
                machine.run("nft", "add", "table", "inet", "cut")
                hook = "{ type filter hook output priority 0; }"
                machine.run("nft", "add", "chain", "inet", "cut", "out", hook)
                machine.run(
                    "nft",
                    *["add", "rule", "inet", "cut", "out", "ip", "daddr", "127.0.0.2", "drop"],
                )
                cut_off.wait_for("cluster_degraded")
                share = running.probed_by("c")
                running.members["a"].wait_for("member_left", member="c", cause="lost")
                running.targets.wait_for_probes(4)
                assert running.probed_by("c") == share
                assert_undisturbed(running, before)
                machine.run("nft", "delete", "table", "inet", "cut")
                cut_off.wait_for("cluster_restored")
                until(running.agrees_on_its_probers)
                running.targets.wait_for_probes(2)
                assert_undisturbed(running, before)
        finally:
            alone.kill()
