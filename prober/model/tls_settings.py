"""How a probe speaks TLS: the `tls` section of a monitor."""

from dataclasses import dataclass

from prober.model.file_kinds import PEM_FILE
from prober.model.kinds import BOOLEAN, choice, duration, list_of, matching
from prober.model.option import Complaint, Rejected, option
from prober.model.pattern_kind import PATTERN

_DAY = 86400.0
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
VERSION = choice("1.0", "1.1", "1.2", "1.3")
HOST_LABELS = rf"{_LABEL}(?:\.{_LABEL})*\.?"
"""The labels of a host name, of any length in all."""
HOST_NAME = rf"(?=.{{1,253}}\.?$){HOST_LABELS}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """The options of TLS; the certificate is not verified unless `verify` says so."""

    verify: bool = option(
        BOOLEAN, default=False, doc="verify the certificate's chain, name and dates"
    )
    ca_file: str | None = option(
        PEM_FILE,
        default=None,
        doc="trust these authorities instead of the system's; needs `verify`",
    )
    cert_file: str | None = option(PEM_FILE, default=None, doc="client certificate to present")
    key_file: str | None = option(
        PEM_FILE, default=None, doc="private key of the client certificate, if in another file"
    )
    server_name: str | None = option(
        matching(HOST_NAME, "a host name"),
        default=None,
        doc="SNI and the name to verify; default: `domain_name`, then the target's host",
    )
    alpn: tuple[str, ...] | None = option(
        list_of(matching(r"[!-~]{1,255}", "the name of a protocol"), shortest=1),
        default=None,
        doc="application protocols to offer",
    )
    ciphers: str = option(
        matching(r"[ -~]+", "ciphers in OpenSSL's format", longest=4096),
        default="",
        doc="cipher suites up to TLS 1.2, in OpenSSL's format; default: see below",
    )
    min_version: str = option(
        VERSION, default="1.2", doc="lowest TLS version; below 1.2, old devices are accepted"
    )
    max_version: str = option(VERSION, default="1.3", doc="highest TLS version")
    pin: tuple[str, ...] = option(
        list_of(matching(r"sha256/[A-Za-z0-9+/]{43}=", "a pin such as sha256/BASE64")),
        default=(),
        doc="keys of which the certificate must have one, as SHA-256 of the public key: see below",
    )
    expect_issuer: str | None = option(
        PATTERN,
        default=None,
        doc="regular expression that the issuer of the certificate must match",
    )
    ocsp: str | None = option(
        choice("ask", "require"),
        default=None,
        doc="ask for a stapled OCSP response, which must not say that the certificate is revoked; "
        "`require`: it must say that the certificate is good. Needs the extra `ocsp`: see below",
    )
    ocsp_expires_within: float | None = option(
        duration(1, 3650 * _DAY),
        default=None,
        doc="WARNING when the stapled OCSP response expires within this time; needs `ocsp`",
    )
    expires_within: float | None = option(
        duration(1, 3650 * _DAY),
        default=None,
        doc="WARNING when a certificate of the chain shown expires within this time",
    )

    def __post_init__(self) -> None:
        """Reject what has no meaning together."""
        complaints = []
        if self.ca_file and not self.verify:
            complaints.append(Complaint(("ca_file",), "has no effect without verify: true"))
        if self.key_file and not self.cert_file:
            complaints.append(Complaint(("key_file",), "has no effect without cert_file"))
        if self.ocsp_expires_within is not None and not self.ocsp:
            complaints.append(Complaint(("ocsp_expires_within",), "has no effect without ocsp"))
        if self.min_version > self.max_version:
            complaints.append(Complaint(("max_version",), "is less than min_version"))
        if complaints:
            raise Rejected(*complaints)
