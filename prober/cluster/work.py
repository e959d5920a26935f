"""What a member of a cluster works on: the checks of this prober, seen from the cluster."""

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from prober.model.ballot import Vote


class Assignment(NamedTuple):
    """A check to probe: its number, and which of how many vantages this is, from 0."""

    number: int
    place: int
    vantages: int


class Workplace(Protocol):
    """The checks of this prober, by number; nothing here awaits."""

    def begin(self, tasks: Collection[Assignment]) -> None:
        """Probe these checks from now on, each at its next slot."""

    def cease(self, numbers: Collection[int]) -> None:
        """Stop probing these checks."""

    def vote(self, number: int) -> Vote:
        """Return what this vantage says of a check that it probes."""

    def adopt(self, number: int, vote: Vote) -> None:
        """Continue from another vantage's rise and fall."""

    def show(self, number: int, votes: Sequence[tuple[str, Vote]], vantages: int) -> None:
        """Show what others say of a check: their names and votes; it has `vantages` in all.

        There are none if this vantage is the only one.
        """


class NameTakenError(Exception):
    """Another live member of the cluster has this member's name; `url` is where it is reached."""

    def __init__(self, name: str, url: str) -> None:
        where = f", at {url}" if url else ""
        super().__init__(f"another live member is called {name!r}{where}")
        self.url = url
