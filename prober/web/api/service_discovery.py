"""`GET /sd`: the probed backends, as an http_sd list for Prometheus."""

from aiohttp import web

from prober.model.monitor import Check
from prober.model.probe import UNIX
from prober.state.pace import Pace
from prober.web.api.shape import ADDRESS, LABELS, Shape, listed, member
from prober.web.server.json_answer import JsonText, json_response, json_text
from prober.web.server.query import any_text, read_query
from prober.web.server.services import services_of

SD_QUERY = (
    any_text("pool", "only targets of this pool; can be repeated"),
    any_text("monitor", "only targets of this monitor; can be repeated"),
)

Labels = tuple[tuple[str, str], ...]

TARGET_GROUP: Shape[tuple[Labels, list[str]]] = Shape(
    "",
    member("targets", listed(ADDRESS), lambda group: group[1]),
    member("labels", LABELS, lambda group: dict(group[0])),
)


async def get_sd(request: web.Request) -> web.Response:
    """The probed backends as groups of targets with labels, for Prometheus' http_sd.

    A backend that several monitors probe is in several groups. One of a Unix socket is in none,
    because Prometheus takes no address with a `/`.
    """
    query = read_query(request, *SD_QUERY)
    pace, groups = Pace(), dict[Labels, list[str]]()
    store = services_of(request).store
    for state in tuple(store):
        check = state.check
        wanted = _passes(check.monitor.name, query["monitor"]) and _passes(
            check.pool.name, query["pool"]
        )
        if wanted and not check.backend.address.startswith(UNIX):
            groups.setdefault(meta_labels(check), []).append(check.backend.key)
        await pace.pause()
    texts = []
    for group in groups.items():
        texts.append(json_text(TARGET_GROUP.render(group)))
        await pace.pause()
    return json_response(JsonText(f"[{', '.join(texts)}]"))


def _passes(name: str, wanted: frozenset[str]) -> bool:
    return not wanted or name in wanted


def meta_labels(check: Check) -> Labels:
    """Return the labels for relabelling; Prometheus drops them afterwards."""
    monitor, backend = check.monitor, check.backend
    labels = {
        "monitor": monitor.name,
        "pool": check.pool.name,
        "load_balancer": check.pool.load_balancer,
        "kind": monitor.type,
        "enabled": str(monitor.enabled).lower(),
        "backend_name": backend.name or "",
    }
    labels |= {f"label_{name}": value for name, value in check.labels.items()}
    return tuple((f"__meta_prober_{name}", value) for name, value in labels.items())
