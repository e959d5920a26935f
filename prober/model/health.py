"""Rise and fall: everything that decides the status of a check."""

from functools import lru_cache
from typing import Final, NamedTuple

from prober.model.probe import certificate_end, is_of_chain, ocsp_end
from prober.model.status import Outcome, Reason, Result, Status
from prober.model.tls_settings import TlsSettings

DEGRADED: Final = frozenset({Reason.SLOW, Reason.EXPIRES_SOON})
"""Good results that leave a reservation: an online check that has one is WARNING."""


class Health(NamedTuple):
    """What the results so far add up to.

    `online` is None until `rise` good or `fall` bad results in a row have decided it. `streak`
    counts equal results in a row: positive for good ones, negative for bad ones.
    """

    online: bool | None = None
    streak: int = 0


PENDING: Final = Health()

_GOOD: Final = Result.OK  # Python 3.11 looks a member up in 0.1 us
_INCONCLUSIVE: Final = Result.UNKNOWN
_OK: Final = Status.OK


def advance(health: Health, result: Result, *, rise: int, fall: int) -> Health:
    """Return the health after one more result; an inconclusive one changes nothing."""
    online, streak = health
    if result is _GOOD:
        streak = streak + 1 if streak > 0 else 1
        return _health(True if streak >= rise else online, streak)
    if result is _INCONCLUSIVE:
        return health
    streak = streak - 1 if streak < 0 else -1
    return _health(False if -streak >= fall else online, streak)


@lru_cache(maxsize=4096)
def _health(online: bool | None, streak: int) -> Health:  # noqa: FBT001  (lru_cache likes positions)
    """Return the same health for the same values: checks that are all well share few."""
    return Health(online, streak)


def status_of(health: Health, *, degraded: bool, stale: bool, enabled: bool = True) -> Status:
    """Return the status of a check.

    Args:
        health: What rise and fall say.
        degraded: The last good result had a reservation (slow, certificate about to expire).
        stale: There was no conclusive result for too long (`Monitor.stale_after`).
        enabled: The monitor is probed at all.
    """
    if stale or not enabled or health.online is None:
        return Status.UNKNOWN
    if not health.online:
        return Status.CRITICAL
    return Status.WARNING if degraded or health.streak < 0 else _OK


def status_of_one(outcome: Outcome) -> Status:
    """Return the status that one probe alone indicates; its outcome is marked if degraded."""
    if outcome.result is Result.UNKNOWN:
        return Status.UNKNOWN
    if outcome.result is not Result.OK:
        return Status.CRITICAL
    return Status.WARNING if outcome.reason in DEGRADED else Status.OK


def degrade(
    outcome: Outcome, *, slow: float | None, tls: TlsSettings | None, slow_by: str = ""
) -> Outcome:
    """Return the outcome, with the reservation that a plain good result deserves.

    Args:
        outcome: What the probe found; anything but a plain good result is returned as it is.
        slow: Seconds that a good probe may take, or None.
        tls: The settings that say how long certificates must still be valid, or None.
        slow_by: The fact that `slow` limits; if it is empty, that is the duration of the probe.
    """
    if outcome.reason is not Reason.OK:
        return outcome
    if (
        tls is not None
        and (tls.expires_within or tls.ocsp_expires_within)
        and (ending := _ending(outcome, tls))
    ):
        detail = f"{outcome.detail}; {ending}"
        return outcome._replace(reason=Reason.EXPIRES_SOON, detail=detail)
    took = float((outcome.facts or {}).get(slow_by, outcome.seconds))
    if slow is not None and took > slow:
        detail = f"{outcome.detail}; took {took:.3f} s, {slow:g} s allowed"
        return outcome._replace(reason=Reason.SLOW, detail=detail)
    return outcome


def _ending(outcome: Outcome, tls: TlsSettings) -> str:
    """Say what expires sooner than the settings allow; empty if nothing does."""
    allowed, end = tls.expires_within, certificate_end(outcome.facts)
    if allowed is not None and end is not None and end - outcome.at < allowed:
        which = "a certificate of its chain" if is_of_chain(outcome.facts) else "certificate"
        return f"{which} {_when(end - outcome.at)}"
    allowed, end = tls.ocsp_expires_within, ocsp_end(outcome.facts)
    if allowed is not None and end is not None and end - outcome.at < allowed:
        return f"stapled OCSP response {_when(end - outcome.at)}"
    return ""


def _when(left: float) -> str:
    days = abs(left) / 86400
    return f"expires in {days:.1f} days" if left >= 0 else f"expired {days:.1f} days ago"


def explain(health: Health, status: Status, *, rise: int, fall: int) -> str:
    """Return a sentence that says what would change the status of a check."""
    good, bad = max(health.streak, 0), max(-health.streak, 0)
    rises = f"{max(rise - good, 1)} more good in a row make it OK"
    falls = f"{max(fall - bad, 1)} more bad in a row make it CRITICAL"
    if health.online is None:
        return f"undecided: {rises}, {falls}"
    if status is Status.UNKNOWN:
        was = "online" if health.online else "offline"
        return f"no recent conclusive result, last {was}: the next conclusive one ends UNKNOWN"
    if not health.online:
        return f"offline: {rises}"
    if bad:
        return f"online, failing {bad}/{fall}: {falls}, one good result makes it OK"
    end = f"{fall} bad in a row make it CRITICAL"
    if status is Status.WARNING:
        return f"online, degraded: a result neither slow nor expiring soon makes it OK, {end}"
    return f"online: {end}"
