"""Every test of the contract knows the type that is made up."""

from collections.abc import MutableMapping
from typing import cast

import pytest

from prober.model.probe import Probe
from prober.probes import PROBE_TYPES
from tests.contract.made_up import NAME, MadeUpProbe


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let prober have the type as long as a test runs."""
    monkeypatch.setitem(cast("MutableMapping[str, type[Probe]]", PROBE_TYPES), NAME, MadeUpProbe)
