"""The documents of the clouds say what the code does."""

import re
from collections.abc import Mapping

import pytest

from prober.model.status import Reason, Result, Status
from prober.web.dialects.huawei import huawei_v3, huawei_v3_filters
from prober.web.dialects.lbaas.monitor_format import HUAWEI_V3, OCTAVIA, Vocabulary
from prober.web.dialects.lbaas.status_names import (
    HUAWEI,
    NO_MONITOR,
    OPENSTACK,
    REASON_CODES,
    TIMEOUT_CODES,
    StatusNames,
)
from prober.web.dialects.lbaas.tag_routes import V2_TAG_ROUTES, V3_TAG_ROUTES
from prober.web.dialects.openstack import octavia
from tests.web.test_docs import DOCS, rows

UNPROBED = ("not probed by any enabled monitor", NO_MONITOR)
UNDECIDED = "a member that is still pending"


def table(name: str, heading: str) -> list[tuple[str, str]]:
    """Return the first two cells of each row, without the marks of code."""
    found = rows(f"clouds/{name}.md", heading)
    return [(first.replace("`", ""), second.replace("`", "")) for first, second, *_ in found]


@pytest.mark.parametrize(("name", "vocabulary"), [("octavia", OCTAVIA), ("huawei", HUAWEI_V3)])
def test_every_field_stands_in_the_table_with_its_key(name: str, vocabulary: Vocabulary) -> None:
    documented = table(name, "field | key of the configuration | takes")
    assert sorted(documented) == sorted((each, field.key) for each, field in vocabulary.items())


@pytest.mark.parametrize(("name", "words"), [("octavia", OPENSTACK), ("huawei", HUAWEI)])
def test_every_status_stands_in_the_table(name: str, words: StatusNames) -> None:
    expected = [(str(status), words.by_status[status]) for status in Status]
    if words.undecided not in words.by_status.values():
        expected.append((UNDECIDED, words.undecided))
    assert table(name, "prober | operating_status") == [*expected, UNPROBED]


def test_every_bad_reason_stands_in_the_table() -> None:
    expected = [(str(reason), code) for reason, code in REASON_CODES.items()]
    expected += [(f"timeout in the phase {phase}", code) for phase, code in TIMEOUT_CODES.items()]
    assert table("huawei", "prober | reason_code") == expected
    bad = {reason for reason in Reason if reason.result not in (Result.OK, Result.UNKNOWN)}
    assert bad == {*REASON_CODES, Reason.TIMEOUT}


EMPTY = {"octavia": octavia.EMPTY, "huawei": huawei_v3.EMPTY}
ROUTES: Mapping[str, set[tuple[str, str]]] = {
    "octavia": {
        (route.method, route.path.removeprefix("/v2.0/lbaas"))
        for route in octavia.DIALECT.routes
        if route.path.startswith("/v2.0/lbaas/")
    },
    "huawei": {
        (route.method, route.path.removeprefix("/v3/{project_id}/elb"))
        for route in huawei_v3.DIALECT.routes
        if route.path.startswith("/v3/{project_id}/elb/")
    },
}


def routes_in(text: str) -> set[tuple[str, str]]:
    """Return the methods and paths in a text."""
    found: set[tuple[str, str]] = set()
    for methods, path in re.findall(r"((?:[A-Z]+(?:, )?)+) (/[^ ,\n]+)", text):
        found |= {(method, path) for method in methods.split(", ")}
    return found


@pytest.mark.parametrize(
    ("name", "prefix"), [("octavia", "/v2.0/lbaas"), ("huawei", "/v3/{project_id}/elb")]
)
def test_every_route_stands_in_the_table(name: str, prefix: str) -> None:
    text = "\n".join(second for _, second in table(name, f"operation | at `{prefix}`"))
    documented = routes_in(text)
    if name == "octavia":
        assert "also …/statuses" in text
        documented.add(("GET", "/loadbalancers/{id}/statuses"))
    none = tuple(path for _, _, path in EMPTY[name])
    assert documented == {route for route in ROUTES[name] if not route[1].startswith(none)}
    text = (DOCS / f"clouds/{name}.md").read_text()
    assert not [path for path in none if f"`{path}`" not in text]


def test_every_route_of_tags_stands_in_the_table() -> None:
    heading = "operation | at `/v2.0/{project_id}` | at `/v3/{project_id}`"
    listed = [(v2.replace("`", ""), v3) for _, v2, v3 in rows("clouds/huawei.md", heading)]
    for routes, versions in (
        (V2_TAG_ROUTES, listed),
        (V3_TAG_ROUTES, [row for row in listed if row[1] == "the same"]),
    ):
        documented = routes_in("\n".join(v2 for v2, _ in versions))
        documented |= {(m, path.replace("loadbalancers", "listeners")) for m, path in documented}
        assert documented == {(route.method, route.path) for route in routes}


def test_every_filter_is_named() -> None:
    for name, filters in (
        ("octavia", octavia.HEALTHMONITOR_FILTERS),
        ("huawei", huawei_v3_filters.HEALTHMONITOR_FILTERS),
    ):
        text = (DOCS / f"clouds/{name}.md").read_text()
        missing = [
            each.parameter.name for each in filters if f"`{each.parameter.name}`" not in text
        ]
        assert not missing, name
