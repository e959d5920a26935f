"""The history as a chart: median and 95th percentile of latency, failures, and outages."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from prober.model.status import Reason, Status
from prober.model.wording import counted, span, took
from prober.state.slots import MAINTENANCE, SPENT_IN, STATUSES, Slot
from prober.web.page.chart_scale import ChartScale, grid_lines, scale_for
from prober.web.page.check_words import reason_words, slot_words
from prober.web.page.html import Content, Html, tag
from prober.web.page.outages import Failure, Outage
from prober.web.page.time_range import TimeRange

_WIDTH, _HEIGHT = 1000, 250
_LEFT, _TOP, _FLOOR = 64, 14, 196
_LANE = _FLOOR + 12
"""The vertical position of failure marks."""
_AXIS = _HEIGHT - 8
_TICKS = 6
_HUES = 4
"""Maximum number of reasons with a colour of their own."""
_MOST = 300
"""Maximum number of outages, and of marks, drawn."""
_UNKNOWN = STATUSES.index(Status.UNKNOWN)


_MAINTENANCE = SPENT_IN.index(MAINTENANCE)


class Picture(NamedTuple):
    """The data of a chart: slots oldest first, outages and failures newest first."""

    chosen: TimeRange
    times: range
    slots: Sequence[Slot]
    outages: Sequence[Outage]
    failures: Sequence[Failure]
    now: float

    def x(self, at: float) -> float:
        """Return the horizontal position of a unix time."""
        whole = self.times.stop - self.times.start
        inside = min(max(at, self.times.start), self.times.stop)
        return _LEFT + (inside - self.times.start) / whole * (_WIDTH - _LEFT)

    def look(self, slot: Slot) -> str:
        """Return the class of a slot whose status does not count, or None."""
        lasted = min(slot.start + self.times.step, self.now) - slot.start
        if lasted <= 0:
            return ""
        if sum(slot.seconds) < lasted / 2:
            return "none"
        if slot.seconds[_MAINTENANCE] > lasted / 2:
            return "kept"
        return "moot" if slot.seconds[_UNKNOWN] > lasted / 2 else ""


def history_chart(picture: Picture, *, what: str) -> Html:
    """Return the chart with its legend; `what` names its subject."""
    tops = [slot.quantile(0.95) for slot in picture.slots if slot.good]
    scale = scale_for(max(tops, default=0.0), _TOP, _FLOOR)
    hues = _hues(picture.failures)
    drawing = tag(
        "svg",
        _unknown(picture),
        _down(picture),
        grid_lines(scale, _LEFT, _WIDTH) if tops else None,
        _latency(picture, scale),
        _marks(picture, hues),
        _axis(picture),
        _hovers(picture),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=f"{what}, last {picture.chosen.name}: {_summary(picture)}",
        class_="chart history",
    )
    legend = tag("ul", _legend(picture, hues, has_latency=bool(tops)), class_="legend across")
    return tag(
        "figure", drawing, tag("figcaption", legend), tabindex="0", aria_label=what, class_="tall"
    )


def _summary(picture: Picture) -> str:
    count = len(picture.outages)
    return "no outage" if not count else "1 outage" if count == 1 else f"{count} outages"


def _latency(picture: Picture, scale: ChartScale) -> list[Html]:
    """Return the line of the medians, and the band up to the 95th percentiles."""
    lines, bands = list[str](), list[str]()
    half = picture.times.step / 2
    for is_known, run in groupby(picture.slots, key=lambda slot: bool(slot.good)):
        if not is_known:
            continue
        points = [
            (
                picture.x(slot.start + half),
                scale.y(slot.quantile(0.5)),
                scale.y(slot.quantile(0.95)),
            )
            for slot in run
        ]
        if len(points) == 1:  # a line of one point would be invisible
            x, median, top = points[0]
            points = [(x - 2, median, top), (x + 2, median, top)]
        middle = [f"{x:.1f} {median:.1f}" for x, median, _ in points]
        upper = [f"{x:.1f} {top:.1f}" for x, _, top in points]
        lines.append("M" + "L".join(middle))
        bands.append("M" + "L".join([*upper, *middle[::-1]]) + "z")
    return [
        tag("path", d="".join(bands), class_="area"),
        tag("path", d="".join(lines), class_="line"),
    ]


def _down(picture: Picture) -> list[Html]:
    blocks = []
    for outage in picture.outages[:_MOST]:
        end = picture.now if outage.end is None else outage.end
        if end < picture.times.start:
            continue
        x = picture.x(outage.start)
        width = max(2.0, picture.x(end) - x)
        blocks.append(tag("path", d=f"M{x:.1f} {_TOP}h{width:.1f}V{_FLOOR}h-{width:.1f}z"))
    return [tag("g", blocks, class_="down")]


def _unknown(picture: Picture) -> list[Html]:
    """Return blocks where nothing was recorded, or the status was UNKNOWN or did not count."""
    step = picture.times.step
    blocks: dict[str, list[str]] = {}
    for name, run in groupby(picture.slots, key=picture.look):
        same = list(run)
        if name:
            x = picture.x(same[0].start)
            width = picture.x(min(same[-1].start + step, picture.now)) - x
            path = f"M{x:.1f} {_TOP}h{width:.1f}V{_FLOOR}h-{width:.1f}z"
            blocks.setdefault(name, []).append(path)
    return [tag("path", d="".join(paths), class_=f"block {name}") for name, paths in blocks.items()]


def _hues(failures: Sequence[Failure]) -> dict[Reason, int]:
    """Return the number of the colour of each reason: frequent ones have their own."""
    common = Counter(failure.reason for failure in failures).most_common()
    return {reason: min(place, _HUES) for place, (reason, _) in enumerate(common)}


def _marks(picture: Picture, hues: dict[Reason, int]) -> list[Html]:
    places: dict[int, set[int]] = {}
    for failure in picture.failures:
        if failure.at >= picture.times.start:
            places.setdefault(hues[failure.reason], set()).add(round(picture.x(failure.at)))
    return [
        tag(
            "path",
            d="".join(f"M{x - 3} {_LANE - 3}l6 6m-6 0 6-6" for x in sorted(xs)[-_MOST:]),
            class_=f"mark hue-{hue}",
        )
        for hue, xs in places.items()
    ]


def _axis(picture: Picture) -> list[Html]:
    whole = picture.times.stop - picture.times.start
    drawn = []
    for tick in range(_TICKS + 1):
        at = picture.times.start + whole * tick / _TICKS
        at = round(at / picture.times.step) * picture.times.step
        text = slot_words(at, at, picture.chosen.form)
        anchor = "start" if not tick else "end" if tick == _TICKS else "middle"
        x = f"{picture.x(at):.0f}"
        drawn.append(
            tag(
                *("text", text),
                x=x,
                y=_AXIS,
                text_anchor=anchor,
                data_at=int(at),
                data_form=picture.chosen.form,
            )
        )
    return drawn


def _hovers(picture: Picture) -> Html:
    """Return an area with a tooltip for each slot."""
    areas = []
    step = picture.times.step
    for slot in picture.slots:
        if slot.start >= picture.now:
            continue
        x, width = picture.x(slot.start), picture.x(slot.start + step) - picture.x(slot.start)
        end = min(slot.start + step, picture.now)
        form = "date" if step >= 3600 else "minute"
        text = f"{slot_words(slot.start, end, form)} UTC: {_slot_text(slot)}"
        title = tag("title", text, data_at=slot.start, data_until=int(end), data_form=form)
        areas.append(tag("path", title, d=f"M{x:.1f} {_TOP}h{width:.1f}V{_LANE + 8}h-{width:.1f}z"))
    return tag("g", areas, class_="hovers")


def _slot_text(slot: Slot) -> str:
    """Return the summary of a slot."""
    parts = []
    if slot.good:
        parts.append(f"p50 {took(slot.quantile(0.5))}, p95 {took(slot.quantile(0.95))}")
    if slot.probes:
        failed = f", {slot.bad:,} failed" if slot.bad else ""
        parts.append(f"{counted(f'{slot.probes:,}', 'probe')}{failed}")
    for name, seconds in zip(SPENT_IN, slot.seconds, strict=True):
        if seconds >= 1 and name != Status.OK:
            parts.append(f"{name} {span(seconds)}")
    return "; ".join(parts) or ("OK" if sum(slot.seconds) >= 1 else "not recorded")


def _legend(picture: Picture, hues: dict[Reason, int], *, has_latency: bool) -> list[Html]:
    counts = Counter(failure.reason for failure in picture.failures)
    entries: list[tuple[str, Content]] = []
    if has_latency:
        entries += [("line", "median"), ("area", "up to p95")]
    if picture.outages:
        entries.append(("down", "CRITICAL"))
    looks = {picture.look(slot) for slot in picture.slots}
    entries += [(name, words) for name, words in _BLOCKS if name in looks]
    for reason, hue in hues.items():
        if hue < _HUES:
            words = reason_words(reason), tag("b", f" ×{counts[reason]:,}")
            entries.append((f"hue-{hue}", words))
    if others := sum(count for reason, count in counts.items() if hues[reason] == _HUES):
        entries.append((f"hue-{_HUES}", ("other failures", tag("b", f" ×{others:,}"))))
    return [
        tag("li", tag("span", class_=f"key {name}"), tag("span", words)) for name, words in entries
    ]


_BLOCKS = (("kept", "maintenance"), ("moot", "UNKNOWN"), ("none", "not recorded"))
