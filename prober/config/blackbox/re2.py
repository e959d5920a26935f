r"""Go's regular expressions (RE2's syntax) in the words of the `regex` module.

The two differ in little, but silently: `$` without `(?m)` is the end of the text only, `\d`, `\w`,
`\s` and `\b` are about ASCII, a `{` that repeats nothing is a brace. What RE2 does not know
(looking around, references back) is refused, as there.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from prober.config.blackbox.unsupported import unsupported
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
    """A regular expression as it was written, and in the words of the `regex` module."""

    written: str
    translated: str

    def compiled(self) -> Any:
        """Return it compiled by `regex`."""
        return _compiled(self.translated)


@lru_cache(maxsize=1024)
def _compiled(translated: str) -> Any:
    import regex  # noqa: PLC0415  (only a configuration that uses it pays for it)

    return regex.compile(translated, regex.ASCII | regex.VERSION0)


def _read_pattern(value: object, _: ReadContext) -> Pattern:
    if not isinstance(value, str):
        raise expected("a regular expression", value)
    import regex  # noqa: PLC0415  (as above)

    pattern = Pattern(value, "".join(_translated(value)))
    try:
        pattern.compiled()
    except (regex.error, RecursionError) as error:
        raise Rejected(f"not a regular expression: {error}") from None
    return pattern


RE2 = Kind(_read_pattern, {"type": "string", "format": "regex"}, lambda pattern: pattern.written)


def _no(what: str) -> Rejected:
    return Rejected(f"not a regular expression of RE2: {what}")


def _translated(written: str) -> Iterator[str]:
    """Yield the pattern piece by piece. Raise `Rejected`."""
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
        raise _no(f"{rest[:4]!r} is not known to it")
    flags, end = found[1], found[2]
    if "U" in flags:
        raise unsupported("the flag U (lazy repetitions) cannot be translated")
    if "i" in flags and not is_ascii:
        raise unsupported("the flag i together with letters beyond ASCII cannot be translated")
    if end == ")" and (not first or "-" in flags):
        raise unsupported(f"flags such as {found[0]!r} can only stand at the beginning")
    if end == ":" and "m" in flags:
        raise unsupported("the flag m for a part of the expression cannot be translated")
    return found[0], found.end()


def _escape(rest: str, *, in_class: bool) -> tuple[str, int]:
    """Translate what begins with a backslash; return that and the length of what it stands for."""
    if found := _HEX.match(rest):
        code = int(found[1] or found[2], 16)
        if code > 0x10FFFF:
            raise _no(f"there is no character {found[0]}")
        return f"\\U{code:08x}", found.end()
    if rest[1:2] in ("p", "P"):
        raise unsupported("classes of Unicode such as \\p{Greek} cannot be translated")
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
    raise _no(f"{rest[:2]!r} is not known to it")


def _class(rest: str) -> tuple[str, int]:
    """Translate what stands in brackets."""
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
        raise _no("a [ without its ]")
    return f"{''.join(pieces)}]", position + 1
