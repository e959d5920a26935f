"""What an operator decides about a backend, a pool or a monitor, whatever is measured."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

LONGEST = 30 * 86400.0
"""Seconds after which a state ends at the latest, where it has an end."""

BACKENDS, POOLS, MONITORS = "backends", "pools", "monitors"
"""What a state can be of, as in the API's paths."""


class AdminState(StrEnum):
    """What an operator decided; what is measured goes on and stays visible beside it."""

    MAINTENANCE = "maintenance"
    DRAIN = "drain"
    FORCED_UP = "forced_up"
    FORCED_DOWN = "forced_down"

    @property
    def in_service(self) -> bool:
        """Whether traffic may go there."""
        return self is AdminState.FORCED_UP

    @property
    def number(self) -> int:
        """The value of the metric `prober_backend_admin_state`; 0 is none."""
        return 1 + list(AdminState).index(self)

    @property
    def counts(self) -> bool:
        """Whether what it is of counts in aggregates and alerts."""
        return self in (AdminState.FORCED_UP, AdminState.FORCED_DOWN)


class AdminEntry(NamedTuple):
    """A state, who set it, why, and until when in unix seconds; None: without an end."""

    state: AdminState
    until: float | None
    reason: str
    by: str
    at: float


AdminKey = tuple[str, str]
"""What a state is of: BACKENDS, POOLS or MONITORS, and a name.

A backend's name is its `address:port`, in all pools, or `pool/address:port`.
"""


def admin_of_backend(
    entries: Mapping[AdminKey, AdminEntry], pool: str, backend: str, monitors: Iterable[str]
) -> AdminEntry | None:
    """Return what was decided about a backend of a pool: the most specific state wins.

    A monitor's state counts only if all monitors of the backend have one.
    """
    if not entries:
        return None
    for key in ((BACKENDS, f"{pool}/{backend}"), (BACKENDS, backend), (POOLS, pool)):
        if entry := entries.get(key):
            return entry
    found = [entries.get((MONITORS, name)) for name in monitors]
    return found[0] if found and all(found) else None
