"""Redirects of HTTP: where one leads, and what may be sent there.

Sources: RFC 9110, sections 10.2.2 and 15.4; for changed methods, the Fetch standard, section 4.4.
"""

from dataclasses import replace
from typing import Final, NamedTuple
from urllib.parse import urljoin, urlsplit

from prober.model.kinds import BOOLEAN, integer
from prober.model.option import Kind, ReadContext
from prober.model.pool import normal_host
from prober.model.probe import Target
from prober.model.tls_settings import TlsSettings
from prober.protocols.http1 import Head, read_fields, request_target

USUAL: Final = 10
"""Redirects that `follow_redirects: true` follows."""
FOLLOWED: Final = frozenset({301, 302, 303, 307, 308})
"""Status codes that redirect."""

_MOST = 20
_PORTS: Final = {"http": 80, "https": 443}
_NUMBER = integer(0, _MOST)


def _read_limit(value: object, outside: ReadContext) -> int:
    if isinstance(value, bool):
        return USUAL if BOOLEAN.read(value, outside) else 0
    return _NUMBER.read(value, outside)


REDIRECTS = Kind(_read_limit, {"oneOf": [BOOLEAN.schema, _NUMBER.schema]})


class UrlOrigin(NamedTuple):
    """Scheme, host and port of a URL (RFC 6454); secrets stay within one."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


class Hop(NamedTuple):
    """One request of a chain. `target` is None as long as the chain stays at its first origin."""

    origin: UrlOrigin
    path: str
    method: str
    target: Target | None = None


class BadLocationError(ValueError):
    """A redirect to something that is not an HTTP URL."""


def origin_of(scheme: str, authority: str) -> UrlOrigin:
    """Return the origin of a request with this Host header; raise `BadLocationError`."""
    try:
        parts = urlsplit(f"{scheme}://{authority}")
        host = normal_host(parts.hostname or "")
        port = parts.port
    except ValueError:
        host = port = None
    if host is None:
        raise BadLocationError(f"no host in {authority[:100]!r}")
    return UrlOrigin(scheme, host.lower(), port or _PORTS[scheme])


def next_hop(hop: Hop, first: UrlOrigin, head: Head) -> Hop | None:
    """Return where a reply leads, or None if it does not redirect; raise `BadLocationError`."""
    if head.status not in FOLLOWED:
        return None
    location = next(
        (value for name, value in read_fields(head.content) if name.lower() == "location"), ""
    )
    if not location:
        return None
    base = f"{hop.origin.scheme}://{hop.origin.authority}{hop.path}"
    try:
        parts = urlsplit(urljoin(base, location))
        authority = parts.netloc.rpartition("@")[2]
    except ValueError:
        raise BadLocationError(f"{location[:100]!r} is no URL") from None
    if parts.scheme not in _PORTS:
        raise BadLocationError(f"{location[:100]!r} is no URL of HTTP")
    origin = origin_of(parts.scheme, authority)
    query = f"?{parts.query}" if parts.query else ""
    path = request_target(f"{parts.path or '/'}{query}")
    target = None if origin == first else Target(origin.host, origin.port)
    return Hop(origin, path, _method_after(head.status, hop.method), target)


def _method_after(status: int, method: str) -> str:
    if status == 303 and method != "HEAD":
        return "GET"
    return "GET" if status in (301, 302) and method == "POST" else method


def tls_elsewhere(settings: TlsSettings) -> TlsSettings:
    """Return the TLS settings for another host: its own name, and no client certificate."""
    return replace(settings, server_name=None, cert_file=None, key_file=None)
