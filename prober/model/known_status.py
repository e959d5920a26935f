"""What is known of a backend even while its checks prove nothing: the last status that counted."""

from collections.abc import Iterable
from typing import NamedTuple

from prober.model.admin import AdminState
from prober.model.aggregate import backend_status, pool_status
from prober.model.health import Health
from prober.model.pool import Backend
from prober.model.status import Reason, Status


class CheckStatus(NamedTuple):
    """What a backend's status is made of: an enabled check."""

    status: Status
    health: Health
    reason: Reason | None
    detail: str


class KnownStatus(NamedTuple):
    """The last conclusive status of a backend.

    `status` is OK, WARNING or CRITICAL. `degraded` tells of a WARNING that no failure has caused,
    only a slow answer or a certificate about to expire. `reason` is that of the worst check's last
    result, None if that was good, and `cause` says it to people; `since` is the unix time from
    which on the backend has been in service, or not.
    """

    status: Status
    degraded: bool
    reason: Reason | None
    cause: str
    since: float


def known_status(
    checks: Iterable[CheckStatus], before: KnownStatus | None, *, now: float
) -> KnownStatus | None:
    """Return what is known of a backend, now or before its checks became inconclusive.

    Args:
        checks: Its enabled checks.
        before: What was known until now, None for nothing.
        now: Unix time.
    """
    found = list(checks)
    status = backend_status(each.status for each in found)
    if status is Status.UNKNOWN:
        return before
    bad = [each for each in found if each.status is not Status.OK]
    worst = next((each for each in bad if each.status is Status.CRITICAL), bad[0] if bad else None)
    degraded = status is Status.WARNING and all(
        each.status is Status.WARNING and each.health.streak >= 0 for each in bad
    )
    same = before is not None and before.status.in_service == status.in_service
    since = before.since if before is not None and same else now
    if worst is None or worst.reason is None or worst.reason is Reason.OK:
        return KnownStatus(status, degraded, None, "", since)
    return KnownStatus(status, degraded, worst.reason, worst.detail, since)


class ServedBackend(NamedTuple):
    """A backend as it is reported: what is known of it, and what an operator decided."""

    backend: Backend
    known: KnownStatus | None
    admin: AdminState | None = None

    @property
    def key(self) -> str:
        """Its `address:port`."""
        return self.backend.key

    @property
    def is_decided(self) -> bool:
        """Whether an operator decided about it, by an admin state or in the configuration."""
        return self.admin is not None or not self.backend.enabled

    @property
    def counts(self) -> bool:
        """Whether it counts in its pool and in alerts."""
        return self.backend.enabled and (self.admin is None or self.admin.counts)

    @property
    def in_service(self) -> bool | None:
        """Whether traffic may go there; None while that is not known and nobody decided it."""
        if self.admin is not None:
            return self.admin.in_service
        if not self.backend.enabled:
            return False
        return None if self.known is None else self.known.status.in_service


class JudgedCheck(NamedTuple):
    """A check with a conclusive status, for outputs that tell of single checks.

    `backend` is an `address:port`; `reason` and `cause` are those of the last result, None and
    empty if that was good; `since` is the unix time of its last status change.
    """

    monitor: str
    backend: str
    status: Status
    reason: Reason | None
    cause: str
    since: float


class NewCertificate(NamedTuple):
    """The certificate that a check's target shows since it was changed last.

    `certificate` identifies it; it is empty as long as the target shows the first one. `cause` says
    the change in words.
    """

    monitor: str
    backend: str
    certificate: str
    cause: str


class ServedPool(NamedTuple):
    """A pool as it is reported."""

    name: str
    load_balancer: str
    status: Status
    backends: tuple[ServedBackend, ...]
    monitors: tuple[str, ...] = ()

    @property
    def known_status(self) -> Status | None:
        """The status of the pool by what is known of its backends; None until all are known.

        Backends in maintenance and those that are drained do not count.
        """
        counted = [each for each in self.backends if each.counts]
        if not counted or any(each.known is None for each in counted):
            return None
        return pool_status(each.known.status for each in counted if each.known)
