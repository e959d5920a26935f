"""Shapes of JSON answers: one table defines the members of an answer, its rendering and its schema.

A `Shape` consists of members, each with a name, the type of its value and a function that gets the
value from the object that is shown. Rendering and OpenAPI schema follow from the same table.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from aiohttp import web

from prober.model.status import Status
from prober.model.wording import time_text
from prober.state.pace import Pace
from prober.web.server.json_answer import Json, JsonText, json_response, written

S = TypeVar("S")
T = TypeVar("T")


class JsonType(NamedTuple, Generic[T]):
    """A type of JSON values: its schema, and how to convert a value; None: leave it as it is."""

    schema: Mapping[str, Any]
    write: Callable[[T], object] | None = None

    def show(self, value: T) -> object:
        """Return a value in its JSON form."""
        return value if self.write is None else self.write(value)


class JsonMember(NamedTuple, Generic[S]):
    """One member of an object: `get` returns its JSON value for the shown object.

    An `optional` member can be missing in some variants.
    """

    name: str
    schema: Mapping[str, Any]
    get: Callable[[S], object]
    optional: bool


class FurtherMembers(NamedTuple, Generic[S]):
    """Additional members that are known only at run time.

    `schemas` returns the schema of each possible member, `get` the members of one object.
    """

    schemas: Callable[[], Mapping[str, Any]]
    get: Callable[[S], Mapping[str, object]]


class Shape(Generic[S]):
    """The JSON object for a kind of object.

    Args:
        name: Its name among the schemas of the OpenAPI description; empty for none.
        members: Its members, in order.
        doc: A description, where the name is not enough.
        lists: The types of members that are long lists, by name; see `document`.
        further: Members that only some objects have.
    """

    def __init__(
        self,
        name: str,
        *members: JsonMember[S],
        doc: str = "",
        lists: "Mapping[str, JsonType[Any]] | None" = None,
        further: FurtherMembers[S] | None = None,
    ) -> None:
        self.name = name
        self.members = members
        self._doc = doc
        self._lists = lists or {}
        self._further = further
        self._parts = tuple((each.name, each.get) for each in members)

    @property
    def type(self) -> JsonType[S]:
        """The type of a value with this shape."""
        return JsonType(ref(self.name) if self.name else self.schema(), self.render)

    def schema(self) -> Json:
        """Return the JSON schema: these members and no others."""
        lists = {name: listed(of).schema for name, of in self._lists.items()}
        return {
            "type": "object",
            **({"description": self._doc} if self._doc else {}),
            "properties": {
                **{each.name: each.schema for each in self.members},
                **lists,
                **(self._further.schemas() if self._further else {}),
            },
            "required": [*(each.name for each in self.members if not each.optional), *lists],
            "additionalProperties": False,
        }

    def render(self, thing: S) -> Json:
        """Return the JSON object without its long lists."""
        shown = {name: get(thing) for name, get in self._parts}
        if self._further is not None:
            shown.update(self._further.get(thing))
        return shown

    async def written(self, thing: S, pace: Pace, **lists: Iterable[Any]) -> JsonText:
        """Return the JSON object as text with its long lists, writing their items in turns."""
        return await written(self.render(thing), pace, **self._rendered(lists))

    async def document(self, thing: S, **lists: Iterable[Any]) -> web.Response:
        """Return the JSON object as an answer."""
        return json_response(await self.written(thing, Pace(), **lists))

    def _rendered(self, lists: Mapping[str, Iterable[Any]]) -> dict[str, Iterable[object]]:
        assert lists.keys() == self._lists.keys()  # noqa: S101  (the schema promises them)
        return {name: map(self._lists[name].show, lists[name]) for name in lists}


def member(
    name: str,
    kind: JsonType[T],
    get: Callable[[S], T],
    doc: str = "",
    *,
    optional: bool = False,
) -> JsonMember[S]:
    """Return the member that shows what `get` returns for an object."""
    schema, write = {**kind.schema, "description": doc} if doc else kind.schema, kind.write
    written_out = get if write is None else lambda thing: write(get(thing))
    return JsonMember(name, schema, written_out, optional)


def through(get: Callable[[S], T], shape: Shape[T]) -> list[JsonMember[S]]:
    """Return the members of a shape for an object that contains the one the shape shows."""

    def on(inner: Callable[[T], object]) -> Callable[[S], object]:
        return lambda thing: inner(get(thing))

    return [
        JsonMember(each.name, each.schema, on(each.get), each.optional) for each in shape.members
    ]


def ref(name: str) -> Json:
    """Return the schema that refers to a named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(kind: JsonType[T]) -> JsonType[T | None]:
    """Return the type for a value that may be null."""
    schema, write = kind.schema, kind.write
    if isinstance(schema.get("type"), str) and "properties" not in schema:
        schema = {**schema, "type": [schema["type"], "null"]}
    elif "enum" in schema:
        schema = {**schema, "enum": [*schema["enum"], None]}
    else:
        schema = {"oneOf": [schema, {"type": "null"}]}
    if write is None:
        return JsonType(schema)
    return JsonType(schema, lambda value: None if value is None else write(value))


def listed(kind: JsonType[T]) -> JsonType[Iterable[T]]:
    """Return the type for a list."""
    schema, write = {"type": "array", "items": kind.schema}, kind.write
    return JsonType(schema, list if write is None else lambda values: [write(v) for v in values])


def keyed(
    names: Iterable[str], kind: JsonType[T], *, optional: bool = False
) -> JsonType[Mapping[Any, T]]:
    """Return the type for an object with one value per name, or with some of them if optional."""
    members, write = {str(name): kind.schema for name in names}, kind.write
    return JsonType(
        {
            "type": "object",
            "properties": members,
            "required": [] if optional else list(members),
            "additionalProperties": False,
        },
        write and (lambda values: {name: write(value) for name, value in values.items()}),
    )


def one_word_of(words: Iterable[str]) -> JsonType[str]:
    """Return the type for one word of a closed set."""
    return JsonType({"enum": list(map(str, words))})


TEXT: JsonType[str] = JsonType({"type": "string"})
BOOLEAN: JsonType[bool] = JsonType({"type": "boolean"})
INTEGER: JsonType[int] = JsonType({"type": "integer"})
COUNT: JsonType[int] = JsonType({"type": "integer", "minimum": 0})
SECONDS: JsonType[float] = JsonType(
    {"type": "number", "minimum": 0}, lambda seconds: round(seconds, 6)
)
TIME: JsonType[float] = JsonType({"type": "string", "format": "date-time"}, time_text)
"""A unix time."""
UUID: JsonType[str] = JsonType({"type": "string", "format": "uuid"})
LABELS: JsonType[Mapping[str, str]] = JsonType(
    {"type": "object", "additionalProperties": {"type": "string"}}
)
ADDRESS: JsonType[str] = JsonType(
    {
        "type": "string",
        "description": "`address:port`, with an IPv6 address in brackets, or `unix:/path`",
    }
)
STATUS: JsonType[Status] = JsonType(ref("Status"))
MARKER: JsonType[str | None] = JsonType(
    {"type": ["string", "null"], "description": "`marker` for the next page; null on the last"}
)
