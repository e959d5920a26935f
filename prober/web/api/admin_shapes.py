"""Admin states, as the API shows them."""

from typing import NamedTuple

from prober.model.admin import BACKENDS, MONITORS, POOLS, AdminEntry, AdminKey, AdminState
from prober.web.api.shape import (
    TEXT,
    TIME,
    JsonMember,
    Shape,
    member,
    nullable,
    one_word_of,
    through,
)


class NamedEntry(NamedTuple):
    """A state, and what it is of."""

    key: AdminKey
    entry: AdminEntry


ADMIN: Shape[AdminEntry] = Shape(
    "Admin",
    member("state", one_word_of(AdminState), lambda entry: entry.state),
    member("until", nullable(TIME), lambda entry: entry.until, "null: until it is ended"),
    member("reason", TEXT, lambda entry: entry.reason),
    member("by", TEXT, lambda entry: entry.by),
    member("at", TIME, lambda entry: entry.at, "when it was set"),
    doc="what an operator decided, whatever is measured",
)
_OF_ENTRY: list[JsonMember[NamedEntry]] = through(lambda named: named.entry, ADMIN)
ADMIN_ENTRY: Shape[NamedEntry] = Shape(
    "AdminEntry",
    member("kind", one_word_of((BACKENDS, POOLS, MONITORS)), lambda named: named.key[0]),
    member("name", TEXT, lambda named: named.key[1]),
    *_OF_ENTRY,
)
ADMIN_ENTRIES: Shape[None] = Shape("AdminEntries", lists={"admin": ADMIN_ENTRY.type})
