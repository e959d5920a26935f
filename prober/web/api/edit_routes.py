"""Edits over the native API: PUT, PATCH and DELETE monitors and pools by name."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from aiohttp import hdrs, web

from prober.edits.contract import Conflict, Editor
from prober.model.monitor import Monitor
from prober.model.option import Rejected, dotted, options_of
from prober.model.pool import Pool
from prober.model.shown import ORIGIN_KEYS, monitor_json
from prober.state.pace import Pace
from prober.web.api.event_shapes import EDITS
from prober.web.api.gates import pool_of
from prober.web.api.native import monitor_of, written_pool
from prober.web.server.editing import editor_of
from prober.web.server.errors import Refused
from prober.web.server.json_answer import json_response
from prober.web.server.json_body import read_json
from prober.web.server.query import read_query
from prober.web.server.services import services_of

_JSON = ("application/json", "application/merge-patch+json")


async def put_monitor(request: web.Request) -> web.Response:
    """Create or replace a monitor.

    The body is the monitor as in the configuration file; `name` can be left out. Keys that are left
    out get their defaults.
    """
    editor = _asked(request)
    name = request.match_info["name"]
    definition = await _definition(request, name)
    monitor = services_of(request).store.monitors.get(name)
    with _refusals():
        if monitor is None:
            made = await editor.create_monitor(_given(definition))
            return _created(json_response(monitor_json(made), 201), request)
        keys = (*options_of(Monitor), *options_of(type(monitor.probe)))
        made = await editor.change_monitor(monitor, _in_place(definition, keys))
        return json_response(monitor_json(made))


async def patch_monitor(request: web.Request) -> web.Response:
    """Change the given keys of a monitor; null resets a key to its default."""
    editor = _asked(request)
    monitor = monitor_of(request)
    patch = await read_object(request)
    with _refusals():
        return json_response(monitor_json(await editor.change_monitor(monitor, patch)))


async def delete_monitor(request: web.Request) -> web.Response:
    """Delete a monitor, and the pool of its own targets."""
    editor = _asked(request)
    with _refusals():
        await editor.delete_monitor(monitor_of(request))
    return web.Response(status=204)


async def put_pool(request: web.Request) -> web.Response:
    """Create or replace a pool.

    The body is the pool as in the configuration file; `name` can be left out. Keys that are left
    out get their defaults.
    """
    editor = _asked(request)
    name = request.match_info["name"]
    definition = await _definition(request, name)
    pool = services_of(request).store.pools.get(name)
    with _refusals():
        if pool is None:
            new = await editor.create_pool(_given(definition))
            return _created(await _pool_response(request, new, 201), request)
        made = await editor.change_pool(pool, _in_place(definition, tuple(options_of(Pool))))
        return await _pool_response(request, made)


async def patch_pool(request: web.Request) -> web.Response:
    """Change the given keys of a pool; null resets a key to its default.

    A list of backends replaces the whole list.
    """
    editor = _asked(request)
    pool = pool_of(request)
    patch = await read_object(request)
    with _refusals():
        return await _pool_response(request, await editor.change_pool(pool, patch))


async def delete_pool(request: web.Request) -> web.Response:
    """Delete a pool that no monitor uses."""
    editor = _asked(request)
    with _refusals():
        await editor.delete_pool(pool_of(request))
    return web.Response(status=204)


async def get_edits(request: web.Request) -> web.Response:
    """The edits in addition to the configuration file; secrets are masked."""
    read_query(request)
    editor = services_of(request).editor
    return await EDITS.document(None, edits=editor.edits() if editor else ())


async def delete_edit(request: web.Request) -> web.Response:
    """Revert an edit, so that the definition in the configuration file applies again."""
    editor = _asked(request)
    kind, identifier = request.match_info["kind"], request.match_info["id"]
    with _refusals():
        if not await editor.take_back(kind, identifier):
            raise Refused(404, f"there is no edit of {kind} {identifier!r}")
    return web.Response(status=204)


def _asked(request: web.Request) -> Editor:
    read_query(request)
    return editor_of(request)


async def _definition(request: web.Request, name: str) -> dict[str, object]:
    """Return the definition in the body, which may repeat the name in the path."""
    given = await read_object(request)
    if given.setdefault("name", name) != name:
        problem = {"path": "name", "message": f"expected {name!r} as in the path"}
        raise Refused(400, "the definition is rejected", problems=[problem])
    return given


async def read_object(request: web.Request) -> dict[str, object]:
    """Return the object in the body, without the keys that answers add to a definition."""
    if request.content_type not in _JSON:
        raise Refused(415, f"expected a body of type {_JSON[0]}, got {request.content_type}")
    try:
        given = await read_json(request)
    except ValueError as error:
        raise Refused(400, f"the body is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise Refused(400, "the body is not a JSON object")
    return {key: value for key, value in given.items() if key not in ORIGIN_KEYS}


def _in_place(definition: dict[str, object], keys: Iterable[str]) -> dict[str, object]:
    """Return the patch that replaces everything except name and id."""
    return {**{key: None for key in keys if key not in ("name", "id")}, **definition}


def _given(definition: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in definition.items() if value is not None}


def _created(response: web.Response, request: web.Request) -> web.Response:
    response.headers[hdrs.LOCATION] = request.rel_url.raw_path
    return response


async def _pool_response(request: web.Request, pool: Pool, status: int = 200) -> web.Response:
    return json_response(await written_pool(services_of(request).store, pool, Pace()), status)


@contextmanager
def _refusals() -> Iterator[None]:
    """Answer refused edits: 400 with all problems, 409 for a conflict."""
    try:
        yield
    except Rejected as rejected:
        problems = [{"path": dotted(path), "message": what} for path, what in rejected.complaints]
        raise Refused(400, "the definition is rejected", problems=problems) from None
    except Conflict as conflict:
        raise Refused(409, str(conflict)) from None
