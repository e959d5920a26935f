"""Turns the JSON of a health monitor into an edit of the configuration, or into what is wrong.

An update changes only the fields that it contains, and a field with the value that is shown does
not count as a change. So a client that reads, changes and writes back a whole health monitor keeps
an interval of 500 ms, which it sees as a `delay` of 1.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, TypeVar

from aiohttp import web

from prober.edits.contract import Conflict, Definition
from prober.model.definition import MONITOR, POOL
from prober.model.monitor import Monitor
from prober.model.option import Complaint, Rejected, did_you_mean, in_words
from prober.model.pool import Pool
from prober.web.dialects.lbaas.edit_requests import (
    OWNERS,
    is_shown,
    missing,
    owner_complaints,
    read_object,
    refusal_of,
    refused,
)
from prober.web.dialects.lbaas.monitor_format import (
    NOT_PROBED,
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

T = TypeVar("T")

_NAME_LENGTH = 240
EMPTY: Json = {"name": "", "tags": []}
"""What null means for a field that is shown as it was written."""


class MonitorFormat(NamedTuple):
    """How a cloud shows a health monitor, and how it reads one.

    A `lenient` cloud accepts fields that do not apply to the type, and ignores them. `not_probed`
    is the status of the answer to its types that prober does not probe. `beside_udp` are the types
    other than UDP_CONNECT with which it probes pools of UDP.
    """

    show: Callable[[ProjectView, Monitor, Pool], Json]
    vocabulary: Vocabulary
    lenient: bool
    not_probed: int = 400
    beside_udp: tuple[str, ...] = ()


async def create_monitor(request: web.Request, form: MonitorFormat) -> tuple[Monitor, Pool]:
    """Create the health monitor in the body."""
    editor = editor_of(request)
    given = await read_object(request, "healthmonitor")
    visible = project_view_of(request)
    definition, pool = new_monitor(given, form, visible)
    made = await _edited(editor.create_monitor(definition), form)
    _remember(made, {"name": "", **given}, form, visible, created=True)
    return made, pool


async def update_monitor(request: web.Request, form: MonitorFormat) -> tuple[Monitor, Pool]:
    """Change a health monitor as described in the body."""
    editor = editor_of(request)
    given = await read_object(request, "healthmonitor")
    visible = project_view_of(request)
    monitor, pool = visible.monitor(request.match_info["id"])
    patch = patch_of(given, form, visible, monitor, pool)
    if patch:
        shown = form.show(visible, monitor, pool)
        monitor = await _edited(editor.change_monitor(monitor, patch), form)
        written = {name: value for name, value in given.items() if not is_shown(name, value, shown)}
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
    except (Rejected, Conflict) as error:
        names = {field.key: name for name, field in form.vocabulary.items()} | {"pool": "pool_id"}
        raise refusal_of(error, names) from None


def new_monitor(
    given: Mapping[str, object], form: MonitorFormat, visible: ProjectView
) -> tuple[Definition, Pool]:
    """Return the definition of the health monitor that a client wants, and its pool.

    Raises `Refused` if it is not valid.
    """
    required = [name for name, field in form.vocabulary.items() if field.required]
    if absent := missing(given, ("pool_id", *required)):
        raise refused(*absent)
    pool = _pool_of(given["pool_id"], visible)
    complaints = owner_complaints(given, pool.project_id, "pool")
    type_name = _type_of(given["type"], form)
    if protocol := _written_protocol(visible, pool):
        complaints += _misfits(type_name, protocol, form)
    left = {name: value for name, value in given.items() if name not in ("pool_id", *OWNERS)}
    values, wrong = _read_fields(left, form, type_name)
    if complaints or wrong:
        raise refused(*complaints, *wrong)
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
        **dict.fromkeys(OWNERS, pool.project_id),
        "pool_id": pool.id,
        **form.show(visible, monitor, pool),
    }
    named = {name: value for name, value in given.items() if not is_shown(name, value, shown)}
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
        protocol = _written_protocol(visible, pool) or protocol_of(visible.monitors_of(pool))
        complaints += _misfits(type_name, protocol, form, monitor.type)
    values, wrong = _read_fields(named, form, type_name)
    if complaints or wrong:
        raise refused(*complaints, *wrong)
    defaults = _defaults({**values, "type": type_name}, form, type_name)
    values = {k: defaults.get(k) if value is None else value for k, value in values.items()}
    if "name" in values:
        others = visible.store.monitors.keys() - {monitor.name}
        name = str(values["name"] or _made_up_name(pool, type_name))
        # the id is kept, because one that is derived from the name would change
        values |= {"name": unused_name(name, others), "id": monitor.id}
    return values


def _misfits(
    type_name: str, protocol: str, form: MonitorFormat, present: str = ""
) -> list[Complaint]:
    """Return complaints about another type than the present, if the pool's protocol has it not."""
    fitting = types_that_fit(protocol, form.beside_udp)
    if type_name == present or type_name in fitting:
        return []
    message = f"{type_name} does not fit a pool of protocol {protocol}, which takes "
    return [Complaint(("type",), message + ", ".join(fitting))]


def _written_protocol(visible: ProjectView, pool: Pool) -> str | None:
    """Return the protocol with which a pool was created, or None for one of the configuration."""
    known = visible.store.cloud_objects.of(POOL, pool.id)
    return known.fields.get("protocol") if known else None


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
    if isinstance(value, str) and value in NOT_PROBED:
        what = f"type: {value!r} is not supported: {NOT_PROBED[value]}"
        raise Refused(form.not_probed, what)
    try:
        return str(form.vocabulary["type"].read(value))
    except Rejected as rejected:
        raise refused(Complaint(("type",), str(rejected))) from None


def _pool_of(value: object, visible: ProjectView) -> Pool:
    if not isinstance(value, str) or not normal_id(value):
        raise refused(Complaint(("pool_id",), f"expected the id of a pool, got {in_words(value)}"))
    return visible.pool(value)


def _made_up_name(pool: Pool, type_name: str) -> str:
    """Return a name for a monitor without one, because prober needs one."""
    return f"{pool.name[:_NAME_LENGTH]}-{type_name.lower()}"
