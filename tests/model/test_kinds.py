"""What each sort of configuration value accepts, and what it says about the rest."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.model.file_kinds import FILE, PEM_FILE, SECRET, Secret
from prober.model.kinds import (
    BOOLEAN,
    IDENTIFIER,
    LABELS,
    PAYLOAD,
    Codes,
    Frozen,
    choice,
    codes,
    duration,
    in_units,
    integer,
    list_of,
    mapping_of,
    matching,
    text,
)
from prober.model.monitor import INTERVAL
from prober.model.option import Kind, ReadContext, Rejected
from prober.model.pool import BACKENDS, HOST, NAME, PORT

FILES = {"/etc/prober/token": "t0p\r\n", "/ca.pem": "-----BEGIN CERTIFICATE-----\n"}


def read_file(path: str) -> str:
    if path.endswith("binary"):
        b"\xff".decode()
    if "\0" in path:
        raise ValueError("embedded null byte")  # as open() does
    if path not in FILES:
        raise FileNotFoundError(2, "No such file or directory")
    return FILES[path]


OUTSIDE = ReadContext(
    "/etc/prober", read_file, {"KEY": "s3cret", "EMPTY": "", "LATIN": "caf\udce9"}
)

METHOD = choice("GET", "HEAD")
VERSION = choice("1.0", "1.1")
SHORT = text(1, 3)
WORD = matching("[a-z]+", "a word", longest=5)
SPAN = duration(0.1, 86400)
HTTP_CODES = codes(100, 599)
SPANS = list_of(SPAN, shortest=1)
LONG = "x" * 200
UUID = "0a1b2c3d-0000-4000-8000-0123456789ab"


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        (SHORT, "é√x", "é√x"),
        (text(), "", ""),
        (WORD, "abcde", "abcde"),
        (BOOLEAN, True, True),
        (BOOLEAN, False, False),
        (PORT, 1, 1),
        (PORT, 65535, 65535),
        (METHOD, "GET", "GET"),
        (VERSION, "1.1", "1.1"),
        (VERSION, 1.1, "1.1"),
        (VERSION, 1.0, "1.0"),
        (SPAN, 5, 5.0),
        (SPAN, 0.5, 0.5),
        (SPAN, "500ms", 0.5),
        (SPAN, "100ms", 0.1),
        (SPAN, "5s", 5.0),
        (SPAN, "1.5s", 1.5),
        (SPAN, "2m", 120.0),
        (SPAN, "1h", 3600.0),
        (SPAN, "1d", 86400.0),
        (SPANS, [1, "2s"], (1.0, 2.0)),
        (HTTP_CODES, 200, Codes("200", frozenset({200}))),
        (HTTP_CODES, "200", Codes("200", frozenset({200}))),
        (HTTP_CODES, "200,202", Codes("200,202", frozenset({200, 202}))),
        (HTTP_CODES, "200-203", Codes("200-203", frozenset({200, 201, 202, 203}))),
        (HTTP_CODES, " 200 - 201 , 301 ", Codes("200-201,301", frozenset({200, 201, 301}))),
        (HTTP_CODES, "200,200-200", Codes("200,200-200", frozenset({200}))),
        (HTTP_CODES, [200, "301-302"], Codes("200,301-302", frozenset({200, 301, 302}))),
        (codes(0, 99), "0,5", Codes("0,5", frozenset({0, 5}))),
        (PAYLOAD, {"text": "é\n"}, "é\n".encode()),
        (PAYLOAD, {"hex": "00 fF"}, b"\x00\xff"),
        (PAYLOAD, {"base64": "AP8="}, b"\x00\xff"),
        (SECRET, "plain", Secret("plain", masked=False)),
        (SECRET, "a\nb", Secret("a\nb", masked=False)),
        (SECRET, {"file": "token"}, Secret("t0p", masked=True)),
        (SECRET, {"env": "KEY"}, Secret("s3cret", masked=True)),
        (SECRET, {"env": "EMPTY"}, Secret("", masked=True)),
        (FILE, "lists/a.json", "/etc/prober/lists/a.json"),
        (FILE, "/a.json", "/a.json"),
        (PEM_FILE, "/ca.pem", "/ca.pem"),
        (IDENTIFIER, UUID, UUID),
        (IDENTIFIER, "{0A1B2C3D000040008000-0123456789AB}", UUID),
        (LABELS, {"rack": "r1", "_x9": ""}, Frozen(rack="r1", _x9="")),
    ],
)
def test_values_that_are_accepted(kind: Kind[Any], given: object, value: object) -> None:
    assert kind.read(given, OUTSIDE) == value


OWN_LABEL = "this label name is reserved"
EXPECTED_CODES = "expected codes from 100 to 599 such as 200, 200,202 or 200-204,301"
EXPECTED_SPAN = "expected a duration such as 5, 0.5, 500ms, 5s, 2m, 1h or 7d"
EXPECTED_LIMITS = "expected a duration from 100ms to 1d"
EXPECTED_PORT = "expected a whole number from 1 to 65535"


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (SHORT, 1, "expected text, got 1"),
        (SHORT, None, "expected text, got nothing"),
        (SHORT, True, "expected text, got the boolean true"),
        (SHORT, ["a"], "expected text, got a list"),
        (SHORT, {"a": 1}, "expected text, got a mapping"),
        (SHORT, "", "expected 1 to 3 characters, got 0"),
        (SHORT, LONG, "expected 1 to 3 characters, got 200"),
        (SHORT, "a\n", r"control characters are not allowed, got 'a\n'"),
        (SHORT, "\x7f", r"control characters are not allowed, got '\x7f'"),
        (SHORT, "\u2028", r"control characters are not allowed, got '\u2028'"),
        (SHORT, "\ud800", "not UTF-8 text"),
        (NAME, "x" * 256, "expected 1 to 255 characters, got 256"),
        (WORD, "A", "expected a word, got 'A'"),
        (WORD, "a\n", r"expected a word, got 'a\n'"),
        (WORD, None, "expected a word, got nothing"),
        (WORD, "abcdef", "expected at most 5 characters, got 6"),
        (WORD, LONG.upper(), f"expected a word, got '{'X' * 100}'..."),
        (matching(".+", "something"), "\udce9", "not UTF-8 text"),
        (BOOLEAN, "true", "expected true or false, got 'true'"),
        (BOOLEAN, 1, "expected true or false, got 1"),
        (BOOLEAN, None, "expected true or false, got nothing"),
        (PORT, 0, f"{EXPECTED_PORT}, got 0"),
        (PORT, 65536, f"{EXPECTED_PORT}, got 65536"),
        (PORT, True, f"{EXPECTED_PORT}, got the boolean true"),
        (PORT, 80.0, f"{EXPECTED_PORT}, got 80.0"),
        (PORT, "80", f"{EXPECTED_PORT}, got '80'"),
        (METHOD, "get", "expected one of GET, HEAD, got 'get'; did you mean 'GET'?"),
        (METHOD, "HAED", "expected one of GET, HEAD, got 'HAED'; did you mean 'HEAD'?"),
        (METHOD, "POST", "expected one of GET, HEAD, got 'POST'"),
        (METHOD, ["GET"], "expected one of GET, HEAD, got a list"),
        (VERSION, 2.0, "expected one of 1.0, 1.1, got 2.0"),
        (VERSION, 1, "expected one of 1.0, 1.1, got 1"),
        (VERSION, True, "expected one of 1.0, 1.1, got the boolean true"),
        (SPAN, None, f"{EXPECTED_SPAN}, got nothing"),
        (SPAN, True, f"{EXPECTED_SPAN}, got the boolean true"),
        (SPAN, "", f"{EXPECTED_SPAN}, got ''"),
        (SPAN, "5", f"{EXPECTED_SPAN}, got '5'"),
        (SPAN, "5 s", f"{EXPECTED_SPAN}, got '5 s'"),
        (SPAN, "-5s", f"{EXPECTED_SPAN}, got '-5s'"),
        (SPAN, "5S", f"{EXPECTED_SPAN}, got '5S'"),
        (SPAN, "5w", f"{EXPECTED_SPAN}, got '5w'"),
        (SPAN, ".5s", f"{EXPECTED_SPAN}, got '.5s'"),
        (SPAN, "1e3s", f"{EXPECTED_SPAN}, got '1e3s'"),
        (SPAN, "\u0665s", f"{EXPECTED_SPAN}, got '\u0665s'"),
        (SPAN, "1m30s", f"{EXPECTED_SPAN}, got '1m30s'; write 90s"),
        (SPAN, 0, f"{EXPECTED_LIMITS}, got 0"),
        (SPAN, -1.5, f"{EXPECTED_LIMITS}, got -1.5"),
        (SPAN, "99ms", f"{EXPECTED_LIMITS}, got '99ms'"),
        (SPAN, "25h", f"{EXPECTED_LIMITS}, got '25h'"),
        (SPAN, float("nan"), f"{EXPECTED_LIMITS}, got nan"),
        (SPAN, float("inf"), f"{EXPECTED_LIMITS}, got inf"),
        (SPAN, "9" * 15 + "d", f"{EXPECTED_LIMITS}, got '{'9' * 15}d'"),
        (SPANS, 5, "expected a list, got 5"),
        (SPANS, "5s", "expected a list such as ['5s'], got '5s'"),
        (SPANS, [], "expected at least 1 in the list, got 0"),
        (HTTP_CODES, None, f"{EXPECTED_CODES}, got nothing"),
        (HTTP_CODES, True, f"{EXPECTED_CODES}, got the boolean true"),
        (HTTP_CODES, [], f"{EXPECTED_CODES}, got a list"),
        (HTTP_CODES, [200, True], f"{EXPECTED_CODES}, got a list"),
        (HTTP_CODES, [200, 600], f"{EXPECTED_CODES}, got '200,600'"),
        (HTTP_CODES, 99, f"{EXPECTED_CODES}, got 99"),
        (HTTP_CODES, 600, f"{EXPECTED_CODES}, got 600"),
        (HTTP_CODES, "", f"{EXPECTED_CODES}, got ''"),
        (HTTP_CODES, "200,", f"{EXPECTED_CODES}, got '200,'"),
        (HTTP_CODES, "2xx", f"{EXPECTED_CODES}, got '2xx'"),
        (HTTP_CODES, "204-200", f"{EXPECTED_CODES}, got '204-200'"),
        (HTTP_CODES, "200-600", f"{EXPECTED_CODES}, got '200-600'"),
        (HTTP_CODES, "200-", f"{EXPECTED_CODES}, got '200-'"),
        (HTTP_CODES, "200;201", f"{EXPECTED_CODES}, got '200;201'"),
        (HTTP_CODES, "\u0662\u0660\u0660", f"{EXPECTED_CODES}, got '\u0662\u0660\u0660'"),
        (PAYLOAD, "PING", "expected {text: …} or {hex: …} or {base64: …}, got 'PING'"),
        (PAYLOAD, {}, "expected exactly one of text, hex, base64"),
        (PAYLOAD, {"text": "a", "hex": "00"}, "expected exactly one of text, hex, base64"),
        (SECRET, 5, "expected text, {file: PATH} or {env: NAME}, got 5"),
        (SECRET, True, "expected text, {file: PATH} or {env: NAME}, got the boolean true"),
        (SECRET, None, "expected text, {file: PATH} or {env: NAME}, got nothing"),
        (SECRET, {}, "expected exactly one of file, env"),
        (SECRET, "\udce9", "not UTF-8 text"),
        (FILE, "", "expected 1 to 4096 characters, got 0"),
        (FILE, 5, "expected text, got 5"),
        (FILE, "a\0b", r"control characters are not allowed, got 'a\x00b'"),
        (PEM_FILE, "", "expected the path of a PEM file, got ''"),
        (PEM_FILE, 5, "expected the path of a PEM file, got 5"),
        (PEM_FILE, "token", "'token' is not a PEM file"),
        (PEM_FILE, "gone.pem", "cannot read 'gone.pem': No such file or directory"),
        (PEM_FILE, "binary", "cannot read 'binary': it is not UTF-8 text"),
        (PEM_FILE, "a\0b", r"cannot read 'a\x00b': embedded null byte"),
        (IDENTIFIER, "x", "expected a UUID, got 'x'"),
        (IDENTIFIER, 5, "expected a UUID, got 5"),
        (IDENTIFIER, None, "expected a UUID, got nothing"),
        (IDENTIFIER, [UUID], "expected a UUID, got a list"),
        (LABELS, ["rack"], "expected a mapping, got a list"),
        (HOST, 5, "expected an IP address or a host name, got 5"),
        (HOST, "256.1.1.1", "expected an IP address or a host name, got '256.1.1.1'"),
    ],
)
def test_values_that_are_rejected(kind: Kind[Any], given: object, message: str) -> None:
    with pytest.raises(Rejected) as rejected:
        kind.read(given, OUTSIDE)
    assert rejected.value.complaints == (((), message),)


@pytest.mark.parametrize(
    ("kind", "given", "complaints"),
    [
        (
            SPANS,
            [1, "x", 0],
            [((1,), f"{EXPECTED_SPAN}, got 'x'"), ((2,), f"{EXPECTED_LIMITS}, got 0")],
        ),
        (PAYLOAD, {"txt": "a"}, [(("txt",), "unknown key; did you mean 'text'?")]),
        (PAYLOAD, {"text": 5}, [(("text",), "expected text, got 5")]),
        (PAYLOAD, {"text": ""}, [(("text",), "expected 1 to 65507 bytes, got 0")]),
        (
            PAYLOAD,
            {"hex": "00" * 65508},
            [(("hex",), "expected 1 to 65507 bytes, got 65508")],
        ),
        (SECRET, {"env": "GONE"}, [(("env",), "environment variable 'GONE' is not set")]),
        (SECRET, {"env": "LATIN"}, [(("env",), "environment variable 'LATIN' is not UTF-8 text")]),
        (SECRET, {"env": 5}, [(("env",), "expected text, got 5")]),
        (SECRET, {"fiel": "x"}, [(("fiel",), "unknown key; did you mean 'file'?")]),
        (
            SECRET,
            {"file": "/gone"},
            [(("file",), "cannot read '/gone': No such file or directory")],
        ),
        (
            LABELS,
            {"le": "x", "__a": "x", "9a": "x", "pool": "x"},
            [
                (
                    ("le",),
                    f"{OWN_LABEL}; prober sets kind, le, monitor, pool, quantile, target",
                ),
                (
                    ("__a",),
                    "expected a Prometheus label name: letters, digits and _, not starting with __",
                ),
                (
                    ("9a",),
                    "expected a Prometheus label name: letters, digits and _, not starting with __",
                ),
                (
                    ("pool",),
                    f"{OWN_LABEL}; prober sets kind, le, monitor, pool, quantile, target",
                ),
            ],
        ),
        (
            LABELS,
            {"a": 1, "b": "x\n"},
            [
                (("a",), "expected text, got 1"),
                (("b",), r"control characters are not allowed, got 'x\n'"),
            ],
        ),
        (LABELS, {1: "x"}, [(("1",), "expected a text key, got 1")]),
    ],
)
def test_every_complaint_says_where(
    kind: Kind[Any], given: object, complaints: list[tuple[tuple[object, ...], str]]
) -> None:
    with pytest.raises(Rejected) as rejected:
        kind.read(given, OUTSIDE)
    assert list(rejected.value.complaints) == complaints


@pytest.mark.parametrize("how", ["hex", "base64", "text"])
def test_payloads_that_cannot_be_decoded_say_how_they_were_read(how: str) -> None:
    with pytest.raises(Rejected, match=f"not valid {how}: "):
        PAYLOAD.read({how: "x\udce9"}, OUTSIDE)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)
KINDS: dict[str, Kind[Any]] = {
    "text": SHORT,
    "word": WORD,
    "boolean": BOOLEAN,
    "integer": PORT,
    "choice": VERSION,
    "duration": SPAN,
    "codes": HTTP_CODES,
    "payload": PAYLOAD,
    "secret": SECRET,
    "uuid": IDENTIFIER,
    "pem": PEM_FILE,
    "labels": LABELS,
    "host": HOST,
    "backends": BACKENDS,
    "mapping": mapping_of(integer(0, 9), lambda _: None),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@given(value=ANYTHING)
def test_any_value_is_read_and_shown_or_rejected(kind: Kind[Any], value: object) -> None:
    try:
        found = kind.read(value, OUTSIDE)
    except Rejected:
        return
    hash(found)
    shown = kind.show(found)
    json.dumps(shown)
    if "<secret>" not in str(shown):
        assert kind.read(shown, OUTSIDE) == found


@pytest.mark.parametrize("kind", [PORT, SPAN, HTTP_CODES], ids=["integer", "duration", "codes"])
def test_a_number_of_thousands_of_digits_is_not_repeated(kind: Kind[Any]) -> None:
    with pytest.raises(Rejected, match="got a very large number"):
        kind.read(10**5000, OUTSIDE)


@pytest.mark.parametrize("payload", [b"PING\r\n", b"ping", b"\x00\xff", "é".encode(), b" "])
def test_a_payload_is_shown_so_that_it_can_be_read_again(payload: bytes) -> None:
    assert PAYLOAD.read(PAYLOAD.show(payload), OUTSIDE) == payload


def test_a_readable_payload_is_shown_as_text() -> None:
    assert PAYLOAD.show(b"ping") == {"text": "ping"}
    assert PAYLOAD.show(b"ping\n") == {"hex": "70696e670a"}


def test_a_secret_is_masked_wherever_it_is_written() -> None:
    secret = SECRET.read({"env": "KEY"}, OUTSIDE)
    assert SECRET.show(secret) == str(secret) == "<secret>"
    assert "s3cret" not in repr(secret)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.05, "50ms"),
        (0.001, "1ms"),
        (0.0015, "1.5ms"),
        (0.07, "70ms"),
        (1, "1s"),
        (1.5, "1.5s"),
        (90, "90s"),
        (60, "1m"),
        (3600, "1h"),
        (86400, "1d"),
        (90000, "25h"),
    ],
)
def test_time_spans_are_written_as_the_configuration_would(seconds: float, written: str) -> None:
    assert in_units(seconds) == written
    assert duration(0, 1e9).read(written, OUTSIDE) == pytest.approx(seconds)


def test_the_interval_may_be_from_100_ms_to_a_day() -> None:
    assert INTERVAL.read("100ms", OUTSIDE) == 0.1
    assert INTERVAL.read("1d", OUTSIDE) == 86400


def test_a_frozen_mapping_can_be_hashed_and_compared() -> None:
    assert hash(Frozen(a="x", b="y")) == hash(Frozen(b="y", a="x"))
    assert Frozen(a="x") == {"a": "x"}
