"""Lists: filters on the shown fields of objects, and pages between markers."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import zip_longest
from operator import itemgetter
from typing import Any, NamedTuple

from aiohttp import web

from prober.model.option import Rejected, did_you_mean
from prober.state.pace import Pace
from prober.web.dialects.lbaas.monitor_format import type_called
from prober.web.dialects.lbaas.project_view import normal_id
from prober.web.server.errors import Refused
from prober.web.server.json_answer import Json
from prober.web.server.query import Parameter, read_query, whole_number

Wanted = frozenset[Any]
_NUMBER = re.compile(r"[0-9]{1,9}")


class Filter(NamedTuple):
    """A query parameter, and a function that decides whether an object matches it.

    `field` is the field that it compares, or "".
    """

    parameter: Parameter
    passes: Callable[[Json, Wanted], bool]
    field: str = ""


def having(
    name: str, read: Callable[[str], Any] = str, *, member: str = "", many: bool = True
) -> Filter:
    """Declare a filter: a field of the object has one of the given values."""
    where = member or name
    parameter = Parameter(name, read, {}, f"only objects with this {name}", many)
    return Filter(parameter, lambda shown, wanted: shown[where] in wanted, where)


def a_number(text: str) -> int:
    """Read any whole number, because a cloud's limits do not apply to the configuration file."""
    if not _NUMBER.fullmatch(text):
        raise Rejected(f"expected a whole number, got {text!r}")
    return int(text)


def a_boolean(text: str) -> bool:
    """Read true or false in the spelling of any client; Python clients send True."""
    if text.lower() not in ("true", "false"):
        raise Rejected(f"expected true or false, got {text!r}")
    return text.lower() == "true"


def an_id(text: str) -> str:
    """Read a UUID; other text is kept as it is and matches nothing."""
    return normal_id(text) or text


def codes(text: str) -> str:
    """Read expected codes, which are shown without spaces."""
    return re.sub(r"\s", "", text)


def a_type(text: str) -> str:
    """Read a probe type in any spelling; an unknown type matches nothing."""
    try:
        return type_called(text)
    except Rejected:
        return text


MONITOR_FILTERS = (
    having("id", an_id),
    having("name"),
    Filter(
        Parameter("type", a_type, {}, "only monitors of this type", many=True),
        lambda shown, wanted: a_type(shown["type"]) in wanted,
        "type",
    ),
    having("delay", a_number),
    having("max_retries", a_number),
    having("max_retries_down", a_number),
    having("monitor_port", a_number),
    having("domain_name"),
    having("expected_codes", codes),
    having("url_path"),
    having("http_method"),
)
"""The filters for health monitors in both clouds."""


def _read_marker(text: str) -> str:
    found = normal_id(text)
    if found is None:
        raise Rejected(f"expected the id of the last item of the previous page, got {text!r}")
    return found


MARKER = Parameter("marker", _read_marker, {}, "the last item of the previous page")
PAGE_REVERSE = Parameter("page_reverse", a_boolean, {}, "true: the page before the marker")


class ListPage(NamedTuple):
    """One page, and whether there are objects `before` and `after` it."""

    items: list[Json]
    before: bool
    after: bool


class Order(NamedTuple):
    """A field to sort by, and the direction."""

    field: str
    descending: bool = False


SORT = Parameter("sort", str, {}, "fields to sort by, as in name:desc,type")
SORT_KEY = Parameter("sort_key", str, {}, "fields to sort by, separated by commas")
SORT_DIR = Parameter("sort_dir", str, {}, "asc or desc for each sort_key")
FIELDS = Parameter("fields", str, {}, "only these fields", many=True)
_DIRECTIONS = ("asc", "desc")


def read_order(query: Mapping[str, Any], fields: Collection[str]) -> list[Order]:
    """Return what a list is sorted by, the most significant first, or raise `Refused`.

    `sort` takes precedence over `sort_key` and `sort_dir`, as in Octavia.
    """
    if query["sort"]:
        pairs = [tuple(each.partition(":")[::2]) for each in query["sort"].split(",")]
    elif query["sort_key"]:
        keys = query["sort_key"].split(",")
        directions = query["sort_dir"].split(",") if query["sort_dir"] else []
        pairs = list(zip_longest(keys, directions[: len(keys)], fillvalue=""))
    else:
        return []
    for field, direction in pairs:
        if field not in fields:
            near = did_you_mean(field, fields)
            raise Refused(400, f"the list cannot be sorted by {field[:200]!r}{near}")
        if direction not in ("", *_DIRECTIONS):
            raise Refused(400, f"expected the direction asc or desc, got {direction[:200]!r}")
    return [Order(field, direction == "desc") for field, direction in pairs]


def _sorted(objects: Iterable[Json], order: Sequence[Order]) -> list[Json]:
    """Return objects in an order; those without a value are the smallest."""
    found = list(objects)
    for field, descending in reversed(order):
        empty = [shown for shown in found if shown[field] is None]
        rest = [shown for shown in found if shown[field] is not None]
        rest.sort(key=itemgetter(field), reverse=descending)
        found = [*rest, *empty] if descending else [*empty, *rest]
    return found


def only_fields(request: web.Request, shown: Json) -> Json:
    """Return an object with only the fields that a request wants, if it says so."""
    asked = request.query.getall(FIELDS.name, [])
    wanted = {name for text in asked for name in text.split(",")}
    return {name: value for name, value in shown.items() if name in wanted} if wanted else shown


async def read_page(
    request: web.Request,
    objects: Iterable[Json],
    filters: Sequence[Filter],
    *,
    longest: int = 10**9,
    default: int | None = None,
    sortable: bool = False,
) -> tuple[ListPage, int | None]:
    """Return the page of objects that a request asks for, and its limit, or None for all.

    `marker` and `page_reverse` have no effect without `limit`, as in the documentation. Lists of a
    `sortable` API can be sorted by all fields that they can be filtered by.
    """
    parameters = [each.parameter for each in filters]
    parameters += [whole_number("limit", 0, longest, "items per page"), MARKER, PAGE_REVERSE]
    parameters += [SORT, SORT_KEY, SORT_DIR, FIELDS] if sortable else []
    query = read_query(request, *parameters)
    if sortable:
        query["limit"] = query["limit"] or None  # 0 is no limit in Octavia
        objects = _sorted(objects, read_order(query, {each.field for each in filters} - {""}))
    tests = [
        (each.passes, asked if each.parameter.many else frozenset({asked}))
        for each in filters
        if (asked := query[each.parameter.name]) not in (None, frozenset())
    ]
    marker = query["marker"] if query["limit"] is not None else None
    found: list[tuple[int, Json]] = []
    pace, place = Pace(), None
    for index, shown in enumerate(objects):
        if marker is not None and shown["id"] == marker:
            place = index
        if all(passes(shown, wanted) for passes, wanted in tests):
            found.append((index, shown))
        await pace.pause()
    if marker is not None and place is None:
        raise Refused(400, f"parameter 'marker': there is no object with the id {marker!r}")
    if query["limit"] is None:
        return _cut(found, default, None, backwards=False), default
    return _cut(found, query["limit"], place, backwards=bool(query["page_reverse"])), query["limit"]


def _cut(
    found: list[tuple[int, Json]], limit: int | None, place: int | None, *, backwards: bool
) -> ListPage:
    """Return the page after the object at a place, or before it; without a place, from the end."""
    if backwards:
        last = sum(index < place for index, _ in found) if place is not None else len(found)
        first = max(0, last - limit) if limit is not None else 0
    else:
        first = sum(index <= place for index, _ in found) if place is not None else 0
        last = len(found) if limit is None else min(len(found), first + limit)
    return ListPage([shown for _, shown in found[first:last]], first > 0, last < len(found))
