"""Whether the daemon itself is alive, whatever its targets do."""

import asyncio

import pytest

from prober.state.heartbeat import HUNG, HUNG_IN_OVERLOAD, ailment, examine, waited_for_cpu
from prober.state.vitals import Vitals


@pytest.mark.parametrize(
    ("overdue", "turn", "wrong"),
    [
        (0.0, 0.0, None),
        (HUNG, HUNG, None),
        (HUNG + 1, 0.0, "the schedule does not advance: something has been overdue for 6.0 s"),
        (0.0, HUNG + 1, "one turn of the event loop took 6.0 s"),
    ],
)
def test_lateness_beyond_the_limit_is_named(overdue: float, turn: float, wrong: str | None) -> None:
    assert ailment(overdue=overdue, turn=turn, overloaded=False) == wrong


def test_a_daemon_without_cpu_time_is_overloaded_and_not_dead() -> None:
    assert ailment(overdue=30.0, turn=30.0, waited=29.0, overloaded=False) is None
    assert ailment(overdue=30.0, turn=1.0, overloaded=True) is None
    assert ailment(overdue=30.0, turn=30.0, waited=1.0, overloaded=True) is not None
    assert ailment(overdue=HUNG_IN_OVERLOAD + 1, turn=1.0, overloaded=True) is not None


async def test_time_without_a_processor_is_the_kernels_count() -> None:
    before = waited_for_cpu()
    assert waited_for_cpu() >= before >= 0.0
    times, waited = iter([100.0, 130.0]), iter([0.0, 28.0])
    vitals = Vitals(name="here", version="1", started_at=0.0)
    assert await examine(vitals, lambda: next(times), lambda: next(waited)) is None


async def test_a_turn_of_the_loop_is_measured() -> None:
    times = iter([100.0, 107.0])
    vitals = Vitals(name="here", version="1", started_at=0.0)
    assert await examine(vitals, lambda: next(times)) == "one turn of the event loop took 7.0 s"


async def test_a_schedule_that_catches_up_in_the_next_turn_is_alive() -> None:
    late = [60.0]
    vitals = Vitals(name="here", version="1", started_at=0.0, overdue=lambda: late[0])
    asyncio.get_running_loop().call_soon(late.__setitem__, 0, 0.0)
    assert await examine(vitals, lambda: 100.0) is None
    late[0] = 60.0
    assert await examine(vitals, lambda: 100.0) is not None
