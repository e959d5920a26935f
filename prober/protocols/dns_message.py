"""DNS messages: writes queries, reads replies, and writes records as text.

A reply is read by hand, because that takes a twentieth of the time that dnspython needs; dnspython
writes the records as text, which only few probes need.

Sources: RFC 1035, section 4; RFC 2181; RFC 6840, section 5.7; RFC 6891; RFC 9619.
"""

import struct
from collections.abc import Iterator
from ipaddress import IPv6Address
from typing import Final, NamedTuple

TYPES: Final = {
    "A": 1,
    "NS": 2,
    "CNAME": 5,
    "SOA": 6,
    "PTR": 12,
    "HINFO": 13,
    "MX": 15,
    "TXT": 16,
    "RP": 17,
    "AFSDB": 18,
    "AAAA": 28,
    "LOC": 29,
    "SRV": 33,
    "NAPTR": 35,
    "CERT": 37,
    "DNAME": 39,
    "DS": 43,
    "SSHFP": 44,
    "RRSIG": 46,
    "NSEC": 47,
    "DNSKEY": 48,
    "NSEC3": 50,
    "NSEC3PARAM": 51,
    "TLSA": 52,
    "SMIMEA": 53,
    "CDS": 59,
    "CDNSKEY": 60,
    "OPENPGPKEY": 61,
    "CSYNC": 62,
    "ZONEMD": 63,
    "SVCB": 64,
    "HTTPS": 65,
    "SPF": 99,
    "URI": 256,
    "CAA": 257,
    "ANY": 255,
}
"""Types of records that can be asked for, by name; others are written as `TYPE123`."""
CLASSES: Final = {"IN": 1, "CH": 3, "HS": 4}
"""Classes of records, by name."""
RCODES: Final = {
    "NOERROR": 0,
    "FORMERR": 1,
    "SERVFAIL": 2,
    "NXDOMAIN": 3,
    "NOTIMP": 4,
    "REFUSED": 5,
    "YXDOMAIN": 6,
    "YXRRSET": 7,
    "NXRRSET": 8,
    "NOTAUTH": 9,
    "NOTZONE": 10,
    "BADVERS": 16,
    "BADCOOKIE": 23,
}
"""Response codes, by name."""
RECORDS_LIMIT: Final = 1000
"""Records of a reply that are read."""

_NAMES: Final = {number: name for name, number in RCODES.items()}
_HEADER: Final = struct.Struct(">6H")
_FIXED: Final = struct.Struct(">HHIH")  # of a record, after its name: type, class, TTL, length
_A, _SOA, _AAAA, _OPT = 1, 6, 28, 41
_REPLY, _AUTHORITATIVE, _TRUNCATED, _RECURSION, _AUTHENTIC = 0x8000, 0x400, 0x200, 0x100, 0x20
_OPCODE: Final = 0x7800
_DNSSEC_OK: Final = 0x8000
_UDP_SIZE: Final = 1232  # bytes of a reply that no network fragments
_WITHOUT_QUESTION: Final = (1, 2, 4, 5)  # rcodes whose replies may leave the question out
_LONGEST_NAME, _LONGEST_LABEL = 255, 63


class DnsMessageError(ValueError):
    """A message that violates the protocol."""


class Record(NamedTuple):
    """One record of a reply; its rdata are `length` bytes of the message from `start`."""

    kind: int
    space: int
    ttl: int
    start: int
    length: int


class DnsReply(NamedTuple):
    """A reply. `answers`, `authority` and `additional` are its sections, without the OPT record."""

    message: bytes
    rcode: int
    is_truncated: bool
    is_authoritative: bool
    is_authentic: bool
    answers: list[Record]
    authority: list[Record]
    additional: list[Record]


def rcode_name(rcode: int) -> str:
    """Return the name of a response code, or `RCODE11`."""
    return _NAMES.get(rcode) or f"RCODE{rcode}"


def write_question(name: str, kind: int, space: int) -> bytes:
    """Return a question. Raise ValueError if the name, which counts as absolute, is not valid."""
    labels = [] if name == "." else name.removesuffix(".").split(".")
    if any(not 1 <= len(label) <= _LONGEST_LABEL for label in labels):
        raise ValueError("a label has 1 to 63 characters")
    written = b"".join(bytes((len(label),)) + label.encode("ascii") for label in labels) + b"\0"
    if len(written) > _LONGEST_NAME:
        raise ValueError("a name has at most 253 characters")
    return written + struct.pack(">HH", kind, space)


def write_query(
    number: int,
    question: bytes,
    *,
    recursion_desired: bool = True,
    authentic: bool = False,
    dnssec_ok: bool = False,
) -> bytes:
    """Return a query; `number` is its id, `authentic` asks for the AD flag."""
    flags = recursion_desired * _RECURSION | authentic * _AUTHENTIC
    head = _HEADER.pack(number, flags, 1, 0, 0, int(dnssec_ok))
    if not dnssec_ok:
        return head + question
    return head + question + b"\0" + _FIXED.pack(_OPT, _UDP_SIZE, _DNSSEC_OK, 0)


def fits(message: bytes, number: int, question: bytes) -> bool:
    """Return whether a message is a reply to a query: its id and its question are the same."""
    if len(message) < _HEADER.size:
        return False
    given, flags, questions, *_ = _HEADER.unpack_from(message)
    if given != number or flags & (_REPLY | _OPCODE) != _REPLY:
        return False
    if not questions:
        return flags & 0xF in _WITHOUT_QUESTION
    asked = message[_HEADER.size : _HEADER.size + len(question)]
    if questions != 1:
        return False
    return asked == question or (
        asked[:-4].lower() == question[:-4].lower() and asked[-4:] == question[-4:]
    )


def read_reply(message: bytes) -> DnsReply:
    """Read a reply that fits its query. Raise `DnsMessageError`."""
    _, flags, questions, answers, authority, additional = _HEADER.unpack_from(message)
    if answers + authority + additional > RECORDS_LIMIT:
        raise DnsMessageError(f"more than {RECORDS_LIMIT} records")
    try:
        at = _after_name(message, _HEADER.size) + 4 if questions else _HEADER.size
        found, at = _records(message, at, answers)
        more, at = _records(message, at, authority)
        rest, _ = _records(message, at, additional)
    except (IndexError, struct.error):
        if not flags & _TRUNCATED:
            raise DnsMessageError("it is cut off") from None
        found, more, rest = [], [], []
    rcode = flags & 0xF
    for record in rest:
        if record.kind == _OPT:
            rcode |= record.ttl >> 24 << 4
            rest.remove(record)
            break
    return DnsReply(
        message,
        rcode,
        bool(flags & _TRUNCATED),
        bool(flags & _AUTHORITATIVE),
        bool(flags & _AUTHENTIC),
        found,
        more,
        rest,
    )


def _records(message: bytes, at: int, count: int) -> tuple[list[Record], int]:
    """Return this many records from a place on, and the place after them."""
    found: list[Record] = []
    for _ in range(count):
        at = _after_name(message, at)
        kind, space, ttl, length = _FIXED.unpack_from(message, at)
        at += _FIXED.size
        found.append(Record(kind, space, ttl, at, length))
        at += length
    if at > len(message):
        raise IndexError
    return found, at


def _after_name(message: bytes, at: int) -> int:
    """Return the place after a name; what it points to is not looked at."""
    while length := message[at]:
        if length >= 0xC0:
            return at + 2
        if length > _LONGEST_LABEL:
            raise DnsMessageError("a label of an unknown type")
        at += length + 1
    return at + 1


def serial_of(reply: DnsReply) -> int | None:
    """Return the serial number of the first SOA record of the answer, if there is one."""
    for record in reply.answers:
        if record.kind == _SOA:
            try:
                at = _after_name(reply.message, _after_name(reply.message, record.start))
                serial: int = struct.unpack_from(">I", reply.message, at)[0]
            except (IndexError, struct.error):
                raise DnsMessageError("an SOA record is cut off") from None
            return serial
    return None


def texts_of(message: bytes, records: list[Record]) -> Iterator[str]:
    """Yield the rdata of records in presentation form (RFC 1035, section 5.1).

    Raise `DnsMessageError` for what its type does not allow.
    """
    for kind, space, _, start, length in records:
        rdata = message[start : start + length]
        if kind == _A and length == 4:
            yield ".".join(map(str, rdata))
        elif kind == _AAAA and length == 16:
            yield str(IPv6Address(rdata))
        else:
            yield _presentation(message, kind, space, start, length)


def _presentation(message: bytes, kind: int, space: int, start: int, length: int) -> str:
    # Only a configuration that looks at such records pays for it.
    from dns.exception import DNSException  # noqa: PLC0415
    from dns.rdata import from_wire  # noqa: PLC0415
    from dns.rdataclass import RdataClass  # noqa: PLC0415
    from dns.rdatatype import RdataType  # noqa: PLC0415

    try:
        return from_wire(RdataClass(space), RdataType(kind), message, start, length).to_text()
    except (DNSException, ValueError, IndexError, struct.error) as error:
        raise DnsMessageError(f"a record cannot be read: {error}") from None
