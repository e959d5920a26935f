"""How many checks a reload may drop without being asked twice.

A file that was cut short, at whatever byte, is often still valid and only lacks checks. Two rules
together keep it from emptying a daemon:

- one reload may drop at most half of the checks, counted by name: a check that is renamed is
  dropped, so that a name that was cut off counts as well;
- what remains may not be less than half of the most checks that there were within the last
  minute: otherwise a file that is cut again and again would halve them each time.

Beyond that the same content must be asked for twice within a minute, the second time after the
first was refused. What only watches files asks for nothing: it is never the second.
"""

from collections import deque
from typing import NamedTuple

SHRINK_WINDOW = 60.0
"""Seconds that a refusal and the number of checks before a reload are remembered."""


class Step(NamedTuple):
    """A reload in numbers: the checks there are, those it drops, and those there would be."""

    before: int
    removed: int
    after: int


class Ask(NamedTuple):
    """A wish to reload: what the files say, and when a person or a program asked for it.

    `asked_at` is None if nobody asked: the files changed, and that was noticed.
    """

    digest: str
    asked_at: float | None


def drops_most(step: Step, most: int) -> bool:
    """Tell whether a reload drops more than half of what there was; see the rules above."""
    return 2 * step.removed > step.before or 2 * step.after < most


class ShrinkGuard:
    """Judges reloads one after another; `allow` lets everything pass."""

    def __init__(self, *, allow: bool) -> None:
        self._allow = allow
        self._sizes: deque[tuple[float, int]] = deque()
        self._refused: tuple[str, float] | None = None

    def objection(self, step: Step, ask: Ask, now: float) -> str | None:
        """Return why a reload is refused; if it is not, take it as done."""
        recent = [size for until, size in self._sizes if now - until < SHRINK_WINDOW]
        most = max([step.before, *recent])
        refused, self._refused = self._refused, None
        if drops_most(step, most) and not self._allow:
            if not _is_second(ask, refused, now):
                self._refused = ask.digest, now
                return _objection(step, most)
            self._sizes.clear()  # it was meant; what follows is measured by what it left
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
        what = f"it would drop {step.removed} of {step.before} checks"
    else:
        what = f"it would leave {step.after} of the {most} checks of the last minute"
    again = f"reload it again within {SHRINK_WINDOW:g} s, or start with --allow-shrink"
    return f"{what}; {again}"
