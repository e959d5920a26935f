"""The names of statuses and results in these clouds."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from prober.model.admin import AdminState
from prober.model.option import show_options
from prober.model.pool import Pool
from prober.model.status import PHASES, Outcome, Reason, Result, Status
from prober.state.check_state import BackendState, CheckState
from prober.state.cloud_objects import CloudObject
from prober.web.dialects.lbaas.project_view import ProjectView
from prober.web.server.json_answer import Json


class StatusNames(NamedTuple):
    """A cloud's names for operating_status.

    `undecided` is the name for a member before rise or fall have decided for the first time.
    """

    by_status: Mapping[Status, str]
    undecided: str
    draining: str


OPENSTACK = StatusNames(
    {
        Status.OK: "ONLINE",
        Status.WARNING: "DEGRADED",
        Status.CRITICAL: "ERROR",
        Status.UNKNOWN: "OFFLINE",
    },
    undecided="OFFLINE",
    draining="DRAINING",
)
HUAWEI = StatusNames(
    {
        Status.OK: "ONLINE",
        Status.WARNING: "ONLINE",
        Status.CRITICAL: "OFFLINE",
        Status.UNKNOWN: "UNKNOWN",
    },
    undecided="INITIAL",
    draining="OFFLINE",
)
"""Huawei has no name between ONLINE and OFFLINE; WARNING is in service."""

NO_MONITOR = "NO_MONITOR"
"""The name in both clouds for an object that nothing probes."""

_BY_RESULT = {
    Result.INVALID_STATUS_CODE: "RESPONSE_MISMATCH",
    Result.HEALTH_PAYLOAD_MISMATCH: "RESPONSE_MISMATCH",
    Result.CONNECT_FAILED: "CONNECT_FAILED",
}
_BY_REASON = {
    Reason.BAD_RESPONSE: "RESPONSE_FORMAT_ERROR",
    Reason.REFUSED: "CONNECT_REFUSED",
    Reason.CLOSED: "CONNECT_INTERRUPT",
    Reason.RESET: "CONNECT_INTERRUPT",
    Reason.TLS_EXPIRED: "SSL_HANDSHAKE_ERROR",
    Reason.TLS_HOSTNAME: "SSL_HANDSHAKE_ERROR",
    Reason.TLS_UNTRUSTED: "SSL_HANDSHAKE_ERROR",
    Reason.TLS_PIN: "SSL_HANDSHAKE_ERROR",
    Reason.TLS_ISSUER: "SSL_HANDSHAKE_ERROR",
    Reason.TLS_REVOKED: "SSL_HANDSHAKE_ERROR",
    Reason.TLS_OCSP: "SSL_HANDSHAKE_ERROR",
    Reason.TLS_ALERT: "SSL_HANDSHAKE_ERROR",
    Reason.TLS_HANDSHAKE: "SSL_HANDSHAKE_ERROR",
}
REASON_CODES: Mapping[Reason, str] = {
    reason: _BY_REASON.get(reason, _BY_RESULT[reason.result])
    for reason in Reason
    if reason.result in _BY_RESULT
}
"""Huawei's reason_code for a bad result; for a timeout, it depends on the phase."""

TIMEOUT_CODES: Mapping[str, str] = {
    "resolve": "CONNECT_TIMEOUT",
    "connect": "CONNECT_TIMEOUT",
    "tls": "SSL_HANDSHAKE_ERROR",
    "send": "SEND_REQUEST_TIMEOUT",
    "first_byte": "RECV_RESPONSE_TIMEOUT",
    "transfer": "RECV_RESPONSE_TIMEOUT",
}
"""The reason_code for a timeout, by phase."""


def is_up(backend_state: BackendState) -> bool:
    """Return the admin_state_up of a backend: not while it is disabled or in maintenance."""
    admin = backend_state.admin
    in_maintenance = admin is not None and admin.state is AdminState.MAINTENANCE
    return backend_state.backend.enabled and not in_maintenance


def weight_of(backend_state: BackendState, known: CloudObject | None = None) -> int:
    """Return the weight of a backend: 0 while it is drained, and beneath a maintenance, too."""
    state = backend_state.admin.state if backend_state.admin else None
    drained = known is not None and known.fields.get("drained")
    if state is AdminState.DRAIN or (state is AdminState.MAINTENANCE and drained):
        return 0
    return backend_state.backend.weight


def member_status(backend_state: BackendState, words: StatusNames) -> str:
    """Return the operating_status of a backend."""
    if not is_up(backend_state):
        return "OFFLINE"
    if not weight_of(backend_state):
        return words.draining
    enabled = [state for state in backend_state.checks if state.check.enabled]
    if not enabled:
        return NO_MONITOR
    if backend_state.status is Status.UNKNOWN and any(
        each.health.online is None for each in enabled
    ):
        return words.undecided
    return words.by_status[backend_state.status]


async def pool_status(visible: ProjectView, pool: Pool, words: StatusNames) -> str:
    """Return the operating_status of a pool; an empty one has nothing to monitor."""
    if pool.backends and not any(monitor.enabled for monitor in visible.monitors_of(pool)):
        return NO_MONITOR
    return words.by_status[await visible.pool_status(pool)]


def failure_json(checks: Iterable[CheckState]) -> Json | None:
    """Return Huawei's `reason` for a backend: why the last probe of a check was bad."""
    for state in checks:
        code = reason_code(state.last) if state.last and state.check.enabled else None
        if code and state.last:
            return {"reason_code": code, **_codes_json(state, state.last, code)}
    return None


def reason_code(outcome: Outcome) -> str | None:
    """Return Huawei's reason_code for a result, or None if it is not bad."""
    if outcome.reason is not Reason.TIMEOUT:
        return REASON_CODES.get(outcome.reason)
    reached = [
        name for name, spent in zip(PHASES, outcome.phases, strict=True) if spent is not None
    ]
    return TIMEOUT_CODES[reached[-1] if reached else "first_byte"]


def _codes_json(state: CheckState, outcome: Outcome, code: str) -> Json:
    """Return the expected and the received codes; they are documented only for a mismatch."""
    if code != "RESPONSE_MISMATCH" or outcome.result is not Result.INVALID_STATUS_CODE:
        return {"expected_response": None, "healthcheck_response": None}
    facts, probe = outcome.facts or {}, state.check.monitor.probe
    judged = [fact for fact in probe.facts if fact.expected_by and fact.name in facts]
    wanted = show_options(probe).get(judged[0].expected_by) if judged else None
    return {
        "expected_response": None if wanted is None else _as_text(wanted),
        "healthcheck_response": str(facts[judged[0].name]) if judged else None,
    }


def _as_text(option: object) -> str:
    return ",".join(map(str, option)) if isinstance(option, list) else str(option)
