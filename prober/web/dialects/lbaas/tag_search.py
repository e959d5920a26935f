"""Searches for objects by their tags, in Huawei's API: `resource_instances/action`.

Document: "Querying Load Balancers by Tag" (elb_zq_bq_0005) in Huawei's API reference.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from aiohttp import web

from prober.model.kinds import choice, integer, list_of, text
from prober.model.option import Kind, ReadContext
from prober.web.dialects.lbaas.edit_requests import Kinds, read_mapping, read_members
from prober.web.dialects.lbaas.load_balancer_edits import tags_of_load_balancer
from prober.web.dialects.lbaas.project_view import LoadBalancer
from prober.web.dialects.lbaas.tag_pairs import TagPair, pair_of, shown_pairs
from prober.web.server.json_answer import Json

_LONGEST = 1000


class _Wanted(NamedTuple):
    """A key that an object must have, with one of some values, or with any if there are none."""

    key: str
    values: tuple[str, ...]

    def fits(self, pairs: Iterable[TagPair]) -> bool:
        return any(
            key == self.key and (not self.values or any(_is(value, each) for each in self.values))
            for key, value in pairs
        )


def _is(value: str, wanted: str) -> bool:
    return wanted[1:] in value if wanted.startswith("*") else value == wanted


def _read_wanted(value: object, _: ReadContext) -> _Wanted:
    kinds: Kinds = {"key": text(1, 255), "values": list_of(text(0, 256))}
    found = read_mapping(value, kinds, required=("key",))
    return _Wanted(found["key"], found.get("values", ()))


class _Match(NamedTuple):
    """A name, of which a part is enough, or an id that an object must have."""

    key: str
    value: str

    def fits(self, found: LoadBalancer) -> bool:
        if self.key == "resource_id":
            return found.id == self.value
        return self.value in found.shown_name if self.value else not found.shown_name


def _read_match(value: object, _: ReadContext) -> _Match:
    kinds: Kinds = {"key": choice("resource_name", "resource_id"), "value": text(0, 255)}
    return _Match(**read_mapping(value, kinds, required=("key", "value")))


_SEARCH: Kinds = {
    "action": choice("filter", "count"),
    "tags": list_of(Kind(_read_wanted, {"type": "object"})),
    "matches": list_of(Kind(_read_match, {"type": "object"})),
    "offset": integer(0, 10**9),
    "limit": integer(1, _LONGEST),
}


async def search_by_tags(request: web.Request, among: Iterable[LoadBalancer]) -> Json:
    """Return the load balancers that fit the search in the body, or only their number."""
    search = await read_members(request, _SEARCH, required=("action",))
    wanted: Sequence[_Wanted] = search.get("tags", ())
    matches: Sequence[_Match] = search.get("matches", ())
    found = [
        each
        for each in among
        if all(match.fits(each) for match in matches)
        and all(one.fits(map(pair_of, tags_of_load_balancer(each))) for one in wanted)
    ]
    if search["action"] == "count":
        return {"total_count": len(found)}
    start = search.get("offset", 0)
    page = found[start : start + search.get("limit", _LONGEST)]
    return {"resources": [_resource(each) for each in page], "total_count": len(found)}


def _resource(found: LoadBalancer) -> Json:
    return {
        "resource_id": found.id,
        "resource_name": found.shown_name,
        "resource_detail": "",
        "tags": shown_pairs(tags_of_load_balancer(found)),
        "super_resource_id": None,
    }
