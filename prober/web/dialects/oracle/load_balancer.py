"""Oracle's Load Balancer service, version 20170115."""

from prober.model.pool import Backend, Pool
from prober.model.wording import time_text
from prober.web.dialects.oracle.backend_health import lb_result_json
from prober.web.dialects.oracle.checker import LB_CHECKER
from prober.web.dialects.oracle.handlers import OracleService, ServiceSpec
from prober.web.dialects.oracle.ledger import WorkRequest
from prober.web.dialects.oracle.places import Balancer
from prober.web.server.json_answer import Json


def _backend_json(backend: Backend) -> Json:
    return {
        "name": backend.key,
        "ipAddress": backend.address,
        "port": backend.port,
        "weight": 1,
        "maxConnections": None,
        "drain": False,
        "backup": False,
        "offline": False,
    }


def _set_json(pool: Pool, checker: Json | None, backends: list[Json]) -> Json:
    return {
        "name": pool.name,
        "policy": "ROUND_ROBIN",
        "backends": backends,
        "healthChecker": checker,
    }


def _balancer_json(balancer: Balancer, sets: dict[str, Json]) -> Json:
    return {
        "id": balancer.name,
        "compartmentId": balancer.compartment,
        "displayName": balancer.name,
        "lifecycleState": "ACTIVE",
        "timeCreated": time_text(balancer.known_since),
        "shapeName": "flexible",
        "isPrivate": True,
        "ipAddresses": [],
        "subnetIds": [balancer.reporter],
        "listeners": {},
        "hostnames": {},
        "certificates": {},
        "pathRouteSets": {},
        "ruleSets": {},
        "routingPolicies": {},
        "freeformTags": {},
        "definedTags": {},
        "backendSets": sets,
    }


def _work_json(work: WorkRequest) -> Json:
    return {
        "id": work.id,
        "loadBalancerId": work.balancer,
        "compartmentId": work.compartment,
        "type": "UpdateHealthChecker",
        "lifecycleState": "SUCCEEDED",
        "message": f"the health checker of {work.backend_set!r} has been updated",
        "timeAccepted": time_text(work.accepted_at),
        "timeFinished": time_text(work.finished_at),
        "errorDetails": [],
    }


DIALECT = OracleService(
    ServiceSpec(
        name="oracle-lb",
        root="/20170115",
        balancers="/loadBalancers",
        healths="/loadBalancerHealths",
        work_requests="/loadBalancerWorkRequests",
        work_requests_of="/loadBalancers/{balancer}/workRequests",
        id_name="loadBalancerId",
        checker=LB_CHECKER,
        result_json=lb_result_json,
        backend_json=_backend_json,
        set_json=_set_json,
        balancer_json=_balancer_json,
        work_json=_work_json,
        collection=lambda items: items,
        paged=False,
        edited=204,
    )
).dialect()
"""The Load Balancer service."""
