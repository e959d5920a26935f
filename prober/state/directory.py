"""The state directory belongs to prober alone: files that others may have put there are not used.

Anyone who can write there can decide what is probed after a restart, or make prober write to
another file through a link.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path

_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_OPEN_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe must not block us


class PlantedFileError(OSError):
    """A state file is a link, has hard links, or belongs to another user."""


def claim_directory(directory: Path, warn: Callable[[str], None]) -> None:
    """Create a directory that only prober can write to, or restrict an existing one; raise OSError.

    `warn` is called with what was restricted, and with what could not be.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = directory.stat()
    mode = stat.S_IMODE(found.st_mode)
    ours, is_open = found.st_uid == os.geteuid(), bool(mode & _OTHERS)
    if ours and is_open:
        try:
            directory.chmod(mode & ~_OTHERS)
        except OSError as error:
            warn(f"{directory} is writable by others (mode {mode:04o}): {error.strerror}")
        else:
            warn(f"{directory} was writable by others (mode {mode:04o}); fixed")
    elif not ours and mode & stat.S_IWOTH:
        owner = f"belongs to uid {found.st_uid}"
        warn(f"{directory} {owner} and is writable by everyone (mode {mode:04o}); restrict it")
    elif not ours and found.st_uid != 0:
        warn(f"{directory} belongs to uid {found.st_uid}, who can change the state")


def open_own(path: Path, flags: int) -> int:
    """Open a state file and return its descriptor; raise OSError."""
    descriptor = os.open(path, flags | _OPEN_FLAGS, 0o600)
    try:
        _check(path, os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def check_own(path: Path) -> None:
    """Raise OSError if this file exists and is not prober's own."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    _check(path, found)


def _check(path: Path, found: os.stat_result) -> None:
    owners = (os.geteuid(), 0, path.parent.stat().st_uid)
    if not stat.S_ISREG(found.st_mode):
        raise PlantedFileError(f"{path.name} is not a regular file")
    if found.st_nlink > 1:
        raise PlantedFileError(f"{path.name} has hard links")
    if found.st_uid not in owners:
        raise PlantedFileError(f"{path.name} belongs to uid {found.st_uid}")
