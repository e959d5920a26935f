"""The flags of a backend as admin states: Oracle's clients know no end and set no reason."""

from typing import NamedTuple

from aiohttp import web

from prober.model.admin import BACKENDS, AdminEntry, AdminKey, AdminState
from prober.model.pool import Backend, Pool
from prober.state.store import Store
from prober.web.server.auth import caller_name
from prober.web.server.services import services_of

_SETTER = "Oracle's API"


class BackendFlags(NamedTuple):
    """What is decided about a backend: `drain`, and `offline`, which is maintenance."""

    drain: bool = False
    offline: bool = False

    @classmethod
    def of(cls, admin: AdminEntry | None) -> "BackendFlags":
        """Return the flags for an admin state."""
        state = admin.state if admin else None
        return cls(state is AdminState.DRAIN, state is AdminState.MAINTENANCE)

    @property
    def state(self) -> AdminState | None:
        """The admin state for these flags; a backend that is offline is not drained as well."""
        if self.offline:
            return AdminState.MAINTENANCE
        return AdminState.DRAIN if self.drain else None


def key_of_backend(pool: Pool, backend: Backend) -> AdminKey:
    """Return what the admin state of a backend of one pool is stored under."""
    return BACKENDS, f"{pool.name}/{backend.key}"


def is_ours(entry: AdminEntry) -> bool:
    """Return whether a state was set over one of Oracle's services."""
    return entry.by.endswith(_SETTER)


def admin_of(store: Store, pool: Pool, backend: Backend) -> AdminEntry | None:
    """Return the admin state that applies to a backend."""
    names = [monitor.name for monitor in store.monitors_of(pool)]
    return store.admin.of_backend(pool, backend.key, names)


def set_flags(request: web.Request, pool: Pool, backend: Backend, wanted: BackendFlags) -> None:
    """Set the admin state of a backend, without an end, or end the one that was set here.

    A state that somebody else set stays, unless another one takes its place. What already applies
    is not set again.
    """
    services = services_of(request)
    admin, key = services.store.admin, key_of_backend(pool, backend)
    if wanted == BackendFlags.of(admin_of(services.store, pool, backend)):
        return
    caller = caller_name(request)
    by = f"{caller} over {_SETTER}" if caller else _SETTER
    if wanted.state is not None:
        admin.put(key, AdminEntry(wanted.state, None, "", by, services.wall()))
    elif (entry := admin.entries.get(key)) is not None and is_ours(entry):
        admin.clear(key, by=by)
