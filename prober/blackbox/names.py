"""What a caller of `GET /probe` names: hosts that may reach a request, a handshake or the resolver.

They are judged by the same rule as the names in a configuration file.
"""

import re
from urllib.parse import urlsplit

from prober.model.pool import normal_host

_LONGEST = 253  # RFC 1035, section 2.3.4
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_HOST_AND_PORT = re.compile(r"(?:\[([^\[\]]*)\]|([^:\[\]]*))(?::([0-9]{1,5}))?")


class NotAHostError(ValueError):
    """What should name a host can be neither a host name nor an IP address."""


def checked_host(name: str) -> str:
    """Return a host as the resolver and TLS take it; raise `NotAHostError`."""
    host = None
    try:
        if len(name) <= _LONGEST:  # to encode a name takes time with the square of its length
            host = normal_host(name if name.isascii() else name.encode("idna").decode())
    except UnicodeError:
        pass
    if host is None:
        raise NotAHostError(f"{name[:100]!r} is neither an IP address nor a host name")
    return host


def check_hostname(hostname: str) -> None:
    """Raise `NotAHostError` unless this can be a Host header: a host, perhaps with a port."""
    found = _HOST_AND_PORT.fullmatch(hostname)
    if not found or not hostname.isascii():
        raise NotAHostError(f"{hostname[:100]!r} is neither an IP address nor a host name")
    checked_host(found[1] or found[2])


def check_target(target: str, *, is_url: bool) -> None:
    """Raise `NotAHostError` for a target whose host cannot be one.

    One that is not a target at all is left to the probe, which then fails. `is_url` tells that a
    target without a scheme is the rest of a URL.
    """
    if _CONTROL.search(target):
        raise NotAHostError("a target holds no control characters")
    if is_url:
        try:
            host = urlsplit(target if "://" in target else f"http://{target}").hostname
        except ValueError:
            return
    else:
        found = _HOST_AND_PORT.fullmatch(target)
        host = found and found[3] and (found[1] or found[2])
    if host:
        checked_host(host)
