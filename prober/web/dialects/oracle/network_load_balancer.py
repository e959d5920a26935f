"""Oracle's Network Load Balancer service, version 20200501."""

from prober.model.wording import time_text
from prober.web.dialects.oracle.backend_health import nlb_result_json
from prober.web.dialects.oracle.checker import NLB_CHECKER
from prober.web.dialects.oracle.handlers import OracleService, ServiceSpec
from prober.web.dialects.oracle.ledger import WorkRequest
from prober.web.dialects.oracle.object_form import ObjectForm
from prober.web.server.json_answer import Json

_OBJECTS = ObjectForm(
    drain="isDrain",
    backup="isBackup",
    offline="isOffline",
    policy="FIVE_TUPLE",
    backend_more={"targetId": None},
    set_more={"isPreserveSource": False, "isFailOpen": False},
    balancer_more={},
    subnet=lambda reporter: {"subnetId": reporter},
)


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
        objects=_OBJECTS,
        work_json=_work_json,
        collection=lambda items: {"items": items},
        paged=True,
        edited=202,
    )
).dialect()
"""The Network Load Balancer service."""
