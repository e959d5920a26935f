"""The grid: where its points are, and how they are counted."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from prober.model.health import Health
from prober.model.schedule import (
    first_due,
    interval_for,
    next_due,
    phase,
    slots_between,
    spread,
)

NUMBERS = st.integers(0, 2**64 - 1)
TIMES = st.floats(0, 1e7)
INTERVALS = st.one_of(st.integers(100, 86_400_000).map(lambda ms: ms / 1000), st.floats(0.1, 86400))
CLOSE = 2e-6


@given(NUMBERS, INTERVALS, TIMES)
def test_the_next_point_is_the_first_on_the_grid_after_now(
    number: int, interval: float, now: float
) -> None:
    offset = phase(number, interval)
    due = next_due(now, interval, offset)
    assert now < due <= now + interval + CLOSE
    assert math.isclose((due - offset) / interval, round((due - offset) / interval), abs_tol=1e-6)


@given(NUMBERS, INTERVALS, TIMES)
def test_points_follow_each_other_at_the_interval(number: int, interval: float, now: float) -> None:
    offset = phase(number, interval)
    for _ in range(20):
        due = next_due(now, interval, offset)
        following = next_due(due, interval, offset)
        assert math.isclose(following - due, interval, abs_tol=CLOSE)
        assert slots_between(due, following, interval, offset) == 1
        now = due


@given(
    number=NUMBERS,
    fast=st.sampled_from([0.1, 0.3, 0.5, 1.0, 1.1, 2.5]),
    factor=st.integers(1, 50),
    slot=st.integers(0, 10**6),
)
def test_a_point_of_two_grids_is_one_slot(number: int, fast: float, factor: int, slot: int) -> None:
    slow = fast * factor
    offset = phase(number, slow)
    shared = next_due(slot * slow, slow, offset)
    assert next_due(shared, fast, phase(number, fast)) > shared + fast - CLOSE
    again = next_due(shared - fast, fast, phase(number, fast))
    assume(abs(again - shared) < CLOSE)
    assert next_due(again, slow, offset) > again + slow - CLOSE


@given(number=NUMBERS, factor=st.integers(1, 60))
def test_the_grid_of_whole_seconds_holds_those_of_their_multiples(number: int, factor: int) -> None:
    assert phase(number, float(factor)) % 1 == pytest.approx(phase(number, 1.0) % 1, abs=1e-6)


@given(NUMBERS, INTERVALS, TIMES, st.integers(0, 50))
def test_skipped_slots_are_counted(number: int, interval: float, now: float, late: int) -> None:
    offset = phase(number, interval)
    start = end = next_due(now, interval, offset)
    for _ in range(late):
        end = next_due(end, interval, offset)
    assert slots_between(start, end, interval, offset) == late
    assert slots_between(start, end + interval / 2, interval, offset) == late
    assert slots_between(end, start, interval, offset) == 0


@pytest.mark.parametrize(
    ("start", "end", "count"),
    [
        (7.0, 7.0, 0),
        (7.0, 11.9, 0),
        (7.0, 12.0, 1),
        (6.9, 7.0, 1),
        (6.9, 12.0, 2),
        (7.0, 107.0, 20),
        (12.0, 7.0, 0),
    ],
)
def test_slots_lie_after_the_start_and_not_after_the_end(
    start: float, end: float, count: int
) -> None:
    assert slots_between(start, end, 5.0, 2.0) == count


@given(NUMBERS, INTERVALS)
def test_a_phase_lies_within_its_interval(number: int, interval: float) -> None:
    assert 0 <= phase(number, interval) < interval


def test_the_phase_depends_on_key_and_interval_only() -> None:
    # fixed numbers: another version or another machine must find the same grid
    number = spread("web-http", "10.0.0.3:8080")
    assert number == 13308741234464922713
    assert (phase(number, 5.01), phase(number, 0.51)) == (3.522713, 0.222713)
    assert (phase(number, 5.0), phase(number, 0.5)) == (4.9, 0.4)
    assert spread("web", "a:1") != spread("web", "a:2")
    assert spread("a", "bc") != spread("ab", "c")


def test_phases_spread_evenly() -> None:
    tenths = [0] * 10
    for i in range(10_000):
        tenths[int(phase(spread("m", f"10.0.{i // 256}.{i % 256}:80"), 5.0) * 2)] += 1
    assert min(tenths) > 850
    assert max(tenths) < 1150


@given(NUMBERS, TIMES, st.integers(1, 100_000))
def test_the_first_probes_are_spread_over_a_second_per_thousand_checks(
    number: int, now: float, checks: int
) -> None:
    assert now <= first_due(now, number, checks) <= now + checks / 1000


def test_the_first_probes_use_the_whole_spread() -> None:
    due = [first_due(0.0, spread("m", str(i)), 1000) for i in range(1000)]
    assert min(due) < 0.02
    assert max(due) > 0.98


@pytest.mark.parametrize(
    ("health", "interval"),
    [
        (Health(None, 0), 1.0),
        (Health(None, 1), 1.0),
        (Health(None, -1), 1.0),
        (Health(True, 2), 5.0),
        (Health(True, -1), 1.0),
        (Health(False, -3), 30.0),
        (Health(False, 1), 1.0),
    ],
)
def test_each_state_has_its_interval(health: Health, interval: float) -> None:
    found = interval_for(health, interval=5.0, fast_interval=1.0, down_interval=30.0)
    assert found == interval
