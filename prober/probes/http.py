"""HTTP and HTTPS: good if the reply is as expected: its status code, its headers, its body.

Redirects are not followed unless `follow_redirects` is set: a 3xx status is judged like any other.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from prober import __version__
from prober.model.fact import Fact, Gauge
from prober.model.file_kinds import SECRET, Secret
from prober.model.kinds import Codes, Frozen, choice, codes, integer, matching
from prober.model.option import Complaint, Rejected, option
from prober.model.pattern_kind import PATTERN
from prober.model.probe import (
    TLS_FACTS,
    PhaseGauge,
    Probe,
    Send,
    StartTls,
    Steps,
    Target,
)
from prober.model.secret import names_a_secret
from prober.model.status import Reason, Verdict
from prober.model.tls_settings import TlsSettings
from prober.probes.http2_reply import ask_2, write_request_2, wrong_header
from prober.probes.http2_talk import H2
from prober.probes.http_auth import BASIC_AUTH, TOKEN, BasicCredentials, authorization
from prober.probes.http_chain import Ask, Chain, Request
from prober.probes.http_dialogue import UsualExchange
from prober.probes.http_expectations import HEADER_PATTERNS, Expectations, expectations
from prober.probes.http_facts import (
    HTTP_PHASES,
    HTTP_REDIRECTS,
    HTTP_SSL,
    HTTP_STATUS_CODE,
    HTTP_VERSION,
    found,
)
from prober.probes.http_proxy import (
    WayThrough,
    ask_by_proxy,
    misfits_of_proxy,
    proxy_auth_option,
    proxy_option,
    route,
    tunnelled,
)
from prober.probes.http_receive import ask
from prober.probes.http_redirect import REDIRECTS, BadLocationError, Hop, UrlOrigin, origin_of
from prober.probes.http_request import HEADERS, METHOD
from prober.probes.json_clauses import JSON_CLAUSES, ClauseJudge, JsonClause
from prober.probes.pattern import searcher
from prober.probes.proxy_protocol import announcing, send_proxy_option
from prober.probes.tls import DOMAIN_NAME, TLS, handshake
from prober.protocols.http1 import request_target, write_request

_BODY_LIMIT, _JSON_LIMIT = 65536, 1048576  # bytes
_DENYING = frozenset({400, 401, 403})


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProbe(Probe):
    """Send a request and judge the reply: its status code, and what else is asked of it."""

    good_when: ClassVar[str] = (
        "the status code of the reply is in `expected_codes` and, if given, its body and headers "
        "are as `body_regex`, `expect_json`, `expect_headers` and the like demand"
    )
    facts: ClassVar[tuple[Fact, ...]] = (
        HTTP_STATUS_CODE,
        HTTP_VERSION,
        HTTP_REDIRECTS,
        *TLS_FACTS,
    )
    phase_gauge: ClassVar[PhaseGauge | None] = HTTP_PHASES
    tls_gauge: ClassVar[Gauge | None] = HTTP_SSL
    example: ClassVar[Mapping[str, object]] = {"url_path": "/healthz"}
    default_port: ClassVar[int | None] = 80
    nearest: ClassVar[str] = "HTTP"
    over_unix: ClassVar[bool] = True

    http_method: str = option(METHOD, default="GET", doc="request method")
    url_path: str = option(
        matching(r"/[^\x00-\x20\x7f]*", "a path that starts with / and contains no spaces"),
        default="/",
        doc="path and query of the request; characters not allowed in a URL are percent-encoded",
    )
    expected_codes: Codes = option(
        codes(100, 599),
        default=Codes("200", frozenset({200})),
        doc="status codes that are good: `200`, `200,202`, `200-204,301`",
    )
    domain_name: str | None = option(
        DOMAIN_NAME, default=None, doc="Host header and SNI; default: the target's host"
    )
    headers: Frozen[Secret] = option(
        HEADERS,
        default=Frozen(),
        secret=names_a_secret,
        doc="request headers; values may be `{file: …}` or `{env: …}`",
    )
    body: Secret | None = option(SECRET, default=None, doc="request body")
    http_version: str = option(
        choice("1.0", "1.1", "2"),
        default="1.1",
        doc="HTTP version: `2` is `h2` by ALPN over TLS, and without TLS by prior knowledge",
    )
    body_regex: str | None = option(
        PATTERN,
        default=None,
        doc="must match somewhere in the first `body_limit` bytes of the body",
    )
    body_limit: int = option(
        integer(1, 1048576),
        default=0,
        unit="bytes",
        doc=(
            "how much of the body is looked at; default: 65536, or 1048576 with `expect_json`, "
            "which accepts no longer body"
        ),
    )
    reject_body_regex: str | None = option(
        PATTERN,
        default=None,
        doc="must match nowhere in the first `body_limit` bytes of the body",
    )
    expect_headers: Frozen[str] = option(
        HEADER_PATTERNS,
        default=Frozen(),
        doc="headers that the reply must have, each with a regular expression for its value",
    )
    reject_headers: Frozen[str] = option(
        HEADER_PATTERNS,
        default=Frozen(),
        doc="headers that the reply must not have with a value that matches",
    )
    expect_json: tuple[JsonClause, ...] = option(
        JSON_CLAUSES, default=(), doc="clauses about the JSON in the body, see below"
    )
    follow_redirects: int = option(
        REDIRECTS, default=0, doc="how many redirects to follow; `true`: 10"
    )
    basic_auth: BasicCredentials | None = option(
        BASIC_AUTH, default=None, doc="`username` and `password` of basic authentication"
    )
    bearer: Secret | None = option(
        TOKEN, default=None, secret=True, doc="bearer token, as `{file: …}` or `{env: …}`"
    )
    send_proxy: str | None = send_proxy_option()
    proxy: Target | None = proxy_option()
    proxy_auth: BasicCredentials | None = proxy_auth_option()

    def __post_init__(self) -> None:
        """Fill in the limit of the body; reject what can never be met."""
        if not self.body_limit:
            limit = _JSON_LIMIT if self.expect_json else _BODY_LIMIT
            object.__setattr__(self, "body_limit", limit)
        complaints = [
            Complaint((key,), "the reply to HEAD has no body")
            for key in ("body_regex", "reject_body_regex", "expect_json")
            if getattr(self, key) and self.http_method == "HEAD"
        ]
        if self.basic_auth and self.bearer:
            complaints.append(Complaint(("bearer",), "cannot be sent together with basic_auth"))
        for key in ("basic_auth", "bearer"):
            if getattr(self, key) and "authorization" in map(str.lower, self.headers):
                message = "headers has an Authorization header as well"
                complaints.append(Complaint((key,), message))
        complaints += misfits_of_proxy(
            self.proxy, self.proxy_auth, send_proxy=self.send_proxy, **self._not_by_proxy()
        )
        if self.http_version == "2":
            complaints += [
                Complaint(("headers", name), flaw)
                for name, value in self.headers.items()
                if (flaw := wrong_header(name, value.content))
            ]
        if complaints:
            raise Rejected(*complaints)

    def is_denial(self, verdict: Verdict) -> bool:
        """Return whether the target may not accept our secrets or our certificate.

        Some servers answer with 400 to a client certificate that they do not accept.
        """
        if verdict.reason is Reason.UNEXPECTED_STATUS and verdict.facts:
            return verdict.facts.get(HTTP_STATUS_CODE.name) in _DENYING
        return Probe.is_denial(self, verdict)

    def advice(self) -> Iterator[str]:
        """Warn of a path that is not sent as written."""
        if "#" in self.url_path:
            yield "url_path has a fragment, which is never sent; write %23 for a literal #"

    def bind(self, target: Target) -> Callable[[], Steps]:
        """Return a function that starts one probe of this target."""
        start = self._start_tls(target)
        if self._has_more_conditions or self.follow_redirects or self._is_special:
            return self._bind_in_full(target, start)
        request = self._write(self._hop(target), self._authority(target), self._own_headers())
        assert isinstance(request, Send)  # noqa: S101  (of HTTP/1)
        pattern = searcher(self.body_regex) if self.body_regex else None
        exchange = UsualExchange(start, request, self.expected_codes, pattern, self.body_limit)
        return announcing(self.send_proxy, exchange.converse)

    @property
    def _has_more_conditions(self) -> bool:
        """Whether more than the status code and `body_regex` is judged."""
        return bool(
            self.expect_headers or self.reject_headers or self.reject_body_regex or self.expect_json
        )

    @property
    def _is_special(self) -> bool:
        """Whether a request is not simply one of HTTP/1 to the target."""
        return self.http_version == "2" or self.proxy is not None

    def _bind_in_full(self, target: Target, start: StartTls | None) -> Callable[[], Steps]:
        """Return a function that starts a probe with conditions or redirects, or over HTTP/2."""
        wanted = expectations(
            expect_headers=self.expect_headers,
            reject_headers=self.reject_headers,
            body_regex=self.body_regex,
            reject_body_regex=self.reject_body_regex,
            clauses=ClauseJudge(self.expect_json) if self.expect_json else None,
            limit=self.body_limit,
        )
        authority, hop = self._authority(target), self._hop(target)
        way = route(self.proxy, self.proxy_auth)
        own_headers = self._own_headers()
        chain = Chain(
            hop=hop,
            authority=authority,
            target=target,
            start=start,
            request=self._write(hop, authority, own_headers),
            limit=self.follow_redirects,
            send_proxy=self.send_proxy,
            tls=getattr(self, "tls", TlsSettings()),
            alpn=self._alpn,
            own_headers=own_headers,
            headers={
                name: value.content
                for name, value in self.headers.items()
                if not (value.masked or names_a_secret(name) or name.lower() == "host")
            },
            has_secret_body=bool(self.body and self.body.masked),
            write=self._write,
            ask=self._ask(way),
            way=way,
        )
        begin = announcing(self.send_proxy, lambda: self._converse_in_full(chain, wanted))
        return tunnelled(way, target, begin) if start is not None else begin

    def _ask(self, way: WayThrough | None) -> Ask:
        if self.http_version == "2":
            return partial(ask_2, longest=self.body_limit)
        return ask if way is None else ask_by_proxy

    _scheme: ClassVar[str] = "http"

    def _not_by_proxy(self) -> dict[str, object]:
        """Return options that do not go through a proxy: it writes the Host header itself."""
        return {
            "domain_name": self.domain_name,
            "headers": any(name.lower() == "host" for name in self.headers),
            "http_version": self.http_version == "2",
        }

    def _start_tls(self, _: Target) -> StartTls | None:
        return None

    def _authority(self, target: Target) -> str:
        """Return the value of the Host header."""
        for name, value in self.headers.items():
            if name.lower() == "host":
                return value.content
        own = target.name if target.path else str(target)
        return self.domain_name or own.removesuffix(f":{self.default_port}")

    def _hop(self, target: Target) -> Hop:
        """Return the first request."""
        try:
            origin = origin_of(self._scheme, self._authority(target))
        except BadLocationError:  # a Host header of the operator's that names no host
            origin = UrlOrigin(self._scheme, target.host, target.port)
        path = request_target(self.url_path.partition("#")[0])
        return Hop(origin, path, self.http_method)

    def _own_headers(self) -> dict[str, str]:
        """Return the headers that go to the target, with its secrets."""
        headers = {name: value.content for name, value in self.headers.items()}
        if credentials := authorization(self.basic_auth, self.bearer):
            headers["Authorization"] = credentials
        return headers

    def _write(self, hop: Hop, authority: str, headers: Mapping[str, str]) -> Request:
        defaults = {
            "Host": authority,
            "User-Agent": f"prober/{__version__}",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
        }
        body = self.body.content.encode() if self.body else b""
        if hop.method != self.http_method:  # changed by a redirect
            body = b""
        if self.http_version == "2":
            url = (hop.origin.scheme, authority, hop.path)
            return write_request_2(hop.method, url, defaults, headers, body)
        path, version = hop.path, self.http_version
        if self.proxy and hop.origin.scheme == "http":
            path = f"http://{authority}{path}"
            headers = {**headers, **(route(self.proxy, self.proxy_auth) or WayThrough()).headers}
        request = write_request(hop.method, path, defaults, headers, body, version=version)
        return Send(request, until_answered=True)

    @property
    def _alpn(self) -> str:
        """The protocol inside TLS."""
        return H2 if self.http_version == "2" else "http/1.1"

    def _converse_in_full(self, chain: Chain, wanted: Expectations) -> Steps:
        """Judge the last reply of a chain of requests."""
        last = yield from chain.run()
        detail, facts = found(last.head.status, last.head.version)
        if self.follow_redirects:
            facts = {**facts, HTTP_REDIRECTS.name: last.followed}
        if last.flaw:
            return Verdict(last.reason, f"{detail}, {last.flaw}", facts)
        if last.head.status not in self.expected_codes.members:
            detail = f"{detail}, expected {self.expected_codes.written}"
            return Verdict(Reason.UNEXPECTED_STATUS, detail, facts)
        return (yield from wanted.judge(last.head, last.rest, Verdict(Reason.OK, detail, facts)))


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpsProbe(HttpProbe):
    """HTTP over TLS."""

    default_port: ClassVar[int | None] = 443
    _scheme: ClassVar[str] = "https"

    tls: TlsSettings = option(TLS, default=TlsSettings(), doc="TLS settings")

    def _not_by_proxy(self) -> dict[str, object]:
        return {}

    def _start_tls(self, target: Target) -> StartTls:
        return handshake(self.tls, self.domain_name or target.name, (self._alpn,))
