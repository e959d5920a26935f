"""Simulated time, and an engine that answers as the test says: hours in milliseconds."""

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from itertools import count

from prober.engine.attempt import Attempt, Done, Job
from prober.engine.scheduler import Scheduler
from prober.engine.target_policy import Objection
from prober.engine.ticker import BEAT, Ticker
from prober.model.delay import Delay
from prober.model.kinds import Frozen
from prober.model.monitor import Model, Monitor
from prober.model.pool import Backend, Pool
from prober.model.probe import Probe
from prober.model.status import Outcome, Reason
from prober.probes.tcp import TcpProbe
from prober.state.check_state import CheckState
from prober.state.histogram import LAG, Histogram
from prober.state.load import Load
from prober.state.store import Store

START = 1_000_000.0
WALL = 1_800_000_000.0


class _Timer:
    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None


class Clock:
    """A monotonic clock and its timers, moved by hand."""

    def __init__(self) -> None:
        self.now = START
        self.wakes = 0
        self._timers: list[tuple[float, int, _Timer]] = []
        self._order = count()

    def __call__(self) -> float:
        return self.now

    def call_later(self, delay: float, call: Callable[[], None]) -> _Timer:
        timer = _Timer(call)
        heappush(self._timers, (self.now + delay, next(self._order), timer))
        return timer

    def timers(self) -> list[float]:
        """Return when the timers that are set will fire."""
        return [when for when, _, timer in self._timers if timer.call is not None]

    def advance(self, seconds: float) -> None:
        """Let time pass, firing every timer at its time."""
        end = self.now + seconds
        while self._timers and self._timers[0][0] <= end:
            when, _, timer = heappop(self._timers)
            if timer.call is not None:
                self.now = max(self.now, when)
                self.wakes += 1
                timer.call()
        self.now = end

    def stand_still(self, seconds: float) -> None:
        """Let time pass while nothing runs, as for a stopped process."""
        self.now += seconds


def ended_by_test(outcome: Outcome) -> None:
    """Stand in `done` of an attempt that a test ends, and that may outlive the test."""
    raise AssertionError(outcome)


def of_an_engine(objects: Iterable[object]) -> list[Attempt]:
    """Return the attempts among these that the engine must end, not a test."""
    attempts = (each for each in objects if type(each) is Attempt)
    return [each for each in attempts if each.done is not ended_by_test]


class ScriptedEngine:
    """Stands in for the engine: each probe ends after `takes` seconds, as `answer` says.

    `ready` is called when one has ended that took some time, as the event loop does.
    """

    def __init__(self, clock: Clock) -> None:
        self.in_flight = 0
        self.takes = 0.001
        self.answer: Callable[[Job], Reason] = lambda _: Reason.OK
        self.started: list[tuple[float, str]] = []
        self.most_in_flight = 0
        self.most_unseen = 0  # starts with no look at what is ready between them
        self.ready: Callable[[], None] = lambda: None
        self._clock = clock
        self._unseen = 0

    def cancel(self, attempt: Attempt) -> None:
        self.in_flight -= 1
        attempt.finished = True

    def start(self, job: Job, done: Done) -> Attempt:
        attempt = Attempt(job, ended_by_test, now=self._clock.now, wall=0.0, lost=0.0)
        self.in_flight += 1
        self.most_in_flight = max(self.in_flight, self.most_in_flight)
        self.started.append((self._clock.now, str(job.target)))
        self._unseen += 1
        self.most_unseen = max(self._unseen, self.most_unseen)
        started = self._clock.now

        def end() -> None:
            if attempt.finished:
                return
            attempt.finished = True
            self.in_flight -= 1
            at, seconds = WALL + started - START, self._clock.now - started
            done(Outcome(self.answer(job), "as scripted", None, at, seconds))
            if seconds:
                self.ready()

        if self.takes:
            self._clock.call_later(self.takes, end)
        else:
            end()
        return attempt

    def drain(self) -> None:
        self._unseen = 0

    def expire(self, now: float) -> None:
        pass

    def next_deadline(self) -> float | None:
        return self._clock.now + BEAT if self.in_flight else None


class Simulation:
    """Store and scheduler in simulated time."""

    def __init__(self, *, limit: int = 1000, objection: Objection | None = None) -> None:
        self.clock = Clock()
        self.engine = ScriptedEngine(self.clock)
        self.ticker = Ticker(clock=self.clock, call_later=self.clock.call_later)
        self.store = Store(wall=lambda: WALL + self.clock.now - START, awake=self.ticker.awake)
        self.lags = Histogram(LAG)
        self.load = Load()
        self.due = 0  # probes that the load was told of
        self.skips: dict[str, int] = {}
        self.scheduler: Scheduler = Scheduler(
            ticker=self.ticker,
            engine=self.engine,
            record=self.store.record,
            limit=limit,
            review=self.store.review,
            saw_lags=self.lags.observe_all,
            saw_starts=self._saw_starts,
            saw_skips=self._saw_skips,
            objection=objection,
        )
        self.engine.ready = self.scheduler.ready

    def _saw_starts(self, now: float, due: int, causes: list[Delay]) -> None:
        self.due += due
        self.load.saw_starts(now, due, causes)

    def _saw_skips(self, reason: str, slots: int) -> None:
        self.skips[reason] = self.skips.get(reason, 0) + slots

    def watch(self, model: Model) -> list[CheckState]:
        """Put every check of a model on the schedule."""
        self.store.adopt(model)
        states = [self.store.add(check) for check in model.checks()]
        self.scheduler.add((state.check, state, state.health) for state in states)
        return states

    def times(self, state: CheckState) -> list[float]:
        """Return when the probes of a check started."""
        return [when for when, target in self.engine.started if target == str(state.check.target)]


def model_of(
    *addresses: str,
    name: str = "m",
    interval: float = 5.0,
    fast_interval: float = 0.0,
    down_interval: float = 0.0,
    timeout: float = 2.0,
    rise: int = 2,
    fall: int = 3,
    enabled: bool = True,
    probe: Probe | None = None,
    labels: dict[str, str] | None = None,
) -> Model:
    """Return a model of one monitor over backends with these addresses, all on port 80."""
    backends = tuple(Backend(address=address, port=80) for address in addresses)
    monitor = Monitor(
        name=name,
        type="TCP",
        pool=name,
        interval=interval,
        fast_interval=fast_interval,
        down_interval=down_interval,
        timeout=timeout,
        rise=rise,
        fall=fall,
        enabled=enabled,
        labels=Frozen(labels or {}),
        probe=probe or TcpProbe(),
    )
    return Model(monitors=(monitor,), pools=(Pool(name=name, backends=backends),))
