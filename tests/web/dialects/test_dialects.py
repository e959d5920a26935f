"""What holds for every cloud API."""

import re

from prober.web.dialects import DIALECTS
from prober.web.routes import ROUTES

PATHS = {
    re.sub(r"\{\w+\}", "x", route.path): dialect for dialect in DIALECTS for route in dialect.routes
}


def test_every_path_of_a_cloud_is_answered_in_its_form_and_in_no_other() -> None:
    for path, dialect in PATHS.items():
        assert [each.name for each in DIALECTS if each.paths.match(path)] == [dialect.name], path


def test_no_path_of_the_native_api_is_answered_in_the_form_of_a_cloud() -> None:
    for route in ROUTES:
        path = re.sub(r"\{\w+\}", "x", route.path)
        assert not [each.name for each in DIALECTS if each.paths.match(path)], path
