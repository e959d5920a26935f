"""Every route of the native API: the application and its description are made of this table."""

from prober.web import native
from prober.web.openapi import Route, get_openapi
from prober.web.page import STYLE_PATH, get_page, get_style
from prober.web.past import HISTORY_QUERY, get_history
from prober.web.probe import PROBE_QUERY, get_probe
from prober.web.scrape import get_metrics
from prober.web.sd import SD_QUERY, get_sd
from prober.web.stream import STREAM_QUERY, get_stream

_RELOAD = {200: "Reloaded", 403: "Error", 500: "ReloadFailed"}
_PROBED = dict.fromkeys((200, 400, 404, 500, 503), "text/plain")

ROUTES = (
    Route("GET", "/api/v1/status", native.get_status, {200: "Overview"}),
    Route("GET", "/api/v1/checks", native.get_checks, {200: "Checks"}, native.CHECKS_QUERY),
    Route("GET", "/api/v1/checks/{monitor}/{backend}", native.get_check, {200: "CheckInFull"}),
    Route(
        "GET",
        "/api/v1/checks/{monitor}/{backend}/history",
        get_history,
        {200: "History", 409: "Error", 503: "Error"},
        HISTORY_QUERY,
    ),
    Route("GET", "/api/v1/monitors", native.get_monitors, {200: "Monitors"}),
    Route("GET", "/api/v1/monitors/{name}", native.get_monitor, {200: "Monitor"}),
    Route("GET", "/api/v1/pools", native.get_pools, {200: "Pools"}),
    Route("GET", "/api/v1/pools/{name}", native.get_pool, {200: "Pool"}),
    Route("GET", "/api/v1/events", native.get_events, {200: "Events"}, native.EVENTS_QUERY),
    Route("GET", "/api/v1/events/stream", get_stream, {200: "text/event-stream"}, STREAM_QUERY),
    Route("GET", "/api/v1/openapi.json", get_openapi, {200: "OpenApi"}),
    Route(
        "GET",
        "/health/pools/{name}",
        native.get_gate,
        {200: "Gate", 503: "Gate"},
        native.GATE_QUERY,
    ),
    Route("GET", "/-/healthy", native.get_healthy, {200: "text/plain"}),
    Route("GET", "/-/ready", native.get_ready, {200: "text/plain", 503: "text/plain"}),
    Route("POST", "/-/reload", native.reload, _RELOAD),
    Route("PUT", "/-/reload", native.reload, _RELOAD),
    Route("GET", "/metrics", get_metrics, {200: "text/plain"}),
    Route("GET", "/probe", get_probe, _PROBED, PROBE_QUERY),
    Route("GET", "/sd", get_sd, {200: "TargetGroups"}, SD_QUERY),
    Route("GET", "/", get_page, {200: "text/html"}),
    Route("GET", STYLE_PATH, get_style, {200: "text/css"}),
)
