r"""Translates Go's regular expressions (RE2 syntax) to those of the `regex` module.

The differences are few but silent: `$` without `(?m)` matches only at the end of the text; `\d`,
`\w`, `\s` and `\b` are ASCII only; a `{` that repeats nothing is a literal brace. What RE2 does not
support (look-around, back-references) is refused, as in blackbox_exporter.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from prober.config.blackbox.unsupported import unsupported
from prober.model.kinds import reject_surrogates
from prober.model.option import Kind, ReadContext, Rejected, expected

_FLAGS = re.compile(r"\(\?([a-zA-Z-]+)([:)])")
_NAMED = re.compile(r"\(\?P?<([A-Za-z_]\w*)>", re.ASCII)
_REPEAT = re.compile(r"\{[0-9]{1,4}(?:,[0-9]{0,4})?\}")
_HEX = re.compile(r"\\x(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2}))")
_QUOTE = re.compile(r"\\Q(.*?)(?:\\E|$)", re.DOTALL)
_POSIX = re.compile(r"\[:\^?[a-z]+:\]")
_AS_IN_REGEX = "dDwWntrfva"
_SPACE = r"\t\n\f\r "
_SET_OPERATORS = "[&|~"


class Pattern(NamedTuple):
    """A regular expression as written, and as translated for the `regex` module."""

    written: str
    translated: str

    def compiled(self) -> Any:
        """Return the expression compiled by `regex`."""
        return _compiled(self.translated)


@lru_cache(maxsize=1024)
def _compiled(translated: str) -> Any:
    import regex  # noqa: PLC0415  (only a configuration that uses it pays for it)

    return regex.compile(translated, regex.ASCII | regex.VERSION0)


def _read_pattern(value: object, _: ReadContext) -> Pattern:
    if not isinstance(value, str):
        raise expected("a regular expression", value)
    reject_surrogates(value)
    import regex  # noqa: PLC0415  (as above)

    pattern = Pattern(value, "".join(_translated(value)))
    try:
        pattern.compiled()
    except (regex.error, RecursionError) as error:
        raise Rejected(f"not a regular expression: {error}") from None
    return pattern


RE2 = Kind(_read_pattern, {"type": "string", "format": "regex"}, lambda pattern: pattern.written)


def _no(what: str) -> Rejected:
    return Rejected(f"not a valid RE2 regular expression: {what}")


def _translated(written: str) -> Iterator[str]:
    """Yield the translated pattern piece by piece, or raise `Rejected`."""
    multiline = False
    position = 0
    while position < len(written):
        char, rest = written[position], written[position:]
        piece, length = char, 1
        if char == "\\":
            piece, length = _escape(rest, in_class=False)
        elif char == "[":
            piece, length = _class(rest)
        elif rest.startswith("(?"):
            piece, length = _group(rest, first=position == 0, is_ascii=written.isascii())
            multiline |= position == 0 and "m" in piece.partition("-")[0] and piece.endswith(")")
        elif char == "$":
            piece = "$" if multiline else r"\Z"
        elif char in "*+?" or _REPEAT.match(rest):
            piece, length = _repetition(rest)
        elif char == "{":
            piece = r"\{"
        yield piece
        position += length


def _repetition(rest: str) -> tuple[str, int]:
    found = _REPEAT.match(rest)
    length = found.end() if found else 1
    if rest[length : length + 1] == "+":
        raise _no(f"{rest[: length + 1]!r} repeats a repetition")
    if rest[length : length + 1] == "?":
        length += 1
    return rest[:length], length


def _group(rest: str, *, first: bool, is_ascii: bool) -> tuple[str, int]:
    if named := _NAMED.match(rest):
        return f"(?P<{named[1]}>", named.end()
    found = _FLAGS.match(rest)
    if (found and not re.fullmatch(r"[imsU]*(?:-[imsU]+)?", found[1])) or not found:
        if rest.startswith("(?:"):
            return "(?:", 3
        raise _no(f"{rest[:4]!r} is not supported")
    flags, end = found[1], found[2]
    if "U" in flags:
        raise unsupported("prober cannot translate the flag U (lazy repetitions)")
    if "i" in flags and not is_ascii:
        raise unsupported("prober cannot translate the flag i with letters outside ASCII")
    if end == ")" and (not first or "-" in flags):
        raise unsupported(f"flags such as {found[0]!r} must be at the beginning")
    if end == ":" and "m" in flags:
        raise unsupported("prober cannot translate the flag m for a part of the expression")
    return found[0], found.end()


def _escape(rest: str, *, in_class: bool) -> tuple[str, int]:
    """Translate an escape sequence; return the translation and the length of the original."""
    if found := _HEX.match(rest):
        code = int(found[1] or found[2], 16)
        if code > 0x10FFFF:
            raise _no(f"there is no character {found[0]}")
        return f"\\U{code:08x}", found.end()
    if rest[1:2] in ("p", "P"):
        raise unsupported("prober cannot translate Unicode classes such as \\p{Greek}")
    if not in_class and (found := _QUOTE.match(rest)):
        return re.escape(found[1]), found.end()
    char = rest[1:2]
    if char == "s":
        return _SPACE if in_class else f"[{_SPACE}]", 2
    if char == "S" and not in_class:
        return f"[^{_SPACE}]", 2
    if char == "z" and not in_class:
        return r"\Z", 2
    known = _AS_IN_REGEX if in_class else f"{_AS_IN_REGEX}bBA"
    if char and (char in known or (char.isascii() and not char.isalnum())):
        return rest[:2], 2
    raise _no(f"{rest[:2]!r} is not supported")


def _class(rest: str) -> tuple[str, int]:
    """Translate a character class."""
    position = 2 if rest.startswith("[^") else 1
    pieces = [rest[:position]]
    if rest[position : position + 1] == "]":
        pieces.append(r"\]")
        position += 1
    while position < len(rest) and rest[position] != "]":
        char = rest[position]
        piece, length = char, 1
        if found := _POSIX.match(rest, position):
            piece, length = found[0], len(found[0])
        elif char == "\\":
            piece, length = _escape(rest[position:], in_class=True)
        elif char in _SET_OPERATORS:
            piece = f"\\{char}"
        pieces.append(piece)
        position += length
    if position >= len(rest):
        raise _no("missing ]")
    return f"{''.join(pieces)}]", position + 1
