"""DNS messages: queries as dnspython reads them, replies as dnspython writes them."""

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from prober.protocols.dns_message import (
    RCODES,
    RECORDS_LIMIT,
    TYPES,
    DnsMessageError,
    fits,
    rcode_name,
    read_reply,
    serial_of,
    texts_of,
    write_query,
    write_question,
)
from tests.protocols.work import steps

QUESTION = write_question("www.example.com", TYPES["A"], 1)


def reply(*records: str, question: bytes = QUESTION, flags: int = 0, rcode: int = 0) -> bytes:
    """Return a reply to a query with the id 7; a record is `name TTL class type data`."""
    message = dns.message.make_response(dns.message.from_wire(write_query(7, question)))
    message.flags |= flags
    message.set_rcode(dns.rcode.Rcode(rcode))
    for record in records:
        name, ttl, space, kind, data = record.split(" ", 4)
        message.answer.append(dns.rrset.from_text(name, int(ttl), space, kind, data))
    return message.to_wire()


def texts(content: bytes) -> list[str]:
    return list(texts_of(content, read_reply(content).answers))


@pytest.mark.parametrize("recursion_desired", [True, False])
@pytest.mark.parametrize("authentic", [True, False])
@pytest.mark.parametrize("dnssec_ok", [True, False])
def test_a_query_is_what_another_library_reads(
    recursion_desired: bool, authentic: bool, dnssec_ok: bool
) -> None:
    written = write_query(
        1234,
        write_question("_sip.Example.com.", TYPES["SRV"], 1),
        recursion_desired=recursion_desired,
        authentic=authentic,
        dnssec_ok=dnssec_ok,
    )
    found = dns.message.from_wire(written)
    assert found.id == 1234
    assert [each.to_text() for each in found.question] == ["_sip.Example.com. IN SRV"]
    assert bool(found.flags & dns.flags.RD) == recursion_desired
    assert bool(found.flags & dns.flags.AD) == authentic
    assert bool(found.ednsflags & dns.flags.DO) == dnssec_ok


def test_the_root_can_be_asked_for() -> None:
    found = dns.message.from_wire(write_query(1, write_question(".", TYPES["NS"], 1)))
    assert found.question[0].to_text() == ". IN NS"


@pytest.mark.parametrize("name", ["", "a..b", ".a", "a" * 64, ".".join(["a" * 60] * 5)])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"label|name"):
        write_question(name, 1, 1)


@pytest.mark.parametrize(
    ("content", "fitting"),
    [
        (reply(), True),
        (reply(question=write_question("WWW.example.COM", 1, 1)), True),
        (reply(question=write_question("www.example.org", 1, 1)), False),
        (reply(question=write_question("www.example.com", 28, 1)), False),
        (reply(question=write_question("www.example.com", 1, 3)), False),
        (b"\0\x08" + reply()[2:], False),
        (write_query(7, QUESTION), False),  # a query is no reply
        (b"", False),
        (reply()[:11], False),
        (b"\0\x07\x81\x85\0\0\0\0\0\0\0\0", True),  # refused, without the question
        (b"\0\x07\x81\x80\0\0\0\0\0\0\0\0", False),
        (b"\0\x07\xa9\x80" + reply()[4:], False),  # a notification
    ],
    ids=range(12),
)
def test_a_reply_fits_its_query_by_id_and_question(content: bytes, fitting: bool) -> None:
    assert fits(content, 7, QUESTION) is fitting


def test_what_a_reply_says_of_itself_is_read() -> None:
    found = read_reply(reply("www.example.com. 60 IN A 192.0.2.1", flags=dns.flags.AA, rcode=3))
    assert (found.rcode, found.is_authoritative, found.is_authentic) == (3, True, False)
    assert read_reply(reply(flags=dns.flags.AD)).is_authentic
    assert read_reply(reply(flags=dns.flags.TC)).is_truncated


def test_an_extended_response_code_is_read() -> None:
    query = dns.message.from_wire(write_query(7, QUESTION, dnssec_ok=True))
    message = dns.message.make_response(query)
    message.set_rcode(dns.rcode.BADVERS)
    found = read_reply(message.to_wire())
    assert rcode_name(found.rcode) == "BADVERS"
    assert found.additional == []


def test_every_code_has_the_name_that_others_give_it() -> None:
    assert {name: dns.rcode.from_text(name) for name in RCODES} == RCODES
    assert rcode_name(11) == "RCODE11"


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ("A 192.0.2.1", "192.0.2.1"),
        ("AAAA 2001:db8::1", "2001:db8::1"),
        ("CNAME www.example.com.", "www.example.com."),
        ("MX 10 mail.example.com.", "10 mail.example.com."),
        ('TXT "v=spf1 -all" "more"', '"v=spf1 -all" "more"'),
        ("SRV 0 5 5060 sip.example.com.", "0 5 5060 sip.example.com."),
        ('CAA 0 issue "ca.example"', '0 issue "ca.example"'),
        ("TYPE65280 \\# 3 616263", "\\# 3 616263"),
    ],
)
def test_data_are_written_as_zone_files_have_them(record: str, text: str) -> None:
    assert texts(reply(f"www.example.com. 60 IN {record}")) == [text]


def test_the_serial_of_a_zone_is_read_from_its_first_record() -> None:
    soa = "example.com. 60 IN SOA ns.example.com. root.example.com. 2026120101 1 2 3 4"
    assert serial_of(read_reply(reply(soa))) == 2026120101
    assert serial_of(read_reply(reply("www.example.com. 60 IN A 192.0.2.1"))) is None


def test_a_reply_that_is_cut_off_violates_the_protocol_unless_it_says_so() -> None:
    records = [f"www.example.com. 60 IN A 192.0.2.{number}" for number in range(5)]
    whole, cut = reply(*records), reply(*records, flags=dns.flags.TC)
    for length in range(len(QUESTION) + 12, len(whole)):
        with pytest.raises(DnsMessageError, match="cut off"):
            read_reply(whole[:length])
        assert read_reply(cut[:length]).is_truncated


@pytest.mark.parametrize(
    ("kind", "rdata"),
    [(6, b"\0"), (6, b"\0\0\0\0"), (15, b"\0"), (5, b"\xc0"), (16, b"\x09a"), (5, b"\xc0\xff")],
)
def test_data_that_their_type_does_not_allow_violate_the_protocol(kind: int, rdata: bytes) -> None:
    head = reply()[:6] + b"\0\1\0\0\0\0" + QUESTION
    record = b"\xc0\x0c" + kind.to_bytes(2) + b"\0\1\0\0\0\0" + len(rdata).to_bytes(2) + rdata
    content = head + record

    def read() -> None:
        serial_of(read_reply(content))
        texts(content)

    with pytest.raises(DnsMessageError):
        read()


def test_a_label_of_an_unknown_type_violates_the_protocol() -> None:
    content = reply()[:6] + b"\0\1\0\0\0\0" + QUESTION + b"\x80" + bytes(20)
    with pytest.raises(DnsMessageError, match="unknown type"):
        read_reply(content)


def test_the_work_of_a_hostile_reply_is_limited() -> None:
    many = reply()[:6] + b"\xff\xff\0\0\0\0" + QUESTION + bytes(65000)
    with pytest.raises(DnsMessageError, match=f"more than {RECORDS_LIMIT} records"):
        read_reply(many)
    labels = reply()[:6] + b"\0\1\0\0\0\0" + QUESTION + b"\1a" * 32000 + bytes(11)
    most = reply()[:6] + RECORDS_LIMIT.to_bytes(2) + bytes(4) + QUESTION + bytes(11 * RECORDS_LIMIT)
    assert steps(lambda: read_reply(labels)) < 100
    assert steps(lambda: read_reply(most)) < 6 * RECORDS_LIMIT
