"""Limits how many checks a change may drop without being confirmed.

A truncated file is often still valid and only lacks some checks. Two rules together keep it from
emptying a daemon:

- a single change may drop at most half of the checks of its source. A source is the configuration
  file or one target list, and each is judged by itself;
- the remaining checks must be at least half of the highest number within the last minute.
  Otherwise a file that is truncated repeatedly would halve them each time.

A check that is replaced by another one of the same monitor, at another address, is changed and not
dropped. A renamed monitor counts as dropped, so a truncated name counts too. A source with few
checks may drop any of them, as long as anything is left to probe at all.

To go beyond these limits, the same content must be requested twice within a minute, the second time
after the first was refused. A change that is only noticed by watching files is not a request and
counts as neither of the two; but a watched configuration file that then stays as it is for a minute
is taken. A target list is never confirmed by time: a broken server repeats itself.
"""

from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

SHRINK_WINDOW = 60.0
"""Seconds for which a refusal and the number of checks before a change are remembered, and for
which a watched file must stay as it is."""

SMALL = 3
"""A source with so few checks is left alone."""

FILE = "file"
"""The source that is the configuration file, with everything that it includes."""


class Step(NamedTuple):
    """A change of a source in numbers: its checks before, dropped without replacement, and after.

    `total` is the number of checks of all sources that remain.
    """

    before: int
    lost: int
    after: int
    total: int


class Ask(NamedTuple):
    """A change: the digest of the content, and when a person or a program requested it.

    `asked_at` is None if nobody requested it and a change of the files was noticed. `rested` is
    whether watched files have stayed as they are since they were refused.
    """

    digest: str
    asked_at: float | None = None
    rested: bool = False


def steps_of(
    before: Mapping[str, int],
    removed: Iterable[str],
    added: Iterable[str],
    parts: Iterable[Collection[str]],
) -> list[Step]:
    """Return what a change means for some parts of a configuration, each a set of monitors.

    Args:
        before: The number of checks of each monitor before the change.
        removed: The monitor's name of each check that is removed.
        added: The monitor's name of each check that is added.
        parts: The names of the monitors of each part.
    """
    gone, come = Counter(removed), Counter(added)
    lost, gained = gone - come, come - gone
    total = sum(before.values()) - lost.total() + gained.total()
    steps = []
    for part in parts:
        size = sum(count for name, count in before.items() if name in part)
        less = sum(count for name, count in lost.items() if name in part)
        more = sum(count for name, count in gained.items() if name in part)
        steps.append(Step(size, less, size - less + more, total))
    return steps


def drops_most(step: Step, most: int = 0) -> bool:
    """Return whether a change drops too much, by the rules above.

    `most` is the highest number of checks of the source within the last minute.
    """
    if not step.lost:
        return False
    most = max(step.before, most)
    if most <= SMALL:
        return not step.total
    return 2 * step.lost > step.before or 2 * step.after < most


@dataclass(slots=True)
class _Memory:
    """What is remembered of a source: its sizes, by part, and what was refused.

    `noticed` is the digest of the last content that was refused, `requested` that of the last one
    that somebody requested, with the time of the refusal.
    """

    sizes: dict[int, deque[tuple[float, int]]] = field(default_factory=dict)
    noticed: str | None = None
    requested: tuple[str, float] | None = None

    def most(self, part: int, now: float) -> int:
        """Return the highest number of checks within the last minute."""
        sizes = self.sizes.setdefault(part, deque())
        while sizes and now - sizes[0][0] >= SHRINK_WINDOW:
            sizes.popleft()
        return max((size for _, size in sizes), default=0)

    def refuse(self, ask: Ask, now: float) -> None:
        """Remember a refusal; a change that was only noticed does not replace a request."""
        self.noticed = ask.digest
        if ask.asked_at is not None:
            self.requested = ask.digest, now

    def confirms(self, ask: Ask, now: float) -> bool:
        """Return whether this is the second time that a content is wanted."""
        if ask.rested and ask.digest == self.noticed:
            return True
        if ask.asked_at is None or self.requested is None:
            return False
        digest, at = self.requested
        return ask.digest == digest and ask.asked_at >= at and now - at < SHRINK_WINDOW


class ShrinkGuard:
    """Decides about one change after another; with `allow`, it permits everything."""

    def __init__(self, *, allow: bool) -> None:
        self._allow = allow
        self._sources: dict[str, _Memory] = {}

    def objection(self, source: str, steps: Sequence[Step], ask: Ask, now: float) -> str | None:
        """Return why a change of a source is refused, or None; in that case, record it as done.

        `steps` are the parts of the source, each of which must keep to the rules.
        """
        memory = self._sources.setdefault(source, _Memory())
        judged = [(step, memory.most(part, now)) for part, step in enumerate(steps)]
        bad = next((each for each in judged if drops_most(*each)), None)
        if bad and not self._allow:
            if not memory.confirms(ask, now):
                memory.refuse(ask, now)
                return _objection(*bad, source, ask)
            self._sources[source] = _Memory()  # intentional: measure later changes from its result
            return None
        memory.noticed = memory.requested = None
        for part, step in enumerate(steps):
            if step.lost:
                memory.sizes[part].append((now, step.before))
        return None

    def forget(self, gone: Iterable[str]) -> None:
        """Forget sources that are no longer followed."""
        for source in gone:
            self._sources.pop(source, None)


def _objection(step: Step, most: int, source: str, ask: Ask) -> str:
    if 2 * step.lost > step.before:
        what = f"this would drop {step.lost} of {step.before} checks"
    else:
        what = f"this would leave {step.after} of the {most} checks of the last minute"
    again = f"request the same reload again within {SHRINK_WINDOW:g} s"
    if ask.asked_at is None:
        again = f"request a reload twice within {SHRINK_WINDOW:g} s"
        if source == FILE:
            again = f"leave the file as it is for {SHRINK_WINDOW:g} s, {again}"
    return f"{what}; if this is intentional, {again}, or start prober with --allow-shrink"
