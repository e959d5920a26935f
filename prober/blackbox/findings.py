"""The findings of one probe, as gauges and log lines: the answer of `GET /probe`."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from prometheus_client.utils import floatToGoString

from prober.blackbox.chain import Certificate, read_certificate
from prober.model.probe import TlsSession, tls_words
from prober.protocols.exposition import write_head, write_labels

HELP = {
    "probe_dns_additional_rrs": (
        "Returns number of entries in the additional resource record list"
    ),
    "probe_dns_answer_rrs": "Returns number of entries in the answer resource record list",
    "probe_dns_authority_rrs": "Returns number of entries in the authority resource record list",
    "probe_dns_duration_seconds": "Duration of DNS request by phase",
    "probe_dns_lookup_time_seconds": "Returns the time taken for probe dns lookup in seconds",
    "probe_dns_query_succeeded": ("Displays whether or not the query was executed successfully"),
    "probe_dns_serial": "Returns the serial number of the zone",
    "probe_duration_seconds": "Returns how long the probe took to complete in seconds",
    "probe_expect_info": "Explicit content matched",
    "probe_failed_due_to_bytes": "Indicates if probe failed due to bytes",
    "probe_failed_due_to_regex": "Indicates if probe failed due to regex",
    "probe_grpc_duration_seconds": "Duration of gRPC request by phase",
    "probe_grpc_healthcheck_response": "Response HealthCheck response",
    "probe_grpc_ssl": "Indicates if SSL was used for the connection",
    "probe_grpc_status_code": "Response gRPC status code",
    "probe_http_content_length": "Length of http content response",
    "probe_http_duration_seconds": "Duration of http request by phase, summed over all redirects",
    "probe_http_last_modified_timestamp_seconds": (
        "Returns the Last-Modified HTTP response header in unixtime"
    ),
    "probe_http_redirects": "The number of redirects",
    "probe_http_ssl": "Indicates if SSL was used for the final redirect",
    "probe_http_status_code": "Response HTTP status code",
    "probe_http_uncompressed_body_length": "Length of uncompressed response body",
    "probe_http_version": "Returns the version of HTTP of the probe response",
    "probe_icmp_duration_seconds": "Duration of icmp request by phase",
    "probe_icmp_reply_hop_limit": "Replied packet hop limit (TTL for ipv4)",
    "probe_ip_addr_hash": (
        "Specifies the hash of IP address. It's useful to detect if the IP address changes."
    ),
    "probe_ip_protocol": "Specifies whether probe ip protocol is IP4 or IP6",
    "probe_ssl_earliest_cert_expiry": "Returns last SSL chain expiry in unixtime",
    "probe_ssl_last_chain_expiry_timestamp_seconds": "Returns last SSL chain expiry in timestamp",
    "probe_ssl_last_chain_info": "Contains SSL leaf certificate information",
    "probe_success": "Displays whether or not the probe was a success",
    "probe_tls_version_info": "Returns the TLS version used or NaN when unknown",
}
"""All gauges that a probe can have, with blackbox_exporter's help texts."""

_NO_TIME = -62135596800.0  # the zero of Go's time: no chain was verified
_BARE = re.compile(r"[^\s\"=\\\x00-\x1f\x7f]+")

_go_string: Callable[[float], str] = floatToGoString

Labels = tuple[tuple[str, str], ...]


class Findings:
    """Collects gauges and log lines; `wall` returns unix time."""

    def __init__(self, wall: Callable[[], float], **context: str) -> None:
        self._wall = wall
        self._context = context
        self._gauges: dict[str, dict[Labels, float]] = {}
        self._lines: list[str] = []

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge."""
        self._gauges.setdefault(name, {})[tuple(sorted(labels.items()))] = value

    def add(self, name: str, value: float, **labels: str) -> None:
        """Add to a gauge that starts at zero."""
        samples = self._gauges.setdefault(name, {})
        key = tuple(sorted(labels.items()))
        samples[key] = samples.get(key, 0.0) + value

    def log(self, message: str, level: str = "info", **facts: object) -> None:
        """Add a log line in logfmt."""
        at = datetime.fromtimestamp(self._wall(), UTC).isoformat(timespec="milliseconds")
        pairs = {
            "ts": at.replace("+00:00", "Z"),
            **self._context,
            "level": level,
            "msg": message,
            **facts,
        }
        self._lines.append(" ".join(f"{key}={_quoted(value)}" for key, value in pairs.items()))

    def saw_tls(self, session: TlsSession, *, chain_expiry: bool = True) -> None:
        """Record a handshake; blackbox_exporter reports a chain's expiry only for some probers."""
        sent = [found for each in session.sent if (found := read_certificate(each))]
        trusted = [found for each in session.trusted if (found := read_certificate(each))]
        self.set("probe_tls_version_info", 1, version=tls_words(session.version))
        if session.chain_not_after is not None:
            self.set("probe_ssl_earliest_cert_expiry", session.chain_not_after)
        if not sent:
            return
        if chain_expiry:
            expiry = min((each.not_after for each in trusted), default=_NO_TIME)
            self.set("probe_ssl_last_chain_expiry_timestamp_seconds", expiry)
        self.set("probe_ssl_last_chain_info", 1, **_leaf_labels(sent[0]))

    def metrics(self) -> str:
        """Return the gauges in Prometheus' text format, ordered by name."""
        return "".join(self._families())

    def _families(self) -> Iterator[str]:
        for name, samples in sorted(self._gauges.items()):
            yield write_head(name, "gauge", HELP[name])
            for labels, value in sorted(samples.items()):
                pairs = write_labels(labels)
                shown = f"{name}{{{pairs}}}" if pairs else name
                yield f"{shown} {_go_string(value)}\n"

    def logs(self) -> str:
        """Return the log lines."""
        return "".join(f"{line}\n" for line in self._lines)


def _leaf_labels(leaf: Certificate) -> dict[str, str]:
    return {
        "fingerprint_sha256": leaf.fingerprint,
        "issuer": leaf.issuer,
        "serialnumber": leaf.serial_number,
        "subject": leaf.subject,
        "subjectalternative": ",".join(leaf.dns_names),
    }


def _quoted(value: object) -> str:
    text = f"{value:.9g}" if isinstance(value, float) else str(value)
    text = text.encode(errors="surrogateescape").decode(errors="replace")
    return text if _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=False)
