"""TLS of the endpoint: contexts from the current files, and which client names are allowed."""

import ssl
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from prober.files.bounded import ON_LOOP
from prober.files.regular import read_in_time
from prober.model.endpoint import (
    CERTIFICATE_REQUIRED,
    CERTIFICATE_WELCOME,
    CIPHER_SUITES,
    CURVES,
    TlsServer,
)

LOOK_EVERY = 2.0
"""Minimum seconds between two looks at the files; a look happens when a connection comes."""

_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_CLIENTS = {CERTIFICATE_WELCOME: ssl.CERT_OPTIONAL, CERTIFICATE_REQUIRED: ssl.CERT_REQUIRED}
_IP = "IP Address"

_Print = tuple[tuple[int, int, int] | None, ...]
Report = Callable[[str | None], None]
"""Receives a message that renewed files are in use, or why they are not."""


def make_context(settings: TlsServer) -> ssl.SSLContext:
    """Return a context for these settings; raise OSError, ssl.SSLError or ValueError."""
    for name in (settings.cert_file, settings.key_file, settings.client_ca_file):
        if name:  # a named pipe, or a disk that is gone, would block OpenSSL, and with it the loop
            read_in_time(name, 1, ON_LOOP)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[settings.min_version]
    context.maximum_version = _VERSIONS[settings.max_version]
    context.load_cert_chain(settings.cert_file, settings.key_file, password=_no_password)
    context.verify_mode = _CLIENTS.get(settings.client_auth_type, ssl.CERT_NONE)
    if settings.client_ca_file:
        context.load_verify_locations(settings.client_ca_file)
    if suites := [CIPHER_SUITES[name] for name in settings.cipher_suites if name in CIPHER_SUITES]:
        context.set_ciphers(":".join(suites))
    for curve in settings.curve_preferences:
        context.set_ecdh_curve(CURVES[curve])
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    if settings.prefer_server_cipher_suites:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def unusable(error: OSError | ValueError) -> str:
    """Return why a context could not be created."""
    words = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    return f"OpenSSL cannot use these files: {words}"


class RenewedContext:
    """The context for new connections; created again when its files change.

    Files that cannot be used, such as a new certificate with the old key, leave the context as it
    is. There is no context until the files can be used for the first time.

    Args:
        settings: The settings of the context.
        clock: A monotonic clock.
        report: Called for each renewal.
    """

    def __init__(self, settings: TlsServer, *, clock: Callable[[], float], report: Report) -> None:
        self.settings = settings
        self._clock = clock
        self._report = report
        self._print = _print_of(settings)
        self._context: ssl.SSLContext | None = None
        self._looked_at = clock()
        self._make()

    def current(self) -> ssl.SSLContext | None:
        """Return the context for a new connection."""
        now = self._clock()
        if now - self._looked_at >= LOOK_EVERY:
            self._looked_at = now
            found, before = _print_of(self.settings), self._print
            self._print = found
            if found != before and self._make():
                self._report(None)
        return self._context

    def _make(self) -> bool:
        try:
            self._context = make_context(self.settings)
        except (OSError, ValueError) as error:
            self._report(unusable(error))
            return False
        return True


def _print_of(settings: TlsServer) -> _Print:
    """Return a value that changes when the files are replaced."""
    names = (settings.cert_file, settings.key_file, settings.client_ca_file)
    return tuple(_look(name) for name in names if name)


def _look(name: str) -> tuple[int, int, int] | None:
    try:
        found = ON_LOOP.call(name, Path(name).stat)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def has_allowed_name(certificate: Mapping[str, Any] | None, allowed: tuple[str, ...]) -> bool:
    """Return whether a client certificate, as from `getpeercert`, has one of these names."""
    names = certificate.get("subjectAltName", ()) if certificate else ()
    return any(_plain(kind, name) in allowed for kind, name in names)


def _plain(kind: str, name: str) -> str:
    """Return an IP address in its usual form: OpenSSL writes IPv6 in full and in capitals."""
    if kind != _IP:
        return name
    try:
        return str(ip_address(name.strip()))
    except ValueError:
        return name
