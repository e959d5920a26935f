"""What the fault suite needs of the machine."""

import pytest

from tests.faults import namespaces


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs namespaces where there can be none, and say why."""
    if item.get_closest_marker("namespaces") and (reason := namespaces.missing()):
        pytest.skip(reason)
