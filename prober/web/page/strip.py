"""A strip of history: the status by slots of time, newest at the right end.

Cells differ in height as well as in colour, as those of the last results do (`bar`): good ones are
low, bad ones full height, and a thin line is time of which nothing is known.
"""

from collections.abc import Mapping
from itertools import groupby
from typing import NamedTuple

from prober.model.status import Status
from prober.model.wording import span
from prober.state.archive import NO_SECONDS, StatusSeconds, add_seconds
from prober.state.slots import MAINTENANCE, SPENT_IN
from prober.web.page.check_words import slot_words
from prober.web.page.html import Html, tag

_STEP = 4  # width of a cell with its gap, in units
_HEIGHT = 20
_MOST = 0.5
"""The share of a slot from which a status determines its look."""
_PLACE: dict[str, int] = {name: place for place, name in enumerate(SPENT_IN)}


class PastCell(NamedTuple):
    """One slot: when it began and ended, in unix seconds, and the seconds in each status."""

    start: int
    end: float
    seconds: StatusSeconds

    @property
    def look(self) -> str:
        """Its class.

        `good`, `fair`, `part` (down for less than half), `bad`, `moot` (unknown), `kept` (in
        maintenance) or `none`.
        """
        lasted = max(1.0, self.end - self.start)
        shares = {status: self.seconds[_PLACE[status]] / lasted for status in SPENT_IN}
        if sum(shares.values()) * lasted < 1:
            return "none"
        if shares[Status.CRITICAL]:
            return "bad" if shares[Status.CRITICAL] >= _MOST else "part"
        if shares[Status.WARNING]:
            return "fair"
        unknown, kept = shares[Status.UNKNOWN], shares[MAINTENANCE]
        if shares[Status.OK] > unknown + kept:
            return "good"
        return "kept" if kept > unknown else "moot"


def cells_of(times: range, found: Mapping[int, StatusSeconds], now: float) -> list[PastCell]:
    """Return the slots that begin at these times and are not in the future."""
    return [
        PastCell(at, min(at + times.step, now), found.get(at, NO_SECONDS))
        for at in times
        if at < now
    ]


def strip(cells: list[PastCell], *, what: str, form: str = "minute") -> Html:
    """Return the strip; equal cells in a row are one path, dashed by the style sheet.

    Args:
        cells: The slots, oldest first.
        what: The subject, for screen readers.
        form: The format of times: see `slot_words`.
    """
    x, paths = 0, list[Html]()
    for look, run in groupby(cells, key=lambda cell: cell.look):
        same = list(run)
        width = len(same) * _STEP
        title = _title(same, form)
        paths.append(tag("path", title, class_=look, d=f"M{x} {_HEIGHT // 2}h{width - 1}"))
        x += width
    return tag(
        "svg",
        paths,
        class_="bar strip",
        viewBox=f"0 0 {max(x, 1)} {_HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"{what}: {_words(cells)}",
    )


def _title(run: list[PastCell], form: str) -> Html:
    start, end = run[0].start, run[-1].end
    times = slot_words(start, end, form)
    text = f"{times} UTC: {_words(run)}"
    return tag("title", text, data_at=start, data_until=int(end), data_form=form)


def _words(run: list[PastCell]) -> str:
    """Return the duration of each status, bad ones first."""
    total = NO_SECONDS
    for cell in run:
        total = add_seconds(total, cell.seconds)
    lasted = sum(cell.end - cell.start for cell in run)
    missing = lasted - sum(total)
    if missing > lasted - 1:
        return "not recorded"
    shown = (Status.CRITICAL, Status.WARNING, Status.UNKNOWN, MAINTENANCE)
    parts = [f"{each} {span(s)}" for each in shown if (s := total[_PLACE[each]]) >= 1]
    if missing >= max(60.0, 0.01 * lasted):
        parts.append(f"not recorded {span(missing)}")
    if len(parts) == 1 and total[_PLACE[Status.OK]] < 1:
        return parts[0].rpartition(" ")[0]
    return ", ".join(parts) or "OK"
