"""Authentication and authorization: who is calling, and whether the role permits the request.

If credentials are configured, every route needs a role: `read` to read, `write` for everything
else. The exceptions are `OPEN_PATHS` and the routes that a dialect marks as open.
"""

from math import ceil

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from prober.model.auth_settings import Role
from prober.web.server.callers import TOKEN_HEADER, Access, Caller, fingerprint
from prober.web.server.client_limits import limits_of
from prober.web.server.dialect import dialect_of, root_of
from prober.web.server.errors import Refused
from prober.web.server.login_limits import peer_of
from prober.web.server.origin import SAFE, why_foreign, why_misnamed
from prober.web.server.passwords import TooManyLoginsError
from prober.web.server.request_body import (
    BODY_LIMIT,
    OPEN_BODY_LIMIT,
    check_expectation,
    read_body,
)
from prober.web.server.services import Services, services_of

_log = structlog.get_logger(__name__)

OPEN_PATHS = frozenset({"/-/healthy", "/-/ready"})
"""Unauthenticated native paths: whatever restarts or drains prober has no token."""

_SIGNATURES = ("signature", "sdk-hmac-sha256")
_NONE_SHOWN = "credentials required: send a token, as Authorization: Bearer or as a password"
_UNKNOWN = "invalid credentials"


PUBLIC_ROUTES = web.AppKey("PUBLIC_ROUTES", frozenset[tuple[str, str]])
"""Methods and paths that are unauthenticated while the page is public."""
_CALLER = web.RequestKey("CALLER", str)
_ROLE = web.RequestKey("ROLE", Role)
CONNECTING_PATHS = web.AppKey("CONNECTING_PATHS", frozenset[str])
"""Paths that make prober connect to a target of the caller's choice, whatever the method."""
GATES = "/health/"
"""The paths of the gates."""
LOOKING_ROUTES = web.AppKey("LOOKING_ROUTES", frozenset[tuple[str, str]])
"""Methods and paths that change nothing, although the method suggests otherwise."""


@web.middleware
async def authorize(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Pass a request on if its caller is permitted to make it."""
    services, is_open = services_of(request), _is_open(request)
    access = services.access
    check_expectation(request)
    if not _is_vital(request):
        _keep_to_the_rate(access)
        _refuse_the_foreign(request, access)
    if access.asks and not is_open:
        caller = await _caller(request, services)
        needed = Role.READ if _looks(request) else Role.WRITE
        request[_CALLER], request[_ROLE] = caller.name, caller.role
        if not caller.role.may(needed):
            raise Refused(403, f"this needs the role {needed}; your role is {caller.role}")
        if needed is Role.WRITE:
            path = request.rel_url.raw_path
            _log.info("authorized", caller=caller.name, method=request.method, path=path)
    if request.match_info.http_exception is None:  # otherwise nothing reads the body
        limit = OPEN_BODY_LIMIT if is_open else BODY_LIMIT
        await read_body(request, seconds=limits_of(request).body, limit=limit)
    return await handler(request)


def gate_is_public(request: web.Request) -> bool:
    """Return whether the gate that a request asks answers everybody, and so names no address.

    `health.public` opens all gates, `public_gate` of a pool its own and those of its backends.
    """
    services, match = services_of(request), request.match_info
    pool = services.store.pools.get(match.get("pool") or match.get("name") or "")
    return services.public_gates() or (pool is not None and pool.public_gate)


def caller_name(request: web.Request) -> str | None:
    """Return the name of the caller, or None without authentication."""
    return request.get(_CALLER)


def may_write(request: web.Request) -> bool:
    """Return whether the caller may make changes: by role, or because nobody is asked."""
    if not services_of(request).access.asks:
        return True
    role = request.get(_ROLE)
    return role is not None and role.may(Role.WRITE)


def _looks(request: web.Request) -> bool:
    """Return whether a request only reads."""
    resource = request.match_info.route.resource
    path, method = resource.canonical if resource else "", request.method
    if method in SAFE or (method, path) in request.app[LOOKING_ROUTES]:
        return True
    dialect = dialect_of(request)
    return dialect is not None and dialect.looks(method, path)


def _is_open(request: web.Request) -> bool:
    """Return whether a request is answered without credentials."""
    resource = request.match_info.route.resource
    if resource is None:
        return False
    path, method = resource.canonical, request.method
    if path.startswith(GATES) and method in SAFE and gate_is_public(request):
        return True
    method = hdrs.METH_GET if method == hdrs.METH_HEAD else method
    if method == hdrs.METH_GET and path in OPEN_PATHS:
        return True
    if (dialect := dialect_of(request)) and dialect.opens(method, path):
        return True
    if (method, path) in request.app[PUBLIC_ROUTES] and services_of(request).page().public:
        return True
    return method == hdrs.METH_GET and root_of(request) is not None


def _is_vital(request: web.Request) -> bool:
    """Return whether a request only asks whether prober is alive or ready."""
    return request.method in SAFE and request.path in OPEN_PATHS


def _refuse_the_foreign(request: web.Request, access: Access) -> None:
    """Refuse cross-site requests, and requests for a host name that is not allowed."""
    host = request.headers.get(hdrs.HOST, "")
    resource = request.match_info.route.resource
    path = resource.canonical if resource else ""
    wrong = why_misnamed(
        host, request.headers, identified=access.identifies, allowed=access.allowed_hosts
    ) or why_foreign(
        request.method, host, request.headers, connects=path in request.app[CONNECTING_PATHS]
    )
    if wrong:
        raise Refused(403, wrong)


def _keep_to_the_rate(access: Access) -> None:
    """Refuse requests beyond `rate_limit`."""
    bucket, now = access.bucket, access.clock()
    if bucket is None:
        return
    if wait := bucket.wait(now):
        raise _not_now("rate_limit exceeded", wait)
    bucket.take(now)


async def _caller(request: web.Request, services: Services) -> Caller:
    """Return the caller; raise 401, or 429 after too many wrong credentials."""
    access, token = services.access, request.headers.get(TOKEN_HEADER)
    authorization = request.headers.get(hdrs.AUTHORIZATION)
    if not token and not authorization:
        raise _unauthorized(request, _NONE_SHOWN)
    peer, mark = peer_of(request.remote or ""), fingerprint(f"{token}\n{authorization}")
    wait = access.attempts.wait(peer, mark)
    if wait and not _is_signed(request):
        raise _not_now("too many wrong credentials from your address", wait)
    try:
        caller = await access.identify(request, services.wall())
    except TooManyLoginsError:
        raise _not_now("too many passwords are being checked", 1.0) from None
    if caller is None:
        if not wait:
            access.attempts.failed(peer)
            _log.warning("credentials_refused", peer=peer, path=request.rel_url.raw_path)
        raise _unauthorized(request, _UNKNOWN)
    if not _is_signed(request):
        access.attempts.succeeded(peer, mark)
    return caller


def _is_signed(request: web.Request) -> bool:
    """Return whether the only credential is a signature, which cannot be guessed."""
    scheme = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")[0].lower()
    return scheme in _SIGNATURES and TOKEN_HEADER not in request.headers


def _unauthorized(request: web.Request, message: str) -> Refused:
    refused = Refused(401, message)
    way = "Bearer" if dialect_of(request) else "Basic"  # on Basic, a browser asks its user
    charset = ', charset="UTF-8"' if way == "Basic" else ""
    refused.headers[hdrs.WWW_AUTHENTICATE] = f'{way} realm="prober"{charset}'
    return refused


def _not_now(message: str, wait: float) -> Refused:
    refused = Refused(429, message)
    refused.headers[hdrs.RETRY_AFTER] = str(ceil(wait))
    return refused
