"""The scale of a chart of durations, and the lines that show it."""

import math
from typing import NamedTuple

from prober.web.page.html import Html, tag

_LINES = 4


class ChartScale(NamedTuple):
    """Maps 0 to `top` seconds to `floor` up to `ceiling`, in units of the drawing.

    `lines` is the number of even steps.
    """

    top: float
    lines: int
    ceiling: float
    floor: float

    def y(self, seconds: float) -> float:
        """Return the position of a duration, at most the top."""
        return self.floor - min(seconds / self.top, 1.0) * (self.floor - self.ceiling)


def scale_for(most: float, ceiling: float, floor: float) -> ChartScale:
    """Return the smallest scale of round numbers that fits a duration."""
    most = max(most, 1e-5)
    step = 10 ** math.floor(math.log10(most / _LINES))
    step *= next(factor for factor in (1, 2, 2.5, 5, 10) if step * factor * _LINES >= most)
    lines = math.ceil(round(most / step, 6))
    return ChartScale(step * lines, lines, ceiling, floor)


def grid_lines(scale: ChartScale, left: float, right: float) -> list[Html]:
    """Return the lines with their labels, right of `left`."""
    drawn = []
    for line in range(scale.lines + 1):
        seconds = scale.top * line / scale.lines
        y = scale.y(seconds)
        drawn.append(tag("path", d=f"M{left} {y:.1f}H{right}", class_="grid"))
        text = "0" if not line else axis_words(seconds)
        drawn.append(tag("text", text, x=str(left - 8), y=f"{y + 4:.1f}", class_="end"))
    return drawn


def axis_words(seconds: float) -> str:
    """Format a round duration."""
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:.6g} ms"
