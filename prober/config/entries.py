"""The pools and monitors of a configuration as written, and the mistakes between them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import Any, Generic, TypeVar

from prober.config.configuration import FileDefinition
from prober.config.document import Document
from prober.model.definition import MONITOR, POOL, Named
from prober.model.monitor import Model, Monitor
from prober.model.option import Complaint, Path, did_you_mean, in_words
from prober.model.pool import Backend, Pool

T = TypeVar("T")

_IN_ORDER = json.JSONEncoder(sort_keys=True, default=str)
_SUGGESTIONS = 20  # looking for a near miss among thousands of pools takes time


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """A pool or monitor with its place in a file; `value` is None if it has problems."""

    document: Document
    path: Path
    given: object
    value: T | None

    def text(self, key: str) -> str | None:
        """Return the written value of a key, if it is text."""
        content = self.given.get(key) if isinstance(self.given, dict) else None
        return content if isinstance(content, str) else None

    def place(self, reader: Document) -> str:
        """Return where the entry is, for a reader of the given document."""
        line = self.document.line(self.path)
        here = self.document.source == reader.source
        return f"on line {line}" if here else f"in {self.document.source}:{line}"


Mistake = tuple[Entry[Any], Complaint]
"""An entry, and what is wrong with it beside the others."""


@dataclass(frozen=True, slots=True)
class Entries:
    """All pools and monitors of the files, in the order of reading."""

    pools: list[Entry[Pool]] = field(default_factory=list)
    monitors: list[Entry[Monitor]] = field(default_factory=list)

    def model(self, listed: Mapping[str, tuple[Backend, ...]]) -> Model:
        """Return the model of the entries without problems; `listed` has the targets by file."""
        monitors = tuple(entry.value for entry in self.monitors if entry.value)
        pools = [entry.value for entry in self.pools if entry.value]
        for monitor in monitors:
            if not monitor.pool:
                source = monitor.targets_from
                backends = listed.get(source.file or "", ()) if source else monitor.targets
                pools.append(Pool(name=monitor.name, backends=backends))
        return Model(monitors, tuple(pools))

    def written(self) -> dict[Named, FileDefinition]:
        """Return the definition of each monitor and pool as read."""
        shared: dict[frozenset[str], frozenset[str]] = {}  # most monitors set the same keys
        found: dict[Named, FileDefinition] = {}
        for kind, entries in ((POOL, self.pools), (MONITOR, self.monitors)):
            for entry in entries:
                if entry.value and isinstance(entry.given, dict):
                    keys = frozenset(entry.given)
                    found[kind, entry.value.id] = FileDefinition(
                        _digest(entry.given), shared.setdefault(keys, keys)
                    )
        return found

    def mistakes(self) -> Iterator[Mistake]:
        """Yield what does not fit together: names given twice, pools that do not exist, ..."""
        yield from _repeated(self.pools)
        yield from _repeated(self.monitors)
        yield from self._second_pools()
        yield from self._unknown_pools()
        yield from self._misfits()

    def _second_pools(self) -> Iterator[Mistake]:
        """Yield the monitors whose own targets would create a pool that is configured already."""
        configured = {entry.text("name"): entry for entry in self.pools}
        for entry in self.monitors:
            monitor = entry.value
            if monitor and not monitor.pool and monitor.name in configured:
                place = configured[monitor.name].place(entry.document)
                message = (
                    f"the targets would create a second pool {monitor.name!r}, defined {place}"
                )
                key = "targets_from" if monitor.targets_from else "targets"
                yield entry, Complaint((key,), message)

    def _unknown_pools(self) -> Iterator[Mistake]:
        known = {name for entry in self.pools if (name := entry.text("name"))}
        known |= {
            name
            for entry in self.monitors
            if not entry.text("pool") and (name := entry.text("name"))
        }
        unknown = [
            (entry, name)
            for entry in self.monitors
            if (name := entry.text("pool")) and name not in known
        ]
        for i, (entry, name) in enumerate(unknown):
            near = did_you_mean(name, known) if i < _SUGGESTIONS else ""
            yield entry, Complaint(("pool",), f"unknown pool {in_words(name)}{near}")

    def _misfits(self) -> Iterator[Mistake]:
        """Yield the monitors that cannot probe a backend of their pool."""
        pools = {entry.value.name: entry.value.backends for entry in self.pools if entry.value}
        for entry in self.monitors:
            if monitor := entry.value:
                for _, why in islice(monitor.misfits(pools.get(monitor.pool, ())), 1):
                    yield entry, Complaint(("pool",), f"backend {why}")


def _repeated(entries: Iterable[Entry[Pool]] | Iterable[Entry[Monitor]]) -> Iterator[Mistake]:
    names: dict[str, Entry[Any]] = {}
    ids: dict[str, Entry[Any]] = {}
    for entry in entries:
        name = entry.text("name")
        first = names.setdefault(name, entry) if name is not None else entry
        key, word = "name", name
        if first is entry and entry.value:
            key, word = "id", entry.value.id
            first = ids.setdefault(entry.value.id, entry)
        if first is not entry:
            message = f"duplicate {word!r}; first defined {first.place(entry.document)}"
            yield entry, Complaint((key,), message)


def _digest(given: object) -> str:
    """Return a short hash of a definition as written, independent of the order of its keys."""
    written = _IN_ORDER.encode(given).encode(errors="surrogatepass")
    return blake2b(written, digest_size=12).hexdigest()
