"""How statuses and results are called in these clouds."""

from collections.abc import Iterable, Mapping

from prober.model.status import PHASES, Outcome, Reason, Result, Status
from prober.state.store import CheckState
from prober.web.document import Json

OCTAVIA_STATUSES: Mapping[Status, str] = {
    Status.OK: "ONLINE",
    Status.WARNING: "DEGRADED",
    Status.CRITICAL: "ERROR",
    Status.UNKNOWN: "OFFLINE",
}
"""OpenStack's operating_status of members, pools and load balancers."""

HUAWEI_STATUSES: Mapping[Status, str] = {
    Status.OK: "ONLINE",
    Status.WARNING: "ONLINE",
    Status.CRITICAL: "OFFLINE",
    Status.UNKNOWN: "UNKNOWN",
}
"""Huawei's; it has no word between ONLINE and OFFLINE, and a WARNING is in service."""

NO_MONITOR = "NO_MONITOR"
"""What both say of a member that nothing probes."""

INITIAL = "INITIAL"
"""What Huawei says of a member before rise or fall have decided for the first time."""

REASON_CODES: Mapping[Reason, str] = {
    Reason.UNEXPECTED_STATUS: "RESPONSE_MISMATCH",
    Reason.PAYLOAD_MISMATCH: "RESPONSE_MISMATCH",
    Reason.NOT_SERVING: "RESPONSE_MISMATCH",
    Reason.REGEX_TIMEOUT: "RESPONSE_MISMATCH",
    Reason.BAD_RESPONSE: "RESPONSE_FORMAT_ERROR",
    Reason.REFUSED: "CONNECT_REFUSED",
    Reason.UNREACHABLE: "CONNECT_FAILED",
    Reason.DNS_NOT_FOUND: "CONNECT_FAILED",
    Reason.CLOSED: "CONNECT_INTERRUPT",
    Reason.RESET: "CONNECT_INTERRUPT",
    Reason.TLS_EXPIRED: "SSL_HANDSHAKE_ERROR",
    Reason.TLS_HOSTNAME: "SSL_HANDSHAKE_ERROR",
    Reason.TLS_UNTRUSTED: "SSL_HANDSHAKE_ERROR",
    Reason.TLS_ALERT: "SSL_HANDSHAKE_ERROR",
    Reason.TLS_HANDSHAKE: "SSL_HANDSHAKE_ERROR",
}
"""Huawei's reason_code of a bad result; that of a timeout says what was waited for."""

TIMEOUT_CODES: Mapping[str, str] = {
    "resolve": "CONNECT_TIMEOUT",
    "connect": "CONNECT_TIMEOUT",
    "tls": "SSL_HANDSHAKE_ERROR",
    "send": "SEND_REQUEST_TIMEOUT",
    "first_byte": "RECV_RESPONSE_TIMEOUT",
    "transfer": "RECV_RESPONSE_TIMEOUT",
}
"""The reason_code of a timeout, by the phase in which it came."""


def is_probed(checks: Iterable[CheckState]) -> bool:
    """Tell whether any of these checks is enabled."""
    return any(state.check.monitor.enabled for state in checks)


def octavia_member_status(status: Status, checks: list[CheckState]) -> str:
    """Return OpenStack's operating_status of a backend."""
    return OCTAVIA_STATUSES[status] if is_probed(checks) else NO_MONITOR


def huawei_member_status(status: Status, checks: list[CheckState]) -> str:
    """Return Huawei's operating_status of a backend."""
    if not is_probed(checks):
        return NO_MONITOR
    enabled = (state for state in checks if state.check.monitor.enabled)
    if status is Status.UNKNOWN and any(state.health.online is None for state in enabled):
        return INITIAL
    return HUAWEI_STATUSES[status]


def failure_json(checks: Iterable[CheckState]) -> Json | None:
    """Return Huawei's `reason` of a backend: why the last probe of a check was bad."""
    for state in checks:
        code = reason_code(state.last) if state.last and state.check.monitor.enabled else None
        if code and state.last:
            return {"reason_code": code, **_codes_json(state, state.last, code)}
    return None


def reason_code(outcome: Outcome) -> str | None:
    """Return Huawei's reason_code of a result, None for one that is not bad."""
    if outcome.reason is not Reason.TIMEOUT:
        return REASON_CODES.get(outcome.reason)
    reached = [
        name for name, spent in zip(PHASES, outcome.phases, strict=True) if spent is not None
    ]
    return TIMEOUT_CODES[reached[-1] if reached else "first_byte"]


def _codes_json(state: CheckState, outcome: Outcome, code: str) -> Json:
    """Return the codes that were expected and found; the document has them for a mismatch only."""
    if code != "RESPONSE_MISMATCH" or outcome.result is not Result.INVALID_STATUS_CODE:
        return {"expected_response": None, "healthcheck_response": None}
    facts = outcome.facts or {}
    found = facts.get("http_status_code", facts.get("grpc_status_code"))
    expected = getattr(state.check.monitor.probe, "expected_codes", None)
    return {
        "expected_response": expected and expected.written,
        "healthcheck_response": None if found is None else str(found),
    }
