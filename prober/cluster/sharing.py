"""Who probes what: a weighted rendezvous hash, which every member computes alone.

A check belongs to one of SHARDS by the hash of its key. Each live member has a score for each
shard, and the members with the highest scores probe it (Thaler and Ravishankar, "Using name-based
mappings to increase hit rates", 1998), so that a change of membership moves only the shares of
those who come and go. The weights follow the logarithmic method of Schindelhauer and Schomaker,
"Weighted distributed hash tables", 2005.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from hashlib import shake_128
from math import log
from struct import unpack
from typing import NamedTuple

SHARDS = 16_384
"""The number of shards, the same for every member of every cluster: enough that none of 100 members
has a quarter more or less than its share."""
BUCKETS = 128
"""The number of parts that a member's votes are written in: enough that a change of one check does
not write too many, and few enough that a change of all of them takes few writes."""
_SCALE = 2.0**64


class Peer(NamedTuple):
    """A member as the hash sees it: its name, its zone, and its weight, 1.0 by default."""

    name: str
    zone: str = ""
    weight: float = 1.0


def shard_of(number: int) -> int:
    """Return the shard of a check from its `spread` number.

    It uses other bits than phases and first probes do, so that a shard's checks are spread in time.
    """
    return (number >> 24) % SHARDS


def bucket_of(number: int) -> int:
    """Return the part of a member's votes that a check belongs to, from its `spread` number."""
    return shard_of(number) * BUCKETS // SHARDS


@lru_cache(maxsize=256)
def _logarithms(name: str) -> Sequence[float]:
    """Return for each shard the logarithm of a number between 0 and 1 that the name determines."""
    drawn = unpack(f">{SHARDS}Q", shake_128(name.encode()).digest(8 * SHARDS))
    return array("d", (log((number + 0.5) / _SCALE) for number in drawn))


def _score(shard: int) -> Callable[[Peer], tuple[float, str]]:
    return lambda peer: (_logarithms(peer.name)[shard] / peer.weight, peer.name)


def ranking(shard: int, peers: Collection[Peer]) -> list[Peer]:
    """Return the members, the one with the highest score for this shard first."""
    return sorted(peers, key=_score(shard), reverse=True)


def first_of(ranked: Collection[Peer], count: int) -> tuple[str, ...]:
    """Return the names of the first `count` members; zones that have fewest of them come first."""
    left, taken, chosen = list(ranked), Counter[str](), list[str]()
    while left and len(chosen) < count:
        fewest = min(taken[peer.zone] for peer in left)
        peer = next(peer for peer in left if taken[peer.zone] == fewest)
        left.remove(peer)
        taken[peer.zone] += 1
        chosen.append(peer.name)
    return tuple(chosen)


class Sharing:
    """Who probes what with one membership.

    Args:
        peers: The members that checks may be given to.
        held: The numbers of the checks that members have in their configurations, by name; a member
            that is absent here has every check.
    """

    def __init__(
        self, peers: Collection[Peer], held: Mapping[str, Collection[int]] | None = None
    ) -> None:
        self._peers = tuple(sorted(peers))
        self._held = held or {}
        self._owners: dict[tuple[int, int, frozenset[str]], tuple[str, ...]] = {}
        self._everybody = frozenset(peer.name for peer in self._peers)

    def owners(self, number: int, vantages: int = 1) -> tuple[str, ...]:
        """Return who probes a check, best first: as many as there are vantages, if possible.

        Only members that have it in their configuration; empty if there are none.
        """
        holders = self._everybody
        if self._held:
            lacking = {name for name, numbers in self._held.items() if number not in numbers}
            holders = holders - lacking
        found = (shard_of(number), vantages, holders)
        owners = self._owners.get(found)
        if owners is None:
            owners = self._owners[found] = self._chosen(*found)
        return owners

    def _chosen(self, shard: int, vantages: int, holders: frozenset[str]) -> tuple[str, ...]:
        peers = [peer for peer in self._peers if peer.name in holders]
        if vantages == 1 and peers:
            return (max(peers, key=_score(shard)).name,)
        return first_of(ranking(shard, peers), vantages)


def may_let_go(*, owners_began: bool, lost_at: float, interval: float, now: float) -> bool:
    """Return whether the member that lost a check may stop probing it.

    Args:
        owners_began: Every new owner was seen to have begun.
        lost_at: When it was lost, in seconds as `now` is.
        interval: The seconds between its probes.
        now: The time.
    """
    return owners_began or now - lost_at >= 2 * interval
