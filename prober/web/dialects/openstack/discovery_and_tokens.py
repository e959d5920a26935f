"""The first requests of OpenStack clients: API versions, and a token for a password.

There are no accounts. The token for a password is the password itself, so it permits exactly what
the password permits as a token: if prober requires tokens, the user's password must be one of
prober's tokens, and every later request checks it. These routes therefore need no authentication,
and give none.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from aiohttp import web

from prober.web.dialects.lbaas.answers import request_id
from prober.web.server.dialect import Dialect, DialectRoute
from prober.web.server.errors import Refused
from prober.web.server.json_answer import Json, json_response
from prober.web.server.json_body import read_json
from prober.web.server.services import services_of

LIFETIME = timedelta(hours=24)
"""The lifetime that a token claims to have; prober's tokens do not expire."""

NEWEST = 13
"""The minor version of Octavia's API that is announced: with tags, `http_version`, `domain_name`,
`additive_only` and SOURCE_IP_PORT."""

_TOKEN = re.compile(r"[!-~]{1,4096}")  # what a header can contain
_SECRETS = {
    "password": ("user", "password"),
    "token": ("id",),
    "application_credential": ("secret",),
}
"""For each method of authentication, where to find what becomes the token."""


async def get_versions(request: web.Request) -> web.Response:
    """The versions of the load-balancing API.

    Keystone's versions are not listed: a client that finds them here would look for pools there.
    """
    href = f"{_base(request)}/v2.0"
    found = [_version(f"v2.{each}", href, "SUPPORTED") for each in range(NEWEST)]
    return json_response({"versions": [*found, _version(f"v2.{NEWEST}", href)]})


async def get_version(request: web.Request) -> web.Response:
    """The version of the load-balancing API at this path."""
    path = request.path.rstrip("/")
    return json_response({"version": _version("v2.0", f"{_base(request)}{path}")})


async def get_identity_version(request: web.Request) -> web.Response:
    """The version of the identity API, which consists only of the token endpoint."""
    return json_response({"version": _version("v3.14", f"{_base(request)}/v3/", "stable")})


def _version(name: str, href: str, status: str = "CURRENT") -> Json:
    return {"id": name, "status": status, "links": [{"rel": "self", "href": href}]}


def _base(request: web.Request) -> str:
    return f"{request.scheme}://{request.host}"


async def post_token(request: web.Request) -> web.Response:
    """Return the user's password as a token, with a catalogue of services."""
    try:
        auth = (await read_json(request))["auth"]
        method, secret = _proof(auth["identity"])
        project = _project(auth.get("scope"))
        user = str(auth["identity"].get("password", {}).get("user", {}).get("name") or "prober")
    except (ValueError, LookupError, TypeError, AttributeError):
        raise Refused(
            400,
            "expected auth.identity with methods and one of password, token and "
            "application_credential, as in Keystone version 3",
        ) from None
    if not _TOKEN.fullmatch(secret):
        raise Refused(401, "the password must be a token: printable ASCII without spaces")
    now = datetime.fromtimestamp(services_of(request).wall(), UTC)
    token = {
        "methods": [method],
        "issued_at": _time(now),
        "expires_at": _time(now + LIFETIME),
        "user": {"id": user, "name": user, "domain": _DOMAIN},
        "project": {"id": project, "name": project, "domain": _DOMAIN},
        "roles": [],
        "catalog": _catalogue(_base(request), project),
    }
    response = json_response({"token": token}, HTTPStatus.CREATED)
    response.headers["X-Subject-Token"] = secret
    return response


_DOMAIN = {"id": "default", "name": "Default"}


def _proof(identity: Mapping[str, Any]) -> tuple[str, str]:
    """Return how the client authenticates, and with what."""
    method = identity["methods"][0]
    found: Any = identity[method]
    for name in _SECRETS[method]:
        found = found[name]
    if not isinstance(found, str):
        raise TypeError
    return method, found


def _project(scope: Any) -> str:
    """Return the project that a client wants to use; prober's projects have one name, no number."""
    project = scope.get("project", {}) if scope else {}
    return str(project.get("id") or project.get("name") or "default")


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _catalogue(base: str, project: str) -> list[Json]:
    """Return the services: OpenStack's, and those that Huawei's and OTC's clients look for."""
    services = {
        "load-balancer": base,
        "elb": f"{base}/v2.0",
        "elbv3": f"{base}/v3/{quote(project, safe='', errors='replace')}",
        "identity": f"{base}/v3",
    }
    return [
        {
            "id": sort,
            "type": sort,
            "name": "prober",
            "endpoints": [
                {
                    "id": f"{sort}-{interface}",
                    "interface": interface,
                    "region": "prober",
                    "region_id": "prober",
                    "url": url,
                }
                for interface in ("public", "internal", "admin")
            ],
        }
        for sort, url in services.items()
    ]


def error(_: web.Request, status: int, message: str, more: Mapping[str, object]) -> web.Response:
    """Return an error in Keystone's form."""
    title = HTTPStatus(status).phrase
    return json_response(
        {"error": {"code": status, "title": title, "message": message, **more}}, status
    )


def prepare(request: web.Request, response: web.StreamResponse) -> None:
    """Add the request's id to an answer."""
    response.headers["x-openstack-request-id"] = f"req-{request_id(request)}"


DIALECT = Dialect(
    name="openstack",
    routes=(
        *(
            DialectRoute("GET", path, get_version, open=True)
            for path in ("/v2.0", "/v2.0/", "/v2", "/v2/")
        ),
        DialectRoute("GET", "/v3", get_identity_version, open=True),
        DialectRoute("GET", "/v3/", get_identity_version, open=True),
        DialectRoute("POST", "/v3/auth/tokens", post_token, open=True),
    ),
    error=error,
    prepare=prepare,
    root=get_versions,
)
