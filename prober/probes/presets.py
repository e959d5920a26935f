"""The option `preset`: dialogues in the protocols of common servers, as data.

A preset is good when the server speaks its protocol, also when it asks for credentials.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from prober.model.kinds import choice
from prober.model.option import Kind, ReadContext, option
from prober.probes.dialogue_steps import STEPS, DialogueStep


class Preset(NamedTuple):
    """A named dialogue.

    `port` is where it is usually spoken, `tls_port` where it is spoken inside TLS. `hears` ends the
    sentence "good when the server ...". `steps` are written as for the key `steps`.
    """

    port: int
    tls_port: int | None
    hears: str
    steps: tuple[Mapping[str, Any], ...]


def _says(text: str) -> Mapping[str, Any]:
    return {"send": {"text": text}}


def _bytes(digits: str) -> Mapping[str, Any]:
    return {"send": {"hex": digits}}


def _hears(pattern: str) -> Mapping[str, Any]:
    return {"expect_regex": pattern}


_EHLO = r"\A(?:250-[^\n]*\n)*250[ \r][^\n]*\n"
_SMTP_GREETING = r"\A(?:220-[^\n]*\n)*220[ \r][^\n]*\n"
_SMTP_END = (_says("QUIT\r\n"), _hears(r"\A221[ \r-]"))

PRESETS: Final[Mapping[str, Preset]] = {
    # RFC 5321
    "smtp": Preset(
        25,
        465,
        "greets with 220, answers EHLO with 250 and QUIT with 221",
        (_hears(_SMTP_GREETING), _says("EHLO localhost\r\n"), _hears(_EHLO), *_SMTP_END),
    ),
    # RFC 3207
    "smtp_starttls": Preset(
        25,
        None,
        "does the same, and speaks TLS after STARTTLS",
        (
            _hears(_SMTP_GREETING),
            _says("EHLO localhost\r\n"),
            _hears(r"(?i)\A(?=(?:[^\n]*\n)*?250[ -]STARTTLS\r?\n)" + _EHLO.removeprefix(r"\A")),
            _says("STARTTLS\r\n"),
            _hears(r"\A220[ \r][^\n]*\n"),
            {"starttls": {}},
            _says("EHLO localhost\r\n"),
            _hears(_EHLO),
            *_SMTP_END,
        ),
    ),
    # RFC 9051
    "imap": Preset(
        143,
        993,
        "greets with OK or PREAUTH, and answers CAPABILITY and LOGOUT",
        (
            _hears(r"(?i)\A\* (?:OK|PREAUTH) [^\n]*\n"),
            _says("a1 CAPABILITY\r\n"),
            _hears(r"(?im)^\* CAPABILITY [^\n]*\bIMAP4[^\n]*\n"),
            _hears(r"(?im)^a1 OK [^\n]*\n"),
            _says("a2 LOGOUT\r\n"),
            _hears(r"(?im)^a2 OK "),
        ),
    ),
    # RFC 1939
    "pop3": Preset(
        110,
        995,
        "greets with +OK, and answers QUIT with +OK",
        (_hears(r"\A\+OK[^\n]*\n"), _says("QUIT\r\n"), _hears(r"\A\+OK")),
    ),
    # RFC 959; to NOOP, SMTP would say 250
    "ftp": Preset(
        21,
        990,
        "greets with 220, answers NOOP, also by asking for a login, and QUIT with 221",
        (
            _hears(r"\A(?:220-(?s:.*?)\n)?220[ \r][^\n]*\n"),
            _says("NOOP\r\n"),
            _hears(r"\A(?:200|50\d|530)(?:-(?s:.*?)\n\d{3})?[ \r][^\n]*\n"),
            _says("QUIT\r\n"),
            _hears(r"\A221[ \r-]"),
        ),
    ),
    # RFC 4511: an anonymous bind. Of the results, confidentialityRequired (13),
    # strongerAuthRequired (8), inappropriateAuthentication (48), invalidCredentials (49) and
    # unwillingToPerform (53) ask for more than that.
    "ldap": Preset(
        389,
        636,
        "answers an anonymous bind, or asks for credentials",
        (
            _bytes("30 0c 02 01 01 60 07 02 01 03 04 00 80 00"),
            _hears(
                r"(?s)\A\x30(?:[\x00-\x7f]|\x81.|\x82..|\x83...|\x84....)\x02\x01\x01"
                r"\x61(?:[\x00-\x7f]|\x81.|\x82..|\x83...|\x84....)\x0a\x01[\x00\x08\x0d\x30\x31\x35]"
            ),
            _bytes("30 05 02 01 02 42 00"),
        ),
    ),
    # https://www.postgresql.org/docs/current/protocol-message-formats.html: SSLRequest
    "postgres": Preset(
        5432,
        None,
        "answers whether it speaks TLS",
        (_bytes("00 00 00 08 04 d2 16 2f"), _hears(r"\A[SN]\Z")),
    ),
    # https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html: HandshakeV10 or the
    # error 1130 (host not allowed), then HandshakeResponse41 for a user `prober` without a
    # password. A server that gets no response locks the host out after max_connect_errors.
    "mysql": Preset(
        3306,
        None,
        "greets, and accepts or refuses a user `prober` without a password",
        (
            _hears(
                r"(?s)\A(?:.{3}\x00\x0a[ -~]+\x00.{12}\x00.{18}.{12}\x00"
                r"|(?=.{3}\x00\xff\x6a\x04))"
            ),
            _bytes(f"28 00 00 01 01 82 00 00 00 00 00 01 21 {'00' * 23} 70 72 6f 62 65 72 00 00"),
            _hears(r"(?s).{2}\x00(?:\x02[\x00\xfe\xff]|\x00\xff\x6a\x04)"),
        ),
    ),
    # https://redis.io/docs/latest/develop/reference/protocol-spec/
    "redis": Preset(
        6379,
        6379,
        "answers PING with PONG, or asks for credentials (NOAUTH, NOPERM)",
        (_says("PING\r\n"), _hears(r"\A(?:\+PONG|-NOAUTH [^\n]*|-NOPERM [^\n]*)\r\n")),
    ),
    # https://github.com/memcached/memcached/blob/master/doc/protocol.txt
    "memcached": Preset(
        11211,
        11211,
        "tells its version, or asks for credentials",
        (
            _says("version\r\n"),
            _hears(r"\A(?:VERSION [^\n]+|CLIENT_ERROR unauthenticated)\r\n"),
            _says("quit\r\n"),
        ),
    ),
    # RFC 4253, sections 4.2 and 7.1
    "ssh": Preset(
        22,
        None,
        "tells its version, and begins the exchange of keys",
        (
            _hears(r"(?m)^SSH-(?:2\.0|1\.99)-[^\n]+\n"),
            _says("SSH-2.0-prober\r\n"),
            _hears(r"(?s)\A\x00\x00.{3}\x14"),
        ),
    ),
    # MQTT 3.1.1, sections 3.1 and 3.2: a clean session without a name. Of the codes,
    # 2 (name refused), 4 (bad user name or password) and 5 (not authorized) ask for more than that.
    "mqtt": Preset(
        1883,
        8883,
        "answers CONNECT, or asks for credentials",
        (
            _bytes("10 0c 00 04 4d 51 54 54 04 02 00 3c 00 00"),
            _hears(r"(?s)\A\x20\x02[\x00\x01][\x00\x02\x04\x05]"),
            _bytes("e0 00"),
        ),
    ),
}
"""All presets, by name."""

_NAME = choice(*PRESETS)
PRESET: Final = Kind(
    _NAME.read,
    {
        "oneOf": [
            {
                "const": name,
                "description": f"port {each.port}: good when the server {each.hears}",
                "x-steps": each.steps,
            }
            for name, each in PRESETS.items()
        ]
    },
)
"""The name of a preset."""


@cache
def _read(preset: str) -> tuple[DialogueStep, ...]:
    return STEPS.read(list(map(dict, PRESETS[preset].steps)), ReadContext("/", str, {}))


def chosen(steps: tuple[DialogueStep, ...], preset: str | None) -> tuple[DialogueStep, ...]:
    """Return the steps of a preset, or those given without one."""
    return steps if preset is None else _read(preset)


def steps_option() -> Any:
    """Declare `steps`, which every type has that can speak a dialogue."""
    return option(
        STEPS,
        default=(),
        doc="a dialogue: what to send and to expect, in turn; see below",
    )


def preset_option() -> Any:
    """Declare `preset`, which every type has that can speak a dialogue."""
    return option(
        PRESET,
        default=None,
        doc="the dialogue of a common protocol; see below",
    )
