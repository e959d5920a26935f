"""What a reload does: compares two models, check by check."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any, NamedTuple

from prober.model.monitor import Check, Model, Monitor
from prober.model.pool import Pool


class Changes(NamedTuple):
    """The differences between the checks of two models; changed checks with their old version.

    `same` counts checks that are in no list, because their monitor and their pool are identical
    objects in both models.
    """

    added: list[Check]
    removed: list[Check]
    changed: list[tuple[Check, Check]]
    unchanged: list[Check]
    same: int = 0


def changes(old: Model, new: Model) -> Changes:
    """Compare two models; a backend added to a pool does not change the pool's other checks."""
    old, new, same = _without_the_same(old, new)
    before = {check.key: check for check in old.checks()}
    same_monitors = _common(map(_policy, old.monitors), map(_policy, new.monitors))
    same_pools = _common(map(_belonging, old.pools), map(_belonging, new.pools))
    found = Changes([], [], [], [], same)
    for check in new.checks():
        was = before.pop(check.key, None)
        if was is None:
            found.added.append(check)
        elif (
            was.backend == check.backend
            and was.pool.name == check.pool.name
            and check.monitor.name in same_monitors
            and check.pool.name in same_pools
        ):
            found.unchanged.append(check)
        else:
            found.changed.append((was, check))
    found.removed.extend(before.values())
    return found


def _without_the_same(old: Model, new: Model) -> tuple[Model, Model, int]:
    """Leave out monitors that are the same object with the same pool; return their checks' number.

    This way, an edit of one monitor among thousands does not compare all of them.
    """
    old_pools = {pool.name: pool for pool in old.pools}
    new_pools = {pool.name: pool for pool in new.pools}
    before = {monitor.name: monitor for monitor in old.monitors}
    alike = {
        monitor.name
        for monitor in new.monitors
        if before.get(monitor.name) is monitor
        and old_pools[monitor.pool_name] is new_pools[monitor.pool_name]
    }
    if not alike:
        return old, new, 0
    same = sum(len(new_pools[before[name].pool_name].backends) for name in alike)
    return _rest(old, old_pools, alike), _rest(new, new_pools, alike), same


def _rest(model: Model, pools: dict[str, Pool], alike: set[str]) -> Model:
    """Return a model without some monitors and without the pools that only those need."""
    monitors = tuple(monitor for monitor in model.monitors if monitor.name not in alike)
    names = dict.fromkeys(monitor.pool_name for monitor in monitors)
    return Model(monitors, tuple(pools[name] for name in names))


def _policy(monitor: Monitor) -> tuple[Any, ...]:
    """Return the settings of a monitor that affect its checks, with its name first."""
    where = ("name", "pool", "targets", "targets_from", "origin")
    rest = (getattr(monitor, each.name) for each in fields(monitor) if each.name not in where)
    return monitor.name, *rest


def _belonging(pool: Pool) -> tuple[Any, ...]:
    return pool.name, pool.id, pool.load_balancer, pool.project_id, pool.public_gate


def _common(old: Iterable[tuple[Any, ...]], new: Iterable[tuple[Any, ...]]) -> set[str]:
    """Return the names of the items that are equal in both."""
    before = {each[0]: each for each in old}
    return {each[0] for each in new if before.get(each[0]) == each}
