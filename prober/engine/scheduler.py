"""Decides when each check is probed: the grid, the pace of UDP, the limit, and skipped slots."""

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, Protocol

from prober.engine.attempt import Attempt, Done, Job
from prober.engine.check_watch import NEVER, CheckWatch, Shift, Watched
from prober.engine.target_policy import Objection
from prober.engine.ticker import Ticker
from prober.engine.wheel import TICK, Wheel
from prober.model.delay import Delay
from prober.model.health import PENDING, Health
from prober.model.monitor import UDP_PACE, Check
from prober.model.probe import Target
from prober.model.schedule import (
    first_due,
    is_late,
    next_due,
    slots_between,
)
from prober.model.status import Outcome, Reason

GAP: Final = 1.0
"""Seconds. After a longer pause, nothing overdue is started at once: all checks continue on their
grid, which spreads them over their intervals."""
REFUSAL_HOLD: Final = 2 * UDP_PACE
"""Seconds after a refusal in which silence of a UDP port may be the kernel's rate limit."""

ASKED_GAP: Final = 1.0
"""Minimum seconds between two requested probes of one check."""

_OK: Final = Reason.OK
_TOGETHER: Final = 32
_PACE: Final = UDP_PACE + TICK  # a start may come a tick late
_REVIEW_EVERY: Final = 1.0
_PACED_HOSTS: Final = 10_000  # beyond this number, hosts that are free again are forgotten


class ProbeRunner(Protocol):
    """Runs probes: the engine, or a substitute in tests."""

    in_flight: int

    def start(self, job: Job, done: Done) -> Attempt:
        """Start a probe, and call `done` with its outcome."""

    def cancel(self, attempt: Attempt) -> None:
        """End a probe without an outcome."""

    def drain(self) -> None:
        """Handle ready sockets."""

    def expire(self, now: float) -> None:
        """End attempts that are past their deadline."""

    def next_deadline(self) -> float | None:
        """Return when `expire` next has something to do."""


class Scheduler:
    """Starts the probes of all checks, never two of one check at once.

    Args:
        ticker: Keeps the time and ticks.
        engine: Runs the probes.
        record: Records an outcome in the state that came with a check; returns the health.
        review: Called once a second for a check that waits for a place, which may become stale.
        limit: Maximum number of probes in flight; the timeout of a waiting probe has not started.
        saw_lags: Called with how late each of some probes started, in seconds.
        saw_starts: Called when probes were due: the time, their number, and why some
            were late.
        saw_skips: Called with a reason and the number of skipped slots.
        objection: Judges the addresses of checks in which the API chose something.
    """

    def __init__(
        self,
        *,
        ticker: Ticker,
        engine: ProbeRunner,
        record: Callable[[Any, Outcome], Health],
        limit: int,
        review: Callable[[Any], None] = lambda _: None,
        saw_lags: Callable[[list[float]], None] = lambda _: None,
        saw_starts: Callable[[float, int, list[Delay]], None] = lambda _now, _due, _causes: None,
        saw_skips: Callable[[str, int], None] = lambda _reason, _slots: None,
        objection: Objection | None = None,
    ) -> None:
        self._ticker = ticker
        self._clock = ticker.clock
        self._engine = engine
        self._record = record
        self._review = review
        self._review_due = 0.0
        self._limit = limit
        self._saw_lags = saw_lags
        self._saw_starts = saw_starts
        self._saw_skips = saw_skips
        self._objection = objection
        self._wheel = Wheel()  # of watches
        self._watches: dict[tuple[str, str], CheckWatch] = {}
        self._queue: deque[CheckWatch] = deque()
        self._full = False  # whether probes are waiting for others to end
        self._free_at: dict[str, float] = {}
        self._refused_at: dict[Target | str, float] = {}  # by host if the type has no pace
        self._asked: dict[tuple[str, str], list[Callable[[], None]]] = {}
        ticker.start(self._tick)

    def add(self, checks: Iterable[tuple[Check, Watched, Health]], *, among: int = 0) -> None:
        """Add or replace checks; their first probes run at once, spread out.

        Disabled checks are removed. `among` is the total number if these are only some of the
        checks to be added: the first probes are spread over the time that all of them need.
        """
        batch = list(checks)
        together = max(among, len(batch))
        now = self._clock()
        for check, state, health in batch:
            self.remove(check.key)
            state.next_due = None
            if not check.enabled:
                continue
            watch = self._watches[check.key] = CheckWatch(check, state, self._objection)
            number = check.spread
            watch.keep_to(watch.interval_after(health), number)
            self._put(watch, first_due(now, number, together))

    def take_over(self, checks: Iterable[tuple[Check, Watched, Health, Shift | None]]) -> None:
        """Add or replace checks that others have probed, or that are one vantage of several.

        Each continues on its grid; one that is undecided is probed as one that is added.
        """
        batch = list(checks)
        now = self._clock()
        for check, state, health, shift in batch:
            self.remove(check.key)
            state.next_due = None
            if not check.enabled:
                continue
            watch = self._watches[check.key] = CheckWatch(check, state, self._objection)
            watch.shift = shift
            watch.keep_to(watch.interval_after(health), check.spread)
            soon = next_due(now, watch.interval, watch.offset)
            spread_out = first_due(now, check.spread, len(batch))
            self._put(watch, spread_out if health.online is None and not shift else soon)

    def renew(self, check: Check) -> None:
        """Keep a check's newest equal instance, so that the old one's objects can be freed.

        Its next probe reads its local address again, as the range of local ports may have changed.
        """
        watch = self._watches.get(check.key)
        if watch is not None:
            watch.check = check
            watch.job.source_due = 0.0

    def remove(self, key: tuple[str, str]) -> None:
        """Remove a check from the schedule; a probe in flight ends without a result."""
        watch = self._watches.pop(key, None)
        if watch is not None:
            watch.removed = True
            watch.state.next_due = None
            self._wheel.remove(watch.due, watch)
            if watch.attempt is not None:
                self._engine.cancel(watch.attempt)
                watch.attempt = None
            self._tell_who_asked(key)

    def probe_now(self, key: tuple[str, str], tell: Callable[[], None]) -> float | None:
        """Make the next probe of a check due now, and return when it is due; None: not scheduled.

        It is a probe like any other, after which the check continues on its grid. A probe that is
        due or in flight is used instead; after a request less than ASKED_GAP ago, the probe is due
        that much later. `tell` is called when the check has its result or leaves the schedule.
        """
        watch = self._watches.get(key)
        if watch is None:
            return None
        self._asked.setdefault(key, []).append(tell)
        due = max(self._clock(), watch.asked_due + ASKED_GAP)
        if due < watch.due and not watch.placed:
            self._wheel.remove(watch.due, watch)
            watch.asked_due = due
            self._put(watch, due)
        return watch.due

    def overdue(self) -> float:
        """Return for how many seconds something has been overdue; 0 if nothing is."""
        times = [self._wheel.next(), self._engine.next_deadline(), self._ticker.failing_since]
        if self._queue and self._engine.in_flight < self._limit:
            times.append(self._queue[0].due)
        now = self._clock()
        return max(0.0, now - min((when for when in times if when is not None), default=now))

    def ready(self) -> None:
        """Handle what is ready; called by the event loop."""
        self._engine.drain()
        self._start_queued()
        if not self._engine.in_flight:
            self._ticker.rest_until(self._wheel.next())

    def _tick(self, now: float, late: float) -> float | None:
        """Handle every reply that has arrived, then start what is due."""
        self._engine.drain()
        self._engine.expire(now)
        due: list[CheckWatch] = self._wheel.pop(now)
        for watch in due:
            if watch.removed:
                continue
            if late > GAP and not watch.passed_over:
                self._pass_over(watch, now)
            elif not watch.paced or self._has_pace(watch, now):
                self._queue.append(watch)
        self._start_queued()
        self._engine.drain()  # nearby targets have accepted by now: saves a wake-up
        if self._queue and now >= self._review_due:
            self._review_due = now + _REVIEW_EVERY
            for watch in self._queue:
                self._review(watch.state)
        times = (self._wheel.next(), self._engine.next_deadline())
        return min((when for when in times if when is not None), default=None)

    def _start_queued(self) -> None:
        queue, engine, clock = self._queue, self._engine, self._clock
        lags: list[float] = []
        causes: list[Delay] = []
        now = 0.0
        while queue and engine.in_flight < self._limit:
            watch = queue.popleft()
            if watch.removed:
                continue
            now = clock()
            lag = now - watch.due
            lags.append(lag)
            if watch.held_up or is_late(lag, watch.interval):
                cause = self._delay(watch, lag)
                if cause is not None:
                    causes.append(cause)
            watch.passed_over = False
            attempt = engine.start(watch.job, partial(self._finished, watch))
            if not attempt.finished:
                watch.attempt = attempt
            if len(lags) % _TOGETHER == 0:
                engine.drain()  # otherwise starting the others would delay reading these replies
        self._full = bool(queue)
        if lags:
            self._saw_lags(lags)
            self._saw_starts(now, len(lags), causes)

    def _delay(self, watch: CheckWatch, lag: float) -> Delay | None:
        """Return the cause of this lag; None if the host of a UDP probe cannot do better."""
        if watch.held_up:  # a host may not allow every check its fast interval, but its usual one
            usual = max(watch.check.monitor.interval, UDP_PACE + 2 * TICK)
            if lag + watch.held_up <= usual:
                return None
            if watch.held_up > lag:
                return Delay.UDP_PACE
        return Delay.PLACES if self._full else Delay.CPU

    def _finished(self, watch: CheckWatch, outcome: Outcome) -> None:
        """Record an outcome and find the next slot."""
        if watch.removed:
            return
        now = self._clock()
        if watch.job.datagram and (outcome.reason is not _OK or self._refused_at):
            outcome = self._weigh_silence(watch, outcome, now)
        if watch.skipped:
            outcome = outcome._replace(skipped=watch.skipped)
        health = PENDING  # if recording fails, which is a bug, the check goes on
        try:
            health = self._record(watch.state, outcome)
        finally:
            self._put_next(watch, health, now)
            if self._asked:
                self._tell_who_asked(watch.check.key)

    def _tell_who_asked(self, key: tuple[str, str]) -> None:
        for tell in self._asked.pop(key, ()):
            tell()

    def _put_next(self, watch: CheckWatch, health: Health, now: float) -> None:
        """Find the slot of the next probe, and count the slots that this one has missed."""
        watch.attempt = None
        watch.skipped = missed = slots_between(watch.due, now, watch.interval, watch.offset)
        if missed:
            self._saw_skips("overrun", missed)
        interval = watch.interval_after(health)
        if interval != watch.interval:
            watch.keep_to(interval, watch.check.spread)
        due = next_due(watch.due, interval, watch.offset)
        self._put(watch, due if due > now else next_due(now, interval, watch.offset))

    def _pass_over(self, watch: CheckWatch, now: float) -> None:
        """Skip what came due during a pause, and continue with the next slot.

        Only once: if one pause follows another, late probes are better than none.
        """
        watch.passed_over = True
        self._saw_starts(now, 1, [Delay.CPU])
        missed = 1 + slots_between(watch.due, now, watch.interval, watch.offset)
        watch.skipped += missed
        self._saw_skips("gap", missed)
        self._put(watch, next_due(now, watch.interval, watch.offset))

    def _put(self, watch: CheckWatch, due: float) -> None:
        watch.due = watch.state.next_due = due
        watch.placed = False
        watch.held_up = 0.0
        self._wheel.add(due, watch)
        self._ticker.wake_by(due)

    # UDP

    def _has_pace(self, watch: CheckWatch, now: float) -> bool:
        """Return whether a UDP probe may start; if not, put it where its host is free again."""
        if watch.placed:
            return True
        host = watch.job.target.host
        if len(self._free_at) > _PACED_HOSTS:
            self._free_at = {host: at for host, at in self._free_at.items() if at > now}
        start = max(now, self._free_at.get(host, 0.0))
        self._free_at[host] = start + _PACE
        watch.held_up = start - now
        watch.state.held_up = watch.held_up
        if start <= now:
            return True
        watch.placed = True
        missed = slots_between(watch.due, start, watch.interval, watch.offset)
        watch.skipped += missed
        if missed:
            self._saw_skips("pace", missed)
        watch.due = watch.state.next_due = start
        self._wheel.add(start, watch)
        return False

    def _weigh_silence(self, watch: CheckWatch, outcome: Outcome, now: float) -> Outcome:
        """Remember refusals; right after one, silence proves nothing.

        A refused probe without a pace may use up the refusals of all ports of its host.
        """
        target, refused_at = watch.job.target, self._refused_at
        if outcome.reason is Reason.REFUSED:
            refused_at[target if watch.paced else target.host] = now
        elif outcome.reason is Reason.SILENT:
            refused = max(refused_at.get(target, NEVER), refused_at.get(target.host, NEVER))
            since = now - outcome.seconds - refused
            if since < REFUSAL_HOLD:
                detail = f"no reply, {since:.1f} s after a refusal"
                return outcome._replace(reason=Reason.WEAK_SILENCE, detail=detail)
        if outcome.reason in (Reason.OK, Reason.SILENT):
            refused_at.pop(target, None)
        return outcome
