"""The kinds of values that configuration keys accept: text, durations, codes, payloads, ..."""

import re
from base64 import b64decode
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeVar, cast
from uuid import UUID

from prober.model.option import (
    Complaint,
    Kind,
    ReadContext,
    Rejected,
    did_you_mean,
    expected,
    gather,
    in_words,
    mapping,
    unknown_keys,
)

T = TypeVar("T")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")  # from bytes that are not UTF-8; cannot be sent
_DURATION = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)(ms|s|m|h|d)")
_DURATIONS = re.compile(f"(?:{_DURATION.pattern})+")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_OWN_LABELS = frozenset({"monitor", "pool", "target", "kind", "le", "quantile"})


def text(shortest: int = 0, longest: int = 65536) -> Kind[str]:
    """Return the kind for one line of text without control characters."""

    def read(value: object, _: ReadContext) -> str:
        if not isinstance(value, str):
            raise expected("text", value)
        if _CONTROL.search(value):
            raise Rejected(f"control characters are not allowed, got {in_words(value)}")
        reject_surrogates(value)
        if not shortest <= len(value) <= longest:
            raise Rejected(f"expected {shortest} to {longest} characters, got {len(value)}")
        return value

    return Kind(read, {"type": "string", "minLength": shortest, "maxLength": longest})


def reject_surrogates(value: str) -> None:
    """Raise `Rejected` for text that UTF-8 cannot encode, such as an argument in Latin-1."""
    if has_surrogates(value):
        raise Rejected("not UTF-8 text")


def has_surrogates(value: str) -> bool:
    """Return whether UTF-8 cannot encode a text."""
    return _SURROGATE.search(value) is not None


def matching(pattern: str, what: str, longest: int = 2048) -> Kind[str]:
    """Return the kind for text that fully matches a pattern; `what` describes it."""
    whole = re.compile(pattern)

    def read(value: object, _: ReadContext) -> str:
        if not isinstance(value, str) or not whole.fullmatch(value):
            raise expected(what, value)
        if len(value) > longest:
            raise Rejected(f"expected at most {longest} characters, got {len(value)}")
        reject_surrogates(value)
        return value

    return Kind(read, {"type": "string", "pattern": f"^(?:{pattern})$", "maxLength": longest})


def _read_boolean(value: object, _: ReadContext) -> bool:
    if not isinstance(value, bool):
        raise expected("true or false", value)
    return value


BOOLEAN = Kind(_read_boolean, {"type": "boolean"})


def integer(low: int, high: int) -> Kind[int]:
    """Return the kind for whole numbers from `low` to `high`."""

    def read(value: object, _: ReadContext) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise expected(f"a whole number from {low} to {high}", value)
        return value

    return Kind(read, {"type": "integer", "minimum": low, "maximum": high})


def choice(*words: str) -> Kind[str]:
    """Return the kind for one word of a closed set; YAML reads a bare `1.1` or `2` as a number."""
    numbers: dict[float, str] = {
        float(word) if "." in word else int(word): word for word in words if _NUMBER.fullmatch(word)
    }

    def read(value: object, _: ReadContext) -> str:
        if isinstance(value, float) or type(value) is int:
            word = numbers.get(value, "")
            if isinstance(value, float) or word.isdigit():
                value = word or value
        if value not in words:
            near = did_you_mean(value, words) if isinstance(value, str) else ""
            raise Rejected(f"{expected('one of ' + ', '.join(words), value)}{near}")
        return value

    return Kind(read, {"enum": [*words, *numbers]})


def _in_one_unit(value: object) -> str:
    """Return a hint for a duration of several units, such as 1m30s."""
    if not isinstance(value, str) or not _DURATIONS.fullmatch(value):
        return ""
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(value))
    return f"; write {seconds:.10g}s"


def duration(low: float, high: float) -> Kind[float]:
    """Return the kind for durations: seconds as a number, or text such as `500ms`, `5s`, `2m`."""
    limits = f"a duration from {in_units(low)} to {in_units(high)}"

    def read(value: object, _: ReadContext) -> float:
        if isinstance(value, str) and (found := _DURATION.fullmatch(value)):
            seconds = float(found[1]) * _UNITS[found[2]]
        elif isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value
        else:
            wrong = expected("a duration such as 5, 0.5, 500ms, 5s, 2m, 1h or 7d", value)
            raise Rejected(f"{wrong}{_in_one_unit(value)}")
        if not low <= seconds <= high:  # also false for NaN
            raise expected(limits, value)
        return float(seconds)

    accepts = [
        {"type": "number", "minimum": low, "maximum": high},
        {"type": "string", "pattern": f"^{_DURATION.pattern}$"},
    ]
    return Kind(read, {"oneOf": accepts}, unit="seconds")


def in_units(seconds: float) -> str:
    """Format a duration as in the configuration: `100ms`, `5s`, `1d`."""
    for unit in ("d", "h", "m", "s"):
        if seconds >= _UNITS[unit] and seconds % _UNITS[unit] == 0:
            return f"{seconds / _UNITS[unit]:g}{unit}"
    return f"{seconds * 1000:g}ms" if seconds < 1 else f"{seconds:g}s"


def _as_a_list(value: object) -> str:
    """Return how to write a value that stands where a list of such values is expected."""
    if isinstance(value, dict):
        return ", each item of which begins with '- '"
    return f" such as [{in_words(value)}]" if isinstance(value, str) else ""


def list_of(kind: Kind[T], shortest: int = 0) -> Kind[tuple[T, ...]]:
    """Return the kind for lists."""

    def read(value: object, outside: ReadContext) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise expected(f"a list{_as_a_list(value)}", value)
        if len(value) < shortest:
            raise Rejected(f"expected at least {shortest} in the list, got {len(value)}")
        readings = (
            ((i,), lambda each=each: kind.read(each, outside)) for i, each in enumerate(value)
        )
        return tuple(gather(readings))

    def show(values: tuple[T, ...]) -> list[object]:
        return [kind.show(each) for each in values]

    return Kind(
        read,
        {"type": "array", "items": kind.schema, "minItems": shortest},
        show,
        holds_secrets=kind.holds_secrets,
        names_files=kind.names_files,
    )


class Frozen(dict[str, T]):
    """A mapping that does not change after it was read, so it can be hashed and compared."""

    __slots__ = ()

    def __hash__(self) -> int:  # type: ignore[override]  # dict says it has none
        return hash(frozenset(self.items()))


def mapping_of(
    kind: Kind[T],
    key: Callable[[str], str | None],
    *,
    same: Callable[[str], str] = str,
    most: int = 1000,
) -> Kind[Frozen[T]]:
    """Return the kind for mappings; `key` returns what is wrong with a key, or None.

    Keys of which `same` makes the same are one key, and are given once only.
    """

    def read(value: object, outside: ReadContext) -> Frozen[T]:
        given = mapping(value)
        if len(given) > most:
            raise Rejected(f"expected at most {most} keys, got {len(given)}")
        firsts = {same(name): name for name in reversed(given)}

        def item(name: str) -> T:
            reject_surrogates(name)
            if problem := key(name):
                raise Rejected(problem)
            if (first := firsts[same(name)]) != name:
                raise Rejected(f"the same as {first!r}, which is given as well")
            return kind.read(given[name], outside)

        readings = (((name,), partial(item, name)) for name in given)
        return Frozen(zip(given, gather(readings), strict=True))

    def show(values: Frozen[T]) -> dict[str, object]:
        return {name: kind.show(each) for name, each in values.items()}

    return Kind(
        read,
        {"type": "object", "additionalProperties": kind.schema, "maxProperties": most},
        show,
        holds_secrets=kind.holds_secrets,
        names_files=kind.names_files,
    )


def _wrong_label(name: str) -> str | None:
    if not _LABEL.fullmatch(name) or name.startswith("__"):
        return "expected a Prometheus label name: letters, digits and _, not starting with __"
    if name in _OWN_LABELS:
        return f"this label name is reserved; prober sets {', '.join(sorted(_OWN_LABELS))}"
    return None


LABELS = mapping_of(text(longest=1024), _wrong_label, most=64)


def _read_uuid(value: object, _: ReadContext) -> str:
    try:
        return str(UUID(cast("str", value)))
    except (ValueError, TypeError, AttributeError):
        raise expected("a UUID", value) from None


IDENTIFIER = Kind(_read_uuid, {"type": "string", "format": "uuid"})


class Codes(NamedTuple):
    """A set of status codes, with the text that defined it."""

    written: str
    members: frozenset[int]


def codes(low: int, high: int) -> Kind[Codes]:
    """Return the kind for sets of codes: `200`, `200,202`, `200-204`, or a list of these."""
    part = re.compile(r"\s*([0-9]{1,3})\s*(?:-\s*([0-9]{1,3})\s*)?")
    what = f"codes from {low} to {high} such as 200, 200,202 or 200-204,301"

    def read(value: object, _: ReadContext) -> Codes:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return Codes(str(value), frozenset({value}))
        if isinstance(value, list) and value and {type(each) for each in value} <= {int, str}:
            value = ",".join(map(str, value))
        if not isinstance(value, str):
            raise expected(what, value)
        members: set[int] = set()
        for piece in value.split(","):
            found = part.fullmatch(piece)
            if not found:
                raise expected(what, value)
            first, last = int(found[1]), int(found[2] or found[1])
            if not low <= first <= last <= high:
                raise expected(what, value)
            members.update(range(first, last + 1))
        return Codes(re.sub(r"\s", "", value), frozenset(members))

    one = [{"type": "integer"}, {"type": "string"}]
    several = {"type": "array", "minItems": 1, "items": {"oneOf": one}}
    return Kind(read, {"oneOf": [*one, several]}, lambda value: value.written)


def one_text(value: object, names: Sequence[str]) -> tuple[str, str]:
    """Return the only key of a mapping, which is one of these names, and its text."""
    if not isinstance(value, dict):
        raise expected(" or ".join(f"{{{name}: …}}" for name in names), value)
    given = mapping(value)
    complaints = unknown_keys(given, names)
    if complaints:
        raise Rejected(*complaints)
    if len(given) != 1:
        raise Rejected(f"expected exactly one of {', '.join(names)}")
    name, content = next(iter(given.items()))
    if not isinstance(content, str):
        raise Rejected(Complaint((name,), f"{expected('text', content)}"))
    return name, content


_HEX = re.compile(r"(\s*[0-9A-Fa-f]{2})*\s*", re.ASCII)


def _read_payload(value: object, _: ReadContext) -> bytes:
    how, content = one_text(value, ("text", "hex", "base64"))
    try:
        if how == "text":
            payload = content.encode()
        elif how == "hex":
            if not _HEX.fullmatch(content):
                raise expected("pairs of hex digits", content)
            payload = bytes.fromhex(content)
        else:
            payload = b64decode(content, validate=True)
    except ValueError as error:  # includes binascii.Error and Rejected
        raise Rejected(Complaint((how,), f"not valid {how}: {error}")) from None
    if not 1 <= len(payload) <= 65507:
        raise Rejected(Complaint((how,), f"expected 1 to 65507 bytes, got {len(payload)}"))
    return payload


def _show_payload(payload: bytes) -> dict[str, str]:
    if payload.isascii() and "".join(payload.decode().split("\r\n")).isprintable():
        return {"text": payload.decode()}
    return {"hex": payload.hex()}


def one_of(*names: str) -> dict[str, object]:
    """Return the JSON schema for a mapping with exactly one of these keys and a string value."""
    return {
        "type": "object",
        "properties": {name: {"type": "string"} for name in names},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }


PAYLOAD = Kind(_read_payload, one_of("text", "hex", "base64"), _show_payload)
"""Bytes to send or to find, written as text, hex or base64."""
