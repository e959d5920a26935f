"""Who reaches the API, and what is switched off because everybody might."""

from collections.abc import Iterable
from ipaddress import ip_address

from prober.config.reader import Config
from prober.model.probe import Target


def identifies_callers(config: Config) -> bool:
    """Tell whether a caller must show who it is: by a token, a key, a password or a certificate."""
    endpoint = config.endpoint
    return bool(config.server.auth or endpoint.basic_auth_users or endpoint.requires_certificates)


def is_exposed(config: Config, addresses: Iterable[Target]) -> bool:
    """Tell whether somebody on another machine can call the API without showing who it is."""
    return not identifies_callers(config) and not all(_is_loopback(each.host) for each in addresses)


def why_locked(config: Config, addresses: Iterable[Target]) -> str | None:
    """Return why edits over the API are refused on these addresses; None if that is no reason."""
    if not is_exposed(config, addresses):
        return None
    return (
        "edits are refused: prober listens beyond this machine and server.auth is not set; "
        "set it, or listen on 127.0.0.1 only"
    )


def allows_reload(config: Config, addresses: Iterable[Target]) -> bool:
    """Tell whether `POST /-/reload` is on: as configured, else unless everybody could call it."""
    if config.server.lifecycle is not None:
        return config.server.lifecycle
    return not is_exposed(config, addresses)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
