"""The keys of a cluster in etcd: all are under `/prober/<cluster>/live/`."""

from typing import NamedTuple
from urllib.parse import quote, unquote


class MemberKey(NamedTuple):
    """The key of a member's record."""

    name: str


class VotesKey(NamedTuple):
    """The key of a member's votes in one bucket."""

    bucket: int
    name: str


class SetKey(NamedTuple):
    """The key of one part of a set of checks."""

    hash: str
    part: int
    parts: int


class Keys:
    """Names the keys of one cluster, and reads them."""

    def __init__(self, cluster: str) -> None:
        self.prefix = f"/prober/{cluster}/live/"

    def member(self, name: str) -> str:
        """Return the key of a member."""
        return f"{self.prefix}members/{quote(name, safe='')}"

    def votes(self, bucket: int, name: str) -> str:
        """Return the key of a member's votes in one bucket."""
        return f"{self.prefix}votes/{bucket}/{quote(name, safe='')}"

    def part(self, digest: str, part: int, parts: int) -> str:
        """Return the key of one part of a set of checks."""
        return f"{self.prefix}sets/{digest}/{part}/{parts}"

    def read(self, key: str) -> MemberKey | VotesKey | SetKey | None:
        """Return what a key is of; None for a key that prober does not write."""
        match key.removeprefix(self.prefix).split("/"):
            case ["members", name]:
                return MemberKey(unquote(name))
            case ["votes", bucket, name] if bucket.isdecimal():
                return VotesKey(int(bucket), unquote(name))
            case ["sets", digest, part, parts] if part.isdecimal() and parts.isdecimal():
                return SetKey(digest, int(part), int(parts))
        return None
