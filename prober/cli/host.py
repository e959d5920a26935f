"""What this host gives to probes: asked without sending anything beyond it."""

import ctypes
import platform
import resource
import socket
import ssl
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from prober.model.probe import Right

_UNSYNCHRONISED = 5  # TIME_ERROR of ntp_adjtime(3)
_TIMEX_BYTES = 512  # more than struct timex has

EXTRAS = {
    "bcrypt": "bcrypt",
    "cryptography": "cryptography",
    "jsonpath": "jsonpath",
    "pyOpenSSL": "OpenSSL",
}
"""Optional packages, and the module of each that is imported."""


class Host(NamedTuple):
    """What was found.

    Attributes:
        python: Versions of Python and OpenSSL.
        descriptors: Open files that a process may have, at most.
        local_ports: Ports for connections that probes open.
        trust_store: Whether there are root certificates.
        synchronised: Whether the clock is kept in time; None if the kernel does not say.
        nameservers: Addresses of the resolvers.
        rights: By the probe type that needs it, a right, and whether this user has it.
        ipv6: Whether there is IPv6, at least on loopback.
        listener: Why the address of the API cannot be listened on; None if it can.
        extras: Optional packages, and whether they are installed.
    """

    python: str
    descriptors: int
    local_ports: int
    trust_store: bool
    synchronised: bool | None
    nameservers: tuple[str, ...]
    rights: Mapping[str, tuple[Right, bool]]
    ipv6: bool
    listener: str | None
    extras: dict[str, bool]


def look(address: tuple[str, int]) -> Host:
    """Look at this host; `address` is where the API would listen."""
    from prober.engine.local_end import local_ports
    from prober.engine.opening import opener, why_not_opened
    from prober.engine.tls_contexts import lacks_trust_store
    from prober.probes import PROBE_TYPES

    return Host(
        python=f"{platform.python_version()}, {ssl.OPENSSL_VERSION}",
        descriptors=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        local_ports=len(local_ports()),
        trust_store=not lacks_trust_store(),
        synchronised=_synchronised(),
        nameservers=_nameservers(Path("/etc/resolv.conf")),
        rights={
            name: (right, why_not_opened(opener(right.echo)) is None)
            for name, cls in PROBE_TYPES.items()
            if (right := cls.right)
        },
        ipv6=_why_not_listening(("::1", 0)) is None,
        listener=_why_not_listening(address),
        extras={name: find_spec(module) is not None for name, module in EXTRAS.items()},
    )


def _synchronised() -> bool | None:
    try:
        state: int = ctypes.CDLL(None).ntp_adjtime(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (AttributeError, OSError):
        return None
    return None if state < 0 else state != _UNSYNCHRONISED


def _nameservers(path: Path) -> tuple[str, ...]:
    try:
        lines = [line.split() for line in path.read_text(errors="replace").splitlines()]
    except OSError:
        return ()
    return tuple(words[1] for words in lines if words[:1] == ["nameserver"] and words[1:])


def _why_not_listening(address: tuple[str, int]) -> str | None:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return None
