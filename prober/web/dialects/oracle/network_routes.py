"""What only Oracle's Network Load Balancer service has: logs of work requests, and standby."""

from aiohttp import web

from prober.model.aggregate import backend_status
from prober.model.status import Status
from prober.model.wording import time_text
from prober.web.dialects.oracle.ledger import WorkRequest
from prober.web.dialects.oracle.places import backend_of, pool_of
from prober.web.dialects.oracle.requests import absent, answer
from prober.web.dialects.oracle.service_spec import ServiceSpec
from prober.web.server.dialect import DialectRoute
from prober.web.server.services import services_of


def network_routes(spec: ServiceSpec) -> tuple[DialectRoute, ...]:
    """Return these routes."""

    def work_of(request: web.Request) -> WorkRequest:
        found = spec.remembered(request).ledger.find(request.match_info["id"])
        if found is None:
            raise absent(f"work request {request.match_info['id'][:200]!r}, or it has expired")
        return found

    async def get_logs(request: web.Request) -> web.Response:
        """What was done, which is one entry."""
        work = work_of(request)
        entry = {"message": work.message, "timestamp": time_text(work.finished_at)}
        return await answer({"items": [entry]})

    async def get_errors(request: web.Request) -> web.Response:
        """An empty list: an edit that fails is no work request."""
        work_of(request)
        return await answer({"items": []})

    root = spec.root
    backend = "/networkLoadBalancers/{balancer}/backendSets/{pool}/backends/{backend}"
    return (
        DialectRoute("GET", f"{root}/workRequests/{{id}}/logs", get_logs),
        DialectRoute("GET", f"{root}/workRequests/{{id}}/errors", get_errors),
        DialectRoute("GET", f"{root}{backend}/operationalStatus", get_operational_status),
    )


async def get_operational_status(request: web.Request) -> web.Response:
    """Whether a backend gets traffic: not a backup, nor one that is out of service."""
    pool = pool_of(request)
    backend = backend_of(request, pool)
    checks = services_of(request).store.checks_of(pool, backend)
    status = backend_status([state.status for state in checks if state.check.enabled])
    if status is Status.UNKNOWN:
        return await answer({"status": "UNKNOWN"})
    active = status is not Status.CRITICAL and not backend.backup
    return await answer({"status": "ACTIVE" if active else "STANDBY"})
