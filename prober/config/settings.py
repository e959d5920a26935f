"""The `server` and `page` sections: settings of the daemon and the status page."""

from dataclasses import dataclass
from ipaddress import ip_network

from prober.model.auth_settings import AUTH, Auth
from prober.model.file_kinds import FILE
from prober.model.kinds import BOOLEAN, duration, list_of, matching, text
from prober.model.notice import NOTICE, Notice
from prober.model.option import Kind, ReadContext, option, section
from prober.model.pool import LISTENER
from prober.model.probe import Target
from prober.model.reach import NETWORKS, Network, TargetRules
from prober.model.tls_settings import HOST_NAME

DAY = 86400.0
_HOST = matching(rf"(?:\*\.)?{HOST_NAME}", "a host name such as prober.example or *.example")
HOST_PATTERNS = list_of(
    Kind(lambda value, outside: _HOST.read(value, outside).lower().removesuffix("."), _HOST.schema)
)


LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def _read_base(value: object, outside: ReadContext) -> str:
    return _BASE.read(value, outside).rstrip("/")


_BASE = matching(
    r"(?:https?://[\w.:\[\]-]+)?(?:/[\w.~!$&'()*+,;=:@%-]+)*/?",
    "a path such as /prober or a URL such as https://example.com/prober",
)
BASE = Kind(_read_base, _BASE.schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The settings of the daemon."""

    listen: tuple[Target, ...] = option(
        list_of(LISTENER, shortest=1),
        default=(Target("127.0.0.1", 7762),),
        live=False,
        doc="addresses of the API and the status page; port 0 picks a free port",
    )
    state_dir: str | None = option(
        FILE,
        default=None,
        live=False,
        doc="directory for the state; without it, state is kept in memory only",
    )
    keep_history: float = option(
        duration(DAY, 3650 * DAY),
        default=90 * DAY,
        live=False,
        doc="how long events and check history are kept; needs `state_dir`",
    )
    keep_fine_history: float = option(
        duration(DAY, 90 * DAY),
        default=2 * DAY,
        live=False,
        doc="how long history is kept in 5-minute slots; older history has hourly slots",
    )
    writable: bool = option(
        BOOLEAN, default=False, doc="allow the API to create, change and delete monitors and pools"
    )
    api_targets: TargetRules = option(
        section(TargetRules),
        default=TargetRules(),
        doc="which addresses may be targets when they are set over the API",
    )
    lifecycle: bool | None = option(
        BOOLEAN,
        default=None,
        doc="enable `POST /-/reload`; default: enabled unless anyone could call it",
    )
    watch_config: bool = option(
        BOOLEAN, default=False, doc="reload when a configuration file changes"
    )
    blackbox_modules: str | None = option(
        FILE,
        default=None,
        doc="a blackbox_exporter module file; enables `GET /probe`, which probes any target",
    )
    auth: Auth | None = option(
        AUTH, default=None, doc="who may use the API; without it, anyone who can reach it"
    )
    trusted_proxies: tuple[Network, ...] = option(
        NETWORKS,
        default=LOOPBACK,
        doc="networks of proxies whose `X-Forwarded-Proto`, `-Host` and `-Prefix` are believed; "
        "default loopback",
    )
    allowed_hosts: tuple[str, ...] = option(
        HOST_PATTERNS,
        default=(),
        doc="names that requests may use for prober in `Host`, besides IP addresses and "
        "`localhost`; `*.` at the start stands for any subdomain",
    )
    web_config_file: str | None = option(
        FILE, default=None, doc="TLS, users and headers, in the format of the Prometheus exporters"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSection:
    """The settings of the gates, `/health/...`."""

    public: bool = option(
        BOOLEAN,
        default=False,
        doc="gates answer without credentials, for balancers that cannot send any; such an answer "
        "names no address",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSection:
    """The settings of the status page."""

    title: str = option(text(1, 255), default="", doc="title of the page; default: the host name")
    public: bool = option(
        BOOLEAN, default=False, doc="hide addresses, details, errors and configuration"
    )
    base: str = option(
        BASE,
        default="",
        doc="where a proxy serves the page: a path such as `/prober`, or a whole URL; "
        "prober also answers below that path; "
        "default: what the proxy says in `X-Forwarded-Prefix`",
    )
    notices: tuple[Notice, ...] = option(
        list_of(NOTICE),
        default=(),
        doc="notices on the public page: `text`, `from`, `until`, `severity` (`info`, `warning`, "
        "`critical`)",
    )
