"""HTTP and HTTPS: good when the status, and on demand the body, are as expected.

The reader of replies is bounded and strict where leniency would hide a broken target, lenient
where every client is (bare line feeds). Redirects are not followed: a 3xx is a status like others.
"""

import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar, NamedTuple

from prober import __version__
from prober.model.kinds import (
    SECRET,
    Codes,
    Frozen,
    Secret,
    choice,
    codes,
    integer,
    mapping_of,
    matching,
)
from prober.model.option import (
    Complaint,
    Kind,
    ReadContext,
    Rejected,
    expected,
    in_words,
    option,
)
from prober.model.probe import (
    RECEIVE,
    DeadlineReached,
    Receive,
    Send,
    StartTls,
    Steps,
    Target,
    Trouble,
)
from prober.model.secret import names_a_secret
from prober.model.status import Fact, Reason, Verdict
from prober.model.tls_settings import TlsSettings
from prober.probes.tls import DOMAIN_NAME, TLS, handshake

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "PATCH")
HEAD_LIMIT = 32768
"""Bytes that the head of a reply, status line and headers, may have."""
HEADERS_LIMIT = 256
"""Header lines that a reply may have."""
REGEX_SECONDS = 0.1
"""Time that `body_regex` may take on one body."""
REGEX_SIZE = 20_000
"""What `body_regex` may be written out to, in pieces, when it is compiled."""

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110, section 5.6.2
_HEAD_END = re.compile(rb"\n\r?\n")
_HEAD = re.compile(
    rb"HTTP/1\.[01] ([1-9]\d\d)(?: [^\r\n\x00]*+)?\r?\n"
    rb"((?:" + _NAME.encode() + rb"+:[^\r\n\x00]*+\r?\n)*+)\r?\n"
)
_FRAMING = re.compile(
    rb"^(content-length|transfer-encoding):([^\r\n]*)", re.IGNORECASE | re.MULTILINE
)
_LENGTH = re.compile(rb"[ \t]*\d{1,18}[ \t]*")
_REPEAT = re.compile(r"(\)?)(\+|\{(\d*)[,}])")  # of a group or not; how often
_OWN_HEADERS = frozenset({"connection", "content-length", "transfer-encoding"})


def _read_method(value: object, outside: ReadContext) -> str:
    if value == "CONNECT":
        raise Rejected("CONNECT asks a proxy for a tunnel and is not probed; TCP probes its port")
    return _METHOD.read(value, outside)


_METHOD = choice(*METHODS)
METHOD = Kind(_read_method, _METHOD.schema)


def _wrong_header(name: str) -> str | None:
    if not re.fullmatch(_NAME, name):
        return "expected a header name"
    if name.lower() in _OWN_HEADERS:
        return "this header is set by the probe itself"
    return None


def _read_header(value: object, outside: ReadContext) -> Secret:
    secret = SECRET.read(value, outside)
    if re.search(r"[\r\n\x00]", secret.content):
        raise Rejected("a header value cannot hold line ends")
    return secret


HEADERS = mapping_of(replace(SECRET, read=_read_header), _wrong_header)


def _read_pattern(value: object, _: ReadContext) -> str:
    if not isinstance(value, str) or not value:
        raise expected("a regular expression", value)
    if _size_compiled(value) > REGEX_SIZE:
        raise Rejected(f"a regular expression that repeats too much, got {in_words(value)}")
    import regex  # noqa: PLC0415  (only a configuration that uses it pays for it)

    try:
        regex.compile(value)
    except (regex.error, RecursionError) as error:
        raise Rejected(f"not a regular expression: {error}") from None
    return value


def _size_compiled(pattern: str) -> int:
    """Return at least the pieces that a pattern is compiled to, by its repetitions.

    `x{5,}` becomes five times x and a loop, `x+` one x and a loop. The text is not parsed, so that
    nothing can be hidden: each repetition of a group counts as if it enclosed all the others.
    """
    pieces, copies = len(pattern), 1
    for repeat in _REPEAT.finditer("".join(pattern.split())):
        times = 1 if repeat[2] == "+" else int(f"0{repeat[3]}"[:9])
        if repeat[1] or "#" in pattern:  # what looks like no group may end in a comment
            copies = min(copies * (times + 1), REGEX_SIZE + 1)
        else:
            pieces += times
    return pieces * copies


PATTERN = Kind(_read_pattern, {"type": "string", "format": "regex", "minLength": 1})


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProbe:
    """Send a request and compare the status of the reply, and its body if `body_regex` is set."""

    datagram: ClassVar[bool] = False
    default_port: ClassVar[int] = 80

    http_method: str = option(METHOD, default="GET", doc="request method")
    url_path: str = option(
        matching(r"/[^\x00-\x20\x7f]*", "a path that starts with / and holds no spaces"),
        default="/",
        doc="path and query of the request",
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

    def __post_init__(self) -> None:
        """Reject what can never be met."""
        if self.body_regex and self.http_method == "HEAD":
            raise Rejected(Complaint(("body_regex",), "the reply to HEAD has no body"))

    def bind(self, target: Target) -> Callable[[], Steps]:
        """Return what starts one probe of this target."""
        request = Send(self._request(target))
        search = _searcher(self.body_regex) if self.body_regex else None
        start = self._start_tls(target)
        return lambda: self._converse(start, request, search)

    def _start_tls(self, _: Target) -> StartTls | None:
        return None

    def _request(self, target: Target) -> bytes:
        host = self.domain_name
        if host is None:
            host = str(target).removesuffix(f":{self.default_port}")
        content = self.body.content.encode() if self.body else b""
        headers = {
            "host": f"Host: {host}",
            "user-agent": f"User-Agent: prober/{__version__}",
            "accept": "Accept: */*",
            "accept-encoding": "Accept-Encoding: identity",
            "connection": "Connection: close",
        }
        if content or self.http_method in ("POST", "PUT", "PATCH"):
            headers["content-length"] = f"Content-Length: {len(content)}"
        headers |= {
            name.lower(): f"{name}: {value.content}" for name, value in self.headers.items()
        }
        line = f"{self.http_method} {self.url_path} HTTP/{self.http_version}"
        return "\r\n".join([line, *headers.values(), "", ""]).encode() + content

    def _converse(self, start: StartTls | None, request: Send, search: "Search | None") -> Steps:
        if start is not None:
            yield start
        yield request
        content: bytes = yield RECEIVE
        if not content:
            return Verdict(Reason.CLOSED, "closed without a reply")
        try:
            head, rest = yield from read_head(content)
        except DeadlineReached:
            if search is None:
                raise
            return Verdict(Reason.PAYLOAD_MISMATCH, "the time was up before the body")
        detail, facts = _found(head.status)
        if head.status not in self.expected_codes.members:
            detail = f"{detail}, expected {self.expected_codes.written}"
            return Verdict(Reason.UNEXPECTED_STATUS, detail, facts)
        if search is None:
            return Verdict(Reason.OK, detail, facts)
        try:
            body = yield from _read_body(head, rest, self.body_limit)
        except Trouble as trouble:
            return trouble.verdict._replace(facts=facts)
        return search(body, detail)._replace(facts=facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpsProbe(HttpProbe):
    """HTTP over TLS."""

    default_port: ClassVar[int] = 443

    tls: TlsSettings = option(TLS, default=TlsSettings(), doc="TLS settings")

    def _start_tls(self, target: Target) -> StartTls:
        return handshake(self.tls, self.domain_name or target.host, ("http/1.1",))


@cache
def _found(status: int) -> tuple[str, Mapping[str, Fact]]:
    """Return the detail and the facts of a status: the same for all who found it."""
    return f"HTTP {status}", {"http_status_code": status}


class Head(NamedTuple):
    """The head of a final reply; `length` is None where the body's length is not announced.

    `content` is all of it, from the status line to the empty line.
    """

    status: int
    length: int | None
    chunked: bool
    content: bytes

    @property
    def is_final(self) -> bool:
        """Whether no other head follows (RFC 9110, section 15.2)."""
        return self.status >= 200 or self.status == 101


def _broken(what: str) -> Trouble:
    return Trouble(Reason.BAD_RESPONSE, f"not a valid HTTP reply: {what}")


def read_head(content: bytes) -> Generator[Receive, bytes, tuple[Head, bytes]]:
    """Read on up to the end of a final head; return it and the bytes that came after it."""
    searched = 0
    while True:
        found = None if searched else _HEAD.match(content)  # nearly always all of it is there
        if not found:
            if not content.startswith(b"HTTP/1."[: len(content)]):
                raise _broken(f"it starts with {content[:16]!r}")
            if not _HEAD_END.search(content, searched):
                if len(content) > HEAD_LIMIT:
                    raise _broken(f"its head is longer than {HEAD_LIMIT} bytes")
                more = yield RECEIVE
                if not more:
                    raise Trouble(Reason.CLOSED, f"closed after {len(content)} bytes of the head")
                searched = max(0, len(content) - 2)
                content += more
                continue
            found = _HEAD.match(content)
            if not found:
                first = content.split(b"\n", 1)[0].rstrip(b"\r")[:64]
                raise _broken(f"malformed head, {first!r}")
        head, content, searched = _head_of(found), content[found.end() :], 0
        if head.is_final:
            return head, content


def _head_of(found: re.Match[bytes]) -> Head:
    content, status, headers = found[0], int(found[1]), found[2]
    if len(content) > HEAD_LIMIT:
        raise _broken(f"its head is longer than {HEAD_LIMIT} bytes")
    if headers.count(b"\n") > HEADERS_LIMIT:
        raise _broken(f"more than {HEADERS_LIMIT} headers")
    length, coding = None, None
    for name, value in _FRAMING.findall(headers):
        if name.lower() == b"transfer-encoding":
            coding = value.lower().rpartition(b",")[2].strip()
        elif length is not None or not _LENGTH.fullmatch(value):
            raise _broken("its content-length is ambiguous")
        else:
            length = int(value)
    return Head(status, None if coding else length, coding == b"chunked", content)


def _read_body(head: Head, rest: bytes, limit: int) -> Generator[Receive, bytes, bytes]:
    """Read the first `limit` bytes of the body, or what there is of it when the time is up."""
    body = ChunkedBody(limit) if head.chunked else PlainBody(limit, head.length)
    if head.status in (101, 204, 304):
        return b""
    body.feed(rest)
    try:
        while not body.complete:
            content = yield RECEIVE
            if not content:
                body.end()
                break
            body.feed(content)
    except DeadlineReached:
        pass
    return bytes(body.content[:limit])


class PlainBody:
    """A body that ends after its announced length, or with the connection."""

    def __init__(self, limit: int, length: int | None) -> None:
        self.content = bytearray()
        self._wanted = limit if length is None else min(limit, length)
        self._announced = length is not None

    @property
    def complete(self) -> bool:
        """Whether all that is wanted is there."""
        return len(self.content) >= self._wanted

    def feed(self, content: bytes) -> None:
        """Take the next bytes from the connection."""
        self.content += content[: self._wanted - len(self.content)]

    def end(self) -> None:
        """The connection has ended."""
        if self._announced:
            raise Trouble(Reason.CLOSED, f"closed after {len(self.content)} bytes of the body")


class ChunkedBody:
    """A body in chunks (RFC 9112, section 7.1); trailers are not read."""

    _SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?\r?\n")
    _SIZE_LINE_LIMIT = 1024

    def __init__(self, limit: int) -> None:
        self.content = bytearray()
        self.complete = False
        self._limit = limit
        self._pending = bytearray()
        self._left = 0  # bytes of the chunk that are still to come, with its line end

    def feed(self, content: bytes) -> None:
        """Take the next bytes from the connection."""
        self._pending += content
        while not self.complete and self._step():
            self.complete |= len(self.content) >= self._limit

    def _step(self) -> bool:
        if self._left > 2:
            taken = self._pending[: self._left - 2]
            del self._pending[: len(taken)]
            self.content += taken
            self._left -= len(taken)
            return bool(taken)
        if self._left:
            return self._line_end()
        end = self._pending.find(b"\n", 0, self._SIZE_LINE_LIMIT) + 1
        if not end and len(self._pending) < self._SIZE_LINE_LIMIT:
            return False
        found = self._SIZE.fullmatch(self._pending, 0, end)
        if not found:
            raise _broken("malformed chunk")
        size = int(found[1], 16)
        del self._pending[:end]
        self._left = size + 2
        self.complete = size == 0
        return True

    def _line_end(self) -> bool:
        for end in (b"\r\n", b"\n"):
            if self._pending.startswith(end):
                del self._pending[: len(end)]
                self._left = 0
                return True
        if bytes(self._pending) not in (b"", b"\r"):
            raise _broken("malformed chunk")
        return False

    def end(self) -> None:
        """The connection has ended."""
        raise Trouble(Reason.CLOSED, f"closed after {len(self.content)} bytes of the body")


Search = Callable[[bytes, str], Verdict]


def _searcher(pattern: str) -> Search:
    import regex  # noqa: PLC0415  (only a configuration that uses it pays for it)

    compiled = regex.compile(pattern)

    def search(body: bytes, detail: str) -> Verdict:
        try:
            found = compiled.search(body.decode(errors="replace"), timeout=REGEX_SECONDS)
        except TimeoutError:
            detail = f"{detail}, body_regex took more than {REGEX_SECONDS:g} s"
            return Verdict(Reason.REGEX_TIMEOUT, detail)
        if found:
            return Verdict(Reason.OK, f"{detail}, body_regex found")
        return Verdict(
            Reason.PAYLOAD_MISMATCH, f"{detail}, body_regex not found in {len(body)} bytes"
        )

    return search
