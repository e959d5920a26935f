"""Octavia's health monitors, pools, members and load balancers: one function for each.

prober has no listeners, addresses or creation times: such members are empty or null.
"""

from prober.model.monitor import Monitor
from prober.model.pool import Pool
from prober.state.check_state import BackendState
from prober.web.dialects.lbaas.monitor_format import OCTAVIA, fields_of
from prober.web.dialects.lbaas.objects import common_of_member, common_of_pool
from prober.web.dialects.lbaas.project_view import LoadBalancer, ProjectView
from prober.web.dialects.lbaas.status_names import (
    HUAWEI,
    OPENSTACK,
    StatusNames,
    member_status,
    pool_status,
)
from prober.web.server.json_answer import Json


def owned(project_id: str, operating_status: str) -> Json:
    """Return the members that all kinds of objects have.

    An edit is in force by the time it is answered, so provisioning_status is always ACTIVE.
    """
    return {
        "project_id": project_id,
        "tenant_id": project_id,
        "provisioning_status": "ACTIVE",
        "operating_status": operating_status,
        "created_at": None,
        "updated_at": None,
    }


def healthmonitor_json(monitor: Monitor, pool: Pool) -> Json:
    """Return a health monitor."""
    return {
        "id": monitor.id,
        **fields_of(monitor, OCTAVIA),
        **owned(pool.project_id, "ONLINE" if monitor.enabled else "OFFLINE"),
        "pools": [{"id": pool.id}],
    }


async def pool_json(visible: ProjectView, pool: Pool) -> Json:
    """Return a pool."""
    return {
        **common_of_pool(visible, pool),
        **owned(pool.project_id, await pool_status(visible, pool, words_of(visible))),
        "tags": [],
    }


def words_of(visible: ProjectView) -> StatusNames:
    """Return the names of statuses: Huawei's, if there is a project in the path."""
    return HUAWEI if visible.project else OPENSTACK


def member_json(visible: ProjectView, pool: Pool, backend_state: BackendState) -> Json:
    """Return a member: a backend of a pool."""
    return {
        **common_of_member(pool, backend_state),
        "backup": False,
        "subnet_id": None,
        "monitor_address": None,
        "monitor_port": None,
        **owned(pool.project_id, member_status(backend_state, words_of(visible))),
        "tags": [f"{name}={value}" for name, value in backend_state.backend.labels.items()],
    }


async def load_balancer_json(visible: ProjectView, load_balancer: LoadBalancer) -> Json:
    """Return a load balancer."""
    status = words_of(visible).by_status[await visible.load_balancer_status(load_balancer)]
    return {
        "id": load_balancer.id,
        "name": load_balancer.name,
        "description": "",
        "admin_state_up": True,
        **owned(load_balancer.pools[0].project_id, status),
        "provider": "prober",
        "flavor_id": None,
        "vip_address": None,
        "vip_port_id": None,
        "vip_subnet_id": None,
        "vip_network_id": None,
        "listeners": [],
        "pools": [{"id": pool.id} for pool in load_balancer.pools],
        "tags": [],
    }
