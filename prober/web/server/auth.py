"""Who is calling, and whether that is enough for what is asked.

Where credentials are configured, every route needs a role: `read` to look, `write` for the rest.
What needs none is in `OPEN_PATHS` and in the routes that a dialect marks as open.
"""

import binascii
import hmac
import time
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from math import ceil
from typing import NamedTuple

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from prober.model.auth_settings import Auth, Role
from prober.model.endpoint import Endpoint
from prober.web.server.client_limits import limits_of
from prober.web.server.dialect import Dialect, dialect_of, root_of
from prober.web.server.errors import Refused
from prober.web.server.login_limits import Bucket, LoginLimits, peer_of
from prober.web.server.origin import SAFE, why_foreign, why_misnamed
from prober.web.server.passwords import Passwords
from prober.web.server.request_body import (
    BODY_LIMIT,
    OPEN_BODY_LIMIT,
    check_expectation,
    has_body,
    read_body,
)
from prober.web.server.services import CLOCKS, FACADE
from prober.web.server.signatures import (
    BadSignature,
    Claim,
    SignedRequest,
    claim_huawei,
    claim_oracle,
)

_log = structlog.get_logger(__name__)

OPEN_PATHS = frozenset({"/-/healthy", "/-/ready"})
"""Native paths that answer everybody: whoever restarts or drains a prober holds no token."""

_TOKEN_HEADER = "X-Auth-Token"  # noqa: S105  (its name)
_SIGNATURES = ("signature", "sdk-hmac-sha256")
_NONE_SHOWN = "credentials are needed: a token, as Authorization: Bearer or as a password"
_UNKNOWN = "these credentials are not accepted"


class Caller(NamedTuple):
    """Who is calling; `name` is for the log."""

    name: str
    role: Role


class _Signers(NamedTuple):
    """Keys that sign in one cloud's way, and their roles, by the ids of the keys."""

    judge: Callable[[SignedRequest, Mapping[str, str], float], Claim]
    keys: Mapping[str, str]
    roles: Mapping[str, Role]


class Access:
    """Who may call the API: what the configuration says now.

    Args:
        auth: Tokens and keys; None: there are none.
        endpoint: Users, certificates, headers and limits; None: there are none.
        clock: A monotonic clock.
    """

    def __init__(
        self,
        auth: Auth | None = None,
        endpoint: Endpoint | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self.attempts = LoginLimits(clock)
        self.allowed_hosts: tuple[str, ...] = ()
        self.adopt(auth, endpoint or Endpoint())

    def adopt(self, auth: Auth | None, endpoint: Endpoint) -> None:
        """From now on, accept what these say and nothing else."""
        self._users = Passwords(endpoint.basic_auth_users)
        self._tokens = [
            (_digest(each.token.content), Caller(each.name, each.role))
            for each in (auth.tokens if auth else ())
        ]
        oracle, huawei = (auth.oracle_keys, auth.huawei_keys) if auth else ((), ())
        self._oracle = _Signers(
            claim_oracle,
            {each.key_id: each.public_key for each in oracle},
            {each.key_id: each.role for each in oracle},
        )
        self._huawei = _Signers(
            claim_huawei,
            {each.access_key: each.secret_key.content for each in huawei},
            {each.access_key: each.role for each in huawei},
        )
        self.asks = auth is not None or bool(endpoint.basic_auth_users)
        self.identifies = self.asks or endpoint.requires_certificates
        http, limit = endpoint.http_server_config, endpoint.rate_limit
        self.headers = (
            {name: value for name, value in http.headers.items() if value} if http else {}
        )
        self.bucket = Bucket(limit.interval, limit.burst) if limit and limit.interval else None

    async def identify(self, request: web.Request) -> Caller | None:
        """Return who sends a request, None if its credentials are not those of anybody."""
        if token := request.headers.get(_TOKEN_HEADER):
            caller = self._by_token(token)
            if caller:
                return caller
        scheme, _, value = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        match scheme.lower():
            case "bearer":
                return self._by_token(value.strip())
            case "basic":
                return await self._by_password(value)
            case "signature":
                return await _by_signature(request, value, self._oracle)
            case "sdk-hmac-sha256":
                return await _by_signature(request, value, self._huawei)
        return None

    def _by_token(self, token: str) -> Caller | None:
        """Compare with every token, so that the time tells nothing about any."""
        shown, found = _digest(token), None
        for digest, caller in self._tokens:
            if hmac.compare_digest(digest, shown):
                found = caller
        return found

    async def _by_password(self, value: str) -> Caller | None:
        try:
            user, separator, password = b64decode(value, validate=True).partition(b":")
            name = user.decode()
        except (ValueError, binascii.Error):
            return None
        if not separator:
            return None
        if caller := self._by_token(password.decode(errors="replace")):
            return caller
        matches = await self._users.match(name, password)
        return Caller(name, Role.WRITE) if matches else None


ACCESS = web.AppKey("ACCESS", Access)
OPEN_ROUTES = web.AppKey("OPEN_ROUTES", frozenset[tuple[str, str]])
"""Methods and paths that answer everybody; HEAD goes with GET."""
PUBLIC_ROUTES = web.AppKey("PUBLIC_ROUTES", frozenset[tuple[str, str]])
"""Those that do so while the page is public."""
_CALLER = web.RequestKey("CALLER", str)
CONNECTING_PATHS = web.AppKey("CONNECTING_PATHS", frozenset[str])
"""Paths that make prober connect to a place of the caller's choice, whatever the method."""
LOOKING_ROUTES = web.AppKey("LOOKING_ROUTES", frozenset[tuple[str, str]])
"""Those that change nothing although their method says otherwise."""


def open_routes(dialects: Iterable[Dialect]) -> frozenset[tuple[str, str]]:
    """Return what is open, natively and in these cloud APIs."""
    theirs = (each for dialect in dialects for each in dialect.routes if each.open)
    ours = ((hdrs.METH_GET, path) for path in OPEN_PATHS)
    return frozenset((*((each.method, each.path) for each in theirs), *ours))


def _digest(token: str) -> bytes:
    return sha256(token.encode(errors="surrogateescape")).digest()


async def _by_signature(request: web.Request, value: str, signers: _Signers) -> Caller | None:
    """Return who signed a request; its body is read last, when nothing else is wrong."""
    if not any(key_id in value for key_id in signers.keys):
        return None
    names = [name.lower() for name in request.headers]
    signed = SignedRequest(
        request.method,
        request.raw_path,
        {name: request.headers[name] for name in names},
        repeated=frozenset(name for name in names if names.count(name) > 1),
        has_body=has_body(request),
    )
    try:
        claim = signers.judge(signed, signers.keys, request.app[CLOCKS].wall())
        claim.prove(await read_body(request, seconds=limits_of(request).body))
    except BadSignature as bad:
        _log.debug("signature_refused", reason=str(bad), peer=request.remote)
        return None
    return Caller(claim.key_id, signers.roles[claim.key_id])


@web.middleware
async def authorize(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request through if whoever sends it may do what it asks for."""
    access, is_open = request.app[ACCESS], _is_open(request)
    check_expectation(request)
    if not _is_vital(request):
        _keep_to_the_rate(access)
        _refuse_the_foreign(request, access)
    if access.asks and not is_open:
        caller = await _caller(request, access)
        needed = Role.READ if _looks(request) else Role.WRITE
        request[_CALLER] = caller.name
        if not caller.role.may(needed):
            raise Refused(403, f"this needs the role {needed}, the caller has {caller.role}")
        if needed is Role.WRITE:
            path = request.rel_url.raw_path
            _log.info("authorized", caller=caller.name, method=request.method, path=path)
    if request.match_info.http_exception is None:  # else nobody wants it
        limit = OPEN_BODY_LIMIT if is_open else BODY_LIMIT
        await read_body(request, seconds=limits_of(request).body, limit=limit)
    return await handler(request)


def caller_name(request: web.Request) -> str | None:
    """Return the name of whoever sends a request, None where nobody has to say it."""
    return request.get(_CALLER)


def _looks(request: web.Request) -> bool:
    """Return whether a request changes nothing."""
    resource = request.match_info.route.resource
    path = resource.canonical if resource else ""
    return request.method in SAFE or (request.method, path) in request.app[LOOKING_ROUTES]


def _is_open(request: web.Request) -> bool:
    """Tell whether a request is answered without credentials."""
    resource = request.match_info.route.resource
    if resource is None:
        return False
    path, method = resource.canonical, request.method
    method = hdrs.METH_GET if method == hdrs.METH_HEAD else method
    if (method, path) in request.app[OPEN_ROUTES]:
        return True
    if (method, path) in request.app[PUBLIC_ROUTES] and request.app[FACADE].front().public:
        return True
    return method == hdrs.METH_GET and root_of(request) is not None


def _is_vital(request: web.Request) -> bool:
    """Return whether a request asks no more than whether prober lives and is ready."""
    return request.method in SAFE and request.path in OPEN_PATHS


def _refuse_the_foreign(request: web.Request, access: Access) -> None:
    """Refuse what a page of another site has sent, or sent under a name that is not ours."""
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
    """Refuse what is more than `rate_limit` allows, whoever it comes from."""
    bucket, now = access.bucket, access.clock()
    if bucket is None:
        return
    if wait := bucket.wait(now):
        raise _not_now("more requests than rate_limit allows", wait)
    bucket.take(now)


async def _caller(request: web.Request, access: Access) -> Caller:
    """Return who sends a request, or raise 401; 429 to who has guessed wrong too often."""
    token = request.headers.get(_TOKEN_HEADER)
    authorization = request.headers.get(hdrs.AUTHORIZATION)
    if not token and not authorization:
        raise _unauthorized(request, _NONE_SHOWN)
    peer, mark = peer_of(request.remote or ""), _digest(f"{token}\n{authorization}")
    wait = access.attempts.wait(peer, mark)
    if wait and not _is_signed(request):
        raise _not_now("wrong credentials came from your address too often", wait)
    caller = await access.identify(request)
    if caller is None:
        if not wait:
            access.attempts.failed(peer)
            _log.warning("credentials_refused", peer=peer, path=request.rel_url.raw_path)
        raise _unauthorized(request, _UNKNOWN)
    if not _is_signed(request):
        access.attempts.succeeded(peer, mark)
    return caller


def _is_signed(request: web.Request) -> bool:
    """Tell whether a request shows a signature and nothing else: that cannot be guessed."""
    scheme = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")[0].lower()
    return scheme in _SIGNATURES and _TOKEN_HEADER not in request.headers


def _unauthorized(request: web.Request, message: str) -> Refused:
    refused = Refused(401, message)
    way = "Bearer" if dialect_of(request) else "Basic"  # a browser asks its user on Basic
    charset = ', charset="UTF-8"' if way == "Basic" else ""
    refused.headers[hdrs.WWW_AUTHENTICATE] = f'{way} realm="prober"{charset}'
    return refused


def _not_now(message: str, wait: float) -> Refused:
    refused = Refused(429, message)
    refused.headers[hdrs.RETRY_AFTER] = str(ceil(wait))
    return refused
