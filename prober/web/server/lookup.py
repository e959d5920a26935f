"""Looks up the object in a path; refuses with 404 if there is none."""

from aiohttp import web

from prober.state.check_state import CheckState
from prober.web.server.errors import Refused
from prober.web.server.query import normal_key
from prober.web.server.services import FROM_MEMBER, OtherMembers, services_of


def check_of(request: web.Request) -> CheckState:
    """Return the check in a path with `{monitor}` and `{backend}`, or raise `Refused`."""
    monitor, key = request.match_info["monitor"], normal_key(request.match_info["backend"])
    state = services_of(request).store.get((monitor, key))
    if state is None:
        raise Refused(404, f"there is no check of monitor {monitor!r} and backend {key!r}")
    return state


def who_probes(request: web.Request, state: CheckState) -> OtherMembers | None:
    """Return whom to ask about a check that other members of a cluster probe; None: this one.

    A member that asks another is not sent on.
    """
    services = services_of(request)
    mine = services.store.mine
    if mine is None or state.check.key in mine or FROM_MEMBER in request.headers:
        return None
    return services.others
