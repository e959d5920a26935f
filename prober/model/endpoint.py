"""The file of `server.web_config_file`: TLS, headers and users, in exporter-toolkit's format.

Settings of that format that prober does not support are refused: ignoring them would be unsafe.
"""

import re
from dataclasses import dataclass

from prober.model.file_kinds import PEM_FILE
from prober.model.kinds import BOOLEAN, Frozen, choice, duration, integer, list_of, mapping_of, text
from prober.model.option import Complaint, Kind, ReadContext, Rejected, option, section

CERTIFICATE_REQUIRED = "RequireAndVerifyClientCert"
CERTIFICATE_WELCOME = "VerifyClientCertIfGiven"
VERSIONS = ("TLS12", "TLS13")

_KINDS_OF_KEY = ("ECDSA", "RSA")
_SUITES = {
    "AES_128_CBC_SHA": "AES128-SHA",
    "AES_256_CBC_SHA": "AES256-SHA",
    "AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305",
}
CIPHER_SUITES = {
    f"TLS_ECDHE_{key}_WITH_{suite}": f"ECDHE-{key}-{openssl}"
    for key in _KINDS_OF_KEY
    for suite, openssl in _SUITES.items()
}
"""OpenSSL's names of the cipher suites that can be chosen; TLS 1.3 suites are always enabled."""
_ALWAYS_ON = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
CURVES = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519": "X25519",
}
"""OpenSSL's names of the curves."""

_HEADER_VALUES = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
_COSTLIEST = 16  # seconds of CPU for each attempt, right or wrong; one more doubles them
_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")


def _no_pem(key: str) -> Kind[None]:
    def read(_: object, __: ReadContext) -> None:
        raise Rejected(f"write the PEM text to a file and set {key}_file to its path")

    return Kind(read, {"not": {}})


def _wrong_header(name: str) -> str | None:
    if name in _HEADER_VALUES:
        return None
    return f"cannot set this header; expected one of {', '.join(_HEADER_VALUES)}"


def _wrong_user(name: str) -> str | None:
    if name and ":" not in name and name.isprintable():
        return None
    return "expected a user name without a colon"


def _read_hash(value: object, _: ReadContext) -> str:
    if not isinstance(value, str) or not _BCRYPT.fullmatch(value):
        raise Rejected("expected a bcrypt hash such as $2y$10$...")  # do not repeat the value
    if int(value[4:6]) > _COSTLIEST:
        raise Rejected(f"expected a bcrypt hash with a cost of at most {_COSTLIEST}")
    return value


def _read_interval(value: object, outside: ReadContext) -> float:
    if isinstance(value, int | float) and value != 0:
        raise Rejected("expected a duration with a unit, such as 100ms, or 0 for no limit")
    return _INTERVAL.read(value, outside)


_SUITE = Kind(choice(*CIPHER_SUITES, *_ALWAYS_ON).read, {"type": "string"})
_INTERVAL = duration(0, 3600)
_HEADERS = mapping_of(text(0, 8000), _wrong_header)
_USERS = mapping_of(Kind(_read_hash, {"type": "string"}), _wrong_user)
_NO_ONE: Frozen[str] = Frozen()


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsServer:
    """The TLS settings of the endpoint."""

    cert_file: str = option(PEM_FILE, doc="certificate, followed by its intermediate certificates")
    key_file: str = option(PEM_FILE, doc="private key of the certificate")
    client_auth_type: str = option(
        choice("NoClientCert", CERTIFICATE_WELCOME, CERTIFICATE_REQUIRED),
        default="NoClientCert",
        doc="whether clients must present a certificate",
    )
    client_ca_file: str | None = option(
        PEM_FILE, default=None, doc="certificate authorities for client certificates"
    )
    client_allowed_sans: tuple[str, ...] = option(
        list_of(text(1, 2048)),
        default=(),
        doc="a client certificate must have one of these names (DNS, IP, e-mail or URI)",
    )
    min_version: str = option(choice(*VERSIONS), default="TLS12", doc="lowest TLS version")
    max_version: str = option(choice(*VERSIONS), default="TLS13", doc="highest TLS version")
    cipher_suites: tuple[str, ...] = option(
        list_of(_SUITE),
        default=(),
        doc="TLS 1.2 cipher suites, by their Go names; TLS 1.3 suites are always enabled",
    )
    prefer_server_cipher_suites: bool = option(
        BOOLEAN, default=True, doc="use the order of `cipher_suites`, not that of the client"
    )
    curve_preferences: tuple[str, ...] = option(
        list_of(choice(*CURVES)),
        default=(),
        doc="the curve to use; Python can set only one, so a longer list is refused",
    )
    cert: None = option(_no_pem("cert"), default=None, doc="not supported: use `cert_file`")
    key: None = option(_no_pem("key"), default=None, doc="not supported: use `key_file`")
    client_ca: None = option(
        _no_pem("client_ca"), default=None, doc="not supported: use `client_ca_file`"
    )

    def __post_init__(self) -> None:
        complaints = []
        if self.min_version > self.max_version:
            complaints.append(Complaint(("max_version",), "is less than min_version"))
        if len(self.curve_preferences) > 1:
            complaints.append(Complaint(("curve_preferences",), "only one curve can be set"))
        asks = self.client_auth_type != "NoClientCert"
        if asks and not self.client_ca_file:
            message = f"{self.client_auth_type} needs client_ca_file"
            complaints.append(Complaint(("client_auth_type",), message))
        if self.client_ca_file and not asks:
            message = f"has no effect without client_auth_type: {CERTIFICATE_REQUIRED}"
            complaints.append(Complaint(("client_ca_file",), message))
        if self.client_allowed_sans and self.client_auth_type != CERTIFICATE_REQUIRED:
            message = f"needs client_auth_type: {CERTIFICATE_REQUIRED}"
            complaints.append(Complaint(("client_allowed_sans",), message))
        if complaints:
            raise Rejected(*complaints)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpServer:
    """The HTTP settings of the endpoint."""

    http2: bool = option(
        BOOLEAN, default=True, doc="accepted but has no effect: the endpoint speaks HTTP/1.1"
    )
    headers: Frozen[str] = option(_HEADERS, default=Frozen(), doc="headers of every response")

    def __post_init__(self) -> None:
        complaints = [
            Complaint(("headers", name), f"expected {' or '.join(_HEADER_VALUES[name])}")
            for name, value in self.headers.items()
            if value and _HEADER_VALUES[name] and value not in _HEADER_VALUES[name]
        ]
        if complaints:
            raise Rejected(*complaints)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """The rate limit for all clients together."""

    interval: float = option(
        Kind(_read_interval, _INTERVAL.schema),
        default=0.0,
        doc="time between two requests; 0: no limit",
    )
    burst: int = option(integer(0, 10**6), default=0, doc="requests allowed at once")

    def __post_init__(self) -> None:
        if self.interval and not self.burst:
            raise Rejected(Complaint(("burst",), "expected at least 1 if interval is set"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The security settings of the endpoint; by default, it is not secured."""

    tls_server_config: TlsServer | None = option(
        section(TlsServer), default=None, doc="serve HTTPS"
    )
    http_server_config: HttpServer | None = option(
        section(HttpServer), default=None, doc="headers of every response"
    )
    basic_auth_users: Frozen[str] = option(
        _USERS,
        default=_NO_ONE,
        secret=True,
        doc="users and the bcrypt hashes of their passwords",
    )
    rate_limit: RateLimit | None = option(section(RateLimit), default=None, doc="limit on requests")

    @property
    def requires_certificates(self) -> bool:
        """Whether every client must present a certificate."""
        tls = self.tls_server_config
        return tls is not None and tls.client_auth_type == CERTIFICATE_REQUIRED
