"""Resolves host names outside the probe path.

getaddrinfo blocks for seconds while a name server is down, and asyncio's own pool has so few
threads that a dozen hanging names delay all others. This resolver has more threads, started when
needed, with one lookup per name at a time. An answer is kept for a few seconds; then the next probe
asks again, and uses the old answer only if the resolver fails or takes too long.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from math import inf
from queue import SimpleQueue
from typing import Final, NamedTuple

from prober.model.address_rule import MOST_ADDRESSES
from prober.model.probe import Trouble
from prober.model.status import Reason

FRESH: Final = 5.0
"""Seconds for which an answer is used without asking again."""
USABLE: Final = 600.0
"""Seconds for which an old answer is used while the resolver fails or does not answer."""
PATIENCE: Final = 0.25
"""The share of its timeout that a probe waits for a new answer before it uses the old one."""
THREADS: Final = 64
"""Maximum number of lookups at once."""
FEW: Final = 100
"""The number of names that are kept without checking whether they are still used."""

_NOT_FOUND: Final = {socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_ADDRFAMILY}


class Address(NamedTuple):
    """An address to connect to, without the port."""

    family: int
    host: str
    scope: int = 0


Addresses = tuple[Address, ...]
SocketAddress = tuple[str, int] | tuple[str, int, int, int] | str
"""An address and port in the form for connect(); for a Unix socket, a path."""


class ResolvedTarget(NamedTuple):
    """An endpoint to connect to."""

    family: int
    address: SocketAddress


def endpoints(addresses: Addresses, port: int) -> tuple[ResolvedTarget, ...]:
    """Return the endpoints for this port at these addresses."""
    return tuple(
        ResolvedTarget(
            family, (host, port, 0, scope) if family == socket.AF_INET6 else (host, port)
        )
        for family, host, scope in addresses
    )


Answer = Addresses | Trouble
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


def of_versions(name: str, addresses: Addresses, order: tuple[int, ...]) -> Answer:
    """Return the addresses of the first IP version in this order that a name has."""
    for version in order:
        if found := tuple(each for each in addresses if each.family == _FAMILIES[version]):
            return found
    versions = " or ".join(f"IPv{version}" for version in order)
    return Trouble(Reason.DNS_NOT_FOUND, f"{name}: no {versions} address")


Lookup = Callable[[str], Addresses]


def literal(host: str) -> Addresses:
    """Return the address of an IP literal, or nothing for a name."""
    for family in (socket.AF_INET6, socket.AF_INET):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return (Address(family, host),)
    return ()


def look_up(name: str) -> Addresses:
    """Ask the system for all addresses of a name, in the system's order; this may block for long.

    The result does not depend on the addresses of this host (so no AI_ADDRCONFIG), and the order
    puts addresses without a route last (RFC 6724, section 6, rule 1). IPv4 and IPv6 are two
    queries. If the one for IPv4 finds nothing, glibc reports that even if the other failed: then
    IPv6 is queried separately, to get the failure.
    """
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno not in _NOT_FOUND:
            raise
        found = socket.getaddrinfo(name, None, socket.AF_INET6, socket.SOCK_STREAM)
    addresses = (
        Address(family, str(host), int(rest[-1]) if family == socket.AF_INET6 else 0)
        for family, _, _, _, (host, *rest) in found
    )
    return tuple(dict.fromkeys(addresses))


class _Name:
    __slots__ = (
        "addresses",
        "asked_since",
        "found_at",
        "looked_at",
        "trouble",
        "used_at",
        "waiting",
    )

    def __init__(self) -> None:
        self.addresses: Addresses = ()  # the last good answer
        self.found_at = -inf  # when it came
        self.trouble: Trouble | None = None  # the result of the last lookup, if not an answer
        self.looked_at = -inf  # when the last lookup ended
        self.asked_since: float | None = None  # when the current lookup started
        self.used_at = 0.0
        self.waiting: list[Callable[[Answer], None]] = []

    def kept(self, now: float) -> Addresses:
        """Return the last good answer while it may be used."""
        return self.addresses if now - self.found_at < USABLE else ()


class Resolver:
    """Resolves names; everything except the lookups happens in the loop's thread.

    `soon` schedules a call in the loop's thread from any thread.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        soon: Callable[[Callable[[], None]], object],
        look_up: Lookup = look_up,
    ) -> None:
        self._clock = clock
        self._soon = soon
        self._look_up = look_up
        self._names: dict[str, _Name] = {}
        self._room = FEW
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._threads = 0
        self._under_way = 0

    def __len__(self) -> int:
        """Return the number of known names."""
        return len(self._names)

    def resolve(
        self, name: str, answer: Callable[[Answer], None], *, patience: float
    ) -> Answer | None:
        """Return the known addresses of a name, or None and call `answer` later.

        `patience` is the number of seconds a lookup may take before an old answer is used. A caller
        that gets None waits for no longer than that if `kept` has an answer.
        """
        now = self._clock()
        entry = self._names.get(name)
        if entry is None:
            self._forget_the_unused(now)
            entry = self._names[name] = _Name()
        entry.used_at = now
        kept = entry.kept(now)
        known = kept or entry.trouble
        if known and now - entry.looked_at < FRESH:
            return known
        self._ask(name, entry, now)
        if kept and now - (entry.asked_since or now) >= patience:
            return kept
        entry.waiting.append(answer)
        return None

    def kept(self, name: str) -> Addresses:
        """Return the last good answer for a name while it may be used, however old."""
        entry = self._names.get(name)
        return entry.kept(self._clock()) if entry else ()

    def forget(self, name: str, answer: Callable[[Answer], None]) -> None:
        """Stop calling `answer`."""
        entry = self._names.get(name)
        if entry and answer in entry.waiting:
            entry.waiting.remove(answer)

    def _forget_the_unused(self, now: float) -> None:
        """Keep only the names in use, each time that their number has doubled."""
        if len(self._names) < self._room:
            return
        self._names = {
            name: entry
            for name, entry in self._names.items()
            if entry.asked_since is not None or entry.waiting or now - entry.used_at < USABLE
        }
        self._room = max(FEW, 2 * len(self._names))

    def close(self) -> None:
        """End each thread after its lookup."""
        for _ in range(self._threads):
            self._queue.put(None)

    def _ask(self, name: str, entry: _Name, now: float) -> None:
        if entry.asked_since is None:
            entry.asked_since = now
            self._under_way += 1
            self._queue.put(name)
        if self._threads < min(self._under_way, THREADS):
            with suppress(RuntimeError):  # no thread available: the next probe tries again
                threading.Thread(target=self._work, name="resolver", daemon=True).start()
                self._threads += 1

    def _work(self) -> None:
        while True:
            name = self._queue.get()
            if name is None:
                return
            answer = self._answer(name)
            try:
                self._soon(lambda name=name, answer=answer: self._take(name, answer))  # type: ignore[misc]
            except RuntimeError:  # the loop is closed: so are we
                return

    def _answer(self, name: str) -> Answer:
        try:
            addresses = self._look_up(name)
        except socket.gaierror as error:
            if error.errno in _NOT_FOUND:
                return Trouble(Reason.DNS_NOT_FOUND, f"{name}: no such name or no address")
            return Trouble(Reason.DNS_UNAVAILABLE, f"{name}: {error.strerror}")
        except ValueError:  # a label that is empty or longer than 63 characters, or NUL in a name
            return Trouble(Reason.DNS_NOT_FOUND, f"{name}: not a host name")
        except OSError as error:
            return Trouble(Reason.DNS_UNAVAILABLE, f"{name}: {error}")
        if addresses:
            return addresses[:MOST_ADDRESSES]
        return Trouble(Reason.DNS_NOT_FOUND, f"{name}: no address")

    def _take(self, name: str, answer: Answer) -> None:
        entry = self._names[name]
        entry.asked_since = None
        self._under_way -= 1
        entry.looked_at = now = self._clock()
        if not isinstance(answer, Trouble):
            entry.addresses, entry.found_at, entry.trouble = answer, now, None
        else:
            entry.trouble = answer
            if answer.verdict.reason is Reason.DNS_NOT_FOUND:
                entry.addresses = ()
        known = entry.kept(now) or answer
        waiting, entry.waiting = entry.waiting, []
        for call in waiting:
            call(known)
