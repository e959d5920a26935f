"""Admin states over the native API: set with an end, listed, ended."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from prober.model.admin import BACKENDS, LONGEST, MONITORS, POOLS, AdminEntry, AdminKey, AdminState
from prober.model.kinds import choice, duration, text
from prober.model.option import Complaint, Kind, ReadContext, Rejected, dotted, unknown_keys
from prober.web.api.admin_shapes import ADMIN_ENTRIES, ADMIN_ENTRY, NamedEntry
from prober.web.api.edit_routes import read_object
from prober.web.server.auth import caller_name
from prober.web.server.editing import editor_of
from prober.web.server.errors import Refused
from prober.web.server.json_answer import json_response
from prober.web.server.query import normal_key, read_query
from prober.web.server.services import services_of

_STATE = choice(*AdminState)
_SPAN = duration(1, LONGEST)
_TEXT = text(0, 255)
_NO_CONTEXT = ReadContext("", lambda _: "", {})
_KEYS = ("state", "until", "reason", "by")


async def get_admin(request: web.Request) -> web.Response:
    """What operators decided: every admin state in force."""
    read_query(request)
    entries = services_of(request).store.admin.entries
    return await ADMIN_ENTRIES.document(None, admin=map(NamedEntry._make, sorted(entries.items())))


async def put_admin(request: web.Request) -> web.Response:
    """Set an admin state of a backend, a pool or a monitor, until a time.

    `until` is a time in RFC 3339 or a duration such as `2h`, at most 30 days ahead. A backend is
    named `address:port`, in all pools, or `pool/address:port`.
    """
    key = _asked(request)
    now = services_of(request).wall()
    caller = caller_name(request)
    entry = read_entry(await read_object(request), now=now, by=caller or "api")
    services_of(request).store.admin.put(key, entry)
    return json_response(ADMIN_ENTRY.render(NamedEntry(key, entry)))


async def delete_admin(request: web.Request) -> web.Response:
    """End an admin state that was set."""
    key = _asked(request)
    if not services_of(request).store.admin.clear(key, by=caller_name(request) or "api"):
        raise Refused(404, f"no admin state is set for {key[0]} {key[1]!r}")
    return web.Response(status=204)


def _asked(request: web.Request) -> AdminKey:
    """Return what a path names; raise `Refused` if there is none, or edits are off."""
    read_query(request)
    editor_of(request)
    kind, name = request.match_info["kind"], unquote(request.match_info["name"])
    if kind == BACKENDS:
        pool, slash, backend = name.rpartition("/")
        name = f"{pool}{slash}{normal_key(backend)}"
    if kind not in (BACKENDS, POOLS, MONITORS) or not services_of(request).store.admin.has(
        (kind, name)
    ):
        raise Refused(404, f"there is no {kind.removesuffix('s')} {name!r}")
    return kind, name


def read_entry(given: Mapping[str, object], *, now: float, by: str) -> AdminEntry:
    """Read a state as it is sent; raise `Refused` with every problem.

    Args:
        given: The body.
        now: Unix time.
        by: Who sets it, unless the body says so.
    """
    problems: list[Complaint] = unknown_keys(given, _KEYS)
    values: dict[str, Any] = {"reason": "", "by": by}
    kinds: dict[str, Kind[Any]] = {"state": _STATE, "reason": _TEXT, "by": _TEXT}
    for key, kind in kinds.items():
        if key in given:
            try:
                values[key] = kind.read(given[key], _NO_CONTEXT)
            except Rejected as rejected:
                problems += [Complaint((key,), each.message) for each in rejected.complaints]
    for key in ("state", "until"):
        if given.get(key) is None:
            problems.append(Complaint((key,), "missing"))
    if given.get("until") is not None:
        try:
            values["until"] = _read_until(given["until"], now)
        except Rejected as rejected:
            problems += [Complaint(("until",), each.message) for each in rejected.complaints]
    if problems:
        found = [{"path": dotted(path), "message": what} for path, what in problems]
        raise Refused(400, "the admin state is not valid", problems=found)
    return AdminEntry(
        AdminState(values["state"]), values["until"], values["reason"], values["by"], now
    )


def _read_until(value: object, now: float) -> float:
    what = "a time in RFC 3339 or a duration such as 2h, at most 30 days ahead"
    try:
        return now + _SPAN.read(value, _NO_CONTEXT)
    except Rejected:
        if not isinstance(value, str):
            raise Rejected(f"expected {what}, got {value!r}") from None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise Rejected(f"expected {what}, got {value!r}") from None
    if moment.tzinfo is None:
        raise Rejected(f"expected a time zone in {value!r}, such as Z")
    until = moment.astimezone(UTC).timestamp()
    if not now < until <= now + LONGEST:
        raise Rejected(f"expected a time within the next 30 days, got {value!r}")
    return until
