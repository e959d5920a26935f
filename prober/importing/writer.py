"""Writes a draft as a commented configuration that `prober check` accepts."""

from collections.abc import Callable, Iterator

import yaml

from prober.config.problem import ConfigError
from prober.config.reader import parse
from prober.importing.draft import Draft, DraftEntry, Fate
from prober.model.option import ReadContext
from prober.model.wording import clean

_HEAD = """\
# Imported by prober {version} from {sources}.
# Each entry names its place in the source. What works in another way there is noted beside it.
"""


def keep_the_valid(draft: Draft, read_text: Callable[[str], str]) -> None:
    """Take back monitors and pools that a configuration cannot contain, and say why.

    `read_text` reads the files that monitors name, such as certificates.
    """
    outside = ReadContext("", read_text, {}, without_secrets=True)

    def wrong(pools: list[DraftEntry], monitors: list[DraftEntry]) -> str:
        try:
            parse(_sections(pools, monitors), source="", outside=outside, without_lists=True)
        except ConfigError as error:
            return "; ".join(f"{_key(each.path)}{each.message}" for each in error.problems)
        return ""

    for entry in [*draft.monitors]:
        pools = [each for each in draft.pools if each.keys["name"] == entry.keys.get("pool")]
        if why := wrong(pools, [entry]):
            draft.drop(entry, why)
    for entry in [*draft.pools]:
        if why := wrong([entry], []):
            draft.drop_pool(entry, why)


def _key(path: tuple[str | int, ...]) -> str:
    named = ".".join(str(step) for step in path[2:])
    return f"{named}: " if named else ""


def written(draft: Draft, *, version: str, sources: list[str]) -> str:
    """Return the text of the configuration."""
    head = _HEAD.format(version=version, sources=clean(", ".join(sources)))
    return head + _sections(draft.pools, draft.monitors)


def _sections(pools: list[DraftEntry], monitors: list[DraftEntry]) -> str:
    lines = []
    for name, entries in (("pools", pools), ("monitors", monitors)):
        if entries:
            lines.append(f"{name}:")
            lines += [line for each in entries for line in _entry(each)]
    return "\n".join(lines) + "\n" if lines else "monitors: []\n"


def _entry(entry: DraftEntry) -> Iterator[str]:
    yield f"  # {entry.origin}"
    for note in entry.notes:
        fate = "left out" if note.fate is Fate.LEFT_OUT else "note"
        yield f"  # {fate}: {note.text} ({note.origin})"
    shown = yaml.safe_dump(entry.keys, sort_keys=False, allow_unicode=True, width=4096)
    lines = shown.rstrip("\n").split("\n")
    yield from (f"  {'- ' if i == 0 else '  '}{line}" for i, line in enumerate(lines))
