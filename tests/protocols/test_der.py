"""The end of a certificate's validity, read without trusting the certificate."""

from datetime import UTC, datetime

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from prober.protocols.der import issuer_of, not_after, public_key_of

AUTHORITY = trustme.CA()
END = datetime(2040, 5, 6, 7, 8, 9, tzinfo=UTC)
WRITTEN = b"400506070809Z"


def der(leaf: trustme.LeafCert) -> bytes:
    certificate = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())
    return certificate.public_bytes(Encoding.DER)


@pytest.fixture(scope="module")
def certificate() -> bytes:
    return der(AUTHORITY.issue_cert("localhost", not_after=END))


@pytest.mark.parametrize(
    "end",
    [
        datetime(2000, 2, 29, 23, 59, 59, tzinfo=UTC),
        datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC),  # the last in two digits: RFC 5280, 4.1.2.5
        datetime(2050, 1, 1, tzinfo=UTC),
        datetime(2055, 6, 7, 8, 9, 10, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),  # "no well-defined expiration date"
    ],
)
def test_it_is_what_another_reader_finds(end: datetime) -> None:
    start = datetime(1999, 1, 1, tzinfo=UTC)
    content = der(AUTHORITY.issue_cert("localhost", not_before=start, not_after=end))
    assert x509.load_der_x509_certificate(content).not_valid_after_utc == end
    assert not_after(content) == end.timestamp()


def test_years_from_50_in_two_digits_are_of_the_last_century(certificate: bytes) -> None:
    assert certificate.count(WRITTEN) == 1
    old = not_after(certificate.replace(WRITTEN, b"500101000000Z"))
    assert old == datetime(1950, 1, 1, tzinfo=UTC).timestamp()
    new = not_after(certificate.replace(WRITTEN, b"491231235959Z"))
    assert new == datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "wrong", [b"499931235959Z", b"4912312359590", b"49123123595\xff0", b" " * 13]
)
def test_a_time_that_is_none_is_not_read(certificate: bytes, wrong: bytes) -> None:
    assert not_after(certificate.replace(WRITTEN, wrong)) is None


def test_a_certificate_that_is_cut_off_is_not_read(certificate: bytes) -> None:
    assert not_after(certificate) is not None
    assert {not_after(certificate[:length]) for length in range(len(certificate))} == {None}


@pytest.mark.parametrize("content", [b"", b"0", b"\x30\x80", b"\x30\xff", b"not a certificate"])
def test_what_is_no_certificate_is_not_read(content: bytes) -> None:
    assert not_after(content) is None


@given(st.binary(max_size=200))
def test_nothing_makes_it_raise(content: bytes) -> None:
    not_after(content)


@given(st.data())
def test_no_change_of_a_certificate_makes_it_raise(certificate: bytes, data: st.DataObject) -> None:
    content = bytearray(certificate)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    end = not_after(bytes(content))
    assert end is None or isinstance(end, float)


# Who issued it


def issued_by(*parts: tuple[x509.ObjectIdentifier, str]) -> bytes:
    """Return a certificate whose issuer has these attributes."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(oid, text) for oid, text in parts])
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(5)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(END)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


COUNTRY = NameOID.COUNTRY_NAME, "US"
ORGANIZATION, COMMON_NAME = NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME


@pytest.mark.parametrize(
    ("parts", "issuer"),
    [
        ([COUNTRY, (ORGANIZATION, "Let's Encrypt"), (COMMON_NAME, "R11")], "Let's Encrypt, R11"),
        ([(COMMON_NAME, "R11"), (ORGANIZATION, "Let's Encrypt")], "Let's Encrypt, R11"),
        ([(COMMON_NAME, "Example Root"), (ORGANIZATION, "Example")], "Example Root"),
        ([(COMMON_NAME, "shop.example")], "shop.example"),
        ([COUNTRY, (ORGANIZATION, "Staat der Nederlanden")], "Staat der Nederlanden"),
        ([(COMMON_NAME, "Prüfstelle")], "Prüfstelle"),
        ([COUNTRY], None),
        ([], None),
    ],
)
def test_the_issuer_is_organization_and_common_name(
    parts: list[tuple[x509.ObjectIdentifier, str]], issuer: str | None
) -> None:
    assert issuer_of(issued_by(*parts)) == issuer


def test_an_issuer_with_a_name_that_is_too_long_is_not_read() -> None:
    many = [(ORGANIZATION, "x" * 60)] * 30
    assert issuer_of(issued_by(*many)) is None


def test_the_issuer_of_a_certificate_that_is_cut_off_is_not_read(certificate: bytes) -> None:
    assert issuer_of(certificate)
    assert {issuer_of(certificate[:length]) for length in range(len(certificate))} == {None}


@given(st.binary(max_size=300))
def test_an_issuer_is_read_or_not_whatever_it_is(noise: bytes) -> None:
    content = issued_by((COMMON_NAME, "marker"))
    found = issuer_of(content.replace(b"marker", noise[:6].ljust(6)) + noise)
    assert found is None or found.encode()


def test_the_public_key_of_a_certificate_is_read() -> None:
    leaf = AUTHORITY.issue_cert("a.example")
    certificate = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    whole = der(leaf)
    assert public_key_of(whole) == key
    assert not any(public_key_of(whole[:length]) for length in range(len(whole)))
