"""The vote over the vantages of a check: one status from what each of them found."""

from collections.abc import Iterable
from enum import StrEnum

from prober.model.status import Status


class VoteRule(StrEnum):
    """How the votes of several vantages make one status."""

    UNANIMOUS = "unanimous"
    """CRITICAL when no vote is in service: the words of Oracle's document."""
    MAJORITY = "majority"
    """CRITICAL when more than half of the votes are."""


def voted(statuses: Iterable[Status], rule: VoteRule, vantages: int) -> Status:
    """Return the status of a check from those at its vantages.

    Args:
        statuses: What the vantages found; UNKNOWN is no vote.
        rule: How to count.
        vantages: The number of its vantages; UNKNOWN if fewer than half of them vote.
    """
    votes = [status for status in statuses if status is not Status.UNKNOWN]
    if not votes or 2 * len(votes) < vantages:
        return Status.UNKNOWN
    if all(status is Status.OK for status in votes):
        return Status.OK
    critical = votes.count(Status.CRITICAL)
    lost = critical == len(votes) if rule is VoteRule.UNANIMOUS else 2 * critical > len(votes)
    return Status.CRITICAL if lost else Status.WARNING
