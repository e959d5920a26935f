"""Wakes the engine and the scheduler when something is due, and only then."""

from collections.abc import Callable
from typing import Final, Protocol

BEAT: Final = 0.1
"""Seconds. While probes are in flight, it ticks at least this often, to notice a pause."""
STALL: Final = 0.05
"""Seconds. A tick later than this means that the process was paused."""


class Cancellable(Protocol):
    """The handle of a timer."""

    def cancel(self) -> None:
        """Do not call back."""


class Ticker:
    """One timer for everything that is due, set to the earliest time.

    `lost` is the total time in seconds for which the process was paused; `awake` is the monotonic
    clock without it. `failing_since` is the start of the first of the latest ticks, all of which
    have failed; None if the last one did not fail.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        call_later: Callable[[float, Callable[[], None]], Cancellable],
        saw_lag: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.clock = clock
        self.lost = 0.0
        self.failing_since: float | None = None
        self._call_later = call_later
        self._saw_lag = saw_lag
        self._timer: Cancellable | None = None
        self._armed = 0.0
        self._ticking = False
        self._on_tick: Callable[[float, float], float | None] = lambda _now, _late: None

    def start(self, on_tick: Callable[[float, float], float | None]) -> None:
        """Start; `on_tick(now, late)` does what is due and returns the next time, or None."""
        self._on_tick = on_tick

    def awake(self) -> float:
        """Return the monotonic time without pauses."""
        return self.clock() - self.lost

    def wake_by(self, when: float) -> None:
        """Make sure that there is a tick at `when` or earlier."""
        if self._ticking:
            return  # it returns the time of the next one itself
        if self._timer is not None:
            if self._armed <= when:
                return
            self._timer.cancel()
        self._armed = when
        self._timer = self._call_later(max(0.0, when - self.clock()), self._tick)

    def rest_until(self, when: float | None) -> None:
        """Do not tick before `when`, or not at all: nothing in flight can be late."""
        if self._ticking or self._timer is None or (when is not None and when <= self._armed):
            return
        self._timer.cancel()
        self._timer = None
        if when is not None:
            self.wake_by(when)

    def stop(self) -> None:
        """Stop ticking."""
        if self._timer is not None:
            self._timer.cancel()
        self._on_tick = lambda _now, _late: None

    def _tick(self) -> None:
        self._timer = None
        now = self.clock()
        late = max(0.0, now - self._armed)
        self._saw_lag(late)
        if late > STALL:
            self.lost += late
        again: float | None = now + BEAT  # if the tick fails, which is a bug
        self._ticking = True
        failing_since, self.failing_since = self.failing_since, None
        try:
            again = self._on_tick(now, late)
        except BaseException:
            self.failing_since = now if failing_since is None else failing_since
            raise
        finally:
            self._ticking = False
            if again is not None:
                self.wake_by(again)
