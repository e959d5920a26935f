"""Octavia's health monitors, pools, members and load balancers: one function for each.

prober has no listeners, addresses or creation times: such members are empty or null.
"""

from prober.model.monitor import Monitor
from prober.model.pool import Pool
from prober.state.check_state import BackendState
from prober.state.cloud_objects import CloudObject
from prober.web.dialects.lbaas.monitor_format import OCTAVIA, fields_of, tags_of
from prober.web.dialects.lbaas.objects import (
    common_of_load_balancer,
    common_of_member,
    common_of_pool,
)
from prober.web.dialects.lbaas.project_view import LoadBalancer, ProjectView
from prober.web.dialects.lbaas.status_names import (
    HUAWEI,
    OPENSTACK,
    StatusNames,
    member_status,
    pool_status,
)
from prober.web.dialects.lbaas.times import (
    OPENSTACK_TIME,
    known_of_load_balancer,
    known_of_member,
    known_of_monitor,
    known_of_pool,
    times,
)
from prober.web.dialects.openstack.octavia_fields import LOAD_BALANCER_FORM, MEMBER_KEPT, POOL_FORM
from prober.web.server.json_answer import Json


def owned(project_id: str, operating_status: str, known: CloudObject | None) -> Json:
    """Return the members that all kinds of objects have.

    An edit is in force by the time it is answered, so provisioning_status is always ACTIVE.
    """
    return {
        "project_id": project_id,
        "tenant_id": project_id,
        "provisioning_status": "ACTIVE",
        "operating_status": operating_status,
        **times(known, OPENSTACK_TIME),
    }


def healthmonitor_json(visible: ProjectView, monitor: Monitor, pool: Pool) -> Json:
    """Return a health monitor."""
    known = known_of_monitor(visible, monitor)
    return {
        "id": monitor.id,
        **fields_of(monitor, OCTAVIA, known),
        **owned(pool.project_id, "ONLINE" if monitor.enabled else "OFFLINE", known),
        "pools": [{"id": pool.id}],
    }


async def pool_json(visible: ProjectView, pool: Pool) -> Json:
    """Return a pool."""
    known = known_of_pool(visible, pool)
    status = await pool_status(visible, pool, words_of(visible))
    return {
        **common_of_pool(visible, pool, POOL_FORM),
        **owned(pool.project_id, status, known),
    }


def words_of(visible: ProjectView) -> StatusNames:
    """Return the names of statuses: Huawei's, if there is a project in the path."""
    return HUAWEI if visible.project else OPENSTACK


def member_json(visible: ProjectView, pool: Pool, backend_state: BackendState) -> Json:
    """Return a member: a backend of a pool."""
    backend = backend_state.backend
    known = known_of_member(visible, pool, backend)
    return {
        **common_of_member(visible, pool, backend_state, MEMBER_KEPT),
        "backup": backend.backup,
        "monitor_address": backend.probe_address,
        "monitor_port": backend.probe_port,
        **owned(pool.project_id, member_status(backend_state, words_of(visible)), known),
        "tags": tags_of(backend.labels, known),
    }


async def load_balancer_json(visible: ProjectView, load_balancer: LoadBalancer) -> Json:
    """Return a load balancer."""
    status = words_of(visible).by_status[await visible.load_balancer_status(load_balancer)]
    known = known_of_load_balancer(visible, load_balancer)
    return {
        **common_of_load_balancer(load_balancer, LOAD_BALANCER_FORM.kept),
        **owned(load_balancer.project_id, status, known),
    }
