"""The `server` section: how the daemon itself runs."""

import re
from dataclasses import dataclass

from prober.model.auth_settings import AUTH, Auth
from prober.model.kinds import BOOLEAN, FILE, duration, list_of, text
from prober.model.option import Kind, Rejected, expected, option, section
from prober.model.pool import normal_host
from prober.model.probe import Target
from prober.model.reach import TargetRules

DAY = 86400.0

_ADDRESS = re.compile(r"(?:\[([^\[\]]+)\]|([^:\[\]]+)):(\d{1,5})")


def read_address(value: object) -> Target:
    """Read an address to listen on, `HOST:PORT`; port 0 means any that is free."""
    found = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise expected("HOST:PORT, an IPv6 address in brackets", value)
    host = normal_host(found[1] or found[2])
    if host is None or bool(found[1]) != (":" in host):
        raise Rejected(f"{found[1] or found[2]!r} is neither an IP address nor a host name")
    if int(found[3]) > 65535:
        raise Rejected(f"expected a port from 0 to 65535, got {found[3]}")
    return Target(host, int(found[3]))


ADDRESS = Kind(lambda value, _: read_address(value), {"type": "string"}, str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The options of the daemon."""

    listen: tuple[Target, ...] = option(
        list_of(ADDRESS, shortest=1),
        default=(Target("127.0.0.1", 7762),),
        doc="addresses of the API and the page; port 0: any that is free",
    )
    state_dir: str | None = option(
        FILE, default=None, doc="where the state is kept; without it, in memory only"
    )
    keep_history: float = option(
        duration(DAY, 3650 * DAY),
        default=90 * DAY,
        doc="how long events and the history of checks are kept, if there is a `state_dir`",
    )
    keep_fine_history: float = option(
        duration(DAY, 90 * DAY),
        default=2 * DAY,
        doc="how long the history is kept in slots of 5 minutes; older than that, in hours",
    )
    writable: bool = option(
        BOOLEAN, default=False, doc="the API may make, change and delete monitors and pools"
    )
    api_targets: TargetRules = option(
        section(TargetRules),
        default=TargetRules(),
        doc="what targets that are named over the API may be",
    )
    lifecycle: bool | None = option(
        BOOLEAN,
        default=None,
        doc="`POST /-/reload` works; default: unless everybody could call it",
    )
    watch_config: bool = option(
        BOOLEAN, default=False, doc="reload when a file of the configuration changes"
    )
    blackbox_modules: str | None = option(
        FILE,
        default=None,
        doc="a file of blackbox_exporter modules: `GET /probe` then probes whatever it is asked to",
    )
    auth: Auth | None = option(
        AUTH, default=None, doc="who may use the API; without it, everybody who reaches it"
    )
    web_config_file: str | None = option(
        FILE, default=None, doc="TLS, users and headers, in the format of Prometheus exporters"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSection:
    """The options of the status page."""

    title: str = option(text(1, 255), default="", doc="what it is called; default the host's name")
    public: bool = option(
        BOOLEAN, default=False, doc="show no addresses, details, errors or configuration"
    )
