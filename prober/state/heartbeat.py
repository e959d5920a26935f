"""Whether the daemon itself is alive: one judgement, for `/-/healthy` and systemd's watchdog.

A daemon that does not advance must be started again; one whose targets are down must not. So this
asks what only a bug or a starved process can cause, and never what a target can.
"""

import asyncio
from collections.abc import Callable

from prober.state.vitals import Vitals

HUNG = 5.0
"""Seconds of lateness beyond which the daemon does not count as alive."""


def ailment(*, overdue: float, turn: float) -> str | None:
    """Say what is wrong with the daemon itself, or None if it lives; durations in seconds.

    Args:
        overdue: For how long something that the schedule owes has been left undone.
        turn: How long one turn of the event loop takes.
    """
    if turn > HUNG:
        return f"one turn of the event loop took {turn:.1f} s"
    if overdue > HUNG:
        return f"the schedule does not advance: something has been due for {overdue:.1f} s"
    return None


async def examine(vitals: Vitals, clock: Callable[[], float]) -> str | None:
    """Give the event loop a turn, in which it does what is due; then say what is wrong, or None.

    After a standstill the process is late with everything, but it lives if this turn makes up
    for it.
    """
    began = clock()
    await asyncio.sleep(0)
    return ailment(overdue=vitals.overdue(), turn=clock() - began)
