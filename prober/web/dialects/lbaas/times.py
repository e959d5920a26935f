"""When objects were created and changed, as these APIs say it."""

from datetime import UTC, datetime

from prober.model.definition import MONITOR, POOL
from prober.model.monitor import Monitor
from prober.model.pool import Backend, Pool
from prober.state.cloud_objects import MEMBER, CloudObject, member_key
from prober.web.dialects.lbaas.project_view import LoadBalancer, ProjectView
from prober.web.server.json_answer import Json

OPENSTACK_TIME = "%Y-%m-%dT%H:%M:%S"
"""UTC, without a zone."""
HUAWEI_TIME = "%Y-%m-%dT%H:%M:%SZ"


def known_of_monitor(visible: ProjectView, monitor: Monitor) -> CloudObject | None:
    """Return what is known of a health monitor."""
    return visible.store.cloud_objects.of(MONITOR, monitor.id)


def known_of_pool(visible: ProjectView, pool: Pool) -> CloudObject | None:
    """Return what is known of a pool."""
    return visible.store.cloud_objects.of(POOL, pool.id)


def known_of_member(visible: ProjectView, pool: Pool, backend: Backend) -> CloudObject | None:
    """Return what is known of a member; one that no API wrote to is as old as its pool."""
    known = visible.store.cloud_objects.of(MEMBER, member_key(pool, backend))
    of_pool = known_of_pool(visible, pool)
    return known or (of_pool and CloudObject(of_pool.created_at))


def known_of_load_balancer(visible: ProjectView, found: LoadBalancer) -> CloudObject | None:
    """Return what is known of a load balancer; one that no API wrote to is as old as its pools."""
    if found.known:
        return found.known
    pools = [known for pool in found.pools if (known := known_of_pool(visible, pool))]
    return CloudObject(min(each.created_at for each in pools)) if pools else None


def times(known: CloudObject | None, form: str, *, always_updated: bool = False) -> Json:
    """Return `created_at` and `updated_at`; `always_updated` has no null for no change."""
    if known is None:
        return {"created_at": None, "updated_at": None}
    updated = known.created_at if always_updated and not known.updated_at else known.updated_at
    return {"created_at": _time(known.created_at, form), "updated_at": _time(updated, form)}


def _time(moment: float | None, form: str) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).strftime(form)
