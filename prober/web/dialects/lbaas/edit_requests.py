"""The bodies of edits, and how an edit is refused: with everything that is wrong, by field."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from aiohttp import web

from prober.edits.contract import Conflict
from prober.model.option import (
    Complaint,
    Kind,
    ReadContext,
    Rejected,
    did_you_mean,
    in_words,
    mapping,
)
from prober.web.server.errors import Refused
from prober.web.server.json_body import read_json

OWNERS = ("project_id", "tenant_id")
NO_CONTEXT = ReadContext("", str, {})


class KeptField(NamedTuple):
    """A field that means nothing to prober: it is kept as it is written, and shown again.

    `default` is shown if it was never written. A `fixed` field cannot be changed later.
    """

    kind: Kind[Any]
    default: object = None
    required: bool = False
    fixed: bool = False


KeptFields = Mapping[str, KeptField]
Kinds = Mapping[str, Kind[Any]]


def _read_persistence(value: object, _: ReadContext) -> dict[str, Any]:
    found = mapping(value)
    if not isinstance(found.get("type"), str):
        raise Rejected("expected a mapping with a type, such as SOURCE_IP")
    return found


SESSION_PERSISTENCE = Kind(_read_persistence, {"type": "object"})
ANYTHING: Kind[Any] = Kind(lambda value, _: value, {})
"""Any JSON, which is kept as it is."""


async def read_body(request: web.Request, noun: str) -> object:
    """Return the only member of the body, which must have this name, or raise `Refused`."""
    document = await _read_document(request)
    if not isinstance(document, dict) or list(document) != [noun]:
        found = f"{', '.join(map(repr, document))[:200]}" if isinstance(document, dict) else ""
        got = f"the members {found}" if found else in_words(document)
        raise Refused(400, f"expected an object with one member, {noun!r}, got {got}")
    return document[noun]


async def _read_document(request: web.Request) -> object:
    try:
        return await read_json(request)
    except ValueError:
        raise Refused(400, "the body is not valid JSON") from None


async def read_object(request: web.Request, noun: str) -> dict[str, object]:
    """Return the object in the body, or raise `Refused`."""
    found = await read_body(request, noun)
    try:
        return mapping(found)
    except Rejected as rejected:
        raise Refused(400, f"{noun}: {rejected}") from None


async def read_members(
    request: web.Request, kinds: Kinds, *, required: Sequence[str]
) -> dict[str, Any]:
    """Return the members of the body that are given, or raise `Refused` with what is wrong."""
    document = await _read_document(request)
    try:
        return read_mapping(document, kinds, required=required)
    except Rejected as rejected:
        raise refused(*rejected.complaints) from None


def read_mapping(value: object, kinds: Kinds, *, required: Sequence[str]) -> dict[str, Any]:
    """Return the members of a mapping that are given, or raise `Rejected`."""
    given = {name: each for name, each in mapping(value).items() if each is not None}
    wrong, found = missing(given, required), {}
    for name, each in given.items():
        if name not in kinds:
            wrong.append(Complaint((name,), f"unknown field{did_you_mean(name, kinds)}"))
            continue
        try:
            found[name] = kinds[name].read(each, NO_CONTEXT)
        except Rejected as rejected:
            wrong += [Complaint((name, *c.path), c.message) for c in rejected.complaints]
    if wrong:
        raise Rejected(*wrong)
    return found


def refused(*complaints: Complaint) -> Refused:
    """Return an error with everything that is wrong, by field."""
    said = (
        f"{'.'.join(map(str, path))}: {message}" if path else message
        for path, message in complaints
    )
    return Refused(400, "; ".join(said))


def refusal_of(error: Rejected | Conflict, names: Mapping[str, str]) -> Refused:
    """Return the refusal of an edit; `names` are the client's names of configuration keys."""
    if isinstance(error, Conflict):
        return Refused(409, str(error))
    complaints = [
        Complaint((names.get(str(path[0]), path[0]), *path[1:]) if path else path, message)
        for path, message in error.complaints
    ]
    return refused(*complaints)


def owner_complaints(given: Mapping[str, object], project: str, of: str) -> list[Complaint]:
    """Return complaints about an owner that is not that of the parent."""
    return [
        Complaint((name,), f"the {of} belongs to {project!r}, not to {in_words(owner)}")
        for name in OWNERS
        if (owner := given.get(name)) not in (None, project)
    ]


def missing(given: Mapping[str, object], names: Iterable[str]) -> list[Complaint]:
    """Return a complaint for each required field that is missing."""
    return [
        Complaint((name,), "missing required field") for name in names if given.get(name) is None
    ]


def read_kept(
    given: Mapping[str, object], fields: KeptFields, *, shown: Mapping[str, object] | None = None
) -> tuple[dict[str, object], list[Complaint]]:
    """Return what is to be kept of the given fields, and what is wrong with them.

    Args:
        given: Fields as a client wrote them; other fields than kept ones are unknown.
        fields: The kept fields.
        shown: The object as it is shown, if it exists already; a field with the value that is
            shown does not count as given.
    """
    values: dict[str, object] = {}
    complaints = []
    for name, value in given.items():
        field = fields.get(name)
        if shown is not None and is_shown(name, value, shown):
            continue
        if field is None and (shown is None or name not in shown):
            complaints.append(Complaint((name,), f"unknown field{did_you_mean(name, fields)}"))
        elif field is None or (shown is not None and field.fixed):
            complaints.append(Complaint((name,), f"cannot be changed, got {in_words(value)}"))
        elif value is None:
            values[name] = field.default
        else:
            try:
                values[name] = field.kind.read(value, NO_CONTEXT)
            except Rejected as rejected:
                complaints += [Complaint((name, *c.path), c.message) for c in rejected.complaints]
    return values, complaints


def is_shown(name: str, value: object, shown: Mapping[str, object]) -> bool:
    """Return whether a field has the value that is shown, so that writing it is no change."""
    return name in shown and shown[name] == value and type(shown[name]) is type(value)


def shown_kept(known: Mapping[str, object], fields: KeptFields) -> dict[str, Any]:
    """Return the kept fields as they are shown."""
    return {name: known.get(name, field.default) for name, field in fields.items()}
