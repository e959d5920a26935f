"""The monitors in a backup of Uptime Kuma."""

import json
import re
from collections.abc import Mapping
from typing import Any

from prober.importing import urls
from prober.importing.codes import ranges, span
from prober.importing.draft import Draft, Keys, SourcePlace
from prober.importing.source import SourceText, items, mapping

_HTTP = ("http", "keyword", "json-query")


def read(source: SourceText, draft: Draft) -> None:
    """Add a monitor for each monitor that has a counterpart."""
    for number, given in enumerate(items(mapping(source.value).get("monitorList"))):
        origin = source.origin("monitorList", number)
        with draft.reading(origin, "monitor"):
            _read(mapping(given), origin, draft)


def _read(given: Mapping[str, Any], origin: SourcePlace, draft: Draft) -> None:
    name, kind = str(given.get("name", "")), str(given.get("type", ""))
    target = _target(given, kind)
    if target is None:
        draft.left_out(origin, f"monitor {name}: prober has no monitors of the type {kind}")
        return
    if given.get("upsideDown"):
        draft.left_out(origin, f"monitor {name}: upside down")
        return
    keys = {**target.keys, **(_http(given) if kind in _HTTP else {})}
    if keys["type"] == "HTTPS":
        keys["tls"] = {"verify": not given.get("ignoreTls")}
        if given.get("expiryNotification"):
            keys["tls"]["expires_within"] = "21d"
    interval, retry = given.get("interval") or 60, given.get("retryInterval") or 60
    entry = draft.monitor(
        {
            "name": draft.name(name),
            **keys,
            "targets": [target.address],
            "enabled": None if given.get("active", True) else False,
            "interval": f"{interval}s",
            "fast_interval": f"{min(retry, interval)}s",
            "timeout": f"{given['timeout']}s" if given.get("timeout") else None,
            "rise": 1,
            "fall": int(given.get("maxretries") or 0) + 1,
        },
        origin,
    )
    if given.get("basic_auth_user"):
        draft.left_out(origin, "basic authentication: add it by hand, see docs", entry)
    if kind == "keyword" and given.get("invertKeyword") and "reject_body_regex" not in keys:
        draft.left_out(origin, "an inverted keyword", entry)
    if kind == "json-query":
        draft.left_out(origin, f"the query {given.get('jsonPath')}", entry)
    draft.taken(origin, f"monitor {name}: {keys['type']} {target.address}")


def _target(given: Mapping[str, Any], kind: str) -> urls.UrlTarget | None:
    if kind in _HTTP:
        return urls.of_url(str(given.get("url", "")))
    host, port = str(given.get("hostname") or ""), given.get("port")
    if kind == "port" and host and port:
        return urls.UrlTarget(urls.address(host, int(port)), {"type": "TCP"})
    if kind == "ping" and host:
        return urls.UrlTarget(host, {"type": "ICMP"})
    if kind == "dns" and host:
        server = str(given.get("dns_resolve_server") or "")
        asked = {"query_name": host, "query_type": given.get("dns_resolve_type", "A")}
        return urls.UrlTarget(urls.address(server, int(port or 53)), {"type": "DNS", **asked})
    return None


def _http(given: Mapping[str, Any]) -> Keys:
    accepted = [str(each) for each in items(given.get("accepted_statuscodes"))] or ["200-299"]
    keys: Keys = {
        "http_method": given.get("method"),
        "body": given.get("body") or None,
        "headers": _headers(given.get("headers")),
        "expected_codes": ranges(sorted({code for each in accepted for code in span(each)})),
    }
    if keyword := given.get("keyword"):
        inverted = given.get("invertKeyword")
        key = "reject_body_regex" if inverted else "body_regex"
        keys[key] = re.escape(keyword)
    if given.get("maxredirects"):
        keys["follow_redirects"] = min(int(given["maxredirects"]), 10)
    return keys


def _headers(written: object) -> Keys | None:
    try:
        found = json.loads(str(written)) if written else None
    except ValueError:
        return None
    return {str(key): str(value) for key, value in mapping(found).items()} or None
