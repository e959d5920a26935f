"""Who may use the API: the `server.auth` section and the two roles."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from prober.model.file_kinds import ABSENT, SECRET, Secret, read_secret_file
from prober.model.kinds import choice, list_of, one_of, text
from prober.model.option import Complaint, Kind, ReadContext, Rejected, expected, option, section

_SENDABLE = re.compile(r"[\x21-\x7e]+")


class Role(StrEnum):
    """What a caller may do: `read` may only read, `write` may also make changes."""

    READ = "read"
    WRITE = "write"

    def may(self, needed: "Role") -> bool:
        """Return whether this role is sufficient where `needed` is required."""
        return self is Role.WRITE or needed is Role.READ


def _read_role(value: object, outside: ReadContext) -> Role:
    return Role(_ROLE_NAME.read(value, outside))


def _read_credential(value: object, outside: ReadContext) -> Secret:
    if not isinstance(value, dict):
        what = "text" if isinstance(value, str) else "something else"  # do not repeat the value
        raise Rejected(f"expected {{file: PATH}} or {{env: NAME}}, got {what}")
    secret = SECRET.read(value, outside)
    if not secret.content:
        raise Rejected(Complaint((next(iter(value)),), "the secret is empty"))
    if not _SENDABLE.fullmatch(secret.content):
        message = "expected a single line of ASCII characters without spaces"
        raise Rejected(Complaint((next(iter(value)),), message))
    return secret


def _read_public_key(value: object, outside: ReadContext) -> str:
    if not isinstance(value, str) or not value:
        raise expected("the path of a PEM file", value)
    content = read_secret_file(value, outside)
    if content is None:
        return ABSENT
    if "PRIVATE KEY-----" in content:
        raise Rejected(f"{value!r} contains a private key; use the public key instead")
    if not re.search(r"-----BEGIN (RSA )?PUBLIC KEY-----", content):
        raise Rejected(f"{value!r} does not contain a public key in PEM format")
    return content


_ROLE_NAME = choice(*Role)
ROLE = Kind(_read_role, _ROLE_NAME.schema)
CREDENTIAL = Kind(_read_credential, one_of("file", "env"), str, holds_secrets=True)
"""A secret that must come from a file or the environment."""
PUBLIC_KEY = Kind(_read_public_key, {"type": "string", "minLength": 1}, lambda _: "<public key>")
"""The content of the PEM file at a configured path."""

_ROLE_DOC = "`read`: read only; `write`: may also edit and reload"
_NAME = text(1, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token."""

    name: str = option(_NAME, doc="name of the caller in the log; unique")
    role: Role = option(ROLE, doc=_ROLE_DOC)
    token: Secret = option(CREDENTIAL, secret=True, doc="where to read the token from")


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleKey:
    """The public half of a key that signs requests in the manner of Oracle clients."""

    key_id: str = option(_NAME, doc="`keyId` of the signatures: tenancy/user/fingerprint")
    role: Role = option(ROLE, doc=_ROLE_DOC)
    public_key: str = option(PUBLIC_KEY, doc="PEM file with the public key (RSA)")


@dataclass(frozen=True, slots=True, kw_only=True)
class HuaweiKey:
    """A key pair that signs requests in the manner of Huawei clients (SDK-HMAC-SHA256)."""

    access_key: str = option(_NAME, doc="`Access` of the signatures")
    role: Role = option(ROLE, doc=_ROLE_DOC)
    secret_key: Secret = option(CREDENTIAL, secret=True, doc="where to read the secret key from")


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """All credentials that the API accepts."""

    tokens: tuple[Token, ...] = option(
        list_of(section(Token), shortest=1),
        default=(),
        doc="sent as `X-Auth-Token`, `Authorization: Bearer`, or as the password of `Basic`",
    )
    oracle_keys: tuple[OracleKey, ...] = option(
        list_of(section(OracleKey), shortest=1),
        default=(),
        doc="keys of Oracle clients, which sign their requests",
    )
    huawei_keys: tuple[HuaweiKey, ...] = option(
        list_of(section(HuaweiKey), shortest=1),
        default=(),
        doc="keys of Huawei clients, which sign their requests",
    )

    def __post_init__(self) -> None:
        if not (self.tokens or self.oracle_keys or self.huawei_keys):
            raise Rejected("expected at least one of tokens, oracle_keys, huawei_keys")
        complaints = [
            *_repeated("tokens", "name", [each.name for each in self.tokens]),
            *_repeated("tokens", "token", [each.token.content for each in self.tokens]),
            *_repeated("oracle_keys", "key_id", [each.key_id for each in self.oracle_keys]),
            *_repeated("huawei_keys", "access_key", [each.access_key for each in self.huawei_keys]),
        ]
        if complaints:
            raise Rejected(*complaints)


def _repeated(key: str, of: str, values: Sequence[str]) -> Iterator[Complaint]:
    """Yield a complaint for each duplicate value, without repeating the value."""
    for i, value in enumerate(values):
        first = values.index(value)
        if first != i:
            yield Complaint((key, i, of), f"duplicate of {key}[{first}].{of}")


_AUTH = section(Auth)
AUTH = replace(_AUTH, schema={**_AUTH.schema, "minProperties": 1})
"""The section as a whole. It must not be empty: that would look protected and be open to anyone."""
