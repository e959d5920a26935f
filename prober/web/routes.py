"""All routes of the native API; the application and the OpenAPI description follow from them."""

from aiohttp.typedefs import Handler

from prober.web.api import edit_routes as edits
from prober.web.api import native
from prober.web.api.admin_routes import delete_admin, get_admin, put_admin
from prober.web.api.cluster_routes import get_cluster, get_past
from prober.web.api.envoy_discovery import discover_endpoints
from prober.web.api.event_stream import STREAM_QUERY, get_stream
from prober.web.api.notice_routes import delete_notice, get_notices, post_notice
from prober.web.api.on_demand import PROBE_QUERY, get_probe
from prober.web.api.openapi import Route, get_openapi
from prober.web.api.past import HISTORY_QUERY, get_history
from prober.web.api.probe_now import probe
from prober.web.api.service_discovery import SD_QUERY, get_sd
from prober.web.page.event_view import EVENT_PAGE_QUERY
from prober.web.page.pulse import get_pulse
from prober.web.page.time_range import RANGE_QUERY
from prober.web.page.view import CERTIFICATE_QUERY, PAGE_QUERY, VIEW_QUERY
from prober.web.server.late import late

_EDIT = {400: "Problems", 403: "Error", 409: "Error", 413: "Error", 415: "Error"}
_FORM = dict.fromkeys((400, 403, 413, 415), "text/html")
_DELETE = {204: "", 403: "Error", 409: "Error"}
_RELOAD = {200: "Reloaded", 403: "Error", 500: "ReloadFailed"}
_PROBED = dict.fromkeys((200, 400, 404, 500, 503), "text/plain")


def _page(module: str, name: str) -> Handler:
    return late(f"prober.web.page.{module}", name)


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
    Route(
        "POST",
        "/api/v1/checks/{monitor}/{backend}/probe",
        probe,
        {200: "Result", 202: "Error", 409: "Error", 503: "Error"},
    ),
    Route("GET", "/api/v1/monitors", native.get_monitors, {200: "Monitors"}),
    Route("GET", "/api/v1/monitors/{name}", native.get_monitor, {200: "Monitor"}),
    Route(
        "PUT",
        "/api/v1/monitors/{name}",
        edits.put_monitor,
        {200: "Monitor", 201: "Monitor", **_EDIT},
        body="MonitorDefinition",
    ),
    Route(
        "PATCH",
        "/api/v1/monitors/{name}",
        edits.patch_monitor,
        {200: "Monitor", **_EDIT},
        body="MonitorPatch",
    ),
    Route("DELETE", "/api/v1/monitors/{name}", edits.delete_monitor, _DELETE),
    Route("GET", "/api/v1/pools", native.get_pools, {200: "Pools"}),
    Route("GET", "/api/v1/pools/{name}", native.get_pool, {200: "Pool"}),
    Route(
        "PUT",
        "/api/v1/pools/{name}",
        edits.put_pool,
        {200: "Pool", 201: "Pool", **_EDIT},
        body="PoolDefinition",
    ),
    Route(
        "PATCH",
        "/api/v1/pools/{name}",
        edits.patch_pool,
        {200: "Pool", **_EDIT},
        body="PoolPatch",
    ),
    Route("DELETE", "/api/v1/pools/{name}", edits.delete_pool, _DELETE),
    Route("GET", "/api/v1/admin", get_admin, {200: "AdminEntries"}),
    Route(
        "PUT",
        "/api/v1/admin/{kind}/{name}",
        put_admin,
        {200: "AdminEntry", 404: "Error", **_EDIT},
        body="AdminDefinition",
    ),
    Route("DELETE", "/api/v1/admin/{kind}/{name}", delete_admin, _DELETE),
    Route("GET", "/api/v1/cluster", get_cluster, {200: "Cluster", 404: "Error"}),
    Route(
        "POST",
        "/api/v1/cluster/past",
        get_past,
        {200: "Pasts", 400: "Error"},
        body="PastQuestion",
        looks=True,
    ),
    Route("GET", "/api/v1/notices", get_notices, {200: "Notices"}),
    Route(
        "POST", "/api/v1/notices", post_notice, {201: "Notice", **_EDIT}, body="NoticeDefinition"
    ),
    Route("DELETE", "/api/v1/notices/{id}", delete_notice, _DELETE),
    Route("GET", "/api/v1/edits", edits.get_edits, {200: "Edits"}),
    Route("DELETE", "/api/v1/edits/{kind}/{id}", edits.delete_edit, _DELETE),
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
    Route(
        "GET",
        "/health/backends/{pool}/{backend}",
        native.get_backend_gate,
        {200: "BackendGate", 503: "BackendGate"},
    ),
    Route(
        "GET",
        "/health/checks/{monitor}/{backend}",
        native.get_check_gate,
        {200: "CheckGate", 503: "CheckGate"},
    ),
    Route(
        "POST",
        "/v3/discovery:endpoints",
        discover_endpoints,
        {200: "DiscoveryResponse", 304: "", 400: "Error", 404: "Error"},
        body="DiscoveryRequest",
        looks=True,
    ),
    Route("GET", "/-/healthy", native.get_healthy, {200: "text/plain", 503: "text/plain"}),
    Route("GET", "/-/ready", native.get_ready, {200: "text/plain", 503: "text/plain"}),
    Route("POST", "/-/reload", native.reload, _RELOAD),
    Route("PUT", "/-/reload", native.reload, _RELOAD),
    Route("GET", "/metrics", late("prober.web.metrics.scrape", "get_metrics"), {200: "text/plain"}),
    Route("GET", "/", _page("overview", "get_page"), {200: "text/html"}, VIEW_QUERY, public=True),
    Route(
        "GET",
        "/events",
        _page("event_page", "get_event_page"),
        {200: "text/html"},
        EVENT_PAGE_QUERY,
    ),
    Route(
        "GET",
        "/certificates",
        _page("certificate_page", "get_certificate_page"),
        {200: "text/html"},
        CERTIFICATE_QUERY,
    ),
    Route("GET", "/prober", _page("prober_page", "get_prober_page"), {200: "text/html"}),
    Route(
        "GET",
        "/pools/{name}",
        _page("pool_page", "get_pool_page"),
        {200: "text/html"},
        (*RANGE_QUERY, *PAGE_QUERY),
    ),
    Route(
        "GET",
        "/checks/{monitor}/{backend}",
        _page("check", "get_check_page"),
        {200: "text/html"},
        RANGE_QUERY,
    ),
    Route(
        "POST",
        "/checks/{monitor}/{backend}/probe",
        _page("check", "probe_from_page"),
        {303: "", 409: "text/html", 503: "text/html"},
    ),
    Route(
        "POST",
        "/checks/{monitor}/{backend}/admin",
        _page("admin_form", "set_admin_of_check"),
        {303: "", **_FORM},
        body="AdminForm",
        is_form=True,
    ),
    Route(
        "POST",
        "/pools/{name}/admin",
        _page("admin_form", "set_admin_of_pool"),
        {303: "", **_FORM},
        body="AdminForm",
        is_form=True,
    ),
    Route("GET", "/pulse", get_pulse, {200: "text/event-stream"}),
    Route(
        "GET", "/feed.atom", _page("feed", "get_feed"), {200: "application/atom+xml"}, public=True
    ),
    Route("GET", "/status.csv", _page("sheet", "get_csv"), {200: "text/csv"}, VIEW_QUERY),
    Route(
        "GET",
        "/badge/pool/{name}.svg",
        _page("badge", "get_pool_badge"),
        {200: "image/svg+xml"},
        public=True,
    ),
    Route(
        "GET",
        "/badge/monitor/{name}.svg",
        _page("badge", "get_monitor_badge"),
        {200: "image/svg+xml"},
        public=True,
    ),
    Route(
        "GET", "/static/{name}", _page("assets", "get_static"), {200: "*/*", 304: ""}, public=True
    ),
    Route("GET", "/probe", get_probe, _PROBED, PROBE_QUERY, connects=True),
    Route("GET", "/sd", get_sd, {200: "TargetGroups"}, SD_QUERY),
)
