"""Host names, resolved off the probe path.

getaddrinfo blocks for seconds when a name server is away, and asyncio's own pool has so few
threads that a dozen hanging names delay all others. Here are more, made when needed, one lookup
per name at a time, answers kept and refreshed beside the probes, and old answers used when the
resolver fails.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import NamedTuple

from prober.model.probe import Trouble
from prober.model.status import Reason

FRESH = 5.0
"""Seconds after which an answer that is used is asked for again, beside the probes."""
USABLE = 600.0
"""Seconds for which an old answer is used while the resolver fails."""
THREADS = 64
"""Lookups that can be under way at once."""
FEW = 100
"""Names that are kept without asking whether they are still used."""
MOST_ADDRESSES = 16
"""Addresses of one name that are tried."""

_NOT_FOUND = {socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_ADDRFAMILY}


class Address(NamedTuple):
    """Where a socket connects to, still without the port."""

    family: int
    host: str
    scope: int = 0


Addresses = tuple[Address, ...]


class ResolvedTarget(NamedTuple):
    """Where a socket connects to, as connect() takes it."""

    family: int
    address: tuple[str, int] | tuple[str, int, int, int]


def endpoints(addresses: Addresses, port: int) -> tuple[ResolvedTarget, ...]:
    """Return the endpoints with this port at these addresses."""
    return tuple(
        ResolvedTarget(
            family, (host, port, 0, scope) if family == socket.AF_INET6 else (host, port)
        )
        for family, host, scope in addresses
    )


Answer = Addresses | Trouble
Lookup = Callable[[str], Addresses]


def literal(host: str) -> Addresses:
    """Return the address that an IP literal is, or nothing for a name."""
    for family in (socket.AF_INET6, socket.AF_INET):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return (Address(family, host),)
    return ()


def look_up(name: str) -> Addresses:
    """Ask the system for the addresses of a name, in the system's order; may block for long."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    addresses = (
        Address(family, str(host), int(rest[-1]) if family == socket.AF_INET6 else 0)
        for family, _, _, _, (host, *rest) in found
    )
    return tuple(dict.fromkeys(addresses))


class _Name:
    __slots__ = ("addresses", "answered_at", "asked_at", "asking", "trouble", "waiting")

    def __init__(self) -> None:
        self.addresses: Addresses = ()
        self.answered_at = 0.0
        self.asked_at = 0.0
        self.trouble: Trouble | None = None
        self.asking = False
        self.waiting: list[Callable[[Answer], None]] = []


class Resolver:
    """Answers for names; everything but the lookups themselves happens in the loop's thread.

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
        """Return of how many names it knows."""
        return len(self._names)

    def resolve(self, name: str, answer: Callable[[Answer], None]) -> Answer | None:
        """Return what is known of a name, or None and call `answer` once it is."""
        now = self._clock()
        entry = self._names.get(name)
        if entry is None:
            self._forget_the_unused(now)
            entry = self._names[name] = _Name()
        entry.asked_at = now
        age = now - entry.answered_at
        if entry.addresses and age < USABLE:
            if age > FRESH:
                self._ask(name, entry)
            return entry.addresses
        if entry.trouble and age < FRESH:
            return entry.trouble
        entry.waiting.append(answer)
        self._ask(name, entry)
        return None

    def forget(self, name: str, answer: Callable[[Answer], None]) -> None:
        """Do not call `answer` any more."""
        entry = self._names.get(name)
        if entry and answer in entry.waiting:
            entry.waiting.remove(answer)

    def _forget_the_unused(self, now: float) -> None:
        """Keep only the names in use, each time that they have become twice as many."""
        if len(self._names) < self._room:
            return
        self._names = {
            name: entry
            for name, entry in self._names.items()
            if entry.asking or entry.waiting or now - entry.asked_at < USABLE
        }
        self._room = max(FEW, 2 * len(self._names))

    def close(self) -> None:
        """Let the threads end, each when its lookup has."""
        for _ in range(self._threads):
            self._queue.put(None)

    def _ask(self, name: str, entry: _Name) -> None:
        if not entry.asking:
            entry.asking = True
            self._under_way += 1
            self._queue.put(name)
        if self._threads < min(self._under_way, THREADS):
            with suppress(RuntimeError):  # no thread to be had now: the next probe tries again
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
        except UnicodeError:  # a label that is empty or longer than 63 characters
            return Trouble(Reason.DNS_NOT_FOUND, f"{name}: not a host name")
        except OSError as error:
            return Trouble(Reason.DNS_UNAVAILABLE, f"{name}: {error}")
        if addresses:
            return addresses[:MOST_ADDRESSES]
        return Trouble(Reason.DNS_NOT_FOUND, f"{name}: no address")

    def _take(self, name: str, answer: Answer) -> None:
        entry = self._names[name]
        entry.asking = False
        self._under_way -= 1
        if not isinstance(answer, Trouble):
            entry.addresses, entry.trouble, entry.answered_at = answer, None, self._clock()
        elif answer.verdict.reason is Reason.DNS_NOT_FOUND:
            entry.addresses, entry.trouble, entry.answered_at = (), answer, self._clock()
        elif not entry.addresses:
            entry.trouble, entry.answered_at = answer, self._clock()
        waiting, entry.waiting = entry.waiting, []
        for call in waiting:
            call(answer)
