"""The backend sets and health checkers of Oracle's two load balancer services.

Documents: Load Balancing API (20170115) and Network Load Balancer API (20200501).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from prober.importing.cloud_answers import (
    PAGE,
    CloudQuestion,
    CloudReading,
    listed,
    object_place,
)
from prober.importing.draft import Draft, Keys, SourcePlace
from prober.importing.source import items, mapping
from prober.model.kinds import in_units
from prober.model.wording import counted

Found = Mapping[str, Any]


class OracleApi(NamedTuple):
    """One service: where its load balancers are listed, and its words for flags of backends."""

    path: str
    noun: str
    offline: str
    drain: str
    backup: str


LB = OracleApi("/20170115/loadBalancers", "", "offline", "drain", "backup")
NLB = OracleApi("/20200501/networkLoadBalancers", "items", "isOffline", "isDrain", "isBackup")
"""The Load Balancer service, and the Network Load Balancer service."""


def read(url: str, api: OracleApi, compartment: str, draft: Draft) -> CloudReading:
    """Add the backend sets of all load balancers of a compartment."""
    page: Mapping[str, str] = {}
    while True:
        query = {"compartmentId": compartment, "limit": str(PAGE), **page}
        question = CloudQuestion(api.path, query)
        answer = yield question
        for balancer in listed(answer, api.noun, question):
            for name, given in mapping(balancer.get("backendSets")).items():
                origin = object_place(url, f"load balancer {balancer.get('displayName')} set", name)
                with draft.reading(origin, f"backend set {name}"):
                    _set(balancer, {"name": name, **mapping(given)}, api, draft, origin)
        if not answer.next_page or {"page": answer.next_page} == page:
            return
        page = {"page": answer.next_page}


def _set(balancer: Found, given: Found, api: OracleApi, draft: Draft, origin: SourcePlace) -> None:
    name = draft.name(str(given["name"]))
    listed_backends = [mapping(each) for each in items(given.get("backends"))]
    backends = [_backend(each, api) for each in listed_backends if each.get("ipAddress")]
    keys = {
        "name": name,
        "load_balancer": balancer.get("displayName") or balancer.get("id"),
        "project_id": balancer.get("compartmentId"),
        "backends": backends,
    }
    pool = draft.pool({key: value for key, value in keys.items() if value is not None}, origin)
    for each in listed_backends:
        if not each.get("ipAddress"):
            text = f"backend {each.get('name')}: it has a target and no address"
            draft.left_out(origin, text, pool)
        elif each.get(api.drain):
            where = f"{each.get('ipAddress')} port {each.get('port')}"
            draft.changed(pool, origin, f"{where} is drained: set `prober admin drain`")
    checker = mapping(given.get("healthChecker"))
    made = _checker(checker, encrypted=bool(given.get("sslConfiguration")))
    if made is None:
        text = f"backend set {name}: no health checker that prober knows, so nothing probes it"
        draft.changed(pool, origin, text)
        return
    own = draft.name(f"{name}-{made['type'].lower()}")
    draft.monitor({"name": own, "pool": name, **made}, origin)
    draft.taken(origin, f"backend set {name}: {made['type']}, {counted(len(backends), 'backend')}")


def _backend(given: Found, api: OracleApi) -> Keys:
    weight = given.get("weight")
    keys = {
        "address": given["ipAddress"],
        "port": given["port"],
        "weight": weight if weight not in (None, 1) else None,
        "backup": given.get(api.backup) or None,
        "enabled": False if given.get(api.offline) else None,
    }
    return {key: value for key, value in keys.items() if value is not None}


def _checker(given: Found, *, encrypted: bool) -> Keys | None:
    protocol = given.get("protocol")
    make = {"HTTP": _http, "HTTPS": _http, "TCP": _payload, "UDP": _payload, "DNS": _dns}
    if protocol not in make:
        return None
    encrypted = encrypted and not given.get("isForcePlainText")
    keys = make[str(protocol)](given)
    if encrypted and protocol in ("HTTP", "TCP"):
        keys["type"] = {"HTTP": "HTTPS", "TCP": "TLS"}[str(protocol)]
    return {
        **keys,
        "port": given.get("port") or None,
        "interval": _milliseconds(given.get("intervalInMillis")),
        "timeout": _milliseconds(given.get("timeoutInMillis")),
        "rise": given.get("retries"),
        "fall": given.get("retries"),
    }


def _milliseconds(given: object) -> str | None:
    return in_units(given / 1000) if isinstance(given, int | float) else None


def _http(given: Found) -> Keys:
    return {
        "type": given["protocol"],
        "url_path": given.get("urlPath"),
        "expected_codes": given.get("returnCode") or None,
        "body_regex": given.get("responseBodyRegex") or None,
    }


def _payload(given: Found) -> Keys:
    sent, expected = given.get("requestData"), given.get("responseData")
    return {
        "type": "UDP_CONNECT" if given["protocol"] == "UDP" else "TCP",
        "send": {"base64": sent} if sent else None,
        "expect": {"base64": expected} if expected else None,
    }


def _dns(given: Found) -> Keys:
    dns = mapping(given.get("dns"))
    return {
        "type": "DNS",
        "query_name": dns.get("domainName"),
        "transport": str(dns.get("transportProtocol") or "UDP").lower(),
        "query_class": dns.get("queryClass"),
        "query_type": dns.get("queryType"),
        "expected_rcodes": dns.get("rcodes"),
    }
