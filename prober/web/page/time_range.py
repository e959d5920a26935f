"""The time ranges of a page; the query selects one."""

from typing import NamedTuple

from aiohttp import web

from prober.state.archive import DAY
from prober.state.slots import HOUR, WIDTH
from prober.web.page.html import Html, tag
from prober.web.server.query import Parameter


class TimeRange(NamedTuple):
    """A time range until now: its name, seconds, seconds of a slot, and the format of its times."""

    name: str
    seconds: int
    step: int
    form: str

    def times(self, now: float) -> range:
        """Return the starts of its slots, in unix seconds."""
        end = int(now // self.step + 1) * self.step
        return range(end - -(-self.seconds // self.step) * self.step, end, self.step)


RANGES = {
    each.name: each
    for each in (
        TimeRange("1h", HOUR, WIDTH, "minute"),
        TimeRange("24h", int(DAY), 2 * WIDTH, "minute"),
        TimeRange("7d", 7 * int(DAY), HOUR, "day"),
        TimeRange("30d", 30 * int(DAY), 4 * HOUR, "day"),
        TimeRange("90d", 90 * int(DAY), 12 * HOUR, "day"),
    )
}
DEFAULT = "24h"
RANGE_QUERY = (
    Parameter("range", str, {"enum": list(RANGES)}, "how far a page looks back; default `24h`"),
)


def range_of_page(request: web.Request) -> TimeRange:
    """Return the range in the query of a page."""
    return RANGES.get(request.query.get("range", DEFAULT), RANGES[DEFAULT])


def range_links(chosen: TimeRange) -> Html:
    """Return the ranges to choose from."""
    links = [
        tag("a", name, href=f"?range={name}", aria_current="true" if name == chosen.name else None)
        for name in RANGES
    ]
    return tag("nav", links, class_="ranges", aria_label="Time range")
