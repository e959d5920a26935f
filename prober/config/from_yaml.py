"""Reads YAML like PyYAML's safe loader, and records the line of every value.

What a configuration cannot use (dates, sets, custom tags, keys that are not text) and what must be
a mistake (a duplicate key) is a problem.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import accumulate
from typing import Any

import yaml
from yaml.constructor import SafeConstructor

from prober.config.problem import Mistake, UnreadableError
from prober.model.option import Path, in_words

EXPANSION_LIMIT = 1_000_000
"""Maximum number of values after expanding aliases; ten times the written values always fits."""
DEPTH_LIMIT = 200
"""Maximum depth of nested collections."""

Place = Callable[[Path, str], tuple[int, str]]

_PREFIX = "tag:yaml.org,2002:"
_TEXT, _MERGE = _PREFIX + "str", _PREFIX + "merge"
_NUMBER_LENGTH = 64
_OF_INDENTATION = (
    "mapping values are not allowed in this context",
    "did not find expected key",
    "did not find expected '-' indicator",
)
_OCTAL = re.compile(r"([-+]?)0([0-7_]+)")


def read_yaml(text: str) -> tuple[object, Place, list[Mistake]]:
    """Return the value of a YAML text, the places of its values, and its mistakes."""
    try:
        if _may_be_deep(text):
            _measure_depth(text)
        loader = yaml.CSafeLoader(text)
        root = loader.get_single_node()
    except yaml.reader.ReaderError as error:
        before = text.encode()[: error.position]
        character = f"the character U+{error.character:04X}"
        message = f"not valid YAML: {character} is not allowed"
        raise UnreadableError(before.count(b"\n") + 1, message) from None
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text) from None
    if root is None:
        raise UnreadableError(1, "the file is empty")
    values = _YamlValues()
    return values.of(root), partial(_place, root), values.mistakes


def _may_be_deep(text: str) -> bool:
    """Return quickly whether nesting may be deep; counts brackets in text and comments too."""
    depth = 0
    for bracket in re.findall(r"[\[\]{}]", text):
        depth = max(0, depth + (1 if bracket in "[{" else -1))
        if depth > DEPTH_LIMIT:
            return True
    return bool(re.search(r"(?:[-?:]\s+){100}", text))


def _measure_depth(text: str) -> None:
    """Raise RecursionError for nesting that could overflow the stack of the YAML library."""
    steps = (
        isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        for event in yaml.parse(text, Loader=yaml.CSafeLoader)
    )
    if any(depth > DEPTH_LIMIT for depth in accumulate(steps)):
        raise RecursionError


def _syntax_error(error: yaml.MarkedYAMLError, text: str) -> UnreadableError:
    lines = text.splitlines()
    line = min(error.problem_mark.line + 1, len(lines)) if error.problem_mark else 1
    if error.problem == "but found another document":
        return UnreadableError(line, "expected one YAML document, found a second one")
    message = f"not valid YAML: {error.problem}"
    if error.context and error.context_mark and error.context_mark.line + 1 < line:
        message += f" {error.context} that starts on line {error.context_mark.line + 1}"
    return UnreadableError(line, message + _syntax_hint(error, lines[line - 1]))


def _syntax_hint(error: yaml.MarkedYAMLError, line: str) -> str:
    """Return what to do about the usual causes of a syntax error, or an empty string."""
    if re.match(r" *\t", line):
        return "; tabs cannot indent, use spaces"
    if re.search(r"(?<![\"'\w])\[[0-9a-fA-F:.]*:[0-9a-fA-F:.]*\]:", line):
        return "; an IPv6 address in brackets needs quotes"
    if error.problem in _OF_INDENTATION:
        return "; check the indentation of this line and of those above it"
    return ""


class _YamlValues:
    """Turns YAML nodes into plain values, and notes what a configuration cannot contain."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []
        self._path: list[str | int] = []
        self._made: dict[int, tuple[Any, int]] = {}  # a collection's value and size, by node
        self._open: set[int] = set()
        self._written = self._expanded = 0
        constructor = SafeConstructor()
        self._scalars: dict[str, Callable[[yaml.ScalarNode], object]] = {
            _TEXT: lambda node: node.value,
            _PREFIX + "value": lambda node: node.value,
            _PREFIX + "null": constructor.construct_yaml_null,
            _PREFIX + "bool": constructor.construct_yaml_bool,
            _PREFIX + "int": constructor.construct_yaml_int,
            _PREFIX + "float": constructor.construct_yaml_float,
        }

    def of(self, node: yaml.Node) -> Any:
        """Return the value of a node."""
        if isinstance(node, yaml.ScalarNode):
            self._written += 1
            self._expanded += 1
            return node.value if node.tag == _TEXT else self._scalar(node)
        identity = id(node)
        if identity in self._made:
            value, size = self._made[identity]
            self._expand(node, size)
            return value
        if identity in self._open:
            raise UnreadableError(_line(node), "this value contains an alias of itself")
        self._open.add(identity)
        before = self._expanded
        self._written += 1
        self._expanded += 1
        if node.tag not in (_PREFIX + "map", _PREFIX + "seq"):
            self._mistake(node, f"the YAML tag {_tag(node)} is not supported")
        value = self._mapping(node) if isinstance(node, yaml.MappingNode) else self._list(node)
        self._made[identity] = value, self._expanded - before
        self._open.discard(identity)
        return value

    def _expand(self, node: yaml.Node, size: int) -> None:
        self._expanded += size
        if self._expanded > max(EXPANSION_LIMIT, 10 * self._written):
            message = f"aliases expand this to more than {EXPANSION_LIMIT} values"
            raise UnreadableError(_line(node), message)

    def _mistake(self, node: yaml.Node, message: str, *steps: str) -> None:
        self.mistakes.append(Mistake(_line(node), (*self._path, *steps), message))

    def _list(self, node: yaml.Node) -> list[Any]:
        self._path.append(0)
        values = []
        for i, each in enumerate(node.value):
            self._path[-1] = i
            values.append(self.of(each))
        self._path.pop()
        return values

    def _mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key, content in node.value:
            if key.tag == _MERGE:
                continue
            if key.tag != _TEXT or not isinstance(key, yaml.ScalarNode):
                message = f"expected a text key, got {in_words(self.of(key))}"
                self._mistake(key, message + _hint(key, message))
                continue
            name = key.value
            if name in lines:
                self._mistake(key, f"duplicate key; first defined on line {lines[name]}", name)
            lines[name] = _line(key)
            self._path.append(name)
            values[name] = self.of(content)
            self._path.pop()
        for key, content in node.value:
            if key.tag == _MERGE:
                self._merge(content, values)
        return values

    def _merge(self, content: yaml.Node, values: dict[str, Any]) -> None:
        for source in _merged(content):
            if not isinstance(source, yaml.MappingNode):
                self._mistake(source, "expected a mapping, or a list of mappings, to merge", "<<")
                continue
            for name, value in self.of(source).items():
                values.setdefault(name, value)

    def _scalar(self, node: yaml.ScalarNode) -> object:
        construct = self._scalars.get(node.tag)
        if node.tag == _PREFIX + "timestamp" and not node.style:
            quote = "put it in quotes to keep it as text"
            self._mistake(node, f"YAML reads the plain {node.value} as a date; {quote}")
        elif construct is None:
            self._mistake(node, f"the YAML tag {_tag(node)} is not supported")
        elif len(node.value) > _NUMBER_LENGTH and node.tag != _TEXT:
            self._mistake(node, f"a number of {len(node.value)} characters")
        else:
            try:
                value = construct(node)
            except (ValueError, LookupError, ArithmeticError):
                self._mistake(node, f"{node.value!r} is not a YAML {_tag(node)}")
            else:
                if trap := _trap(node, value):
                    self._mistake(node, trap)
                return value
        return node.value


def _trap(node: yaml.ScalarNode, value: object) -> str | None:
    """Return why a plain number is surely not the one that was meant, None if it may be."""
    if node.style or not isinstance(value, int | float) or isinstance(value, bool):
        return None
    octal = _OCTAL.fullmatch(node.value)
    if octal:
        how = f"(octal); write {octal[1]}{octal[2].lstrip('0_') or 0}, or put it in quotes"
    elif ":" in node.value:
        how = "(base 60); put it in quotes"
    else:
        return None
    return f"YAML reads the plain {node.value} as {value:g} {how} to keep it as text"


def _tag(node: yaml.Node) -> str:
    return "!!" + node.tag.removeprefix(_PREFIX) if node.tag.startswith(_PREFIX) else node.tag


def _line(node: yaml.Node) -> int:
    line: int = node.start_mark.line
    return line + 1


def _merged(content: yaml.Node) -> list[yaml.Node]:
    return content.value if isinstance(content, yaml.SequenceNode) else [content]


def _place(root: yaml.Node, path: Path, message: str) -> tuple[int, str]:
    node, line = root, _line(root)
    for step in path:
        found = next(_children(node, step), None)
        if found is None:
            return line, ""
        holder, node = found
        line = _line(holder)
    return line, _hint(node, message)


def _children(node: yaml.Node, step: str | int) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """Yield what matches a key or an index: the node that gives the line, and its content."""
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        yield from ((each, each) for each in node.value[step : step + 1])
    elif isinstance(node, yaml.MappingNode):
        pairs = node.value[::-1]  # of duplicate keys, the last one was read
        yield from (pair for pair in pairs if pair[0].value == step and pair[0].tag == _TEXT)
        for key, content in node.value:
            if key.tag == _MERGE:
                for source in _merged(content):
                    yield from _children(source, step)


def _hint(node: yaml.Node | None, message: str) -> str:
    """Return a hint on what YAML made of a plain scalar, if it differs from the written text."""
    if not isinstance(node, yaml.ScalarNode) or node.style or node.tag == _TEXT:
        return ""
    if ", got " not in message or not node.value:
        return ""
    value = in_words(_YamlValues().of(node))
    if node.value not in (value, value.removeprefix("the boolean ")):
        return f"; YAML reads the plain {node.value} as {value} unless it is in quotes"
    return "; put it in quotes" if message.startswith("expected text") else ""
