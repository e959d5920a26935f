"""An edit: a definition that was created, changed or deleted over the API."""

from collections.abc import Mapping
from typing import NamedTuple

from prober.model.definition import Named


class Edit(NamedTuple):
    """A definition that was created, changed or deleted over the API.

    `kind` is what it defines (MONITOR, POOL), `id` its UUID. `base` is a digest of the file's
    definition at that time, or None if there was none; `at` is in unix seconds. `content` has JSON
    values: the whole definition if the file has none, else the keys that differ from it (None: the
    default); it is None if the definition was deleted.
    """

    kind: str
    id: str
    content: Mapping[str, object] | None
    base: str | None
    at: float

    @property
    def named(self) -> Named:
        """The definition that was edited."""
        return self.kind, self.id

    @property
    def action(self) -> str:
        """What was done, in a word."""
        if self.content is None:
            return "deleted"
        return "created" if self.base is None else "changed"
