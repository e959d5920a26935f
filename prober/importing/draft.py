"""A configuration in the making: pools and monitors, and notes on where each comes from."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from prober.model.secret import names_a_secret
from prober.model.wording import clean

Keys = dict[str, Any]
"""The keys of a pool or a monitor, as in the configuration."""


class Fate(StrEnum):
    """What became of something in the source."""

    TAKEN = "taken"
    CHANGED = "changed"
    LEFT_OUT = "left out"


class SourcePlace(NamedTuple):
    """A place in the source; `line` is 0 where there are no lines."""

    file: str
    line: int

    def __str__(self) -> str:
        """Write it as `FILE:LINE`."""
        return f"{clean(self.file)}:{self.line}" if self.line else clean(self.file)


class Remark(NamedTuple):
    """A line of the report: what became of something, and why."""

    fate: Fate
    origin: SourcePlace
    text: str


@dataclass(slots=True)
class DraftEntry:
    """A pool or a monitor, where it comes from, and what has to be known of it."""

    keys: Keys
    origin: SourcePlace
    notes: list[Remark] = field(default_factory=list)


class Draft:
    """What is imported so far.

    Attributes:
        pools: The pools, in the order of the source.
        monitors: The monitors.
        notes: The whole report, in the order of the source.
    """

    def __init__(self) -> None:
        self.pools: list[DraftEntry] = []
        self.monitors: list[DraftEntry] = []
        self.notes: list[Remark] = []
        self._names: set[str] = set()

    def name(self, wanted: str) -> str:
        """Return a name that no pool or monitor has yet: the wanted one, or with a number."""
        name, number = wanted, 1
        while name in self._names:
            number += 1
            name = f"{wanted}-{number}"
        self._names.add(name)
        return name

    def pool(self, keys: Mapping[str, Any], origin: SourcePlace) -> DraftEntry:
        """Add a pool."""
        entry = DraftEntry(dict(keys), origin)
        self.pools.append(entry)
        return entry

    def monitor(self, keys: Mapping[str, Any], origin: SourcePlace) -> DraftEntry:
        """Add a monitor; keys whose value is None are left away.

        Headers that are secrets, judged by their names, become variables.
        """
        entry = DraftEntry({key: each for key, each in keys.items() if each is not None}, origin)
        self.monitors.append(entry)
        for name, value in entry.keys.get("headers", {}).items():
            if isinstance(value, str) and names_a_secret(name):
                variable = re.sub(r"[^A-Z0-9]", "_", f"{keys['name']}_{name}".upper())
                entry.keys["headers"] = {**entry.keys["headers"], name: {"env": variable}}
                self.changed(entry, origin, f"header {name}: a secret, expected in ${variable}")
        return entry

    def changed(self, entry: DraftEntry, origin: SourcePlace, text: str) -> None:
        """Note that something of an entry works in another way than in the source."""
        self._note(Remark(Fate.CHANGED, origin, text), entry)

    def left_out(self, origin: SourcePlace, text: str, entry: DraftEntry | None = None) -> None:
        """Note that something is not imported."""
        self._note(Remark(Fate.LEFT_OUT, origin, text), entry)

    def taken(self, origin: SourcePlace, text: str) -> None:
        """Note that something is imported."""
        self._note(Remark(Fate.TAKEN, origin, text), None)

    @contextmanager
    def reading(self, origin: SourcePlace, what: str) -> Iterator[None]:
        """Leave out one thing of the source, and nothing else, if its values make no sense."""
        try:
            yield
        except (TypeError, ValueError, KeyError, AttributeError, re.error) as error:
            self.left_out(origin, f"{what}: cannot be understood ({error})")

    def drop(self, entry: DraftEntry, why: str) -> None:
        """Take a monitor back, and the pool that only it needs."""
        self.monitors.remove(entry)
        self.left_out(entry.origin, f"monitor {entry.keys.get('name')!r}: {why}")
        used = {each.keys.get("pool") for each in self.monitors}
        if (pool := entry.keys.get("pool")) not in used:
            self.pools = [each for each in self.pools if each.keys["name"] != pool]

    def drop_pool(self, entry: DraftEntry, why: str) -> None:
        """Take a pool back."""
        self.pools.remove(entry)
        self.left_out(entry.origin, f"pool {entry.keys.get('name')!r}: {why}")

    def _note(self, note: Remark, entry: DraftEntry | None) -> None:
        note = note._replace(text=clean(note.text))
        self.notes.append(note)
        if entry is not None:
            entry.notes.append(note)
