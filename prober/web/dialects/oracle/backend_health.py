"""Oracle's names for health: the results and statuses of its two load balancer services."""

from collections.abc import Callable, Iterable

from prober.model.status import Reason, Result, Status
from prober.model.wording import time_text
from prober.state.check_state import CheckState
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


def lb_result_json(state: CheckState, reporter: str) -> Json:
    """Return a HealthCheckResult of the Load Balancer service; `reporter` replaces a subnet."""
    reason, at = last_of(state)
    return {
        "subnetId": reporter,
        "sourceIpAddress": (state.last and state.last.source_ip) or "",
        "timestamp": time_text(at),
        "healthCheckStatus": LB_WORDS[reason] if reason else "UNKNOWN",
    }


def nlb_result_json(state: CheckState, _: str) -> Json:
    """Return a HealthCheckResult of the Network Load Balancer service."""
    reason, at = last_of(state)
    return {
        "timestamp": time_text(at),
        "healthCheckStatus": NLB_WORDS[reason] if reason else "UNKNOWN",
    }


ResultJson = Callable[[CheckState, str], Json]


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
