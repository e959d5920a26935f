"""Expands names into backends: one for each address, or for each server of an SRV record."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from hashlib import sha256

from prober.discovery.known import Listed
from prober.files.bounded import aside
from prober.model.kinds import Frozen
from prober.model.monitor import is_service
from prober.model.pool import Backend, parse_target

EXPAND_SECONDS = 10.0
"""Time limit for all lookups of one list."""

LookUp = Callable[[str], Sequence[str]]
"""Returns the targets that a name stands for now, as `host:port`; raises OSError."""


async def expand(names: Sequence[str], look_up: LookUp | None = None) -> Listed:
    """Return the backends of names; raise OSError if one cannot be looked up.

    Each backend has its name as the label `expanded_from`.
    """
    look_up = look_up or targets_of
    lookups = (aside(look_up, name, seconds=EXPAND_SECONDS) for name in names)
    found = await asyncio.gather(*lookups)
    backends: dict[str, Backend] = {}
    for name, targets in zip(names, found, strict=True):
        for target in sorted(targets):
            host, port = parse_target(target)
            labels = Frozen({"expanded_from": name})
            backend = Backend(address=host, port=port, labels=labels)
            backends.setdefault(backend.key, backend)
    text = "\n".join(f"{key} {each.labels['expanded_from']}" for key, each in backends.items())
    return Listed(tuple(backends.values()), sha256(text.encode()).hexdigest())


def targets_of(name: str) -> list[str]:
    """Return the addresses of `host:port`, or the servers of a service; this may block for long."""
    return _servers(name) if is_service(name) else _addresses(name)


def _addresses(name: str) -> list[str]:
    host, port = parse_target(name)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = {str(address[0]) for *_, address in found}
    return [f"[{each}]:{port}" if ":" in each else f"{each}:{port}" for each in addresses]


def _servers(name: str) -> list[str]:
    """Return the targets of SRV records (RFC 2782); `.` means that there is no service."""
    from dns.exception import DNSException  # noqa: PLC0415  (only who expands services pays)
    from dns.resolver import Resolver  # noqa: PLC0415

    try:
        answer = Resolver().resolve(f"{name.removesuffix('.')}.", "SRV", lifetime=EXPAND_SECONDS)
    except DNSException as error:
        raise OSError(" ".join(str(error).split())) from None
    hosts = ((each.target.to_text(omit_final_dot=True), each.port) for each in answer)
    return [f"{host}:{port}" for host, port in hosts if host not in ("", ".")]
