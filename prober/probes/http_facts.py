"""What a reply of HTTP tells beside the verdict, and the metrics of it."""

from collections.abc import Mapping
from functools import cache

from prober.model.fact import INTEGER, NUMBER, Fact, Gauge, IfAbsent
from prober.model.probe import PhaseGauge
from prober.model.status import FactValue

HTTP_STATUS_CODE = Fact(
    name="http_status_code",
    kind=INTEGER,
    doc="status code of the HTTP reply",
    said="HTTP {}",
    remembered=True,
    gauge=Gauge("probe_http_status_code", "Response HTTP status code"),
    gauge_if_absent=IfAbsent(lambda _: 0.0, "0"),  # as blackbox_exporter's
    expected_by="expected_codes",
)

HTTP_VERSION = Fact(
    name="http_version",
    kind=NUMBER,
    doc="version of HTTP of the reply",
    gauge=Gauge("probe_http_version", "Returns the version of HTTP of the probe response"),
    gauge_if_absent=IfAbsent(lambda _: 0.0, "0"),
)
HTTP_PHASES = PhaseGauge(
    "probe_http_duration_seconds",
    "Duration of http request by phase, summed over all redirects",
    (
        *((name, (name,)) for name in ("resolve", "connect", "tls")),
        ("processing", ("send", "first_byte")),
        ("transfer", ("transfer",)),
    ),
)
HTTP_SSL = Gauge("probe_http_ssl", "Indicates if SSL was used for the final redirect")


HTTP_REDIRECTS = Fact(
    name="http_redirects",
    kind=INTEGER,
    doc="number of redirects that were followed, with `follow_redirects`",
    gauge=Gauge("probe_http_redirects", "The number of redirects"),
)


@cache
def found(status: int, version: bytes) -> tuple[str, Mapping[str, FactValue]]:
    """Return the detail and the facts for a status line, shared by all probes that get it."""
    facts: dict[str, FactValue] = {
        HTTP_STATUS_CODE.name: status,
        HTTP_VERSION.name: float(version),
    }
    return f"HTTP {status}", facts
