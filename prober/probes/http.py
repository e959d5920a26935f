"""HTTP and HTTPS: good if the status code and, with `body_regex`, the body are as expected.

Redirects are not followed: a 3xx status is judged like any other.
"""

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar

from prober import __version__
from prober.model.fact import INTEGER, NUMBER, Fact, Gauge, IfAbsent
from prober.model.file_kinds import SECRET, Secret
from prober.model.kinds import Codes, Frozen, choice, codes, integer, mapping_of, matching
from prober.model.option import (
    Complaint,
    Kind,
    ReadContext,
    Rejected,
    option,
)
from prober.model.probe import (
    RECEIVE,
    TLS_FACTS,
    DeadlineReached,
    InThread,
    PhaseGauge,
    Probe,
    Receive,
    Send,
    StartTls,
    Steps,
    Target,
    Trouble,
)
from prober.model.secret import names_a_secret
from prober.model.status import FactValue, Reason, Verdict
from prober.model.tls_settings import TlsSettings
from prober.probes.pattern import (
    PATTERN,
    REGEX_SECONDS,
    SHORT,
    Searcher,
    in_thread,
    searcher,
)
from prober.probes.proxy_protocol import announcing, send_proxy_option
from prober.probes.tls import DOMAIN_NAME, TLS, handshake
from prober.protocols.content import Content, Text, content_of, text_of
from prober.protocols.http1 import (
    NAME,
    ChunkedBody,
    CutOffError,
    Head,
    HeadReader,
    Http1Error,
    PlainBody,
    body_of,
    request_target,
    write_request,
)

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "PATCH")
_OWN_HEADERS = frozenset({"connection", "content-length", "transfer-encoding"})


def _read_method(value: object, outside: ReadContext) -> str:
    if value == "CONNECT":
        raise Rejected("CONNECT cannot be probed, it requests a tunnel; probe the port with TCP")
    return _METHOD.read(value, outside)


_METHOD = choice(*METHODS)
METHOD = Kind(_read_method, _METHOD.schema)


def _wrong_header(name: str) -> str | None:
    if not re.fullmatch(NAME, name):
        return "expected a header name"
    if name.lower() in _OWN_HEADERS:
        return "the probe sets this header itself"
    return None


def _read_header(value: object, outside: ReadContext) -> Secret:
    secret = SECRET.read(value, outside)
    if re.search(r"[\r\n\x00]", secret.content):
        raise Rejected("a header value cannot contain line breaks")
    return secret


HEADERS = mapping_of(replace(SECRET, read=_read_header), _wrong_header, same=str.lower, most=100)


HTTP_STATUS_CODE = Fact(
    name="http_status_code",
    kind=INTEGER,
    doc="status code of the HTTP reply",
    said="HTTP {}",
    remembered=True,
    gauge=Gauge("probe_http_status_code", "Response HTTP status code"),
    gauge_if_absent=IfAbsent(lambda _: 0.0, "0"),  # as blackbox_exporter's
    expected_by="expected_codes",
)
_VERSION = slice(len("HTTP/"), len("HTTP/1.1"))  # of a status line
HTTP_VERSION = Fact(
    name="http_version",
    kind=NUMBER,
    doc="version of HTTP of the reply",
    gauge=Gauge("probe_http_version", "Returns the version of HTTP of the probe response"),
    gauge_if_absent=IfAbsent(lambda _: 0.0, "0"),
)
HTTP_PHASES = PhaseGauge(
    "probe_http_duration_seconds",
    "Duration of http request by phase, summed over all redirects",
    (
        *((name, (name,)) for name in ("resolve", "connect", "tls")),
        ("processing", ("send", "first_byte")),
        ("transfer", ("transfer",)),
    ),
)
HTTP_SSL = Gauge("probe_http_ssl", "Indicates if SSL was used for the final redirect")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProbe(Probe):
    """Send a request and judge the status code of the reply, and its body with `body_regex`."""

    good_when: ClassVar[str] = (
        "the status code of the reply is in `expected_codes` and, with `body_regex`, the body "
        "matches"
    )
    facts: ClassVar[tuple[Fact, ...]] = (HTTP_STATUS_CODE, HTTP_VERSION)
    phase_gauge: ClassVar[PhaseGauge | None] = HTTP_PHASES
    tls_gauge: ClassVar[Gauge | None] = HTTP_SSL
    example: ClassVar[Mapping[str, object]] = {"url_path": "/healthz"}
    default_port: ClassVar[int | None] = 80
    nearest: ClassVar[str] = "HTTP"

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
        choice("1.0", "1.1"), default="1.1", doc="HTTP version of the request"
    )
    body_regex: str | None = option(
        PATTERN,
        default=None,
        doc="must match somewhere in the first `body_limit` bytes of the body",
    )
    body_limit: int = option(
        integer(1, 1048576),
        default=65536,
        unit="bytes",
        doc="how much of the body `body_regex` searches",
    )
    send_proxy: str | None = send_proxy_option()

    def __post_init__(self) -> None:
        """Reject conditions that can never be met."""
        if self.body_regex and self.http_method == "HEAD":
            raise Rejected(Complaint(("body_regex",), "the reply to HEAD has no body"))

    def advice(self) -> Iterator[str]:
        """Warn of a path that is not sent as written."""
        if "#" in self.url_path:
            yield "url_path has a fragment, which is never sent; write %23 for a literal #"

    def bind(self, target: Target) -> Callable[[], Steps]:
        """Return a function that starts one probe of this target."""
        request = Send(self._request(target), until_answered=True)
        pattern = searcher(self.body_regex) if self.body_regex else None
        start = self._start_tls(target)
        return announcing(self.send_proxy, lambda: self._converse(start, request, pattern))

    def _start_tls(self, _: Target) -> StartTls | None:
        return None

    def _request(self, target: Target) -> bytes:
        host = self.domain_name
        if host is None:
            host = str(target).removesuffix(f":{self.default_port}")
        defaults = {
            "Host": host,
            "User-Agent": f"prober/{__version__}",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
        }
        return write_request(
            self.http_method,
            request_target(self.url_path.partition("#")[0]),
            defaults,
            {name: value.content for name, value in self.headers.items()},
            self.body.content.encode() if self.body else b"",
            version=self.http_version,
        )

    def _converse(self, start: StartTls | None, request: Send, pattern: Searcher | None) -> Steps:
        if start is not None:
            yield start
        yield request
        content: bytes = yield RECEIVE
        if not content:
            return Verdict(Reason.CLOSED, "closed without a reply")
        try:
            head, rest = yield from receive_head(content)
        except DeadlineReached:
            if pattern is None:
                raise
            return Verdict(Reason.PAYLOAD_MISMATCH, "the timeout expired before the body")
        detail, facts = _found(head.status, head.content[_VERSION])
        if head.status not in self.expected_codes.members:
            detail = f"{detail}, expected {self.expected_codes.written}"
            return Verdict(Reason.UNEXPECTED_STATUS, detail, facts)
        if pattern is None:
            return Verdict(Reason.OK, detail, facts)
        return (yield from self._judge_body(head, rest, pattern))

    def _judge_body(self, head: Head, rest: bytes, pattern: Searcher) -> Steps:
        detail, facts = _found(head.status, head.content[_VERSION])
        body = body_of(head, self.body_limit)
        try:
            if head.may_have_body:
                yield from receive_body(body, rest)
        except DeadlineReached:
            pass  # what is there of it is searched
        except Trouble as trouble:
            return trouble.verdict._replace(facts=facts)
        del body.content[self.body_limit :]
        try:
            searched = (pattern, body.content, content_of(head.content), self.body_limit)
            text, found = _search_at_once(*searched) or (yield from _search_in_thread(*searched))
        except TimeoutError:
            detail = f"{detail}, body_regex took more than {REGEX_SECONDS:g} s"
            return Verdict(Reason.REGEX_TIMEOUT, detail, facts)
        except DeadlineReached:
            detail = f"{detail}, the timeout expired before body_regex ended"
            return Verdict(Reason.REGEX_TIMEOUT, detail, facts)
        if found:
            return Verdict(Reason.OK, f"{detail}, body_regex matched", facts)
        flaw = f", which are {text.flaw}" if text.flaw else ""
        detail = f"{detail}, body_regex did not match in {text.size} bytes{flaw}"
        return Verdict(Reason.PAYLOAD_MISMATCH, detail, facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpsProbe(HttpProbe):
    """HTTP over TLS."""

    facts: ClassVar[tuple[Fact, ...]] = (HTTP_STATUS_CODE, HTTP_VERSION, *TLS_FACTS)
    default_port: ClassVar[int | None] = 443

    tls: TlsSettings = option(TLS, default=TlsSettings(), doc="TLS settings")

    def _start_tls(self, target: Target) -> StartTls:
        return handshake(self.tls, self.domain_name or target.host, ("http/1.1",))


@cache
def _found(status: int, version: bytes) -> tuple[str, Mapping[str, FactValue]]:
    """Return the detail and the facts for a status line, shared by all probes that get it."""
    facts: dict[str, FactValue] = {
        HTTP_STATUS_CODE.name: status,
        HTTP_VERSION.name: float(version),
    }
    return f"HTTP {status}", facts


def receive_head(content: bytes) -> Generator[Receive, bytes, tuple[Head, bytes]]:
    """Read up to the end of a final head; return it and the bytes after it."""
    reader = HeadReader()
    try:
        while (head := reader.feed(content)) is None:
            content = yield RECEIVE
            if not content:
                raise reader.end()
    except (Http1Error, CutOffError) as error:
        raise _trouble(error) from None
    return head, reader.rest


def receive_body(body: PlainBody | ChunkedBody, content: bytes) -> Generator[Receive, bytes, None]:
    """Read until a body is complete; `content` is what has arrived of it."""
    try:
        body.feed(content)
        while not body.complete:
            content = yield RECEIVE
            if not content:
                body.end()
                break
            body.feed(content)
    except (Http1Error, CutOffError) as error:
        raise _trouble(error) from None


def _trouble(error: Http1Error | CutOffError) -> Trouble:
    if isinstance(error, CutOffError):
        return Trouble(Reason.CLOSED, str(error))
    return Trouble(Reason.BAD_RESPONSE, f"not a valid HTTP reply: {error}")


def _search_at_once(
    pattern: Searcher, body: bytearray, content: Content, limit: int
) -> tuple[Text, bool] | None:
    """Look for a pattern in a body, if that is quick; return None if it is not."""
    if len(body) > SHORT or content.codings:
        return None
    text = text_of(body, content, limit)
    try:
        return text, pattern.at_once(text.text) is not None
    except TimeoutError:
        return None


def _search_in_thread(
    pattern: Searcher, body: bytearray, content: Content, limit: int
) -> Generator[InThread, Any, tuple[Text, bool]]:
    """Look for a pattern in a body; raise TimeoutError."""

    def work(seconds: float) -> tuple[Text, bool]:
        text = text_of(body, content, limit)
        return text, pattern.within(seconds, text.text) is not None

    found: tuple[Text, bool] = yield from in_thread(work, REGEX_SECONDS)
    return found
