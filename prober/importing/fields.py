"""Messages of a configuration that is defined by protocol buffers, whatever it is written in."""

import re
from collections.abc import Mapping
from typing import Any, Protocol

from prober.importing.draft import SourcePlace
from prober.importing.source import Steps, mapping

_HUMP = re.compile(r"(?<=[a-z0-9])[A-Z]")


class MessageSource(Protocol):
    """A file that was read: its message, and where each value stands."""

    @property
    def value(self) -> Any:
        """The message."""

    def origin(self, *steps: str | int) -> SourcePlace:
        """Return the place of the value at a path."""


class Fields:
    """One message: its fields by name, in `snake_case`, also if they are written in `camelCase`."""

    def __init__(self, source: MessageSource, steps: Steps, given: object) -> None:
        self._source, self._steps = source, steps
        self._given = {_snake(str(name)): (name, v) for name, v in mapping(given).items()}

    def __contains__(self, name: str) -> bool:
        return name in self._given

    @property
    def names(self) -> list[str]:
        """The names of the fields, in the order of the source."""
        return [*self._given]

    def one(self, name: str, default: Any = None) -> Any:
        """Return the value of a field; the last one if there are several."""
        values = self.every(name)
        return values[-1] if values else default

    def every(self, name: str) -> list[Any]:
        """Return the values of a repeated field."""
        _, value = self._given.get(name, (name, None))
        return value if isinstance(value, list) else [] if value is None else [value]

    def message(self, name: str) -> "Fields":
        """Return a message; without fields if it is not there."""
        found = self.messages(name)
        return found[-1] if found else Fields(self._source, self._steps, {})

    def messages(self, name: str) -> list["Fields"]:
        """Return the messages of a repeated field."""
        written, value = self._given.get(name, (name, None))
        if isinstance(value, list):
            return [
                Fields(self._source, (*self._steps, written, number), each)
                for number, each in enumerate(value)
            ]
        return [] if value is None else [Fields(self._source, (*self._steps, written), value)]

    def pairs(self, name: str) -> dict[str, str]:
        """Return a map: entries with `key` (or `name`) and `value`, or a mapping."""
        found = {}
        for each in self.every(name):
            entry: Mapping[Any, Any] = mapping(each)
            key = entry.get("key", entry.get("name"))
            pairs = entry if key is None else {key: entry.get("value", "")}
            found.update({str(name): _text(value) for name, value in pairs.items()})
        return found

    def at(self, *names: str) -> SourcePlace:
        """Return the place of a field, or of the message."""
        return self._source.origin(
            *self._steps, *(self._given.get(name, (name, None))[0] for name in names)
        )


def _snake(name: str) -> str:
    return _HUMP.sub(lambda hump: f"_{hump[0].lower()}", name)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
