"""What one vantage says of a check: the form in which members of a cluster tell each other."""

from typing import NamedTuple

from prober.model.health import Health
from prober.model.probe import certificate_end
from prober.model.status import Outcome, Reason, Status


class PastChange(NamedTuple):
    """A change of a check's status, as in the event about it; `at` is in unix seconds."""

    at: float
    before: Status
    after: Status
    reason: Reason | None
    streak: int
    cause: str


class Vote(NamedTuple):
    """What one vantage found of a check.

    `status` is what its rise and fall say, `since` the unix time of that. `degraded` is a
    reservation about the last good result. `last` is the last result when this was written, without
    its phases. `turns` are the last changes of the status, oldest first. `refutes` are the
    members at which the check failed before this vantage found it good. `follows` is the member
    from which this vantage takes the check over, until it has found another status by itself: if
    that member still votes without being an owner, its vote is the newer one.
    """

    status: Status
    health: Health
    since: float
    degraded: bool
    last: Outcome | None
    turns: tuple[PastChange, ...] = ()
    refutes: tuple[str, ...] = ()
    follows: str = ""


class Ballot(NamedTuple):
    """The vote of one member on a check, and the zone of that member."""

    member: str
    zone: str
    vote: Vote


class Weight(NamedTuple):
    """What of a vote others need to hear of at once; two votes with equal weights say the same."""

    status: Status
    online: bool | None
    streak: int
    degraded: bool
    reason: Reason | None
    certificate_end: float | None


def weigh(
    status: Status,
    health: Health,
    last: Outcome | None,
    *,
    degraded: bool,
    rise: int,
    fall: int,
) -> Weight:
    """Return what others need to hear of; a streak counts only as long as it can decide."""
    streak = max(-fall, min(health.streak, rise))
    reason = last.reason if last else None
    end = certificate_end(last.facts) if last and last.facts else None
    return Weight(status, health.online, streak, degraded, reason, end)
