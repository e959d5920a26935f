"""The option `expect_json`: clauses about values in a JSON body, found by JSONPath (RFC 9535).

The values of a clause are kept as JSON: in Python, `1` equals `true`.
"""

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple, TypeGuard

from prober.model.kinds import BOOLEAN, list_of, reject_surrogates
from prober.model.option import (
    Complaint,
    Kind,
    ReadContext,
    Rejected,
    expected,
    mapping,
    unknown_keys,
)
from prober.model.pattern_kind import PATTERN
from prober.probes.pattern import searcher

OPERATORS: Final = ("equals", "matches", "in", "at_least", "at_most", "exists")
"""What a clause can say of the values at its path."""
VALUES_LIMIT: Final = 100_000
"""Values in a body; one with more is not looked at."""

_MOST = 100
_PATH = re.compile(r"[^\x00-\x1f\x7f]{1,1000}")
_SEPARATORS = re.compile(r"[,\[{]")
_NO_LIBRARY = "needs prober's extra 'json', which is not installed"
Within = Callable[[Any, str], bool]
"""Searches a text for a pattern, within its time; raises TimeoutError."""


class JsonClause(NamedTuple):
    """One clause: a path, and what must be true of each value there, as pairs of word and JSON."""

    path: str
    tests: tuple[tuple[str, str], ...]


class _NotJsonError(ValueError):
    """A body that is not JSON."""


def _path_kind() -> Kind[str]:
    def read(value: object, _: ReadContext) -> str:
        if not isinstance(value, str) or not _PATH.fullmatch(value) or value[0] != "$":
            raise expected("a JSONPath such as $.status or $.checks[0].state", value)
        reject_surrogates(value)
        if value.count("$") > 1 or value.count("..") > 1:
            raise Rejected("expected one $ and at most one .. in a path, which would take long")
        compiled_path(value)
        return value

    return Kind(read, {"type": "string", "pattern": r"^\$"})


def compiled_path(path: str) -> Any:
    """Return a path that was compiled; raise `Rejected`."""
    try:
        from jsonpath import JSONPathEnvironment, JSONPathError  # noqa: PLC0415  (an extra)
    except ImportError:
        raise Rejected(_NO_LIBRARY) from None
    environment = JSONPathEnvironment(strict=True)
    for name in ("match", "search"):  # their patterns have no time limit; `matches` has
        environment.function_extensions.pop(name, None)
    try:
        return environment.compile(path)
    except (JSONPathError, RecursionError, ValueError) as error:
        raise Rejected(f"not a JSONPath: {str(error).splitlines()[0]}") from None


def _scalar(value: object, _: ReadContext) -> object:
    if value is not None and not isinstance(value, str | int | float):
        raise expected("null, true, false, a number or text", value)
    if isinstance(value, str):
        reject_surrogates(value)
    if isinstance(value, float) and not abs(value) < float("inf"):
        raise expected("a finite number", value)
    return value


def _number(value: object, outside: ReadContext) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise expected("a number", value)
    return _scalar(value, outside)


_SCALAR = Kind(_scalar, {"type": ["null", "boolean", "number", "string"]})
_KINDS: dict[str, Kind[Any]] = {
    "equals": _SCALAR,
    "matches": PATTERN,
    "in": list_of(_SCALAR, shortest=1),
    "at_least": Kind(_number, {"type": "number"}),
    "at_most": Kind(_number, {"type": "number"}),
    "exists": BOOLEAN,
}
_PATH_KIND = _path_kind()


def _read_clause(value: object, outside: ReadContext) -> JsonClause:
    given = mapping(value)
    complaints = unknown_keys(given, ("path", *OPERATORS))
    if "path" not in given:
        complaints.append(Complaint((), "missing key 'path'"))
    if not given.keys() & set(OPERATORS):
        complaints.append(Complaint((), f"expected at least one of {', '.join(OPERATORS)}"))
    if given.get("exists") is False and len(given.keys() & set(OPERATORS)) > 1:
        complaints.append(Complaint(("exists",), "leaves nothing for the other conditions"))
    read: dict[str, Any] = {}
    for name, kind in {"path": _PATH_KIND, **_KINDS}.items():
        if name in given:
            try:
                read[name] = kind.read(given[name], outside)
            except Rejected as rejected:
                complaints += [Complaint((name, *c.path), c.message) for c in rejected.complaints]
    if complaints:
        raise Rejected(*complaints)
    tests = tuple((name, json.dumps(read[name])) for name in OPERATORS if name in read)
    return JsonClause(read["path"], tests)


def _show_clause(clause: JsonClause) -> dict[str, object]:
    return {"path": clause.path, **{name: json.loads(value) for name, value in clause.tests}}


_CLAUSES = list_of(
    Kind(
        _read_clause,
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "path": _PATH_KIND.schema,
                **{name: kind.schema for name, kind in _KINDS.items()},
            },
            "required": ["path"],
            "minProperties": 2,
        },
        _show_clause,
    ),
    shortest=1,
)


def _read_clauses(value: object, outside: ReadContext) -> tuple[JsonClause, ...]:
    if isinstance(value, list) and len(value) > _MOST:
        raise Rejected(f"expected at most {_MOST} clauses, got {len(value)}")
    return _CLAUSES.read(value, outside)


JSON_CLAUSES = Kind(_read_clauses, {**_CLAUSES.schema, "maxItems": _MOST}, _CLAUSES.show)


class ClauseJudge:
    """Clauses that were compiled, and judge the text of a body."""

    def __init__(self, clauses: tuple[JsonClause, ...]) -> None:
        self._clauses = [
            (clause.path, compiled_path(clause.path), tuple(_tests_of(clause)))
            for clause in clauses
        ]
        self.searches = sum(name == "matches" for each in clauses for name, _ in each.tests)

    def flaw(self, text: str, within: Within) -> str:
        """Return what is wrong with a body; empty if nothing is. Raise TimeoutError."""
        if len(_SEPARATORS.findall(text)) > VALUES_LIMIT:
            return f"the body has more than {VALUES_LIMIT} JSON values"
        try:
            content = json.loads(text, parse_constant=_reject_constant)
        except (ValueError, RecursionError) as error:
            return f"the body is not JSON: {error}"
        for path, compiled, tests in self._clauses:
            try:
                values = list(compiled.findall(content))
            except Exception as error:  # noqa: BLE001  (of the library: what a path meets in a body)
                return f"{path} cannot be evaluated: {type(error).__name__}"
            for name, wanted, meets in tests:
                if flaw := _flaw(path, name, wanted, values, partial(meets, within)):
                    return flaw
        return ""


def _reject_constant(name: str) -> None:
    raise _NotJsonError(f"{name} is not JSON")


Meets = Callable[[Within, object], bool]


def _tests_of(clause: JsonClause) -> Iterator[tuple[str, object, Meets]]:
    for name, written in clause.tests:
        wanted = json.loads(written)
        yield name, wanted, _meets(name, wanted)


def _meets(name: str, wanted: Any) -> Meets:
    """Return what judges one value."""
    if name == "equals":
        return lambda _, value: _same(value, wanted)
    if name == "in":
        return lambda _, value: any(_same(value, each) for each in wanted)
    if name == "at_least":
        return lambda _, value: _is_number(value) and value >= wanted
    if name == "at_most":
        return lambda _, value: _is_number(value) and value <= wanted
    if name == "matches":
        pattern = searcher(wanted)
        return lambda within, value: isinstance(value, str) and within(pattern, value)
    return lambda _, __: True  # exists


def _same(value: object, wanted: object) -> bool:
    """Return whether two values are the same in JSON, where `1` is `1.0`, but not `true`."""
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _flaw(
    path: str, name: str, wanted: object, values: list[object], meets: Callable[[object], bool]
) -> str:
    """Return what is wrong with the values at a path, according to one test."""
    if name == "exists" and wanted is False:
        return f"{path} exists" if values else ""
    if not values:
        return f"{path} does not exist"
    for value in values:
        if not meets(value):
            word = {"equals": "", "in": "one of ", "at_least": "at least ", "at_most": "at most "}
            wish = "a match for " if name == "matches" else word[name]
            return f"{path} is {_shown(value)}, expected {wish}{json.dumps(wanted)}"
    return ""


def _shown(value: object) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    shown = json.dumps(value)
    return shown if len(shown) <= 100 else f"{shown[:100]}..."
