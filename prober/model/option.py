"""How configuration values are read: each option of a dataclass says its kind, default and use.

A `Kind` turns what YAML, JSON, a command line or a cloud API gives into what the code uses, and
back. `option` attaches one to a dataclass field, `section` makes a kind of a whole dataclass.
The configuration reader, the effective configuration, the JSON schema and the documentation all
follow from these declarations, so that a rule stands in one place.
"""

import dataclasses
import difflib
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar, cast

T = TypeVar("T")

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_SHOWN = 100  # characters of a wrong value that are repeated to the person who wrote it

Path = tuple[str | int, ...]
"""Where a value stands: keys and indexes from the top."""


def dotted(path: Path) -> str:
    """Write a path as `monitors[0].labels.rack`."""
    steps = (
        f".{step}" if isinstance(step, str) and re.fullmatch(r"[\w-]+", step) else f"[{step!r}]"
        for step in path
    )
    return "".join(steps).removeprefix(".")


class Complaint(NamedTuple):
    """One thing that is wrong, and where; the path is relative to the value that was read."""

    path: Path
    message: str


class Rejected(ValueError):  # noqa: N818  (reads as what happened to the value)
    """A value that cannot be used, with everything that is wrong with it."""

    def __init__(self, *complaints: Complaint | str) -> None:
        self.complaints = tuple(
            Complaint((), each) if isinstance(each, str) else each for each in complaints
        )
        super().__init__("; ".join(each.message for each in self.complaints))


class ReadContext(NamedTuple):
    """What a configuration may refer to beyond itself.

    `directory` is the configuration file's: relative paths start there. `read_file` returns a
    file's text and raises OSError or UnicodeDecodeError; `environment` holds the variables.
    """

    directory: str
    read_file: Callable[[str], str]
    environment: Mapping[str, str]

    def locate(self, name: str) -> str:
        """Return the path of a file that the configuration names."""
        return posixpath.join(self.directory, name)


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """One sort of value.

    `read` returns the value or raises `Rejected`; `show` gives it back as JSON (secrets masked);
    `schema` is the JSON schema of what `read` accepts.
    """

    read: Callable[[object, ReadContext], T]
    schema: Mapping[str, object]
    show: Callable[[T], object] = lambda value: value


def option(kind: Kind[T], default: Any = dataclasses.MISSING, *, doc: str) -> Any:
    """Declare a dataclass field that is a configuration key; without a default it is required."""
    return dataclasses.field(default=default, metadata={"kind": kind, "doc": doc})


def options_of(cls: type) -> dict[str, dataclasses.Field[Any]]:
    """Return the fields of a dataclass that are configuration keys, by name."""
    return _options_of(cls)


@cache
def _options_of(cls: Any) -> dict[str, dataclasses.Field[Any]]:
    fields = dataclasses.fields(cls)
    return {field.name: field for field in fields if "kind" in field.metadata}


def is_required(field: dataclasses.Field[Any]) -> bool:
    """Tell whether a configuration key must be given."""
    return field.default is dataclasses.MISSING


def gather(readings: Iterable[tuple[Path, Callable[[], T]]]) -> list[T]:
    """Run every reading and return what they gave, or raise all their complaints at once."""
    values: list[T] = []
    complaints: list[Complaint] = []
    for path, read in readings:
        try:
            values.append(read())
        except Rejected as rejected:
            complaints += [
                Complaint(path + each.path, each.message) for each in rejected.complaints
            ]
    if complaints:
        raise Rejected(*complaints)
    return values


def in_words(value: object) -> str:
    """Describe a value to the person who wrote it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"the boolean {str(value).lower()}"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case str():
            return repr(value) if len(value) <= _SHOWN else f"{value[:_SHOWN]!r}..."
        case int() if value.bit_length() > 128:
            return "a very large number"
        case _:
            return str(value)


def expected(what: str, value: object) -> Rejected:
    """Return the complaint about a value of the wrong sort."""
    return Rejected(f"expected {what}, got {in_words(value)}")


_ABBREVIATION = 3  # letters


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return what a misspelt or abbreviated word most likely means, None if that is unclear."""
    names = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    if not near and len(word) >= _ABBREVIATION:
        near = [name for name in names if name.startswith(word.lower())]
    return names[near[0]] if len(near) == 1 else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean ...?` for a near miss, otherwise nothing."""
    near = nearest(word, known)
    return f"; did you mean {near!r}?" if near is not None else ""


def mapping(value: object) -> dict[str, object]:
    """Return the value if it is a mapping with text keys, else raise `Rejected`."""
    if not isinstance(value, dict):
        raise expected("a mapping", value)
    strange = [key for key in value if not isinstance(key, str)]
    if strange:
        raise Rejected(
            *(Complaint((str(k),), f"expected a text key, got {in_words(k)}") for k in strange)
        )
    return cast("dict[str, object]", value)


def read_options(
    cls: type, given: Mapping[str, object], outside: ReadContext, kept: Mapping[str, Any] = _NOTHING
) -> tuple[dict[str, Any], list[Complaint]]:
    """Read the keys of a dataclass: the values that are right, and what is wrong with the rest.

    Keys that the dataclass does not have are left to the caller. `kept` are values that were read
    before, for keys that are not given.
    """
    values: dict[str, Any] = {}
    complaints: list[Complaint] = []
    for name, field in options_of(cls).items():
        if name not in given:
            if name in kept:
                values[name] = kept[name]
            elif is_required(field):
                complaints.append(Complaint((), f"missing key {name!r}"))
            continue
        try:
            values[name] = field.metadata["kind"].read(given[name], outside)
        except Rejected as rejected:
            complaints += [Complaint((name, *c.path), c.message) for c in rejected.complaints]
    return values, complaints


def unknown_keys(given: Iterable[str], known: Iterable[str]) -> list[Complaint]:
    """Return a complaint for each key that is not known."""
    names = list(known)
    return [
        Complaint((key,), f"unknown key{did_you_mean(key, names)}")
        for key in given
        if key not in names
    ]


def build(cls: type[T], values: Mapping[str, Any], complaints: list[Complaint]) -> T:
    """Make the dataclass, adding what its own `__post_init__` rejects to the complaints."""
    if complaints:
        raise Rejected(*complaints)
    return cls(**values)


def section(cls: type[T]) -> Kind[T]:
    """Return the kind of a mapping whose keys are the options of a dataclass."""

    def read(value: object, outside: ReadContext) -> T:
        given = mapping(value)
        values, complaints = read_options(cls, given, outside)
        return build(cls, values, unknown_keys(given, options_of(cls)) + complaints)

    return Kind(read, schema_of(cls), show_options)


def show_options(value: Any) -> dict[str, object]:
    """Return the effective options of a dataclass as JSON, without those that are not set."""
    shown = {}
    for name, field in options_of(type(value)).items():
        content = getattr(value, name)
        if content not in (None, "", ()):
            shown[name] = field.metadata["kind"].show(content)
    return shown


def schema_of(cls: type) -> dict[str, object]:
    """Return the JSON schema of the mapping that `section(cls)` reads."""
    options = options_of(cls)
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            name: {**field.metadata["kind"].schema, "description": field.metadata["doc"]}
            for name, field in options.items()
        },
        "required": [name for name, field in options.items() if is_required(field)],
    }
