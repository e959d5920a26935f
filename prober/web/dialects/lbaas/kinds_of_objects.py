"""The four kinds of objects of both clouds, which each cloud shows in its own form."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial

from prober.model.monitor import Monitor
from prober.model.pool import Pool
from prober.state.check_state import BackendState
from prober.web.dialects.lbaas import monitor_edits as edits
from prober.web.dialects.lbaas.listing import Filter
from prober.web.dialects.lbaas.load_balancer_edits import (
    LoadBalancerForm,
    create_load_balancer,
    delete_load_balancer,
    update_load_balancer,
)
from prober.web.dialects.lbaas.member_edits import (
    MemberForm,
    create_member,
    delete_member,
    update_member,
)
from prober.web.dialects.lbaas.pool_edits import PoolForm, create_pool, delete_pool, update_pool
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
    show: Callable[[ProjectView, Pool], Awaitable[Json]],
    filters: Sequence[Filter],
    form: PoolForm,
) -> Resource[Pool]:
    """Return pools, which can be edited."""
    return Resource(
        "pool",
        "/pools",
        every=lambda visible, _: visible.pools(),
        one=lambda visible, ids: visible.pool(ids["id"]),
        show=show,
        filters=filters,
        create=partial(create_pool, form=form),
        update=partial(update_pool, form=form, show=show),
        delete=delete_pool,
    )


def members(form: MemberForm, filters: Sequence[Filter]) -> Resource[tuple[Pool, BackendState]]:
    """Return the members of a pool, with their statuses, which can be edited."""

    def every(visible: ProjectView, ids: Ids) -> list[tuple[Pool, BackendState]]:
        pool = visible.pool(ids["pool_id"])
        return [(pool, each) for each in visible.store.backend_states(pool)]

    def one(visible: ProjectView, ids: Ids) -> tuple[Pool, BackendState]:
        pool = visible.pool(ids["pool_id"])
        return pool, visible.member(pool, ids["id"])

    async def shown(visible: ProjectView, found: tuple[Pool, BackendState]) -> Json:
        return form.show(visible, *found)

    return Resource(
        "member",
        "/pools/{pool_id}/members",
        every,
        one,
        shown,
        filters,
        create=partial(create_member, form=form),
        update=partial(update_member, form=form),
        delete=delete_member,
    )


def load_balancers(
    show: Callable[[ProjectView, LoadBalancer], Awaitable[Json]],
    filters: Sequence[Filter],
    form: LoadBalancerForm,
) -> Resource[LoadBalancer]:
    """Return load balancers, which can be edited."""
    return Resource(
        "loadbalancer",
        "/loadbalancers",
        every=lambda visible, _: visible.load_balancers(),
        one=lambda visible, ids: visible.load_balancer(ids["id"]),
        show=show,
        filters=filters,
        create=partial(create_load_balancer, form=form),
        update=partial(update_load_balancer, form=form, show=show),
        delete=delete_load_balancer,
    )


def all_members(form: MemberForm, filters: Sequence[Filter]) -> Resource[tuple[Pool, BackendState]]:
    """Return the members of all pools, each with the ids of its pool and its load balancer."""

    def every(visible: ProjectView, _: Ids) -> Iterator[tuple[Pool, BackendState]]:
        for pool in visible.pools():
            for each in visible.store.backend_states(pool):
                yield pool, each

    async def shown(visible: ProjectView, found: tuple[Pool, BackendState]) -> Json:
        pool, _ = found
        balancer = LoadBalancer(pool.load_balancer, []).id
        return {
            **form.show(visible, *found),
            "pool_id": pool.id,
            "loadbalancer_id": balancer,
            "loadbalancers": [{"id": balancer}],
        }

    return Resource("member", "/members", every, None, shown, filters)
