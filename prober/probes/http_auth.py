"""The options `basic_auth` and `bearer` of HTTP: credentials, which are secrets."""

import re
from base64 import b64encode
from dataclasses import dataclass, replace

from prober.model.file_kinds import SECRET, Secret
from prober.model.kinds import matching
from prober.model.option import HIDDEN, ReadContext, Rejected, option, section

_NO_LINE = re.compile(r"[^\x00-\x1f\x7f]*")


def _read_hidden(value: object, outside: ReadContext) -> Secret:
    secret = SECRET.read(value, outside)
    if not secret.masked and secret.content != HIDDEN:
        raise Rejected("a secret must not be written here; use {file: …} or {env: …}")
    if not _NO_LINE.fullmatch(secret.content):
        raise Rejected("a secret for a header cannot contain control characters")
    return secret


def _read_token(value: object, outside: ReadContext) -> Secret:
    secret = _read_hidden(value, outside)
    if not re.fullmatch(r"[!-~]+", secret.content):
        raise Rejected("a token has no spaces or control characters")
    return secret


HIDDEN_SECRET = replace(SECRET, read=_read_hidden)
TOKEN = replace(SECRET, read=_read_token)


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicCredentials:
    """The credentials of basic authentication (RFC 7617)."""

    username: str = option(
        matching(r"[^:\x00-\x1f\x7f]*", "a user name without colons"), doc="name of the user"
    )
    password: Secret = option(
        HIDDEN_SECRET, secret=True, doc="password of the user, as `{file: …}` or `{env: …}`"
    )


BASIC_AUTH = section(BasicCredentials)


def authorization(basic: BasicCredentials | None, bearer: Secret | None) -> str | None:
    """Return the value of the Authorization header, or None without credentials."""
    if basic is not None:
        pair = f"{basic.username}:{basic.password.content}".encode()
        return f"Basic {b64encode(pair).decode()}"
    return f"Bearer {bearer.content}" if bearer is not None else None
