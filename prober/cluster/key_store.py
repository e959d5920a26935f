"""What the cluster needs of etcd: keys with revisions, leases and a watch."""

from collections.abc import AsyncIterator, Collection, Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol


class StoreTrouble(StrEnum):
    """Why etcd could not be asked; the values of `reason` in `prober_cluster_errors_total`."""

    UNREACHABLE = "unreachable"
    """No endpoint accepts a connection, or one breaks off."""
    TIMEOUT = "timeout"
    """No answer within the time limit."""
    NO_QUORUM = "no_quorum"
    """An endpoint answers, but it has no leader, or no majority of its members."""
    UNAUTHORIZED = "unauthorized"
    """It refuses the user, the password, the token or the client certificate."""
    NO_SPACE = "no_space"
    """Its quota is used up (alarm NOSPACE): it can be read, but not written."""
    TLS = "tls"
    """The TLS handshake fails."""
    BAD_ANSWER = "bad_answer"
    """Its answer is not one of etcd, or another error."""
    LEASE_LOST = "lease_lost"
    """A lease has expired or was revoked."""
    WATCH_LOST = "watch_lost"
    """A watch was cancelled, or what it missed was compacted."""
    INTERNAL = "internal"
    """Not etcd, but a bug in prober; the log has it as `internal_error`."""


class StoreUnavailable(Exception):  # noqa: N818  (a state of etcd, not a bug)
    """Etcd could not be asked, or did not do it; it is unknown whether a write took place."""

    def __init__(self, reason: StoreTrouble, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


class LeaseLost(StoreUnavailable):
    """The lease does not exist any more, nor do the keys that were written with it."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(StoreTrouble.LEASE_LOST, detail)


class WatchLost(StoreUnavailable):
    """The watch was cancelled or misses compacted revisions: read everything, then watch again."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(StoreTrouble.WATCH_LOST, detail)


class Item(NamedTuple):
    """The value of a key, the revision of its last change, and its lease (0: none)."""

    value: bytes
    revision: int
    lease: int


class Snapshot(NamedTuple):
    """All keys under a prefix, as of a revision of the whole store."""

    revision: int
    items: dict[str, Item]


class KeyChanges(NamedTuple):
    """What has changed up to a revision: the new items, and the keys that are gone.

    Without either, it says only that everything up to this revision was seen.
    """

    revision: int
    puts: dict[str, Item]
    deletes: list[str]


class KeyStore(Protocol):
    """A store of keys: every read is linearizable, every change is one transaction.

    Each method raises `StoreUnavailable` within its time limit of about two seconds.
    """

    async def read(self, prefix: str) -> Snapshot:
        """Return all keys that begin with this prefix."""

    async def put(self, key: str, value: bytes, lease: int = 0) -> int:
        """Write a key, return the revision; raise `LeaseLost` if there is no such lease."""

    async def delete(self, key: str) -> None:
        """Delete a key, if it exists."""

    async def change(
        self,
        expected: Mapping[str, int],
        puts: Mapping[str, bytes],
        deletes: Collection[str] = (),
        lease: int = 0,
    ) -> int | None:
        """Write and delete keys in one transaction; return its revision, or None if refused.

        It is refused unless each expected key was last changed at this revision; 0: it is absent.
        """

    async def grant(self, ttl: float) -> int:
        """Create a lease that lasts `ttl` seconds, rounded up; return its id."""

    async def renew(self, lease: int) -> float:
        """Renew a lease and return the seconds that it has left, or raise `LeaseLost`."""

    async def revoke(self, lease: int) -> None:
        """End a lease and delete its keys; one that does not exist is no error."""

    def watch(self, prefix: str, after: int) -> AsyncIterator[KeyChanges]:
        """Yield what changes under a prefix after a revision, in order, without end.

        Raise `WatchLost` if the watch was cancelled or what it misses was compacted, and
        `StoreUnavailable` if etcd goes silent.
        """
