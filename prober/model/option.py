"""Options: each field of a configuration dataclass declares everything that is known about its key.

A `Kind` converts the values of YAML, JSON, a command line or a cloud API to those in the code, and
back. `option` attaches a kind to a dataclass field; `section` makes a kind of a whole dataclass.
The configuration reader, the effective configuration, masking, what needs a restart, the JSON
schema and the documentation all follow from these declarations.
"""

import dataclasses
import difflib
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar, cast

T = TypeVar("T")

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_SHOWN = 100  # characters of a wrong value that a message repeats

HIDDEN = "<secret>"
"""What is shown in place of a secret; sent back over the API, it stands for the existing secret."""
FIRST_VERSION = "0.1.0"
"""The version that introduced all options without a `since` of their own."""

Secrecy = bool | Callable[[str], bool]
"""Whether a value is a secret; for a mapping, a function can decide by the name of each item."""

Path = tuple[str | int, ...]
"""The place of a value: keys and indexes from the top."""


def dotted(path: Path) -> str:
    """Format a path as `monitors[0].labels.rack`."""
    steps = (
        f".{step}" if isinstance(step, str) and re.fullmatch(r"[\w-]+", step) else f"[{step!r}]"
        for step in path
    )
    return "".join(steps).removeprefix(".")


class Complaint(NamedTuple):
    """One problem and its place; the path is relative to the value that was read."""

    path: Path
    message: str


class Rejected(ValueError):  # noqa: N818  (describes what happened to the value)
    """A value that cannot be used, with everything that is wrong with it."""

    def __init__(self, *complaints: Complaint | str) -> None:
        self.complaints = tuple(
            Complaint((), each) if isinstance(each, str) else each for each in complaints
        )
        super().__init__("; ".join(each.message for each in self.complaints))


class ReadContext(NamedTuple):
    """The environment in which a configuration is read.

    `directory` is that of the configuration file, where relative paths start. `read_file` returns
    the text of a file or raises OSError or UnicodeDecodeError; `environment` holds the variables.
    With `without_secrets`, files and variables that hold secrets may be absent. `note_secret` is
    called with the path of each file that is read for a secret or a certificate.
    """

    directory: str
    read_file: Callable[[str], str]
    environment: Mapping[str, str]
    without_secrets: bool = False
    note_secret: Callable[[str], object] = str

    def locate(self, name: str) -> str:
        """Return the path of a file that the configuration refers to."""
        return posixpath.join(self.directory, name)


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """One kind of value.

    `read` returns the value or raises `Rejected`; `show` converts it back to JSON, with secrets
    masked; `schema` is the JSON schema of what `read` accepts. `unit` is the unit of a bare number.
    `holds_secrets` means that a value can come from a file or the environment and is then masked;
    `names_files` means that it is the path of a file that was read and found valid.
    """

    read: Callable[[object, ReadContext], T]
    schema: Mapping[str, object]
    show: Callable[[T], object] = lambda value: value
    unit: str = ""
    holds_secrets: bool = False
    names_files: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """Everything that is known about a configuration key.

    `live` keys take effect on a reload, others when the daemon starts. A `secret` value is masked
    wherever it is shown, however it was given. `unit` is the unit of a bare number; `since` is the
    version that introduced the key.
    """

    kind: Kind[Any]
    default: Any
    doc: str
    live: bool
    secret: Secrecy
    unit: str
    since: str

    @property
    def is_required(self) -> bool:
        """Whether the key is required."""
        return self.default is MISSING

    @property
    def can_hide(self) -> bool:
        """Whether a value may be masked when it is shown."""
        return self.kind.holds_secrets or bool(self.secret)

    def hides(self, name: str) -> bool:
        """Return whether a value is a secret; for a mapping, the item of this name."""
        return self.secret(name) if callable(self.secret) else self.secret

    def show(self, content: Any) -> object:
        """Return a value as JSON, with secrets masked."""
        shown = self.kind.show(content)
        if not self.secret:
            return shown
        if isinstance(shown, dict):
            return {name: HIDDEN if self.hides(name) else each for name, each in shown.items()}
        return HIDDEN

    def schema(self) -> dict[str, object]:
        """Return the JSON schema of the key, with everything else as annotations."""
        return {
            **self.kind.schema,
            "description": self.doc,
            "x-takes-effect": "on reload" if self.live else "on restart",
            **({"x-secret": True} if self.secret is True else {}),
            **({"x-unit": self.unit} if self.unit else {}),
            "x-since": self.since,
        }


def option(
    kind: Kind[T],
    default: Any = MISSING,
    *,
    doc: str,
    live: bool = True,
    secret: Secrecy = False,
    unit: str = "",
    since: str = FIRST_VERSION,
) -> Any:
    """Declare a dataclass field that is a configuration key; without a default it is required.

    The other arguments are those of `Option`; the default of `unit` is that of the kind.
    """
    known = Option(kind, default, doc, live, secret, unit or kind.unit, since)
    return dataclasses.field(default=default, metadata={"option": known})


def options_of(cls: type) -> dict[str, Option]:
    """Return the configuration keys of a dataclass, by name."""
    return _options_of(cls)


@cache
def _options_of(cls: Any) -> dict[str, Option]:
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    return {field.name: field.metadata["option"] for field in fields if "option" in field.metadata}


def have_in_common(one: type, other: type, key: str) -> bool:
    """Return whether two dataclasses mean the same by a key: both have it, of one kind."""
    mine, theirs = options_of(one).get(key), options_of(other).get(key)
    return mine is not None and theirs is not None and mine.kind is theirs.kind


def gather(readings: Iterable[tuple[Path, Callable[[], T]]]) -> list[T]:
    """Run all readings and return their values, or raise all of their complaints at once."""
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
    """Return the complaint about a value of the wrong kind."""
    return Rejected(f"expected {what}, got {in_words(value)}")


_ABBREVIATION = 3  # letters


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the likely meaning of a misspelt or abbreviated word, or None if it is unclear."""
    names = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    if not near and len(word) >= _ABBREVIATION:
        near = [name for name in names if name.startswith(word.lower())]
    return names[near[0]] if len(near) == 1 else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean ...?` for a near miss, otherwise an empty string."""
    near = nearest(word, known)
    return f"; did you mean {near!r}?" if near is not None else ""


def mapping(value: object) -> dict[str, object]:
    """Return the value if it is a mapping with text keys; otherwise raise `Rejected`."""
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
    """Read the keys of a dataclass: return the valid values, and what is wrong with the others.

    The caller handles keys that the dataclass does not have. `kept` are values from an earlier
    reading, for keys that are not given.
    """
    values: dict[str, Any] = {}
    complaints: list[Complaint] = []
    for name, each in options_of(cls).items():
        if name not in given:
            if name in kept:
                values[name] = kept[name]
            elif each.is_required:
                complaints.append(Complaint((), f"missing key {name!r}"))
            continue
        try:
            values[name] = each.kind.read(given[name], outside)
        except Rejected as rejected:
            complaints += [Complaint((name, *c.path), c.message) for c in rejected.complaints]
    return values, complaints


def unknown_keys(given: Iterable[str], known: Iterable[str]) -> list[Complaint]:
    """Return a complaint for each unknown key."""
    names = list(known)
    return [
        Complaint((key,), f"unknown key{did_you_mean(key, names)}")
        for key in given
        if key not in names
    ]


def build(cls: type[T], values: Mapping[str, Any], complaints: list[Complaint]) -> T:
    """Create the dataclass, adding the complaints of its `__post_init__`, or raise `Rejected`."""
    if complaints:
        raise Rejected(*complaints)
    return cls(**values)


def section(cls: type[T]) -> Kind[T]:
    """Return the kind for a mapping whose keys are the options of a dataclass."""

    def read(value: object, outside: ReadContext) -> T:
        given = mapping(value)
        values, complaints = read_options(cls, given, outside)
        return build(cls, values, unknown_keys(given, options_of(cls)) + complaints)

    options = options_of(cls).values()
    return Kind(
        read,
        schema_of(cls),
        show_options,
        holds_secrets=any(each.can_hide for each in options),
        names_files=any(each.kind.names_files for each in options),
    )


def show_options(value: Any) -> dict[str, object]:
    """Return the effective options of a dataclass as JSON, without those that are not set."""
    shown = {}
    for name, each in options_of(type(value)).items():
        content = getattr(value, name)
        if content not in (None, "", ()):
            shown[name] = each.show(content)
    return shown


def schema_of(cls: type) -> dict[str, object]:
    """Return the JSON schema for the mapping that `section(cls)` reads."""
    options = options_of(cls)
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: each.schema() for name, each in options.items()},
        "required": [name for name, each in options.items() if each.is_required],
    }
