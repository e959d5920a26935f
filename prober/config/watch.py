"""Notices when the files of a configuration have changed and are complete."""

import os
from collections.abc import Callable
from typing import NamedTuple

from prober.config.disk import FileHashes, fingerprint, list_files
from prober.files.bounded import BOUNDED, aside

Stamp = tuple[int, int, int, int] | None
"""File attributes that show without reading whether a file may have changed; None if missing."""


def stamp(path: str) -> Stamp:
    """Return the attributes of a file, or of the target of a symlink."""
    try:
        found = BOUNDED.call(path, lambda: os.stat(path))  # noqa: PTH116  (as in glob)
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size


def _listed(pattern: str, directory: str) -> tuple[str, ...]:
    try:
        return list_files(pattern, directory)
    except OSError:
        return ()


UNSETTLED = 5
"""Consecutive looks at files that change each time, after which they are read nevertheless."""


class FileReader(NamedTuple):
    """The functions that look at files."""

    stamp: Callable[[str], Stamp] = stamp
    fingerprint: Callable[[str], str | None] = fingerprint
    list_files: Callable[[str, str], tuple[str, ...]] = _listed


class Watcher:
    """Compares files with what was last read from them.

    Only contents count, not dates. A change counts when two consecutive looks find the same, so
    that a file that is being written or is briefly missing has no effect; or after UNSETTLED looks,
    so that a file that somebody rewrites all the time is read too.
    """

    def __init__(self, eyes: FileReader | None = None) -> None:
        self._eyes = eyes or FileReader()
        self._base = self._read = FileHashes({}, {})
        self._unsettled = 0
        self._stamps: object = None
        self._changed: FileHashes | None = None

    def follow(self, traces: FileHashes) -> None:
        """Start from the result of a reading, whether it was usable or not."""
        self._base, self._unsettled = traces, 0
        self._read, self._stamps, self._changed = traces, None, None

    @property
    def secrets(self) -> frozenset[str]:
        """The files that were read for a secret or a certificate."""
        return self._base.secrets

    @property
    def differing(self) -> frozenset[str]:
        """The files and patterns that have settled on something else than was last read."""
        files = {path for path, hash_ in self._read.prints.items() if hash_ != self._base[0][path]}
        lists = self._read.listings.items()
        return frozenset(files | {key[0] for key, found in lists if found != self._base[1][key]})

    def look(self) -> bool:
        """Look once; return whether the files have settled on contents that were not read yet."""
        listings = {key: self._eyes.list_files(*key) for key in self._read.listings}
        stamps = {path: self._eyes.stamp(path) for path in self._read.prints}, listings
        if stamps == self._stamps and self._changed is None:
            return False
        prints = {path: self._eyes.fingerprint(path) for path in stamps[0]}
        found = FileHashes(prints, listings, self._read.secrets)
        before, self._stamps, self._changed = (self._stamps, self._changed), stamps, None
        if found == self._read:
            self._unsettled = 0
            return False
        self._unsettled += 1
        if before == (stamps, found) or (self._unsettled > UNSETTLED and self._is_whole(found)):
            self._read, self._unsettled = found, 0
            return True
        self._changed = found
        return False

    def _is_whole(self, found: FileHashes) -> bool:
        """Return whether nothing is missing that was there before."""
        return all(found.prints[path] for path, before in self._read.prints.items() if before)


async def look_aside(watcher: Watcher) -> bool:
    """Look without blocking the event loop; a disk that does not answer has not changed."""
    try:
        return await aside(watcher.look)
    except OSError:
        return False
