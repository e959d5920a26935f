"""OCSP responses that a server staples to its certificate: content and signer.

The package `cryptography` reads them; it is an extra, imported with the first response.

Sources: RFC 6960, sections 3.2, 4.2.1 and 4.2.2.2; RFC 5019, section 2.2.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

from prober.protocols.der import issuer_field_of, key_bits_of, public_key_of

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from cryptography.x509.ocsp import OCSPResponse, OCSPSingleResponse

GOOD, REVOKED, UNKNOWN = "good", "revoked", "unknown"
ABSENT, EXPIRED, UNVERIFIED = "absent", "expired", "unverified"
TOLERANCE: Final = 300.0
"""Seconds by which the clock of a responder may be ahead of this host's."""
_CERTIFICATES: Final = 8  # that are looked at, of a chain or a response; each takes a signature
_REMEMBERED: Final = 256  # responses: a server sends the same one for hours
_LARGEST: Final = 8192  # bytes of a response and its certificates that are remembered


class StapledAnswer(NamedTuple):
    """What a stapled response says of a certificate: one of the words above, and in full.

    `next_update` is in unix seconds, None if the response does not say until when it is valid.
    """

    status: str
    detail: str
    next_update: float | None = None


class _Found(NamedTuple):
    """What a response says, whenever it is read; the times are in unix seconds.

    The certificate of a delegated responder is valid from `since` to `until`.
    """

    status: str
    detail: str
    this_update: float = 0.0
    next_update: float | None = None
    since: float = 0.0
    until: float = inf


class _UnverifiedError(ValueError):
    """A response that proves nothing about the certificate."""


def read_stapled(response: bytes, leaf: bytes, chain: Sequence[bytes], now: float) -> StapledAnswer:
    """Return what a stapled response says of a certificate at a moment.

    Args:
        response: The response in DER; empty if there was none.
        leaf: The certificate in DER.
        chain: Certificates in DER, of which one may be that of its issuer.
        now: Unix seconds.
    """
    if not response:
        return StapledAnswer(ABSENT, "none was sent")
    others = tuple(chain[:_CERTIFICATES])
    size = len(response) + len(leaf) + sum(map(len, others))
    read = _remembered if size <= _LARGEST else _read
    found = read(response, leaf, others)
    status, detail, this_update, next_update, since, until = found
    if not since <= now <= until:
        status, detail = UNVERIFIED, "the certificate of its responder is not valid now"
    elif status in (GOOD, UNKNOWN):
        if next_update is not None and next_update < now:
            status, detail = EXPIRED, f"it expired {_length(now - next_update)} ago"
        elif this_update > now + TOLERANCE:
            status, detail = EXPIRED, f"it is valid only in {_length(this_update - now)}"
    return StapledAnswer(status, detail, next_update)


@lru_cache(_REMEMBERED)
def demands_response(leaf: bytes) -> bool:
    """Return whether a certificate in DER says that its server staples a response (RFC 7633)."""
    from cryptography.x509 import (  # noqa: PLC0415
        ExtensionNotFound,
        TLSFeature,
        TLSFeatureType,
        load_der_x509_certificate,
    )

    try:
        extensions = load_der_x509_certificate(leaf).extensions
        return TLSFeatureType.status_request in extensions.get_extension_for_class(TLSFeature).value
    except (ExtensionNotFound, ValueError):
        return False


def _length(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} hours"


def _read(response: bytes, leaf: bytes, chain: tuple[bytes, ...]) -> _Found:
    """Return what a response says of a certificate, once its signature is verified."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.x509 import load_der_x509_certificate  # noqa: PLC0415
    from cryptography.x509.ocsp import load_der_ocsp_response  # noqa: PLC0415

    try:
        answer = load_der_ocsp_response(response)
        status = answer.response_status.name
        if status != "SUCCESSFUL":
            return _Found(UNVERIFIED, f"its responder says {status.lower().replace('_', ' ')}")
        certificate = load_der_x509_certificate(leaf)
        issuer = _issuer(certificate, [leaf, *chain])
        since, until = _signed_by(answer, issuer)
        return _said(_about(answer, certificate, issuer, leaf), since, until)
    except _UnverifiedError as error:
        return _Found(UNVERIFIED, str(error))
    except UnsupportedAlgorithm:
        return _Found(UNVERIFIED, "it is signed in a way that is not supported")
    except InvalidSignature:
        return _Found(UNVERIFIED, "its signature is wrong")
    except (ValueError, TypeError, IndexError, OverflowError):
        return _Found(UNVERIFIED, "it cannot be read")


_remembered = lru_cache(_REMEMBERED)(_read)


def _issuer(certificate: "Certificate", chain: Sequence[bytes]) -> "Certificate":
    """Return the certificate of the issuer, whose key has signed this one."""
    from cryptography.x509 import load_der_x509_certificate  # noqa: PLC0415

    for each in chain:
        try:
            found = load_der_x509_certificate(each)
        except ValueError:
            continue
        if _has_issued(found, certificate):
            return found
    raise _UnverifiedError("the chain lacks the certificate of its issuer")


def _has_issued(issuer: "Certificate", certificate: "Certificate") -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415

    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _signed_by(answer: "OCSPResponse", issuer: "Certificate") -> tuple[float, float]:
    """Return when the signer of a response is valid, if the issuer trusts it.

    That is the issuer itself, or a responder to which it has issued a certificate for this purpose.
    Raise InvalidSignature if it is another, or the signature is wrong.
    """
    if _is_named(answer, issuer):
        _verify(answer, issuer)
        return 0.0, inf
    for delegate in answer.certificates[:_CERTIFICATES]:
        if _is_named(answer, delegate):
            if not _is_responder(delegate) or not _has_issued(issuer, delegate):
                raise _UnverifiedError("the issuer has not allowed its responder to answer")
            _verify(answer, delegate)
            return (
                delegate.not_valid_before_utc.timestamp(),
                delegate.not_valid_after_utc.timestamp(),
            )
    raise _UnverifiedError("it is signed by somebody else than the issuer")


def _is_named(answer: "OCSPResponse", signer: "Certificate") -> bool:
    """Return whether a response says that this signer has signed it."""
    if answer.responder_name is not None:
        return answer.responder_name == signer.subject
    return answer.responder_key_hash == _key_hash(signer, "sha1")


def _key_hash(certificate: "Certificate", algorithm: str) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    key = public_key_of(certificate.public_bytes(Encoding.DER))
    return hashlib.new(algorithm, key_bits_of(key or b"")).digest()


def _is_responder(certificate: "Certificate") -> bool:
    from cryptography.x509 import ExtendedKeyUsage, ExtensionNotFound  # noqa: PLC0415
    from cryptography.x509.oid import ExtendedKeyUsageOID  # noqa: PLC0415

    try:
        usage = certificate.extensions.get_extension_for_class(ExtendedKeyUsage).value
    except ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in usage


def _verify(answer: "OCSPResponse", signer: "Certificate") -> None:
    """Raise InvalidSignature or UnsupportedAlgorithm unless this signer has signed a response."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415

    key, signature, signed = signer.public_key(), answer.signature, answer.tbs_response_bytes
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        key.verify(signature, signed)
        return
    digest = answer.signature_hash_algorithm
    if digest is not None and isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, signed, PKCS1v15(), digest)
    elif digest is not None and isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, signed, ec.ECDSA(digest))
    else:
        raise UnsupportedAlgorithm("the key of the signer")


def _about(
    answer: "OCSPResponse", certificate: "Certificate", issuer: "Certificate", leaf: bytes
) -> "OCSPSingleResponse":
    """Return what a response says of this certificate among others."""
    name = issuer_field_of(leaf)
    for each in answer.responses:
        if each.serial_number != certificate.serial_number:
            continue
        algorithm = each.hash_algorithm.name
        names = each.issuer_name_hash == hashlib.new(algorithm, name).digest()
        if names and each.issuer_key_hash == _key_hash(issuer, algorithm):
            return each
    raise _UnverifiedError("it is about another certificate")


def _said(single: "OCSPSingleResponse", since: float, until: float) -> _Found:
    status = single.certificate_status.name.lower()
    detail = {GOOD: "good", UNKNOWN: "its responder does not know the certificate"}.get(status, "")
    if status == REVOKED:
        reason = f" ({_plain(single.revocation_reason.name)})" if single.revocation_reason else ""
        detail = f"revoked on {single.revocation_time_utc:%Y-%m-%d}{reason}"
    next_update = single.next_update_utc
    return _Found(
        status,
        detail,
        single.this_update_utc.timestamp(),
        next_update.timestamp() if next_update is not None else None,
        since,
        until,
    )


def _plain(name: str) -> str:
    return name.replace("_", " ")
