"""Edits of several members of a pool in one request: all of them, or none if one is wrong."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from aiohttp import web

from prober.model.kinds import integer
from prober.model.option import Complaint, Rejected, in_words
from prober.model.pool import HOST, Pool
from prober.state.check_state import BackendState
from prober.web.dialects.lbaas.edit_requests import NO_CONTEXT, read_body, refused
from prober.web.dialects.lbaas.member_edits import (
    MemberEdit,
    MemberForm,
    backend_at,
    changed_member,
    edit_members,
    new_member,
    place_of,
    settled,
    with_edit,
)
from prober.web.dialects.lbaas.project_view import (
    ProjectView,
    member_id,
    normal_id,
    project_view_of,
)
from prober.web.server.editing import editor_of
from prober.web.server.errors import Refused
from prober.web.server.json_answer import Json

T = TypeVar("T")
Place = tuple[str, int | None]
"""The address and the port of a member."""
LONGEST = 200
"""How many members Huawei's API takes at once."""


class Batch(NamedTuple):
    """The members in the body of a request, and the pool that they are about."""

    visible: ProjectView
    pool: Pool
    members: list[Mapping[str, Any]]

    def there(self) -> dict[Place, BackendState]:
        """Return the members of the pool, by place."""
        states = self.visible.store.backend_states(self.pool)
        return {_at(place_of(each.backend)): each for each in states}


class Added(NamedTuple):
    """A member that a request names, and whether it is new."""

    pool: Pool
    member: BackendState
    new: bool


class Deleted(NamedTuple):
    """A member that a request names: its id if it has one, and whether it was there."""

    id: str | None
    found: bool


async def replace_members(request: web.Request, form: MemberForm) -> None:
    """Replace the members of a pool by those in the body, or add them: `additive_only=true`.

    A member that is there already is changed as described.
    """
    batch = await _read_batch(request)
    visible, pool, _ = batch
    additive = request.query.get("additive_only", "").lower() == "true"
    there = batch.there()

    def read(given: Mapping[str, Any]) -> tuple[Place, MemberEdit]:
        place, edit = new_member(given, form, pool)
        if (at := _at(place)) in there:
            edit = changed_member(given, form, visible, pool, there[at])
        return at, edit

    edits: dict[Place, MemberEdit] = {}
    for at, edit in _read_each(batch, read):
        if at in edits:
            raise Refused(409, f"members: {at[0]} port {at[1]} is given twice")
        edits[at] = edit

    def change(backends: list[Json]) -> list[Json]:
        known = {_at(each): each for each in backends}
        kept = known if additive else {at: each for at, each in known.items() if at in edits}
        new = {at: _placed(at) for at in edits if at not in known}
        return [
            with_edit(each, edits[at]) if at in edits else each
            for at, each in {**kept, **new}.items()
        ]

    pool = await edit_members(request, visible, pool, change)
    for at, edit in edits.items():
        settled(
            request, visible, pool, backend_at(pool, _placed(at)), edit, created=at not in there
        )


async def add_members(request: web.Request, form: MemberForm) -> list[Added]:
    """Add the members in the body to a pool; those that are there already stay as they are."""
    batch = await _read_batch(request, LONGEST)
    visible, pool, _ = batch
    wanted = _read_each(batch, lambda given: new_member(given, form, pool))
    edits: dict[Place, MemberEdit] = {}
    for place, edit in wanted:
        edits.setdefault(_at(place), edit)
    old: set[Place] = set()

    def change(backends: list[Json]) -> list[Json]:
        old.clear()
        old.update(map(_at, backends))
        new = (with_edit(_placed(at), edit) for at, edit in edits.items() if at not in old)
        return [*backends, *new]

    pool = await edit_members(request, visible, pool, change)
    new = edits.keys() - old
    for at, edit in edits.items():
        if at in new:
            settled(request, visible, pool, backend_at(pool, _placed(at)), edit, created=True)
    there = batch._replace(pool=pool).there()
    added = []
    for place, _ in wanted:
        added.append(Added(pool, there[_at(place)], _at(place) in new))
        new.discard(_at(place))  # named again, it is there already
    return added


async def update_members(request: web.Request, form: MemberForm) -> list[BackendState]:
    """Change the members in the body, each of which has the `id` of a member of the pool."""
    batch = await _read_batch(request, LONGEST)
    visible, pool, _ = batch

    def read(given: Mapping[str, Any]) -> tuple[Place, MemberEdit]:
        if not isinstance(given.get("id"), str):
            raise Rejected(Complaint(("id",), "missing required field"))
        found = visible.member(pool, given["id"])
        left = {name: value for name, value in given.items() if name != "id"}
        return _at(place_of(found.backend)), changed_member(left, form, visible, pool, found)

    listed = _read_each(batch, read)
    edits = dict(listed)
    if len(edits) < len(listed):
        raise refused(Complaint(("members",), "a member is given twice"))

    def change(backends: list[Json]) -> list[Json]:
        return [with_edit(b, edits[_at(b)]) if _at(b) in edits else b for b in backends]

    pool = await edit_members(request, visible, pool, change)
    return [
        settled(request, visible, pool, backend_at(pool, _placed(at)), edit)[1]
        for at, edit in edits.items()
    ]


async def delete_members(request: web.Request) -> list[Deleted]:
    """Delete the members in the body, each named by `id`, or by address and `protocol_port`."""
    batch = await _read_batch(request, LONGEST)
    visible, pool, _ = batch
    by_id = {member_id(pool, each.backend): at for at, each in batch.there().items()}
    ids = {at: key for key, at in by_id.items()}

    def read(given: Mapping[str, Any]) -> tuple[str | None, Place | None]:
        if given.keys() == {"id"} and isinstance(given["id"], str):
            key = normal_id(given["id"])
            return given["id"], by_id.get(key) if key else None
        if given.keys() != {"address", "protocol_port"}:
            raise Rejected(f"expected id, or address and protocol_port, got {in_words(given)}")
        address = HOST.read(given["address"], NO_CONTEXT)
        at = address, integer(0, 65535).read(given["protocol_port"], NO_CONTEXT)
        return ids.get(at), at if at in ids else None

    named = _read_each(batch, read)
    gone = {at for _, at in named if at is not None}
    await edit_members(
        request, visible, pool, lambda backends: [b for b in backends if _at(b) not in gone]
    )
    return [Deleted(key, at is not None) for key, at in named]


async def _read_batch(request: web.Request, longest: int | None = None) -> Batch:
    editor_of(request)  # refuses callers who may not edit
    visible = project_view_of(request)
    pool = visible.pool(request.match_info["pool_id"])
    listed = await read_body(request, "members")
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise Refused(400, f"members: expected a list of mappings, got {in_words(listed)}")
    if longest is not None and len(listed) > longest:
        raise Refused(400, f"members: expected at most {longest}, got {len(listed)}")
    return Batch(visible, pool, listed)


def _read_each(batch: Batch, read: Callable[[Mapping[str, Any]], T]) -> list[T]:
    """Return what is read of each member, or raise `Refused` with what is wrong with them."""
    found, wrong = [], []
    for number, given in enumerate(batch.members):
        try:
            found.append(read(given))
        except Rejected as rejected:
            wrong += [
                Complaint(("members", number, *c.path), c.message) for c in rejected.complaints
            ]
    if wrong:
        raise refused(*wrong)
    return found


def _at(place: Json) -> Place:
    return place["address"], place.get("port")


def _placed(at: Place) -> Json:
    return {"address": at[0], "port": at[1]}
