"""Oracle's names for health: the results and statuses of its two load balancer services."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from prober.model.ballot import Ballot
from prober.model.status import Reason, Result, Status
from prober.model.wording import time_text
from prober.state.check_state import CheckState
from prober.state.store import Store
from prober.web.server.json_answer import Json

_OF_RESULT = {
    Result.OK: "OK",
    Result.INVALID_STATUS_CODE: "INVALID_STATUS_CODE",
    Result.TIMED_OUT: "TIMED_OUT",
    Result.HEALTH_PAYLOAD_MISMATCH: "REGEX_MISMATCH",
    Result.CONNECT_FAILED: "CONNECT_FAILED",
    Result.UNKNOWN: "UNKNOWN",
}
_BROKEN_OFF = (
    Reason.BAD_RESPONSE,
    Reason.CLOSED,
    Reason.RESET,
    Reason.TLS_EXPIRED,
    Reason.TLS_HOSTNAME,
    Reason.TLS_UNTRUSTED,
    Reason.TLS_PIN,
    Reason.TLS_ISSUER,
    Reason.TLS_REVOKED,
    Reason.TLS_OCSP,
    Reason.TLS_ALERT,
    Reason.TLS_HANDSHAKE,
)

LB_WORDS = {
    **{reason: _OF_RESULT[reason.result] for reason in Reason},
    **dict.fromkeys(_BROKEN_OFF, "IO_ERROR"),
    Reason.DISABLED: "OFFLINE",
}
"""The healthCheckStatus of the Load Balancer service for each reason."""

NLB_WORDS = {reason: str(reason.result) for reason in Reason}
"""The same for the Network Load Balancer service, whose names are prober's own."""


def last_of(state: CheckState) -> tuple[Reason | None, float]:
    """Return the reason of the last probe of a check, and when it started in unix seconds.

    For a check without a result, or a disabled check, the time is that of its configuration.
    """
    if not state.check.enabled:
        return Reason.DISABLED, state.since
    if state.last is None:
        return None, state.since
    return state.last.reason, state.last.at


class HealthReport(NamedTuple):
    """What one vantage, the `reporter`, found of a check; `at` is in unix seconds."""

    reporter: str
    status: Status
    reason: Reason | None
    at: float
    source_ip: str


def reports_of(store: Store, state: CheckState, reporter: str) -> list[HealthReport]:
    """Return what each vantage found of a check: this prober, or those of a cluster."""
    votes = store.votes(state.check.key)
    if not votes or not state.check.enabled:
        reason, at = last_of(state)
        source_ip = (state.last and state.last.source_ip) or ""
        return [HealthReport(reporter, state.status, reason, at, source_ip)]
    return [_report(ballot) for ballot in votes]


def _report(ballot: Ballot) -> HealthReport:
    vote, last = ballot.vote, ballot.vote.last
    if last is None:
        return HealthReport(ballot.member, vote.status, None, vote.since, "")
    return HealthReport(ballot.member, vote.status, last.reason, last.at, last.source_ip or "")


def lb_result_json(report: HealthReport) -> Json:
    """Return a HealthCheckResult of the Load Balancer service; the reporter replaces a subnet."""
    return {
        "subnetId": report.reporter,
        "sourceIpAddress": report.source_ip,
        "timestamp": time_text(report.at),
        "healthCheckStatus": LB_WORDS[report.reason] if report.reason else "UNKNOWN",
    }


def nlb_result_json(report: HealthReport) -> Json:
    """Return a HealthCheckResult of the Network Load Balancer service."""
    return {
        "timestamp": time_text(report.at),
        "healthCheckStatus": NLB_WORDS[report.reason] if report.reason else "UNKNOWN",
    }


ResultJson = Callable[[HealthReport], Json]


def group_json(status: Status, members: Iterable[tuple[str, Status]], noun: str) -> Json:
    """Return the health of a group; `noun` is the name of its members.

    As with Oracle, members that are OK are not listed.
    """
    named: dict[Status, list[str]] = {status: [] for status in Status}
    for name, each in members:
        named[each].append(name)
    return {
        "status": status,
        f"warningState{noun}Names": named[Status.WARNING],
        f"criticalState{noun}Names": named[Status.CRITICAL],
        f"unknownState{noun}Names": named[Status.UNKNOWN],
        f"total{noun}Count": sum(map(len, named.values())),
    }
