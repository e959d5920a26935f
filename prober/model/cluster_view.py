"""What a member of a cluster shows of it."""

from collections.abc import Mapping
from typing import NamedTuple


class MemberView(NamedTuple):
    """A live member.

    `url` is where its API is reached, `checks` how many checks it probes, `config_hash`
    the hash of its monitors and pools, `lease_seconds` how long
    its lease lasts unless it is renewed. `draining` is whether it hands over to the others.
    """

    name: str
    zone: str
    url: str
    version: str
    started_at: float
    checks: int
    draining: bool
    config_hash: str
    lease_seconds: float


class ClusterView(NamedTuple):
    """A cluster as one of its members sees it.

    `degraded` is whether that member works without etcd; then `etcd_trouble` says why. `endpoint`
    is the URL of etcd that is used. `checks_owned` is how many checks this member probes.
    `takeovers` counts shards by why they were taken, `errors` what etcd did not do by reason.
    """

    name: str
    member: str
    degraded: bool
    endpoint: str
    members: tuple[MemberView, ...]
    shards: int
    checks_owned: int
    takeovers: Mapping[str, int]
    errors: Mapping[str, int]

    @property
    def configurations(self) -> int:
        """How many different configurations the members have."""
        return len({member.config_hash for member in self.members})
