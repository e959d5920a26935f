"""Turns the JSON of a health monitor into an edit of the configuration, or into what is wrong.

An update changes only the fields that it contains, and a field with the value that is shown does
not count as a change. So a client that reads, changes and writes back a whole health monitor keeps
an interval of 500 ms, which it sees as a `delay` of 1.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, TypeVar

from aiohttp import web

from prober.edits.contract import Conflict, Definition
from prober.model.definition import MONITOR
from prober.model.monitor import Monitor
from prober.model.option import Complaint, Rejected, did_you_mean, in_words, mapping
from prober.model.pool import Pool
from prober.web.dialects.lbaas.monitor_format import (
    Vocabulary,
    fields_of,
    has_key,
    protocol_of,
    spellings,
    types_that_fit,
    unused_name,
)
from prober.web.dialects.lbaas.project_view import ProjectView, normal_id, project_view_of
from prober.web.server.editing import editor_of
from prober.web.server.errors import Refused
from prober.web.server.json_answer import Json
from prober.web.server.json_body import read_json

T = TypeVar("T")

_OWNERS = ("project_id", "tenant_id")
_NAME_LENGTH = 240
EMPTY: Json = {"name": "", "tags": []}
"""What null means for a field that is shown as it was written."""


class MonitorFormat(NamedTuple):
    """How a cloud shows a health monitor, and how it reads one.

    A `lenient` cloud accepts fields that do not apply to the type, and ignores them.
    """

    show: Callable[[ProjectView, Monitor, Pool], Json]
    vocabulary: Vocabulary
    lenient: bool


async def create_monitor(request: web.Request, form: MonitorFormat) -> tuple[Monitor, Pool]:
    """Create the health monitor in the body."""
    editor = editor_of(request)
    given = await _read_body(request)
    visible = project_view_of(request)
    definition, pool = new_monitor(given, form, visible)
    made = await _edited(editor.create_monitor(definition), form)
    _remember(made, {"name": "", **given}, form, visible, created=True)
    return made, pool


async def update_monitor(request: web.Request, form: MonitorFormat) -> tuple[Monitor, Pool]:
    """Change a health monitor as described in the body."""
    editor = editor_of(request)
    given = await _read_body(request)
    visible = project_view_of(request)
    monitor, pool = visible.monitor(request.match_info["id"])
    patch = patch_of(given, form, visible, monitor, pool)
    if patch:
        shown = form.show(visible, monitor, pool)
        monitor = await _edited(editor.change_monitor(monitor, patch), form)
        written = {
            name: value for name, value in given.items() if not _is_shown(name, value, shown)
        }
        _remember(monitor, written, form, visible)
    return monitor, visible.store.pools.get(monitor.pool_name, pool)


async def delete_monitor(request: web.Request, form: MonitorFormat) -> None:
    """Delete a health monitor."""
    editor = editor_of(request)
    monitor, _ = project_view_of(request).monitor(request.match_info["id"])
    await _edited(editor.delete_monitor(monitor), form)


def _remember(
    monitor: Monitor,
    written: Json,
    form: MonitorFormat,
    visible: ProjectView,
    *,
    created: bool = False,
) -> None:
    """Remember how a client wrote what it is to be shown again."""
    written = {name: EMPTY.get(name) if v is None else v for name, v in written.items()}
    written = {name: value for name, value in written.items() if value is not None}
    shown = fields_of(monitor, form.vocabulary, None)
    if found := spellings(written, shown, monitor.labels, form.vocabulary):
        visible.store.cloud_objects.write(MONITOR, monitor.id, spellings=found, created=created)


async def _edited(edit: Awaitable[T], form: MonitorFormat) -> T:
    """Wait for an edit; report what is wrong with it in the client's names."""
    try:
        return await edit
    except Rejected as rejected:
        names = {field.key: name for name, field in form.vocabulary.items()} | {"pool": "pool_id"}
        complaints = [
            Complaint((names.get(str(path[0]), path[0]), *path[1:]) if path else path, message)
            for path, message in rejected.complaints
        ]
        raise _refused(*complaints) from None
    except Conflict as conflict:
        raise Refused(409, str(conflict)) from None


async def _read_body(request: web.Request) -> dict[str, object]:
    try:
        document = await read_json(request)
    except ValueError:
        raise Refused(400, "the body is not valid JSON") from None
    if not isinstance(document, dict) or list(document) != ["healthmonitor"]:
        found = f"{', '.join(map(repr, document))[:200]}" if isinstance(document, dict) else ""
        got = f"the members {found}" if found else in_words(document)
        raise Refused(400, f"expected an object with one member, 'healthmonitor', got {got}")
    try:
        return mapping(document["healthmonitor"])
    except Rejected as rejected:
        raise Refused(400, f"healthmonitor: {rejected}") from None


def new_monitor(
    given: Mapping[str, object], form: MonitorFormat, visible: ProjectView
) -> tuple[Definition, Pool]:
    """Return the definition of the health monitor that a client wants, and its pool.

    Raises `Refused` if it is not valid.
    """
    required = [name for name, field in form.vocabulary.items() if field.required]
    missing = [name for name in ("pool_id", *required) if given.get(name) is None]
    if missing:
        raise _refused(*(Complaint((name,), "missing required field") for name in missing))
    pool = _pool_of(given["pool_id"], visible)
    complaints = [
        Complaint((name,), f"the pool belongs to {pool.project_id!r}, not to {in_words(owner)}")
        for name in _OWNERS
        if (owner := given.get(name)) not in (None, pool.project_id)
    ]
    type_name = _type_of(given["type"], form)
    left = {name: value for name, value in given.items() if name not in ("pool_id", *_OWNERS)}
    values, wrong = _read_fields(left, form, type_name)
    if complaints or wrong:
        raise _refused(*complaints, *wrong)
    if monitors := visible.monitors_of(pool):
        there = f"{monitors[0].name!r} ({monitors[0].id})"
        raise Refused(409, f"pool {pool.name!r} already has a health monitor, {there}")
    values = {key: value for key, value in values.items() if value is not None}
    values["type"] = type_name
    values = {**_defaults(values, form, type_name), **values}
    name = values.get("name") or _made_up_name(pool, type_name)
    name = unused_name(str(name), visible.store.monitors)
    return {**values, "name": name, "pool": pool.name}, pool


def _defaults(
    values: Mapping[str, object], form: MonitorFormat, type_name: str
) -> dict[str, object]:
    """Return the documented defaults of the configuration keys that a type has."""
    found = {
        field.key: field.default(values)
        for field in form.vocabulary.values()
        if has_key(type_name, field.key)
    }
    return {key: value for key, value in found.items() if value is not None}


def patch_of(
    given: Mapping[str, object],
    form: MonitorFormat,
    visible: ProjectView,
    monitor: Monitor,
    pool: Pool,
) -> Definition:
    """Return the configuration keys that an update changes, or raise `Refused`."""
    shown = {
        **dict.fromkeys(_OWNERS, pool.project_id),
        "pool_id": pool.id,
        **form.show(visible, monitor, pool),
    }
    named = {name: value for name, value in given.items() if not _is_shown(name, value, shown)}
    fixed = [name for name in named if name in shown and name not in form.vocabulary]
    complaints = [
        Complaint((name,), f"cannot be changed, got {in_words(named[name])}")
        for name in fixed
        if named[name] is not None
    ]
    named = {name: value for name, value in named.items() if name not in fixed}
    type_name = monitor.type
    if named.get("type") is not None:
        type_name = _type_of(named["type"], form)
        complaints += _misfits(type_name, monitor, pool, visible)
    values, wrong = _read_fields(named, form, type_name)
    if complaints or wrong:
        raise _refused(*complaints, *wrong)
    defaults = _defaults({**values, "type": type_name}, form, type_name)
    values = {k: defaults.get(k) if value is None else value for k, value in values.items()}
    if "name" in values:
        others = visible.store.monitors.keys() - {monitor.name}
        name = str(values["name"] or _made_up_name(pool, type_name))
        # the id is kept, because one that is derived from the name would change
        values |= {"name": unused_name(name, others), "id": monitor.id}
    return values


def _is_shown(name: str, value: object, shown: Json) -> bool:
    return name in shown and shown[name] == value and type(shown[name]) is type(value)


def _misfits(type_name: str, monitor: Monitor, pool: Pool, visible: ProjectView) -> list[Complaint]:
    """Return complaints about a type that does not match the protocol of the pool."""
    protocol = protocol_of(visible.monitors_of(pool))
    fitting = types_that_fit(protocol)
    if type_name == monitor.type or type_name in fitting:
        return []
    message = f"{type_name} does not fit a pool of protocol {protocol}, which takes "
    return [Complaint(("type",), message + ", ".join(fitting))]


def _read_fields(
    given: Mapping[str, object], form: MonitorFormat, type_name: str
) -> tuple[dict[str, object], list[Complaint]]:
    """Return the configuration keys for the fields, and what is wrong with the others."""
    values: dict[str, object] = {}
    complaints = []
    for name, value in given.items():
        field = form.vocabulary.get(name)
        if field is None:
            near = did_you_mean(name, form.vocabulary)
            complaints.append(Complaint((name,), f"unknown field{near}"))
        elif not has_key(type_name, field.key):
            if value is not None and not form.lenient:
                complaints.append(Complaint((name,), f"does not apply to the type {type_name}"))
        elif value is None and field.required:
            complaints.append(Complaint((name,), "cannot be null"))
        else:
            try:
                values[field.key] = None if value is None else field.read(value)
            except Rejected as rejected:
                complaints += [Complaint((name, *c.path), c.message) for c in rejected.complaints]
    return values, complaints


def _type_of(value: object, form: MonitorFormat) -> str:
    try:
        return str(form.vocabulary["type"].read(value))
    except Rejected as rejected:
        raise _refused(Complaint(("type",), str(rejected))) from None


def _pool_of(value: object, visible: ProjectView) -> Pool:
    if not isinstance(value, str) or not normal_id(value):
        raise _refused(Complaint(("pool_id",), f"expected the id of a pool, got {in_words(value)}"))
    return visible.pool(value)


def _made_up_name(pool: Pool, type_name: str) -> str:
    """Return a name for a monitor without one, because prober needs one."""
    return f"{pool.name[:_NAME_LENGTH]}-{type_name.lower()}"


def _refused(*complaints: Complaint) -> Refused:
    """Return an error with everything that is wrong, by field."""
    said = (
        f"{'.'.join(map(str, path))}: {message}" if path else message
        for path, message in complaints
    )
    return Refused(400, "; ".join(said))
