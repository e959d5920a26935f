"""Every probe type on the schedule, in simulated time."""

from itertools import pairwise

import pytest

from prober.config.advice import advice
from prober.model.monitor import UDP_PACE
from prober.model.status import Reason
from tests.contract.made_up import TYPES, MadeUpProbe
from tests.simulation import Simulation, model_of
from tests.web.world import example


@pytest.mark.parametrize("name", TYPES)
def test_five_probes_a_second_of_one_host_are_no_overload(name: str) -> None:
    """Unless silence may be good: then they are as far apart as a refusal needs to be noticed."""
    sim = Simulation()
    probe = example(name)
    model = model_of("192.0.2.1", interval=0.2, fast_interval=0.2, probe=probe)
    (state,) = sim.watch(model)
    sim.clock.advance(60)
    times = sim.times(state)
    if probe.paced:
        assert all(b - a >= UDP_PACE - 1e-6 for a, b in pairwise(times))
    else:
        assert len(times) >= 295
        assert not sim.load.late
        assert sim.skips == {}
    assert sim.load.overload is None
    assert any("kept" in each.text for each in advice(model)) is probe.paced


@pytest.mark.parametrize("name", TYPES)
def test_what_does_not_answer_is_down_unless_silence_is_good(name: str) -> None:
    sim = Simulation()
    probe = example(name)
    sim.engine.answer = lambda _: Reason.SILENT if probe.paced else Reason.TIMEOUT
    (state,) = sim.watch(model_of("192.0.2.1", interval=5, probe=probe))
    sim.clock.advance(60)
    assert state.health.online is probe.paced


def test_a_type_says_which_of_its_options_are_hardly_meant() -> None:
    for times, said in ((2, []), (3, ["the word is sent three times"])):
        model = model_of("192.0.2.1", probe=MadeUpProbe(word="hello", times=times))
        found = [each.text for each in advice(model) if "the word" in each.text]
        assert len(found) == len(said)
        assert all(words in each for words, each in zip(said, found, strict=True))
