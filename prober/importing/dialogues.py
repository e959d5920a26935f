"""Dialogues of other tools as `steps`."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from prober.config.blackbox.re2 import RE2, Pattern
from prober.importing.draft import Keys
from prober.model.option import ReadContext

_TOKEN = re.compile(r"\\.|\[\^|\[|\]|\.(?=[*+{])|\$", re.DOTALL)
_IN_A_LINE = {r"\Z": r"(?=\r?\n)", "$": r"(?=\r?\n)", ".": r"[^\r\n]"}
_VARIABLE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})", re.ASCII)
_LOOKS_VARIABLE = re.compile(r"\$(?=\{\w+\})", re.ASCII)
_NOTHING = ReadContext("", str, {})


def steps_of_queries(queries: Iterable[Mapping[str, Any]]) -> list[Keys]:
    """Return the steps of blackbox_exporter's `query_response`, whose patterns are for lines.

    Raise `Rejected` for a pattern that cannot be translated.
    """
    steps: list[Keys] = []
    for query in queries:
        groups: frozenset[str] | None = None
        if expect := query.get("expect"):
            pattern = RE2.read(expect, _NOTHING)
            compiled = pattern.compiled()
            groups = frozenset([*map(str, range(compiled.groups + 1)), *compiled.groupindex])
            steps.append({"expect_regex": _of_a_line(pattern)})
        elif expect := query.get("expect_bytes"):
            steps.append({"expect": {"text": str(expect)}})
        if send := query.get("send"):
            steps.append({"send": {"text": f"{_with_variables(str(send), groups)}\n"}})
        if query.get("starttls"):
            steps.append({"starttls": {}})
    return steps


def _of_a_line(pattern: Pattern) -> str:
    """Return what matches where the pattern matches in a line, and takes the rest of that."""
    pieces, position, in_class = [], 0, False
    translated = pattern.translated
    for found in _TOKEN.finditer(translated):
        token = found[0]
        pieces.append(translated[position : found.start()])
        position = found.end()
        if in_class:
            in_class = token != "]"  # noqa: S105  (not a password)
        elif token[0] == "[":
            in_class = True
            token = r"[^\r\n" if token == "[^" else token  # noqa: S105  (not a password)
        else:
            token = _IN_A_LINE.get(token, token)
        pieces.append(token)
    pieces.append(translated[position:])
    whole = "".join(pieces)
    grouped = f"(?:{whole})" if "|" in whole else whole
    begins = "(?m)" if "^" in translated else ""
    return f"{begins}{grouped}[^\\n]*\\n"


def _with_variables(send: str, groups: frozenset[str] | None) -> str:
    """Return a text to send with `${1}` for `$1`; without a pattern, nothing is a variable."""
    if groups is None:
        return without_variables(send)
    return _VARIABLE.sub(lambda found: _variable(found, groups), send)


def _variable(found: re.Match[str], groups: frozenset[str]) -> str:
    name = found[2] or found[3]
    if found[1]:
        return "$$" if _LOOKS_VARIABLE.match(found.string, found.end() - 1) else "$"
    return f"${{{name}}}" if name in groups else ""


def without_variables(text: str) -> str:
    """Return the text of a step that says the same as this text does elsewhere."""
    return _LOOKS_VARIABLE.sub("$$", text)
