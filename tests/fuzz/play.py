"""A prober and its targets, played by hand, with what the rules say of every check beside it."""

import resource
import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prober.engine.ticker import BEAT, STALL
from prober.model.monitor import Monitor
from prober.model.probe import Target
from prober.model.status import Outcome, Result
from tests.engine.targets import PATIENCE
from tests.fuzz.life import Life
from tests.fuzz.naive import BAD, GOOD, OURS, NaiveCheck
from tests.fuzz.servers import FOUND, Act, servers
from tests.fuzz.witness import Witness

SERVERS = 6
"""Monitor number i probes the servers 2i and 2i + 1."""
KINDS: dict[str, dict[str, Any]] = {
    "HTTP": {"type": "HTTP"},
    "CONNECT": {"type": "TCP"},
    "EXPECT": {"type": "TCP", "expect": {"text": "+PONG"}},
}
NOMINAL_PORT = 80
"""What the backends are called by: the real port differs from run to run, the schedule must not."""
GRACE = 1.0
"""Seconds by which a probe may be later than promised: the spread after a start, and ticks."""

Key = tuple[str, str]
Policy = dict[str, Any]
_MEANING = {Result.OK: GOOD, Result.UNKNOWN: OURS}


class Seen:
    """A check as the rules have it; `shown` is its status, times are awake seconds."""

    def __init__(self, monitor: Monitor, now: float) -> None:
        self.monitor = monitor
        self.naive = NaiveCheck(monitor.rise, monitor.fall, monitor.stale_after, now=now)
        self.naive.enabled = monitor.enabled
        self.shown = "UNKNOWN"
        self.probed_at = now

    def change(self, monitor: Monitor, now: float) -> None:
        """Take over another policy."""
        stale = self.naive.online is not None and self.shown == "UNKNOWN"
        if not (self.monitor.enabled and monitor.enabled):
            self.naive.forget()
        elif not stale:
            self.naive.known_at = now
        self.monitor, self.probed_at = monitor, now
        self.naive.rise, self.naive.fall = monitor.rise, monitor.fall
        self.naive.stale_after, self.naive.enabled = monitor.stale_after, monitor.enabled
        self.shown = self.naive.status(now)

    def come_back(self, away: float, now: float) -> None:
        """Be restored after so many seconds without a prober."""
        stale = self.naive.online is not None and self.shown == "UNKNOWN"
        self.probed_at = now
        if away > self.naive.stale_after:
            self.naive.forget()
        elif not stale:
            self.naive.known_at = now - away
        self.shown = self.naive.status(now)


class Play:
    """Everything that can be done to a prober; `check` sees whether it kept its promises."""

    def __init__(self, state_dir: str) -> None:
        self.servers = servers([f"127.0.1.{i + 1}" for i in range(SERVERS)])
        self.policies: dict[int, Policy] = {}
        self.absent: set[int] = set()
        self.life = Life(state_dir, engine=Witness)
        self.seen: dict[Key, Seen] = {}
        self._enough = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most_descriptors: int | None = None
        self.stood_still: dict[Target, float] = {}
        self._of_target = {Target(each.host, each.port): each for each in self.servers}
        self._begin()

    # What can be done

    def set_policy(self, number: int, kind: str, policy: Policy) -> None:
        """Add a monitor, or change it."""
        self.policies[number] = {**KINDS[kind], **policy}

    def reload(self) -> None:
        """Take over the policies as they are now; the loop goes on between the steps."""
        pools, monitors = self._definitions()
        self.life.reload(pools, monitors, self.settle)
        self._follow()

    def restart(self, away: float) -> None:
        """Stop, and start again after a while, with the policies as they are then."""
        self.life.end()
        self.life.clock.stand_still(away)
        self._begin(away)

    def advance(self, seconds: float) -> None:
        """Let time pass; the targets do at once what they are to do."""
        clock = self.life.clock
        end = clock.now + seconds
        while (due := min(clock.timers(), default=end)) <= end:
            clock.advance(max(0.0, due - clock.now))
            self.settle()
        clock.advance(end - clock.now)

    def probe_now(self, number: int) -> None:
        """Ask for a probe of every check of a server, out of turn."""
        for key in self.seen:
            if key[1] == f"{self.servers[number].host}:{NOMINAL_PORT}":
                self.life.prober.probe_now(key, lambda: None)

    def stand_still(self, seconds: float) -> None:
        """Let time pass while the prober does nothing, then let it go on."""
        self.life.clock.stand_still(seconds)
        for target in self.engine.under_way:
            self.stood_still[target] = self.stood_still.get(target, 0.0) + seconds
        self.advance(0.0)

    def set_clock(self, seconds: float) -> None:
        """Move the wall clock."""
        self.life.offset += seconds

    @contextmanager
    def starving(self) -> Iterator[None]:
        """Leave the prober hardly a descriptor, as long as the context lasts."""
        with open("/dev/null") as lowest:  # noqa: PTH123  (its number is all that matters)
            free = lowest.fileno()
        self._most_descriptors = free
        try:
            with _descriptors(free):
                yield
        finally:
            self._most_descriptors = None

    def end(self) -> None:
        """Stop for good."""
        try:
            self.life.end()
            assert not self.life.clock.timers(), "timers are left"
        finally:
            for server in self.servers:
                server.close()

    # What must hold

    def check(self) -> None:
        """See that the prober says what the rules say, and has forgotten no check."""
        now = self.awake()
        store = self.life.prober.store
        shown = {state.check.key: str(state.status) for state in store}
        right = {key: seen.shown for key, seen in self.seen.items()}
        assert shown == right, (shown, right)
        assert self.engine.in_flight == len(self.engine.under_way)
        for key, seen in self.seen.items():
            monitor = seen.monitor
            longest = max(monitor.interval, monitor.fast_interval, monitor.down_interval)
            promised = 2 * longest + monitor.timeout + GRACE
            assert not monitor.enabled or now - seen.probed_at <= promised, (key, now)

    @property
    def engine(self) -> Witness:
        """The engine that runs now."""
        engine = self.life.prober._engine
        assert isinstance(engine, Witness)
        return engine

    def awake(self) -> float:
        """Return the time as it counts for the checks."""
        return self.life.prober._ticker.awake()

    # How it is done

    def settle(self) -> None:
        """Let prober and targets act until only those probes are left that a target holds."""
        while True:
            with _descriptors(self._enough):
                news = [server.go_on() for server in self.servers]
            for call in [*self.life.loop.readers.values(), *self._calls()]:
                call()
            if any(news):
                continue
            if not self._coming():
                return
            self._wait()

    def _calls(self) -> list[Any]:
        calls, self.life.loop.calls = self.life.loop.calls, []
        return calls

    def _coming(self) -> bool:
        """Return whether a probe is under way that nobody holds."""
        return any(not self._of_target[target].holds for target in self.engine.under_way)

    def _wait(self) -> None:
        watched = [*self.life.loop.readers]
        watched += [number for server in self.servers for number in server.descriptors()]
        assert select.select(watched, [], [], PATIENCE)[0], self.engine.under_way

    def _begin(self, away: float | None = None) -> None:
        self.life.begin(*self._definitions())
        self.engine.began, self.engine.ended = self._began, self._ended
        self.stood_still.clear()
        now = self.awake()
        before, self.seen = self.seen, {}
        for state in self.life.prober.store:
            seen = self.seen[state.check.key] = Seen(state.check.monitor, now)
            old = before.get(state.check.key)
            if old is not None and away is not None:
                seen.naive.online = old.naive.online
                seen.naive.goods, seen.naive.bads = old.naive.goods, old.naive.bads
                seen.shown = old.shown
                if not old.monitor.enabled or not seen.monitor.enabled:
                    seen.naive.forget()
                seen.come_back(away, now)
        self._follow()

    def _definitions(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        pools, monitors = [], []
        for number, policy in self.policies.items():
            backends = [
                f"{self.servers[each].host}:{NOMINAL_PORT}"
                for each in (2 * number, 2 * number + 1)
                if each not in self.absent
            ]
            pools.append({"name": f"pool-{number}", "backends": backends})
            names = {"name": f"monitor-{number}", "pool": f"pool-{number}"}
            monitors.append({**names, "port": self.servers[0].port, **policy})
        return pools, monitors

    def _follow(self) -> None:
        """Do to the naive checks what a reload has done to the others by now."""
        now = self.awake()
        before, self.seen = self.seen, {}
        for state in self.life.prober.store:
            key, monitor = state.check.key, state.check.monitor
            seen = self.seen[key] = before.get(key) or Seen(monitor, now)
            if seen.monitor != monitor:
                seen.change(monitor, now)
            self._of_target[state.check.target].is_asked = kind_of(monitor) == "HTTP"

    def _began(self, target: Target) -> None:
        self._follow()
        self._of_target[target].done = None
        self.stood_still.pop(target, None)
        for key, seen in self.seen.items():
            if key[1] == f"{target.host}:{NOMINAL_PORT}":
                seen.probed_at = self.awake()

    def _ended(self, target: Target, outcome: Outcome) -> None:
        """See that a result is what the target has earned, and count it."""
        self._follow()
        assert outcome.seconds >= 0
        for key, seen in self.seen.items():
            if key[1] == f"{target.host}:{NOMINAL_PORT}":
                earned = self._earned(target, seen.monitor)
                assert outcome.result in earned, (target, outcome, earned)
                before = seen.shown
                now = self.awake()
                seen.naive.saw(_MEANING.get(outcome.result, BAD), now)
                seen.shown = seen.naive.status(now)
                state = self.life.prober.store.get(key)
                assert state is not None
                assert str(state.status) == seen.shown, (key, outcome)
                if outcome.result is Result.UNKNOWN:
                    assert seen.shown in (before, "UNKNOWN")

    def _earned(self, target: Target, monitor: Monitor) -> set[Result]:
        """Return the results that are right for what a target has done."""
        server, kind = self._of_target[target], kind_of(monitor)
        earned = set() if self._most_descriptors is None else {Result.UNKNOWN}
        if kind == "CONNECT":
            return earned | {Result.OK if server.listens else Result.CONNECT_FAILED}
        if server.done is None:
            return earned | (set() if server.listens else {Result.CONNECT_FAILED})
        lost, allowed = self.stood_still.get(target, 0.0), max(STALL, 0.1 * monitor.timeout)
        if server.done is Act.HOLD and lost > allowed:
            return {Result.UNKNOWN} if lost > allowed + 2 * BEAT else {*earned, *Result}
        return earned | {FOUND[kind][server.done]}


@contextmanager
def _descriptors(most: int) -> Iterator[None]:
    """Hold the process to numbers of descriptors below `most`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def kind_of(monitor: Monitor) -> str:
    """Return which of KINDS a monitor is."""
    if monitor.type == "HTTP":
        return "HTTP"
    return "EXPECT" if getattr(monitor.probe, "expect", None) else "CONNECT"
