"""`GET /probe`: a probe on demand, as a blackbox_exporter makes it; off unless configured."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web

from prober.blackbox.request import ProbeAnswer, ProbeRequest
from prober.web.server.query import Parameter

_TEXT = {"type": "string"}
PROBE_QUERY = (
    Parameter("target", str, _TEXT, "what to probe: a URL or `host:port`, as the module wants it"),
    Parameter("module", str, _TEXT, "how: the name of a module; `http_2xx` if left out"),
    Parameter("hostname", str, _TEXT, "the Host header and the name in TLS"),
    Parameter("debug", str, _TEXT, "`true`: the log of the probe, its metrics and its module"),
)
TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"


class OnDemand(NamedTuple):
    """What probes on demand; None where nothing does."""

    answer: Callable[[ProbeRequest], Awaitable[ProbeAnswer]] | None


ON_DEMAND = web.AppKey("ON_DEMAND", OnDemand)


async def get_probe(request: web.Request) -> web.Response:
    """One probe now, and its result as metrics in the words of blackbox_exporter."""
    answer = request.app[ON_DEMAND].answer
    if answer is None:
        return web.Response(
            status=404,
            text="probing on demand is switched off; server.blackbox_modules switches it on\n",
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
