"""The prober that the clients talk to, a new one for each test."""

from collections.abc import Iterator

import pytest

from tests.clients.serving import Prober, serving


@pytest.fixture
def prober() -> Iterator[Prober]:
    with serving() as found:
        yield found
