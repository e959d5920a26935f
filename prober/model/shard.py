"""Static shards: a prober that probes one share of a configuration, and shows only that.

A backend belongs to a share by the hash of its address, so that all its checks are in one place.
"""

from dataclasses import dataclass, replace
from hashlib import blake2b

from prober.model.monitor import Model
from prober.model.pool import Backend, Pool


@dataclass(frozen=True, slots=True)
class Shard:
    """The share number `index`, counted from 0, of `count`."""

    index: int
    count: int

    def __str__(self) -> str:
        """Return it as on the command line."""
        return f"{self.index}/{self.count}"

    def has(self, backend: Backend) -> bool:
        """Return whether a backend belongs to the share."""
        digest = blake2b(backend.key.encode(), digest_size=8).digest()
        return int.from_bytes(digest) % self.count == self.index


def share_of(model: Model, shard: Shard) -> Model:
    """Return the part of a model in a share.

    A pool of which no backend belongs to the share is left out, and so are its monitors.
    """
    pools = {pool.name: _part(pool, shard) for pool in model.pools}
    kept = {name: pool for name, pool in pools.items() if pool is not None}
    monitors = (
        replace(each, targets=tuple(filter(shard.has, each.targets))) if each.targets else each
        for each in model.monitors
        if each.pool_name in kept
    )
    return Model(tuple(monitors), tuple(kept.values()))


def _part(pool: Pool, shard: Shard) -> Pool | None:
    backends = tuple(filter(shard.has, pool.backends))
    if len(backends) == len(pool.backends):
        return pool
    return replace(pool, backends=backends) if backends else None
