"""Texts as values with lines: YAML's traps, aliases, JSON, and whatever a file may hold."""

import json
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.config.document import read_document
from prober.config.problem import ConfigError, Problem
from prober.config.reader import load, parse
from prober.model.option import ReadContext, in_words
from tests import ROOT

NOTHING = ReadContext("", lambda path: (_ for _ in ()).throw(FileNotFoundError(2, path)), {})


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_document(text, "f")
    [problem] = caught.value.problems
    return str(problem)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", False),
        ("1_000", 1000),
        ("0x1F", 31),
        ("1.10", 1.1),
        ("1e3", "1e3"),
        ("08", "08"),
        ("~", None),
        ("", None),
        ("=", "="),
        ("'no'", "no"),
        ("!!str 17", "17"),
        ("!!int '17'", 17),
        ("10.0.0.1:80", "10.0.0.1:80"),
    ],
)
def test_yaml_is_read_as_yaml_1_1(written: str, value: object) -> None:
    document = read_document(f"key: {written}", "f")
    assert document.value == {"key": value}
    assert type(document.value["key"]) is type(value)
    assert not document.problems


@pytest.mark.parametrize(
    "written",
    [
        *("2026-01-01", "2026-13-45", "!!binary aGk=", "!!set {a}", "!!omap []", "!own x"),
        *("!own [x]", "!!int x", "!!int ''", "!!float x", "!!bool maybe", "0x_", "9" * 5000),
        "0x" + "f" * 9999,
    ],
)
def test_what_no_configuration_needs_is_a_problem_with_its_line(written: str) -> None:
    [problem] = read_document(f"a: 1\nkey: {written}", "f").problems
    assert str(problem).startswith("f:2: key: ")
    assert len(str(problem)) < 200


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("no", "; YAML reads the plain no as the boolean false unless it is in quotes"),
        ("1.10", "; YAML reads the plain 1.10 as 1.1 unless it is in quotes"),
        ("~", "; YAML reads the plain ~ as nothing unless it is in quotes"),
        ("7", "; put it in quotes"),
        ("true", "; put it in quotes"),
        ("", ""),
        ("'no'", ""),
        ("1e3", ""),
        ("[no]", ""),
    ],
)
def test_a_trap_of_yaml_is_explained(written: str, hint: str) -> None:
    problem = read_document(f"key: {written}", "f").problem(("key",), "expected text, got that")
    assert problem.message == f"expected text, got that{hint}"


def test_a_plain_number_that_is_out_of_range_needs_no_hint() -> None:
    assert read_document("key: 7", "f").problem(("key",), "no, got 7").message == "no, got 7"


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("0443", "YAML reads the plain 0443 as 291 (octal); write 443, or put it in quotes"),
        ("-0_17", "YAML reads the plain -0_17 as -15 (octal); write -17, or put it in quotes"),
        ("00", "YAML reads the plain 00 as 0 (octal); write 0, or put it in quotes"),
        ("22:22", "YAML reads the plain 22:22 as 1342 (base 60); put it in quotes"),
        ("1:30.5", "YAML reads the plain 1:30.5 as 90.5 (base 60); put it in quotes"),
    ],
)
def test_a_number_that_nobody_meant_is_a_problem(written: str, reason: str) -> None:
    [problem] = read_document(f"a: [{{b: {written}}}]", "f").problems
    assert str(problem) == f"f:1: a[0].b: {reason} to keep it as text"


@pytest.mark.parametrize("written", ["0", "-0", "0.5", "0x10", "443", "'0443'", "08", "1_000"])
def test_other_numbers_are_meant(written: str) -> None:
    assert not read_document(f"a: {written}", "f").problems


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [{b: 1}]}', {"a": [{"b": 1}]}),
        ('{"a": 1,\n}', {"a": 1}),
        ('["a", b]', ["a", "b"]),
        ('{"a": 1} # a comment', {"a": 1}),
        ('{"a":\n  {"b": yes}}', {"a": {"b": True}}),
    ],
)
def test_flow_style_that_begins_as_json_does_is_yaml(text: str, value: object) -> None:
    document = read_document(text, "f")
    assert (document.value, document.problems) == (value, ())
    assert document.line(("a",)) == 1


def test_broken_flow_style_is_told_as_what_it_was_for_longer() -> None:
    assert "not valid YAML" in refused('{"a": 1, b: 2,\n"c": 3,\n\n"d": ]')
    assert "not valid JSON" in refused('{"a": 1, "b": 2,\n"c": 3,\n\n"d": ]')


@pytest.mark.parametrize("key", ["1", "yes", "~", "[a]", "{a: b}", "1.5"])
def test_keys_are_text(key: str) -> None:
    [problem] = read_document(f"a: 1\n? {key}\n: x", "f").problems
    assert problem.message.startswith("expected a text key, got ")
    assert problem.line == 2


def test_every_duplicate_key_is_named() -> None:
    text = "a: 1\nb:\n  - c: 1\n    c: 2\na: 3\nc: 1"
    assert list(map(str, read_document(text, "f").problems)) == [
        "f:4: b[0].c: duplicate key; first defined on line 3",
        "f:5: a: duplicate key; first defined on line 1",
    ]


# aliases


def test_aliases_and_merge_keys_work_and_own_keys_win() -> None:
    text = """\
base: &base {a: 1, b: 2}
more: &more {b: 3, c: 4}
one: *base
both:
  <<: [*base, *more]
  a: 5
"""
    document = read_document(text, "f")
    assert not document.problems
    assert document.value == {
        "base": {"a": 1, "b": 2},
        "more": {"b": 3, "c": 4},
        "one": {"a": 1, "b": 2},
        "both": {"a": 5, "b": 2, "c": 4},
    }
    assert [document.line(("both", key)) for key in "abcx"] == [6, 1, 2, 4]


def test_one_list_may_stand_in_many_places() -> None:
    targets = ", ".join(f"h{i}:80" for i in range(500))
    text = f"all: &all [{targets}]\nuses:\n" + "- *all\n" * 500
    value = read_document(text, "f").value
    assert isinstance(value, dict)
    assert len(value["uses"]) == 500


@pytest.mark.parametrize(
    "use", ["[{0},{0},{0},{0},{0},{0},{0},{0},{0}]", "{{<<: [{0},{0}], k: 1}}"]
)
def test_an_alias_bomb_is_refused(use: str) -> None:
    lines = ["- &a0 {k: 1}"]
    lines += [f"- &a{i + 1} {use.format(f'*a{i}')}" for i in range(60)]
    assert "aliases expand this to more than 1000000 values" in refused("\n".join(lines))


@pytest.mark.parametrize("text", ["&a [*a]", "a: &a {b: [*a]}", "a: &a\n  <<: *a"])
def test_an_alias_of_what_holds_it_is_refused(text: str) -> None:
    assert refused(text).endswith("this value contains an alias of itself")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{a: " * 100_000,
        "- " * 100_000,
        "[a, " * 300 + "]" * 300,
        '["' + '",["' * 99_999,
        "[" * 100_000 + '"',
        "\n".join(" " * i + "-" for i in range(1500)),
    ],
)
def test_deep_nesting_is_refused_before_it_can_overflow_a_stack(text: str) -> None:
    assert refused(text)


def test_many_brackets_in_text_are_not_nesting() -> None:
    assert read_document("\n".join(["- '[[{'"] * 1000), "f").value == ["[[{"] * 1000


# syntax


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "f:1: the file is empty"),
        ("# only this\n", "f:1: the file is empty"),
        ("a: b: c", "f:1: not valid YAML: mapping values are not allowed in this context"),
        ("a: 'x\nb: 1\n", "while scanning a quoted scalar that starts on line 1"),
        ("é: 1\nb: \x07", "f:2: not valid YAML: the character U+0007 is not allowed"),
        ("a: 1\nb: \ud800", "f:2: the file is not UTF-8 text"),
        ('{"a": 1\n"b": 2}', "f:2: not valid JSON: expecting ',' delimiter, at column 1"),
        ('{"a": 1,\n"b": {c: d,\n\n\ne f: [}', "f:5: not valid YAML: did not find expected node"),
        ('{"a": 1}\n{"b": 2}', "f:2: not valid JSON: extra data, at column 1"),
    ],
)
def test_a_syntax_error_names_its_line(text: str, said: str) -> None:
    assert said in refused(text)


# JSON


def test_a_mapping_that_is_no_json_is_yaml() -> None:
    assert read_document("{a: [1, 2], b: {}}", "f").value == {"a": [1, 2], "b": {}}


def test_json_values_know_their_lines() -> None:
    text = '{\n"a": {"x": 1,\n"y":\n[1,\n"two\\n\\" ]",\n{"z": null}]},\n"b": true}'
    document = read_document(text, "f")
    places = {
        (): 1,
        ("a",): 2,
        ("a", "x"): 2,
        ("a", "y"): 3,
        ("a", "y", 0): 4,
        ("a", "y", 1): 5,
        ("a", "y", 2): 6,
        ("a", "y", 2, "z"): 6,
        ("a", "y", 2, "missing"): 6,
        ("b",): 7,
        ("b", "deeper"): 7,
    }
    assert {path: document.line(path) for path in places} == places


def test_every_duplicate_json_key_is_named() -> None:
    text = '{"a": [{"b": 1,\n"b": {"c": 1,\n"c": 2}}],\n"a": 1}'
    assert list(map(str, read_document(text, "f").problems)) == [
        "f:2: a[0].b: duplicate key; first defined on line 1",
        "f:3: a[0].b.c: duplicate key; first defined on line 2",
        "f:4: a: duplicate key; first defined on line 1",
    ]


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        (r'{"a": "\ud83d\ude00"}', True),
        (r'{"a": "\\ud83d"}', True),
        (r'{"a": "\ud83d"}', False),
        (r'{"a": "\ude00\ud83d"}', False),
    ],
)
def test_half_a_character_is_refused(text: str, fine: bool) -> None:
    if fine:
        assert read_document(text, "f").value
    else:
        assert "half of a surrogate pair" in refused(text)


# anything


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
WORDS = """
    server listen defaults pools monitors include name id type TCP HTTP HTTPS GRPC pool targets
    targets_from file env 192.0.2.1:80 interval 5s headers body tls verify send text hex labels
"""
KEYS = "interval labels headers body send tls expected_codes id"
words = st.sampled_from(WORDS.split())
likely_values = st.recursive(
    json_values | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=6),
    max_leaves=30,
)


def survives(text: str) -> None:
    problems: tuple[Problem, ...] | None = None
    try:
        parse(text, source="f", outside=NOTHING).model.checks()
    except ConfigError as error:
        problems = error.problems
    if problems is not None:
        assert problems
        assert all(problem.source == "f" and problem.line >= 1 for problem in problems)


@given(likely_values)
def test_any_json_value_is_a_configuration_or_a_problem(value: object) -> None:
    survives(json.dumps(value))


monitors = st.fixed_dictionaries(
    {"name": st.sampled_from("ab"), "type": words, "targets": st.just(["192.0.2.1:80"])},
    optional=dict.fromkeys(KEYS.split(), likely_values),
)


@given(st.lists(monitors, max_size=3))
def test_any_values_in_a_monitor_are_a_configuration_or_problems(values: object) -> None:
    survives(json.dumps({"monitors": values}, indent=1))


@given(st.text(alphabet=string.printable + "é\u2028\ud800"))
def test_any_text_is_a_configuration_or_a_problem(text: str) -> None:
    survives(text)


def test_a_file_cut_off_anywhere_is_a_configuration_or_a_problem() -> None:
    lines = (ROOT / "config/prober.yaml").read_text(encoding="utf-8").splitlines(keepends=True)
    whole = "".join(line for line in lines if not line.lstrip().startswith("#"))
    for end in range(0, len(whole), 11):
        survives(whole[:end])


def test_long_text_is_shortened_in_a_message() -> None:
    assert len(in_words("x" * 5000)) < 200


def test_a_file_of_no_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prober.config.disk.SIZE_LIMIT", 1000)
    (tmp_path / "f").write_bytes(bytes(1001))
    with pytest.raises(ConfigError, match="cannot read the file: larger than"):
        load(str(tmp_path / "f"), environment={})
    with pytest.raises(ConfigError, match="cannot read the file: it is a device"):
        load("/dev/zero", environment={})
