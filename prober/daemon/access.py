"""Who may use the API: credentials, TLS and limits, and what is disabled if anyone may call."""

import resource
import time
from collections.abc import Callable, Iterable
from ipaddress import ip_address

import structlog

from prober.config.configuration import Config
from prober.model.probe import Target
from prober.web.server.callers import Access
from prober.web.server.client_limits import Limits
from prober.web.server.serving_tls import RenewedContext

log = structlog.get_logger()


def identifies_callers(config: Config) -> bool:
    """Return whether callers must authenticate: by a token, key, password or certificate."""
    endpoint = config.endpoint
    return bool(config.server.auth or endpoint.basic_auth_users or endpoint.requires_certificates)


def is_exposed(config: Config, addresses: Iterable[Target]) -> bool:
    """Return whether the API can be called from another machine without authentication."""
    return not identifies_callers(config) and not all(_is_loopback(each.host) for each in addresses)


def why_locked(config: Config, addresses: Iterable[Target]) -> str | None:
    """Return why edits over the API are refused on these addresses, or None."""
    if not is_exposed(config, addresses):
        return None
    return (
        "edits are refused: prober can be reached from other machines and server.auth is not set; "
        "set it, or listen on 127.0.0.1 only"
    )


def allows_reload(config: Config, addresses: Iterable[Target]) -> bool:
    """Return whether `POST /-/reload` is enabled: as configured, else unless anyone can call it."""
    if config.server.lifecycle is not None:
        return config.server.lifecycle
    return not is_exposed(config, addresses)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class AccessControl:
    """The parts of the endpoint that a reload changes without closing it.

    Args:
        config: The initial configuration.
        addresses: The addresses of the API.
        ended: Called when credentials change: clients have to authenticate again.
    """

    def __init__(
        self, config: Config, addresses: Iterable[Target], *, ended: Callable[[], None]
    ) -> None:
        self._addresses = tuple(addresses)
        self._ended = ended
        self._config = config
        self.access = Access(config.server.auth, config.endpoint)
        self.access.allow_hosts(config.server.allowed_hosts)
        self.tls: RenewedContext | None = None
        self._take_over(config)

    def adopt(self, config: Config) -> None:
        """Use another configuration from now on."""
        self.access.allow_hosts(config.server.allowed_hosts)
        before, self._config = self._config, config
        same = (before.server.auth, before.endpoint) == (config.server.auth, config.endpoint)
        if same:
            return
        self.access.adopt(config.server.auth, config.endpoint)
        self._take_over(config)
        self._ended()

    def _take_over(self, config: Config) -> None:
        settings = config.endpoint.tls_server_config
        if settings is None:
            self.tls = None
        elif self.tls is None or self.tls.settings != settings:
            self.tls = RenewedContext(settings, clock=time.monotonic, report=_tell_of_renewal)
        if is_exposed(config, self._addresses):
            addresses = [str(each) for each in self._addresses]
            log.warning("open_to_everybody", addresses=addresses, key="server.auth", edits="off")


def connection_limits(descriptors: int) -> Limits:
    """Return the limits on clients for a number of descriptors; the rest is for the probes."""
    if descriptors == resource.RLIM_INFINITY:
        return Limits()
    connections = max(8, min(Limits().connections, (descriptors - 128) // 4))
    return Limits(
        connections=connections, reserved=min(Limits().reserved, max(4, connections // 2))
    )


def _tell_of_renewal(problem: str | None) -> None:
    if problem is None:
        log.info("certificate_renewed")
    else:
        log.error("certificate_not_renewed", reason=problem)
