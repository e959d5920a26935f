"""What holds for every cloud API."""

import re

import pytest

from prober.web.dialects import DIALECTS
from prober.web.routes import ROUTES
from prober.web.server.dialect import Dialect, DialectEntry
from tests.web.conftest import Client

SPOKEN = [(entry, entry.load()) for entry in DIALECTS]
PATHS = {
    re.sub(r"\{\w+\}", "x", route.path): entry
    for entry, dialect in SPOKEN
    for route in dialect.routes
}


def test_every_path_of_a_cloud_is_answered_in_its_form_and_in_no_other() -> None:
    for path, entry in PATHS.items():
        assert [each for each in DIALECTS if each.paths.match(path)] == [entry], path


def test_no_path_of_the_native_api_is_answered_in_the_form_of_a_cloud() -> None:
    for route in ROUTES:
        path = re.sub(r"\{\w+\}", "x", route.path)
        assert not [each for each in DIALECTS if each.paths.match(path)], path


@pytest.mark.parametrize(("entry", "dialect"), SPOKEN, ids=[each.name for _, each in SPOKEN])
def test_every_route_of_a_cloud_is_below_a_prefix_of_its_entry(
    entry: DialectEntry, dialect: Dialect
) -> None:
    for route in dialect.routes:
        assert any(f"{route.path}/".startswith(f"{each}/") for each in entry.prefixes), route.path


def test_every_route_of_a_cloud_is_served(client: Client) -> None:
    served = {
        (route.method, route.resource.canonical)
        for route in client.app.router.routes()
        if route.resource
    }
    assert served >= {(e.method, e.path) for _, dialect in SPOKEN for e in dialect.routes}
