"""The timing wheel."""

from hypothesis import given
from hypothesis import strategies as st

from prober.engine.wheel import TICK, Wheel


@given(st.lists(st.floats(min_value=0, max_value=100)), st.floats(min_value=0, max_value=101))
def test_what_is_due_comes_out_in_order_and_never_early(whens: list[float], now: float) -> None:
    wheel: Wheel[int] = Wheel()
    for item, when in enumerate(whens):
        wheel.add(when, item)
    out = wheel.pop(now)
    assert all(whens[item] <= now for item in out)
    assert {item for item, when in enumerate(whens) if when <= now - 2 * TICK} <= set(out)
    assert [int(whens[item] / TICK) for item in out] == sorted(int(whens[i] / TICK) for i in out)


def test_what_was_removed_wakes_nobody() -> None:
    wheel: Wheel[str] = Wheel()
    tick = wheel.add(1.0, "gone")
    wheel.add(2.0, "here")
    wheel.remove(tick, "gone")
    wheel.remove(tick, "never there")
    due = wheel.next()
    assert due is not None
    assert 2.0 <= due <= 2.0 + 2 * TICK
    assert wheel.pop(due) == ["here"]
    assert wheel.next() is None
