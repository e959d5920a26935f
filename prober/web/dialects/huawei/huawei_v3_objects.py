"""Huawei's health monitors, pools, members and statuses: one function for each.

prober has no listeners and no weights: such members are empty, null or 1.
"""

from ipaddress import ip_address

from prober.model.monitor import Monitor
from prober.model.pool import Pool
from prober.model.status import Status
from prober.state.store import BackendState
from prober.web.dialects.lbaas.monitor_format import HUAWEI_V3, fields_of, name_of_type, protocol_of
from prober.web.dialects.lbaas.project_view import LoadBalancer, ProjectView, member_id
from prober.web.dialects.lbaas.status_names import (
    HUAWEI,
    failure_json,
    is_up,
    member_status,
    pool_status,
    weight_of,
)
from prober.web.server.json_answer import Json


def healthmonitor_json(monitor: Monitor, pool: Pool) -> Json:
    """Return a health monitor."""
    return {
        "id": monitor.id,
        "project_id": pool.project_id,
        **fields_of(monitor, HUAWEI_V3),
        "pools": [{"id": pool.id}],
    }


def pool_json(visible: ProjectView, pool: Pool) -> Json:
    """Return a pool."""
    monitors = visible.monitors_of(pool)
    return {
        "id": pool.id,
        "name": pool.name,
        "description": "",
        "project_id": pool.project_id,
        "admin_state_up": True,
        "protocol": protocol_of(monitors),
        "lb_algorithm": "ROUND_ROBIN",
        "session_persistence": None,
        "healthmonitor_id": monitors[0].id if monitors else None,
        "loadbalancers": [{"id": LoadBalancer(pool.load_balancer, []).id}],
        "listeners": [],
        "members": [{"id": member_id(pool, backend)} for backend in pool.backends],
    }


def member_json(pool: Pool, backend_state: BackendState) -> Json:
    """Return a member: a backend of a pool, and the reason while it is OFFLINE."""
    backend = backend_state.backend
    return {
        "id": member_id(pool, backend),
        "name": backend.name or "",
        "project_id": pool.project_id,
        "admin_state_up": is_up(backend_state),
        "address": backend.address,
        "protocol_port": backend.port,
        "ip_version": _ip_version(backend.address),
        "member_type": "ip",
        "subnet_cidr_id": None,
        "weight": weight_of(backend_state),
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


async def statuses_json(visible: ProjectView, load_balancer: LoadBalancer) -> Json:
    """Return the status tree of a load balancer: its pools, their monitors and members."""
    return {
        "id": load_balancer.id,
        "name": load_balancer.name,
        "provisioning_status": "ACTIVE",
        "operating_status": HUAWEI.by_status[await visible.load_balancer_status(load_balancer)],
        "listeners": [],
        "pools": [await _pool_in_tree(visible, pool) for pool in load_balancer.pools],
    }


async def _pool_in_tree(visible: ProjectView, pool: Pool) -> Json:
    monitors = visible.monitors_of(pool)
    return {
        "id": pool.id,
        "name": pool.name,
        "provisioning_status": "ACTIVE",
        "operating_status": await pool_status(visible, pool, HUAWEI),
        "healthmonitor": _monitor_in_tree(monitors[0]) if monitors else None,
        "members": [_member_in_tree(pool, each) async for each in visible.backend_states(pool)],
    }


def _monitor_in_tree(monitor: Monitor) -> Json:
    return {
        "id": monitor.id,
        "name": monitor.name,
        "type": name_of_type(monitor),
        "provisioning_status": "ACTIVE",
    }


def _member_in_tree(pool: Pool, backend_state: BackendState) -> Json:
    return {
        "id": member_id(pool, backend_state.backend),
        "address": backend_state.backend.address,
        "protocol_port": backend_state.backend.port,
        "provisioning_status": "ACTIVE",
        "operating_status": member_status(backend_state, HUAWEI),
    }
