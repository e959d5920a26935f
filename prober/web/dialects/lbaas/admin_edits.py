"""Admin states in the clouds' words: admin_state_up and a weight of 0.

The clouds know no end, so such a state has none: it lasts until it is taken back there or over the
native API.
"""

from aiohttp import web

from prober.model.admin import AdminEntry, AdminKey, AdminState
from prober.web.server.auth import caller_name
from prober.web.server.dialect import dialect_of
from prober.web.server.services import services_of

REASONS = {
    AdminState.MAINTENANCE: "admin_state_up is false",
    AdminState.DRAIN: "weight is 0",
}
"""The states that these clouds can set, and how."""


def set_state(request: web.Request, key: AdminKey, state: AdminState | None) -> None:
    """Set one of these states, or end it; others are left alone."""
    services = services_of(request)
    states = services.store.admin
    present = states.entries.get(key)
    if present and (present.state not in REASONS or present.state is state):
        return
    by = caller_name(request) or _dialect_name(request)
    if state is not None:
        states.put(key, AdminEntry(state, None, REASONS[state], by, services.wall()))
    elif present:
        states.clear(key, by=by)


def _dialect_name(request: web.Request) -> str:
    dialect = dialect_of(request)
    return dialect.name if dialect else "api"
