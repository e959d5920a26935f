"""Limits how many checks a reload may drop without a second request.

A truncated file is often still valid and only lacks some checks. Two rules together keep it from
emptying a daemon:

- a single reload may drop at most half of the checks. Checks are counted by name: a renamed check
  counts as dropped, so a truncated name counts too;
- the remaining checks must be at least half of the highest number within the last minute.
  Otherwise a file that is truncated repeatedly would halve them each time.

To go beyond these limits, the same content must be requested twice within a minute, the second time
after the first was refused. A change that is only noticed by watching files is not a request, so it
never counts as the second one.
"""

from collections import deque
from typing import NamedTuple

SHRINK_WINDOW = 60.0
"""Seconds for which a refusal and the number of checks before a reload are remembered."""


SMALL = 3
"""With so few checks, those that are replaced by as many others are changed, not lost."""


class Step(NamedTuple):
    """A reload in numbers: the checks before it, those it drops, and those after it."""

    before: int
    removed: int
    after: int


class Ask(NamedTuple):
    """A reload: the digest of the files, and when a person or a program requested it.

    `asked_at` is None if nobody requested it and a change of the files was noticed.
    """

    digest: str
    asked_at: float | None


def drops_most(step: Step, most: int) -> bool:
    """Return whether a reload drops more than half of the checks, by the rules above."""
    if step.before <= SMALL and step.after >= most:
        return False
    return 2 * step.removed > step.before or 2 * step.after < most


class ShrinkGuard:
    """Decides about one reload after another; with `allow`, it permits everything."""

    def __init__(self, *, allow: bool) -> None:
        self._allow = allow
        self._sizes: deque[tuple[float, int]] = deque()
        self._refused: tuple[str, float] | None = None

    def objection(self, step: Step, ask: Ask, now: float) -> str | None:
        """Return why a reload is refused, or None; in that case, record it as done."""
        recent = [size for until, size in self._sizes if now - until < SHRINK_WINDOW]
        most = max([step.before, *recent])
        refused, self._refused = self._refused, None
        if drops_most(step, most) and not self._allow:
            if not _is_second(ask, refused, now):
                self._refused = ask.digest, now
                return _objection(step, most)
            self._sizes.clear()  # it was intentional: measure later reloads from its result
            return None
        while self._sizes and now - self._sizes[0][0] >= SHRINK_WINDOW:
            self._sizes.popleft()
        if step.removed:
            self._sizes.append((now, step.before))
        return None


def _is_second(ask: Ask, refused: tuple[str, float] | None, now: float) -> bool:
    if refused is None or ask.asked_at is None:
        return False
    digest, at = refused
    return ask.digest == digest and ask.asked_at >= at and now - at < SHRINK_WINDOW


def _objection(step: Step, most: int) -> str:
    if 2 * step.removed > step.before:
        what = f"this would drop {step.removed} of {step.before} checks"
    else:
        what = f"this would leave {step.after} of the {most} checks of the last minute"
    again = f"request the same reload again within {SHRINK_WINDOW:g} s"
    return f"{what}; if this is intentional, {again}, or start prober with --allow-shrink"
