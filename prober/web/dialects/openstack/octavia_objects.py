"""Octavia's health monitors, pools, members and load balancers: one function for each.

prober has no listeners, addresses or creation times: such members are empty or null.
"""

from prober.model.monitor import Monitor
from prober.model.pool import Pool
from prober.state.store import BackendState
from prober.web.dialects.lbaas.monitor_format import OCTAVIA, fields_of, name_of_type, protocol_of
from prober.web.dialects.lbaas.project_view import LoadBalancer, ProjectView, member_id
from prober.web.dialects.lbaas.status_names import (
    HUAWEI,
    OPENSTACK,
    StatusNames,
    is_up,
    member_status,
    pool_status,
    weight_of,
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
    monitors = visible.monitors_of(pool)
    return {
        "id": pool.id,
        "name": pool.name,
        "description": "",
        "protocol": protocol_of(monitors),
        "lb_algorithm": "ROUND_ROBIN",
        "session_persistence": None,
        "admin_state_up": True,
        **owned(pool.project_id, await pool_status(visible, pool, words_of(visible))),
        "healthmonitor_id": monitors[0].id if monitors else None,
        "loadbalancers": [{"id": LoadBalancer(pool.load_balancer, []).id}],
        "listeners": [],
        "members": [{"id": member_id(pool, backend)} for backend in pool.backends],
        "tags": [],
    }


def words_of(visible: ProjectView) -> StatusNames:
    """Return the names of statuses: Huawei's, if there is a project in the path."""
    return HUAWEI if visible.project else OPENSTACK


def member_json(pool: Pool, backend_state: BackendState, words: StatusNames) -> Json:
    """Return a member: a backend of a pool."""
    backend = backend_state.backend
    return {
        "id": member_id(pool, backend),
        "name": backend.name or "",
        "address": backend.address,
        "protocol_port": backend.port,
        "weight": weight_of(backend_state),
        "backup": False,
        "admin_state_up": is_up(backend_state),
        "subnet_id": None,
        "monitor_address": None,
        "monitor_port": None,
        **owned(pool.project_id, member_status(backend_state, words)),
        "tags": [f"{name}={value}" for name, value in backend.labels.items()],
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


async def statuses_json(visible: ProjectView, load_balancer: LoadBalancer) -> Json:
    """Return the status tree of a load balancer: its pools, their monitors and members."""
    status = await visible.load_balancer_status(load_balancer)
    return {
        "id": load_balancer.id,
        "name": load_balancer.name,
        "provisioning_status": "ACTIVE",
        "operating_status": words_of(visible).by_status[status],
        "listeners": [],
        "pools": [await _pool_in_tree(visible, pool) for pool in load_balancer.pools],
    }


async def _pool_in_tree(visible: ProjectView, pool: Pool) -> Json:
    monitors = visible.monitors_of(pool)
    return {
        "id": pool.id,
        "name": pool.name,
        "provisioning_status": "ACTIVE",
        "operating_status": await pool_status(visible, pool, words_of(visible)),
        "health_monitor": _monitor_in_tree(monitors[0]) if monitors else None,
        "members": [
            _member_in_tree(pool, each, words_of(visible))
            async for each in visible.backend_states(pool)
        ],
    }


def _monitor_in_tree(monitor: Monitor) -> Json:
    return {
        "id": monitor.id,
        "name": monitor.name,
        "type": name_of_type(monitor),
        "provisioning_status": "ACTIVE",
        "operating_status": "ONLINE" if monitor.enabled else "OFFLINE",
    }


def _member_in_tree(pool: Pool, backend_state: BackendState, words: StatusNames) -> Json:
    shown = member_json(pool, backend_state, words)
    kept = (
        "id",
        "name",
        "address",
        "protocol_port",
        "provisioning_status",
        "operating_status",
    )
    return {name: shown[name] for name in kept}
