"""`expect_json`: what a clause says of a body."""

import json
from typing import Any

import pytest

from prober.model.option import ReadContext, Rejected
from prober.probes.json_clauses import JSON_CLAUSES, VALUES_LIMIT, ClauseJudge, JsonClause

OUTSIDE = ReadContext("/", str, {})
BODY = {
    "status": "ok",
    "count": 3,
    "ratio": 1.0,
    "up": True,
    "none": None,
    "checks": [{"name": "db", "lag": 2}, {"name": "queue", "lag": 7}],
    "a b": "€",
}


def read(*clauses: object) -> tuple[JsonClause, ...]:
    return JSON_CLAUSES.read(list(clauses), OUTSIDE)


def flaw(*clauses: object, body: object = BODY) -> str:
    text = body if isinstance(body, str) else json.dumps(body)
    return ClauseJudge(read(*clauses)).flaw(text, lambda each, t: each.at_once(t) is not None)


@pytest.mark.parametrize(
    ("clause", "wrong"),
    [
        ({"path": "$.status", "equals": "ok"}, ""),
        ({"path": "$.status", "equals": "OK"}, '$.status is "ok", expected "OK"'),
        ({"path": "$.count", "equals": 3}, ""),
        ({"path": "$.count", "equals": "3"}, '$.count is 3, expected "3"'),
        ({"path": "$.ratio", "equals": 1}, ""),
        ({"path": "$.ratio", "equals": True}, "$.ratio is 1.0, expected true"),
        ({"path": "$.up", "equals": True}, ""),
        ({"path": "$.up", "equals": 1}, "$.up is true, expected 1"),
        ({"path": "$.none", "equals": None}, ""),
        ({"path": "$.none", "equals": False}, "$.none is null, expected false"),
        ({"path": "$.missing", "equals": None}, "$.missing does not exist"),
        ({"path": "$.status", "in": ["ok", "fine"]}, ""),
        ({"path": "$.up", "in": [1, "true"]}, '$.up is true, expected one of [1, "true"]'),
        ({"path": "$.count", "at_least": 3, "at_most": 3}, ""),
        ({"path": "$.count", "at_least": 4}, "$.count is 3, expected at least 4"),
        ({"path": "$.count", "at_most": 2.5}, "$.count is 3, expected at most 2.5"),
        ({"path": "$.up", "at_least": 0}, "$.up is true, expected at least 0"),
        ({"path": "$.status", "matches": "^o"}, ""),
        ({"path": "$.status", "matches": "^k"}, '$.status is "ok", expected a match for "^k"'),
        ({"path": "$.count", "matches": "3"}, '$.count is 3, expected a match for "3"'),
        ({"path": "$.none", "exists": True}, ""),
        ({"path": "$.missing", "exists": True}, "$.missing does not exist"),
        ({"path": "$.missing", "exists": False}, ""),
        ({"path": "$.none", "exists": False}, "$.none exists"),
        ({"path": "$.checks[*].lag", "at_most": 7}, ""),
        ({"path": "$.checks[*].lag", "at_most": 6}, "$.checks[*].lag is 7, expected at most 6"),
        ({"path": "$.checks[?@.name=='db'].lag", "equals": 2}, ""),
        ({"path": "$.checks[?@.name=='x'].lag", "equals": 2}, "does not exist"),
        ({"path": "$..name", "in": ["db", "queue"]}, ""),
        ({"path": "$.checks", "equals": "x"}, '$.checks is an array, expected "x"'),
        ({"path": "$['a b']", "equals": "€"}, ""),
        ({"path": "$[0]", "exists": False}, ""),
    ],
)
def test_a_clause_holds_for_every_value_at_its_path(clause: object, wrong: str) -> None:
    found = flaw(clause)
    assert found.endswith(wrong) if wrong else not found, found


def test_all_clauses_must_hold() -> None:
    good, bad = {"path": "$.up", "equals": True}, {"path": "$.count", "equals": 1}
    assert not flaw(good, good)
    assert flaw(good, bad) == flaw(bad, good) == "$.count is 3, expected 1"


@pytest.mark.parametrize("body", ["", "{", "ok", "{'a': 1}", "[NaN]", "[" * 100_000, "1" * 5000])
def test_what_is_no_json_is_a_flaw(body: str) -> None:
    assert flaw({"path": "$", "exists": True}, body=body).startswith("the body is not JSON")


def test_a_body_that_would_take_long_is_not_looked_at() -> None:
    path = {"path": "$..x", "exists": False}
    assert not flaw(path, body=[[0]] * 1000)
    assert "more than" in flaw(path, body=f"[{'0,' * (VALUES_LIMIT + 1)}0]")


def test_a_value_that_is_shown_is_not_long() -> None:
    assert len(flaw({"path": "$", "equals": 1}, body='"' + "x" * 10_000 + '"')) < 200


@pytest.mark.parametrize(
    ("clauses", "message"),
    [
        ([], "expected at least 1 in the list"),
        ([{"path": "$.a"}], "expected at least one of equals, matches, in"),
        ([{"equals": 1}], "missing key 'path'"),
        ([{"path": "a", "equals": 1}], "expected a JSONPath"),
        ([{"path": "$.a[", "equals": 1}], "not a JSONPath: "),
        ([{"path": "$..a..b", "equals": 1}], "expected one [$] and at most one [.][.]"),
        ([{"path": "$[?@.a==$.b]", "equals": 1}], "expected one [$] and at most one [.][.]"),
        ([{"path": "$[?match(@.a, 'x')]", "exists": True}], "not a JSONPath"),
        ([{"path": "$.a", "equals": [1]}], "expected null, true, false, a number or text"),
        ([{"path": "$.a", "equals": float("nan")}], "expected a finite number"),
        ([{"path": "$.a", "in": []}], "expected at least 1"),
        ([{"path": "$.a", "at_least": True}], "expected a number"),
        ([{"path": "$.a", "matches": "("}], "not a regular expression"),
        ([{"path": "$.a", "equal": 1}], "did you mean 'equals'"),
        ([{"path": "$.a", "exists": False, "equals": 1}], "leaves nothing"),
        ([{"path": "$.a", "equals": 1}] * 101, "expected at most 100 clauses"),
    ],
)
def test_what_makes_no_sense_is_refused(clauses: list[object], message: str) -> None:
    with pytest.raises(Rejected, match=message):
        read(*clauses)


def test_clauses_that_python_takes_for_equal_are_not() -> None:
    one, true = ({"path": "$.a", "equals": value} for value in (1, True))
    assert read(one) != read(true)
    assert JSON_CLAUSES.show(read(one, true)) == [one, true]


def test_without_the_extra_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    modules: dict[str, Any] = {"jsonpath": None}
    monkeypatch.setitem(__import__("sys").modules, "jsonpath", modules["jsonpath"])
    with pytest.raises(Rejected, match="extra 'json', which is not installed"):
        read({"path": "$.a", "equals": 1})
