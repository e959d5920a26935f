"""The duration of the last results as a chart: one column each, stacked from its phases."""

from collections.abc import Sequence

from prober.model.status import PHASES, Result
from prober.model.wording import counted
from prober.state.recent import CAPACITY, PastResult
from prober.web.page.bar import look_of
from prober.web.page.chart_scale import ChartScale, axis_words, grid_lines, scale_for
from prober.web.page.check_words import clock_words, fine_took
from prober.web.page.html import NOTHING, Html, tag

_WIDTH, _HEIGHT = 900, 210
_LEFT, _TOP, _BOTTOM = 64, 12, 28
_STEP = (_WIDTH - _LEFT) / CAPACITY
_FLOOR = _HEIGHT - _BOTTOM
_OTHER = "other"
_BAD, _MOOT = "bad", "moot"
_WORDS = {_BAD: "failed", _MOOT: "inconclusive"}


def chart(newest_first: Sequence[PastResult]) -> Html:
    """Return the chart with its legend, or nothing without results."""
    pasts = newest_first[::-1]
    if not pasts:
        return NOTHING
    scale = _scale_of(pasts)
    first = CAPACITY - len(pasts)
    columns = tag("g", _columns(pasts, scale, first), class_="columns")
    label = (
        f"Time of the last {counted(len(pasts), 'result')} by phase, up to {fine_took(scale.top)}"
    )
    cut = [past.seconds for past in pasts if past.seconds > scale.top]
    drawing = tag(
        "svg",
        grid_lines(scale, _LEFT, _WIDTH),
        columns,
        _marks(pasts, first),
        _cuts(pasts, scale, first),
        _times(pasts, first),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=label,
        class_="chart",
    )
    return tag(
        "figure",
        drawing,
        tag("figcaption", _legend(pasts), _note(cut, scale)),
        tabindex="0",  # a narrow window scrolls it
        aria_label="Latency",
    )


def _scale_of(pasts: Sequence[PastResult]) -> ChartScale:
    """Return a scale that fits nearly all good results, or nearly all results if none is good."""
    good = [past.seconds for past in pasts if past.reason.result is Result.OK]
    seconds = sorted(good or [past.seconds for past in pasts])
    return scale_for(1.2 * seconds[len(seconds) * 95 // 100], _TOP, _FLOOR)


def _columns(pasts: Sequence[PastResult], scale: ChartScale, first: int) -> list[Html]:
    """Return one path for each phase that occurs: all its pieces of columns.

    Only good results show their phases. A bad one is drawn as a single piece, because its time does
    not say how fast the target is.
    """
    pieces: dict[str, list[str]] = {}
    for place, past in enumerate(pasts, first):
        x = _LEFT + (place + 0.5) * _STEP
        below = 0.0
        for name, seconds in _pieces(past):
            low, high = scale.y(below), scale.y(below + seconds)
            below += seconds
            if low > high:
                pieces.setdefault(name, []).append(f"M{x:.1f} {low:.1f}V{high:.1f}")
    return [tag("path", d="".join(path), class_=name) for name, path in pieces.items()]


def _pieces(past: PastResult) -> list[tuple[str, float]]:
    look = look_of(past.reason)
    return [(look, past.seconds)] if look in (_BAD, _MOOT) else _parts(past)


def _parts(past: PastResult) -> list[tuple[str, float]]:
    """Return the phases of a result with their seconds, in order."""
    named = zip(PHASES, past.phases, strict=True)
    parts = [(name, seconds) for name, seconds in named if seconds]
    rest = past.seconds - sum(seconds for _, seconds in parts)
    return [*parts, (_OTHER, rest)] if rest > 0 else parts


def _marks(pasts: Sequence[PastResult], first: int) -> list[Html]:
    """Return a cross under each bad result, a dot under each inconclusive one."""
    drawn: dict[str, list[str]] = {}
    for place, past in enumerate(pasts, first):
        x, look = _LEFT + (place + 0.5) * _STEP, look_of(past.reason)
        if look == _BAD:
            drawn.setdefault(look, []).append(f"M{x - 2.5:.1f} {_FLOOR + 3}l5 5m-5 0 5-5")
        elif look == _MOOT:
            drawn.setdefault(look, []).append(f"M{x:.1f} {_FLOOR + 5}v1")
    return [tag("path", d="".join(path), class_=f"mark {look}") for look, path in drawn.items()]


def _cuts(pasts: Sequence[PastResult], scale: ChartScale, first: int) -> Html | None:
    """Return an arrow above each column that exceeds the scale."""
    places = [place for place, past in enumerate(pasts, first) if past.seconds > scale.top]
    arrows = [f"M{_LEFT + (place + 0.5) * _STEP - 3:.1f} {_TOP - 2}h6l-3-6z" for place in places]
    return tag("path", d="".join(arrows), class_="cut") if arrows else None


def _note(cut: Sequence[float], scale: ChartScale) -> Html | None:
    if not cut:
        return None
    words = f"▲ {len(cut)} above {axis_words(scale.top)}, up to {fine_took(max(cut))}"
    return tag("p", words, class_="quiet")


def _times(pasts: Sequence[PastResult], first: int) -> list[Html]:
    start = tag(
        "text", clock_words(pasts[0].at), x=f"{_LEFT + first * _STEP:.0f}", y=str(_HEIGHT - 6)
    )
    end = tag(
        "text", f"{clock_words(pasts[-1].at)} UTC", x=str(_WIDTH), y=str(_HEIGHT - 6), class_="end"
    )
    return [start, end] if first < CAPACITY * 0.7 else [end]


def _legend(pasts: Sequence[PastResult]) -> Html:
    spent: dict[str, list[float]] = {}
    for past in pasts:
        for name, seconds in _pieces(past):
            spent.setdefault(name, []).append(seconds)
    entries = []
    for name in (*PHASES, _OTHER, _BAD, _MOOT):
        if name in spent:
            words = _WORDS.get(name) or name.replace("_", " ")
            key = tag("span", class_=f"key {name}")
            entries.append(tag("li", key, words, " ", tag("b", fine_took(_median(spent[name])))))
    return tag("ul", entries, class_="legend")


def _median(seconds: list[float]) -> float:
    """Return the median; importing the module statistics would take a megabyte."""
    return sorted(seconds)[len(seconds) // 2]
