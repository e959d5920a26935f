"""A sparkline of latency over the last hours: the median and the 95th percentile."""

from collections.abc import Sequence
from itertools import groupby

from prober.model.wording import counted, took
from prober.state.slots import Slot
from prober.web.page.html import NOTHING, Html, tag

_WIDTH, _HEIGHT = 96, 20
_LEAST = 2
"""Minimum number of hours with results."""


def spark(slots: Sequence[Slot]) -> Html:
    """Return the line, or nothing if there are too few results."""
    known = [slot for slot in slots if slot.good]
    if len(known) < _LEAST:
        return NOTHING
    medians = {slot.start: slot.quantile(0.5) for slot in known}
    tops = {slot.start: slot.quantile(0.95) for slot in known}
    scale = max(tops.values()) * 1.1 or 1.0
    step = _WIDTH / max(1, len(slots) - 1)

    def point(place: int, seconds: float) -> str:
        return f"{place * step:.1f} {_HEIGHT - 1 - seconds / scale * (_HEIGHT - 2):.1f}"

    lines, bands = list[str](), list[str]()
    for is_known, run in groupby(enumerate(slots), key=lambda each: bool(each[1].good)):
        places = [(place, slot.start) for place, slot in run]
        if is_known and len(places) > 1:
            middle = [point(place, medians[start]) for place, start in places]
            top = [point(place, tops[start]) for place, start in places]
            lines.append("M" + "L".join(middle))
            bands.append("M" + "L".join([*top, *middle[::-1]]) + "z")
    last = known[-1].start
    label = (
        f"last {counted(len(slots), 'hour')}: p50 now {took(medians[last])}, p95 {took(tops[last])}"
    )
    return tag(
        "svg",
        tag("path", d="".join(bands), class_="area"),
        tag("path", d="".join(lines), class_="line"),
        class_="spark",
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
    )
