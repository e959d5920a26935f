"""The prober that the clients talk to: the daemon, a new one for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.serving import Prober, running


@pytest.fixture
def prober(tmp_path: Path) -> Iterator[Prober]:
    with running(tmp_path) as found:
        yield found
