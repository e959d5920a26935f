"""Cross-site requests, which a page of another site makes a browser send, and allowed host names.

A browser sends the origin of a page in `Origin` and `Sec-Fetch-Site`; other programs send neither.
Over plain HTTP it sends them only with requests that make changes, and a site can point its own
name at any address (DNS rebinding): its requests then look like ours, except for the name in
`Host`.
"""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

_OURS = ("same-origin", "none")  # none: an action of the user, such as typing the address
_DEFAULT_PORTS = {"http": 80, "https": 443}
_BROWSERS = ("Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Referer", "Accept-Language")
"""Headers of browsers; no script can suppress the last one."""


def why_misnamed(
    host: str, headers: Mapping[str, str], *, identified: bool, allowed: Iterable[str]
) -> str | None:
    """Return why a request is refused for the name in its Host header, or None.

    Args:
        host: The Host header; empty if there is none, as from very old programs.
        headers: The headers; names in any case.
        identified: Whether callers must authenticate, which a page that has pointed its own name
            at our address cannot.
        allowed: The names in `server.allowed_hosts`, in lower case. If there are any, no other
            names are accepted.
    """
    names = tuple(allowed)
    if not host or _is_here(host, names):
        return None
    if not names and (identified or not any(each in headers for each in _BROWSERS)):
        return None
    who = "" if names else "for a browser, without server.auth: "
    return (
        f"{who}{host[:100]!r} is neither an IP address nor localhost nor a name in "
        "server.allowed_hosts"
    )


def why_foreign(
    method: str, host: str, headers: Mapping[str, str], *, connects: bool = False
) -> str | None:
    """Return why a request is refused as cross-site, or None.

    Args:
        method: The method.
        host: The Host header: the host that the browser believes it is talking to.
        headers: The headers; names in any case.
        connects: Whether prober connects to a target of the caller's choice, which is more than
            reading, whatever the method.
    """
    if method in SAFE and not connects:
        return None
    origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site")
    if origin is None and site is None:
        if method in SAFE and any(each in headers for each in _BROWSERS):
            return (
                "over plain HTTP, a browser does not say which page sends this; use HTTPS, "
                "localhost, or a program such as curl"
            )
        return None
    if site is not None and site not in _OURS:
        return "a page of another site must not do this"
    hidden = origin == "null" and site == "same-origin"  # a form of ours, without referrer
    if origin is not None and not hidden and not _is_at(origin, host):
        return "a page of another site must not do this"
    return None


def _is_at(origin: str, host: str) -> bool:
    try:
        theirs, ours = urlsplit(origin), urlsplit(f"//{host}")
        default = _DEFAULT_PORTS.get(theirs.scheme)
        ports = theirs.port or default, ours.port or default
    except ValueError:
        return False
    return theirs.hostname is not None and theirs.hostname == ours.hostname and len({*ports}) == 1


def _is_here(host: str, allowed: tuple[str, ...]) -> bool:
    """Return whether this is an address, localhost or an allowed name."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:
        return False
    if name == "localhost" or name in allowed:
        return True
    if any(each.startswith("*.") and name.endswith(each[1:]) for each in allowed):
        return True
    try:
        return bool(ip_address(name))
    except ValueError:
        return False
