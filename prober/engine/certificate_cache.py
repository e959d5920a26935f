"""A cache of what was read from certificates: most targets show the same one for months."""

from base64 import b64encode
from hashlib import sha256
from typing import Final, NamedTuple

from prober.model.wording import clean
from prober.protocols.der import issuer_of, not_after, public_key_of

REMEMBERED: Final = 4096
"""Maximum number of certificates that are remembered."""
_LARGEST: Final = 8192  # bytes; OpenSSL takes 100 KB of a server, which may vary them each time


class Leaf(NamedTuple):
    """What is known of a target's own certificate; None is what cannot be read.

    `end` is in unix seconds. `fingerprint` is the SHA-256 of the certificate in hexadecimal digits,
    `key` that of its public key as `pin` has it: `sha256/BASE64`.
    """

    end: float | None
    issuer: str | None
    fingerprint: str
    key: str | None


class CertificateCache:
    """Reads certificates, and remembers what it has read unless they are large.

    Of a whole chain, only the ends of validity are read, so a long chain costs little more.
    """

    def __init__(self) -> None:
        self._ends: dict[bytes, float | None] = {}
        self._leaves: dict[bytes, Leaf] = {}

    def end_of(self, certificate: bytes) -> float | None:
        """Return when a certificate expires, in unix seconds, None if it is unreadable."""
        if certificate in self._ends:
            return self._ends[certificate]
        end = not_after(certificate)
        if len(certificate) <= _LARGEST:
            if len(self._ends) >= REMEMBERED:
                self._ends.clear()
            self._ends[certificate] = end
        return end

    def leaf_of(self, certificate: bytes) -> Leaf:
        """Return what is known of a target's own certificate."""
        if certificate in self._leaves:
            return self._leaves[certificate]
        issuer, key = issuer_of(certificate), public_key_of(certificate)
        leaf = Leaf(
            not_after(certificate),
            clean(issuer) if issuer else None,
            sha256(certificate).hexdigest(),
            f"sha256/{b64encode(sha256(key).digest()).decode()}" if key else None,
        )
        if len(certificate) <= _LARGEST:
            if len(self._leaves) >= REMEMBERED:
                self._leaves.clear()
            self._leaves[certificate] = leaf
        return leaf
