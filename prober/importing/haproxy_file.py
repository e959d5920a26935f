"""HAProxy's configuration as sections of words: its lines, quotes and defaults."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

_SECTIONS = {
    *("global", "defaults", "frontend", "backend", "listen", "resolvers", "peers", "userlist"),
    *("mailers", "program", "http-errors", "cache", "ring", "log-forward", "fcgi-app", "crt-store"),
}
_PROXIES = ("backend", "listen")
_UNIT = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PIECE = re.compile(r"\\x[0-9a-fA-F]{2}|\\.|.", re.DOTALL)
_ESCAPES = {"r": "\r", "n": "\n", "t": "\t"}
_TIME = re.compile(r"(\d+)(us|ms|s|m|h|d)?")


class Line(NamedTuple):
    """The words of a line, unquoted."""

    number: int
    words: tuple[str, ...]


@dataclass(slots=True)
class Proxy:
    """A `backend` or `listen` section, with what it inherits from `defaults`."""

    name: str
    number: int
    lines: list[Line]
    inherited: list[Line] = field(default_factory=list)

    def all(self, *first: str) -> Iterator[Line]:
        """Yield the lines that begin with these words, inherited ones first."""
        for line in (*self.inherited, *self.lines):
            if line.words[: len(first)] == first:
                yield line

    def last(self, *first: str) -> Line | None:
        """Return the last such line, which is the one in force."""
        return next(iter([*self.all(*first)][::-1]), None)


def proxies(text: str) -> Iterator[Proxy]:
    """Yield the sections that have servers; raise ValueError for a line that cannot be read."""
    defaults: dict[str, list[Line]] = {}
    latest: list[Line] = []
    kind, section, found = "", [], []
    for line in _lines(text):
        word = line.words[0]
        if word not in _SECTIONS:
            section.append(line)
            continue
        kind, section = word, []
        name = line.words[1] if len(line.words) > 1 else ""
        base = defaults.get(_parent(line.words), latest)
        if kind == "defaults":
            latest = section = [*base] if _parent(line.words) else []
            defaults[name] = section
        elif kind in _PROXIES:
            found.append(Proxy(name, line.number, section, [*base]))
    yield from found


def _parent(words: tuple[str, ...]) -> str:
    return words[words.index("from") + 1] if "from" in words[:-1] else ""


def _lines(text: str) -> Iterator[Line]:
    for number, line in enumerate(text.splitlines(), 1):
        try:
            words = tuple(_words(line))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        if words:
            yield Line(number, words)


def _words(line: str) -> Iterator[str]:
    """Split a line as HAProxy does (its manual, section 2.2): escapes have no force in '...'."""
    word, open_quote = None, ""
    for piece in _PIECE.findall(line):
        if piece == open_quote:
            open_quote = ""
        elif not open_quote and piece in ("'", '"'):
            word, open_quote = word or "", piece
        elif not open_quote and piece.isspace():
            if word is not None:
                yield word
            word = None
        elif not open_quote and piece == "#":
            break
        else:
            escaped = piece[0] == "\\" and open_quote != "'"
            word = (word or "") + (_character(piece[1:]) if escaped else piece)
    if open_quote:
        raise ValueError(f"the quote {open_quote} is not closed")
    if word is not None:
        yield word


def _character(escaped: str) -> str:
    if escaped[:1] == "x":
        return chr(int(escaped[1:], 16))
    return _ESCAPES.get(escaped, escaped)


def seconds(text: str) -> float | None:
    """Return a duration, by default in milliseconds, as HAProxy reads it; None if it is invalid."""
    found = _TIME.fullmatch(text)
    return int(found[1]) * _UNIT[found[2] or "ms"] if found else None
