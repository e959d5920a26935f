"""Creates, changes and deletes the members of pools, which are backends."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from aiohttp import web

from prober.edits.contract import Conflict
from prober.model.admin import BACKENDS, AdminState
from prober.model.kinds import BOOLEAN, text
from prober.model.option import Complaint, Kind, Rejected, in_words, show_options
from prober.model.pool import HOST, PORT, Backend, Pool
from prober.state.check_state import BackendState
from prober.state.cloud_objects import MEMBER, member_key
from prober.web.dialects.lbaas.admin_edits import set_state
from prober.web.dialects.lbaas.edit_requests import (
    NO_CONTEXT,
    OWNERS,
    KeptFields,
    is_shown,
    missing,
    owner_complaints,
    read_kept,
    read_object,
    refusal_of,
    refused,
)
from prober.web.dialects.lbaas.monitor_format import TAGS, labels_of_tags
from prober.web.dialects.lbaas.project_view import ProjectView, project_view_of
from prober.web.dialects.lbaas.status_names import is_up, weight_of
from prober.web.dialects.lbaas.times import known_of_member
from prober.web.server.editing import editor_of
from prober.web.server.errors import Refused
from prober.web.server.json_answer import Json

T = TypeVar("T")
Found = tuple[Pool, BackendState]
_PLACE: Mapping[str, Kind[Any]] = {"address": HOST, "protocol_port": PORT}
_TRIES = 20
"""How often an edit is repeated when others change the same pool at the same time."""


class MemberForm(NamedTuple):
    """How a cloud's members are written.

    `show` shows a member. `weight` is the kind of its weight. `kept` are the fields that prober
    only keeps.
    """

    show: Callable[[ProjectView, Pool, BackendState], Json]
    weight: Kind[int]
    kept: KeptFields


class MemberEdit(NamedTuple):
    """What a client wants of a member.

    `options` are keys of the backend, None for the default. `written` are fields that are kept,
    `tags` the tags if they are given. `up` and `weight` are None if they are not given.
    """

    options: dict[str, object]
    written: dict[str, object]
    tags: list[str] | None
    up: bool | None
    weight: int | None


async def create_member(request: web.Request, form: MemberForm) -> Found:
    """Create the member in the body."""
    visible = project_view_of(request)
    pool = visible.pool(request.match_info["pool_id"])
    given = await read_object(request, "member")
    place, edit = _judged(lambda: new_member(given, form, pool))

    def add(backends: list[Json]) -> list[Json]:
        if any(_is_at(each, place) for each in backends):
            there = f"{place['address']} port {place['port']}"
            raise Refused(409, f"pool {pool.name!r} already has a member at {there}")
        return [*backends, with_edit({**place}, edit)]

    pool = await edit_members(request, visible, pool, add)
    backend = backend_at(pool, place)
    return settled(request, visible, pool, backend, edit, created=True)


async def update_member(request: web.Request, form: MemberForm) -> Found:
    """Change a member as described in the body; its address and port stay."""
    visible = project_view_of(request)
    pool = visible.pool(request.match_info["pool_id"])
    found = visible.member(pool, request.match_info["id"])
    given = await read_object(request, "member")
    edit = _judged(lambda: changed_member(given, form, visible, pool, found))
    place = place_of(found.backend)
    pool = await edit_members(
        request,
        visible,
        pool,
        lambda backends: [with_edit(b, edit) if _is_at(b, place) else b for b in backends],
    )
    return settled(request, visible, pool, found.backend, edit)


async def delete_member(request: web.Request) -> None:
    """Delete a member."""
    visible = project_view_of(request)
    pool = visible.pool(request.match_info["pool_id"])
    backend = visible.member(pool, request.match_info["id"]).backend
    place = place_of(backend)
    await edit_members(
        request, visible, pool, lambda backends: [b for b in backends if not _is_at(b, place)]
    )


def _judged(read: Callable[[], T]) -> T:
    """Return what is read; raise `Refused` instead of `Rejected`."""
    try:
        return read()
    except Rejected as rejected:
        raise refused(*rejected.complaints) from None


def new_member(
    given: Mapping[str, object], form: MemberForm, pool: Pool
) -> tuple[Json, MemberEdit]:
    """Return where a new member is, and what else is wanted of it, or raise `Rejected`."""
    complaints = missing(given, _PLACE) + owner_complaints(given, pool.project_id, "pool")
    place: Json = {}
    for name, kind in _PLACE.items():
        if given.get(name) is not None:
            try:
                key = "port" if name == "protocol_port" else name
                place[key] = kind.read(given[name], NO_CONTEXT)
            except Rejected as rejected:
                complaints.append(Complaint((name,), str(rejected)))
    left = {k: v for k, v in given.items() if k not in (*_PLACE, *OWNERS, "id")}
    edit, wrong = _read_member(left, form)
    if complaints or wrong:
        raise Rejected(*complaints, *wrong)
    return place, edit._replace(
        up=True if edit.up is None else edit.up, weight=1 if edit.weight is None else edit.weight
    )


def changed_member(
    given: Mapping[str, object],
    form: MemberForm,
    visible: ProjectView,
    pool: Pool,
    found: BackendState,
) -> MemberEdit:
    """Return what a client wants to change of a member, or raise `Rejected`."""
    shown = {**form.show(visible, pool, found), **dict.fromkeys(OWNERS, pool.project_id)}
    left = {k: v for k, v in given.items() if not is_shown(k, v, shown)}
    editable = {*_OPTIONS, "admin_state_up", "weight", "tags", *form.kept}
    fixed = [name for name in left if name in shown and name not in editable]
    complaints = [
        Complaint((name,), f"cannot be changed, got {in_words(left[name])}")
        for name in fixed
        if left[name] is not None
    ]
    edit, wrong = _read_member({k: v for k, v in left.items() if k not in fixed}, form)
    if complaints or wrong:
        raise Rejected(*complaints, *wrong)
    return edit


_OPTIONS: Mapping[str, tuple[str, Kind[Any]]] = {
    "name": ("name", text(0, 255)),
    "backup": ("backup", BOOLEAN),
    "monitor_address": ("probe_address", HOST),
    "monitor_port": ("probe_port", PORT),
}
"""The fields that are keys of a backend, and their kinds."""


def _read_member(
    given: Mapping[str, object], form: MemberForm
) -> tuple[MemberEdit, list[Complaint]]:
    """Return what is wanted of a member, and what is wrong with it."""
    edit = MemberEdit({}, {}, None, None, None)
    special: Mapping[str, Kind[Any]] = {
        "admin_state_up": BOOLEAN,
        "weight": form.weight,
        "tags": TAGS,
        **{name: kind for name, (_, kind) in _OPTIONS.items()},
    }
    own = {name: value for name, value in given.items() if name in special}
    written, complaints = read_kept({k: v for k, v in given.items() if k not in own}, form.kept)
    edit = edit._replace(written=written)
    defaults = {"admin_state_up": True, "weight": 1, "tags": []}
    values: Json = {}
    for name, value in own.items():
        try:
            empty = value is None
            values[name] = defaults.get(name) if empty else special[name].read(value, NO_CONTEXT)
        except Rejected as rejected:
            complaints += [Complaint((name, *c.path), c.message) for c in rejected.complaints]
    options = {key: values[name] for name, (key, _) in _OPTIONS.items() if name in values}
    options = {key: None if value == "" else value for key, value in options.items()}
    if (tags := values.get("tags")) is not None:
        options["labels"] = labels_of_tags(tags)
    if values.get("weight"):
        options["weight"] = values["weight"]
    if values.get("admin_state_up"):
        options["enabled"] = True
    up, weight = values.get("admin_state_up"), values.get("weight")
    if weight is not None:
        written["drained"] = not weight
    return edit._replace(options=options, tags=tags, up=up, weight=weight), complaints


async def edit_members(
    request: web.Request,
    visible: ProjectView,
    pool: Pool,
    change: Callable[[list[Json]], list[Json]],
) -> Pool:
    """Change the backends of a pool, if anything about them changes, and return the pool.

    The change is repeated if another edit of the pool comes first: members are edited one by one,
    so edits of different members do not contradict each other.
    """
    editor = editor_of(request)
    for _ in range(_TRIES):
        monitor = visible.store.monitors.get(pool.name)
        listed = [show_options(each) for each in pool.backends]
        changed = change([dict(each) for each in listed])
        if changed == listed:
            return pool
        try:
            if monitor is None or monitor.pool:
                await editor.change_pool(pool, {"backends": changed})
            elif monitor.targets_from:
                raise Refused(409, f"the members of {pool.name!r} come from a list of targets")
            else:
                await editor.change_monitor(monitor, {"targets": changed})
            return visible.store.pools[pool.name]
        except Rejected as rejected:
            raise refusal_of(rejected, {"backends": "member", "targets": "member"}) from None
        except Conflict as conflict:
            now = visible.store.pools.get(pool.name)
            if now is None or now is pool:
                raise refusal_of(conflict, {}) from None
            pool = now
    raise Refused(409, f"pool {pool.name!r} was changed by other edits all the time")


def settled(
    request: web.Request,
    visible: ProjectView,
    pool: Pool,
    backend: Backend,
    edit: MemberEdit,
    *,
    created: bool = False,
) -> Found:
    """Keep what is not in the configuration, set the admin state, and return the member."""
    store = visible.store
    known = known_of_member(visible, pool, backend)
    since = known.created_at if known else None
    now = next(each for each in store.backend_states(pool) if each.key == backend.key)
    spellings = {}
    if edit.tags is not None:
        spellings["tags"] = (edit.tags, dict(now.backend.labels))
    if created or edit.written or spellings or edit.options or edit.up is not None:
        key = member_key(pool, backend)
        objects = store.cloud_objects
        objects.write(MEMBER, key, edit.written, spellings, created=created, since=since)
    if edit.up is not None or edit.weight is not None:
        up = is_up(now) if edit.up is None else edit.up
        known = known_of_member(visible, pool, backend)
        weight = weight_of(now, known) if edit.weight is None else edit.weight
        state = None if up and weight else AdminState.DRAIN if up else AdminState.MAINTENANCE
        set_state(request, (BACKENDS, f"{pool.name}/{backend.key}"), state)
        now = next(each for each in store.backend_states(pool) if each.key == backend.key)
    return pool, now


def with_edit(backend: Json, edit: MemberEdit) -> Json:
    """Return a backend as in the configuration, with an edit."""
    changed = {**backend, **edit.options}
    return {name: value for name, value in changed.items() if value is not None}


def place_of(backend: Backend) -> Json:
    """Return the keys that say where a backend is."""
    return {"address": backend.address, "port": backend.port}


def _is_at(backend: Json, place: Json) -> bool:
    return (backend["address"], backend.get("port")) == (place["address"], place["port"])


def backend_at(pool: Pool, place: Json) -> Backend:
    """Return the backend of a pool at a place."""
    at = place["address"], place["port"]
    return next(each for each in pool.backends if (each.address, each.port) == at)
