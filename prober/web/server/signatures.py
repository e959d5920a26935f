"""Signed requests: verifies that a request was signed with a known key, and returns the key.

Both clouds sign a text made from parts of the request. Anything outside of that text could be
changed on the way, so a signature must cover target, time and body, and Oracle's also the host,
which Huawei's clients in Go do not sign. Signatures are not remembered: an intercepted one can be
replayed until it expires; only TLS prevents that.
"""

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

ORACLE_SKEW = 300.0
"""Maximum clock difference in seconds for Oracle signatures."""

HUAWEI_SKEW = 900.0
"""The same for Huawei signatures."""

_PARAMETER = r'[A-Za-z]+="[^"]*"'
_ORACLE = re.compile(rf"signature\s+({_PARAMETER}(?:\s*,\s*{_PARAMETER})*)\s*", re.IGNORECASE)
_ORACLE_ALWAYS = ("(request-target)", "host")
_ORACLE_BODY = ("content-length", "content-type", "x-content-sha256")
_HUAWEI = re.compile(
    r"SDK-HMAC-SHA256 Access=([^,\s]+), ?SignedHeaders=([^,\s]+), ?Signature=([0-9a-f]{64})"
)
_HUAWEI_TIME = "%Y%m%dT%H%M%SZ"


class BadSignature(Exception):  # noqa: N818  (an answer, not a bug)
    """A request whose signature is not valid, and why."""


class SignedRequest(NamedTuple):
    """The head of a request as received: `target` is path and query on the wire.

    Names in `headers` are in lower case; names that occur more than once are also in `repeated`.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    repeated: frozenset[str] = frozenset()
    has_body: bool = False


class Claim(NamedTuple):
    """Who signed a request, provided that `prove` accepts its body; otherwise it raises."""

    key_id: str
    prove: Callable[[bytes], None]


def claim_oracle(request: SignedRequest, keys: Mapping[str, str], now: float) -> Claim:
    """Return who signed a request in the manner of Oracle's clients.

    The signature is verified here; it covers a digest of the body, which `prove` compares.

    Args:
        request: The request.
        keys: Public RSA keys in PEM by key id (`tenancy/user/fingerprint`).
        now: Unix time.

    Raises:
        BadSignature: The signature is missing, from an unknown key, or too old.
    """
    given = _oracle_parameters(request.headers.get("authorization", ""))
    if given.get("version") != "1" or given.get("algorithm") != "rsa-sha256":
        raise BadSignature('expected version="1" and algorithm="rsa-sha256"')
    names = given.get("headers", "").lower().split()
    has_body = request.has_body or request.method in ("POST", "PUT", "PATCH")
    _reject_unsigned((*_ORACLE_ALWAYS, *(_ORACLE_BODY if has_body else ())), names)
    _reject_late(_oracle_time(request, names), now, ORACLE_SKEW)
    key_id = given.get("keyid", "")
    if key_id not in keys:
        raise BadSignature(f"unknown key {key_id[:200]!r}")
    signed = "\n".join(f"{name}: {_oracle_value(request, name)}" for name in names)
    _reject_forged(keys[key_id], given.get("signature", ""), _octets(signed))
    return Claim(key_id, partial(_reject_other_body, request) if has_body else _reject_body)


def _reject_body(body: bytes) -> None:
    if body:
        raise BadSignature("the signature does not cover a body")


def _oracle_parameters(header: str) -> dict[str, str]:
    found = _ORACLE.fullmatch(header)
    if not found:
        raise BadSignature('expected Authorization: Signature version="1",keyId="…",…')
    pairs = [pair.split("=", 1) for pair in re.findall(_PARAMETER, found[1])]
    given = {name.lower(): value[1:-1] for name, value in pairs}
    if len(given) != len(pairs):
        raise BadSignature("duplicate parameter in the signature")
    return given


def _oracle_time(request: SignedRequest, names: list[str]) -> float:
    """Return when a request was signed; browsers cannot set `date` and sign `x-date` instead."""
    name = "x-date" if "x-date" in names else "date"
    _reject_unsigned((name,), names)
    text = _header(request, name) if name in request.headers else ""
    try:
        signed_at = parsedate_to_datetime(text)
        return (signed_at if signed_at.tzinfo else signed_at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise BadSignature(f"expected a date in {name}, got {text!r}") from None


def _oracle_value(request: SignedRequest, name: str) -> str:
    if name == "(request-target)":
        return f"{request.method.lower()} {request.target}"
    return _header(request, name)


def _reject_other_body(request: SignedRequest, body: bytes) -> None:
    digest = b64encode(hashlib.sha256(body).digest()).decode()
    if not _equal(_header(request, "x-content-sha256"), digest):
        raise BadSignature("x-content-sha256 does not match the body")
    if _header(request, "content-length") != str(len(body)):
        raise BadSignature("content-length does not match the body")


def _reject_forged(pem: str, signature: str, signed: bytes) -> None:
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  (an extra)
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    except ImportError:
        message = "prober cannot verify Oracle signatures: its extra 'oci' is not installed"
        raise BadSignature(message) from None
    try:
        octets = b64decode(signature, validate=True)
        _public_key(pem).verify(octets, signed, PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        raise BadSignature("the signature does not match this request and key") from None


@lru_cache(maxsize=256)
def _public_key(pem: str) -> "RSAPublicKey":
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  (an extra)
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415

    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPublicKey):
        raise BadSignature("the configured key is not a public RSA key in PEM")
    return key


def claim_huawei(request: SignedRequest, secrets: Mapping[str, str], now: float) -> Claim:
    """Return who signed a request in the manner of Huawei's clients.

    The signature covers a digest of the body that is not sent: `prove` verifies the signature.
    Clients in Go do not sign the host, and sort the values of a repeated parameter before they sign
    it; the others sign the order in which they send it.

    Args:
        request: The request.
        secrets: Secret keys by access key.
        now: Unix time.

    Raises:
        BadSignature: The signature is missing, from an unknown key, or too old.
    """
    found = _HUAWEI.fullmatch(request.headers.get("authorization", "").strip())
    if not found:
        raise BadSignature(
            "expected Authorization: SDK-HMAC-SHA256 Access=…, SignedHeaders=…, Signature=…"
        )
    access_key, signed_headers, signature = found.groups()
    names = signed_headers.split(";")
    _reject_unsigned(("x-sdk-date",), names)
    signed_at = _header(request, "x-sdk-date")
    _reject_late(_huawei_time(signed_at), now, HUAWEI_SKEW)
    if access_key not in secrets:
        raise BadSignature(f"unknown access key {access_key[:200]!r}")
    forms = [_huawei_canonical(request, names, in_order=each) for each in (False, True)]
    key = secrets[access_key].encode()

    def prove(body: bytes) -> None:
        expected = []
        for canonical in dict.fromkeys(forms):
            whole = f"{canonical}\n{hashlib.sha256(body).hexdigest()}"
            digest = hashlib.sha256(_octets(whole)).hexdigest()
            text = f"SDK-HMAC-SHA256\n{signed_at}\n{digest}"
            expected.append(hmac.new(key, text.encode(), hashlib.sha256).hexdigest())
        if not any(_equal(signature, each) for each in expected):
            raise BadSignature("the signature does not match this request and key")

    return Claim(access_key, prove)


def _huawei_time(text: str) -> float:
    try:
        return datetime.strptime(text, _HUAWEI_TIME).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise BadSignature(f"expected x-sdk-date like 20260131T120000Z, got {text!r}") from None


def _huawei_canonical(request: SignedRequest, names: list[str], *, in_order: bool) -> str:
    """Return the text that is signed, except for the digest of the body.

    The values of a repeated parameter are `in_order`, or as they are sent. Path and query are read
    as they are routed: a slash written as `%2F` is part of a name, and a plus is a space. Huawei's
    clients send neither.
    """
    path, _, query = request.target.partition("?")
    pairs = [pair.replace("+", "%20").partition("=") for pair in query.split("&") if pair]
    pairs.sort(key=lambda pair: (_decoded(pair[0]), _decoded(pair[2]) if in_order else ""))
    path = "/".join(map(_reencoded, path.split("/")))
    return "\n".join(
        (
            request.method.upper(),
            path if path.endswith("/") else f"{path}/",
            "&".join(f"{_reencoded(name)}={_reencoded(value)}" for name, _, value in pairs),
            *(f"{name}:{_header(request, name).strip()}" for name in names),
            "",
            ";".join(names),
        )
    )


def _decoded(text: str) -> str:
    return unquote(text, errors="surrogateescape")


def _encoded(text: str) -> str:
    return quote(text, safe="~", errors="surrogateescape")


def _reencoded(text: str) -> str:
    return _encoded(_decoded(text))


def _header(request: SignedRequest, name: str) -> str:
    if name not in request.headers:
        raise BadSignature(f"the signature covers {name[:200]!r}, which the request does not have")
    if name in request.repeated:  # which of them counts is ambiguous
        raise BadSignature(f"the signature covers {name[:200]!r}, which the request has twice")
    return request.headers[name]


def _reject_unsigned(needed: Iterable[str], names: list[str]) -> None:
    missing = [name for name in needed if name not in names]
    if missing:
        raise BadSignature(f"the signature does not cover {', '.join(missing)}")


def _reject_late(signed_at: float, now: float, skew: float) -> None:
    if abs(now - signed_at) > skew:
        off = now - signed_at
        when = f"{off:.0f} s ago" if off > 0 else f"{-off:.0f} s ahead of prober's clock"
        raise BadSignature(f"signed {when}; at most {skew:.0f} s are allowed")


def _equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(_octets(given), _octets(expected))


def _octets(text: str) -> bytes:
    """Return a header's bytes: bytes that are not UTF-8 are read as surrogates."""
    return text.encode(errors="surrogateescape")
