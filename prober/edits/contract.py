"""What an editor does for those who render the API, and how it refuses."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from prober.model.monitor import Monitor
from prober.model.pool import Pool

Definition = Mapping[str, object]
"""A monitor or a pool as the configuration file has it: its keys, and values as JSON has them."""


class Conflict(Exception):  # noqa: N818  (an answer, not a fault of ours)
    """What an edit starts from is not so any more, or its name or id is taken."""


class Editor(Protocol):
    """Changes what is probed, one edit at a time, each wholly or not at all.

    Every method returns when the checks run as wanted. It raises `Rejected` (paths are keys of the
    configuration) for a definition that cannot be, `Conflict` where the monitor or pool given is
    not the one that there is now.
    """

    @property
    def locked(self) -> str | None:
        """Why edits are refused, and what turns them on; None if they are taken."""

    @property
    def lasting(self) -> bool:
        """Whether edits outlive the process."""

    async def create_monitor(self, definition: Definition) -> Monitor:
        """Add a monitor; what it leaves out is as `defaults` in the file say."""

    async def change_monitor(self, monitor: Monitor, patch: Definition) -> Monitor:
        """Change some keys of a monitor and leave the others; None takes a key back to default.

        One of `pool` and `targets` takes the place of the other. With another `type`, the keys
        stay that mean the same in it. A new `name` makes its checks new ones; its id stays.
        """

    async def delete_monitor(self, monitor: Monitor) -> None:
        """Remove a monitor, and the pool of its own `targets`."""

    async def create_pool(self, definition: Definition) -> Pool:
        """Add a pool."""

    async def change_pool(self, pool: Pool, patch: Definition) -> Pool:
        """Change some keys of a pool and leave the others; None takes a key back to default.

        Its name and id stay. `Conflict` for a pool that is made of a monitor's own `targets`.
        """

    async def delete_pool(self, pool: Pool) -> None:
        """Remove a pool that no monitor uses; `Conflict` while one does."""

    def edits(self) -> Iterable[Mapping[str, Any]]:
        """Return each edit that there is, secrets masked, `at` in unix seconds."""

    async def take_back(self, kind: str, identifier: str) -> bool:
        """Undo an edit, and return whether there was one; raise `Conflict` if it is needed."""
