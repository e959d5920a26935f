"""The pools, members and health monitors of OpenStack Octavia and of Huawei, versions 2 and 3.

Documents: Octavia's API reference v2; Huawei's Elastic Load Balance API reference.
"""

from collections.abc import Generator, Mapping
from contextlib import suppress
from typing import Any

from prober.importing.cloud_answers import (
    PAGE,
    CloudAnswer,
    CloudQuestion,
    CloudReading,
    listed,
    object_place,
)
from prober.importing.draft import Draft, DraftEntry, Keys
from prober.importing.durations import shown
from prober.model.kinds import LABELS
from prober.model.option import ReadContext, Rejected
from prober.model.wording import counted
from prober.probes import PROBE_TYPES

Found = Mapping[str, Any]
_HTTP = ("http_method", "url_path", "expected_codes", "http_version", "domain_name")
_ASKED = {"HTTP": _HTTP, "HTTPS": _HTTP, "TLS": ("domain_name",)}
"""The fields that are keys of a type, under the same name."""
_OUTSIDE = ReadContext("", str, {})


def read(url: str, prefix: str, draft: Draft) -> CloudReading:
    """Add the pools and monitors of the API below a prefix, such as `/v2.0/lbaas`."""
    balancers = yield from _list(f"{prefix}/loadbalancers", "loadbalancers")
    names = {each.get("id"): each.get("name") or each.get("id") for each in balancers}
    pools = yield from _list(f"{prefix}/pools", "pools")
    taken: dict[object, DraftEntry] = {}
    for pool in pools:
        members = yield from _list(f"{prefix}/pools/{pool.get('id')}/members", "members")
        origin = object_place(url, "pool", pool.get("id"))
        with draft.reading(origin, f"pool {pool.get('name')}"):
            parent = next((each.get("id") for each in pool.get("loadbalancers") or []), None)
            taken[pool.get("id")] = _pool(url, pool, names.get(parent), members, draft)
    for monitor in (yield from _list(f"{prefix}/healthmonitors", "healthmonitors")):
        origin = object_place(url, "health monitor", monitor.get("id"))
        with draft.reading(origin, f"health monitor {monitor.get('name')}"):
            _monitor(url, monitor, taken, draft)
    probed = {each.keys["pool"] for each in draft.monitors}
    for entry in taken.values():
        if entry.keys["name"] not in probed:
            draft.changed(entry, entry.origin, "it has no health monitor, so nothing probes it")


def _list(path: str, noun: str) -> Generator[CloudQuestion, CloudAnswer, list[Found]]:
    """Return all objects of a list, page by page."""
    found: list[Found] = []
    marker: Mapping[str, str] = {}
    while True:
        question = CloudQuestion(path, {"limit": str(PAGE), **marker})
        answer = yield question
        page = listed(answer, noun, question)
        found += page
        last = str(page[-1].get("id")) if page else ""
        if not page or {"marker": last} == marker or not _has_more(answer.value, noun, len(page)):
            return found
        marker = {"marker": last}


def _has_more(answer: Found, noun: str, count: int) -> bool:
    """Return whether another page follows: links and page_info say so, or the page is full."""
    if (links := answer.get(f"{noun}_links")) is not None:
        return any(each.get("rel") == "next" for each in links)
    if info := answer.get("page_info"):
        return bool(info.get("next_marker")) and count >= PAGE
    return count >= PAGE


def _pool(
    url: str, pool: Found, balancer: str | None, members: list[Found], draft: Draft
) -> DraftEntry:
    name = draft.name(str(pool.get("name") or "pool"))
    origin = object_place(url, "pool", pool.get("id"))
    backends = [_backend(each) for each in members]
    keys = {
        "name": name,
        "id": pool.get("id"),
        "load_balancer": balancer,
        "project_id": pool.get("project_id"),
        "backends": backends,
    }
    entry = draft.pool({key: value for key, value in keys.items() if value is not None}, origin)
    if pool.get("admin_state_up") is False:
        draft.changed(entry, origin, "admin_state_up is false: set `prober admin maintenance`")
    for each in members:
        if each.get("weight") == 0:
            where = f"{each.get('address')} port {each.get('protocol_port')}"
            text = f"the weight of {where} is 0: set `prober admin drain`"
            draft.changed(entry, object_place(url, "member", each.get("id")), text)
    draft.taken(origin, f"pool {name}: {counted(len(members), 'member')}")
    return entry


def _backend(member: Found) -> Keys:
    keys = {
        "address": member["address"],
        "port": member["protocol_port"],
        "name": member.get("name") or None,
        "weight": member.get("weight") or None,
        "backup": member.get("backup") or None,
        "probe_address": member.get("monitor_address"),
        "probe_port": member.get("monitor_port"),
        "enabled": False if member.get("admin_state_up") is False else None,
        "labels": _labels(member.get("tags")) or None,
    }
    if keys["weight"] == 1:
        keys["weight"] = None
    return {key: value for key, value in keys.items() if value is not None}


def _monitor(url: str, monitor: Found, pools: Mapping[object, DraftEntry], draft: Draft) -> None:
    origin = object_place(url, "health monitor", monitor.get("id"))
    named = monitor.get("name") or monitor.get("id")
    pool = pools.get(next((each.get("id") for each in monitor.get("pools") or []), None))
    type_name = _type(monitor.get("type"))
    if pool is None or type_name is None:
        kind = f"prober has no type {monitor.get('type')}"
        why = "its pool is not there" if pool is None else kind
        draft.left_out(origin, f"health monitor {named}: {why}")
        return
    wanted = monitor.get("name") or f"{pool.keys['name']}-{type_name.lower()}"
    keys = {
        "name": draft.name(str(wanted)),
        "id": monitor.get("id"),
        "type": type_name,
        "pool": pool.keys["name"],
        "interval": shown(monitor.get("delay")),
        "timeout": shown(monitor.get("timeout")),
        "rise": monitor.get("max_retries"),
        "fall": monitor.get("max_retries_down", 3),
        "port": monitor.get("monitor_port"),
        "enabled": False if monitor.get("admin_state_up") is False else None,
        **{name: monitor.get(name) for name in _ASKED.get(type_name, ())},
        "labels": _labels(monitor.get("tags")) or None,
    }
    if keys.get("http_version") is not None:
        keys["http_version"] = f"{float(keys['http_version']):.1f}"
    draft.monitor(keys, origin)
    draft.taken(origin, f"health monitor {keys['name']}: {type_name} of pool {keys['pool']}")


def _type(name: object) -> str | None:
    """Return prober's name for a type."""
    for type_name, cls in PROBE_TYPES.items():
        if name == type_name or name in cls.aliases:
            return type_name
    return None


def _labels(tags: object) -> dict[str, str]:
    """Return the labels in tags of the form `name=value`."""
    labels: dict[str, str] = {}
    for tag in tags if isinstance(tags, list) else []:
        name, sign, value = str(tag).partition("=")
        if sign:
            with suppress(Rejected):
                labels = dict(LABELS.read({**labels, name: value}, _OUTSIDE))
    return labels
