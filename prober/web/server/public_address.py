"""Where prober is as its callers see it: behind a proxy that is at another address and path."""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from aiohttp import web

from prober.model.reach import Network
from prober.web.server.services import services_of

MakeRequest: TypeAlias = Callable[..., web.BaseRequest]
"""Makes a request of what was parsed, as `aiohttp.web.Server.request_factory` does."""
_PREFIX = re.compile(r"(?:/[\w.~!$&'()*+,;=:@%-]+)+/?")
_HOST = re.compile(r"[\w.-]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?")


def public_address(request: web.Request) -> str:
    """Return the URL of prober's `/` as its caller sees it, with a slash at its end.

    `page.base` comes first; then what a trusted proxy says in `X-Forwarded-Proto`,
    `X-Forwarded-Host` and `X-Forwarded-Prefix`; then the request itself.
    """
    front = services_of(request).page()
    if "://" in front.base:
        return f"{front.base}/"
    is_trusted = _is_in(request.remote, front.trusted_proxies)
    said = {
        name: request.headers.get(f"X-Forwarded-{name}", "").partition(",")[0].strip()
        for name in ("Proto", "Host", "Prefix")
        if is_trusted
    }
    scheme = said.get("Proto", "").lower()
    host, prefix = said.get("Host", ""), said.get("Prefix", "")
    scheme = scheme if scheme in ("http", "https") else request.scheme
    host = host if _HOST.fullmatch(host) else request.host
    prefix = front.base or (prefix if _PREFIX.fullmatch(prefix) else "")
    return f"{scheme}://{host}{prefix.rstrip('/')}/"


def without_base(make: MakeRequest, base: Callable[[], str]) -> MakeRequest:
    """Return a factory of requests that leaves a base path out of what is asked for.

    Some proxies cut off the path below which they serve prober, others do not; so both work.

    Args:
        make: The factory of requests.
        base: Returns the path at the moment, empty for none.
    """

    def make_request(message: Any, *rest: Any) -> web.BaseRequest:
        prefix, url = base(), message.url
        if prefix and message.path.startswith(f"{prefix}/"):
            inner = url.with_path(url.raw_path[len(prefix) :], encoded=True, keep_query=True)
            message = message._replace(path=message.path[len(prefix) :], url=inner)
        return make(message, *rest)

    return make_request


@lru_cache(maxsize=8)
def stripped_base(base: str, paths: frozenset[str]) -> str:
    """Return the path of `page.base`, empty if one of prober's own paths is below it."""
    found = (urlsplit(base).path if "://" in base else base).rstrip("/")
    return "" if any(path.startswith(f"{found}/") for path in paths) else found


def _is_in(peer: str | None, networks: Iterable[Network]) -> bool:
    """Return whether a peer is in one of some networks."""
    try:
        address = ip_address((peer or "").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in networks)
