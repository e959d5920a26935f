"""The kind of value that is a regular expression."""

import re

from prober.model.kinds import reject_surrogates
from prober.model.option import Kind, ReadContext, Rejected, expected, in_words

REGEX_SIZE = 20_000
"""Maximum number of pieces that a regular expression may compile to."""

_REPEAT = re.compile(r"(\)?)(\+|\{(\d*)[,}])")  # whether of a group; how often


def _read_pattern(value: object, _: ReadContext) -> str:
    if not isinstance(value, str) or not value:
        raise expected("a regular expression", value)
    reject_surrogates(value)
    if _size_compiled(value) > REGEX_SIZE:
        raise Rejected(
            f"expected a regular expression with fewer repetitions, got {in_words(value)}"
        )
    import regex  # noqa: PLC0415  (only a configuration that uses it pays for it)

    try:
        regex.compile(value)
    except (regex.error, RecursionError) as error:
        raise Rejected(f"not a regular expression: {error}") from None
    return value


def _size_compiled(pattern: str) -> int:
    """Return an upper estimate of the pieces that a pattern compiles to, from its repetitions.

    `x{5,}` becomes five times x and a loop, `x+` one x and a loop. The text is not parsed, so that
    nothing can be hidden: each repetition of a group counts as if it enclosed all the others.
    """
    pieces, copies = len(pattern), 1
    for repeat in _REPEAT.finditer("".join(pattern.split())):
        times = 1 if repeat[2] == "+" else int(f"0{repeat[3]}"[:9])
        if repeat[1] or "#" in pattern:  # with comments, anything may be the end of a group
            copies = min(copies * (times + 1), REGEX_SIZE + 1)
        else:
            pieces += times
    return pieces * copies


PATTERN = Kind(_read_pattern, {"type": "string", "format": "regex", "minLength": 1})
