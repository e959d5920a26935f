"""The past of pools: from the history or, without one, since the process started."""

from collections.abc import Awaitable, Callable, Iterable, Sequence

from prober.state.archive import NO_SECONDS, StatusSeconds, add_seconds
from prober.state.history import History, pool_key
from prober.state.pool_watch import PoolWatch, Turn
from prober.state.running_slot import Key
from prober.state.shared_past import joined_slots
from prober.state.slots import MAINTENANCE, SPENT_IN, Slot
from prober.state.state_errors import StateUnreadableError

AskOthers = Callable[[Key, range], Awaitable[Sequence[Sequence[Slot]]]]


class PoolPast:
    """The known past of pools.

    Args:
        watch: The summaries of all pools.
        history: The stored history; None without a state directory.
        others: Returns what each other member of a cluster has recorded of a pool.
    """

    def __init__(
        self, watch: PoolWatch, history: History | None, others: AskOthers | None = None
    ) -> None:
        self._watch = watch
        self._history = history
        self._others = others

    async def statuses(self, names: Sequence[str], times: range) -> list[dict[int, StatusSeconds]]:
        """Return the seconds in each status for each pool, by slots that begin at these times.

        The times are multiples of their step. Slots without data are left out.
        """
        if self._history is not None:
            try:
                keys = [pool_key(name) for name in names]
                return await self._history.statuses(keys, times)
            except StateUnreadableError:
                return [{} for _ in names]
        now = self._watch.now()
        return [spent(self._watch.turns(name), now, times) for name in names]

    async def slots(self, name: str, times: range) -> list[Slot]:
        """Return the slots of a pool, none where no history is kept."""
        if self._history is None:
            return []
        try:
            slots = await self._history.slots(pool_key(name), times, merged=True)
            others = await self._others(pool_key(name), times) if self._others else []
            return joined_slots(slots, others)
        except StateUnreadableError:
            return []


def spent(turns: Iterable[Turn], now: float, slots: range) -> dict[int, StatusSeconds]:
    """Return the seconds in each status by slots, given the status changes.

    Args:
        turns: The statuses, oldest first.
        now: The end of the last status.
        slots: The starts of the slots, in unix seconds.
    """
    sums: dict[int, StatusSeconds] = {}
    listed = list(turns)
    ends = [*(turn.at for turn in listed[1:]), now]
    for turn, until in zip(listed, ends, strict=False):
        first = max(slots.start, int(turn.at // slots.step) * slots.step)
        last = min(float(slots.stop), until)
        spent_in = MAINTENANCE if turn.excused else turn.status
        for slot in range(first, int(-(-last // 1)), slots.step):
            seconds = min(until, slot + slots.step) - max(turn.at, slot)
            if seconds > 0:
                each = tuple(seconds if name == spent_in else 0.0 for name in SPENT_IN)
                sums[slot] = add_seconds(sums.get(slot, NO_SECONDS), each)
    return sums
