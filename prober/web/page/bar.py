"""The last results of a check as a bar: newest at its right end, one stroke each.

Strokes differ in height as well as in colour: good ones are low, bad ones high.
"""

from collections.abc import Iterable
from itertools import groupby, islice

from prober.model.health import DEGRADED
from prober.model.status import FactValue, Reason, Result
from prober.model.wording import counted
from prober.state.recent import PastResult, Recent
from prober.web.page.check_words import clock_words, reason_words
from prober.web.page.html import Html, tag

RESULTS = 60
_STEP = 4  # width of a stroke with its gap, in units
_HEIGHT = 20


def bar(recent: Recent) -> Html:
    """Return the bar; equal results in a row are one path, dashed by the style sheet."""
    pasts = list(islice(recent.newest_first(), RESULTS))[::-1]
    x, paths = (RESULTS - len(pasts)) * _STEP, list[Html]()
    if x:
        paths.append(tag("path", class_="none", d=f"M0 {_HEIGHT // 2}h{x - 1}"))
    for _, run in groupby(pasts, key=_fine_look):
        same = list(run)
        width = len(same) * _STEP
        path = tag(
            "path",
            tag("title", _words(same)),
            class_=_look(same[0]),
            d=f"M{x} {_HEIGHT // 2}h{width - 1}",
        )
        paths.append(path)
        x += width
    return tag(
        "svg",
        paths,
        class_="bar",
        viewBox=f"0 0 {RESULTS * _STEP} {_HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=_summary(pasts),
    )


def look_of(reason: Reason) -> str:
    """Return the class of a result: `good`, `fair`, `bad`, or `moot` for an inconclusive one."""
    if reason in DEGRADED:
        return "fair"
    if reason.result is Result.OK:
        return "good"
    return "moot" if reason.result is Result.UNKNOWN else "bad"


def _look(past: PastResult) -> str:
    return look_of(past.reason)


def _fine_look(past: PastResult) -> tuple[Reason, tuple[str, FactValue] | None]:
    return past.reason, past.fact


def _words(run: list[PastResult]) -> str:
    first, last = run[0], run[-1]
    what = reason_words(first.reason)
    if first.fact is not None:
        what += f" {first.fact[1]}"
    count = f"{len(run)} × {what}"
    if len(run) == 1:
        return f"{what}, {clock_words(first.at)} UTC"
    return f"{count}, {clock_words(first.at)} to {clock_words(last.at)} UTC"


def _summary(pasts: Iterable[PastResult]) -> str:
    looks = [_look(past) for past in pasts]
    bad = looks.count("bad")
    moot = looks.count("moot")
    words = f"last {counted(len(looks), 'result')}: {len(looks) - bad - moot} good, {bad} bad"
    return f"{words}, {moot} inconclusive" if moot else words
