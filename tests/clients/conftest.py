"""The prober that the clients talk to: the daemon, a new one for each test."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.go_client import go_program
from tests.clients.serving import Prober, running


@pytest.fixture
def prober(tmp_path: Path) -> Iterator[Prober]:
    with running(tmp_path) as found:
        yield found


@pytest.fixture(scope="session")
def go_cache() -> Path:
    """Return where Go keeps what it has built, in the cache of the user."""
    go_program()  # skips without it
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
