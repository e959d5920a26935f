"""Query parameters: each is declared once, to read it and to describe it in OpenAPI."""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from aiohttp import web

from prober.model.kinds import duration, in_units
from prober.model.option import ReadContext, Rejected, did_you_mean
from prober.model.pool import PLACE_SCHEMA, parse_place
from prober.state.slots import WIDTH
from prober.web.server.errors import Refused
from prober.web.server.json_answer import json_text

_WHOLE = re.compile(r"[0-9]{1,18}")
_PLUS_LOST = re.compile(r" (\d\d:\d\d)$")  # an unencoded + arrives as a space

_LONGEST = 3650 * 86400
_SPAN = duration(WIDTH, _LONGEST)
_NOTHING = ReadContext("", str, {})


class Parameter(NamedTuple):
    """One query parameter; `read` converts its text or raises `Rejected`.

    A parameter that can be repeated (`many`) is read as a set, which is empty if it is not given.
    One that is `required` is refused by its handler if it is missing.
    """

    name: str
    read: Callable[[str], Any]
    schema: Mapping[str, object]
    doc: str
    many: bool = False
    required: bool = False

    def value(self, text: str) -> Any:
        """Read one text, or raise `Refused`."""
        try:
            return self.read(text)
        except Rejected as rejected:
            raise Refused(400, f"parameter {self.name!r}: {rejected}") from None


def read_query(request: web.Request, *parameters: Parameter) -> dict[str, Any]:
    """Return the values of all parameters, None for those not given, or raise `Refused`."""
    known = {parameter.name: parameter for parameter in parameters}
    for name in request.query:
        if name not in known:
            raise Refused(400, f"unknown parameter {name!r}{did_you_mean(name, known)}")
    return {parameter.name: _value(request, parameter) for parameter in parameters}


def _value(request: web.Request, parameter: Parameter) -> Any:
    given = request.query.getall(parameter.name, [])
    if len(given) > 1 and not parameter.many:
        raise Refused(400, f"parameter {parameter.name!r} is given {len(given)} times")
    values = [parameter.value(text) for text in given]
    if parameter.many:
        return frozenset(values)
    return values[0] if values else None


def any_text(name: str, doc: str) -> Parameter:
    """Declare a parameter for any text; it can be repeated."""
    return Parameter(name, str, {"type": "string"}, doc, many=True)


def one_of(name: str, words: Iterable[str], doc: str) -> Parameter:
    """Declare a parameter for words of a closed set; it can be repeated."""
    known = [str(word) for word in words]

    def read(text: str) -> str:
        if text not in known:
            near = did_you_mean(text, known)
            raise Rejected(f"expected one of {', '.join(known)}, got {text!r}{near}")
        return text

    return Parameter(name, read, {"enum": known}, doc, many=True)


def backend(name: str, doc: str) -> Parameter:
    """Declare a parameter for `address:port`; it can be repeated."""
    return Parameter(name, lambda text: str(parse_place(text)), PLACE_SCHEMA, doc, many=True)


def whole_number(name: str, low: int, high: int, doc: str, default: int | None = None) -> Parameter:
    """Declare a parameter for a whole number from `low` to `high`."""

    def read(text: str) -> int:
        if not _WHOLE.fullmatch(text) or not low <= int(text) <= high:
            raise Rejected(f"expected a whole number from {low} to {high}, got {text!r}")
        return int(text)

    schema: dict[str, object] = {"type": "integer", "minimum": low, "maximum": high}
    if default is not None:
        schema["default"] = default
    return Parameter(name, read, schema, doc)


def normal_key(key: str) -> str:
    """Return the canonical `address:port`, however an IPv6 address is written."""
    try:
        return str(parse_place(key))
    except Rejected:
        return key


def _time(text: str) -> float | None:
    """Return the unix time of a text in RFC 3339, or None for other text."""
    try:
        moment = datetime.fromisoformat(_PLUS_LOST.sub(r"+\1", text))
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None


def moment(name: str, doc: str) -> Parameter:
    """Declare a parameter for a time since 1970."""

    def read(text: str) -> float:
        at = _time(text)
        if at is None or at < 0:
            raise Rejected(f"expected a time such as 2026-01-31T12:00:00Z, got {text!r}")
        return at

    return Parameter(name, read, {"type": "string", "format": "date-time"}, doc)


def span(name: str, doc: str) -> Parameter:
    """Declare a parameter for the length of a history slot, in whole seconds."""

    def read(text: str) -> int:
        value: object = int(text) if _WHOLE.fullmatch(text) else text
        seconds = _SPAN.read(value, _NOTHING)
        if seconds % WIDTH:
            raise Rejected(f"expected a multiple of {in_units(WIDTH)}, got {text!r}")
        return int(seconds)

    schema = {
        "anyOf": [
            {"type": "integer", "minimum": WIDTH, "maximum": _LONGEST, "multipleOf": WIDTH},
            {
                "type": "string",
                "pattern": r"^(?:5m|[1-9][0-9]{0,4}[05]m|[1-9][0-9]{0,3}h|[1-9][0-9]{0,2}d)$",
            },
        ]
    }
    return Parameter(name, read, schema, doc)


class Since(NamedTuple):
    """A starting point: an event id or a unix time; the other is None."""

    id: int | None
    at: float | None


def since(name: str, doc: str) -> Parameter:
    """Declare a parameter for a time or an event id."""

    def read(text: str) -> Since:
        if _WHOLE.fullmatch(text):
            return Since(int(text), None)
        at = _time(text)
        if at is None:
            raise Rejected(
                f"expected an event id or a time such as 2026-01-31T12:00:00Z, got {text!r}"
            )
        return Since(None, at)

    event = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
    schema = {"anyOf": [event, {"type": "string", "format": "date-time"}]}
    return Parameter(name, read, schema, doc)


def marker_of(*parts: str | int) -> str:
    """Return the opaque text that marks where the next page starts."""
    return urlsafe_b64encode(json_text(parts).encode()).decode().rstrip("=")


def marker(*sorts: type[str | int]) -> Parameter:
    """Declare the parameter for such a marker, with parts of these types.

    A marker is opaque; its format names the parts, for those who generate requests.
    """

    def read(text: str) -> tuple[Any, ...]:
        try:
            found = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, list) or tuple(type(part) for part in found) != sorts:
            raise Rejected(f"expected the next_marker of an earlier answer, got {text!r}")
        return tuple(found)

    schema = {"type": "string", "format": "-".join(["marker", *(each.__name__ for each in sorts)])}
    return Parameter("marker", read, schema, "`next_marker` of the previous page")
