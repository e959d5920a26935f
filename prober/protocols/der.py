"""DER: the values in certificates, when a certificate expires, and who issued it.

Python's ssl returns these only for verified certificates.

Sources: X.690, sections 8.1 and 8.19; RFC 5280, sections 4.1, 4.1.2.4 and 4.1.2.5.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

VALUES_LIMIT: Final = 256
"""Values in a row that are read, unless more are allowed."""
OBJECT_ID_LIMIT: Final = 64
"""Bytes of an object identifier; those in use have fewer than 20."""

STRINGS: Final = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1E: "utf-16-be"}
"""The encodings of the types of text, by their tags."""
_NAME_LIMIT: Final = 1024  # bytes of an issuer that are read
_WORD_LIMIT: Final = 64  # characters of an attribute of a name (RFC 5280, appendix A.1)
_ORGANIZATION, _COMMON_NAME = bytes.fromhex("55040a"), bytes.fromhex("550403")
_LARGEST_ARC: Final = (
    2**31 - 1
)  # as Go's x509 has it: longer numbers take time with the square of it
_INTEGER, _SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x02, 0x30, 0x17, 0x18, 0xA0


def not_after(certificate: bytes) -> float | None:
    """Return the end of a certificate's validity in unix seconds, or None if it is unreadable."""
    try:
        return _not_after(memoryview(certificate))
    except (IndexError, ValueError):
        return None


def issuer_of(certificate: bytes) -> str | None:
    """Return the issuer of a certificate as `organization, common name`, None if unreadable.

    A name that repeats the other is left out; what is too long for a name is cut off.
    """
    try:
        _, issuer, _ = read_value(_from_issuer(memoryview(certificate)))
        return _short_name(issuer)
    except (IndexError, ValueError):
        return None


def _short_name(name: memoryview) -> str | None:
    if len(name) > _NAME_LIMIT:
        raise ValueError("a name that is too long")
    found: dict[bytes, str] = {}
    for _, parts in read_values(name):
        for _, attribute in read_values(parts):
            kind, rest = read_value(attribute)[1:]
            tag, value, _ = read_value(rest)
            if bytes(kind) in (_ORGANIZATION, _COMMON_NAME):
                text = bytes(value).decode(STRINGS.get(tag, "utf-8"), errors="replace")
                found.setdefault(bytes(kind), text.strip()[:_WORD_LIMIT])
    organization, common = found.get(_ORGANIZATION, ""), found.get(_COMMON_NAME, "")
    if organization in common:
        return common or None
    return f"{organization}, {common}" if common else organization


def _from_issuer(der: memoryview) -> memoryview:
    """Return the fields of a certificate from its issuer on."""
    _, outer, _ = read_value(der)
    _, fields, _ = read_value(outer)
    tag, _, rest = read_value(fields)
    if tag == _VERSION:
        tag, _, rest = read_value(rest)
    if tag != _INTEGER:
        raise ValueError("no serial number")
    _, _, rest = read_value(rest)  # the signature
    return rest


def _not_after(der: memoryview) -> float:
    _, _, rest = read_value(_from_issuer(der))
    tag, validity, _ = read_value(rest)
    _, _, rest = read_value(validity)
    form, end, _ = read_value(rest)
    if tag != _SEQUENCE or form not in (_UTC_TIME, _GENERALIZED_TIME):
        raise ValueError("no validity")
    text = bytes(end).decode("ascii")
    if form == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def public_key_of(certificate: bytes) -> bytes | None:
    """Return the SubjectPublicKeyInfo of a certificate in DER, or None if it is unreadable."""
    try:
        _, outer, _ = read_value(memoryview(certificate))
        _, fields, _ = read_value(outer)
        tag, _, rest = read_value(fields)
        if tag == _VERSION:
            tag, _, rest = read_value(rest)
        for _ in ("signature", "issuer", "validity", "subject"):
            _, _, rest = read_value(rest)
        kind, _, after = read_value(rest)
        if tag != _INTEGER or kind != _SEQUENCE:
            return None
        return bytes(rest[: len(rest) - len(after)])
    except (IndexError, ValueError):
        return None


def key_bits_of(key: bytes) -> bytes:
    """Return the bits of a SubjectPublicKeyInfo; raise as `read_value` does."""
    _, content, _ = read_value(memoryview(key))
    _, _, rest = read_value(content)  # the algorithm
    _, bits, _ = read_value(rest)
    return bytes(bits[1:])  # the first byte counts those that are not used: none


def issuer_field_of(certificate: bytes) -> bytes:
    """Return the issuer's name in a certificate in DER; raise as `read_value` does."""
    fields = _from_issuer(memoryview(certificate))
    _, _, after = read_value(fields)
    return bytes(fields[: len(fields) - len(after)])


def read_value(der: memoryview) -> tuple[int, memoryview, memoryview]:
    """Return the tag and the content of the first value, and the rest.

    Raises:
        IndexError: There is no value.
        ValueError: It is truncated.
    """
    tag, length, start = der[0], der[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start])
    if start + length > len(der):
        raise ValueError("cut off")
    return tag, der[start : start + length], der[start + length :]


def read_values(content: memoryview, limit: int = VALUES_LIMIT) -> Iterator[tuple[int, memoryview]]:
    """Yield the tag and the content of consecutive values; raise as `read_value` does.

    More than `limit` of them are a ValueError.
    """
    for _ in range(limit):
        if not len(content):
            return
        tag, value, content = read_value(content)
        yield tag, value
    if len(content):
        raise ValueError(f"more than {limit} values in a row")


def write_object_id(content: bytes) -> str:
    """Return an object identifier as numbers: `2.5.4.3`. Raise ValueError if it is too long."""
    if len(content) > OBJECT_ID_LIMIT:
        raise ValueError("an object identifier of more than 64 bytes")
    first, *rest = content
    numbers, number = [*divmod(first, 40)], 0
    for byte in rest:
        number = number << 7 | byte & 0x7F
        if number > _LARGEST_ARC:
            raise ValueError("an object identifier with a number beyond 31 bits")
        if byte < 0x80:
            numbers.append(number)
            number = 0
    return ".".join(map(str, numbers))
