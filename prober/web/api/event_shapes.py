"""The JSON shapes of events and edits."""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from prober.model.definition import MONITOR, POOL
from prober.model.status import Reason, Result
from prober.state.events import EVENT_KINDS, Event
from prober.web.api.shape import (
    ADDRESS,
    COUNT,
    MARKER,
    STATUS,
    TEXT,
    TIME,
    UUID,
    JsonType,
    Shape,
    member,
    nullable,
    one_word_of,
)

EVENT: Shape[Event] = Shape(
    "Event",
    member("id", COUNT, lambda event: event.id),
    member("at", TIME, lambda event: event.at),
    member("kind", one_word_of(EVENT_KINDS), lambda event: event.kind),
    member("monitor", nullable(TEXT), lambda event: event.monitor),
    member("pool", nullable(TEXT), lambda event: event.pool),
    member("backend", nullable(ADDRESS), lambda event: event.backend),
    member("from", nullable(STATUS), lambda event: event.before),
    member("to", nullable(STATUS), lambda event: event.after),
    member(
        "result",
        nullable(one_word_of(Result)),
        lambda event: event.reason.result if event.reason else None,
    ),
    member("reason", nullable(one_word_of(Reason)), lambda event: event.reason),
    member("cause", TEXT, lambda event: event.cause),
    doc="a status change of a check, or another event",
)
EVENTS: Shape[str | None] = Shape(
    "Events", member("next_marker", MARKER, lambda marker: marker), lists={"events": EVENT.type}
)

EDIT: Shape[Mapping[str, Any]] = Shape(
    "Edit",
    member("kind", one_word_of((MONITOR, POOL)), itemgetter("kind")),
    member("id", UUID, itemgetter("id")),
    member("name", TEXT, itemgetter("name")),
    member("action", one_word_of(("created", "changed", "deleted")), itemgetter("action")),
    member(
        "content",
        JsonType[Mapping[str, Any] | None]({"type": ["object", "null"]}),
        itemgetter("content"),
        "the definition, or the keys that differ from the file; null if it was deleted",
    ),
    member(
        "base",
        nullable(TEXT),
        itemgetter("base"),
        "digest of the definition in the file; null if there is none",
    ),
    member("at", TIME, itemgetter("at")),
    member("idle", nullable(TEXT), itemgetter("idle"), "why it is inactive; null if in force"),
)
EDITS: Shape[None] = Shape("Edits", lists={"edits": EDIT.type})
