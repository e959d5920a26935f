"""What a server chooses in TLS: key exchanges over finite fields, or hidden ones, take long."""

import ssl
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.engine.tls_contexts import make_context
from prober.model.tls_settings import TlsSettings
from prober.protocols.tls_hello import takes_long
from tests.protocols.test_der import AUTHORITY


def hello(version: ssl.TLSVersion, curve: str = "") -> bytes:
    """Return what a real server sends first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("localhost").configure_cert(context)
    context.maximum_version = version
    if curve:
        context.set_ecdh_curve(curve)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(incoming, outgoing, server_side=True)
    sent, ignored = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = make_context(TlsSettings()).wrap_bio(ignored, sent, server_hostname="localhost")
    for end in (client, server):
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()
        incoming.write(sent.read())
    return outgoing.read()


@pytest.mark.parametrize(
    ("content", "long"),
    [
        (hello(ssl.TLSVersion.TLSv1_2), False),
        (hello(ssl.TLSVersion.TLSv1_3), False),
        (hello(ssl.TLSVersion.TLSv1_3, "secp521r1"), True),  # a HelloRetryRequest
        (b"\x15\x03\x03\x00\x02\x01\x00" + hello(ssl.TLSVersion.TLSv1_3), True),  # after an alert
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", True),
    ],
)
def test_a_real_server(content: bytes, long: bool) -> None:
    found = [takes_long(content[:size]) for size in range(len(content) + 1)]
    assert found[-1] is long
    told = [each for each in found if each is not None]
    assert found[: len(found) - len(told)] == [None] * (len(found) - len(told))
    assert set(told) == {long}


@pytest.mark.parametrize("suite", [0x0033, 0x0039, 0x0067, 0x006B, 0x009E, 0x009F, 0xCCAA, 0x0016])
def test_a_suite_with_a_finite_field_takes_long(suite: int) -> None:
    content = hello(ssl.TLSVersion.TLSv1_2)
    at = 44 + content[43]
    assert takes_long(content[:at] + suite.to_bytes(2) + content[at + 2 :])


@pytest.mark.parametrize("suite", [0x002F, 0x0035, 0x003C, 0x009C, 0xC013, 0xC02F, 0xCCA8, 0x1301])
def test_other_suites_do_not(suite: int) -> None:
    content = hello(ssl.TLSVersion.TLSv1_2)
    at = 44 + content[43]
    assert takes_long(content[:at] + suite.to_bytes(2) + content[at + 2 :]) is False


def test_a_hello_that_is_spread_over_records_takes_long() -> None:
    content = hello(ssl.TLSVersion.TLSv1_2)
    assert takes_long(b"\x16\x03\x03\x00\x05" + content[5:10] + b"\x16\x03\x03\x00\x05")


@given(st.binary(max_size=200))
def test_nothing_makes_it_raise(content: bytes) -> None:
    assert takes_long(content) in (True, False, None)
    assert takes_long(b"\x16\x03\x03" + content) in (True, False, None)
