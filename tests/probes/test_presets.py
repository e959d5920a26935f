"""Presets: what their servers say, and what others say on their port."""

import pytest

from prober.model.probe import Target
from prober.model.status import Reason
from prober.probes.presets import PRESETS
from prober.probes.tcp import TcpProbe
from prober.probes.tls import TlsProbe
from tests.probes.drive import DEADLINE, END, SESSION, Event, drive, judge

IN_CLEAR = [name for name in PRESETS if name != "smtp_starttls"]
TARGET = Target("server.example", 1)
MYSQL = (
    b"\x4a\0\0\0\x0a8.0.36\0\x01\0\0\0saltsalt\0"
    b"\xff\xff\xff\x02\0\xff\xdf\x15\0\0\0\0\0\0\0\0\0\0"
    b"saltsaltsalt\0caching_sha2_password\0"
)
OK: dict[str, list[Event]] = {
    "smtp": [b"220-mx\r\n220 ESMTP\r\n", b"250-mx\r\n250-SIZE\r\n250 HELP\r\n", b"221 bye\r\n"],
    "smtp_starttls": [
        b"220 mx ESMTP\r\n",
        b"250-mx\r\n250-STARTTLS\r\n250 HELP\r\n",
        b"220 2.0.0 go ahead\r\n",
        SESSION,
        b"250 mx\r\n",
        b"221 bye\r\n",
    ],
    "imap": [
        b"* OK [CAPABILITY IMAP4rev1] ready\r\n",
        b"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\na1 OK done\r\n",
        b"* BYE\r\na2 OK done\r\n",
    ],
    "pop3": [b"+OK ready <1.2@pop>\r\n", b"+OK bye\r\n"],
    "ftp": [b"220-Welcome\r\n to us\r\n220 FTP\r\n", b"530 Please login\r\n", b"221 Goodbye.\r\n"],
    "ldap": [bytes.fromhex("300c02010161070a010004000400")],
    "postgres": [b"N"],
    "mysql": [
        MYSQL,
        b"\x21\0\0\x02\xff\xe3\x04#08004Client does not support",
    ],
    "redis": [b"+PONG\r\n"],
    "memcached": [b"VERSION 1.6.18\r\n"],
    "ssh": [b"hello\r\nSSH-2.0-OpenSSH_9.2p1 Debian\r\n\0\0\x04\x34\x0a\x14cookie"],
    "mqtt": [b"\x20\x02\0\0"],
}
"""What a server of each protocol says in turn, without the wish for credentials."""
ASKING: dict[str, list[list[Event]]] = {
    "ldap": [
        [
            bytes.fromhex("301d0201016118")
            + b"\x0a\x01"
            + bytes([code])
            + b"\4\0\4\x11no anonymous bind"
        ]
        for code in (8, 13, 48, 49, 53)
    ],
    "postgres": [[b"S"]],
    "mysql": [
        [MYSQL, b"\x49\0\0\x02\xff\x15\x04#28000Access denied"],
        [MYSQL, b"\x2c\0\0\x02\xfecaching_sha2_password\0salt"],
        [MYSQL, b"\x07\0\0\x02\0\0\0\x02\0\0\0"],
        [b"\x45\0\0\0\xff\x6a\x04Host '10.0.0.9' is not allowed to connect"],
    ],
    "redis": [[b"-NOAUTH Authentication required.\r\n"], [b"-NOPERM no permissions\r\n"]],
    "memcached": [[b"CLIENT_ERROR unauthenticated\r\n"]],
    "mqtt": [[b"\x20\x02\0" + bytes([code])] for code in (2, 4, 5)],
    "imap": [[b"* PREAUTH ready\r\n", *OK["imap"][1:]]],
    "ftp": [[b"220 x\r\n", b"200 NOOP ok\r\n", b"221 x\r\n"]],
}
UNWELL: dict[str, list[Event]] = {
    "smtp": [b"421 too busy\r\n"],
    "smtp_starttls": [b"220 mx\r\n", b"250-mx\r\n250 HELP\r\n"],
    "imap": [b"* BYE too many connections\r\n"],
    "pop3": [b"-ERR too busy\r\n"],
    "ftp": [b"421 too many users\r\n"],
    "ldap": [bytes.fromhex("300c02010161070a013304000400")],
    "postgres": [b"E\0\0\0\x20SFATAL\0C53300\0Mtoo many clients\0\0"],
    "mysql": [b"\x17\0\0\0\xff\x10\x04Too many connections"],
    "redis": [b"-LOADING Redis is loading the dataset in memory\r\n"],
    "memcached": [b"SERVER_ERROR out of memory\r\n"],
    "ssh": [b"Exceeded MaxStartups\r\n"],
    "mqtt": [b"\x20\x02\0\x03"],
}
STRANGERS = {
    "http": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n<h1>Bad Request</h1>\n",
    "ssh": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "smtp": b"220 mx ESMTP\r\n",
    "redis": b"-ERR unknown command\r\n",
    "nothing": b"\0",
}


def speak(preset: str, *events: Event) -> Reason:
    return drive(TcpProbe(preset=preset).bind(TARGET), *events).verdict.reason


@pytest.mark.parametrize("preset", PRESETS)
def test_a_server_that_speaks_its_protocol_is_good(preset: str) -> None:
    run = drive(TcpProbe(preset=preset).bind(TARGET), *OK[preset])
    assert run.verdict == (Reason.OK, f"speaks {preset}", None)
    assert not run.left


@pytest.mark.parametrize("preset", IN_CLEAR)
def test_the_pieces_of_what_it_says_do_not_matter(preset: str) -> None:
    said = b"".join(each for each in OK[preset] if isinstance(each, bytes))
    assert judge(TcpProbe(preset=preset).bind(TARGET), said).reason is Reason.OK


@pytest.mark.parametrize("preset", IN_CLEAR)
def test_it_is_spoken_inside_tls_as_well(preset: str) -> None:
    run = drive(TlsProbe(preset=preset).bind(TARGET), SESSION, *OK[preset])
    assert run.verdict.reason is Reason.OK


@pytest.mark.parametrize(
    ("preset", "events"), [(preset, each) for preset, several in ASKING.items() for each in several]
)
def test_a_server_that_asks_for_credentials_is_good(preset: str, events: list[Event]) -> None:
    assert speak(preset, *events) is Reason.OK


@pytest.mark.parametrize("preset", PRESETS)
def test_a_server_that_is_unwell_is_bad(preset: str) -> None:
    for end in (END, DEADLINE):
        assert speak(preset, *UNWELL[preset], end) is Reason.PAYLOAD_MISMATCH


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("stranger", STRANGERS)
def test_another_server_is_bad(preset: str, stranger: str) -> None:
    for end in (END, DEADLINE):
        assert speak(preset, STRANGERS[stranger], end).is_good is False


@pytest.mark.parametrize("preset", PRESETS)
def test_silence_is_a_timeout(preset: str) -> None:
    assert speak(preset, DEADLINE) is Reason.TIMEOUT
    assert speak(preset, END) is Reason.CLOSED
