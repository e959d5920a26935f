"""Shapes: what is rendered and what is described come from one table."""

from typing import NamedTuple

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest

from prober.state.pace import Pace
from prober.web.api.shape import (
    BOOLEAN,
    COUNT,
    SECONDS,
    TEXT,
    TIME,
    FurtherMembers,
    JsonMember,
    Shape,
    keyed,
    listed,
    member,
    nullable,
    one_word_of,
    through,
)


class Egg(NamedTuple):
    """Something to show."""

    laid: float | None
    colour: str


class Nest(NamedTuple):
    """Something with parts."""

    name: str
    egg: Egg
    found: dict[str, int]


EGG: Shape[Egg] = Shape(
    "Egg",
    member("laid", nullable(TIME), lambda egg: egg.laid, "when"),
    member("colour", nullable(one_word_of(("white", "brown"))), lambda egg: egg.colour or None),
)
_EGG: list[JsonMember[Nest]] = through(lambda nest: nest.egg, EGG)
NEST: Shape[Nest] = Shape(
    "Nest",
    member("name", TEXT, lambda nest: nest.name),
    *_EGG,
    member("eggs", listed(EGG.type), lambda nest: [nest.egg]),
    member("first", nullable(EGG.type), lambda _: None, optional=True),
    member("warm", keyed(("day", "night"), SECONDS), lambda _: {"day": 1.23456789, "night": 0.0}),
    member("empty", BOOLEAN, lambda _: False),
    doc="what is found in a tree",
    lists={"neighbours": EGG.type},
    further=FurtherMembers(lambda: {"leaves": COUNT.schema}, lambda nest: nest.found),
)


def described(shape: Shape[Nest]) -> dict[str, object]:
    """Return the schema of a shape with what it refers to."""
    return {**shape.schema(), "components": {"schemas": {"Egg": EGG.schema()}}}


async def test_an_object_is_rendered_as_it_is_described() -> None:
    nest = Nest("home", Egg(0.0, "white"), {"leaves": 3})
    shown = NEST.render(nest)
    assert shown == {
        "name": "home",
        "laid": "1970-01-01T00:00:00.000Z",
        "colour": "white",
        "eggs": [{"laid": "1970-01-01T00:00:00.000Z", "colour": "white"}],
        "first": None,
        "warm": {"day": 1.234568, "night": 0.0},
        "empty": False,
        "leaves": 3,
    }
    jsonschema.validate({**shown, "neighbours": []}, described(NEST))
    written = await NEST.written(nest, Pace(), neighbours=[Egg(None, "")])
    assert written.endswith('"neighbours": [{"laid": null, "colour": null}]}')


def test_the_schema_is_closed_and_says_what_is_always_there() -> None:
    schema = NEST.schema()
    assert schema["description"] == "what is found in a tree"
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["name", "laid", "colour", "eggs", "warm", "empty", "neighbours"]
    assert schema["properties"]["laid"] == {
        "type": ["string", "null"],
        "format": "date-time",
        "description": "when",
    }
    assert schema["properties"]["first"]["oneOf"][0] == {"$ref": "#/components/schemas/Egg"}


async def test_a_list_that_is_described_is_not_forgotten() -> None:
    with pytest.raises(AssertionError):
        await NEST.document(Nest("home", Egg(None, ""), {}))
