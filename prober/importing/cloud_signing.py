"""Signs requests as Huawei's and Oracle's clients do: GET, without a body.

Documents: Huawei's "AK/SK Signing and Authentication Guide"; Oracle's "Request Signatures".
"""

import hashlib
import hmac
from base64 import b64encode
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import NamedTuple
from urllib.parse import parse_qsl, quote

_EMPTY = hashlib.sha256(b"").hexdigest()


class SigningError(Exception):
    """A request cannot be signed, and why."""


class OracleSigningKey(NamedTuple):
    """A key of Oracle's: `tenancy/user/fingerprint`, and the private key in PEM."""

    key_id: str
    pem: bytes
    password: str | None = None


def sign_huawei(
    host: str, target: str, access_key: str, secret_key: str, now: float
) -> dict[str, str]:
    """Return the headers that authenticate a GET; `target` is path and query."""
    signed_at = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    path, _, query = target.partition("?")
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    canonical = "\n".join(
        (
            "GET",
            path if path.endswith("/") else f"{path}/",
            "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs),
            f"host:{host}",
            f"x-sdk-date:{signed_at}",
            "",
            "host;x-sdk-date",
            _EMPTY,
        )
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"SDK-HMAC-SHA256\n{signed_at}\n{digest}"
    signature = hmac.new(secret_key.encode(), text.encode(), hashlib.sha256).hexdigest()
    return {
        "X-Sdk-Date": signed_at,
        "Authorization": f"SDK-HMAC-SHA256 Access={access_key}, "
        f"SignedHeaders=host;x-sdk-date, Signature={signature}",
    }


def sign_oracle(host: str, target: str, key: OracleSigningKey, now: float) -> dict[str, str]:
    """Return the headers that authenticate a GET; raise `SigningError`."""
    try:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
            load_pem_private_key,
        )
    except ImportError:
        raise SigningError("signing needs prober's extra 'oci', which is not installed") from None
    try:
        password = key.password.encode() if key.password else None
        private = load_pem_private_key(key.pem, password)
    except (ValueError, TypeError) as error:
        raise SigningError(f"the key is not usable: {error}") from None
    if not isinstance(private, RSAPrivateKey):
        raise SigningError("the key is not a private RSA key in PEM")
    date = format_datetime(datetime.fromtimestamp(now, UTC), usegmt=True)
    text = f"date: {date}\n(request-target): get {target}\nhost: {host}"
    signature = b64encode(private.sign(text.encode(), PKCS1v15(), SHA256())).decode()
    return {
        "Date": date,
        "Authorization": f'Signature version="1",keyId="{key.key_id}",algorithm="rsa-sha256",'
        f'headers="date (request-target) host",signature="{signature}"',
    }
