"""DNS: good if a name server replies with an expected response code and expected answers."""

import re
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from prober.model.fact import INTEGER, TEXT, Fact, Gauge
from prober.model.kinds import BOOLEAN, choice, integer, list_of
from prober.model.option import (
    Complaint,
    Kind,
    ReadContext,
    Rejected,
    expected,
    option,
    section,
)
from prober.model.pattern_kind import PATTERN
from prober.model.probe import (
    RECEIVE,
    TLS_FACTS,
    DeadlineReached,
    PhaseGauge,
    Probe,
    Reconnect,
    Send,
    StartTls,
    Steps,
    Target,
    Trouble,
)
from prober.model.status import FactValue, Reason, Verdict
from prober.model.tls_settings import TlsSettings
from prober.model.wording import counted
from prober.probes.pattern import REGEX_SECONDS, SHORT, Searcher, in_thread, searcher
from prober.probes.proxy_protocol import announcing, send_proxy_option
from prober.probes.tls import TLS, handshake
from prober.protocols.dns_message import (
    CLASSES,
    RCODES,
    TYPES,
    DnsMessageError,
    DnsReply,
    Record,
    fits,
    rcode_name,
    read_reply,
    serial_of,
    texts_of,
    write_query,
    write_question,
)

SEARCHED = 200
"""Answers that `expect_answers` looks at."""

_PATTERNS = 100
_SEARCHED_AT_ONCE = 16  # answers, or pairs of an answer and a pattern
_SHORTEST_SEARCH = 0.001  # seconds
_NUMBERED = re.compile(r"TYPE([0-9]{1,5})")
NAMED_TYPE = choice(*TYPES)
QUERY_CLASS = choice(*CLASSES)
RCODE = choice(*RCODES)


def _read_type(value: object, outside: ReadContext) -> str:
    found = _NUMBERED.fullmatch(value) if isinstance(value, str) else None
    if found and 1 <= int(found[1]) <= 65535:
        return found[0]
    return NAMED_TYPE.read(value, outside)


QUERY_TYPE = Kind(
    _read_type, {"anyOf": [NAMED_TYPE.schema, {"type": "string", "pattern": "^TYPE[0-9]{1,5}$"}]}
)


def _read_name(value: object, _: ReadContext) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]+", value):
        raise expected(
            "a domain name in ASCII, such as example.com or xn--bcher-kva.example", value
        )
    try:
        write_question(value, 1, 1)
    except ValueError as error:
        raise Rejected(f"not a domain name: {error}") from None
    return value


QUERY_NAME = Kind(_read_name, {"type": "string", "minLength": 1, "maxLength": 254})


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPatterns:
    """What the answers must be: patterns over the presentation form of each record's data."""

    any: tuple[str, ...] = option(
        list_of(PATTERN), default=(), doc="one of them must match one of the answers"
    )
    all: tuple[str, ...] = option(
        list_of(PATTERN), default=(), doc="each of them must match one of the answers"
    )
    none: tuple[str, ...] = option(
        list_of(PATTERN), default=(), doc="none of them may match any answer"
    )

    def __post_init__(self) -> None:
        """Reject what says nothing, and what would take too long."""
        count = len(self.any) + len(self.all) + len(self.none)
        if not count:
            raise Rejected("expected at least one of any, all, none")
        if count > _PATTERNS:
            raise Rejected(f"expected at most {_PATTERNS} patterns, got {count}")

    def searchers(self) -> "_Searchers":
        """Return what searches for the patterns."""
        return _Searchers(*(tuple(map(searcher, each)) for each in (self.any, self.all, self.none)))


class _Searchers(NamedTuple):
    any: tuple[Searcher, ...]
    all: tuple[Searcher, ...]
    none: tuple[Searcher, ...]

    def judge(self, texts: Iterable[str], search: Callable[[Searcher, str], Any]) -> str:
        """Return what is wrong with the answers; empty if nothing is. Raise TimeoutError."""
        found = list(texts)

        def is_met(pattern: Searcher) -> bool:
            return any(search(pattern, text) is not None for text in found)

        if self.any and not any(map(is_met, self.any)):
            return "no answer matches any of expect_answers.any"
        for pattern in self.all:
            if not is_met(pattern):
                return f"no answer matches {pattern.written!r}"
        for pattern in self.none:
            if is_met(pattern):
                return f"an answer matches {pattern.written!r}"
        return ""


DNS_RCODE = Fact(
    name="dns_rcode",
    kind=TEXT,
    doc="response code of the DNS reply, such as `NOERROR`",
    said="DNS {}",
    remembered=True,
    expected_by="expected_rcodes",
)
DNS_ANSWERS = Fact(
    name="dns_answers",
    kind=INTEGER,
    doc="number of records in the answer section of the DNS reply",
    gauge=Gauge(
        "probe_dns_answer_rrs", "Returns number of entries in the answer resource record list"
    ),
)
DNS_SERIAL = Fact(
    name="dns_serial",
    kind=INTEGER,
    doc="serial number of the zone, if the answer has an SOA record",
    gauge=Gauge("probe_dns_serial", "Returns the serial number of the zone"),
)


DNS_PHASES = PhaseGauge(
    "probe_dns_duration_seconds",
    "Duration of DNS request by phase",
    (
        *((name, (name,)) for name in ("resolve", "connect")),
        ("request", ("tls", "send", "first_byte", "transfer")),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsProbe(Probe):
    """Ask a name server, and judge its reply.

    A reply over UDP that is truncated is asked for again over TCP. Over UDP, what does not fit the
    query is ignored; silence is bad.
    """

    good_when: ClassVar[str] = (
        "the name server replies with one of `expected_rcodes` and, if given, the answers that "
        "`expect_answers`, `min_answers`, `authoritative` and `authenticated` ask for"
    )
    facts: ClassVar[tuple[Fact, ...]] = (DNS_RCODE, DNS_ANSWERS, DNS_SERIAL, *TLS_FACTS)
    phase_gauge: ClassVar[PhaseGauge | None] = DNS_PHASES
    example: ClassVar[Mapping[str, object]] = {
        "query_name": "www.example.com",
        "expect_answers": {"any": [r"^192\.0\.2\."]},
    }
    default_port: ClassVar[int | None] = 53
    nearest: ClassVar[str] = "UDP"

    query_name: str = option(QUERY_NAME, doc="name to ask for; `.` is the root")
    query_type: str = option(
        QUERY_TYPE, default="A", doc="type of record to ask for: `A`, `SOA`, …, or `TYPE123`"
    )
    query_class: str = option(QUERY_CLASS, default="IN", doc="class of record to ask for")
    transport: str = option(
        choice("udp", "tcp", "tls"), default="udp", doc="how to ask; `tls`, usually on port 853"
    )
    recursion_desired: bool = option(BOOLEAN, default=True, doc="ask for recursion")
    expected_rcodes: tuple[str, ...] = option(
        list_of(RCODE, shortest=1),
        default=("NOERROR",),
        doc="response codes that are good",
    )
    expect_answers: AnswerPatterns | None = option(
        section(AnswerPatterns),
        default=None,
        doc="regular expressions that the answers must, or must not, match: see below",
    )
    min_answers: int = option(
        integer(0, 1000), default=0, doc="least number of records in the answer section"
    )
    authoritative: bool = option(BOOLEAN, default=False, doc="the reply must be authoritative (AA)")
    authenticated: bool = option(
        BOOLEAN, default=False, doc="the resolver must have verified the answer with DNSSEC (AD)"
    )
    dnssec_ok: bool = option(BOOLEAN, default=False, doc="ask for DNSSEC records (DO)")
    tls: TlsSettings | None = option(TLS, default=None, doc="TLS settings of `transport: tls`")
    send_proxy: str | None = send_proxy_option()

    def __post_init__(self) -> None:
        """Reject what has no effect."""
        complaints = []
        if self.tls is not None and self.transport != "tls":
            complaints.append(Complaint(("tls",), "has no effect without transport: tls"))
        if self.send_proxy and self.datagram:
            complaints.append(Complaint(("send_proxy",), "is not sent over UDP"))
        if complaints:
            raise Rejected(*complaints)

    @property
    def datagram(self) -> bool:
        """Whether the probe speaks over UDP."""
        return self.transport == "udp"

    def bind(self, target: Target) -> Callable[[], Steps]:
        """Return a function that starts one probe of this target.

        The id of the query is the same for all of them, but another in each process, which hashes
        in its own way; the port from which a query comes changes each time.
        """
        found = _NUMBERED.fullmatch(self.query_type)
        kind = int(found[1]) if found else TYPES[self.query_type]
        question = write_question(self.query_name, kind, CLASSES[self.query_class])
        number = hash((target.host, target.port, self.query_name)) & 0xFFFF
        query = write_query(
            number,
            question,
            recursion_desired=self.recursion_desired,
            authentic=self.authenticated,
            dnssec_ok=self.dnssec_ok,
        )
        asked = _Query(query, number, question)
        patterns = self.expect_answers.searchers() if self.expect_answers else None
        if self.datagram:
            return lambda: self._over_udp(asked, patterns)
        start = None
        if self.transport == "tls":
            start = handshake(self.tls or TlsSettings(), target.host, ("dot",))
        return announcing(self.send_proxy, lambda: self._over_tcp(asked, patterns, start))

    def _over_udp(self, asked: "_Query", patterns: _Searchers | None) -> Steps:
        yield asked.datagram
        others = 0
        try:
            while not fits(content := (yield RECEIVE), asked.number, asked.question):
                others += 1
        except DeadlineReached:
            if not others:
                raise
            detail = f"no reply to the query, only {counted(others, 'other datagram')}"
            return Verdict(Reason.TIMEOUT, detail)
        reply = _read(content)
        if reply.is_truncated:
            yield Reconnect()
            return (yield from self._over_tcp(asked, patterns, None))
        return (yield from self._judge(reply, patterns))

    def _over_tcp(
        self, asked: "_Query", patterns: _Searchers | None, start: StartTls | None
    ) -> Steps:
        if start is not None:
            yield start
        yield asked.framed
        received = b""
        while len(received) < 2 or len(received) < 2 + int.from_bytes(received[:2]):
            content: bytes = yield RECEIVE
            if not content:
                what = "in the middle of the reply" if received else "without a reply"
                return Verdict(Reason.CLOSED, f"closed {what}")
            received += content
        message = received[2 : 2 + int.from_bytes(received[:2])]
        if not fits(message, asked.number, asked.question):
            return Verdict(Reason.BAD_RESPONSE, "the reply does not fit the query")
        return (yield from self._judge(_read(message), patterns))

    def _judge(self, reply: DnsReply, patterns: _Searchers | None) -> Steps:
        rcode, count = rcode_name(reply.rcode), len(reply.answers)
        facts: dict[str, FactValue] = {DNS_RCODE.name: rcode, DNS_ANSWERS.name: count}
        try:
            serial = serial_of(reply)
            if serial is not None:
                facts[DNS_SERIAL.name] = serial
            found = f"{rcode}, {count} answer{'s' if count != 1 else ''}"
            if rcode not in self.expected_rcodes:
                detail = f"{found}, expected {', '.join(self.expected_rcodes)}"
                return Verdict(Reason.UNEXPECTED_RCODE, detail, facts)
            flaw = self._flaw(reply)
            if not flaw and patterns is not None:
                flaw = yield from _search(reply.message, reply.answers[:SEARCHED], patterns)
        except DnsMessageError as error:
            return Verdict(Reason.BAD_RESPONSE, f"not a valid DNS reply: {error}", facts)
        except TimeoutError:
            detail = f"{found}, expect_answers took more than {REGEX_SECONDS:g} s"
            return Verdict(Reason.REGEX_TIMEOUT, detail, facts)
        except DeadlineReached:
            detail = f"{found}, the timeout expired before expect_answers ended"
            return Verdict(Reason.REGEX_TIMEOUT, detail, facts)
        if flaw:
            return Verdict(Reason.PAYLOAD_MISMATCH, f"{found}, {flaw}", facts)
        return Verdict(Reason.OK, found, facts)

    def _flaw(self, reply: DnsReply) -> str:
        """Return what is wrong with a reply, apart from what its answers say."""
        if len(reply.answers) < self.min_answers:
            return f"expected at least {self.min_answers}"
        if self.authoritative and not reply.is_authoritative:
            return "not authoritative"
        if self.authenticated and not reply.is_authentic:
            return "not verified with DNSSEC"
        return ""


class _Query:
    """A query, as it is sent."""

    __slots__ = ("datagram", "framed", "number", "question")

    def __init__(self, message: bytes, number: int, question: bytes) -> None:
        self.datagram = Send(message)
        self.framed = Send(len(message).to_bytes(2) + message, until_answered=True)
        self.number = number
        self.question = question


def _read(message: bytes) -> DnsReply:
    try:
        return read_reply(message)
    except DnsMessageError as error:
        raise Trouble(Reason.BAD_RESPONSE, f"not a valid DNS reply: {error}") from None


def _search(
    message: bytes, answers: list[Record], patterns: _Searchers
) -> Generator[Any, Any, str]:
    """Return what is wrong with the answers; in a thread if that may take long."""
    searches = len(answers) * sum(map(len, patterns))
    if searches <= _SEARCHED_AT_ONCE and sum(each.length for each in answers) <= SHORT:
        try:
            return patterns.judge(texts_of(message, answers), lambda each, text: each.at_once(text))
        except TimeoutError:
            pass

    def work(seconds: float) -> str | DnsMessageError:
        share = max(seconds / max(searches, 1), _SHORTEST_SEARCH)
        texts = texts_of(message, answers)
        try:
            return patterns.judge(texts, lambda each, text: each.within(share, text))
        except DnsMessageError as error:
            return error

    flaw: str | DnsMessageError = yield from in_thread(work, REGEX_SECONDS)
    if isinstance(flaw, DnsMessageError):
        raise flaw
    return flaw
