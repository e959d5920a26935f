"""Reads JSON with the standard library, which is fast; looks for lines only when needed."""

import json
import re
from collections.abc import Callable
from functools import cached_property

from prober.config.problem import Mistake, UnreadableError
from prober.model.option import Path

_NUMBER_LENGTH = 64
_PIECE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}\n]|[^\s"\[\]{}:,]+')
_ESCAPE = re.compile(
    r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<lone>\\u[dD][89a-fA-F])|\\.", re.DOTALL
)


class NotJsonError(UnreadableError):
    """A text that is not JSON; it may still be YAML."""


def read_json(text: str) -> tuple[object, Callable[[Path, str], tuple[int, str]], list[Mistake]]:
    """Return the value of a JSON text, the places of its values, and its mistakes."""
    places = _JsonPlaces(text)
    repeated = False

    def whole_number(digits: str) -> int:
        if len(digits) > _NUMBER_LENGTH:
            message = f"a number of {len(digits)} digits"
            raise UnreadableError(_line(text, text.find(digits)), message)
        return int(digits)

    def mapping(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal repeated
        values = dict(pairs)
        repeated |= len(values) != len(pairs)
        return values

    try:
        value = json.loads(text, object_pairs_hook=mapping, parse_int=whole_number)
    except json.JSONDecodeError as error:
        message = f"not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}, at column {error.colno}"
        raise NotJsonError(error.lineno, message) from None
    if "\\u" in text:
        for escape in _ESCAPE.finditer(text):
            if escape["lone"]:
                message = "not valid JSON: half of a surrogate pair"
                raise UnreadableError(_line(text, escape.start()), message)
    return value, places.place, places.mistakes if repeated else []


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


class _Place:
    """The line of a JSON value, and those of the values inside it."""

    __slots__ = ("inside", "line")

    def __init__(self, line: int) -> None:
        self.line = line
        self.inside: dict[str | int, _Place] = {}


class _JsonPlaces:
    """The lines of the values in a valid JSON text, computed when first needed."""

    def __init__(self, text: str) -> None:
        self._text = text

    def place(self, path: Path, _: str) -> tuple[int, str]:
        """Return the line of the value at a path, or of the object that should contain it."""
        place = self._found[0]
        for step in path:
            if step not in place.inside:
                break
            place = place.inside[step]
        return place.line, ""

    @property
    def mistakes(self) -> list[Mistake]:
        """The duplicate keys."""
        return self._found[1]

    @cached_property
    def _found(self) -> tuple[_Place, list[Mistake]]:
        top = _Place(1)
        holders: list[tuple[_Place, bool]] = [(top, False)]  # and whether it is a mapping
        path: list[str | int] = []
        mistakes: list[Mistake] = []
        line, key = 1, None
        for piece in _PIECE.findall(self._text):
            holder, has_keys = holders[-1]
            if piece == "\n":
                line += 1
            elif piece in ("]", "}"):
                holders.pop()
                path.pop()
            elif has_keys and key is None:
                key, key_line = json.loads(piece), line
                if key in holder.inside:
                    message = f"duplicate key; first defined on line {holder.inside[key].line}"
                    mistakes.append(Mistake(line, (*path[1:], key), message))
            else:
                step, start = (len(holder.inside), line) if key is None else (key, key_line)
                holder.inside[step] = place = _Place(start)
                key = None
                if piece in ("[", "{"):
                    holders.append((place, piece == "{"))
                    path.append(step)
        return top.inside[0], mistakes
