"""Rate limits: how often something may happen, and how often a peer may guess credentials."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

BURST = 10
"""Wrong credentials that a peer may send at once."""
REFILL = 1.0
"""Seconds after which a peer may send one more."""
REMEMBERED = 4096
"""The number of peers that are remembered, the most recent ones."""


@dataclass(slots=True)
class Bucket:
    """Allows `burst` things at once, and one more every `interval` seconds."""

    interval: float
    burst: int
    _full_at: float = 0.0

    def wait(self, now: float) -> float:
        """Return the seconds until the next thing is allowed; 0 if it is allowed now."""
        return max(0.0, self._full_at - now - (self.burst - 1) * self.interval)

    def take(self, now: float) -> None:
        """Record one thing."""
        self._full_at = max(self._full_at, now) + self.interval


class LoginLimits:
    """Which peers have sent wrong credentials recently.

    A peer with too many wrong guesses has to wait, except with credentials that were right from the
    same address: other users who share an address with an attacker are not affected.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._guessers: OrderedDict[str, Bucket] = OrderedDict()
        self._proven: OrderedDict[tuple[str, bytes], None] = OrderedDict()

    def wait(self, peer: str, mark: bytes) -> float:
        """Return the seconds that a peer has to wait before these credentials are checked."""
        bucket = self._guessers.get(peer)
        if bucket is None or (peer, mark) in self._proven:
            return 0.0
        return bucket.wait(self._clock())

    def failed(self, peer: str) -> None:
        """Record wrong credentials of a peer."""
        bucket = self._guessers.setdefault(peer, Bucket(REFILL, BURST))
        bucket.take(self._clock())
        self._guessers.move_to_end(peer)
        if len(self._guessers) > REMEMBERED:
            self._guessers.popitem(last=False)

    def succeeded(self, peer: str, mark: bytes) -> None:
        """Record right credentials of a peer."""
        self._proven[peer, mark] = None
        self._proven.move_to_end((peer, mark))
        if len(self._proven) > REMEMBERED:
            self._proven.popitem(last=False)


def peer_of(host: str) -> str:
    """Return what counts as one peer: an IPv4 address, or an IPv6 /64 network."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return address.exploded[:19] if not address.is_loopback else str(address)
