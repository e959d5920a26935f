"""The four kinds of objects of both clouds, which each cloud shows in its own form."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from prober.model.monitor import Monitor
from prober.model.pool import Pool
from prober.state.check_state import BackendState
from prober.web.dialects.lbaas import monitor_edits as edits
from prober.web.dialects.lbaas.listing import Filter
from prober.web.dialects.lbaas.project_view import LoadBalancer, ProjectView
from prober.web.dialects.lbaas.resource import Ids, Resource
from prober.web.server.json_answer import Json


def health_monitors(
    form: edits.MonitorFormat, filters: Sequence[Filter]
) -> Resource[tuple[Monitor, Pool]]:
    """Return health monitors, which can be edited."""

    async def show(visible: ProjectView, found: tuple[Monitor, Pool]) -> Json:
        return form.show(visible, *found)

    return Resource(
        "healthmonitor",
        "/healthmonitors",
        every=lambda visible, _: visible.monitors(),
        one=lambda visible, ids: visible.monitor(ids["id"]),
        show=show,
        filters=filters,
        create=partial(edits.create_monitor, form=form),
        update=partial(edits.update_monitor, form=form),
        delete=partial(edits.delete_monitor, form=form),
    )


def pools(
    show: Callable[[ProjectView, Pool], Awaitable[Json]], filters: Sequence[Filter]
) -> Resource[Pool]:
    """Return pools."""
    return Resource(
        "pool",
        "/pools",
        every=lambda visible, _: visible.pools(),
        one=lambda visible, ids: visible.pool(ids["id"]),
        show=show,
        filters=filters,
    )


def members(
    show: Callable[[ProjectView, Pool, BackendState], Json], filters: Sequence[Filter]
) -> Resource[tuple[Pool, BackendState]]:
    """Return the members of a pool, with their statuses."""

    def every(visible: ProjectView, ids: Ids) -> list[tuple[Pool, BackendState]]:
        pool = visible.pool(ids["pool_id"])
        return [(pool, each) for each in visible.store.backend_states(pool)]

    def one(visible: ProjectView, ids: Ids) -> tuple[Pool, BackendState]:
        pool = visible.pool(ids["pool_id"])
        return pool, visible.member(pool, ids["id"])

    async def shown(visible: ProjectView, found: tuple[Pool, BackendState]) -> Json:
        return show(visible, *found)

    return Resource("member", "/pools/{pool_id}/members", every, one, shown, filters)


def load_balancers(
    show: Callable[[ProjectView, LoadBalancer], Awaitable[Json]], filters: Sequence[Filter]
) -> Resource[LoadBalancer]:
    """Return load balancers."""
    return Resource(
        "loadbalancer",
        "/loadbalancers",
        every=lambda visible, _: visible.load_balancers(),
        one=lambda visible, ids: visible.load_balancer(ids["id"]),
        show=show,
        filters=filters,
    )
