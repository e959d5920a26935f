"""An authority of the tests' own that answers OCSP requests, and what servers staple of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import count
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
Validity = tuple[timedelta, timedelta]
"""From when until when, counted from the authority's moment."""
_LOOPBACK = ip_address("127.0.0.1")


GOOD = ocsp.OCSPCertStatus.GOOD
REVOKED = ocsp.OCSPCertStatus.REVOKED
UNKNOWN = ocsp.OCSPCertStatus.UNKNOWN


@dataclass(frozen=True)
class Holder:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        """The key and the certificate."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return key + self.certificate.public_bytes(Encoding.PEM)


def _digest(key: Key) -> SHA256 | None:
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256()


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


class Authority:
    """An authority that issues certificates and OCSP responses.

    `now` is the moment that its times are counted from. Its keys and serial numbers follow from
    `seed`, so that those of another run can be the same.
    """

    def __init__(
        self,
        now: datetime | None = None,
        *,
        name: str = "Test authority",
        seed: int = 1,
        key: Key | None = None,
    ) -> None:
        self.now = now or datetime.now(UTC)
        self._name = name
        self._numbers = count(seed)
        self._key: Key = key or self._make_key()
        self.root = self._sign(name, self._key, is_authority=True)

    def issue(
        self,
        common: str = "localhost",
        *,
        usage: x509.ObjectIdentifier | None = None,
        valid: Validity = (-2 * DAY, 30 * DAY),
        must_staple: bool = False,
    ) -> Holder:
        """Return a new certificate for localhost and 127.0.0.1."""
        key = self._make_key()
        return self._sign(common, key, usage=usage, valid=valid, must_staple=must_staple)

    def responder(self, valid: Validity = (-2 * DAY, 30 * DAY)) -> Holder:
        """Return a certificate with which others may sign responses."""
        return self.issue("A responder", usage=ExtendedKeyUsageOID.OCSP_SIGNING, valid=valid)

    def _make_key(self) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(next(self._numbers), ec.SECP256R1())

    def _sign(
        self,
        common: str,
        key: Key,
        *,
        is_authority: bool = False,
        usage: x509.ObjectIdentifier | None = None,
        valid: Validity = (-2 * DAY, 30 * DAY),
        must_staple: bool = False,
    ) -> Holder:
        names = [x509.DNSName("localhost"), x509.IPAddress(_LOOPBACK)]
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(common))
            .issuer_name(_name(self._name))
            .public_key(key.public_key())
            .serial_number(next(self._numbers))
            .not_valid_before(self.now + valid[0])
            .not_valid_after(self.now + valid[1])
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        )
        if not is_authority:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if must_staple:
            feature = x509.TLSFeature([x509.TLSFeatureType.status_request])
            builder = builder.add_extension(feature, critical=False)
        return Holder(builder.sign(self._key, _digest(self._key)), key)

    def response(
        self,
        leaf: Holder,
        status: ocsp.OCSPCertStatus = GOOD,
        *,
        valid: tuple[timedelta, timedelta | None] = (-HOUR, 4 * DAY),
        signer: Holder | None = None,
        shown: Sequence[Holder] = (),
        reason: x509.ReasonFlags | None = None,
        by_name: bool = False,
        algorithm: HashAlgorithm | None = None,
    ) -> bytes:
        """Return what the authority, or the signer, says of a certificate, in DER."""
        is_revoked = status is REVOKED
        signer = signer or self.root
        form = ocsp.OCSPResponderEncoding.NAME if by_name else ocsp.OCSPResponderEncoding.HASH
        until = valid[1]
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response(
                leaf.certificate,
                self.root.certificate,
                algorithm or SHA1(),
                status,
                self.now + valid[0],
                None if until is None else self.now + until,
                self.now - DAY if is_revoked else None,
                reason,
            )
            .responder_id(form, signer.certificate)
        )
        if shown:
            builder = builder.certificates([each.certificate for each in shown])
        return builder.sign(signer.key, _digest(signer.key)).public_bytes(Encoding.DER)


def write(folder: Path, **contents: bytes) -> dict[str, str]:
    """Write files; return their paths by name."""
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: str(folder / name) for name in contents}
