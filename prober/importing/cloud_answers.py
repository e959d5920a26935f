"""What a reader of a cloud's API asks, and what it is answered: it opens nothing itself."""

from collections.abc import Generator, Mapping
from typing import Any, NamedTuple

from prober.importing.draft import SourcePlace
from prober.importing.source import UnreadableSource, items, mapping

PAGE = 200
"""How many objects are asked for at once."""


class CloudQuestion(NamedTuple):
    """A request: GET of a path below the URL of the service."""

    path: str
    query: Mapping[str, str] = {}


class CloudAnswer(NamedTuple):
    """The JSON of an answer, and what its header says is the next page."""

    value: Any
    next_page: str | None = None


CloudReading = Generator[CloudQuestion, CloudAnswer, None]
"""A reader: it yields questions, and is sent the answer to each."""


def object_place(url: str, kind: str, identifier: object) -> SourcePlace:
    """Return the place of an object, which has no line."""
    return SourcePlace(f"{url} {kind} {identifier}", 0)


def listed(answer: CloudAnswer, noun: str, question: CloudQuestion) -> list[Mapping[str, Any]]:
    """Return the objects in an answer; raise `UnreadableSource` if it is not such a list."""
    found = mapping(answer.value).get(noun) if noun else answer.value
    if not isinstance(found, list):
        what = f"a list named {noun!r}" if noun else "a list"
        raise UnreadableSource(f"{question.path}: expected {what}; is this the right API?")
    return [mapping(each) for each in items(found)]
