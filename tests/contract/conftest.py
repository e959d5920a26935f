"""Every test of the contract knows the type that is made up."""

from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import cast

import pytest

from prober.model.probe import Probe
from prober.probes import PROBE_TYPES
from prober.state.database import Database
from tests.contract.made_up import NAME, MadeUpProbe
from tests.web.world import World


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let prober have the type as long as a test runs."""
    monkeypatch.setitem(cast("MutableMapping[str, type[Probe]]", PROBE_TYPES), NAME, MadeUpProbe)


@pytest.fixture
def kept_world(tmp_path: Path) -> Iterator[World]:
    """Yield a world with a state directory."""

    def report(what: str, detail: str) -> None:
        raise AssertionError(f"{what}: {detail}")

    world = World(Database(str(tmp_path / "state"), report=report))
    yield world
    world.end()
