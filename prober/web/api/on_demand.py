"""`GET /probe`: a probe on demand, compatible with blackbox_exporter; off by default."""

from aiohttp import web

from prober.blackbox.request import ProbeRequest
from prober.web.server.query import Parameter
from prober.web.server.services import services_of

_TEXT = {"type": "string"}
PROBE_QUERY = (
    Parameter(
        "target",
        str,
        {**_TEXT, "minLength": 1},
        "the target: a URL or `host:port`, depending on the module",
        required=True,
    ),
    Parameter("module", str, _TEXT, "the name of the module; default: `http_2xx`"),
    Parameter("hostname", str, _TEXT, "the Host header and the TLS server name"),
    Parameter("debug", str, _TEXT, "`true`: show the log of the probe, its metrics and its module"),
)
TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"


async def get_probe(request: web.Request) -> web.Response:
    """Probe once, and return the result as blackbox_exporter's metrics."""
    answer = services_of(request).on_demand()
    if answer is None:
        return web.Response(
            status=404,
            text="probing on demand is disabled; set server.blackbox_modules to enable it\n",
        )
    query = request.query
    found = await answer(
        ProbeRequest(
            target=query.get("target", ""),
            module=query.get("module", ""),
            hostname=query.get("hostname", ""),
            debug=query.get("debug") == "true",
            scrape_timeout=request.headers.get(TIMEOUT_HEADER),
        )
    )
    return web.Response(
        status=found.status,
        body=found.text.encode(errors="replace"),
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
    )
