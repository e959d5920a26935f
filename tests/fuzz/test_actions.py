"""The whole prober under random actions, beside a naive model of what it must say."""

import gc
import sys
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from structlog.testing import capture_logs

from tests.engine.conftest import open_descriptors
from tests.fuzz.play import KINDS, SERVERS, Play
from tests.fuzz.servers import Act
from tests.fuzz.stored import memory
from tests.simulation import of_an_engine

SECONDS = st.sampled_from([0.05, 0.3, 1.0, 3.0, 10.0, 40.0])
POLICIES = st.fixed_dictionaries(
    {
        "interval": st.sampled_from([0.5, 1.0, 3.0]),
        "timeout": st.sampled_from([0.2, 1.0, 5.0]),
        "rise": st.integers(1, 3),
        "fall": st.integers(1, 3),
    },
    optional={"enabled": st.sampled_from([True, True, False]), "down_interval": st.just(2.0)},
)
KIND = st.sampled_from(sorted(KINDS))
SERVER = st.integers(0, SERVERS - 1)
MONITOR = st.integers(0, SERVERS // 2 - 1)
ACT = st.sampled_from(sorted(Act))


class Actions(RuleBasedStateMachine):
    """Targets answer, drip, cut, hang, reset; time passes, stalls, jumps; the operator edits."""

    def __init__(self) -> None:
        super().__init__()
        gc.collect()
        self.descriptors = open_descriptors()
        self.around = ExitStack()
        self.logs = self.around.enter_context(capture_logs())
        folder = self.around.enter_context(TemporaryDirectory(dir=memory()))
        self.play = Play(f"{folder}/state")

    @initialize(monitors=st.lists(st.tuples(KIND, POLICIES), min_size=1, max_size=3))
    def configure(self, monitors: list[tuple[str, dict[str, object]]]) -> None:
        for number, (kind, policy) in enumerate(monitors):
            self.play.set_policy(number, kind, policy)
        self.play.reload()
        self.play.advance(5.0)

    @rule(number=MONITOR, kind=KIND, policy=POLICIES, at_once=st.booleans())
    def edit(self, number: int, kind: str, policy: dict[str, object], at_once: bool) -> None:
        self.play.set_policy(number, kind, policy)
        if at_once:
            self.play.reload()

    @rule()
    def reload(self) -> None:
        self.play.reload()

    @rule(number=MONITOR)
    def remove(self, number: int) -> None:
        self.play.policies.pop(number, None)
        self.play.reload()

    @rule(number=SERVER)
    def move_backend(self, number: int) -> None:
        self.play.absent ^= {number}
        self.play.reload()

    @rule(number=MONITOR)
    def disable_or_enable(self, number: int) -> None:
        if policy := self.play.policies.get(number):
            policy["enabled"] = not policy.get("enabled", True)
            self.play.reload()

    @rule(away=st.sampled_from([0.1, 2.0, 8.0, 100.0]))
    def restart(self, away: float) -> None:
        self.play.restart(away)
        self.play.advance(0.9)

    @rule(seconds=SECONDS)
    def advance(self, seconds: float) -> None:
        self.play.advance(seconds)

    @rule(number=SERVER, times=st.integers(1, 3))
    def probe_now(self, number: int, times: int) -> None:
        for _ in range(times):
            self.play.probe_now(number)

    @rule(seconds=SECONDS, answered=st.booleans())
    def stand_still(self, seconds: float, answered: bool) -> None:
        if answered:
            for server in self.play.servers:
                server.finish(Act.RESPOND)
        self.play.stand_still(seconds)

    @rule(seconds=st.sampled_from([-3600.0, -1.0, 2.0, 86400.0]))
    def set_clock(self, seconds: float) -> None:
        self.play.set_clock(seconds)

    @rule(seconds=SECONDS)
    def starve(self, seconds: float) -> None:
        with self.play.starving():
            self.play.advance(seconds)

    @rule(acts=st.lists(ACT, min_size=1, max_size=SERVERS), seconds=SECONDS)
    def answer_from_now_on(self, acts: list[Act], seconds: float) -> None:
        for server, act in zip(self.play.servers, cycle(acts), strict=False):
            server.act = act
        self.play.advance(seconds)

    @rule(number=SERVER, act=ACT)
    def end_what_is_held(self, number: int, act: Act) -> None:
        if act is not Act.HOLD and self.play.servers[number].holds:
            self.play.servers[number].finish(act)
            self.play.settle()

    @rule(number=SERVER, times=st.integers(1, 60))
    def drip(self, number: int, times: int) -> None:
        for _ in range(times):
            self.play.servers[number].drip()
            self.play.settle()

    @rule(number=SERVER)
    def refuse_or_listen(self, number: int) -> None:
        server = self.play.servers[number]
        if server.listens:
            server.refuse()
        else:
            server.listen()

    @invariant()
    def what_is_shown_is_right(self) -> None:
        self.play.check()

    def teardown(self) -> None:
        self.play.end()
        self.around.close()
        if sys.exc_info()[1] is not None:
            return  # it has failed already, and its traceback holds what is asked for below
        bugs = [line for line in self.logs if line["event"] == "internal_error"]
        assert not bugs
        del self.play
        gc.collect()
        attempts = of_an_engine(gc.get_objects())
        assert not attempts
        assert open_descriptors() == self.descriptors


TestActions = Actions.TestCase
TestActions.settings = settings(
    max_examples=12, stateful_step_count=40, phases=[Phase.explicit, Phase.generate]
)


def test_a_stop_during_an_overload_leaves_no_timer(tmp_path: Path) -> None:
    with capture_logs():
        play = Play(str(tmp_path / "state"))
        play.set_policy(0, "HTTP", {"interval": 0.5})
        play.reload()
        while play.life.prober.vitals.load.overload is None:
            play.stand_still(1.0)
        play.end()
