"""Who is calling: tokens, passwords and signatures, by the current configuration."""

import binascii
import hmac
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import NamedTuple

import structlog
from aiohttp import hdrs, web

from prober.model.auth_settings import Auth, Role
from prober.model.endpoint import Endpoint
from prober.web.server.client_limits import limits_of
from prober.web.server.login_limits import Bucket, LoginLimits
from prober.web.server.passwords import Passwords
from prober.web.server.request_body import has_body, read_body
from prober.web.server.signatures import (
    BadSignature,
    Claim,
    SignedRequest,
    claim_huawei,
    claim_oracle,
)

_log = structlog.get_logger(__name__)

TOKEN_HEADER = "X-Auth-Token"  # noqa: S105  (its name)


class Caller(NamedTuple):
    """Who is calling; `name` is for the log."""

    name: str
    role: Role


class _Signers(NamedTuple):
    """The signing keys of one cloud, and their roles, by key id."""

    judge: Callable[[SignedRequest, Mapping[str, str], float], Claim]
    keys: Mapping[str, str]
    roles: Mapping[str, Role]


class Access:
    """Who may call the API, by the current configuration.

    Args:
        auth: Tokens and keys, or None.
        endpoint: Users, certificates, headers and limits, or None.
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

    def allow_hosts(self, names: tuple[str, ...]) -> None:
        """From now on, answer only requests to these names; all if there are none."""
        self.allowed_hosts = names

    def adopt(self, auth: Auth | None, endpoint: Endpoint) -> None:
        """Accept only these credentials from now on."""
        self._users = Passwords(endpoint.basic_auth_users)
        self._tokens = [
            (fingerprint(each.token.content), Caller(each.name, each.role))
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

    async def identify(self, request: web.Request, now: float) -> Caller | None:
        """Return the caller who sent a request, or None if the credentials are invalid.

        `now` is the unix time, for the times of signatures.
        """
        if token := request.headers.get(TOKEN_HEADER):
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
                return await _by_signature(request, value, self._oracle, now)
            case "sdk-hmac-sha256":
                return await _by_signature(request, value, self._huawei, now)
        return None

    def _by_token(self, token: str) -> Caller | None:
        """Compare with every token, so that the time taken reveals nothing."""
        shown, found = fingerprint(token), None
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


def fingerprint(token: str) -> bytes:
    """Return the digest that is compared instead of a token."""
    return sha256(token.encode(errors="surrogateescape")).digest()


async def _by_signature(
    request: web.Request, value: str, signers: _Signers, now: float
) -> Caller | None:
    """Return the signer of a request; its body is read last, once everything else is valid."""
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
        claim = signers.judge(signed, signers.keys, now)
        claim.prove(await read_body(request, seconds=limits_of(request).body))
    except BadSignature as bad:
        _log.debug("signature_refused", reason=str(bad), peer=request.remote)
        return None
    return Caller(claim.key_id, signers.roles[claim.key_id])
