"""Requests that a page of another site makes a browser send: they must not change anything.

A browser says where a page comes from in `Origin` and `Sec-Fetch-Site`. Programs send neither.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

_OURS = ("same-origin", "none")  # none: the user's own doing, such as an address typed in
_DEFAULT_PORTS = {"http": 80, "https": 443}


def why_foreign(
    method: str, host: str, headers: Mapping[str, str], *, identified: bool
) -> str | None:
    """Return why a request is refused as that of another site's page, or None.

    Args:
        method: The method.
        host: What the browser thinks that it talks to.
        headers: The headers; names in any case.
        identified: Whether callers must show who they are. Where they need not, a page could give
            its own name our address, and so seem to come from here: a browser then has to call us
            by address.
    """
    origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site")
    if method in SAFE or (origin is None and site is None):
        return None
    if site is not None and site not in _OURS:
        return "a page of another site must not change anything here"
    hidden = origin == "null" and site == "same-origin"  # a form of ours: we send no referrer
    if origin is not None and not hidden and not _is_at(origin, host):
        return "a page of another site must not change anything here"
    if not identified and not _is_address(host):
        return "without server.auth, a browser can only change something at an IP address"
    return None


def _is_at(origin: str, host: str) -> bool:
    try:
        theirs, ours = urlsplit(origin), urlsplit(f"//{host}")
        default = _DEFAULT_PORTS.get(theirs.scheme)
        ports = theirs.port or default, ours.port or default
    except ValueError:
        return False
    return theirs.hostname is not None and theirs.hostname == ours.hostname and len({*ports}) == 1


def _is_address(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or bool(ip_address(name))
    except ValueError:
        return False
