"""Certificates of 100 kB, which is what OpenSSL takes: none costs more steps than an honest one."""

import pytest

from prober.blackbox.chain import read_certificate
from prober.protocols.der import not_after, read_values, write_object_id
from tests.protocols.work import steps

SIZE = 98_000
STEPS = 25_000
"""Calls that reading a certificate may cost: some 5 ms."""


def value(tag: int, content: bytes = b"") -> bytes:
    size = len(content)
    return bytes([tag]) + (bytes([size]) if size < 128 else b"\x83" + size.to_bytes(3)) + content


def relative_name(object_id: bytes, text: bytes = b"a") -> bytes:
    return value(0x31, value(0x30, value(0x06, object_id) + value(0x0C, text)))


def certificate(subject: bytes = b"", extensions: bytes = b"") -> bytes:
    algorithm = value(0x30, value(0x06, b"\x2a\x03"))
    times = value(0x17, b"200101000000Z") + value(0x17, b"300101000000Z")
    content = value(0xA0, value(0x02, b"\2")) + value(0x02, b"\1") + algorithm + value(0x30)
    content += value(0x30, times) + value(0x30, subject) + value(0x30, algorithm + value(3, b"\0"))
    content += value(0xA3, value(0x30, extensions)) if extensions else b""
    return value(0x30, value(0x30, content) + algorithm + value(3, b"\0"))


def alternative_names(names: bytes) -> bytes:
    return value(0x30, value(0x06, b"\x55\x1d\x11") + value(0x04, value(0x30, names)))


COMMON = b"\x55\x04\x03"
HOSTILE = {
    "a number of 98 kB": certificate(relative_name(b"\x2a" + b"\xff" * SIZE + b"\1")),
    "98,000 numbers": certificate(relative_name(b"\x2a" + b"\1" * SIZE)),
    "7,000 names": certificate(relative_name(COMMON) * 7000),
    "7,000 strange names": certificate(relative_name(b"\x2a\x03") * 7000),
    "empty names": certificate(value(0x31) * (SIZE // 2)),
    "a long name to escape": certificate(relative_name(COMMON, b"," * SIZE)),
    "alternative names": certificate(extensions=alternative_names(value(0x82) * (SIZE // 2))),
    "extensions": certificate(
        extensions=value(0x30, value(0x06, b"\x2a\x03") + value(0x04)) * 9000
    ),
}


@pytest.mark.parametrize("der", HOSTILE.values(), ids=HOSTILE)
def test_no_certificate_costs_more_than_its_limits_allow(der: bytes) -> None:
    assert steps(lambda: read_certificate(der)) < STEPS
    assert steps(lambda: not_after(der)) < 100
    assert not_after(der) == 1893456000.0


def test_an_honest_certificate_with_many_names_is_read() -> None:
    names = b"".join(value(0x82, b"n%d.example" % number) for number in range(2000))
    found = read_certificate(certificate(relative_name(COMMON, b"x"), alternative_names(names)))
    assert found is not None
    assert len(found.dns_names) == 2000


def test_an_object_id_is_limited() -> None:
    assert write_object_id(b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b") == "1.2.840.113549.1.1.11"
    for content in (b"\x2a" + b"\x01" * 64, b"\x2a\x88\x80\x80\x80\x00"):
        with pytest.raises(ValueError, match="an object identifier"):
            write_object_id(content)


def test_a_row_of_values_is_limited() -> None:
    row = memoryview(value(0x05) * 256)
    assert len(list(read_values(row))) == 256
    with pytest.raises(ValueError, match="more than 255 values"):
        list(read_values(row, 255))
