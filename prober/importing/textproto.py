"""Protocol buffers as text: their values, and the line of each.

Document: Text Format Language Specification, protobuf.dev.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

from prober.importing.draft import SourcePlace
from prober.importing.source import Steps, UnreadableSource

_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\f\v]+|\#[^\n]*)
    |(?P<line>\n)
    |(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<number>-?(?:0[xX][0-9a-fA-F]+|[0-9.]+(?:[eE][+-]?[0-9]+)?)[fF]?)
    |(?P<mark>[{}<>\[\]:,;./-])
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|(.))", re.DOTALL)
_LETTERS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f"}
_TRUTH = {"true": True, "True": True, "t": True, "false": False, "False": False, "f": False}
_DEEPEST = 50


class ProtoToken(NamedTuple):
    """A piece of the text, and its line."""

    kind: str
    text: str
    line: int


class TextProto:
    """A message in a file.

    Attributes:
        file: The name of the file.
        value: The fields by name; one that is given more than once is a list.
    """

    def __init__(self, text: str, file: str) -> None:
        """Read a file; raise `UnreadableSource`."""
        self.file = file
        self._lines: dict[Steps, int] = {(): 1}
        self._tokens = [*_tokens(text, file), ProtoToken("end", "the end of the file", 0)]
        self._at = 0
        self._text = text.splitlines()
        self.value = self._message((), "end")
        del self._tokens, self._text

    def origin(self, *steps: str | int) -> SourcePlace:
        """Return the place of the value at a path, or of the nearest one above it."""
        while steps not in self._lines:
            steps = steps[:-1]
        return SourcePlace(self.file, self._lines[steps])

    def _message(self, steps: Steps, end: str) -> dict[str, Any]:
        if len(steps) > _DEEPEST * 2:
            self._fail("fields are nested too deeply")
        found: dict[str, list[tuple[Any, int]]] = {}
        while not self._is_next(end):
            name, line = self._name()
            # each value is placed as one of a list; the list goes if there is only one
            values = found.setdefault(name, [])
            colon = self._skip(":")
            for value in self._values((*steps, name), len(values), colon=colon):
                values.append((value, line))
            self._skip(",", ";")
        self._at += 1
        return {name: self._settle((*steps, name), values) for name, values in found.items()}

    def _settle(self, steps: Steps, values: list[tuple[Any, int]]) -> Any:
        for number, (_, line) in enumerate(values):
            self._lines[(*steps, number)] = line
        self._lines[steps] = values[0][1] if values else self._lines.get(steps, 1)
        if len(values) != 1:
            return [value for value, _ in values]
        start = (*steps, 0)
        below = [each for each in self._lines if each[: len(start)] == start and each != start]
        for each in below:
            self._lines[(*steps, *each[len(start) :])] = self._lines.pop(each)
        return values[0][0]

    def _values(self, steps: Steps, number: int, *, colon: bool) -> Iterator[Any]:
        if not self._skip("["):
            yield self._value((*steps, number), colon=colon)
            return
        while not self._skip("]"):
            yield self._value((*steps, number), colon=colon)
            number += 1
            self._skip(",")

    def _value(self, steps: Steps, *, colon: bool) -> Any:
        token = self._take()
        if token.text in ("{", "<"):
            return self._message(steps, "}" if token.text == "{" else ">")
        if not colon:
            self._fail(f"expected : or {{, got {token.text!r}", token)
        if token.kind == "string":
            return self._string(token)
        if token.text == "-" and self._tokens[self._at].kind == "word":
            return f"-{self._take().text}"
        if token.kind == "word":
            return _TRUTH.get(token.text, token.text)
        if token.kind == "number":
            return _number(token.text)
        return self._fail(f"expected a value, got {token.text!r}", token)

    def _string(self, token: ProtoToken) -> str:
        parts = [token.text]
        while self._tokens[self._at].kind == "string":
            parts.append(self._take().text)
        content = b"".join(_ESCAPE.sub(_unescaped, part[1:-1].encode()) for part in parts)
        return content.decode(errors="replace")

    def _name(self) -> tuple[str, int]:
        """Return the name of a field; that of an extension is in brackets."""
        token = self._take()
        if token.kind == "word":
            return token.text, token.line
        if token.text != "[":
            self._fail(f"expected the name of a field, got {token.text!r}", token)
        name = ""
        while not self._skip("]"):
            part = self._take()
            if part.kind not in ("word", "number") and part.text not in ("/", "."):
                self._fail(f"expected the name of an extension, got {part.text!r}", part)
            name += part.text
        return f"[{name}]", token.line

    def _take(self) -> ProtoToken:
        token = self._tokens[self._at]
        if token.kind == "end":
            self._fail("the file ends inside of a message", token)
        self._at += 1
        return token

    def _skip(self, *marks: str) -> bool:
        token = self._tokens[self._at]
        skipped = token.kind == "mark" and token.text in marks
        self._at += skipped
        return skipped

    def _is_next(self, end: str) -> bool:
        token = self._tokens[self._at]
        return token.kind == "end" if end == "end" else token.kind == "mark" and token.text == end

    def _fail(self, why: str, token: ProtoToken | None = None) -> NoReturn:
        found = token or self._tokens[self._at]
        line = found.line or len(self._text)
        _refuse(self.file, line, why, self._text[line - 1] if 0 < line <= len(self._text) else "")


def _tokens(text: str, file: str) -> Iterator[ProtoToken]:
    at, line = 0, 1
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            whole = text.splitlines()[line - 1]
            _refuse(file, line, f"not valid textproto: {text[at : at + 10]!r}", whole)
        if match.lastgroup == "line":
            line += 1
        elif match.lastgroup != "space":
            yield ProtoToken(match.lastgroup, match[0], line)
        at = match.end()


def _refuse(file: str, line: int, why: str, whole: str) -> NoReturn:
    if "{{" in whole or "{%" in whole:
        why = "a template; import what `cloudprober --dumpconfig` prints"
    raise UnreadableSource(f"{file}:{line}: {why}")


def _unescaped(match: re.Match[bytes]) -> bytes:
    octal, hexadecimal, letter = match.groups()
    if octal or hexadecimal:
        return bytes([(int(octal, 8) if octal else int(hexadecimal, 16)) & 0xFF])
    return _LETTERS.get(letter, letter)


def _number(text: str) -> int | float | str:
    bare = text.rstrip("fF") if not text.lower().startswith(("0x", "-0x")) else text
    for read in (lambda: int(bare, 0), lambda: int(bare, 8), lambda: float(bare)):
        try:
            return read()
        except ValueError:
            continue
    return text
