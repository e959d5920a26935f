"""What becomes of one endpoint of Gatus, and of its conditions."""

import json
from typing import Any

import pytest

from prober.importing.draft import Draft, Fate
from prober.importing.formats import import_from

URL = "http://127.0.0.1:8080/"


def imported(**given: object) -> Draft:
    endpoint = {"name": "e", "url": URL, **given}
    return import_from("gatus", [("a", json.dumps({"endpoints": [endpoint]}))])


def keys_of(**given: object) -> dict[str, Any]:
    (monitor,) = imported(**given).monitors
    return monitor.keys


@pytest.mark.parametrize(
    ("condition", "key", "value"),
    [
        ("[STATUS] == 204", "expected_codes", "204"),
        ("[STATUS] == any(200, 204)", "expected_codes", "200,204"),
        ("[STATUS] < 300", "expected_codes", "100-299"),
        ("[BODY] == any(up, o.k)", "body_regex", r"^up$|^o\.k$"),
        ("[BODY].a == up", "expect_json", [{"path": "$.a", "equals": "up"}]),
        ("[BODY].a == true", "expect_json", [{"path": "$.a", "equals": True}]),
        ("[BODY].a == any(x, -5, false)", "expect_json", [{"path": "$.a", "in": ["x", -5, False]}]),
        ("[BODY].a == pat(*x*)", "expect_json", [{"path": "$.a", "matches": "x"}]),
        ("[BODY].a == pat(x*)", "expect_json", [{"path": "$.a", "matches": "^x"}]),
        ("[BODY].a == pat(*x)", "expect_json", [{"path": "$.a", "matches": "x$"}]),
        ("[BODY].a == pat(x*y)", "expect_json", [{"path": "$.a", "matches": "^x[\\s\\S]*y$"}]),
        ("[BODY].a == pat(*)", "expect_json", [{"path": "$.a", "matches": "^"}]),
        ("[BODY].a[0].b >= 5", "expect_json", [{"path": "$.a[0].b", "at_least": 5}]),
        ("[BODY].a <= 5", "expect_json", [{"path": "$.a", "at_most": 5}]),
    ],
)
def test_a_condition_becomes_a_key(condition: str, key: str, value: object) -> None:
    assert keys_of(conditions=[condition])[key] == value


@pytest.mark.parametrize(
    "condition", ["[BODY].a != 5", "[BODY] != x", "has([BODY].a) == true", "[IP] == ::1", "x"]
)
def test_a_condition_without_a_counterpart_is_named(condition: str) -> None:
    draft = imported(conditions=[condition])
    assert [each.text for each in draft.notes if each.fate is Fate.LEFT_OUT] == [
        f"condition {condition}"
    ]


def test_redirects_are_followed_unless_the_client_ignores_them() -> None:
    assert keys_of()["follow_redirects"] is True
    assert "follow_redirects" not in keys_of(client={"ignore-redirect": True})


def test_an_echo_request_is_one_here_as_well() -> None:
    found = keys_of(url="icmp://127.0.0.1")
    assert (found["type"], found["targets"]) == ("ICMP", ["127.0.0.1"])


def test_an_external_endpoint_is_left_out() -> None:
    text = json.dumps({"external-endpoints": [{"name": "e", "token": "t"}]})
    draft = import_from("gatus", [("a", text)])
    assert draft.monitors == []
    assert [(each.fate, "reports by itself" in each.text) for each in draft.notes] == [
        (Fate.LEFT_OUT, True)
    ]
