"""The contents of a certificate, formatted as in Go's x509 package.

Sources: RFC 5280, sections 4.1 and 4.2.1.6; RFC 2253, section 2.
"""

import re
from hashlib import sha256
from typing import NamedTuple

from prober.protocols.der import STRINGS, not_after, read_value, read_values, write_object_id

_OBJECT_ID, _BOOLEAN, _OCTETS, _VERSION, _EXTENSIONS = 0x06, 0x01, 0x04, 0xA0, 0xA3
_SUBJECT_ALTERNATIVE_NAME = bytes.fromhex("551d11")
_DNS_NAME = 0x82
_NAMES_LIMIT = 2500  # alternative names of a certificate; authorities issue up to 2,000
_NAME_LIMIT = 4096  # bytes of a distinguished name
_PRINTABLE = re.compile(r"[A-Za-z0-9 '()+,./:=?-]*")  # X.680, section 41.4
_ATTRIBUTES = {  # in Go's order
    bytes.fromhex("550405"): "SERIALNUMBER",
    bytes.fromhex("550403"): "CN",
    bytes.fromhex("550411"): "POSTALCODE",
    bytes.fromhex("550409"): "STREET",
    bytes.fromhex("550408"): "ST",
    bytes.fromhex("550407"): "L",
    bytes.fromhex("55040b"): "OU",
    bytes.fromhex("55040a"): "O",
    bytes.fromhex("550406"): "C",
}


class Certificate(NamedTuple):
    """A certificate; `not_after` is in unix seconds, names are in Go's format."""

    fingerprint: str
    serial_number: str
    subject: str
    issuer: str
    dns_names: tuple[str, ...]
    not_after: float


def read_certificate(der: bytes) -> Certificate | None:
    """Read a certificate; return None if that is not possible."""
    try:
        return _read(der)
    except (IndexError, ValueError, UnicodeDecodeError):
        return None


def _read(der: bytes) -> Certificate:
    _, outer, _ = read_value(memoryview(der))
    _, content, _ = read_value(outer)
    fields = list(read_values(content))
    if fields[0][0] == _VERSION:
        del fields[0]
    (_, serial), _, (_, issuer), _, (_, subject) = fields[:5]
    names = _alternative_names(fields[6:])
    expiry = not_after(der)
    if expiry is None:
        raise ValueError("no validity")
    return Certificate(
        fingerprint=sha256(der).hexdigest(),
        serial_number=f"{int.from_bytes(serial, signed=True):x}",
        subject=_written(subject),
        issuer=_written(issuer),
        dns_names=tuple(bytes(name).decode("ascii") for tag, name in names if tag == _DNS_NAME),
        not_after=expiry,
    )


def _alternative_names(fields: list[tuple[int, memoryview]]) -> list[tuple[int, memoryview]]:
    for tag, wrapped in fields:
        if tag == _EXTENSIONS:
            _, extensions, _ = read_value(wrapped)
            for _, extension in read_values(extensions):
                parts = [part for part in read_values(extension) if part[0] != _BOOLEAN]
                if bytes(parts[0][1]) == _SUBJECT_ALTERNATIVE_NAME:
                    return list(read_values(read_value(parts[1][1])[1], _NAMES_LIMIT))
    return []


def _written(name: memoryview) -> str:
    """Return a distinguished name: known attributes in Go's order, then the others."""
    if len(name) > _NAME_LIMIT:
        raise ValueError("a name that is too long")
    known: dict[bytes, list[str]] = {}
    others: list[str] = []
    for _, parts in read_values(name):
        for _, attribute in read_values(parts):
            (_, kind), (tag, value) = read_values(attribute)
            word, text = (
                _ATTRIBUTES.get(bytes(kind)),
                bytes(value).decode(STRINGS.get(tag, "utf-8")),
            )
            if word is None:
                others.insert(0, f"{write_object_id(bytes(kind))}=#{_as_der(text).hex()}")
            else:
                known.setdefault(bytes(kind), []).append(f"{word}={_escaped(text)}")
    ordered = ["+".join(known[kind]) for kind in _ATTRIBUTES if kind in known]
    return ",".join(ordered + others)


def _as_der(text: str) -> bytes:
    """Return a text as Go encodes it: printable, or UTF-8; names are short."""
    content = text.encode()
    tag = 0x13 if _PRINTABLE.fullmatch(text) else 0x0C
    size = len(content)
    length = bytes([size]) if size < 0x80 else bytes([0x82, *size.to_bytes(2)])
    return bytes([tag]) + length + content


def _escaped(text: str) -> str:
    escaped = "".join(f"\\{char}" if char in ',+"\\<>;' else char for char in text)
    if escaped[:1] in ("#", " "):
        escaped = f"\\{escaped}"
    if len(escaped) > 1 and escaped[-1] == " ":
        escaped = f"{escaped[:-1]}\\ "
    return escaped
