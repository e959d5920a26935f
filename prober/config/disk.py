"""Reads configuration files, and remembers hashes of what it found."""

import errno
import os
from collections.abc import Callable
from functools import partial
from glob import glob, has_magic
from hashlib import sha256
from typing import NamedTuple

from prober.files.bounded import BOUNDED
from prober.files.regular import read_in_time

SIZE_LIMIT = 256 * 1024 * 1024
"""Maximum bytes of one file."""


class FileHashes(NamedTuple):
    """What was read, so that a later look can detect differences.

    `prints` has a hash of each file's content, or None for an unreadable file; `listings` has the
    matching files for each pattern and the directory that it is relative to. `secrets` are files
    that are read for a secret or a certificate in them.
    """

    prints: dict[str, str | None]
    listings: dict[tuple[str, str], tuple[str, ...]]
    secrets: frozenset[str] = frozenset()


class OverBudgetError(Exception):
    """There is more to read than the budget allows."""


class Disk:
    """Reads files and remembers their hashes.

    Args:
        budget: The total number of bytes to read; beyond it, raise `OverBudgetError`.
    """

    def __init__(self, budget: int | None = None) -> None:
        self._prints: dict[str, str | None] = {}
        self._listings: dict[tuple[str, str], tuple[str, ...]] = {}
        self._secrets: set[str] = set()
        self._budget = budget

    @property
    def traces(self) -> FileHashes:
        """What was read so far."""
        return FileHashes(self._prints, self._listings, frozenset(self._secrets))

    def read_text(self, path: str) -> str:
        """Return the text of a file, or raise OSError or UnicodeDecodeError."""
        self._prints[path] = None
        content = _content(path, self._budget)
        if self._budget is not None:
            self._budget -= len(content)
        self._prints[path] = _print(content)
        return content.decode()

    def note_secret(self, path: str) -> None:
        """Remember that a file holds a secret or a certificate."""
        self._secrets.add(path)

    def forget(self, path: str) -> None:
        """Do not remember what a file contained."""
        self._prints.pop(path, None)

    def matches(self, pattern: str, directory: str) -> list[str]:
        """Return the files that match a pattern; a name without wildcards is returned as it is."""
        if not has_magic(pattern):
            return [pattern]
        found = list_files(pattern, directory)
        self._listings[pattern, directory] = found
        return list(found)


def list_files(pattern: str, directory: str) -> tuple[str, ...]:
    """Return the files that match a pattern relative to a directory, in order; raise OSError."""
    find: Callable[[], list[str]] = partial(
        glob, pattern, root_dir=directory or None, recursive=True
    )  # Path.glob takes no absolute pattern
    return tuple(sorted(BOUNDED.call(os.path.join(directory, pattern), find)))  # noqa: PTH118


def exists(path: str) -> bool:
    """Return whether there is a file; one whose disk does not answer exists."""
    try:
        return BOUNDED.call(path, lambda: os.path.exists(path))  # noqa: PTH110
    except OSError:
        return True


def fingerprint(path: str) -> str | None:
    """Return the hash of a file's content as in `FileHashes`, or None if it cannot be read."""
    try:
        return _print(_content(path, None))
    except OSError:
        return None


def _content(path: str, budget: int | None) -> bytes:
    if "\0" in path:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")
    limit = SIZE_LIMIT if budget is None else min(budget, SIZE_LIMIT)
    content = read_in_time(path, limit + 1)
    if len(content) <= limit:
        return content
    if limit < SIZE_LIMIT:
        raise OverBudgetError
    raise OSError(errno.EFBIG, f"larger than {SIZE_LIMIT} bytes")


def _print(content: bytes) -> str:
    return sha256(content).hexdigest()
