"""Whether the daemon itself is alive: one judgement for `/-/healthy` and systemd's watchdog.

A daemon that does not advance must be restarted; a daemon whose targets are down must not. So this
examines only what a bug can cause, never what a target can. A daemon that gets too little CPU time
is not restarted either: that would cost more of it, and give none.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from prober.model.delay import Delay
from prober.state.vitals import Vitals

HUNG = 5.0
"""Seconds of lateness beyond which the daemon does not count as alive."""
HUNG_IN_OVERLOAD = 60.0
"""The same for a daemon that is late with everything because it gets too little CPU time."""


def ailment(*, overdue: float, turn: float, waited: float = 0.0, overloaded: bool) -> str | None:
    """Return what is wrong with the daemon itself, or None if it is alive.

    Args:
        overdue: Seconds for which something in the schedule has been overdue.
        turn: Seconds that one turn of the event loop takes.
        waited: Seconds of that turn for which the thread was ready to run, but had no processor.
        overloaded: Whether the schedule advances, but too slowly, because CPU time is short.
    """
    if turn - waited > HUNG:
        return f"one turn of the event loop took {turn:.1f} s"
    if overdue - waited > (HUNG_IN_OVERLOAD if overloaded else HUNG):
        return f"the schedule does not advance: something has been overdue for {overdue:.1f} s"
    return None


def waited_for_cpu() -> float:
    """Return the seconds for which this thread was ready to run, but had no processor.

    See sched-stats in the documentation of Linux; 0 where the kernel does not count them.
    """
    try:
        return int(Path("/proc/thread-self/schedstat").read_text("ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


async def examine(
    vitals: Vitals, clock: Callable[[], float], waited: Callable[[], float] = waited_for_cpu
) -> str | None:
    """Give the event loop a turn to do what is due; then return what is wrong, or None.

    After a pause, the process is late with everything, but it is alive if it catches up in this
    turn.
    """
    began, waited_before = clock(), waited()
    await asyncio.sleep(0)
    overload = vitals.load.overload
    return ailment(
        overdue=vitals.overdue(),
        turn=clock() - began,
        waited=waited() - waited_before,
        overloaded=overload is not None and overload.cause is Delay.CPU,
    )
