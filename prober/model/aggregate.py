"""The status rules for groups: backends from checks, pools from backends, balancers from pools."""

from collections.abc import Iterable

from prober.model.status import Status


def backend_status(checks: Iterable[Status]) -> Status:
    """Return the status of a backend from those of its checks; without checks, UNKNOWN."""
    found = set(checks)
    if len(found) == 1:
        return found.pop()
    if not found or Status.UNKNOWN in found:
        return Status.UNKNOWN
    if Status.OK not in found and Status.CRITICAL in found:
        return Status.CRITICAL
    return Status.WARNING


def pool_status(backends: Iterable[Status]) -> Status:
    """Return the status of a pool from those of its backends."""
    statuses = list(backends)
    unknown = statuses.count(Status.UNKNOWN)
    if not statuses or unknown * 2 > len(statuses):
        return Status.UNKNOWN
    if statuses.count(Status.OK) == len(statuses):
        return Status.OK
    if sum(status.in_service for status in statuses) * 2 < len(statuses):
        return Status.CRITICAL
    return Status.WARNING


def load_balancer_status(pools: Iterable[Status]) -> Status:
    """Return the status of a load balancer from those of its pools."""
    statuses = list(pools)
    if not statuses:
        return Status.UNKNOWN
    if Status.CRITICAL in statuses:
        return Status.CRITICAL
    if statuses.count(Status.UNKNOWN) * 2 > len(statuses):
        return Status.UNKNOWN
    if statuses.count(Status.OK) == len(statuses):
        return Status.OK
    return Status.WARNING


WORST_FIRST = (Status.CRITICAL, Status.WARNING, Status.UNKNOWN, Status.OK)
"""The statuses, those that need attention most first."""


def worst(statuses: Iterable[Status]) -> Status:
    """Return the status that needs attention most; without statuses, UNKNOWN."""
    return min(statuses, key=WORST_FIRST.index, default=Status.UNKNOWN)
