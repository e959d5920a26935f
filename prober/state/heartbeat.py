"""Whether the daemon itself is alive: one judgement for `/-/healthy` and systemd's watchdog.

A daemon that does not advance must be restarted; a daemon whose targets are down must not. So this
examines only what a bug or a starved process can cause, never what a target can.
"""

import asyncio
from collections.abc import Callable

from prober.state.vitals import Vitals

HUNG = 5.0
"""Seconds of lateness beyond which the daemon does not count as alive."""


def ailment(*, overdue: float, turn: float) -> str | None:
    """Return what is wrong with the daemon itself, or None if it is alive.

    Args:
        overdue: Seconds for which something in the schedule has been overdue.
        turn: Seconds that one turn of the event loop takes.
    """
    if turn > HUNG:
        return f"one turn of the event loop took {turn:.1f} s"
    if overdue > HUNG:
        return f"the schedule does not advance: something has been overdue for {overdue:.1f} s"
    return None


async def examine(vitals: Vitals, clock: Callable[[], float]) -> str | None:
    """Give the event loop a turn to do what is due; then return what is wrong, or None.

    After a pause, the process is late with everything, but it is alive if it catches up in this
    turn.
    """
    began = clock()
    await asyncio.sleep(0)
    return ailment(overdue=vitals.overdue(), turn=clock() - began)
