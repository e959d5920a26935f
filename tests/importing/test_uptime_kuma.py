"""What becomes of one monitor of Uptime Kuma."""

import json
from typing import Any

import pytest

from prober.importing.draft import Draft, Fate
from prober.importing.formats import import_from

HTTP = {"type": "http", "url": "http://127.0.0.1:8080/"}
KEYWORD = {**HTTP, "type": "keyword", "keyword": "a+b"}


def imported(**given: object) -> Draft:
    text = json.dumps({"monitorList": [{"name": "m", **given}]})
    return import_from("uptime-kuma", [("a", text)])


def left_out(draft: Draft) -> list[str]:
    return [each.text for each in draft.notes if each.fate is Fate.LEFT_OUT]


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        (KEYWORD, {"body_regex": r"a\+b", "reject_body_regex": None}),
        ({**KEYWORD, "invertKeyword": True}, {"reject_body_regex": r"a\+b", "body_regex": None}),
        ({**HTTP, "maxredirects": 25}, {"follow_redirects": 10}),
        ({**HTTP, "maxredirects": 0}, {"follow_redirects": None}),
        ({**HTTP, "headers": '{"X-A": 1}'}, {"headers": {"X-A": "1"}}),
        ({**HTTP, "headers": "X-A: 1"}, {"headers": None}),
        ({"type": "ping", "hostname": "127.0.0.1"}, {"type": "ICMP", "targets": ["127.0.0.1"]}),
    ],
)
def test_a_monitor_becomes_keys(given: dict[str, Any], keys: dict[str, Any]) -> None:
    (monitor,) = imported(**given).monitors
    assert {key: monitor.keys.get(key) for key in keys} == keys


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({**HTTP, "basic_auth_user": "u"}, "basic authentication: add it by hand, see docs"),
        ({**KEYWORD, "keyword": "", "invertKeyword": True}, "an inverted keyword"),
        ({**HTTP, "type": "json-query", "jsonPath": "$.a"}, "the query $.a"),
    ],
)
def test_what_a_monitor_loses_is_named(given: dict[str, Any], why: str) -> None:
    draft = imported(**given)
    assert len(draft.monitors) == 1
    assert left_out(draft) == [why]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({**HTTP, "upsideDown": True}, "monitor m: upside down"),
        ({"type": "docker"}, "monitor m: prober has no monitors of the type docker"),
    ],
)
def test_a_monitor_without_a_counterpart_is_named(given: dict[str, Any], why: str) -> None:
    draft = imported(**given)
    assert draft.monitors == []
    assert left_out(draft) == [why]
