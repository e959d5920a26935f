"""Whether prober keeps its schedule: which probes were late in the last seconds, and why."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from prober.model.delay import Delay

WINDOW: Final = 10
"""The number of seconds to look back."""
BAD_SHARE: Final = 0.1
"""A second is bad if at least this share of the probes due in it was late."""
BAD_SECONDS: Final = 3
"""The number of bad seconds that is an overload, if they are at least half of those in which
anything was due: a single pause is not. The overload ends when fewer than two are left."""


class Second(NamedTuple):
    """The probes due in one second of the monotonic clock, and those that were late, by cause."""

    number: int
    due: int
    late: Counter[Delay]

    @property
    def is_bad(self) -> bool:
        """Whether too many were late."""
        return self.late.total() >= max(1, BAD_SHARE * self.due)


class Overload(NamedTuple):
    """The schedule is not kept: `share` of the probes of the last seconds was late."""

    share: float
    cause: Delay

    @property
    def sentence(self) -> str:
        """The overload in words."""
        return (
            f"{self.share:.0%} of the probes of the last {WINDOW} s started more than half an "
            f"interval late: {self.cause.sentence}"
        )


def judge(seconds: Iterable[Second], *, overloaded: bool) -> Overload | None:
    """Return the overload in these seconds, if any; an existing overload takes longer to end."""
    busy = [second for second in seconds if second.due]
    bad = sum(second.is_bad for second in busy)
    if bad < 2 if overloaded else bad < BAD_SECONDS or 2 * bad < len(busy):
        return None
    late = sum((second.late for second in busy), Counter[Delay]())
    ((cause, _),) = late.most_common(1)
    return Overload(late.total() / sum(second.due for second in busy), cause)


class Load:
    """Records the starts of probes, and decides at most once a second whether they are late.

    `late` counts late probes by cause; `overload` is the current overload, or None; `changed` is
    called when an overload starts or ends.
    """

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self.late: Counter[Delay] = Counter()
        self.overload: Overload | None = None
        self._changed = changed
        self._seconds: deque[Second] = deque(maxlen=WINDOW)
        self._number = 0
        self._due = 0
        self._late: Counter[Delay] = Counter()

    def saw_starts(self, now: float, due: int, causes: Sequence[Delay] = ()) -> None:
        """Record that probes were due, and why some were late; `now` is monotonic."""
        if int(now) != self._number:
            self.review(now)
        self._due += due
        if causes:
            self._late.update(causes)
            self.late.update(causes)

    def review(self, now: float) -> None:
        """Judge the seconds that have ended."""
        number = int(now)
        if number == self._number:
            return
        if self._due:
            self._seconds.append(Second(self._number, self._due, self._late))
            self._due, self._late = 0, Counter()
        self._number = number
        while self._seconds and self._seconds[0].number < number - WINDOW:
            self._seconds.popleft()
        before = self.overload
        self.overload = judge(self._seconds, overloaded=before is not None)
        if (before is None) is not (self.overload is None):
            self._changed()
