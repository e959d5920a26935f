"""What does not work as it should although everything is probed."""

from typing import Any

import pytest

from prober.model.delay import Delay
from prober.state.load import Load, Overload
from prober.state.vitals import ListHealth, Vitals

OVERLOAD = Overload(0.5, Delay.CPU)
BUSY = Load()
BUSY.overload = OVERLOAD
UP, DOWN = ListHealth(True, 1.0), ListHealth(False, 1.0)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, []),
        ({"load": BUSY}, [f"overloaded: {OVERLOAD.sentence}"]),
        ({"state_trouble": "disk full"}, ["the state cannot be stored"]),
        ({"cluster_trouble": "etcd is away"}, ["etcd is away"]),
        ({"config_ok": False}, ["the last reload was rejected"]),
        ({"target_lists": {"a": UP, "b": DOWN}}, ["1 target list is not up to date"]),
        ({"target_lists": {"a": DOWN, "b": DOWN}}, ["2 target lists are not up to date"]),
        (
            {"config_ok": False, "target_lists": {"a": DOWN}},
            ["the last reload was rejected", "1 target list is not up to date"],
        ),
    ],
)
def test_each_trouble_has_its_words(more: dict[str, Any], words: list[str]) -> None:
    assert Vitals(name="p", version="1", started_at=0.0, **more).degradations() == words


def test_a_configuration_that_was_taken_ends_the_rejection() -> None:
    vitals = Vitals(name="p", version="1", started_at=0.0, config_ok=False)
    vitals.loaded("abc", 5.0)
    assert vitals.degradations() == []
    assert (vitals.config_hash, vitals.config_loaded_at) == ("abc", 5.0)
