"""All routes of the native API; the application and the OpenAPI description follow from them."""

from collections.abc import Callable

from aiohttp.typedefs import Handler

from prober.web.api import gates
from prober.web.api.route import Route
from prober.web.page.pulse import get_pulse
from prober.web.server.late import late, late_parameters
from prober.web.server.query import Parameter

_EDIT = {400: "Problems", 403: "Error", 409: "Error", 413: "Error", 415: "Error"}
_FORM = dict.fromkeys((400, 403, 413, 415), "text/html")
_DELETE = {204: "", 403: "Error", 409: "Error"}
_RELOAD = {200: "Reloaded", 403: "Error", 500: "ReloadFailed"}
_PROBED = dict.fromkeys((200, 400, 404, 500, 503), "text/plain")


def _page(module: str, name: str) -> Handler:
    return late(f"prober.web.page.{module}", name)


def _api(module: str, name: str) -> Handler:
    return late(f"prober.web.api.{module}", name)


def _query(*constants: str) -> Callable[[], tuple[Parameter, ...]]:
    return late_parameters(*(f"prober.web.{each}" for each in constants))


ROUTES = (
    Route("GET", "/api/v1/status", _api("native", "get_status"), {200: "Overview"}),
    Route(
        "GET",
        "/api/v1/checks",
        _api("native", "get_checks"),
        {200: "Checks"},
        _query("api.native.CHECKS_QUERY"),
    ),
    Route(
        "GET",
        "/api/v1/checks/{monitor}/{backend}",
        _api("native", "get_check"),
        {200: "CheckInFull"},
    ),
    Route(
        "GET",
        "/api/v1/checks/{monitor}/{backend}/history",
        _api("past", "get_history"),
        {200: "History", 409: "Error", 503: "Error"},
        _query("api.past.HISTORY_QUERY"),
    ),
    Route(
        "POST",
        "/api/v1/checks/{monitor}/{backend}/probe",
        _api("probe_now", "probe"),
        {200: "Result", 202: "Error", 409: "Error", 503: "Error"},
    ),
    Route("GET", "/api/v1/monitors", _api("native", "get_monitors"), {200: "Monitors"}),
    Route("GET", "/api/v1/monitors/{name}", _api("native", "get_monitor"), {200: "Monitor"}),
    Route(
        "PUT",
        "/api/v1/monitors/{name}",
        _api("edit_routes", "put_monitor"),
        {200: "Monitor", 201: "Monitor", **_EDIT},
        body="MonitorDefinition",
    ),
    Route(
        "PATCH",
        "/api/v1/monitors/{name}",
        _api("edit_routes", "patch_monitor"),
        {200: "Monitor", **_EDIT},
        body="MonitorPatch",
    ),
    Route("DELETE", "/api/v1/monitors/{name}", _api("edit_routes", "delete_monitor"), _DELETE),
    Route("GET", "/api/v1/pools", _api("native", "get_pools"), {200: "Pools"}),
    Route("GET", "/api/v1/pools/{name}", _api("native", "get_pool"), {200: "Pool"}),
    Route(
        "PUT",
        "/api/v1/pools/{name}",
        _api("edit_routes", "put_pool"),
        {200: "Pool", 201: "Pool", **_EDIT},
        body="PoolDefinition",
    ),
    Route(
        "PATCH",
        "/api/v1/pools/{name}",
        _api("edit_routes", "patch_pool"),
        {200: "Pool", **_EDIT},
        body="PoolPatch",
    ),
    Route("DELETE", "/api/v1/pools/{name}", _api("edit_routes", "delete_pool"), _DELETE),
    Route("GET", "/api/v1/admin", _api("admin_routes", "get_admin"), {200: "AdminEntries"}),
    Route(
        "PUT",
        "/api/v1/admin/{kind}/{name}",
        _api("admin_routes", "put_admin"),
        {200: "AdminEntry", 404: "Error", **_EDIT},
        body="AdminDefinition",
    ),
    Route("DELETE", "/api/v1/admin/{kind}/{name}", _api("admin_routes", "delete_admin"), _DELETE),
    Route(
        "GET",
        "/api/v1/cluster",
        _api("cluster_routes", "get_cluster"),
        {200: "Cluster", 404: "Error"},
    ),
    Route(
        "POST",
        "/api/v1/cluster/past",
        _api("cluster_routes", "get_past"),
        {200: "Pasts", 400: "Error"},
        body="PastQuestion",
        looks=True,
    ),
    Route("GET", "/api/v1/notices", _api("notice_routes", "get_notices"), {200: "Notices"}),
    Route(
        "POST",
        "/api/v1/notices",
        _api("notice_routes", "post_notice"),
        {201: "Notice", **_EDIT},
        body="NoticeDefinition",
    ),
    Route("DELETE", "/api/v1/notices/{id}", _api("notice_routes", "delete_notice"), _DELETE),
    Route("GET", "/api/v1/edits", _api("edit_routes", "get_edits"), {200: "Edits"}),
    Route("DELETE", "/api/v1/edits/{kind}/{id}", _api("edit_routes", "delete_edit"), _DELETE),
    Route(
        "GET",
        "/api/v1/events",
        _api("native", "get_events"),
        {200: "Events"},
        _query("api.native.EVENTS_QUERY"),
    ),
    Route(
        "GET",
        "/api/v1/events/stream",
        _api("event_stream", "get_stream"),
        {200: "text/event-stream"},
        _query("api.event_stream.STREAM_QUERY"),
    ),
    Route("GET", "/api/v1/openapi.json", _api("openapi", "get_openapi"), {200: "OpenApi"}),
    Route(
        "GET",
        "/health/pools/{name}",
        gates.get_gate,
        {200: "Gate", 503: "Gate"},
        _query("api.gates.GATE_QUERY"),
    ),
    Route(
        "GET",
        "/health/backends/{pool}/{backend}",
        gates.get_backend_gate,
        {200: "BackendGate", 503: "BackendGate"},
    ),
    Route(
        "GET",
        "/health/checks/{monitor}/{backend}",
        gates.get_check_gate,
        {200: "CheckGate", 503: "CheckGate"},
    ),
    Route(
        "POST",
        "/v3/discovery:endpoints",
        _api("envoy_discovery", "discover_endpoints"),
        {200: "DiscoveryResponse", 304: "", 400: "Error", 404: "Error"},
        body="DiscoveryRequest",
        looks=True,
    ),
    Route("GET", "/-/healthy", gates.get_healthy, {200: "text/plain", 503: "text/plain"}),
    Route("GET", "/-/ready", gates.get_ready, {200: "text/plain", 503: "text/plain"}),
    Route("POST", "/-/reload", gates.reload, _RELOAD),
    Route("PUT", "/-/reload", gates.reload, _RELOAD),
    Route("GET", "/metrics", late("prober.web.metrics.scrape", "get_metrics"), {200: "text/plain"}),
    Route(
        "GET",
        "/",
        _page("overview", "get_page"),
        {200: "text/html"},
        _query("page.view.VIEW_QUERY"),
        public=True,
    ),
    Route(
        "GET",
        "/events",
        _page("event_page", "get_event_page"),
        {200: "text/html"},
        _query("page.event_view.EVENT_PAGE_QUERY"),
    ),
    Route(
        "GET",
        "/certificates",
        _page("certificate_page", "get_certificate_page"),
        {200: "text/html"},
        _query("page.view.CERTIFICATE_QUERY"),
    ),
    Route("GET", "/prober", _page("prober_page", "get_prober_page"), {200: "text/html"}),
    Route(
        "GET",
        "/pools/{name}",
        _page("pool_page", "get_pool_page"),
        {200: "text/html"},
        _query("page.time_range.RANGE_QUERY", "page.view.PAGE_QUERY"),
    ),
    Route(
        "GET",
        "/checks/{monitor}/{backend}",
        _page("check", "get_check_page"),
        {200: "text/html"},
        _query("page.time_range.RANGE_QUERY"),
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
    Route(
        "GET",
        "/status.csv",
        _page("sheet", "get_csv"),
        {200: "text/csv"},
        _query("page.view.VIEW_QUERY"),
    ),
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
    Route(
        "GET",
        "/probe",
        _api("on_demand", "get_probe"),
        _PROBED,
        _query("api.on_demand.PROBE_QUERY"),
        connects=True,
    ),
    Route(
        "GET",
        "/sd",
        _api("service_discovery", "get_sd"),
        {200: "TargetGroups"},
        _query("api.service_discovery.SD_QUERY"),
    ),
)
