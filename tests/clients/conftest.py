"""The prober that the clients talk to: the daemon, a new one for each test."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.serving import Prober, running


@pytest.fixture
def prober(tmp_path: Path) -> Iterator[Prober]:
    with running(tmp_path) as found:
        yield found


@pytest.fixture(scope="session")
def go_cache() -> Path:
    """Return where Go keeps what it has built, in the cache of the user."""
    if not shutil.which("go"):
        pytest.skip("Go is not installed")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
