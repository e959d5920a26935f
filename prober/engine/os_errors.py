"""Classifies errors of the operating system and of OpenSSL: the target's problem, or prober's."""

import os
import re
import ssl
from errno import (
    EACCES,
    EADDRNOTAVAIL,
    EAFNOSUPPORT,
    EAGAIN,
    ECONNABORTED,
    ECONNREFUSED,
    ECONNRESET,
    EHOSTDOWN,
    EHOSTUNREACH,
    EINVAL,
    ELOOP,
    EMFILE,
    EMSGSIZE,
    ENETDOWN,
    ENETUNREACH,
    ENFILE,
    ENOBUFS,
    ENOENT,
    ENOMEM,
    ENONET,
    ENOPROTOOPT,
    ENOTDIR,
    EOPNOTSUPP,
    EPERM,
    EPIPE,
    EPROTO,
    EPROTOTYPE,
    ETIMEDOUT,
)
from typing import Final

from prober.model.probe import Trouble
from prober.model.status import Reason

_LOCAL: Final = {
    EMFILE: Reason.NO_DESCRIPTORS,
    ENFILE: Reason.NO_DESCRIPTORS,
    ENOBUFS: Reason.NO_MEMORY,
    ENOMEM: Reason.NO_MEMORY,
    EADDRNOTAVAIL: Reason.NO_PORTS,
    EAGAIN: Reason.NO_PORTS,
    ENETDOWN: Reason.NO_ROUTE,
    EAFNOSUPPORT: Reason.NO_ROUTE,
    EPERM: Reason.NOT_PERMITTED,
    EACCES: Reason.NOT_PERMITTED,
    EMSGSIZE: Reason.NOT_PERMITTED,
}
_AT_ONCE: Final = _LOCAL | {
    ENETUNREACH: Reason.NO_ROUTE,
    EHOSTUNREACH: Reason.NO_ROUTE,
    EHOSTDOWN: Reason.NO_ROUTE,
    EINVAL: Reason.NO_ROUTE,
    ECONNREFUSED: Reason.REFUSED,
}
_AT_A_PATH: Final = dict.fromkeys(
    (ENOENT, ENOTDIR, ELOOP, EPROTOTYPE, ECONNREFUSED), Reason.REFUSED
)
_FROM_THE_NETWORK: Final = _LOCAL | {
    ECONNREFUSED: Reason.REFUSED,
    ECONNRESET: Reason.RESET,
    ECONNABORTED: Reason.RESET,
    EPIPE: Reason.CLOSED,
    ETIMEDOUT: Reason.TIMEOUT,
    EHOSTUNREACH: Reason.UNREACHABLE,
    ENETUNREACH: Reason.UNREACHABLE,
    EHOSTDOWN: Reason.UNREACHABLE,
    ENONET: Reason.UNREACHABLE,
    ENOPROTOOPT: Reason.UNREACHABLE,
    EOPNOTSUPP: Reason.UNREACHABLE,
    EPROTO: Reason.UNREACHABLE,
    EACCES: Reason.UNREACHABLE,  # ICMPv6: administratively prohibited
}
OF_ICMPV6: Final = frozenset({EACCES, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EPROTO})
"""What ICMPv6 errors are turned into (icmpv6_err_convert)."""


def at_once(number: int, *, lacks_address: bool = False) -> Trouble:
    """Return the trouble when socket(), connect() or a datagram's send() fails at once.

    The kernel then found no way out of this host, which says nothing about the target.
    EADDRNOTAVAIL means that no port is left or, with `lacks_address`, that this host has no source
    address, such as none of the target's family.
    """
    if number == EADDRNOTAVAIL and lacks_address:
        return Trouble(Reason.NO_ROUTE, f"no local address for this target: {_words(number)}")
    return Trouble(_AT_ONCE.get(number, Reason.INTERNAL), _words(number))


def at_a_path(number: int) -> Trouble:
    """Return the trouble when connect() to a Unix socket fails: unix(7)."""
    if number == EAGAIN:
        return Trouble(Reason.REFUSED, "its queue of connections is full")
    return Trouble(_AT_A_PATH.get(number, _AT_ONCE.get(number, Reason.INTERNAL)), _words(number))


def from_network(number: int) -> Trouble:
    """Return the trouble for an error after the first packet: an answer of the network."""
    return Trouble(_FROM_THE_NETWORK.get(number, Reason.INTERNAL), _words(number))


def _words(number: int) -> str:
    words = os.strerror(number)
    return words[:1].lower() + words[1:]


_CERTIFICATE: Final = {
    9: Reason.TLS_EXPIRED,  # X509_V_ERR_CERT_NOT_YET_VALID
    10: Reason.TLS_EXPIRED,  # X509_V_ERR_CERT_HAS_EXPIRED
    62: Reason.TLS_HOSTNAME,  # X509_V_ERR_HOSTNAME_MISMATCH
    64: Reason.TLS_HOSTNAME,  # X509_V_ERR_IP_ADDRESS_MISMATCH
}
# OpenSSL's names for received alerts; its own errors may mention alerts too.
_ALERT: Final = re.compile(
    r"(?:ssl/tls alert|tls alert|sslv3 alert|tlsv13 alert|tlsv1 alert|tlsv1) (.+)"
)
_SAID: Final = re.compile(r"(?:\[[^]]*\] )?(.*?)(?: \(_ssl\.c:\d+\))?")
_UNNAMED: Final = "unknown error"  # only alerts that OpenSSL has no words for
_NOT_A_RECORD: Final = (
    "wrong version number"  # what OpenSSL reads where a record's version would be
)
_ALERT_RECORD: Final = re.compile(
    rb"\x15\x03.\x00\x02..", re.DOTALL
)  # unencrypted: RFC 8446, section 6


def from_tls(error: ssl.SSLError, received: bytes = b"") -> Trouble:
    """Return the trouble for a failed TLS operation; `received` is the last input."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = _CERTIFICATE.get(error.verify_code, Reason.TLS_UNTRUSTED)
        return Trouble(reason, f"certificate: {error.verify_message}")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return Trouble(Reason.CLOSED, "closed during the TLS handshake")
    words = _words_of(error)
    if words == _UNNAMED:
        number = received[-1] if _ALERT_RECORD.fullmatch(received[-7:]) else None
        which = "unknown" if number is None else f"number {number}"
        return Trouble(Reason.TLS_ALERT, f"TLS alert: {which}")
    if alert := _ALERT.fullmatch(words):
        return Trouble(Reason.TLS_ALERT, f"TLS alert: {alert[1]}")
    if words == _NOT_A_RECORD:
        speaks = "HTTP" if received.startswith(b"HTTP/") else "something else"
        words += f": the target does not speak TLS here, but {speaks}"
    return Trouble(Reason.TLS_HANDSHAKE, f"TLS: {words}")


def _words_of(error: ssl.SSLError) -> str:
    """Return OpenSSL's message: from Python's table or, without an entry, from OpenSSL itself."""
    named: str | None = getattr(error, "reason", None)  # None: Python's table has no entry
    if named:
        return named.lower().replace("_", " ")
    said = _SAID.fullmatch(str(error.args[-1]) if error.args else "")
    return said[1].lower() if said and said[1] else _UNNAMED
