"""An edit: a definition that was made, changed or deleted over the API."""

from collections.abc import Mapping
from typing import NamedTuple

from prober.model.definition import Named


class Edit(NamedTuple):
    """A definition that was made, changed or deleted over the API.

    `kind` is what it defines (MONITOR, POOL), `id` its UUID. `base` is a digest of the file's own
    definition at that time, None if there was none; `at` is in unix seconds. `content` has values
    as JSON has them: the whole definition if the file has none, else the keys that differ from it
    (None: back to the default); it is None if the definition was deleted.
    """

    kind: str
    id: str
    content: Mapping[str, object] | None
    base: str | None
    at: float

    @property
    def named(self) -> Named:
        """What it is an edit of."""
        return self.kind, self.id

    @property
    def action(self) -> str:
        """What it did, in a word."""
        if self.content is None:
            return "deleted"
        return "created" if self.base is None else "changed"
