"""Which events the page of events shows: in its query.

People edit URLs by hand, so invalid parameters are ignored.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aiohttp import web

from prober.model.status import Status
from prober.state.archive import DAY
from prober.state.events import (
    CERTIFICATE_CHANGED,
    EVENT_KINDS,
    POOL_STATUS,
    TRANSITION,
    EventFilter,
)
from prober.web.server.query import Parameter

_OWN = frozenset(EVENT_KINDS) - {TRANSITION, POOL_STATUS, CERTIFICATE_CHANGED}
SUBJECTS: Mapping[str, frozenset[str]] = {
    "checks": frozenset({TRANSITION, CERTIFICATE_CHANGED}),
    "pools": frozenset({POOL_STATUS}),
    "prober": _OWN,
}
"""Subjects of events, with their kinds."""
_NUMBER = re.compile(r"[0-9]{1,18}")
TIMES: Mapping[str, float] = {"1h": 3600.0, "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY}


def _words(name: str, doc: str, words: Sequence[str] = ()) -> Parameter:
    return Parameter(name, str, {"enum": list(words)} if words else {"type": "string"}, doc)


EVENT_PAGE_QUERY = (
    _words("about", "only events about these", list(SUBJECTS)),
    _words("to", "only changes to this status", [str(status) for status in Status]),
    _words("pool", "only events of this pool"),
    _words("monitor", "only events of this monitor"),
    _words("backend", "only events of this backend"),
    _words("last", "only events of the last hour, day, week or month", list(TIMES)),
    _words("before", "only events before this event id"),
)


class EventView(NamedTuple):
    """Which events are selected; empty texts allow all, and so does `before` 0."""

    about: str = ""
    to: str = ""
    pool: str = ""
    monitor: str = ""
    backend: str = ""
    last: str = ""
    before: int = 0

    def query(self, **changed: str | int) -> list[tuple[str, str]]:
        """Return this view, with changes, as query parameters."""
        view = self._replace(**changed)  # type: ignore[arg-type]  # a text, or `before`
        return [(name, str(value)) for name, value in view._asdict().items() if value]

    @property
    def wanted(self) -> EventFilter:
        """The filter that selects these events."""

        def only(value: str) -> frozenset[str]:
            return frozenset({value}) if value else frozenset()

        return EventFilter(
            kind=SUBJECTS.get(self.about, frozenset()),
            monitor=only(self.monitor),
            pool=only(self.pool),
            backend=only(self.backend),
            after=only(self.to),
        )


def read_event_view(request: web.Request) -> EventView:
    """Return the view of a query; invalid parameters are ignored."""
    query = request.query
    about, to, last = query.get("about", ""), query.get("to", ""), query.get("last", "")
    before = query.get("before", "")
    return EventView(
        about=about if about in SUBJECTS else "",
        to=to if to in Status.__members__ else "",
        pool=query.get("pool", ""),
        monitor=query.get("monitor", ""),
        backend=query.get("backend", ""),
        last=last if last in TIMES else "",
        before=int(before) if _NUMBER.fullmatch(before) else 0,
    )
