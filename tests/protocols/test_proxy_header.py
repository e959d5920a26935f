"""The PROXY protocol: headers as its specification shows them."""

import pytest

from prober.protocols.proxy_header import write_header

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")


@pytest.mark.parametrize(
    ("source", "target", "header"),
    [
        (("192.0.2.1", 1), ("192.0.2.2", 65535), b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65535\r\n"),
        (("2001:db8::1", 9), ("::1", 80), b"PROXY TCP6 2001:db8::1 ::1 9 80\r\n"),
        (("fe80::1%eth0", 9), ("fe80::2%eth0", 80), b"PROXY TCP6 fe80::1 fe80::2 9 80\r\n"),
    ],
)
def test_version_1_is_a_line(
    source: tuple[str, int], target: tuple[str, int], header: bytes
) -> None:
    assert write_header("v1", source, target) == header


def test_version_2_has_addresses_in_binary() -> None:
    ipv4 = write_header("v2_proxy", ("192.0.2.1", 258), ("192.0.2.2", 443))
    ends = bytes.fromhex("c0000201 c0000202 0102 01bb")
    assert ipv4 == SIGNATURE + b"\x21\x11\x00\x0c" + ends
    ipv6 = write_header("v2_proxy", ("::1", 258), ("::2", 443))
    ends = bytes(15) + b"\x01" + bytes(15) + b"\x02\x01\x02\x01\xbb"
    assert ipv6 == SIGNATURE + b"\x21\x21\x00\x24" + ends


def test_a_local_header_has_none() -> None:
    header = write_header("v2", ("192.0.2.1", 1), ("192.0.2.2", 2))
    assert header == SIGNATURE + b"\x20\x00\x00\x00"
