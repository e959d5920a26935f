"""The OpenAPI 3.1 description of the native API, made from its routes and from the options."""

import inspect
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web

from prober.model.monitor import Monitor
from prober.model.option import schema_of
from prober.model.pool import PLACE_SCHEMA, Pool
from prober.probes import PROBE_TYPES
from prober.web.api.pool_shapes import ORIGIN
from prober.web.api.route import OPENAPI, Route
from prober.web.api.schemas import schemas
from prober.web.server.json_answer import Json, JsonText, json_response, json_text
from prober.web.server.late import loaded
from prober.web.server.query import Parameter, read_query

_PAGE, _JSON, _EVENTS = "text/html", "application/json", "text/event-stream"
_IN_PATH = re.compile(r"\{(\w+)\}")
_SECURITY = {  # the ways to send a token
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic", "description": "the token as password"},
    "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
}
_PATH_DOCS = {
    "pool": "name of the pool; write a `/` in it as `%2F`",
    "name": "name; write a `/` in it as `%2F`",
    "monitor": "name of the monitor; write a `/` in it as `%2F`",
    "backend": "`address:port`, with an IPv6 address in brackets",
    "kind": "`monitor` or `pool`; for admin states `backends`, `pools` or `monitors`",
    "id": "id of the edited object, or of the notice",
}
_DOCS = {
    200: "success",
    201: "created",
    202: "the probe takes longer than its timeout; the result will be available later",
    204: "done",
    303: "done; redirects to the page of the check or the pool",
    304: "not modified",
    400: "invalid parameter or body",
    403: "disabled",
    404: "not found",
    409: "conflict: the object is in use, no history is kept, or the monitor is disabled",
    413: "the body is too large",
    415: "the body is not JSON",
    500: "failed; nothing was changed",
    503: "not alive, not ready, too few healthy backends, or the disk cannot be read",
}


def describe(routes: Iterable[Route], version: str) -> JsonText:
    """Return the description of these routes and of the monitors of all types."""
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return JsonText(
        json_text(
            {
                "openapi": "3.1.0",
                "info": {
                    "title": "prober",
                    "description": "The health of backends, as prober sees it.",
                    "version": version,
                    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
                },
                "servers": [{"url": "/"}],
                "security": [{}, *({name: []} for name in _SECURITY)],
                "paths": paths,
                "components": {
                    "schemas": {**schemas(), **_monitor_schemas()},
                    "securitySchemes": _SECURITY,
                },
            }
        )
    )


def _operation(route: Route) -> Json:
    handler = loaded(route.handler)
    summary, _, more = (inspect.getdoc(handler) or "").partition("\n")
    names = _IN_PATH.findall(route.path)
    answers = dict(route.answers)
    if is_strict(route):
        answers.setdefault(400, "Error")
    if names and route.method != "PUT":
        answers[404] = "Error"
    noun = handler.__name__.removeprefix("get_")
    in_path = [_in_path(name) for name in names]
    in_query = [_in_query(each, strict=is_strict(route)) for each in route.parameters()]
    return {
        "operationId": f"{route.method.lower()}_{noun}",
        "summary": summary.rstrip("."),
        **({"description": more.strip()} if more else {}),
        "parameters": in_path + in_query,
        **({"requestBody": _request_body(route)} if route.body else {}),
        "responses": {
            str(status): _answer(status, what, is_page=_PAGE in route.answers.values())
            for status, what in sorted(answers.items())
        },
    }


def is_strict(route: Route) -> bool:
    """Return whether a route refuses unknown parameters."""
    return route.path.startswith(("/api/", "/health/", "/sd"))


def _in_path(name: str) -> Json:
    schema = PLACE_SCHEMA if name == "backend" else {"type": "string"}
    doc = {"required": True, "description": _PATH_DOCS[name], "schema": schema}
    return {"name": name, "in": "path", **doc}


def _in_query(parameter: Parameter, *, strict: bool) -> Json:
    """Return a parameter; a route that is not strict takes any value for the default."""
    schema = dict(parameter.schema)
    if not strict:
        schema = {"examples": schema["enum"]} if "enum" in schema else {}
    elif parameter.many:
        schema = {"type": "array", "items": schema}
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.doc,
        "schema": schema,
    }


def _request_body(route: Route) -> Json:
    media = "application/x-www-form-urlencoded" if route.is_form else _JSON
    content = {media: {"schema": {"$ref": f"#/components/schemas/{route.body}"}}}
    return {"required": True, "content": content}


def _answer(status: int, what: str, *, is_page: bool) -> Json:
    """Return an answer; an error of a page is a page for browsers, JSON for others."""
    if not what:
        return {"description": _DOCS[status]}
    # of a stream, a schema would be that of each event
    content: Json = {what: {} if what == _EVENTS else {"schema": {"type": "string"}}}
    if is_page and status >= HTTPStatus.BAD_REQUEST:
        error = {"$ref": "#/components/schemas/Error"}
        content = {_PAGE: {"schema": {"type": "string"}}, _JSON: {"schema": error}}
    elif "/" not in what:
        content = {_JSON: {"schema": {"$ref": f"#/components/schemas/{what}"}}}
    return {"description": _DOCS[status], "content": content}


def _monitor_schemas() -> Json:
    """Return the schema of a monitor, and one for each probe type with its options."""
    shared, origin = schema_of(Monitor), ORIGIN.schema()
    refs = {name: f"#/components/schemas/Monitor_{name}" for name in PROBE_TYPES}
    schemas: Json = {
        "Monitor": {
            "oneOf": [{"$ref": ref} for ref in refs.values()],
            "discriminator": {"propertyName": "type", "mapping": refs},
        }
    }
    for name, cls in PROBE_TYPES.items():
        own = schema_of(cls)
        properties = {**_properties(shared), "type": {"const": name}, **_properties(own)}
        schemas[f"Monitor_{name}"] = {
            **shared,
            "properties": {**properties, **origin["properties"]},
            "required": ["name", "type", *origin["properties"]],
        }
        schemas[f"MonitorDefinition_{name}"] = {
            **shared,
            "properties": properties,
            "required": ["type"],
        }
    return {**schemas, **_definition_schemas()}


def _definition_schemas() -> Json:
    """Return the schemas of the request bodies of edits."""
    refs = {name: f"#/components/schemas/MonitorDefinition_{name}" for name in PROBE_TYPES}
    pool = schema_of(Pool)
    patch = "the keys to change, as in the definition; null resets a key to its default"
    return {
        "MonitorDefinition": {
            "oneOf": [{"$ref": ref} for ref in refs.values()],
            "discriminator": {"propertyName": "type", "mapping": refs},
        },
        "MonitorPatch": {"type": "object", "description": patch},
        "PoolDefinition": {**pool, "required": []},
        "PoolPatch": {"type": "object", "description": patch},
    }


def _properties(schema: Mapping[str, Any]) -> Json:
    return dict(schema["properties"])


async def get_openapi(request: web.Request) -> web.Response:
    """The OpenAPI description of this API."""
    read_query(request)
    return json_response(await request.app[OPENAPI].read())
