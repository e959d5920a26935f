"""What other members of a cluster have recorded, for a page of this one."""

from collections.abc import Iterable, Sequence

from aiohttp import web

from prober.state.check_state import CheckState
from prober.state.running_slot import Key
from prober.state.shared_past import joined_slots
from prober.state.slots import Slot
from prober.web.server.services import services_of


async def see_others(request: web.Request, states: Iterable[CheckState]) -> None:
    """Bring the last results of these checks up to date where other members probe them."""
    others = services_of(request).others
    if others is not None:
        await others.refresh(state.check.key for state in states)


async def slots_of_all(
    request: web.Request, key: Key, times: range, mine: Sequence[Slot]
) -> Sequence[Slot]:
    """Return the slots of a check or a pool with the probes of all members of a cluster."""
    others = services_of(request).others
    return mine if others is None else joined_slots(mine, await others.slots(key, times))
