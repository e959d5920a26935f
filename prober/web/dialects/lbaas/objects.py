"""The members of objects that both clouds show in the same way."""

from prober.model.monitor import Monitor
from prober.model.pool import Pool
from prober.state.check_state import BackendState
from prober.web.dialects.lbaas.edit_requests import KeptFields, shown_kept
from prober.web.dialects.lbaas.load_balancer_edits import fields_of_load_balancer
from prober.web.dialects.lbaas.monitor_format import name_of_type, protocol_of
from prober.web.dialects.lbaas.pool_edits import PoolForm, form_of_pool
from prober.web.dialects.lbaas.project_view import LoadBalancer, ProjectView, member_id
from prober.web.dialects.lbaas.status_names import (
    StatusNames,
    is_up,
    member_status,
    pool_status,
    weight_of,
)
from prober.web.dialects.lbaas.times import known_of_member
from prober.web.server.json_answer import Json


def common_of_pool(visible: ProjectView, pool: Pool, form: PoolForm) -> Json:
    """Return what both clouds show of a pool."""
    monitors = visible.monitors_of(pool)
    shown = form_of_pool(visible, pool, form)
    return {
        "id": pool.id,
        **shown,
        "protocol": shown["protocol"] or protocol_of(monitors),
        "healthmonitor_id": monitors[0].id if monitors else None,
        "loadbalancers": [{"id": LoadBalancer(pool.load_balancer, []).id}],
        "listeners": [],
        "members": [{"id": member_id(pool, backend)} for backend in pool.backends],
    }


def common_of_member(
    visible: ProjectView, pool: Pool, backend_state: BackendState, kept: KeptFields
) -> Json:
    """Return what both clouds show of a member."""
    backend = backend_state.backend
    known = known_of_member(visible, pool, backend)
    return {
        "id": member_id(pool, backend),
        "name": backend.name or "",
        "address": backend.address,
        "protocol_port": backend.port or 0,
        "weight": weight_of(backend_state, known),
        "admin_state_up": is_up(backend_state),
        **shown_kept(known.fields if known else {}, kept),
    }


def common_of_load_balancer(found: LoadBalancer, kept: KeptFields) -> Json:
    """Return what both clouds show of a load balancer."""
    return {
        "id": found.id,
        **fields_of_load_balancer(found, kept),
        "provisioning_status": "ACTIVE",
        "listeners": [],
        "pools": [{"id": pool.id} for pool in found.pools],
    }


async def status_tree(
    visible: ProjectView, load_balancer: LoadBalancer, words: StatusNames, monitor: str
) -> Json:
    """Return the statuses of a load balancer and everything that belongs to it.

    `monitor` is the name of the member for the health monitor of a pool.
    """
    status = await visible.load_balancer_status(load_balancer)
    return {
        **_node(load_balancer.id, load_balancer.shown_name, words.by_status[status]),
        "listeners": [],
        "pools": [await _pool_node(visible, each, words, monitor) for each in load_balancer.pools],
    }


async def _pool_node(visible: ProjectView, pool: Pool, words: StatusNames, monitor: str) -> Json:
    monitors = visible.monitors_of(pool)
    return {
        **_node(pool.id, pool.name, await pool_status(visible, pool, words)),
        monitor: _monitor_node(monitors[0]) if monitors else None,
        "members": [_member_node(pool, each, words) async for each in visible.backend_states(pool)],
    }


def _monitor_node(monitor: Monitor) -> Json:
    status = "ONLINE" if monitor.enabled else "OFFLINE"
    return {**_node(monitor.id, monitor.name, status), "type": name_of_type(monitor)}


def _member_node(pool: Pool, backend_state: BackendState, words: StatusNames) -> Json:
    backend = backend_state.backend
    return {
        **_node(member_id(pool, backend), backend.name or "", member_status(backend_state, words)),
        "address": backend.address,
        "protocol_port": backend.port or 0,
    }


def _node(identifier: str, name: str, status: str) -> Json:
    return {
        "id": identifier,
        "name": name,
        "provisioning_status": "ACTIVE",
        "operating_status": status,
    }
