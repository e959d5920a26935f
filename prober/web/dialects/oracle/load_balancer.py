"""Oracle's Load Balancer service, version 20170115."""

from prober.model.kinds import choice
from prober.model.wording import time_text
from prober.web.dialects.oracle.backend_form import BackendForm
from prober.web.dialects.oracle.backend_health import lb_result_json
from prober.web.dialects.oracle.checker import LB_CHECKER
from prober.web.dialects.oracle.handlers import OracleService
from prober.web.dialects.oracle.ledger import Work, WorkRequest
from prober.web.dialects.oracle.object_form import KeptMember, ObjectForm
from prober.web.dialects.oracle.service_spec import ServiceSpec
from prober.web.server.json_answer import Json

_POLICIES = ("ROUND_ROBIN", "LEAST_CONNECTIONS", "IP_HASH")

_OBJECTS = ObjectForm(
    backend=BackendForm(
        drain="drain",
        offline="offline",
        backup="backup",
        unusable={"maxConnections": "prober limits no connections"},
        required=("weight", "backup", "drain", "offline"),
    ),
    kept={
        "policy": KeptMember(choice(*_POLICIES), _POLICIES[0]),
    },
    set_unusable={
        "backendMaxConnections": "prober limits no connections",
        "sslConfiguration": "prober forwards no traffic and encrypts none",
        "sessionPersistenceConfiguration": "prober forwards no traffic",
        "lbCookieSessionPersistenceConfiguration": "prober forwards no traffic",
    },
    set_required=("policy", "backends", "healthChecker"),
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


def _work_json(work: WorkRequest, kind: str) -> Json:
    return {
        "id": work.id,
        "loadBalancerId": work.balancer,
        "compartmentId": work.compartment,
        "type": kind,
        "lifecycleState": "SUCCEEDED",
        "message": work.message,
        "timeAccepted": time_text(work.accepted_at),
        "timeFinished": time_text(work.finished_at),
        "errorDetails": [],
    }


_WORKS = {
    Work.UPDATE_CHECKER: "UpdateHealthChecker",
    Work.CREATE_BACKEND: "CreateBackend",
    Work.UPDATE_BACKEND: "UpdateBackend",
    Work.DELETE_BACKEND: "DeleteBackend",
    Work.CREATE_SET: "CreateBackendSet",
    Work.UPDATE_SET: "UpdateBackendSet",
    Work.DELETE_SET: "DeleteBackendSet",
    Work.CREATE_BALANCER: "CreateLoadBalancer",
    Work.DELETE_BALANCER: "DeleteLoadBalancer",
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
        works=_WORKS,
        work_json=_work_json,
        collection=lambda items: items,
        paged=False,
        edited=204,
        shows_created=False,
        balancer_members=(
            *("compartmentId", "displayName", "shapeName", "shapeDetails", "isPrivate", "ipMode"),
            *("isDeleteProtectionEnabled", "ipv6SubnetCidr", "isRequestIdEnabled", "reservedIps"),
            *("requestIdHeader", "networkSecurityGroupIds", "subnetIds", "freeformTags"),
            *("definedTags", "securityAttributes"),
        ),
        unoffered=(
            *("listeners", "certificates", "hostnames", "pathRouteSets", "routingPolicies"),
            *("ruleSets", "sslCipherSuites"),
        ),
        unoffered_actions=(
            ("PUT", ""),
            ("PUT", "/updateShape"),
            ("PUT", "/networkSecurityGroups"),
            ("POST", "/changeCompartment"),
        ),
        constant_lists={
            "/loadBalancerPolicies": tuple({"name": each} for each in _POLICIES),
            "/loadBalancerProtocols": ({"name": "HTTP"}, {"name": "TCP"}),
            "/loadBalancerShapes": ({"name": "flexible"},),
        },
    )
).dialect()
"""The Load Balancer service."""
