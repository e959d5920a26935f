"""DNS: what a reply must be, over UDP, TCP and TLS."""

from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from prober.model.option import ReadContext, Rejected, section
from prober.model.probe import Probe, Reconnect, Send, Target, Trouble
from prober.model.status import Reason, Result
from prober.probes.dns import SEARCHED, DnsProbe
from tests.probes.drive import DEADLINE, END, SESSION, Event, Run, drive, judge

TARGET = Target("192.0.2.53", 53)
OUTSIDE = ReadContext("/", str, {})
ADDRESS = "www.example.com. 60 IN A 192.0.2.80"
MAIL = [f"www.example.com. 60 IN MX {10 * n} mail{n}.example.com." for n in (1, 2)]


def probe(**options: object) -> Probe:
    found: Probe = section(DnsProbe).read({"query_name": "www.example.com", **options}, OUTSIDE)
    return found


def query_of(asked: Probe) -> bytes:
    """Return the message that a probe sends."""
    begin = asked.bind(TARGET)
    assert callable(begin)
    step = next(begin())
    assert isinstance(step, Send)
    return step.content if asked.datagram else step.content[2:]


def reply(
    asked: Probe,
    *records: str,
    flags: int = 0,
    rcode: int = 0,
    number: int | None = None,
) -> bytes:
    """Return a reply to a probe."""
    message = dns.message.make_response(dns.message.from_wire(query_of(asked)))
    message.flags |= flags
    message.set_rcode(dns.rcode.Rcode(rcode))
    message.id = message.id if number is None else number
    for record in records:
        name, ttl, space, kind, data = record.split(" ", 4)
        message.answer.append(dns.rrset.from_text(name, int(ttl), space, kind, data))
    return message.to_wire()


def found(asked: Probe, *records: str, **more: Any) -> Run:
    return drive(asked.bind(TARGET), reply(asked, *records, **more), datagrams=True)


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2) + message


def test_a_reply_is_good_and_says_what_is_in_it() -> None:
    run = found(probe(), ADDRESS)
    assert run.verdict.reason is Reason.OK
    assert run.verdict.detail == "NOERROR, 1 answer"
    assert run.verdict.facts == {"dns_rcode": "NOERROR", "dns_answers": 1}


def test_the_question_is_what_the_options_say() -> None:
    asked = probe(query_type="TXT", query_class="CH", query_name="version.bind")
    assert dns.message.from_wire(query_of(asked)).question[0].to_text() == "version.bind. CH TXT"
    numbered = dns.message.from_wire(query_of(probe(query_type="TYPE65280")))
    assert numbered.question[0].to_text() == "www.example.com. IN TYPE65280"


@pytest.mark.parametrize(
    ("expected", "rcode", "reason"),
    [
        (["NOERROR"], 0, Reason.OK),
        (["NOERROR"], 3, Reason.UNEXPECTED_RCODE),
        (["NXDOMAIN"], 3, Reason.OK),
        (["NXDOMAIN", "REFUSED"], 5, Reason.OK),
        (["NXDOMAIN"], 0, Reason.UNEXPECTED_RCODE),
        (["NOERROR"], 11, Reason.UNEXPECTED_RCODE),
    ],
)
def test_the_response_code_decides(expected: list[str], rcode: int, reason: Reason) -> None:
    run = found(probe(expected_rcodes=expected), rcode=rcode)
    assert run.verdict.reason is reason
    assert Reason.UNEXPECTED_RCODE.result is Result.INVALID_STATUS_CODE


@pytest.mark.parametrize(
    ("patterns", "records", "flaw"),
    [
        ({"any": ["^192"]}, [ADDRESS], ""),
        ({"any": ["^10", "80$"]}, [ADDRESS], ""),
        ({"any": ["^10"]}, [ADDRESS], "no answer matches any of expect_answers.any"),
        ({"any": ["."]}, [], "no answer matches any of expect_answers.any"),
        ({"all": ["mail1", "mail2"]}, MAIL, ""),
        ({"all": ["mail1", "mail2"]}, MAIL[:1], "no answer matches 'mail2'"),
        ({"all": [r"^10 mail1\.example\.com\.$"]}, MAIL, ""),
        ({"none": ["^127"]}, [ADDRESS], ""),
        ({"none": ["^127"]}, [], ""),
        ({"none": ["^127", "80"]}, [ADDRESS], "an answer matches '80'"),
        ({"any": ["mail"], "none": ["mail2"]}, MAIL, "an answer matches 'mail2'"),
    ],
)
def test_the_answers_must_match(patterns: object, records: list[str], flaw: str) -> None:
    verdict = found(probe(expect_answers=patterns), *records).verdict
    assert verdict.reason is (Reason.PAYLOAD_MISMATCH if flaw else Reason.OK)
    assert verdict.detail.endswith(flaw)
    assert verdict.facts == {"dns_rcode": "NOERROR", "dns_answers": len(records)}


@pytest.mark.parametrize(
    ("options", "flags", "flaw"),
    [
        ({"min_answers": 1}, 0, ""),
        ({"min_answers": 2}, 0, "expected at least 2"),
        ({"authoritative": True}, dns.flags.AA, ""),
        ({"authoritative": True}, 0, "not authoritative"),
        ({"authenticated": True}, dns.flags.AD, ""),
        ({"authenticated": True}, 0, "not verified with DNSSEC"),
    ],
)
def test_what_else_can_be_asked_of_a_reply(
    options: dict[str, object], flags: int, flaw: str
) -> None:
    verdict = found(probe(**options), ADDRESS, flags=flags).verdict
    assert verdict.reason is (Reason.PAYLOAD_MISMATCH if flaw else Reason.OK)
    assert verdict.detail.endswith(flaw)


def test_the_serial_of_a_zone_is_a_fact() -> None:
    soa = "www.example.com. 60 IN SOA ns.example.com. root.example.com. 4294967295 1 2 3 4"
    facts = found(probe(query_type="SOA"), soa).verdict.facts
    assert facts == {"dns_rcode": "NOERROR", "dns_answers": 1, "dns_serial": 4294967295}


# Over UDP


def test_what_does_not_fit_the_query_is_passed_over() -> None:
    asked = probe()
    number = dns.message.from_wire(query_of(asked)).id
    other = probe(query_name="www.example.org")
    strays: list[Event] = [
        b"",
        b"nonsense that is long enough",
        reply(asked, ADDRESS, number=number ^ 1),
        reply(other, number=number),
        query_of(asked),
    ]
    run = drive(asked.bind(TARGET), *strays, reply(asked, ADDRESS), datagrams=True)
    assert (run.verdict.reason, run.left) == (Reason.OK, [])
    run = drive(asked.bind(TARGET), *strays, DEADLINE, datagrams=True)
    assert run.verdict.reason is Reason.TIMEOUT
    assert run.verdict.detail == "no reply to the query, only 5 other datagrams"


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (DEADLINE, Reason.TIMEOUT),
        (Trouble(Reason.REFUSED, "port unreachable"), Reason.REFUSED),
    ],
)
def test_silence_and_refusals_are_bad(event: Event, reason: Reason) -> None:
    assert drive(probe().bind(TARGET), event, datagrams=True).verdict.reason is reason


def test_a_truncated_reply_is_asked_for_again_over_tcp() -> None:
    asked = probe()
    cut, whole = reply(asked, flags=dns.flags.TC), reply(asked, ADDRESS)
    run = drive(asked.bind(TARGET), cut, framed(whole), datagrams=True)
    assert run.verdict.detail == "NOERROR, 1 answer"
    assert run.reconnects == [Reconnect()]
    assert run.sent == query_of(asked) + framed(query_of(asked))


def test_a_reply_that_fits_but_is_broken_violates_the_protocol() -> None:
    asked = probe()
    run = drive(asked.bind(TARGET), reply(asked, ADDRESS)[:-1], datagrams=True)
    assert run.verdict.reason is Reason.BAD_RESPONSE
    assert run.verdict.detail == "not a valid DNS reply: it is cut off"


def test_a_record_that_is_broken_violates_the_protocol() -> None:
    asked = probe(expect_answers={"any": ["x"]}, query_type="MX")
    content = reply(asked, "www.example.com. 60 IN MX 10 mail.example.com.")
    broken = content[:-1] + b"\xff"
    run = drive(asked.bind(TARGET), broken, datagrams=True)
    assert run.verdict.reason is Reason.BAD_RESPONSE
    assert "a record cannot be read" in run.verdict.detail


# Over TCP and TLS


def test_over_a_stream_the_packets_do_not_matter() -> None:
    asked = probe(transport="tcp")
    assert judge(asked.bind(TARGET), framed(reply(asked, ADDRESS))).reason is Reason.OK


def test_over_tls_it_is_the_same_after_the_handshake() -> None:
    whole = framed(reply(probe(transport="tcp"), ADDRESS))
    run = drive(probe(transport="tls").bind(TARGET), SESSION, whole)
    assert run.verdict.detail == "NOERROR, 1 answer"
    assert [each.alpn for each in run.handshakes] == [("dot",)]


@pytest.mark.parametrize(
    ("content", "reason", "detail"),
    [
        (b"", Reason.CLOSED, "closed without a reply"),
        (b"\0", Reason.CLOSED, "closed in the middle of the reply"),
        (b"\0\5abc", Reason.CLOSED, "closed in the middle of the reply"),
        (b"\0\5abcde", Reason.BAD_RESPONSE, "the reply does not fit the query"),
        (b"\0\0", Reason.BAD_RESPONSE, "the reply does not fit the query"),
    ],
)
def test_over_a_stream_anything_else_is_bad(content: bytes, reason: Reason, detail: str) -> None:
    events = [content, END] if content else [END]
    verdict = drive(probe(transport="tcp").bind(TARGET), *events).verdict
    assert (verdict.reason, verdict.detail) == (reason, detail)


# What searching costs


def test_many_answers_are_searched_in_a_thread_and_not_without_end() -> None:
    asked = probe(transport="tcp", expect_answers={"any": ["^last$"], "none": ["^0"]})
    records = [f"www.example.com. 60 IN TXT {n}" for n in range(SEARCHED + 1)]
    few, many = (
        drive(asked.bind(TARGET), framed(reply(asked, *records[:count])))
        for count in (5, SEARCHED + 1)
    )
    assert (few.in_threads, many.in_threads) == (0, 1)
    assert few.verdict.reason is many.verdict.reason is Reason.PAYLOAD_MISMATCH
    last = probe(transport="tcp", expect_answers={"any": [f"^.{SEARCHED}.$"]})
    run = drive(last.bind(TARGET), framed(reply(last, *records)))
    assert run.verdict.reason is Reason.PAYLOAD_MISMATCH


def test_broken_records_are_found_in_a_thread_as_well() -> None:
    asked = probe(transport="tcp", expect_answers={"any": ["^x$"]})
    records = [f"www.example.com. 60 IN MX 10 m{n}." for n in range(30)]
    content = reply(asked, *records)
    run = drive(asked.bind(TARGET), framed(content[:-1] + b"\xff"))
    assert (run.verdict.reason, run.in_threads) == (Reason.BAD_RESPONSE, 1)


def test_a_pattern_that_takes_too_long_is_stopped() -> None:
    asked = probe(transport="tcp", expect_answers={"any": ["(a|aa|b)+$"]})
    content = reply(asked, f'www.example.com. 60 IN TXT "{"a" * 200}c"')
    verdict = drive(asked.bind(TARGET), framed(content)).verdict
    assert verdict.reason is Reason.REGEX_TIMEOUT
    assert "expect_answers took more than" in verdict.detail


# The options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"query_name": "a..b"}, "not a domain name"),
        ({"query_name": "bücher.example"}, "expected a domain name in ASCII"),
        ({"query_name": 5}, "expected a domain name in ASCII"),
        ({"query_type": "AA"}, "did you mean"),
        ({"query_type": "TYPE70000"}, "expected one of"),
        ({"query_class": "XX"}, "expected one of IN, CH, HS"),
        ({"transport": "https"}, "expected one of udp, tcp, tls"),
        ({"expected_rcodes": []}, "expected at least 1"),
        ({"expected_rcodes": ["NXDOMIAN"]}, "did you mean 'NXDOMAIN'?"),
        ({"expect_answers": {}}, "expected at least one of any, all, none"),
        ({"expect_answers": {"any": ["("]}}, "not a regular expression"),
        ({"expect_answers": {"any": ["a"] * 101}}, "expected at most 100 patterns"),
        ({"tls": {}}, "has no effect without transport: tls"),
        ({"tls": {}, "transport": "tcp"}, "has no effect without transport: tls"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(Rejected, match=message.replace("?", r"\?")):
        probe(**options)


def test_what_carries_it_depends_on_the_transport() -> None:
    assert probe().datagram
    assert not probe(transport="tcp").datagram
    assert not probe(transport="tls", tls={"verify": True}).datagram
