"""The last results of a check: a chart of their phases, and a table."""

from collections.abc import Sequence

from prober.model.status import PHASES
from prober.model.wording import counted
from prober.state.check_state import CheckState
from prober.state.pace import Pace
from prober.state.recent import PastResult
from prober.web.page.bar import look_of
from prober.web.page.chart import chart
from prober.web.page.check_words import fine_took, past_words, time_cell
from prober.web.page.html import Content, Html, tag


async def last_results(state: CheckState, now: float, pace: Pace) -> Content:
    """Return the chart and the table, or a hint if there are no results yet."""
    pasts = list(state.recent.newest_first())
    if not pasts:
        return tag(
            "p", "There are no results yet. The first probe comes within seconds.", class_="empty"
        )
    shown = [
        name
        for index, name in enumerate(PHASES)
        if any(past.phases[index] is not None for past in pasts)
    ]
    heads = [
        ("Time (", tag("span", "UTC", data_zone=True), ")"),
        "Result",
        "Why",
        "Took",
        *(n.replace("_", " ") for n in shown),
    ]
    rows = []
    for past in pasts:
        rows.append(_result(past, shown, now))
        await pace.pause()
    table = tag(
        "table",
        tag("caption", f"The last {counted(len(pasts), 'result')}, newest first", class_="unseen"),
        tag("thead", tag("tr", [tag("th", text, scope="col") for text in heads])),
        tag("tbody", rows),
        class_="results",
    )
    drawing = chart(pasts)
    await pace.pause()
    return (
        tag("h2", f"Last {counted(len(pasts), 'result')}"),
        drawing,
        tag("div", table, class_="wide", tabindex="0", role="region", aria_label="Last results"),
    )


def _result(past: PastResult, shown: Sequence[str], now: float) -> Html:
    phases = dict(zip(PHASES, past.phases, strict=True))
    look = look_of(past.reason)
    times = [past.seconds, *(phases[name] for name in shown)]
    return tag(
        "tr",
        tag("td", time_cell(past.at, now)),
        tag("td", past_words(past).rpartition(" in ")[0], class_="what"),
        tag("td", None if look == "good" else past.reason.sentence),
        [tag("td", None if seconds is None else fine_took(seconds)) for seconds in times],
        class_=look,
        data_key=f"{past.at:.2f}",
    )
