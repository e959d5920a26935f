"""The words for what was found: a closed set, each reason meaning one result."""

import pickle

import pytest

from prober.model.status import NO_PHASES, PHASES, Outcome, Reason, Result, Status


def by_word(word: str) -> Reason:
    return Reason(word)  # type: ignore[call-arg]  # mypy takes looking up for making


def test_the_reasons_are_a_small_closed_set() -> None:
    assert len(Reason) <= 40


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_a_word_with_a_result_and_a_sentence(reason: Reason) -> None:
    assert reason == reason.name.lower()
    assert by_word(str(reason)) is reason
    assert isinstance(reason.result, Result)
    assert reason.sentence
    assert reason.sentence[-1] != "."
    assert pickle.loads(pickle.dumps(reason)) is reason


def test_no_two_reasons_say_the_same() -> None:
    assert len({reason.sentence for reason in Reason}) == len(Reason)


def test_every_result_has_a_reason() -> None:
    assert {reason.result for reason in Reason} == set(Result)


def test_the_results_are_those_of_the_contract() -> None:
    assert " ".join(Result) == (
        "OK INVALID_STATUS_CODE TIMED_OUT HEALTH_PAYLOAD_MISMATCH CONNECT_FAILED UNKNOWN"
    )


@pytest.mark.parametrize(
    ("reason", "result"),
    [
        ("dns_not_found", Result.CONNECT_FAILED),
        ("dns_unavailable", Result.UNKNOWN),
        ("bad_response", Result.HEALTH_PAYLOAD_MISMATCH),
        ("regex_timeout", Result.HEALTH_PAYLOAD_MISMATCH),
        ("closed", Result.CONNECT_FAILED),
        ("reset", Result.CONNECT_FAILED),
        ("refused", Result.CONNECT_FAILED),
        ("tls_expired", Result.CONNECT_FAILED),
        ("disabled", Result.UNKNOWN),
        ("stalled", Result.UNKNOWN),
        ("no_descriptors", Result.UNKNOWN),
    ],
)
def test_reasons_that_the_contract_names_mean_what_it_says(reason: str, result: Result) -> None:
    assert by_word(reason).result is result


@pytest.mark.parametrize(
    ("status", "in_service"),
    [
        (Status.OK, True),
        (Status.WARNING, True),
        (Status.CRITICAL, False),
        (Status.UNKNOWN, False),
    ],
)
def test_ok_and_warning_are_in_service(status: Status, in_service: bool) -> None:
    assert status.in_service is in_service


def test_an_outcome_has_the_result_of_its_reason_and_a_place_for_each_phase() -> None:
    outcome = Outcome(Reason.TIMEOUT, "late", None, 0.0, 2.0)
    assert outcome.result is Result.TIMED_OUT
    assert len(outcome.phases) == len(NO_PHASES) == len(PHASES)
