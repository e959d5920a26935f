"""Rise and fall, by tables and against two plain counters."""

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.model.health import (
    DEGRADED,
    PENDING,
    Health,
    advance,
    degrade,
    explain,
    status_of,
    status_of_one,
)
from prober.model.status import Outcome, Reason, Result, Status
from prober.model.tls_settings import TlsSettings

OK, WARNING, CRITICAL, UNKNOWN = Status.OK, Status.WARNING, Status.CRITICAL, Status.UNKNOWN
BAD = [result for result in Result if result not in (Result.OK, Result.UNKNOWN)]
WORDS = {"g": Result.OK, "b": Result.TIMED_OUT, "?": Result.UNKNOWN}

RESULTS = st.sampled_from(Result)
LIMITS = st.integers(1, 6)
HEALTHS = st.builds(Health, st.sampled_from([None, True, False]), st.integers(-8, 8))


def replay(results: str, *, rise: int = 2, fall: int = 3, start: Health = PENDING) -> Health:
    """Return the health after good (g), bad (b) and inconclusive (?) results."""
    return reduce(lambda h, word: advance(h, WORDS[word], rise=rise, fall=fall), results, start)


def status(health: Health) -> Status:
    return status_of(health, degraded=False, stale=False)


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ("", UNKNOWN),
        ("g", UNKNOWN),
        ("gg", OK),
        ("ggb", WARNING),
        ("ggbb", WARNING),
        ("ggbbb", CRITICAL),
        ("ggbg", OK),
        ("ggbbgbb", WARNING),
        ("ggbbbg", CRITICAL),
        ("ggbbbgb", CRITICAL),
        ("ggbbbgg", OK),
        ("b", UNKNOWN),
        ("bb", UNKNOWN),
        ("bbb", CRITICAL),
        ("bbg", UNKNOWN),
        ("gbgbgbgb", UNKNOWN),
        ("g?g", OK),
        ("gg?", OK),
        ("ggb?b?b", CRITICAL),
        ("ggbbb?", CRITICAL),
        ("????", UNKNOWN),
    ],
)
def test_the_status_with_rise_2_and_fall_3(results: str, expected: Status) -> None:
    assert status(replay(results)) is expected


@pytest.mark.parametrize(
    ("results", "expected"), [("g", OK), ("gb", CRITICAL), ("gbg", OK), ("b", CRITICAL)]
)
def test_with_rise_1_and_fall_1_every_result_decides(results: str, expected: Status) -> None:
    assert status(replay(results, rise=1, fall=1)) is expected


@pytest.mark.parametrize("result", BAD)
def test_every_conclusive_result_but_ok_is_bad(result: Result) -> None:
    assert advance(PENDING, result, rise=2, fall=3) == Health(None, -1)


@given(HEALTHS, LIMITS, LIMITS, st.integers(0, 5))
def test_rise_good_results_in_a_row_lead_to_ok_from_everywhere(
    health: Health, rise: int, fall: int, more: int
) -> None:
    health = replay("g" * (rise + more), rise=rise, fall=fall, start=health)
    assert status(health) is OK


@given(HEALTHS, LIMITS, LIMITS, st.integers(0, 5))
def test_fall_bad_results_in_a_row_lead_to_critical_from_everywhere(
    health: Health, rise: int, fall: int, more: int
) -> None:
    health = replay("b" * (fall + more), rise=rise, fall=fall, start=health)
    assert status(health) is CRITICAL


@given(
    st.sampled_from([None, True, False]), st.integers(2, 6), st.integers(2, 6), st.integers(0, 30)
)
def test_alternating_results_change_no_state(
    online: bool | None, rise: int, fall: int, count: int
) -> None:
    for results in ("gb" * count, "bg" * count):
        start = Health(online, 0)
        assert replay(results, rise=rise, fall=fall, start=start).online is online


@given(HEALTHS, LIMITS, LIMITS)
def test_an_inconclusive_result_changes_nothing(health: Health, rise: int, fall: int) -> None:
    assert advance(health, Result.UNKNOWN, rise=rise, fall=fall) == health


@given(st.lists(RESULTS, max_size=60), LIMITS, LIMITS)
def test_it_equals_two_plain_counters(results: list[Result], rise: int, fall: int) -> None:
    health = PENDING
    online: bool | None = None
    good = bad = 0
    for result in results:
        health = advance(health, result, rise=rise, fall=fall)
        if result is Result.UNKNOWN:
            continue
        if result is Result.OK:
            good, bad = good + 1, 0
        else:
            good, bad = 0, bad + 1
        if good >= rise:
            online = True
        if bad >= fall:
            online = False
        assert health == (online, good - bad)
        if online is None:
            expected = UNKNOWN
        elif online:
            expected = WARNING if bad else OK
        else:
            expected = CRITICAL
        assert status(health) is expected


@pytest.mark.parametrize(
    ("results", "degraded", "stale", "enabled", "expected"),
    [
        ("gg", True, False, True, WARNING),
        ("ggb", True, False, True, WARNING),
        ("g", True, False, True, UNKNOWN),
        ("bbb", True, False, True, CRITICAL),
        ("gg", False, True, True, UNKNOWN),
        ("bbb", False, True, True, UNKNOWN),
        ("gg", False, False, False, UNKNOWN),
        ("bbb", False, False, False, UNKNOWN),
    ],
)
def test_reservations_staleness_and_switching_off_show_in_the_status(
    results: str, degraded: bool, stale: bool, enabled: bool, expected: Status
) -> None:
    found = status_of(replay(results), degraded=degraded, stale=stale, enabled=enabled)
    assert found is expected


DAY = 86400.0
NOW = 1_800_000_000.0


def outcome(
    reason: Reason = Reason.OK,
    seconds: float = 0.5,
    not_after: float | str | None = None,
    of_chain: float | None = None,
) -> Outcome:
    facts = {} if not_after is None else {"tls_not_after": not_after}
    facts |= {} if of_chain is None else {"tls_chain_not_after": of_chain}
    return Outcome(reason, "fine", facts, NOW, seconds)


@pytest.mark.parametrize(
    ("found", "slow", "expires_within", "reason", "detail"),
    [
        (outcome(), None, None, Reason.OK, "fine"),
        (outcome(), 0.5, None, Reason.OK, "fine"),
        (outcome(), 0.499, None, Reason.SLOW, "fine; took 0.500 s, 0.499 s allowed"),
        (outcome(), None, DAY, Reason.OK, "fine"),
        (outcome(not_after=NOW + DAY), None, DAY, Reason.OK, "fine"),
        (
            outcome(not_after=NOW + DAY - 1),
            None,
            DAY,
            Reason.EXPIRES_SOON,
            "fine; certificate expires in 1.0 days",
        ),
        (
            outcome(not_after=NOW - 3 * DAY),
            None,
            DAY,
            Reason.EXPIRES_SOON,
            "fine; certificate expired 3.0 days ago",
        ),
        (
            outcome(not_after=NOW),
            0.1,
            DAY,
            Reason.EXPIRES_SOON,
            "fine; certificate expires in 0.0 days",
        ),
        (
            outcome(not_after=NOW + 9 * DAY),
            0.1,
            DAY,
            Reason.SLOW,
            "fine; took 0.500 s, 0.1 s allowed",
        ),
        (
            outcome(not_after=NOW + 90 * DAY, of_chain=NOW + 2 * DAY),
            None,
            14 * DAY,
            Reason.EXPIRES_SOON,
            "fine; a certificate of its chain expires in 2.0 days",
        ),
        (
            outcome(not_after=NOW + 2 * DAY, of_chain=NOW + 2 * DAY),
            None,
            14 * DAY,
            Reason.EXPIRES_SOON,
            "fine; certificate expires in 2.0 days",
        ),
        (outcome(of_chain=NOW + DAY), None, DAY, Reason.OK, "fine"),
        (outcome(not_after="soon"), None, DAY, Reason.OK, "fine"),
        (outcome(Reason.TIMEOUT, not_after=NOW), 0.1, DAY, Reason.TIMEOUT, "fine"),
        (outcome(Reason.SILENT), 0.1, None, Reason.SILENT, "fine"),
    ],
)
def test_a_good_result_is_reserved_when_it_is_slow_or_its_certificate_ends(
    found: Outcome, slow: float | None, expires_within: float | None, reason: Reason, detail: str
) -> None:
    tls = TlsSettings(expires_within=expires_within)
    assert degrade(found, slow=slow, tls=tls) == found._replace(reason=reason, detail=detail)


@pytest.mark.parametrize(
    ("facts", "reason", "detail"),
    [
        ({}, Reason.OK, "fine"),
        ({"ocsp_next_update": NOW + DAY}, Reason.OK, "fine"),
        ({"ocsp_next_update": "soon"}, Reason.OK, "fine"),
        (
            {"ocsp_next_update": NOW + DAY - 1},
            Reason.EXPIRES_SOON,
            "fine; stapled OCSP response expires in 1.0 days",
        ),
        (
            {"ocsp_next_update": NOW - DAY},
            Reason.EXPIRES_SOON,
            "fine; stapled OCSP response expired 1.0 days ago",
        ),
        (
            {"ocsp_next_update": NOW, "tls_not_after": NOW + 2 * DAY},
            Reason.EXPIRES_SOON,
            "fine; certificate expires in 2.0 days",
        ),
    ],
)
def test_a_good_result_is_reserved_when_its_stapled_response_ends(
    facts: dict[str, float | str], reason: Reason, detail: str
) -> None:
    tls = TlsSettings(ocsp="ask", ocsp_expires_within=DAY, expires_within=14 * DAY)
    found = Outcome(Reason.OK, "fine", facts, NOW, 0.5)
    assert degrade(found, slow=None, tls=tls) == found._replace(reason=reason, detail=detail)


def test_a_reservation_is_a_good_result() -> None:
    assert {reason.result for reason in DEGRADED} == {Result.OK}


FALLS_IN_3 = "3 bad in a row make it CRITICAL"
RECOVERS = "one good result makes it OK"


@pytest.mark.parametrize(
    ("health", "shown", "sentence"),
    [
        (
            PENDING,
            UNKNOWN,
            "undecided: 2 more good in a row make it OK, 3 more bad in a row make it CRITICAL",
        ),
        (
            Health(None, 1),
            UNKNOWN,
            "undecided: 1 more good in a row make it OK, 3 more bad in a row make it CRITICAL",
        ),
        (
            Health(None, -2),
            UNKNOWN,
            "undecided: 2 more good in a row make it OK, 1 more bad in a row make it CRITICAL",
        ),
        (Health(True, 7), OK, f"online: {FALLS_IN_3}"),
        (
            Health(True, 7),
            WARNING,
            f"online, degraded: a result neither slow nor expiring soon makes it OK, {FALLS_IN_3}",
        ),
        (
            Health(True, -1),
            WARNING,
            f"online, failing 1/3: 2 more bad in a row make it CRITICAL, {RECOVERS}",
        ),
        (Health(False, -9), CRITICAL, "offline: 2 more good in a row make it OK"),
        (Health(False, 1), CRITICAL, "offline: 1 more good in a row make it OK"),
        (
            Health(True, 7),
            UNKNOWN,
            "no recent conclusive result, last online: the next conclusive one ends UNKNOWN",
        ),
        (
            Health(False, -3),
            UNKNOWN,
            "no recent conclusive result, last offline: the next conclusive one ends UNKNOWN",
        ),
        (Health(False, 5), CRITICAL, "offline: 1 more good in a row make it OK"),
        (
            Health(True, -5),
            WARNING,
            f"online, failing 5/3: 1 more bad in a row make it CRITICAL, {RECOVERS}",
        ),
    ],
)
def test_it_explains_what_would_change_the_status(
    health: Health, shown: Status, sentence: str
) -> None:
    assert explain(health, shown, rise=2, fall=3) == sentence


@given(HEALTHS, LIMITS, LIMITS)
def test_as_many_results_as_the_explanation_says_do_change_it(
    health: Health, rise: int, fall: int
) -> None:
    sentence = explain(health, status(health), rise=rise, fall=fall)
    words = sentence.replace(",", " ").replace(":", " ").split()
    for word, number in (("good", "g"), ("bad", "b")):
        if f"more {word} in a row" in sentence:
            count = int(words[words.index(word) - 2])
            before = replay(number * (count - 1), rise=rise, fall=fall, start=health)
            after = replay(number, rise=rise, fall=fall, start=before)
            assert before.online is health.online
            assert after.online is (word == "good")


@pytest.mark.parametrize(
    ("found", "slow", "status"),
    [
        (outcome(), None, Status.OK),
        (outcome(Reason.SILENT), None, Status.OK),
        (outcome(), 0.4, Status.WARNING),
        (outcome(Reason.REFUSED), 0.4, Status.CRITICAL),
        (outcome(Reason.NO_DESCRIPTORS), 0.4, Status.UNKNOWN),
    ],
)
def test_one_probe_is_judged_by_itself(found: Outcome, slow: float | None, status: Status) -> None:
    assert status_of_one(degrade(found, slow=slow, tls=None)) is status
