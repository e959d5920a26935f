"""Text for a terminal: escapes everything from outside, and fits tables to the width."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import TextIO

from prober.model.status import Status

EXIT_CODES = {Status.OK: 0, Status.WARNING: 1, Status.CRITICAL: 2, Status.UNKNOWN: 3}
"""The exit codes of Nagios plugins."""

COLOURS: Mapping[str, str] = {
    Status.OK: "32",
    Status.WARNING: "33",
    Status.CRITICAL: "1;31",
    Status.UNKNOWN: "35",
}
"""The SGR parameters for a word's colour; a status is always written as a word too."""

_GAP = "  "
_NARROWEST = len(Status.CRITICAL)  # no column is cut below this, so statuses are never cut


def columns(text: str) -> int:
    """Return the number of terminal columns that the text takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, width: int) -> str:
    """Return the text, cut with an ellipsis if it is wider."""
    if columns(text) <= width:
        return text
    taken, kept = 0, ""
    for character in text:
        taken += _columns(character)
        if taken >= width:
            break
        kept += character
    return f"{kept}…"


def paint(text: str, word: str) -> str:
    """Return the text in the colour for a word, or as it is if there is none."""
    colour = COLOURS.get(word)
    return f"\x1b[{colour}m{text}\x1b[0m" if colour else text


def wants_colour(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Return whether a stream is a terminal and colours are not disabled (no-color.org)."""
    if environment.get("NO_COLOR") or environment.get("TERM") == "dumb":
        return False
    return stream.isatty()


def table(
    rows: Sequence[Sequence[str]], *, width: int | None, colour: bool, spare: int = -1
) -> list[str]:
    """Return rows of clean cells as aligned lines.

    To fit a width, cut the `spare` column first (by default the last one), then the widest.
    """
    widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]
    excess = 0 if width is None else sum(widths) + len(_GAP) * (len(widths) - 1) - width
    for _ in range(excess):
        widest = max(range(len(widths)), key=widths.__getitem__)
        if widths[widest] <= _NARROWEST:
            break
        widths[spare if widths[spare] > _NARROWEST else widest] -= 1
    return [_line(row, widths, colour=colour) for row in rows]


def _line(row: Sequence[str], widths: Sequence[int], *, colour: bool) -> str:
    cells = []
    for cell, width in zip(row, widths, strict=True):
        shown = cut(cell, width)
        padding = " " * (width - columns(shown))
        cells.append((paint(shown, cell) if colour else shown) + padding)
    return _GAP.join(cells).rstrip()
