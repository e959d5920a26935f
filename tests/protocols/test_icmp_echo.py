"""ICMP echo: messages as RFC 792 and RFC 4443 lay them out."""

import pytest

from prober.protocols.icmp_echo import (
    checksum,
    error_words,
    read_reply,
    read_request,
    without_ip_header,
    write_request,
)

ECHO = (0x1234, 7, b"abc")
REQUEST_4 = bytes.fromhex("0800 2162 1234 0007 616263")
REQUEST_6 = bytes.fromhex("8000 0000 1234 0007 616263")
REPLY_4 = bytes.fromhex("0000 2962 1234 0007 616263")
REPLY_6 = bytes.fromhex("8100 0000 1234 0007 616263")


def test_the_checksum_is_that_of_the_rfc() -> None:
    """RFC 1071, section 3: the sum of these bytes is ddf2."""
    assert checksum(bytes.fromhex("0001 f203 f4f5 f6f7")) == 0xFFFF ^ 0xDDF2
    assert checksum(b"") == 0xFFFF
    assert checksum(b"\x01") == checksum(b"\x01\x00")


@pytest.mark.parametrize(("version", "message"), [(4, REQUEST_4), (6, REQUEST_6)])
def test_a_request_is_written_with_the_checksum_of_ipv4(version: int, message: bytes) -> None:
    assert write_request(ECHO, version) == message
    assert read_request(message, version) == ECHO
    assert read_reply(message, version) is None


def test_the_checksum_of_a_whole_request_is_zero() -> None:
    assert checksum(write_request(ECHO, 4)) == 0


@pytest.mark.parametrize(("version", "message"), [(4, REPLY_4), (6, REPLY_6)])
def test_a_reply_says_what_it_answers(version: int, message: bytes) -> None:
    assert read_reply(message, version) == ECHO
    assert read_reply(message, 10 - version) is None
    assert read_request(message, version) is None


@pytest.mark.parametrize("message", [b"", REPLY_4[:7], b"\x03" + REPLY_4[1:], b"\0\1" + REPLY_4])
def test_what_is_no_reply_is_none(message: bytes) -> None:
    assert read_reply(message, 4) is None


def test_the_header_of_ipv4_is_left_out_with_its_options() -> None:
    assert without_ip_header(b"\x45" + bytes(19) + REPLY_4) == REPLY_4
    assert without_ip_header(b"\x46" + bytes(23) + REPLY_4) == REPLY_4


@pytest.mark.parametrize("packet", [b"", b"\x45", b"\x44" + bytes(40), b"\x60" + bytes(40)])
def test_what_is_no_packet_of_ipv4_has_no_message(packet: bytes) -> None:
    assert without_ip_header(packet) == b""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ((4, 3, 1, 0), "host unreachable"),
        ((4, 3, 4, 1400), "packet too big, the next link takes 1400 bytes"),
        ((4, 3, 4, 0), "packet too big"),
        ((4, 3, 13, 0), "administratively prohibited"),
        ((4, 3, 99, 0), "destination unreachable, code 99"),
        ((4, 11, 0, 0), "time to live exceeded on the way"),
        ((4, 11, 1, 0), "reassembly took too long"),
        ((4, 12, 0, 0), "parameter problem"),
        ((4, 5, 1, 0), "ICMP error of type 5, code 1"),
        ((6, 1, 3, 0), "address unreachable"),
        ((6, 2, 0, 1280), "packet too big, the next link takes 1280 bytes"),
        ((6, 3, 0, 0), "time to live exceeded on the way"),
        ((6, 4, 0, 0), "parameter problem"),
        ((6, 1, 99, 0), "destination unreachable, code 99"),
    ],
)
def test_an_error_is_said_in_words(error: tuple[int, int, int, int], words: str) -> None:
    assert error_words(*error) == words
