"""What is fuzzed: a parser, how it is fed, and the inputs that are kept for it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

CORPUS = Path(__file__).parent / "corpus"

Feed = Callable[[bytes], None]
"""Feeds one input to a parser; raises for everything that the parser must not do."""


class Subject(NamedTuple):
    """One parser under test; `opened` makes what it needs for as long as the context lasts."""

    name: str
    opened: Callable[[], AbstractContextManager[Feed]]

    @property
    def folder(self) -> Path:
        """Where its inputs are kept: examples by their names, and what once failed."""
        return CORPUS / self.name

    def inputs(self) -> list[Path]:
        """Return the files of its inputs, in order."""
        return sorted(self.folder.iterdir())

    def keep(self, content: bytes) -> Path:
        """Keep an input that failed, and return where."""
        path = self.folder / f"found-{sha256(content).hexdigest()[:12]}"
        path.write_bytes(content)
        return path


def smaller(content: bytes) -> Iterator[bytes]:
    """Yield inputs that lack a part of this one, the largest parts first."""
    size = len(content) // 2
    while size:
        for start in range(0, len(content), size):
            yield content[:start] + content[start + size :]
        size //= 2
