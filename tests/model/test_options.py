"""Dataclasses as configuration sections: all complaints at once, shown again, described."""

from dataclasses import dataclass

import pytest

from prober.model.file_kinds import SECRET, Secret
from prober.model.kinds import duration, integer, list_of, text
from prober.model.option import (
    Complaint,
    ReadContext,
    Rejected,
    build,
    did_you_mean,
    gather,
    option,
    options_of,
    read_options,
    schema_of,
    section,
    show_options,
)

OUTSIDE = ReadContext("/etc/prober", str, {"KEY": "s3cret"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    """A section in a section."""

    size: int = option(integer(1, 9), default=1, doc="how large")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    """A section."""

    name: str = option(text(1), doc="what it is called")
    inner: Inner = option(section(Inner), default=Inner(), doc="what is in it")
    many: tuple[Inner, ...] = option(list_of(section(Inner)), default=(), doc="more of them")
    key: Secret | None = option(SECRET, default=None, doc="what opens it")
    not_an_option: int = 5

    def __post_init__(self) -> None:
        """Reject a name that stands for nothing."""
        if self.name == "nothing":
            raise Rejected(Complaint(("name",), "stands for nothing"))


READ = section(Outer).read


def complaints(value: object) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(Rejected) as rejected:
        READ(value, OUTSIDE)
    return [(each.path, each.message) for each in rejected.value.complaints]


def test_what_is_not_given_has_its_default() -> None:
    assert READ({"name": "a"}, OUTSIDE) == Outer(name="a")


def test_nested_sections_and_lists_are_read() -> None:
    found = READ({"name": "a", "inner": {"size": 2}, "many": [{}, {"size": 3}]}, OUTSIDE)
    assert found == Outer(name="a", inner=Inner(size=2), many=(Inner(), Inner(size=3)))


def test_everything_wrong_is_said_at_once_and_where() -> None:
    given = {"nmae": "a", "inner": {"size": 0, "sise": 1}, "many": [{}, 5, {"size": "x"}]}
    assert complaints(given) == [
        (("nmae",), "unknown key; did you mean 'name'?"),
        ((), "missing key 'name'"),
        (("inner", "sise"), "unknown key; did you mean 'size'?"),
        (("inner", "size"), "expected a whole number from 1 to 9, got 0"),
        (("many", 1), "expected a mapping, got 5"),
        (("many", 2, "size"), "expected a whole number from 1 to 9, got 'x'"),
    ]


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (None, ((), "expected a mapping, got nothing")),
        ("a", ((), "expected a mapping, got 'a'")),
        ({"name": "nothing"}, (("name",), "stands for nothing")),
        ({"name": "a", "not_an_option": 6}, (("not_an_option",), "unknown key")),
        ({"name": None}, (("name",), "expected text, got nothing")),
        ({"name": "a", True: 1}, (("True",), "expected a text key, got the boolean true")),
    ],
)
def test_one_complaint(value: object, complaint: tuple[tuple[str, ...], str]) -> None:
    assert complaints(value) == [complaint]


def test_reading_some_keys_leaves_the_others_to_the_caller() -> None:
    values, wrong = read_options(Outer, {"name": "a", "inner": 5, "other": 1}, OUTSIDE)
    assert values == {"name": "a"}
    assert wrong == [(("inner",), "expected a mapping, got 5")]


def test_nothing_is_built_while_there_are_complaints() -> None:
    with pytest.raises(Rejected, match="no"):
        build(Outer, {"name": "a"}, [Complaint((), "no")])
    assert build(Outer, {"name": "a"}, []) == Outer(name="a")


def test_gathering_runs_every_reading() -> None:
    def no() -> int:
        raise Rejected("no", Complaint(("deep",), "never"))

    assert gather([((0,), lambda: 1), ((1,), lambda: 2)]) == [1, 2]
    with pytest.raises(Rejected) as rejected:
        gather([((0,), no), ((1,), lambda: 2), ((2,), no)])
    assert rejected.value.complaints == (
        ((0,), "no"),
        ((0, "deep"), "never"),
        ((2,), "no"),
        ((2, "deep"), "never"),
    )
    assert str(rejected.value) == "no; never; no; never"


def test_what_is_shown_can_be_read_again_but_for_secrets() -> None:
    given = {"name": "a", "inner": {"size": 2}, "many": [{"size": 3}], "key": {"env": "KEY"}}
    shown = show_options(READ(given, OUTSIDE))
    assert shown == given | {"key": "<secret>"}


def test_options_that_are_not_set_are_not_shown() -> None:
    assert show_options(Outer(name="a")) == {"name": "a", "inner": {"size": 1}}


def test_the_schema_says_what_is_accepted() -> None:
    known = {"x-takes-effect": "on reload", "x-since": "0.1.0"}
    size = {"type": "integer", "minimum": 1, "maximum": 9}
    inner = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"size": {**size, "description": "how large", **known}},
        "required": [],
    }
    schema = schema_of(Outer)
    properties = schema["properties"]
    assert isinstance(properties, dict)
    assert schema["required"] == ["name"]
    assert properties["inner"] == {**inner, "description": "what is in it", **known}
    assert properties["many"] == {
        "type": "array",
        "items": inner,
        "minItems": 0,
        "description": "more of them",
        **known,
    }


def test_the_schema_says_what_else_is_known_of_an_option() -> None:
    known = option(
        integer(1, 9), doc="how large", live=False, secret=True, unit="bytes", since="0.2.0"
    ).metadata["option"]
    assert known.schema() == {
        "type": "integer",
        "minimum": 1,
        "maximum": 9,
        "description": "how large",
        "x-takes-effect": "on restart",
        "x-secret": True,
        "x-unit": "bytes",
        "x-since": "0.2.0",
    }
    assert option(duration(1, 9), doc="how long").metadata["option"].unit == "seconds"


def test_only_options_are_options() -> None:
    assert list(options_of(Outer)) == ["name", "inner", "many", "key"]
    assert [each.is_required for each in options_of(Outer).values()] == [True, False, False, False]


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("intervall", "; did you mean 'interval'?"),
        ("INTERVAL", "; did you mean 'interval'?"),
        ("time_out", "; did you mean 'timeout'?"),
        ("colour", ""),
        ("", ""),
    ],
)
def test_a_near_miss_gets_a_hint(word: str, hint: str) -> None:
    assert did_you_mean(word, ["interval", "timeout", "rise"]) == hint


@pytest.mark.parametrize(
    ("name", "path"), [("a.pem", "/etc/prober/a.pem"), ("/b/a.pem", "/b/a.pem")]
)
def test_paths_start_where_the_configuration_is(name: str, path: str) -> None:
    assert OUTSIDE.locate(name) == path
