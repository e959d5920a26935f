"""Oracle's Network Load Balancer service, version 20200501."""

from prober.model.kinds import BOOLEAN, choice
from prober.model.wording import time_text
from prober.web.dialects.oracle.backend_form import BackendForm
from prober.web.dialects.oracle.backend_health import nlb_result_json
from prober.web.dialects.oracle.checker import NLB_CHECKER
from prober.web.dialects.oracle.handlers import OracleService
from prober.web.dialects.oracle.ledger import Work, WorkRequest
from prober.web.dialects.oracle.network_routes import network_routes
from prober.web.dialects.oracle.object_form import KeptMember, ObjectForm
from prober.web.dialects.oracle.service_spec import ServiceSpec
from prober.web.server.json_answer import Json

_POLICIES = ("FIVE_TUPLE", "THREE_TUPLE", "TWO_TUPLE")

_OBJECTS = ObjectForm(
    backend=BackendForm(
        drain="isDrain",
        offline="isOffline",
        backup="isBackup",
        unusable={"targetId": "prober knows backends by their addresses only"},
    ),
    kept={
        "policy": KeptMember(choice(*_POLICIES), _POLICIES[0]),
        "isPreserveSource": KeptMember(BOOLEAN, False),
        "isFailOpen": KeptMember(BOOLEAN, False),
        "isInstantFailoverEnabled": KeptMember(BOOLEAN, False),
        "isInstantFailoverTcpResetEnabled": KeptMember(BOOLEAN, False),
        "areOperationallyActiveBackendsPreferred": KeptMember(BOOLEAN, False),
        "ipVersion": KeptMember(choice("IPV4", "IPV6", "IPV4_AND_IPV6"), None),
    },
    set_unusable={},
    set_required=(),
    balancer_more={},
    subnet=lambda reporter: {"subnetId": reporter},
)


def _work_json(work: WorkRequest, kind: str) -> Json:
    accepted = time_text(work.accepted_at)
    return {
        "id": work.id,
        "compartmentId": work.compartment,
        "operationType": kind,
        "status": "SUCCEEDED",
        "percentComplete": 100.0,
        "resources": [
            {
                "entityType": "NetworkLoadBalancer",
                "actionType": _ACTIONS.get(work.kind, "UPDATED"),
                "identifier": work.balancer,
            }
        ],
        "timeAccepted": accepted,
        "timeStarted": accepted,
        "timeFinished": time_text(work.finished_at),
    }


_ACTIONS = {Work.CREATE_BALANCER: "CREATED", Work.DELETE_BALANCER: "DELETED"}

_WORKS = {
    Work.UPDATE_CHECKER: "UPDATE_HEALTH_CHECKER",
    Work.CREATE_BACKEND: "CREATE_BACKEND",
    Work.UPDATE_BACKEND: "UPDATE_BACKEND",
    Work.DELETE_BACKEND: "DELETE_BACKEND",
    Work.CREATE_SET: "CREATE_BACKENDSET",
    Work.UPDATE_SET: "UPDATE_BACKENDSET",
    Work.DELETE_SET: "DELETE_BACKENDSET",
    Work.CREATE_BALANCER: "CREATE_NETWORK_LOAD_BALANCER",
    Work.DELETE_BALANCER: "DELETE_NETWORK_LOAD_BALANCER",
}

_SPEC = ServiceSpec(
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
    works=_WORKS,
    work_json=_work_json,
    collection=lambda items: {"items": items},
    paged=True,
    edited=202,
    shows_created=True,
    balancer_members=(
        *("compartmentId", "displayName", "isPreserveSourceDestination", "isPrivate"),
        *("isSymmetricHashEnabled", "reservedIps", "subnetId", "networkSecurityGroupIds"),
        *("nlbIpVersion", "subnetIpv6Cidr", "assignedPrivateIpv4", "assignedIpv6"),
        *("freeformTags", "definedTags", "securityAttributes"),
    ),
    unoffered=("listeners",),
    unoffered_actions=(
        ("PUT", ""),
        ("PUT", "/networkSecurityGroups"),
        ("POST", "/actions/changeCompartment"),
    ),
    constant_lists={
        "/networkLoadBalancersPolicies": _POLICIES,
        "/networkLoadBalancersProtocols": ("TCP", "UDP"),
    },
)
_COMMON = OracleService(_SPEC).dialect()
DIALECT = _COMMON._replace(routes=(*_COMMON.routes, *network_routes(_SPEC)))
"""The Network Load Balancer service."""
