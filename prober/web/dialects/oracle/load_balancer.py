"""Oracle's Load Balancer service, version 20170115."""

from prober.model.wording import time_text
from prober.web.dialects.oracle.backend_health import lb_result_json
from prober.web.dialects.oracle.checker import LB_CHECKER
from prober.web.dialects.oracle.handlers import OracleService, ServiceSpec
from prober.web.dialects.oracle.ledger import WorkRequest
from prober.web.dialects.oracle.object_form import ObjectForm
from prober.web.server.json_answer import Json

_OBJECTS = ObjectForm(
    drain="drain",
    backup="backup",
    offline="offline",
    policy="ROUND_ROBIN",
    backend_more={"maxConnections": None},
    set_more={},
    balancer_more={
        "shapeName": "flexible",
        "hostnames": {},
        "certificates": {},
        "pathRouteSets": {},
        "ruleSets": {},
        "routingPolicies": {},
    },
    subnet=lambda reporter: {"subnetIds": [reporter]},
)


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
        objects=_OBJECTS,
        work_json=_work_json,
        collection=lambda items: items,
        paged=False,
        edited=204,
    )
).dialect()
"""The Load Balancer service."""
