"""Reading when a certificate expires, which Python's ssl tells only of verified ones.

Sources: RFC 5280, sections 4.1 and 4.1.2.5; X.690, section 8.1.
"""

from datetime import UTC, datetime

_INTEGER, _SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x02, 0x30, 0x17, 0x18, 0xA0


def not_after(certificate: bytes) -> float | None:
    """Return the end of a certificate's validity in unix seconds; None if it cannot be read."""
    try:
        return _not_after(memoryview(certificate))
    except (IndexError, ValueError):
        return None


def _not_after(der: memoryview) -> float:
    _, outer, _ = read_value(der)
    _, fields, _ = read_value(outer)
    tag, _, rest = read_value(fields)
    if tag == _VERSION:
        tag, _, rest = read_value(rest)
    if tag != _INTEGER:
        raise ValueError("no serial number")
    for _ in ("signature", "issuer"):
        _, _, rest = read_value(rest)
    tag, validity, _ = read_value(rest)
    _, _, rest = read_value(validity)
    form, end, _ = read_value(rest)
    if tag != _SEQUENCE or form not in (_UTC_TIME, _GENERALIZED_TIME):
        raise ValueError("no validity")
    text = bytes(end).decode("ascii")
    if form == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def read_value(der: memoryview) -> tuple[int, memoryview, memoryview]:
    """Return the tag and the content of the first value, and what follows it."""
    tag, length, start = der[0], der[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start])
    if start + length > len(der):
        raise ValueError("cut off")
    return tag, der[start : start + length], der[start + length :]
