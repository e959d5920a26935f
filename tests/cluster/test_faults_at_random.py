"""Members, an etcd, and whatever may befall them, in any order: hypothesis looks for a bad one."""

from contextlib import closing
from random import Random

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from prober.cluster.rota import RETURN
from tests.cluster.simulated import Machine, World, outlines

CHECKS = outlines(40)
NAMES = ["a", "b", "c", "d"]
ZONES = {"a": "fra", "b": "fra", "c": "ams", "d": ""}
TTL = 5.0
BOUND = TTL + RETURN + 4.0
"""Seconds after the last fault in which every check must have a prober, if etcd is there."""


class Cluster(RuleBasedStateMachine):
    """Four names, of which any may run."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.disturbed_at = 0.0

    def teardown(self) -> None:
        self.world.settle()
        self.world.close()

    def machine(self, name: str) -> Machine | None:
        found = self.world.machines.get(name)
        return None if found is None or found.dead else found

    def disturb(self) -> None:
        self.disturbed_at = self.world.now

    @initialize(names=st.sets(st.sampled_from(NAMES), min_size=1))
    def begin(self, names: set[str]) -> None:
        for name in sorted(names):
            self.start(name)
        self.world.run(30.0)
        self.disturb()

    @rule(seconds=st.sampled_from([0.01, 0.3, 1.0, 3.0, 8.0, 20.0, 90.0]))
    def wait(self, seconds: float) -> None:
        self.world.run(seconds)

    @rule(name=st.sampled_from(NAMES), known=st.sampled_from([20, 40, 40, 40]))
    def start(self, name: str, known: int = 40) -> None:
        if self.machine(name) is None:
            Machine(self.world, name, CHECKS[:known], zone=ZONES[name], ttl=TTL)
            self.disturb()

    @rule(name=st.sampled_from(NAMES))
    def kill(self, name: str) -> None:
        if machine := self.machine(name):
            machine.kill()
            self.disturb()

    @rule(name=st.sampled_from(NAMES))
    def terminate(self, name: str) -> None:
        machine = self.machine(name)
        if machine and machine.is_working:
            machine.terminate()
            self.world.run(8.0)
            self.disturb()

    @rule(name=st.sampled_from(NAMES), paused=st.booleans())
    def pause(self, name: str, *, paused: bool) -> None:
        if machine := self.machine(name):
            machine.paused = paused
            self.disturb()

    @rule(name=st.sampled_from(NAMES), cut=st.booleans())
    def cut(self, name: str, *, cut: bool) -> None:
        if machine := self.machine(name):
            machine.line.cut = cut
            self.world.histories_agree = False
            self.disturb()

    @rule(zone=st.sampled_from(["fra", "ams"]), cut=st.booleans())
    def cut_a_zone(self, zone: str, *, cut: bool) -> None:
        for name in NAMES:
            if ZONES[name] == zone:
                self.cut(name, cut=cut)

    @rule(name=st.sampled_from(NAMES), delay=st.sampled_from([0.002, 0.5, 1.5]), lose=st.booleans())
    def hinder(self, name: str, delay: float, *, lose: bool) -> None:
        if machine := self.machine(name):
            machine.line.delay = delay
            machine.line.lose_answers = lose
            self.disturb()

    @rule(step=st.sampled_from([-86400.0, -60.0, 60.0, 86400.0]), name=st.sampled_from(NAMES))
    def set_a_clock(self, step: float, name: str) -> None:
        self.world.histories_agree = False
        if machine := self.machine(name):
            machine.work.wall_offset += step

    @precondition(lambda self: self.world.etcd.up)
    @rule()
    def stop_etcd(self) -> None:
        self.world.etcd.up = False
        self.world.histories_agree = False
        self.disturb()

    @precondition(lambda self: not self.world.etcd.up)
    @rule(wipe=st.booleans())
    def start_etcd(self, *, wipe: bool) -> None:
        if wipe:
            self.world.etcd.wipe()
        self.world.etcd.come_back()
        self.disturb()

    @rule()
    def compact(self) -> None:
        self.world.etcd.compact()

    @rule(name=st.sampled_from(NAMES), known=st.sampled_from([20, 30, 40]))
    def configure(self, name: str, known: int) -> None:
        machine = self.machine(name)
        if machine and machine.is_working:
            machine.configure(CHECKS[:known])
            self.disturb()

    @rule(start=st.integers(0, 39), good=st.booleans())
    def turn(self, start: int, *, good: bool) -> None:
        for check in CHECKS[start : start + 10]:
            self.world.truth[check.number] = good

    @invariant()
    def every_check_is_probed_soon_after_a_fault(self) -> None:
        world = self.world
        able = [
            machine
            for machine in world.machines.values()
            if machine.is_working
            and machine.task.done() is False
            and not (machine.line.cut or machine.line.lose_answers or machine.line.delay > 0.1)
        ]
        if not world.etcd.up:
            return
        known = {number for machine in able for number in machine.work.checks}
        for number, since in world.unprobed_since.items():
            if number in known:
                assert world.now - max(since, self.disturbed_at) <= BOUND


TestCluster = Cluster.TestCase


def test_ten_members_with_a_fault_a_minute_leave_no_check_unprobed() -> None:
    random = Random(18)
    checks = outlines(100)
    with closing(World()) as world:
        names = [f"m{n}" for n in range(10)]
        for name in names:
            Machine(world, name, checks, zone=f"z{len(name) % 3}")
        world.run(60.0)
        world.forget_gaps()
        for _ in range(20):
            name = random.choice(names)
            machine = world.machines[name]
            match random.choice(["kill", "pause", "cut", "terminate", "turn"]):
                case "kill":
                    machine.kill()
                case "pause":
                    machine.paused = True
                case "cut":
                    machine.line.cut = True
                case "terminate":
                    machine.terminate()
                case "turn":
                    for check in random.sample(checks, 10):
                        world.truth[check.number] = random.random() < 0.7
            world.run(30.0)
            machine.paused = machine.line.cut = False
            if machine.dead:
                Machine(world, name, checks, zone=f"z{len(name) % 3}")
            world.run(30.0)
            world.judge()
        assert world.longest_gap() <= 12.0
