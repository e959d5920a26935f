"""Oracle's Network Load Balancer service, version 20200501."""

from prober.model.pool import Backend, Pool
from prober.model.wording import time_text
from prober.web.dialects.oracle.backend_health import nlb_result_json
from prober.web.dialects.oracle.checker import NLB_CHECKER
from prober.web.dialects.oracle.handlers import OracleService, ServiceSpec
from prober.web.dialects.oracle.ledger import WorkRequest
from prober.web.dialects.oracle.places import Balancer
from prober.web.server.json_answer import Json


def _backend_json(backend: Backend) -> Json:
    return {
        "name": backend.key,
        "ipAddress": backend.address,
        "targetId": None,
        "port": backend.port,
        "weight": 1,
        "isDrain": False,
        "isBackup": False,
        "isOffline": False,
    }


def _set_json(pool: Pool, checker: Json | None, backends: list[Json]) -> Json:
    return {
        "name": pool.name,
        "policy": "FIVE_TUPLE",
        "isPreserveSource": False,
        "isFailOpen": False,
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
        "isPrivate": True,
        "ipAddresses": [],
        "subnetId": balancer.reporter,
        "listeners": {},
        "freeformTags": {},
        "definedTags": {},
        "backendSets": sets,
    }


def _work_json(work: WorkRequest) -> Json:
    accepted = time_text(work.accepted_at)
    return {
        "id": work.id,
        "compartmentId": work.compartment,
        "operationType": "UPDATE_HEALTH_CHECKER",
        "status": "SUCCEEDED",
        "percentComplete": 100.0,
        "resources": [
            {
                "entityType": "NetworkLoadBalancer",
                "actionType": "UPDATED",
                "identifier": work.balancer,
            }
        ],
        "timeAccepted": accepted,
        "timeStarted": accepted,
        "timeFinished": time_text(work.finished_at),
    }


DIALECT = OracleService(
    ServiceSpec(
        name="oracle-nlb",
        root="/20200501",
        balancers="/networkLoadBalancers",
        healths="/networkLoadBalancers/health",
        work_requests="/workRequests",
        work_requests_of="/workRequests",
        id_name="networkLoadBalancerId",
        checker=NLB_CHECKER,
        result_json=nlb_result_json,
        backend_json=_backend_json,
        set_json=_set_json,
        balancer_json=_balancer_json,
        work_json=_work_json,
        collection=lambda items: {"items": items},
        paged=True,
        edited=202,
    )
).dialect()
"""The Network Load Balancer service."""
