"""Checks the host names in `GET /probe`, which may reach a request, a handshake or the resolver.

The rule is the same as for names in a configuration file.
"""

import re
from urllib.parse import urlsplit

from prober.model.pool import normal_host

_LONGEST = 253  # RFC 1035, section 2.3.4
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_HOST_AND_PORT = re.compile(r"(?:\[([^\[\]]*)\]|([^:\[\]]*))(?::([0-9]{1,5}))?")


class NotAHostError(ValueError):
    """The name of a host is neither a host name nor an IP address."""


def checked_host(name: str) -> str:
    """Return a host for the resolver and TLS, or raise `NotAHostError`."""
    host = None
    try:
        if len(name) <= _LONGEST:  # encoding takes time quadratic in the length
            host = normal_host(name if name.isascii() else name.encode("idna").decode())
    except UnicodeError:
        pass
    if host is None:
        raise NotAHostError(f"{name[:100]!r} is neither an IP address nor a host name")
    return host


def check_hostname(hostname: str) -> None:
    """Raise `NotAHostError` unless this can be a Host header: a host, optionally with a port."""
    found = _HOST_AND_PORT.fullmatch(hostname)
    if not found or not hostname.isascii():
        raise NotAHostError(f"{hostname[:100]!r} is neither an IP address nor a host name")
    checked_host(found[1] or found[2])


def check_target(target: str, *, is_url: bool) -> None:
    """Raise `NotAHostError` for a target whose host cannot be one.

    Text that is not a target at all is left to the probe, which then fails. `is_url` means that a
    target without a scheme is the rest of a URL.
    """
    if _CONTROL.search(target):
        raise NotAHostError("a target must not contain control characters")
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
