"""What was read of certificates that targets showed before: most show the same for months."""

from prober.model.wording import clean
from prober.protocols.der import issuer_of, not_after

REMEMBERED = 4096
"""Certificates that are remembered."""
_LARGEST = 8192  # bytes; OpenSSL takes 100 KB of a server, which may vary them each time


class CertificateCache:
    """Reads when certificates end and who issued them, and remembers it unless they are large.

    Only the issuer of a target's own certificate is asked for, so a long chain costs no more.
    """

    def __init__(self) -> None:
        self._ends: dict[bytes, float | None] = {}
        self._issuers: dict[bytes, str | None] = {}

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

    def issuer_of(self, certificate: bytes) -> str | None:
        """Return who issued a certificate, None if that is unreadable."""
        if certificate in self._issuers:
            return self._issuers[certificate]
        found = issuer_of(certificate)
        issuer = clean(found) if found else None
        if len(certificate) <= _LARGEST:
            if len(self._issuers) >= REMEMBERED:
                self._issuers.clear()
            self._issuers[certificate] = issuer
        return issuer
