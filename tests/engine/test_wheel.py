"""The timing wheel."""

from itertools import pairwise
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.engine.wheel import TICK, Wheel

CLOSE = 2e-6


@given(st.lists(st.floats(min_value=0, max_value=100)), st.floats(min_value=0, max_value=101))
def test_what_is_due_comes_out_tick_by_tick_and_never_early(whens: list[float], now: float) -> None:
    wheel = Wheel()
    for item, when in enumerate(whens):
        wheel.add(when, item)
    out = wheel.pop(now)
    assert all(whens[item] <= now + CLOSE for item in out)
    assert {item for item, when in enumerate(whens) if when <= now - 2 * TICK} <= set(out)
    assert all(whens[one] < whens[later] + TICK + CLOSE for one, later in pairwise(out))


@given(st.integers(1, 10**9))
def test_what_is_due_at_a_tick_comes_out_at_that_tick(number: int) -> None:
    due = floor(number / 40) + number % 40 * TICK  # summed up as the schedule does it
    wheel = Wheel()
    wheel.add(due, "here")
    assert wheel.next() == pytest.approx(due, abs=CLOSE)


def test_what_was_removed_wakes_nobody() -> None:
    wheel = Wheel()
    wheel.add(1.0, "gone")
    wheel.add(2.0, "here")
    wheel.remove(1.0, "gone")
    wheel.remove(1.0, "never there")
    wheel.remove(5.0, "here")
    due = wheel.next()
    assert due is not None
    assert 2.0 <= due <= 2.0 + 2 * TICK
    assert wheel.pop(due) == ["here"]
    assert wheel.next() is None
