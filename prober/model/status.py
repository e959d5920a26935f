"""The words for what was found: results, reasons, statuses, and one probe's outcome."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple, Self

from prober.model.kernel_view import KernelView

FactValue = int | float | str


class Status(StrEnum):
    """What rise and fall make of the results of a check, or of a group of checks."""

    OK = "OK"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"
    UNKNOWN = "UNKNOWN"

    @property
    def in_service(self) -> bool:
        """Whether traffic may go there: OK and WARNING."""
        return self in (Status.OK, Status.WARNING)


class Result(StrEnum):
    """What one probe found: the healthCheckStatus words of Oracle's Network Load Balancer.

    UNKNOWN is the inconclusive result: the trouble was ours, so it neither counts nor resets.
    """

    OK = "OK"
    INVALID_STATUS_CODE = "INVALID_STATUS_CODE"
    TIMED_OUT = "TIMED_OUT"
    HEALTH_PAYLOAD_MISMATCH = "HEALTH_PAYLOAD_MISMATCH"
    CONNECT_FAILED = "CONNECT_FAILED"
    UNKNOWN = "UNKNOWN"


class Reason(StrEnum):
    """Why a probe ended with its result; each reason belongs to exactly one result.

    The set is closed and small, because it is a metric label. `result` is the result it means,
    `sentence` says it to a person. A result is good, bad or inconclusive.
    """

    result: Result
    sentence: str
    is_good: bool
    is_conclusive: bool

    def __new__(cls, value: str, result: Result, sentence: str) -> Self:
        """Make one row of the table."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.result = result
        member.sentence = sentence
        member.is_good = result is Result.OK
        member.is_conclusive = result is not Result.UNKNOWN
        return member

    OK = "ok", Result.OK, "the probe succeeded"
    SILENT = "silent", Result.OK, "no reply and no refusal within the timeout"
    SLOW = "slow", Result.OK, "succeeded, but slower than allowed"
    EXPIRES_SOON = "expires_soon", Result.OK, "succeeded, but the certificate expires soon"

    UNEXPECTED_STATUS = "unexpected_status", Result.INVALID_STATUS_CODE, "not an expected code"
    UNEXPECTED_RCODE = "unexpected_rcode", Result.INVALID_STATUS_CODE, "not an expected DNS rcode"

    TIMEOUT = "timeout", Result.TIMED_OUT, "no verdict before the deadline"

    PAYLOAD_MISMATCH = (
        "payload_mismatch",
        Result.HEALTH_PAYLOAD_MISMATCH,
        "the reply does not contain what is expected",
    )
    NOT_SERVING = (
        "not_serving",
        Result.HEALTH_PAYLOAD_MISMATCH,
        "the service reports that it is not serving",
    )
    BAD_RESPONSE = "bad_response", Result.HEALTH_PAYLOAD_MISMATCH, "the reply violates its protocol"
    REGEX_TIMEOUT = (
        "regex_timeout",
        Result.HEALTH_PAYLOAD_MISMATCH,
        "a regular expression exceeded its time limit",
    )

    REFUSED = "refused", Result.CONNECT_FAILED, "the target refused the connection"
    UNREACHABLE = (
        "unreachable",
        Result.CONNECT_FAILED,
        "the network reports the target as unreachable",
    )
    CLOSED = "closed", Result.CONNECT_FAILED, "the connection was closed before the verdict"
    RESET = "reset", Result.CONNECT_FAILED, "the connection was reset before the verdict"
    DNS_NOT_FOUND = "dns_not_found", Result.CONNECT_FAILED, "the name has no address"
    TLS_EXPIRED = (
        "tls_expired",
        Result.CONNECT_FAILED,
        "the certificate has expired or is not valid yet",
    )
    TLS_HOSTNAME = "tls_hostname", Result.CONNECT_FAILED, "the certificate is for another name"
    TLS_UNTRUSTED = "tls_untrusted", Result.CONNECT_FAILED, "the certificate is not trusted"
    TLS_PIN = "tls_pin", Result.CONNECT_FAILED, "the certificate has none of the pinned keys"
    TLS_ISSUER = "tls_issuer", Result.CONNECT_FAILED, "the certificate is from another issuer"
    TLS_REVOKED = "tls_revoked", Result.CONNECT_FAILED, "the certificate has been revoked"
    TLS_OCSP = (
        "tls_ocsp",
        Result.CONNECT_FAILED,
        "no stapled OCSP response says that the certificate is good",
    )
    TLS_ALERT = "tls_alert", Result.CONNECT_FAILED, "the target aborted TLS with an alert"
    TLS_HANDSHAKE = "tls_handshake", Result.CONNECT_FAILED, "the TLS handshake failed"

    WEAK_SILENCE = (
        "weak_silence",
        Result.UNKNOWN,
        "no reply so soon after a refusal that it proves nothing",
    )
    DNS_UNAVAILABLE = "dns_unavailable", Result.UNKNOWN, "the resolver fails or does not answer"
    NO_DESCRIPTORS = "no_descriptors", Result.UNKNOWN, "prober has no file descriptor left"
    NO_PORTS = "no_ports", Result.UNKNOWN, "this host has no local port left"
    NO_MEMORY = "no_memory", Result.UNKNOWN, "this host has no socket memory left"
    PROXY_FAILED = "proxy_failed", Result.UNKNOWN, "the proxy fails, not the target"
    STALE_SECRET = (
        "stale_secret",
        Result.UNKNOWN,
        "not accepted, with a secret that its file no longer has",
    )
    NO_ROUTE = "no_route", Result.UNKNOWN, "this host has no route to the target"
    NO_TRUST_STORE = "no_trust_store", Result.UNKNOWN, "this host has no root certificates"
    NOT_PERMITTED = (
        "not_permitted",
        Result.UNKNOWN,
        "blocked locally (firewall, route or api_targets)",
    )
    STALLED = "stalled", Result.UNKNOWN, "prober itself was paused or too slow during the probe"
    INTERNAL = "internal", Result.UNKNOWN, "a bug in prober"
    DISABLED = "disabled", Result.UNKNOWN, "the monitor is disabled"


REASONS: Mapping[str, Reason] = {str(reason): reason for reason in Reason}
"""Every reason by its word."""


class Verdict(NamedTuple):
    """What a probe says at its end.

    `facts` are what the type learned on the way, by the names that it declares.
    """

    reason: Reason
    detail: str
    facts: Mapping[str, FactValue] | None = None


PHASES = ("resolve", "connect", "tls", "send", "first_byte", "transfer")
"""The parts of a probe's time, in the order in which they happen."""

Phases = tuple[float | None, ...]
"""Seconds spent in each of PHASES; None where the probe had no such phase."""

NO_PHASES: Phases = (None,) * len(PHASES)


class Outcome(NamedTuple):
    """One finished probe: its verdict and what was measured around it.

    `at` is the start in unix seconds, `seconds` the whole duration, `skipped` the number of slots
    of the schedule that this check missed before this probe. `kernel` is what the kernel knows of
    the connection of a probe over TCP that failed or was slow.
    """

    reason: Reason
    detail: str
    facts: Mapping[str, FactValue] | None
    at: float
    seconds: float
    phases: Phases = NO_PHASES
    source_ip: str | None = None
    skipped: int = 0
    kernel: KernelView | None = None

    @property
    def result(self) -> Result:
        """The result that the reason means."""
        return self.reason.result
