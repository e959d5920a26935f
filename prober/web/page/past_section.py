"""The history of a check or a pool on its page: uptime, a chart, a table of outages."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aiohttp import web

from prober.model.wording import span
from prober.state.archive import WINDOWS, Uptime
from prober.state.events import EventFilter
from prober.state.running_slot import Key
from prober.state.slots import Slot, empty_slot
from prober.state.state_errors import StateUnreadableError
from prober.web.page.check_words import NONE, share_words, time_cell
from prober.web.page.history_chart import Picture, history_chart
from prober.web.page.html import NOTHING, Content, Html, scrolled, tag
from prober.web.page.others import slots_of_all
from prober.web.page.outages import Outage, failures_of, outages_of
from prober.web.page.recent_events import recent_events
from prober.web.page.scene import Scene
from prober.web.page.time_range import TimeRange, range_links, range_of_page
from prober.web.server.services import services_of

CHANGES = 2000
"""Maximum number of status changes from which outages are computed."""
OUTAGES = 50
"""Maximum number of outages listed."""
_NEARLY_ALL = 0.99


class Subject(NamedTuple):
    """A check or pool with a history: its key in there, its status changes, and its name."""

    key: Key
    changes: EventFilter
    what: str


async def past_section(request: web.Request, scene: Scene, subject: Subject) -> Content:
    """Return the section about the history, over the range in the query."""
    chosen, now = range_of_page(request), scene.now.wall
    times = chosen.times(now)
    found = await recent_events(request, subject.changes, limit=CHANGES)
    changes = [event for event in found if event.at >= times.start]
    outages = outages_of(found[: len(changes) + 1])  # an outage may have begun before
    outages = [each for each in outages if each.end is None or each.end > times.start]
    history = services_of(request).history
    slots: Sequence[Slot] = [empty_slot(at) for at in times]
    uptime: Mapping[str, Uptime] | None = None
    if history is not None:
        try:
            slots = await history.slots(subject.key, times, merged=True)
            slots = await slots_of_all(request, subject.key, times, slots)
            uptime = await history.uptime(subject.key)
        except StateUnreadableError:
            uptime = None
    picture = Picture(chosen, times, slots, outages, failures_of(changes), now)
    drawing = history_chart(picture, what=subject.what) if uptime is not None else NOTHING
    return (
        tag("div", tag("h2", "History"), range_links(chosen), class_="bar-head"),
        drawing,
        uptime_tiles(uptime),
        outage_table(outages, chosen, now),
    )


def uptime_tiles(uptime: Mapping[str, Uptime] | None) -> Html:
    """Return the uptime over several periods; one that is not fully recorded says so."""
    if uptime is None:
        text = "Set server.state_dir to record history and uptime."
        return tag("p", text, class_="quiet")
    tiles, before = [], 0.0
    for name, each in uptime.items():
        words: Content = share_words(each.share)
        if each.share is None:
            note = "nothing recorded"
        elif each.known <= before * 1.01:
            words, note = NONE, f"recorded for {span(each.known)} only"
        elif each.known > _NEARLY_ALL * WINDOWS[name]:
            note = ""
        else:
            note = f"of {span(each.known)}"
        before = max(before, each.known)
        value = tag("dd", words, tag("small", f" {note}") if note else None)
        tiles.append(tag("div", tag("dt", f"Uptime {name}"), value))
    return tag("dl", tiles, class_="tiles", id="uptime")


def outage_table(outages: Sequence[Outage], chosen: TimeRange, now: float) -> Html:
    """Return the outages of a range, newest first, or a sentence if there were none."""
    heading = tag("h2", f"Outages, last {chosen.name}")
    if not outages:
        return tag("section", heading, tag("p", "None.", class_="quiet"))
    rows = [
        tag(
            "tr",
            tag("td", time_cell(outage.start, now)),
            tag("td", span(outage.seconds(now)), _end(outage)),
            tag("td", outage.reason.sentence if outage.reason else outage.cause),
            tag("td", outage.cause if outage.reason else None, class_="cause"),
        )
        for outage in outages[:OUTAGES]
    ]
    heads = ["Start", "Length", "Reason", "Detail"]
    table = tag(
        "table",
        tag("caption", f"Outages of the last {chosen.name}, newest first", class_="unseen"),
        tag("thead", tag("tr", [tag("th", text, scope="col") for text in heads])),
        tag("tbody", rows),
        class_="outages",
    )
    total = sum(outage.seconds(now) for outage in outages)
    more = len(outages) - OUTAGES
    words = f"{len(outages):,} in all, {span(total)} down"
    if more > 0:
        words += f"; the newest {OUTAGES} are listed"
    return tag(
        "section",
        heading,
        scrolled(table, "Outages"),
        tag("p", words, class_="quiet"),
    )


def _end(outage: Outage) -> Content:
    if outage.end is None:
        return tag("b", " so far")
    return None if outage.is_end_known else tag("small", " then UNKNOWN")
