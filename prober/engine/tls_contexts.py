"""What a handshake offers and trusts: one shared SSLContext per distinct TLS setting.

Everything that would otherwise depend on how OpenSSL or Python was built is set here, so that a
target is judged the same everywhere: versions, ciphers, security level, options.
"""

import os
import re
import ssl
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from weakref import WeakKeyDictionary

from prober.engine.sent_secrets import hash_of
from prober.engine.stapling import StaplingContext
from prober.files.bounded import ON_LOOP
from prober.files.regular import read_in_time
from prober.model.monitor import Monitor
from prober.model.option import Complaint, Rejected
from prober.model.probe import StartTls, Trouble
from prober.model.status import Reason
from prober.model.tls_settings import TlsSettings

CIPHERS: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "DHE-RSA-AES128-GCM-SHA256",
    "DHE-RSA-AES256-GCM-SHA384",
    "DHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "DHE-RSA-AES128-SHA256",
    "DHE-RSA-AES256-SHA256",
    "DHE-RSA-AES128-SHA",
    "DHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA256",
    "AES256-SHA256",
    "AES128-SHA",
    "AES256-SHA",
)
"""The cipher suites to offer up to TLS 1.2, by OpenSSL's names."""
OLD_CIPHERS: Final = ("ECDHE-ECDSA-DES-CBC3-SHA", "ECDHE-RSA-DES-CBC3-SHA", "DES-CBC3-SHA")
"""What else to offer to old devices and without `verify`, if OpenSSL was built with it."""

_STRICT, _LENIENT = 2, 0  # security levels: at least 112 bits, anything
_VERSIONS: Final = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}
_BUILT_IN: Final = {
    "1.0": ssl.HAS_TLSv1,
    "1.1": ssl.HAS_TLSv1_1,
    "1.2": ssl.HAS_TLSv1_2,
    "1.3": ssl.HAS_TLSv1_3,
}
_OPTIONS: Final = (
    ssl.OP_ALL | ssl.OP_NO_SSLv3 | ssl.OP_NO_COMPRESSION | ssl.OP_ENABLE_MIDDLEBOX_COMPAT
)
_LEGACY_SERVER: Final = 0x4  # SSL_OP_LEGACY_SERVER_CONNECT, a name in Python since 3.12
_TRUST: Final = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
_CERTIFICATE: Final = re.compile(rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----")
_HASHED_NAME: Final = re.compile(r"[0-9a-f]{8}\.[0-9]+")  # SSL_CTX_load_verify_locations(3)


TlsContext = ssl.SSLContext | StaplingContext
"""What a handshake offers and trusts; the second asks for an OCSP response."""


def context_for(
    settings: TlsSettings,
    alpn: tuple[str, ...] = (),
    *,
    match_name: bool = True,
    trust_system: bool = True,
) -> TlsContext:
    """Return a context for these settings, as `make_context` does; for `ocsp` a StaplingContext.

    Also raise Rejected if the extra for that is not installed.
    """
    if not settings.ocsp:
        return make_context(settings, alpn, match_name=match_name, trust_system=trust_system)
    try:
        context = StaplingContext(
            settings,
            ciphers=_ciphers(settings),
            options=_LEGACY_SERVER if _is_lenient(settings) else 0,
            match_name=match_name,
        )
    except ImportError:
        message = "needs prober's extra 'ocsp', which is not installed"
        raise Rejected(Complaint(("ocsp",), message)) from None
    if settings.verify:
        if settings.ca_file:
            _reject_unreadable(settings.ca_file)
            context.trust(settings.ca_file)
        elif trust_system:
            if lacks_trust_store():
                raise _no_trust_store()
            with suppress(ValueError):  # a bundle without certificates: the folders may have some
                context.trust(ssl.get_default_verify_paths().cafile)
            context.trust(None, os.pathsep.join(map(str, _directories())))
    if settings.cert_file:
        _reject_unreadable(settings.cert_file, settings.key_file)
        context.present(settings.cert_file, settings.key_file)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def make_context(
    settings: TlsSettings,
    alpn: tuple[str, ...] = (),
    *,
    match_name: bool = True,
    trust_system: bool = True,
) -> ssl.SSLContext:
    """Return a context for these settings.

    With `match_name`, OpenSSL compares the name with that of a verified certificate; otherwise the
    caller must. Without `trust_system`, this host's root certificates, which can take long to load,
    are left out.

    Raises:
        OSError, ValueError: A file cannot be used.
        Rejected: OpenSSL does not support a version or the ciphers.
        Trouble: There is nothing to verify certificates against.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _offer(context, settings)
    context.check_hostname = settings.verify and match_name
    context.verify_mode = ssl.CERT_REQUIRED if settings.verify else ssl.CERT_NONE
    if settings.verify:
        context.hostname_checks_common_name = False  # RFC 9525, section 6.3
        context.verify_flags = _TRUST  # RFC 5280, section 6.1.1: an anchor need not be a root
        if settings.ca_file:
            _reject_unreadable(settings.ca_file)
            context.load_verify_locations(settings.ca_file)
        elif trust_system:
            _trust_system(context)
    if settings.cert_file:
        _reject_unreadable(settings.cert_file, settings.key_file)
        context.load_cert_chain(settings.cert_file, settings.key_file, password=_no_password)
        context.post_handshake_auth = True
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def _reject_unreadable(*paths: str | None) -> None:
    """Raise OSError for a file that OpenSSL might read forever."""
    for path in filter(None, paths):
        read_in_time(path, 1, ON_LOOP)


def _offer(context: ssl.SSLContext, settings: TlsSettings) -> None:
    """Set what to offer: versions, ciphers, security level."""
    for key in ("min_version", "max_version"):
        version = getattr(settings, key)
        if not _BUILT_IN[version]:
            raise Rejected(
                Complaint((key,), f"OpenSSL on this host does not support TLS {version}")
            )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the operator chose old versions
        context.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED  # at least the minimum
        context.minimum_version = _VERSIONS[settings.min_version]
        context.maximum_version = _VERSIONS[settings.max_version]
    legacy = _LEGACY_SERVER if _is_lenient(settings) else 0
    context.options = ssl.Options(_OPTIONS | legacy)
    try:
        context.set_ciphers(_ciphers(settings))
    except ssl.SSLError:
        message = "OpenSSL supports none of these for TLS 1.2; TLS 1.3 ciphers are always offered"
        raise Rejected(Complaint(("ciphers",), message)) from None


def _is_lenient(settings: TlsSettings) -> bool:
    return not settings.verify or settings.min_version in ("1.0", "1.1")


def _ciphers(settings: TlsSettings) -> str:
    """Return the cipher suites to offer with the security level, in OpenSSL's format."""
    is_lenient = _is_lenient(settings)
    ciphers = settings.ciphers or ":".join(CIPHERS + (OLD_CIPHERS if is_lenient else ()))
    if "@SECLEVEL" in ciphers:
        return ciphers
    return f"{ciphers}:@SECLEVEL={_LENIENT if is_lenient else _STRICT}"


def _trust_system(context: ssl.SSLContext) -> None:
    """Load this host's root certificates; raise `Trouble` if there are none."""
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if not context.cert_store_stats()["x509"] and not any(map(_has_authorities, _directories())):
        raise _no_trust_store()


def _no_trust_store() -> Trouble:
    what = "prober's host has no root certificates to verify against"
    return Trouble(Reason.NO_TRUST_STORE, what)


def lacks_trust_store() -> bool:
    """Return whether this host has no root certificates, without loading them."""
    paths = ssl.get_default_verify_paths()
    bundle = Path(os.environ.get(paths.openssl_cafile_env, paths.openssl_cafile))
    try:
        if _CERTIFICATE.search(bundle.read_bytes()):
            return False
    except OSError:
        pass
    return not any(map(_has_authorities, _directories()))


def _directories() -> list[Path]:
    """Return the directories where OpenSSL looks for an authority when it needs one."""
    paths = ssl.get_default_verify_paths()
    given = os.environ.get(paths.openssl_capath_env, paths.openssl_capath)
    return list(map(Path, given.split(os.pathsep)))


def _has_authorities(directory: Path) -> bool:
    try:
        return any(_HASHED_NAME.fullmatch(entry.name) for entry in directory.iterdir())
    except PermissionError:
        return True  # a file may be readable by name even if the directory cannot be listed
    except OSError:
        return False


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def check_tls(monitor: Monitor) -> Iterator[Complaint]:
    """Yield problems with a monitor's TLS settings that only this machine can find."""
    if monitor.tls is None:
        return
    try:
        context_for(monitor.tls, monitor.tls.alpn or (), trust_system=False)
    except Rejected as rejected:
        for path, message in rejected.complaints:
            yield Complaint(("tls", *path), message)
    except (OSError, ValueError) as error:
        yield Complaint(("tls",), _unusable(error))


def _unusable(error: OSError | ValueError) -> str:
    words = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    return f"OpenSSL cannot use these files: {words}"


class TlsContexts:
    """The contexts in use, created when first needed."""

    def __init__(self) -> None:
        self._contexts: dict[tuple[object, ...], TlsContext] = {}
        self._loaded: WeakKeyDictionary[TlsContext, Mapping[str, bytes]] = WeakKeyDictionary()

    def get(self, start: StartTls, *, match_name: bool = True) -> TlsContext:
        """Return the context for a handshake. Raise `Trouble`."""
        settings = start.settings
        files = settings.ca_file, settings.cert_file, settings.key_file
        key = (
            settings.verify,
            files,
            settings.ciphers,
            settings.min_version,
            settings.max_version,
            start.alpn,
            match_name,
            settings.ocsp is None,
        )
        context = self._contexts.get(key)
        if context is None:
            try:
                hashes = {path: hash_of(path, ON_LOOP) for path in filter(None, files)}
                context = context_for(settings, start.alpn, match_name=match_name)
            except Rejected as rejected:
                raise Trouble(Reason.INTERNAL, str(rejected)) from None
            except (OSError, ValueError) as error:  # they were valid when configured
                raise Trouble(Reason.INTERNAL, _unusable(error)) from None
            self._contexts[key] = context
            if hashes:
                self._loaded[context] = hashes
        return context

    def loaded(self, context: TlsContext) -> Mapping[str, bytes]:
        """Return the hashes of the files that a context was made from, by path."""
        return self._loaded.get(context, {})

    def clear(self) -> None:
        """Forget all contexts, so that changed files are read again."""
        self._contexts.clear()
