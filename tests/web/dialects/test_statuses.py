"""What single results are called at Huawei."""

import pytest

from prober.model.status import NO_PHASES, PHASES, Outcome, Phases, Reason
from prober.web.dialects.lbaas.status_names import TIMEOUT_CODES, reason_code


def outcome(reason: Reason, phases: Phases = NO_PHASES) -> Outcome:
    return Outcome(reason, "", None, 0.0, 1.0, phases)


@pytest.mark.parametrize("phase", PHASES)
def test_a_timeout_is_called_by_the_phase_that_it_came_in(phase: str) -> None:
    reached = PHASES.index(phase) + 1
    phases = (0.1,) * reached + (None,) * (len(PHASES) - reached)
    assert reason_code(outcome(Reason.TIMEOUT, phases)) == TIMEOUT_CODES[phase]


def test_a_timeout_of_a_datagram_is_one_of_its_answer() -> None:
    assert reason_code(outcome(Reason.TIMEOUT)) == "RECV_RESPONSE_TIMEOUT"


@pytest.mark.parametrize("reason", [Reason.OK, Reason.SILENT, Reason.SLOW, Reason.NO_ROUTE])
def test_what_is_not_bad_has_no_code(reason: Reason) -> None:
    assert reason_code(outcome(reason)) is None
