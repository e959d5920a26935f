"""URLs of targets, as other tools have them, in the keys of a monitor."""

from typing import NamedTuple
from urllib.parse import urlsplit

from prober.importing.draft import Keys

_PORTS = {"http": 80, "https": 443}


class UrlTarget(NamedTuple):
    """A target: its `host:port`, and the type and path that its URL implies."""

    address: str
    keys: Keys


def of_url(url: str) -> UrlTarget | None:
    """Return the target of an HTTP URL; None for any other URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    if not parts.hostname or not port or parts.scheme not in _PORTS:
        return None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    type_name = "HTTPS" if parts.scheme == "https" else "HTTP"
    return UrlTarget(address(parts.hostname, port), {"type": type_name, "url_path": path})


def address(host: str, port: int) -> str:
    """Return `host:port`, with an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
