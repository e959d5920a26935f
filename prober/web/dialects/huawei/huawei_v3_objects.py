"""Huawei's health monitors, pools and members: one function for each.

prober has no listeners: such members are empty or null.
"""

from ipaddress import ip_address

from prober.model.monitor import Monitor
from prober.model.pool import Pool
from prober.model.status import Status
from prober.state.check_state import BackendState
from prober.web.dialects.huawei.huawei_v3_fields import (
    LOAD_BALANCER_FORM,
    MEMBER_KEPT,
    POOL_FORM,
    WEIGHT,
)
from prober.web.dialects.lbaas.load_balancer_edits import tags_of_load_balancer
from prober.web.dialects.lbaas.member_edits import MemberForm
from prober.web.dialects.lbaas.monitor_format import HUAWEI_V3, fields_of
from prober.web.dialects.lbaas.objects import (
    common_of_load_balancer,
    common_of_member,
    common_of_pool,
)
from prober.web.dialects.lbaas.project_view import LoadBalancer, ProjectView
from prober.web.dialects.lbaas.status_names import HUAWEI, failure_json, member_status
from prober.web.dialects.lbaas.tag_pairs import shown_pairs
from prober.web.dialects.lbaas.times import (
    HUAWEI_TIME,
    known_of_load_balancer,
    known_of_member,
    known_of_monitor,
    known_of_pool,
    times,
)
from prober.web.server.json_answer import Json


def healthmonitor_json(visible: ProjectView, monitor: Monitor, pool: Pool) -> Json:
    """Return a health monitor."""
    known = known_of_monitor(visible, monitor)
    return {
        "id": monitor.id,
        "project_id": pool.project_id,
        **fields_of(monitor, HUAWEI_V3, known),
        **times(known, HUAWEI_TIME, always_updated=True),
        "pools": [{"id": pool.id}],
    }


async def pool_json(visible: ProjectView, pool: Pool) -> Json:
    """Return a pool."""
    return {
        **common_of_pool(visible, pool, POOL_FORM),
        **times(known_of_pool(visible, pool), HUAWEI_TIME, always_updated=True),
        "project_id": pool.project_id,
    }


def member_json(visible: ProjectView, pool: Pool, backend_state: BackendState) -> Json:
    """Return a member: a backend of a pool, and the reason while it is OFFLINE."""
    known = known_of_member(visible, pool, backend_state.backend)
    return {
        **common_of_member(visible, pool, backend_state, MEMBER_KEPT),
        **times(known, HUAWEI_TIME, always_updated=True),
        "project_id": pool.project_id,
        "ip_version": _ip_version(backend_state.backend.address),
        "member_type": "ip",
        "operating_status": member_status(backend_state, HUAWEI),
        "status": [],
        "reason": failure_json(backend_state.checks)
        if backend_state.status is Status.CRITICAL
        else None,
    }


def _ip_version(address: str) -> str | None:
    try:
        return f"v{ip_address(address).version}"
    except ValueError:  # a name
        return None


async def load_balancer_json(visible: ProjectView, found: LoadBalancer) -> Json:
    """Return a load balancer."""
    known = known_of_load_balancer(visible, found)
    return {
        **common_of_load_balancer(found, LOAD_BALANCER_FORM.kept),
        "tags": shown_pairs(tags_of_load_balancer(found)),
        **times(known, HUAWEI_TIME, always_updated=True),
        "project_id": found.project_id,
        "operating_status": HUAWEI.by_status[await visible.load_balancer_status(found)],
        "eips": [],
        "publicips": [],
    }


MEMBER_FORM = MemberForm(member_json, WEIGHT, MEMBER_KEPT)
