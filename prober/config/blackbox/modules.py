"""A module: how `GET /probe` probes on demand, with the keys of blackbox_exporter.

What blackbox_exporter rejects is a mistake here too. What it accepts and prober cannot do in the
same way is `Unsupported`.
"""

from base64 import b64encode
from dataclasses import dataclass

from prober.config.blackbox.module_kinds import (
    DURATION,
    FAMILY,
    HEADER_NAME,
    HEADER_VALUE,
    HEADERS,
    IGNORED,
    METHOD,
    PATTERNS,
    PROBER,
    PROXY_URL,
    RECORD_TYPE,
    SECRET,
    SECRET_FILE,
    SIZE,
    TEXT,
    TEXT_FILE,
    TLS_VERSION,
    ProxyUrl,
    off,
    refusing,
)
from prober.config.blackbox.re2 import RE2, Pattern
from prober.config.blackbox.unsupported import Unsupported
from prober.model.egress import SOURCE
from prober.model.file_kinds import PEM_FILE, Secret
from prober.model.kinds import BOOLEAN, Frozen, choice, integer, list_of, matching, text
from prober.model.option import Complaint, Rejected, option, section
from prober.model.probe import EchoOptions
from prober.model.secret import names_a_secret
from prober.model.tls_settings import HOST_NAME, TlsSettings
from prober.probes.dns import QUERY_CLASS, QUERY_NAME, RCODE
from prober.probes.icmp import ECHO_SIZE

_VERSIONS = {"TLS10": "1.0", "TLS11": "1.1", "TLS12": "1.2", "TLS13": "1.3"}
_CEL = "prober does not support CEL expressions"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """The `tls_config` of a module."""

    insecure_skip_verify: bool = option(BOOLEAN, default=False, doc="the same")
    ca_file: str | None = option(PEM_FILE, default=None, doc="the same")
    cert_file: str | None = option(PEM_FILE, default=None, doc="the same")
    key_file: str | None = option(PEM_FILE, default=None, doc="the same")
    server_name: str | None = option(
        matching(HOST_NAME, "a host name"), default=None, doc="the same"
    )
    min_version: str = option(
        TLS_VERSION, default="TLS12", doc="the same; below `TLS12`, old devices are accepted"
    )
    max_version: str = option(TLS_VERSION, default="TLS13", doc="the same")
    ca: None = option(refusing("use a file, with ca_file"), default=None, doc="refused")
    cert: None = option(refusing("use a file, with cert_file"), default=None, doc="refused")
    key: None = option(refusing("use a file, with key_file"), default=None, doc="refused")

    def __post_init__(self) -> None:
        """Reject what has no meaning together."""
        complaints = []
        if self.min_version > self.max_version:
            complaints.append(Complaint(("max_version",), "is less than min_version"))
        if self.key_file and not self.cert_file:
            complaints.append(Complaint(("key_file",), "has no effect without cert_file"))
        if complaints:
            raise Rejected(*complaints)

    def settings(self, *, for_redirect: bool = False) -> TlsSettings:
        """Return the settings for a probe; a redirect to another host uses that host's name."""
        verify = not self.insecure_skip_verify
        return TlsSettings(
            verify=verify,
            ca_file=self.ca_file if verify else None,
            cert_file=self.cert_file,
            key_file=self.key_file,
            server_name=None if for_redirect else self.server_name,
            min_version=_VERSIONS[self.min_version],
            max_version=_VERSIONS[self.max_version],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderMatch:
    """One of `fail_if_header_matches` and `fail_if_header_not_matches`."""

    header: str = option(HEADER_NAME, doc="the same")
    regexp: Pattern = option(RE2, doc="the same")
    allow_missing: bool = option(BOOLEAN, default=False, doc="the same")


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicAuth:
    """The `basic_auth` of a module."""

    username: str = option(HEADER_VALUE, default="", doc="the same")
    password: Secret | None = option(SECRET, default=None, secret=True, doc="the same")
    password_file: Secret | None = option(SECRET_FILE, default=None, secret=True, doc="the same")

    def header(self) -> Secret:
        """Return the value of the header."""
        password = self.password or self.password_file or Secret("", masked=True)
        pair = f"{self.username}:{password.content}".encode(errors="surrogateescape")
        return Secret(f"Basic {b64encode(pair).decode()}", masked=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """The `authorization` of a module."""

    type: str = option(HEADER_VALUE, default="Bearer", doc="the same")
    credentials: Secret | None = option(SECRET, default=None, secret=True, doc="the same")
    credentials_file: Secret | None = option(SECRET_FILE, default=None, secret=True, doc="the same")

    def header(self) -> Secret:
        """Return the value of the header."""
        credentials = self.credentials or self.credentials_file or Secret("", masked=True)
        return Secret(f"{self.type} {credentials.content}", masked=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpModule:
    """The `http` section of a module."""

    valid_status_codes: tuple[int, ...] = option(
        list_of(integer(100, 599)), default=(), doc="the same"
    )
    accept_any_response: bool = option(
        BOOLEAN, default=False, doc="the same: every status code is good"
    )
    valid_http_versions: tuple[str, ...] = option(
        list_of(TEXT),
        default=(),
        doc="must include HTTP/1.1, the version that is used",
    )
    preferred_ip_protocol: str = option(FAMILY, default="ip6", doc="the same")
    ip_protocol_fallback: bool = option(BOOLEAN, default=True, doc="the same")
    method: str = option(
        METHOD,
        default="GET",
        doc="the same",
    )
    headers: Frozen[str] = option(HEADERS, default=Frozen(), secret=names_a_secret, doc="the same")
    body: str = option(TEXT, default="", doc="the same")
    body_file: str = option(
        TEXT_FILE,
        default="",
        doc="the same",
    )
    follow_redirects: bool = option(BOOLEAN, default=True, doc="the same, up to 10")
    no_follow_redirects: bool = option(BOOLEAN, default=False, doc="the same")
    fail_if_ssl: bool = option(BOOLEAN, default=False, doc="the same")
    fail_if_not_ssl: bool = option(BOOLEAN, default=False, doc="the same")
    fail_if_body_matches_regexp: tuple[Pattern, ...] = option(PATTERNS, default=(), doc="the same")
    fail_if_body_not_matches_regexp: tuple[Pattern, ...] = option(
        PATTERNS, default=(), doc="the same"
    )
    fail_if_header_matches: tuple[HeaderMatch, ...] = option(
        list_of(section(HeaderMatch)), default=(), doc="the same"
    )
    fail_if_header_not_matches: tuple[HeaderMatch, ...] = option(
        list_of(section(HeaderMatch)), default=(), doc="the same"
    )
    body_size_limit: int = option(SIZE, default=0, doc="the same; never more than 16 MiB")
    compression: str = option(
        choice("gzip", "deflate", "identity", "br"),
        default="",
        doc="the same, except that `br` is refused",
    )
    tls_config: TlsConfig = option(section(TlsConfig), default=TlsConfig(), doc="see below")
    basic_auth: BasicAuth | None = option(section(BasicAuth), default=None, doc="the same")
    authorization: Authorization | None = option(
        section(Authorization), default=None, doc="the same"
    )
    bearer_token: Secret | None = option(SECRET, default=None, secret=True, doc="the same")
    bearer_token_file: Secret | None = option(
        SECRET_FILE, default=None, secret=True, doc="the same"
    )
    enable_http2: bool = option(BOOLEAN, default=True, doc="no effect: HTTP/1.1 is used")
    enable_http3: bool = option(
        off("prober does not support HTTP/3"), default=False, doc="refused if true"
    )
    oauth2: None = option(refusing("prober does not support OAuth 2"), default=None, doc="refused")
    proxy_url: ProxyUrl | None = option(
        PROXY_URL,
        default=None,
        secret=True,
        doc="the same, with `http://` only; CONNECT for HTTPS",
    )
    no_proxy: str = option(HEADER_VALUE, default="", doc="refused with `proxy_url`")
    proxy_from_environment: bool = option(
        off("prober takes no proxy from its environment"), default=False, doc="refused if true"
    )
    proxy_connect_header: object = option(IGNORED, default=None, doc="refused with `proxy_url`")
    skip_resolve_phase_with_proxy: bool = option(BOOLEAN, default=False, doc="the same")
    use_proxy_dns: bool = option(BOOLEAN, default=False, doc="the same as the key above")
    http_headers: object = option(
        refusing("use headers"), default=None, doc="refused: use `headers`"
    )
    fail_if_body_json_matches_cel: object = option(refusing(_CEL), default=None, doc="refused")
    fail_if_body_json_not_matches_cel: object = option(refusing(_CEL), default=None, doc="refused")

    def __post_init__(self) -> None:
        """Reject settings that contradict each other or are not supported."""
        complaints = []
        if self.valid_http_versions and "HTTP/1.1" not in self.valid_http_versions:
            reason = Unsupported("prober uses HTTP/1.1, which is not in the list")
            complaints.append(Complaint(("valid_http_versions",), reason))
        if self.compression == "br":
            reason = Unsupported("prober does not support brotli")
            complaints.append(Complaint(("compression",), reason))
        complaints += [
            Complaint((key,), Unsupported("prober always goes by proxy_url, without this"))
            for key in ("no_proxy", "proxy_connect_header")
            if self.proxy_url and getattr(self, key)
        ]
        if self.body and self.body_file:
            complaints.append(Complaint((), "expected at most one of body, body_file"))
        ways = ("basic_auth", "authorization", "bearer_token", "bearer_token_file")
        if len([way for way in ways if getattr(self, way)]) > 1:
            complaints.append(Complaint((), f"expected at most one of {', '.join(ways)}"))
        if complaints:
            raise Rejected(*complaints)

    def credentials(self) -> Secret | None:
        """Return the value of the Authorization header, or None."""
        if self.basic_auth:
            return self.basic_auth.header()
        if self.authorization:
            return self.authorization.header()
        token = self.bearer_token or self.bearer_token_file
        return Secret(f"Bearer {token.content}", masked=True) if token else None

    @property
    def leaves_names_to_proxy(self) -> bool:
        """Whether a proxy looks up the name of the target."""
        skips = self.skip_resolve_phase_with_proxy or self.use_proxy_dns
        return self.proxy_url is not None and skips

    @property
    def follows(self) -> bool:
        """Whether to follow redirects."""
        return self.follow_redirects and not self.no_follow_redirects


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectLabel:
    """One of the `labels` of an entry of `query_response`."""

    name: str = option(
        matching(r"[a-zA-Z_][a-zA-Z0-9_]*", "a Prometheus label name", 128), doc="the same"
    )
    value: str = option(TEXT, default="", doc="the same")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResponse:
    """One entry of `query_response`."""

    expect: Pattern | None = option(RE2, default=None, doc="the same")
    send: str = option(TEXT, default="", doc="the same")
    starttls: bool = option(BOOLEAN, default=False, doc="the same")
    expect_bytes: str = option(TEXT, default="", doc="the same")
    labels: tuple[ExpectLabel, ...] = option(
        list_of(section(ExpectLabel)), default=(), doc="the same: labels of `probe_expect_info`"
    )

    def __post_init__(self) -> None:
        """Reject two ways to expect something in one entry."""
        if self.expect and self.expect.written and self.expect_bytes:
            raise Rejected("expected at most one of expect, expect_bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpModule:
    """The `tcp` section of a module."""

    preferred_ip_protocol: str = option(FAMILY, default="ip6", doc="the same")
    ip_protocol_fallback: bool = option(BOOLEAN, default=True, doc="the same")
    source_ip_address: str | None = option(SOURCE, default=None, doc="the same")
    query_response: tuple[QueryResponse, ...] = option(
        list_of(section(QueryResponse)), default=(), doc="the same; see below"
    )
    tls: bool = option(BOOLEAN, default=False, doc="the same")
    tls_config: TlsConfig = option(section(TlsConfig), default=TlsConfig(), doc="see below")


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcModule:
    """The `grpc` section of a module."""

    service: str = option(text(longest=255), default="", doc="the same")
    preferred_ip_protocol: str = option(FAMILY, default="ip6", doc="the same")
    ip_protocol_fallback: bool = option(BOOLEAN, default=True, doc="the same")
    tls: bool = option(BOOLEAN, default=False, doc="the same")
    tls_config: TlsConfig = option(section(TlsConfig), default=TlsConfig(), doc="see below")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRules:
    """What the records of a section must, or must not, match."""

    fail_if_matches_regexp: tuple[Pattern, ...] = option(PATTERNS, default=(), doc="the same")
    fail_if_all_match_regexp: tuple[Pattern, ...] = option(
        PATTERNS, default=(), doc="the same: fails unless all records match"
    )
    fail_if_not_matches_regexp: tuple[Pattern, ...] = option(PATTERNS, default=(), doc="the same")
    fail_if_none_matches_regexp: tuple[Pattern, ...] = option(PATTERNS, default=(), doc="the same")


RULES = section(RecordRules)


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsModule:
    """The `dns` section of a module."""

    query_name: str = option(QUERY_NAME, default="", doc="the same; required")
    query_type: str = option(RECORD_TYPE, default="ANY", doc="the same")
    query_class: str = option(QUERY_CLASS, default="IN", doc="the same")
    recursion_desired: bool = option(BOOLEAN, default=True, doc="the same")
    transport_protocol: str = option(choice("udp", "tcp"), default="udp", doc="the same")
    dns_over_tls: bool = option(BOOLEAN, default=False, doc="the same")
    tls_config: TlsConfig = option(section(TlsConfig), default=TlsConfig(), doc="see below")
    preferred_ip_protocol: str = option(FAMILY, default="ip6", doc="the same")
    ip_protocol_fallback: bool = option(BOOLEAN, default=True, doc="the same")
    source_ip_address: str | None = option(SOURCE, default=None, doc="the same")
    valid_rcodes: tuple[str, ...] = option(list_of(RCODE), default=("NOERROR",), doc="the same")
    validate_answer_rrs: RecordRules = option(RULES, default=RecordRules(), doc="see below")
    validate_authority_rrs: RecordRules = option(RULES, default=RecordRules(), doc="see below")
    validate_additional_rrs: RecordRules = option(RULES, default=RecordRules(), doc="see below")


@dataclass(frozen=True, slots=True, kw_only=True)
class IcmpModule:
    """The `icmp` section of a module."""

    preferred_ip_protocol: str = option(FAMILY, default="ip6", doc="the same")
    ip_protocol_fallback: bool = option(BOOLEAN, default=True, doc="the same")
    source_ip_address: str | None = option(SOURCE, default=None, doc="the same")
    payload_size: int = option(ECHO_SIZE, default=0, doc="the same; 0: 28 bytes")
    dont_fragment: bool = option(BOOLEAN, default=False, doc="the same; for IPv6 as well")
    ttl: int = option(integer(0, 255), default=0, doc="the same; 0: that of this host")

    @property
    def echo(self) -> EchoOptions:
        """How the request is sent."""
        return EchoOptions(self.ttl or None, self.dont_fragment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """How to probe a target on demand."""

    prober: str = option(PROBER, doc="`http`, `tcp`, `grpc`, `dns`, `icmp`; others are refused")
    timeout: float | None = option(DURATION, default=None, doc="the same")
    http: HttpModule = option(section(HttpModule), default=HttpModule(), doc="see below")
    tcp: TcpModule = option(section(TcpModule), default=TcpModule(), doc="see below")
    grpc: GrpcModule = option(section(GrpcModule), default=GrpcModule(), doc="see below")
    dns: DnsModule = option(section(DnsModule), default=DnsModule(), doc="see below")
    icmp: IcmpModule = option(section(IcmpModule), default=IcmpModule(), doc="see below")
    unix: object = option(IGNORED, default=None, doc="no effect on other probers")
    websocket: object = option(IGNORED, default=None, doc="no effect on other probers")

    def __post_init__(self) -> None:
        """Reject a query without a name."""
        if self.prober == "dns" and not self.dns.query_name:
            raise Rejected(Complaint(("dns",), "missing key 'query_name'"))

    @property
    def family(self) -> tuple[str, bool]:
        """The preferred IP protocol, and whether to fall back to the other."""
        own: HttpModule | TcpModule | GrpcModule | DnsModule | IcmpModule
        own = getattr(self, self.prober)
        return own.preferred_ip_protocol, own.ip_protocol_fallback

    @property
    def tls_settings(self) -> TlsSettings | None:
        """How it speaks TLS, if it may."""
        own: HttpModule | TcpModule | GrpcModule | DnsModule | IcmpModule
        own = getattr(self, self.prober)
        if isinstance(own, IcmpModule):
            return None
        if isinstance(own, DnsModule):
            return own.tls_config.settings() if own.dns_over_tls else None
        speaks = isinstance(own, HttpModule) or own.tls
        return own.tls_config.settings() if speaks else None
