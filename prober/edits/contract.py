"""The interface of an editor for the APIs, and how it refuses."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from prober.edits.edit import Edit
from prober.model.definition import Named
from prober.model.monitor import Monitor
from prober.model.pool import Pool

Definition = Mapping[str, object]
"""A monitor or pool as in the configuration file: its keys, with JSON values."""


class Conflict(Exception):  # noqa: N818  (an answer, not a bug)
    """The object has changed since the edit was prepared, or its name or id is taken."""


class NotStored(Exception):  # noqa: N818  (an answer, not a bug)
    """The edit is not in force, because what stores the edits of a cluster cannot be reached."""


class Overtaken(Exception):  # noqa: N818  (an answer, not a bug)
    """Another member of the cluster has made an edit first; `edits` are all that there are now."""

    def __init__(self, edits: Iterable[Edit]) -> None:
        super().__init__("another member has made an edit first")
        self.edits = tuple(edits)


class SharedJournal(Protocol):
    """Stores the edits of all members of a cluster, before they are in force."""

    async def commit(self, named: Named, edit: Edit | None) -> None:
        """Store an edit; None deletes it. Raise `Overtaken` or `NotStored`."""


class Editor(Protocol):
    """Changes what is probed, one edit at a time, each completely or not at all.

    Every method returns when the edit is in force. It raises `Rejected` (paths are keys of the
    configuration) for an invalid definition, `Conflict` if the given monitor or pool is not the
    current one, and in a cluster `NotStored`.
    """

    @property
    def locked(self) -> str | None:
        """Why edits are refused, and how to enable them; None if they are accepted."""

    @property
    def lasting(self) -> bool:
        """Whether edits survive the process."""

    async def stored(self) -> bool:
        """Wait until the disk has all edits so far; return whether it does."""

    async def create_monitor(self, definition: Definition) -> Monitor:
        """Add a monitor; keys that are left out get the `defaults` of the file."""

    async def change_monitor(self, monitor: Monitor, patch: Definition) -> Monitor:
        """Change some keys of a monitor and keep the others; None resets a key to its default.

        `pool` and `targets` replace each other. With another `type`, keys that mean the same in it
        are kept. A new `name` makes its checks new ones; the id stays.
        """

    async def delete_monitor(self, monitor: Monitor) -> None:
        """Remove a monitor, and the pool of its own `targets`."""

    async def create_pool(self, definition: Definition) -> Pool:
        """Add a pool."""

    async def change_pool(self, pool: Pool, patch: Definition) -> Pool:
        """Change some keys of a pool and keep the others; None resets a key to its default.

        Its name and id stay. Raise `Conflict` for a pool that belongs to a monitor's own `targets`.
        """

    async def delete_pool(self, pool: Pool) -> None:
        """Remove a pool that no monitor uses; raise `Conflict` if one does."""

    def edits(self) -> Iterable[Mapping[str, Any]]:
        """Return every edit, with secrets masked and `at` in unix seconds."""

    async def take_back(self, kind: str, identifier: str) -> bool:
        """Revert an edit, return whether there was one; raise `Conflict` if it is needed."""
