"""Reads of regular files only: a named pipe or a device may never have an end."""

import errno
import os
import stat
from pathlib import Path

from prober.files.bounded import BOUNDED, BoundedCalls

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read_regular(path: str, limit: int) -> bytes:
    """Return at most `limit` bytes of a file.

    Raise OSError, at once for what is not a regular file. A pipe that this process was given open,
    such as `/dev/stdin`, is read to its end, and `/dev/null` is empty.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # to open a named pipe must not block
    descriptor = os.open(path, flags)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            _refuse_endless(descriptor, found)
            os.set_blocking(descriptor, True)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(limit)
    finally:
        os.close(descriptor)


def _refuse_endless(descriptor: int, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    place = str(Path(f"/proc/self/fd/{descriptor}").readlink())
    if place == os.devnull or place.startswith("pipe:["):
        return
    kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
    raise OSError(errno.EINVAL, f"it is {kind}; expected a regular file")


def read_in_time(path: str, limit: int, bounded: BoundedCalls = BOUNDED) -> bytes:
    """Return at most `limit` bytes of a regular file; raise OSError, and that soon."""
    return bounded.call(path, lambda: read_regular(path, limit))
